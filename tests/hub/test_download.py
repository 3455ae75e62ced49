"""Downloading from a Hub: the real client against a small server on this machine that speaks the Hub's protocol."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"config.json": b"{}", "model.safetensors": save({"weight": torch.zeros(500_000)})}
PROGRAM = """
import sys
from dataclasses import replace
from demos.captioning import DEMO
from hub.weights import fetch
card = replace(DEMO.models[2], source="somebody/something", revision=sys.argv[1], label="Something")
folder = fetch(card, lambda text, fraction: print("REPORT", text, fraction))
print("FILES", *sorted(path.name for path in folder.iterdir()))
"""


class TinyHub(BaseHTTPRequestHandler):
    """Answers what `snapshot_download` asks of one repository."""

    def do_GET(self) -> None:  # noqa: N802 - the name http.server calls
        self._answer(with_body=True)

    def do_HEAD(self) -> None:  # noqa: N802
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        name = path.rpartition("/")[2]
        if path.startswith("/api/models/somebody/something/revision/"):
            siblings = [{"rfilename": file} for file in FILES]
            body = json.dumps({"id": "somebody/something", "sha": COMMIT, "siblings": siblings}).encode()
        elif path.startswith("/api/models/somebody/something/tree/"):
            tree = [
                {"type": "file", "path": file, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
                for file, body in FILES.items()
            ]
            body = json.dumps(tree).encode()
        elif path.startswith("/somebody/something/resolve/") and name in FILES:
            body = FILES[name]
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub_address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), TinyHub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def fetch(address: str, cache: Path, *, offline: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(cache), "HF_HUB_OFFLINE": str(int(offline))}
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, COMMIT], cwd=root, env=environment, capture_output=True, text=True, check=False
    )


def test_a_download_reports_its_bytes_and_leaves_only_safe_files(hub_address: str, tmp_path: Path) -> None:
    done = fetch(hub_address, tmp_path)
    assert "FILES config.json model.safetensors" in done.stdout, done.stderr
    assert "of 2 MB" in done.stdout
    assert " 1.0\n" in done.stdout


def test_what_was_downloaded_once_is_there_without_the_network(hub_address: str, tmp_path: Path) -> None:
    fetch(hub_address, tmp_path)
    done = fetch("http://127.0.0.1:9", tmp_path, offline=True)
    assert "FILES config.json model.safetensors" in done.stdout, done.stderr
