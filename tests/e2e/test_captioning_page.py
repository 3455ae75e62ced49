"""The captioning tab as a student meets it, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from hub.jobs import CancelToken
from tests.app import RunningApp, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "assets" / "examples" / "captioning"
WORDS = ".captioning label"


def run(page: Page) -> None:
    page.locator("#captioning-run").click()


def test_clicking_an_example_shows_a_caption_and_the_model_that_made_it(page: Page) -> None:
    page.locator("#captioning-examples").get_by_role("button").first.click()
    expect(page.locator(WORDS).first).to_be_visible()
    expect(page.locator("#captioning-strip-0")).to_contain_text("embedded")
    expect(page.locator("#captioning-strip-0")).to_contain_text("ms compute")


def test_an_own_picture_is_captioned_after_run_is_pressed(page: Page) -> None:
    page.locator("#captioning-picture input[type=file]").set_input_files(min(EXAMPLE.glob("*.png")))
    page.locator("#captioning-picture img").wait_for()
    run(page)
    expect(page.locator(WORDS).first).to_be_visible()


def test_choosing_a_word_lays_its_attention_map_over_the_picture(page: Page) -> None:
    page.locator("#captioning-examples").get_by_role("button").first.click()
    page.locator(WORDS).nth(2).click()
    overlay = page.locator(".captioning-stage img").nth(3)
    expect(overlay).to_have_css("opacity", "1")
    expect(page.locator(".captioning-stage img").nth(2)).to_have_css("opacity", "0")


def test_a_new_scene_reveals_its_true_caption_only_after_the_run(page: Page) -> None:
    page.locator("#captioning-new-scene").click()
    page.locator("#captioning-picture img").wait_for()
    assert page.locator(".captioning-truth").count() == 0
    run(page)
    page.locator(".captioning-truth summary").click()
    expect(page.locator(".captioning-truth b")).to_contain_text(re.compile(r"^a (small|large) .* table$"))


def test_two_models_answer_side_by_side(page: Page) -> None:
    page.get_by_role("button", name="Compare two models").click()
    page.locator("#captioning-compare input").click()
    page.get_by_role("option").nth(2).click()
    page.locator("#captioning-examples").get_by_role("button").first.click()
    for number in (0, 1):
        expect(page.locator(f"#captioning-strip-{number}")).to_contain_text("embedded")


def test_show_code_shows_code_that_loads_the_same_model(page: Page) -> None:
    page.locator("#captioning-examples").get_by_role("button").first.click()
    page.locator(WORDS).first.wait_for()
    page.get_by_role("button", name="Show code").first.click()
    expect(page.locator(".cm-content").first).to_contain_text("from_pretrained")


def test_stop_ends_a_run_that_waits_for_the_device(page: Page, app: RunningApp) -> None:
    with app.hub.gate.hold(CancelToken()):
        page.locator("#captioning-examples").get_by_role("button").first.click()
        wait_until(lambda: app.hub.gate.waiting == 1, "the run to stand in line")
        page.locator("#captioning-stop").click()
        expect(page.locator("#captioning-status")).to_contain_text("Stopped.")
        wait_until(lambda: app.hub.gate.waiting == 0, "the stopped run to leave the line")
        assert app.hub.jobs.in_flight() == 0


def test_a_closed_tab_cancels_its_run(page: Page, app: RunningApp) -> None:
    with app.hub.gate.hold(CancelToken()):
        page.locator("#captioning-examples").get_by_role("button").first.click()
        wait_until(lambda: app.hub.gate.waiting == 1, "the run to stand in line")
        page.close()
        wait_until(lambda: app.hub.gate.waiting == 0, "the closed tab's run to leave the line")
    wait_until(lambda: app.hub.jobs.in_flight() == 0, "the closed tab's job to end")


def test_running_without_a_picture_says_what_to_do(page: Page) -> None:
    run(page)
    expect(page.locator(".toast-body")).to_contain_text("There is no picture yet.")


def test_free_memory_says_how_many_bytes_came_back(page: Page) -> None:
    page.locator("#captioning-examples").get_by_role("button").first.click()
    page.locator(WORDS).first.wait_for()
    page.get_by_role("button", name="Memory").click()
    page.locator("#free-memory").click()
    expect(page.get_by_text("Freed")).to_contain_text(re.compile(r"Freed \d+ MB: \d+ MB before, 0 MB now"))


def test_a_phone_shows_run_and_the_result_without_sideways_scrolling(browser: Browser, app: RunningApp) -> None:
    phone = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = phone.new_page()
    page.set_default_timeout(60_000)
    page.goto(app.url)
    expect(page.locator("#captioning-run")).to_be_visible()
    page.locator("#captioning-examples").get_by_role("button").first.click()
    expect(page.locator(WORDS).first).to_be_visible()
    for name in ("Explain", "Show code", "Try this", "About this model", "Compare two models", "Decoding", "Memory"):
        page.get_by_role("button", name=name).first.click()
    expect(page.locator("#free-memory")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    phone.close()


def test_no_request_leaves_this_machine(page: Page, requested_hosts: list[str]) -> None:
    page.locator("#captioning-examples").get_by_role("button").first.click()
    page.locator(WORDS).first.wait_for()
    page.get_by_role("button", name="Show code").first.click()
    page.locator(".cm-content").first.wait_for()
    assert requested_hosts
    assert set(requested_hosts) <= {"127.0.0.1", "localhost", ""}  # "" is a data: or blob: URL
