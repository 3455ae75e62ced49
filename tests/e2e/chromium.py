"""Where Chromium is, and how it is started so that it talks to the page under test only."""

from __future__ import annotations

import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
CAMERA_FLAGS = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]  # a webcam's test picture


def find_chromium() -> str | None:
    """Return the path of a system Chromium that runs, or None for Playwright's own."""
    for name in NAMES:
        path = shutil.which(name)
        # Ubuntu's chromium-browser may be a stub that only asks for a snap.
        if path and not subprocess.run([path, "--version"], capture_output=True, check=False).returncode:
            return path
    return None
