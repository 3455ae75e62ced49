"""The text-to-image tab as a class meets it, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from demos.text_to_image import DEMO
from demos.text_to_image.options import TextToImageOptions, TextToImageRequest
from tests.app import RunningApp
from tests.e2e import chromium

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

KNOWN, UNKNOWN = "a red cube", "dog"
FOLDED = ("Start from", "LoRA", "Take over the settings", "Steps, guidance", "What guidance does", "Grid:")


@pytest.fixture(scope="module", autouse=True)
def loaded(app: RunningApp) -> None:
    """Load libraries and model before any page waits for them."""
    app.hub.run("first", DEMO, DEMO.models[0], TextToImageRequest(TextToImageOptions(steps=1)))


def tab(page: Page) -> Page:
    chromium.open_tab(page, DEMO.title)
    return page


def within(page: Page) -> Locator:
    return page.get_by_role("tabpanel").filter(has=page.locator("#text_to_image-run"))


def unfold(page: Page, *names: str) -> None:
    for name in names:
        within(page).get_by_role("button", name=name).first.click()


def write(page: Page, prompt: str) -> None:
    within(page).get_by_placeholder("a red cube and a blue sphere").fill(prompt)


def set_number(page: Page, label: str, value: float) -> None:
    box = within(page).get_by_label(f"number input for {label}")
    box.fill(str(value))
    box.blur()


def seed(page: Page) -> Locator:
    return within(page).get_by_label("Seed", exact=False).and_(page.locator("input[type=number]")).first


def picture(page: Page) -> Locator:
    return within(page).locator(".drawn-stage > img:not(.drawn-map)")


def run(page: Page) -> None:
    page.locator("#text_to_image-run").click()
    expect(page.locator("#text_to_image-strip-0")).to_contain_text("ms compute")
    expect(picture(page).first).to_be_visible()


def download(page: Page, path: Path) -> Path:
    """Fetch the finished picture as a click on its link does."""
    address = within(page).locator("figcaption a").first.evaluate("link => link.href")
    path.write_bytes(page.request.get(address).body())
    return path


def test_a_prompt_comes_out_of_the_noise_and_every_step_can_be_looked_at_again(page: Page) -> None:
    write(tab(page), f"{KNOWN} and a {UNKNOWN}")
    expect(page.locator("#text_to_image-marked .drawn-unknown")).to_have_text(UNKNOWN)
    page.locator("#text_to_image-run").click()
    preview = page.locator("#text_to_image-status")
    expect(preview).to_contain_text(re.compile(r"Step \d+ of 20"))
    expect(preview.locator("img")).to_have_count(1)
    expect(picture(page)).to_have_count(1)
    told = page.locator(".drawn-scrubber output")
    expect(told).to_have_text("finished")
    page.locator(".drawn-still").first.click()
    expect(told).to_contain_text("step 1 of 20: what it took the picture to be")
    frame = page.locator(".drawn-frame")
    expect(frame).to_be_visible()
    page.locator(".drawn-noise").check()
    expect(told).to_contain_text("what the model saw")
    slider = page.locator(".drawn-scrubber input[type=range]")
    slider.focus()
    slider.press("End")
    expect(told).to_have_text("finished")
    expect(frame).to_be_hidden()
    word = page.locator("button.drawn-word", has_text="red")
    word.click()
    expect(word).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".drawn-map:visible")).to_have_count(1)
    word.click()
    expect(page.locator(".drawn-map:visible")).to_have_count(0)
    expect(within(page).locator(".drawn-unknown").last).to_have_attribute("title", re.compile("not taught"))
    unfold(page, "Animation of the steps")
    page.locator(".drawn-animate").first.click()
    expect(within(page).get_by_text(re.compile(r"steps.*\.gif")).first).to_be_visible()


def test_of_several_pictures_the_one_that_is_clicked_is_sent_to_another_tab(page: Page) -> None:
    write(tab(page), KNOWN)
    unfold(page, "Steps, guidance")
    set_number(page, "Steps", 1)
    set_number(page, "Pictures", 2)
    run(page)
    second = picture(page).nth(1)
    second.click()
    expect(page.locator(".drawn-taken img").first).to_have_attribute("alt", re.compile("seed 1"))
    page.locator("#text_to_image-to-inpainting").first.click()
    expect(page.get_by_role("tab", name="Inpainting")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#inpainting-picture img").first).to_have_attribute("src", re.compile("picture-1"))


def test_stop_ends_a_long_run_at_once(page: Page) -> None:
    write(tab(page), KNOWN)
    unfold(page, "Steps, guidance")
    set_number(page, "Steps", 100)
    page.locator("#text_to_image-run").click()
    expect(page.locator("#text_to_image-status")).to_contain_text(re.compile(r"Step \d+ of 100"))
    page.locator("#text_to_image-stop").click()
    expect(page.locator("#text_to_image-status")).to_contain_text("Stopped.")
    expect(picture(page)).to_have_count(0)


def test_a_random_seed_is_written_back_and_a_downloaded_picture_restores_every_setting(
    page: Page, tmp_path: Path
) -> None:
    write(tab(page), KNOWN)
    unfold(page, "Steps, guidance", "Take over the settings")
    within(page).get_by_label("Negative prompt").fill("blue")
    set_number(page, "Steps", 3)
    set_number(page, "Guidance", 4.5)
    within(page).get_by_label("euler").check()
    within(page).get_by_label("Randomise the seed").check()
    before = seed(page).input_value()
    run(page)
    expect(seed(page)).not_to_have_value(before)
    used = seed(page).input_value()
    expect(page.locator("#text_to_image-strip-0")).to_contain_text(f"seed {used}")
    made = download(page, tmp_path / "made.png")

    page.reload()
    unfold(tab(page), "Steps, guidance", "Take over the settings")
    page.locator("#text_to_image-made input[type=file]").set_input_files(made)
    expect(page.locator("#text_to_image-restored")).to_contain_text("Settings taken over")
    expect(within(page).get_by_placeholder("a red cube and a blue sphere")).to_have_value(KNOWN)
    expect(within(page).get_by_label("Negative prompt")).to_have_value("blue")
    expect(within(page).get_by_label("number input for Steps")).to_have_value("3")
    expect(within(page).get_by_label("number input for Guidance")).to_have_value("4.5")
    expect(within(page).get_by_label("euler")).to_be_checked()
    expect(seed(page)).to_have_value(used)
    run(page)
    again = download(page, tmp_path / "again.png")
    with Image.open(made) as first, Image.open(again) as second:
        assert first.tobytes() == second.tobytes()

    unfold(page, "Start from a picture")
    set_number(page, "Steps", 9)
    page.locator("#text_to_image-start input[type=file]").set_input_files(made)
    page.locator("#text_to_image-take-over-start").click()
    expect(within(page).get_by_label("number input for Steps")).to_have_value("3")
    expect(page.locator("#text_to_image-start img")).to_be_visible()


def test_a_grid_and_what_guidance_does_are_drawn_for_the_lecture(page: Page) -> None:
    write(tab(page), KNOWN)
    unfold(page, "Steps, guidance", "What guidance does", "Grid:")
    set_number(page, "Steps", 2)
    page.locator("#text_to_image-compare").click()
    compared = page.locator("#text_to_image-compared")
    expect(compared.locator("tr")).to_have_count(3)
    expect(compared.locator("img")).to_have_count(8)
    page.locator("#text_to_image-grid-run").click()
    expect(page.locator("#text_to_image-grid-pictures img")).to_have_count(8)
    expect(within(page).get_by_text(re.compile(r"grid.*\.png")).first).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(phone: Page, theme: str) -> None:
    phone.goto(f"{phone.url}?__theme={theme}")
    tab(phone).locator("#text_to_image-examples button").first.click()
    expect(picture(phone).first).to_be_visible()
    unfold(phone, *FOLDED)
    width, room = phone.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= room
