"""The ControlNet tab in a real browser: drawings that follow their controls, and a scribble that is never lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from demos.controlnet import DEMO
from demos.text_to_image import DEMO as OTHER
from hub.page import build, launch
from hub.runtime import Hub
from hub.settings import Settings
from tests.app import PATIENCE_S, RunningApp, free_port
from tests.e2e.chromium import DESKTOP, open_tab, opened

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCENE = Path(__file__).resolve().parents[2] / "assets" / "examples" / "controlnet" / "two-solids.png"
DRAWINGS = "#controlnet-sketches img"
INK = "#controlnet-canvas .canvas-ink"
INKED = f"""() => {{
  const ink = document.querySelector("{INK}");
  const data = ink.getContext("2d").getImageData(0, 0, ink.width, ink.height).data;
  let count = 0;
  for (let place = 3; place < data.length; place += 4) count += data[place] >= 128;
  return count;
}}"""


@pytest.fixture
def page(page: Page) -> Page:
    open_tab(page, DEMO.title)
    return page


@pytest.fixture
def online(browser: Browser, app: RunningApp) -> Iterator[Page]:
    """The tab alone, where the models of the Hub are offered, too."""
    # Gradio has one folder of uploads in a process: with another, the app of the other tests would lose its own.
    hub = Hub(Settings(port=free_port(), temp_dir=app.hub.settings.temp_dir))
    built = build(hub, (DEMO,))
    context = browser.new_context(viewport=DESKTOP)
    try:
        yield opened(context, str(launch(built, hub, (DEMO,), block=False)))
    finally:
        context.close()
        built.close()


def tab(page: Page) -> Locator:
    return page.get_by_role("tabpanel").filter(has=page.locator("#controlnet-run"))


def unfold(page: Page, name: str) -> None:
    tab(page).get_by_role("button", name=name).first.click()


def set_number(page: Page, name: str, value: float) -> None:
    box = page.locator(f"#controlnet-{name} input[type=number]")
    box.fill(str(value))
    box.blur()


def choose(page: Page, name: str, label: str) -> None:
    page.locator(f"#controlnet-{name} input").click()
    page.get_by_role("option", name=label).click()


def expect_offered(page: Page, count: int) -> None:
    """Open the list of ControlNets, again and again (an open list stays as it was), until it has so many."""
    shows, options = page.locator("#controlnet-shows input"), page.get_by_role("option")
    deadline = time.monotonic() + PATIENCE_S
    shows.click()
    while options.count() != count and time.monotonic() < deadline:
        page.keyboard.press("Escape")
        shows.blur()
        shows.click()
        options.first.wait_for()
    expect(options).to_have_count(count)


def upload(page: Page, picture: Path = SCENE) -> None:
    page.locator("#controlnet-picture input[type=file]").set_input_files(picture)
    page.locator(DRAWINGS).first.wait_for()


def few_steps(page: Page) -> None:
    unfold(page, "Steps, guidance")
    box = tab(page).get_by_label("number input for Steps")
    box.fill("2")
    box.blur()


def run(page: Page) -> None:
    page.locator("#controlnet-run").click()
    expect(page.locator("#controlnet-strip-0")).to_contain_text("ms compute")


def test_a_new_scene_is_drawn_again_by_its_edges_which_follow_the_thresholds(page: Page) -> None:
    page.locator("#controlnet-new-scene").click()
    drawing = page.locator(DRAWINGS)
    expect(drawing).to_have_count(1)
    shown = drawing.get_attribute("src") or ""
    for name, threshold in (("low", 10), ("high", 20)):
        set_number(page, name, threshold)
        expect(drawing).not_to_have_attribute("src", shown)
        shown = drawing.get_attribute("src") or ""
    few_steps(page)
    run(page)
    expect(tab(page).locator(".steered figcaption").filter(has_text="F1")).to_be_visible()
    expect(drawing).to_have_attribute("src", shown)
    over = tab(page).locator(".steered-stage > img + img")
    expect(over).to_have_css("opacity", "0.5")
    tab(page).get_by_label("drawing over the result").fill("1")
    expect(over).to_have_css("opacity", "1")


def test_depth_is_made_by_a_model_on_a_click_and_several_controls_are_shown(page: Page) -> None:
    upload(page)
    unfold(page, "Control 2")
    choose(page, "shows_2", "Depth")
    waiting = page.locator("#controlnet-sketches .steered-wait")
    expect(waiting).to_contain_text("Make the drawings")
    page.locator("#controlnet-make").click()
    expect(page.locator(DRAWINGS)).to_have_count(2)
    expect(waiting).to_have_count(0)
    choose(page, "made_2", "the truth of a New scene")
    expect(page.locator(DRAWINGS)).to_have_count(2)


def test_a_scribble_is_still_there_after_another_tab_was_looked_at_and_is_drawn_by(page: Page) -> None:
    unfold(page, "Draw by hand")
    ink = page.locator(INK)
    ink.scroll_into_view_if_needed()
    expect(page.locator("#controlnet-canvas .canvas")).to_have_attribute("data-state", "ready")
    box = ink.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.7 * box["height"], steps=8)
    page.mouse.up()
    page.wait_for_function(f"() => ({INKED})() > 0")
    drawn = page.evaluate(INKED)
    expect(page.locator("#controlnet-made input")).to_have_value("a drawing by hand")
    expect(page.locator(DRAWINGS)).to_have_count(1)
    open_tab(page, OTHER.title)
    open_tab(page, DEMO.title)
    assert page.evaluate(INKED) == drawn
    few_steps(page)
    run(page)
    expect(tab(page).locator(".steered figcaption").filter(has_text="a drawing by hand")).to_be_visible()
    assert page.evaluate(INKED) == drawn


def test_another_model_offers_its_own_controlnets_and_keeps_what_it_can(online: Page) -> None:
    page = online
    choose(page, "model", "Stable Diffusion 1.5")
    expect_offered(page, 9)
    page.get_by_role("option", name="Pose").click()
    choose(page, "model", "Tabletop Diffusion")
    expect(page.locator("#controlnet-shows input")).to_have_value("Canny edges")


def test_a_result_goes_to_another_tab_and_a_result_of_another_tab_comes_here(page: Page) -> None:
    upload(page)
    few_steps(page)
    run(page)
    page.locator("#controlnet-to-text_to_image").first.click()
    expect(page.locator("#text_to_image-start img")).to_have_count(1)


def test_the_tab_is_no_wider_than_a_phone(phone: Page) -> None:
    open_tab(phone, DEMO.title)
    upload(phone)
    for name in ("Weight, start and end", "Draw by hand", "Control 2"):
        unfold(phone, name)
    assert phone.evaluate("document.documentElement.scrollWidth") <= phone.evaluate("window.innerWidth")
