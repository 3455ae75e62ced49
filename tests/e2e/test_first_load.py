"""What the first student of the day sees: the page is up, and the model is not in memory yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.app import RunningApp, running_app
from tests.e2e.chromium import DESKTOP, opened

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# Writes down all that the status line says, however briefly.
LISTEN = """status => {
  window.said = [];
  const hear = () => window.said.push(status.innerText);
  new MutationObserver(hear).observe(status, {childList: true, subtree: true, characterData: true});
}"""


@pytest.fixture
def cold_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app of its own that has loaded nothing."""
    with running_app(tmp_path_factory.mktemp("uploads"), warm=False) as running:
        yield running


def test_the_first_run_says_that_its_model_is_loaded(browser: Browser, cold_app: RunningApp) -> None:
    context = browser.new_context(viewport=DESKTOP)
    page = opened(context, cold_app.url)
    page.locator("#captioning-status").evaluate(LISTEN)
    page.locator("#captioning-examples").get_by_role("button").first.click()
    expect(page.locator(".captioning label").first).to_be_visible()
    expect(page.locator("#captioning-strip-0")).to_contain_text("s load")
    said = page.evaluate("window.said")
    assert any(text.startswith("Loading Tabletop BLIP (embedded)") for text in said), said
    context.close()
