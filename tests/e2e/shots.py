"""Takes the README's screenshots, into assets/screenshots: each tab, desktop and phone, light and dark.

`make shots`, or `python -m tests.e2e.shots`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, sync_playwright

from demos import discover
from tests.app import running_app
from tests.e2e.chromium import DESKTOP, FLAGS, PHONE, find_chromium, open_tab, opened

TALL: ViewportSize = {**DESKTOP, "height": 1200}  # most results are taller than a laptop's screen
FOLDER = Path(__file__).resolve().parents[2] / "assets" / "screenshots"


def main() -> None:
    """Run every demo's first example and photograph its tab."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    demos, _ = discover()
    with tempfile.TemporaryDirectory() as temp, running_app(Path(temp)) as app, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for demo in demos:
            for name, size in (("desktop", TALL), ("phone", PHONE)):
                for theme in ("light", "dark"):
                    context = chromium.new_context(viewport=size, device_scale_factor=1)
                    page = opened(context, f"{app.url}?__theme={theme}")
                    open_tab(page, demo.title)
                    run_first_example(page, demo.slug)
                    suffix = "" if theme == "light" else "-dark"
                    page.screenshot(path=FOLDER / f"{demo.slug}-{name}{suffix}.png", full_page=name == "phone")
                    context.close()
        chromium.close()


def run_first_example(page: Page, slug: str) -> None:
    """Click the first example, wait for its result, and choose a word where there are words to choose."""
    # Examples of one input are buttons; of several, rows of a table.
    page.locator(f"#{slug}-examples").locator("tbody tr, button").first.click()
    page.locator(f"#{slug}-strip-0 .lectern-strip").wait_for()
    page.wait_for_function("!document.querySelector('[data-state=loading], [data-state=drawing]')")
    words = page.locator(f".{slug} label[style]")
    if words.count() > 2:
        words.nth(2).click()
    page.evaluate("scrollTo(0, 0)")


if __name__ == "__main__":
    main()
