"""Files that Gradio serves to browsers: a demo's assets, and nothing beside them."""

from __future__ import annotations

import dataclasses
import os
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest

from demos.captioning import DEMO
from hub.files import address, result_path
from hub.page import build, launch
from hub.runtime import Hub
from hub.settings import Settings
from tests.app import free_port


def fetched(url: str) -> tuple[str, bytes]:
    """Return the media type and the bytes of an answer."""
    with urllib.request.urlopen(url) as answer:
        return answer.headers.get_content_type(), answer.read()


def test_a_demos_assets_and_results_are_served_and_their_neighbours_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "own assets"
    folder.mkdir()
    script, secret = folder / "drawing.js", tmp_path / "secret.js"
    script.write_text("export const answer = 42;")
    secret.write_text("secret")
    settings = Settings(models="embedded", temp_dir=tmp_path / "temp", port=free_port(), warm=False)
    demo = dataclasses.replace(DEMO, build=lambda hub: None, assets=folder)
    hub = Hub(settings)
    page = build(hub, [demo])
    url = launch(page, hub, [demo], block=False)
    try:
        assert fetched(url + address(script)) in {
            (kind, script.read_bytes()) for kind in ("text/javascript", "application/javascript")
        }
        result = result_path(settings, "points.bin")
        result.write_bytes(os.urandom(100))
        assert fetched(url + address(result)) == ("application/octet-stream", result.read_bytes())
        with pytest.raises(HTTPError, match="403"):
            fetched(url + address(secret))
    finally:
        page.close()
