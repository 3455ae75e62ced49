"""Files that Gradio serves: those that a run made, also as part of an endpoint's JSON answer, and demos' own assets."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gradio.data_classes import FileData
from gradio.route_utils import API_PREFIX

from hub.kept import RESULT
from hub.settings import Settings


def result_path(settings: Settings, name: str) -> Path:
    """Return where a result called `name` may be written: a new folder of the uploads, deleted with them after a while.

    The name is what the user's download is called, so it must be ours and never a user's.
    """
    return Path(tempfile.mkdtemp(prefix=RESULT, dir=settings.make_temp_dir())) / name


def answer_file(path: Path) -> dict[str, Any]:
    """Describe a file for a JSON answer, so that it is served and downloaded like the output of a file component."""
    described: dict[str, Any] = FileData(path=str(path), orig_name=path.name).model_dump()
    return described


def address(path: Path) -> str:
    """Return where browsers fetch a result or an asset (`Demo.assets`), relative to the address of the page."""
    return f"{API_PREFIX.lstrip('/')}/file={quote(path.as_posix())}"
