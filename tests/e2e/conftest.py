"""The real page in headless Chromium, with every request it makes written down."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.app import PATIENCE_S, RunningApp
from tests.e2e.chromium import FLAGS, find_chromium

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def requested_hosts() -> list[str]:
    """Host names of every request the page made; filled by `page`."""
    return []


@pytest.fixture
def page(browser: Browser, app: RunningApp, requested_hosts: list[str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.on("request", lambda request: requested_hosts.append(urlsplit(request.url).hostname or ""))
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(app.url)
    page.get_by_role("heading", name="Lectern").wait_for()
    yield page
    context.close()
