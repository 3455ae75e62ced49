"""Where Chromium is, how it is started so that it talks to the page under test only, and how the page is opened."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, ViewportSize

from tests.app import PATIENCE_S

DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
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
DEVICE_FLAGS = ["--use-fake-device-for-media-stream"]  # a webcam and a microphone
CAMERA_FLAGS = [*DEVICE_FLAGS, "--use-fake-ui-for-media-stream"]  # a webcam's test picture, for every page that asks
STRANGE_HOST = "lectern.test"  # this machine, by a name that the browser does not take for it
STRANGE_HOST_FLAGS = [f"--host-resolver-rules=MAP {STRANGE_HOST} 127.0.0.1"]


def find_chromium() -> str | None:
    """Return the path of a system Chromium that runs, or None for Playwright's own."""
    for name in NAMES:
        path = shutil.which(name)
        # Ubuntu's chromium-browser may be a stub that only asks for a snap.
        if path and not subprocess.run([path, "--version"], capture_output=True, check=False).returncode:
            return path
    return None


def microphone_flags(sound: Path) -> list[str]:
    """Return flags with which Chromium's microphone hears a WAV file, over and over, and asks nobody."""
    return [*CAMERA_FLAGS, f"--use-file-for-fake-audio-capture={sound}"]


def open_tab(page: Page, title: str) -> None:
    """Open a demo's tab; on a phone, where not all have room, Gradio keeps the others in a menu."""
    tab, menu = page.get_by_role("tab", name=title), page.get_by_label("More tabs")
    tab.or_(menu).filter(visible=True).first.wait_for()
    if not tab.is_visible():
        menu.click()
        tab = page.locator(".overflow-dropdown").get_by_text(title)
    tab.click()


def opened(context: BrowserContext, url: str) -> Page:
    """Open the page in a tab of its own and wait until it is drawn."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    page.goto(url)
    page.get_by_role("heading", name="Lectern").wait_for()
    return page
