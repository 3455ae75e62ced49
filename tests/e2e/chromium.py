"""Where Chromium is, and how it is started so that it talks to the page under test only."""

from __future__ import annotations

import shutil

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


def find_chromium() -> str:
    """Return the path of the system's Chromium.

    Raises:
        FileNotFoundError: when there is none; `make test` installs it.
    """
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise FileNotFoundError(f"none of {', '.join(NAMES)} is installed; run `make test`, or install chromium")
