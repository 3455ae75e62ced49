"""The captioning tab as a student meets it, in a real browser."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Page, Route, expect

from demos.captioning import DEMO
from demos.captioning.options import CaptionOptions, CaptionRequest
from hub.jobs import CancelToken
from tests.app import RunningApp, wait_until
from tests.e2e.contrast import contrast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = [ROOT / example["image"] for example in DEMO.examples]
CAT = ROOT / "assets" / "examples" / "captioning" / "cat.png"
WORDS = ".captioning label"
# Writes down every caption that is shown from now on, however briefly.
WATCH_FOR_CAPTIONS = """() => {
  window.captions = [];
  const look = () => document.querySelectorAll(".captioning").forEach(shown => window.captions.push(shown.ariaLabel));
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
}"""
READABLE = 4.5  # contrast that WCAG 2.2, success criterion 1.4.3, asks of text


def run(page: Page) -> None:
    page.locator("#captioning-run").click()


def click_example(page: Page, number: int = 0) -> None:
    page.locator("#captioning-examples").get_by_role("button").nth(number).click()


def upload(page: Page, path: Path) -> None:
    page.locator("#captioning-picture input[type=file]").set_input_files(path)
    page.locator("#captioning-picture img").wait_for()


def caption_of(client: Client, path: Path) -> str:
    answer: dict[str, Any] = client.predict(image=handle_file(str(path)), api_name="/caption")
    return str(answer["caption"])


def test_clicking_an_example_shows_a_caption_and_the_model_that_made_it(page: Page) -> None:
    click_example(page)
    expect(page.locator(WORDS).first).to_be_visible()
    expect(page.locator("#captioning-strip-0")).to_contain_text("embedded")
    expect(page.locator("#captioning-strip-0")).to_contain_text("ms compute")


def test_an_own_picture_is_captioned_after_run_is_pressed(page: Page) -> None:
    upload(page, CAT)
    run(page)
    expect(page.locator(WORDS).first).to_be_visible()


def test_choosing_a_word_lays_its_attention_map_over_the_picture(page: Page) -> None:
    click_example(page)
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


def compare_with_the_early_model(page: Page) -> None:
    page.get_by_role("button", name="Compare two models").click()
    page.locator("#captioning-compare input").click()
    page.get_by_role("option").nth(2).click()


def test_two_models_answer_side_by_side(page: Page) -> None:
    compare_with_the_early_model(page)
    click_example(page)
    for number in (0, 1):
        expect(page.locator(f"#captioning-strip-{number}")).to_contain_text("embedded")


def test_show_code_shows_code_that_loads_the_same_model(page: Page) -> None:
    click_example(page)
    page.locator(WORDS).first.wait_for()
    page.get_by_role("button", name="Show code").first.click()
    expect(page.locator(".cm-content").first).to_contain_text("from_pretrained")


def test_free_memory_says_how_many_bytes_came_back(page: Page) -> None:
    click_example(page)
    page.locator(WORDS).first.wait_for()
    page.get_by_role("button", name="Memory").click()
    page.locator("#free-memory").click()
    expect(page.get_by_text("Freed")).to_contain_text(re.compile(r"Freed \d+ MB: \d+ MB before, 0 MB now"))


def test_a_prompt_with_an_unknown_word_is_remarked_upon_below_the_caption(page: Page) -> None:
    upload(page, CAT)
    page.get_by_label("Prompt").fill("a zebra on")
    run(page)
    expect(page.locator(".lectern-notes").first).to_be_visible()
    expect(page.locator(".lectern-notes").first).to_contain_text("words that this model does not know: zebra")


def test_several_captions_are_listed_below_the_first(page: Page) -> None:
    page.get_by_role("button", name="Decoding").click()
    page.get_by_role("radio", name="beam").check()
    page.get_by_label("number input for Captions").fill("3")
    click_example(page)
    candidates = page.locator(".captioning-candidates")
    expect(candidates).to_be_visible()
    expect(candidates.locator("tr")).to_have_count(1 + 3)


# What is shown always belongs to the picture and to the latest wish.


@pytest.mark.parametrize("clicked", [(0, 4), (4, 0), (2, 0, 4)])
def test_of_examples_clicked_in_quick_succession_the_last_one_is_captioned(
    page: Page, app: RunningApp, client: Client, clicked: tuple[int, ...]
) -> None:
    caption = caption_of(client, EXAMPLES[clicked[-1]])
    for number in clicked:
        click_example(page, number)
    expect(page.locator(".captioning")).to_have_attribute("aria-label", caption)
    wait_until(lambda: app.hub.jobs.in_flight() == 0, "the runs to end")
    expect(page.locator(".captioning")).to_have_attribute("aria-label", caption)
    expect(page.locator("#captioning-picture img")).to_have_attribute("src", re.compile(EXAMPLES[clicked[-1]].name))


def test_over_a_slow_network_too_the_example_clicked_last_is_captioned(page: Page, client: Client) -> None:
    caption = caption_of(client, EXAMPLES[4])
    held: list[Route] = []
    page.route("**/gradio_api/run/predict", lambda route: held.append(route))
    with page.expect_request("**/gradio_api/run/predict"):
        click_example(page, 0)
    click_example(page, 4)
    for route in held:
        route.continue_()
    page.unroute("**/gradio_api/run/predict")
    expect(page.locator(".captioning")).to_have_attribute("aria-label", caption)
    expect(page.locator("#captioning-picture img")).to_have_attribute("src", re.compile(EXAMPLES[4].name))


def test_run_pressed_many_times_gives_one_caption_and_no_complaint(page: Page, app: RunningApp) -> None:
    upload(page, CAT)
    with app.hub.gate.hold(CancelToken()):
        page.locator("#captioning-run").evaluate(
            "button => { for (let press = 0; press < 20; press++) button.click(); }"
        )
        wait_until(lambda: app.hub.gate.waiting > 0, "a run to stand in line")
    expect(page.locator(WORDS).first).to_be_visible()
    wait_until(lambda: app.hub.jobs.in_flight() == 0, "the runs to end")
    expect(page.locator(WORDS).first).to_be_visible()
    expect(page.locator(".toast-body")).to_have_count(0)


def test_an_example_clicked_during_a_run_takes_its_place(page: Page, app: RunningApp, client: Client) -> None:
    caption = caption_of(client, EXAMPLES[4])
    with app.hub.gate.hold(CancelToken()):
        click_example(page, 0)
        wait_until(lambda: app.hub.gate.waiting == 1, "the first run to stand in line")
        with page.expect_response(lambda response: is_run_of(EXAMPLES[4], response.request.post_data)):
            click_example(page, 4)
        wait_until(lambda: app.hub.jobs.in_flight() == 1, "the first run to give way")
    expect(page.locator(".captioning")).to_have_attribute("aria-label", caption)
    wait_until(lambda: app.hub.jobs.in_flight() == 0, "the run to end")
    expect(page.locator(".captioning")).to_have_attribute("aria-label", caption)


def is_run_of(path: Path, posted: str | None) -> bool:
    return posted is not None and path.name in posted and DEMO.models[0].key in posted


def test_removing_the_picture_takes_its_caption_away_and_run_asks_for_a_picture(page: Page) -> None:
    click_example(page)
    expect(page.locator(WORDS).first).to_be_visible()
    page.get_by_role("button", name="Remove Image").click()
    expect(page.locator(WORDS)).to_have_count(0)
    expect(page.locator("#captioning-strip-0")).not_to_contain_text("ms compute")
    run(page)
    expect(page.locator(".toast-body")).to_contain_text("There is no picture yet.")
    expect(page.locator(WORDS)).to_have_count(0)


def test_a_new_scene_takes_the_old_caption_away(page: Page) -> None:
    click_example(page)
    expect(page.locator(WORDS).first).to_be_visible()
    page.locator("#captioning-new-scene").click()
    expect(page.locator(WORDS)).to_have_count(0)
    expect(page.locator("#captioning-strip-0")).not_to_contain_text("ms compute")


def test_a_picture_removed_during_its_run_gets_no_caption(page: Page, app: RunningApp) -> None:
    with app.hub.gate.hold(CancelToken()):
        click_example(page)
        wait_until(lambda: app.hub.gate.waiting == 1, "the run to stand in line")
        page.get_by_role("button", name="Remove Image").click()
        expect(page.locator("#captioning-picture img")).to_have_count(0)
        page.evaluate(WATCH_FOR_CAPTIONS)
    wait_until(lambda: app.hub.jobs.in_flight() == 0, "the run to end")
    run(page)  # its message comes after all that the old run may still say
    expect(page.locator(".toast-body")).to_contain_text("There is no picture yet.")
    assert page.evaluate("window.captions") == []


# Stop.


def test_stop_ends_a_run_while_its_words_are_written_and_leaves_its_neighbours_alone(
    page: Page, app: RunningApp
) -> None:
    """The embedded model is quick, so a class asks for the longest search at the same time: seconds on any machine."""
    options = CaptionOptions(strategy="beam", beams=8, candidates=5, max_tokens=128)
    request = CaptionRequest(Image.open(CAT).convert("RGB"), options)
    neighbours = app.hub.settings.batch_limit - 1
    upload(page, CAT)
    page.get_by_role("button", name="Decoding").click()
    page.get_by_role("radio", name="beam").check()
    for label, value in (("Beams", "8"), ("Captions", "5"), ("Longest caption", "128")):
        page.get_by_label(f"number input for {label}").fill(value)
    with ThreadPoolExecutor(neighbours) as classmates:
        with app.hub.gate.hold(CancelToken()):
            run(page)
            wait_until(lambda: app.hub.gate.waiting == 1, "the run to stand in line")
            card = DEMO.models[0]
            outcomes = [
                classmates.submit(app.hub.run, f"classmate {place}", DEMO, card, request) for place in range(neighbours)
            ]
            wait_until(lambda: app.hub.jobs.in_flight() == 1 + neighbours, "the class to stand in line")
        expect(page.locator("#captioning-status")).to_contain_text("Running")
        page.locator("#captioning-stop").click()
        expect(page.locator("#captioning-status")).to_contain_text("Stopped.")
        assert len({outcome.result().result.text for outcome in outcomes}) == 1
    expect(page.locator(WORDS)).to_have_count(0)


def test_stop_ends_a_run_that_waits_for_the_device(page: Page, app: RunningApp) -> None:
    with app.hub.gate.hold(CancelToken()):
        click_example(page)
        wait_until(lambda: app.hub.gate.waiting == 1, "the run to stand in line")
        page.locator("#captioning-stop").click()
        expect(page.locator("#captioning-status")).to_contain_text("Stopped.")
        wait_until(lambda: app.hub.gate.waiting == 0, "the stopped run to leave the line")
        assert app.hub.jobs.in_flight() == 0


def test_a_closed_tab_cancels_its_run(page: Page, app: RunningApp) -> None:
    with app.hub.gate.hold(CancelToken()):
        click_example(page)
        wait_until(lambda: app.hub.gate.waiting == 1, "the run to stand in line")
        page.close()
        wait_until(lambda: app.hub.gate.waiting == 0, "the closed tab's run to leave the line")
    wait_until(lambda: app.hub.jobs.in_flight() == 0, "the closed tab's job to end")


# What a browser offers: a webcam, a phone's screen, dark mode.


def test_the_picture_can_come_from_the_webcam_or_the_clipboard(page: Page) -> None:
    expect(page.get_by_role("button", name="Capture from camera")).to_be_visible()
    expect(page.get_by_role("button", name="Paste from clipboard")).to_be_visible()


def test_a_picture_from_the_webcam_is_captioned(page_with_camera: Page) -> None:
    page = page_with_camera
    page.get_by_role("button", name="Capture from camera").click()
    page.get_by_role("button", name="Click to Access Webcam").click()
    expect(page.get_by_test_id("webcam-video")).to_have_js_property("readyState", 4)  # HAVE_ENOUGH_DATA
    page.get_by_role("button", name="capture photo").click()
    expect(page.locator("#captioning-picture .image-frame img")).to_be_visible()
    run(page)
    expect(page.locator(WORDS).first).to_be_visible()


def test_a_phone_shows_run_at_once_and_the_caption_after_the_run(phone: Page) -> None:
    expect(phone.locator("#captioning-run")).to_be_in_viewport(ratio=1)
    assert phone.evaluate("scrollY") == 0
    upload(phone, CAT)
    run(phone)
    expect(phone.locator(WORDS).first).to_be_in_viewport(ratio=1)


def test_a_phone_shows_the_caption_of_an_example_that_is_clicked(phone: Page) -> None:
    click_example(phone)
    expect(phone.locator(WORDS).first).to_be_in_viewport(ratio=1)


def test_a_phone_needs_no_sideways_scrolling_whatever_is_open(phone: Page) -> None:
    click_example(phone)
    expect(phone.locator(WORDS).first).to_be_visible()
    for name in ("Explain", "Show code", "Try this", "About this model", "Compare two models", "Decoding", "Memory"):
        phone.get_by_role("button", name=name).first.click()
    expect(phone.locator("#free-memory")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_background(page: Page, app: RunningApp, theme: str) -> None:
    page.goto(f"{app.url}?__theme={theme}")
    expect(page.locator("body")).to_have_class(re.compile("dark") if theme == "dark" else re.compile("^(?!.*dark)"))
    status = contrast(page.locator("#captioning-status .lectern-status"))
    click_example(page)
    page.locator(WORDS).first.wait_for()
    page.get_by_role("button", name="Decoding").click()
    page.get_by_role("radio", name="beam").wait_for()
    page.mouse.move(0, 0)  # nothing is hovered over
    measured = {
        "Run": contrast(page.locator("#captioning-run")),
        "Stop": contrast(page.locator("#captioning-stop")),
        "New scene": contrast(page.locator("#captioning-new-scene")),
        "the status": status,
        "the heading's line": contrast(page.locator(".lectern-head p")),
        "the purpose": contrast(page.locator(".lectern-purpose")),
        "the picture's label": contrast(page.locator("#captioning-picture").get_by_test_id("block-label")),
        "a tab": contrast(page.get_by_role("tab").first),
        "the chosen decoding": contrast(page.locator("label:has(input[type=radio][value=greedy]) span")),
        "another decoding": contrast(page.locator("label:has(input[type=radio][value=beam]) span")),
        "the footer": contrast(page.get_by_role("button", name="Use via API")),
    }
    for name, selector in {
        "a field's label": "[data-testid=block-info]",
        "a field's help": ".info-text",
        "the strip": ".lectern-strip span",
        "a fold's title": "button.label-wrap span",
        "a word": WORDS,
        "a word's probability": f"{WORDS} small",
        "the hint": ".captioning-hint",
        "the notes": ".lectern-notes p",
    }.items():
        shown = page.locator(selector).filter(visible=True)
        assert shown.count(), name
        measured |= {f"{name} ({text.inner_text()})": contrast(text) for text in shown.all()}
    assert {name: round(ratio, 2) for name, ratio in measured.items() if ratio < READABLE} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_request_leaves_this_machine(page: Page, app: RunningApp, requested_hosts: list[str], theme: str) -> None:
    page.goto(f"{app.url}?__theme={theme}")
    compare_with_the_early_model(page)
    click_example(page)
    for number in (0, 1):
        expect(page.locator(f"#captioning-strip-{number}")).to_contain_text("ms compute")
    page.get_by_role("button", name="Show code").first.click()
    page.locator(".cm-content").first.wait_for()
    page.get_by_role("button", name="Use via API").click()
    for language in ("JavaScript", "CLI", "cURL", "MCP", "Python"):
        page.locator(".snippet").filter(has_text=language).click()
    expect(page.get_by_text("/caption").first).to_be_visible()
    assert set(requested_hosts) <= {"127.0.0.1", "localhost", ""}  # "" is a data: or blob: URL
    assert "127.0.0.1" in requested_hosts
