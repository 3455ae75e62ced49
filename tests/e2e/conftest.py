"""The real page in headless Chromium, with every request it makes written down."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from tests.app import PATIENCE_S, RunningApp
from tests.e2e.chromium import CAMERA_FLAGS, DESKTOP, FLAGS, PHONE, find_chromium, opened

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    chromium = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
    yield chromium
    chromium.close()


@pytest.fixture
def requested_hosts() -> list[str]:
    """Host names of every request the page made; filled by `page`."""
    return []


@pytest.fixture
def page(browser: Browser, app: RunningApp, requested_hosts: list[str]) -> Iterator[Page]:
    """The page in a window of a laptop's size."""
    context = browser.new_context(viewport=DESKTOP)
    context.on("request", lambda request: requested_hosts.append(urlsplit(request.url).hostname or ""))
    yield opened(context, app.url)
    context.close()


@pytest.fixture
def phone(browser: Browser, app: RunningApp) -> Iterator[Page]:
    """The page on a phone."""
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    yield opened(context, app.url)
    context.close()


@pytest.fixture
def page_with_camera(playwright: Playwright, app: RunningApp) -> Iterator[Page]:
    """The page in a browser of its own, whose webcam shows Chromium's test picture."""
    chromium = playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS, *CAMERA_FLAGS])
    yield opened(chromium.new_context(viewport=DESKTOP, permissions=["camera"]), app.url)
    chromium.close()
