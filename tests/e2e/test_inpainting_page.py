"""Inpainting in a real browser: what is drawn on the canvas is never lost, and nothing but the hole changes."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from demos.inpainting import DEMO
from demos.inpainting.masks import grown, outside_px
from tests.app import RunningApp
from tests.e2e.chromium import open_tab
from tests.e2e.contrast import contrast

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples" / "inpainting"
SCENE = EXAMPLES / "two-solids.png"
OTHER_TAB = "Text to image"
READABLE = 4.5  # contrast that WCAG 2.2, success criterion 1.4.3, asks of text
MARKED = "#inpainting-canvas .canvas-ink"
INK = f"""() => {{
  const ink = document.querySelector("{MARKED}");
  const data = ink.getContext("2d").getImageData(0, 0, ink.width, ink.height).data;
  return {{width: ink.width, height: ink.height, marked: Array.from({{length: data.length / 4}},
    (_, place) => data[4 * place + 3] >= 128 ? 1 : 0)}};
}}"""


@pytest.fixture
def page(page: Page) -> Page:
    open_tab(page, DEMO.title)
    return page


def tab(page: Page) -> Locator:
    return page.get_by_role("tabpanel").filter(has=page.locator("#inpainting-run"))


def prompt_of(page: Page) -> Locator:
    return tab(page).get_by_role("textbox", name=re.compile("^Prompt"))


def upload(page: Page, picture: Path = SCENE) -> None:
    page.locator("#inpainting-picture input[type=file]").set_input_files(picture)
    expect(page.locator("#inpainting-canvas .canvas")).to_have_attribute("data-state", "ready")


def marked(page: Page) -> np.ndarray:
    """Return what is marked on the canvas, (H, W)."""
    ink = page.evaluate(INK)
    return np.array(ink["marked"], np.bool_).reshape(ink["height"], ink["width"])


def expect_marked(page: Page, pixels: bool | int) -> None:
    """Wait until something is marked, or nothing, or so many pixels."""
    wanted = "count > 0" if pixels is True else f"count === {int(pixels)}"
    page.wait_for_function(f"() => {{const count = ({INK})().marked.reduce((a, b) => a + b); return {wanted};}}")


def choose(page: Page, tool: str) -> None:
    page.locator(f"#inpainting-canvas button[data-choose={tool}]").click()


def do(page: Page, deed: str) -> None:
    page.locator(f"#inpainting-canvas button[data-do={deed}]").click()


def stroke(page: Page, *places: tuple[float, float]) -> None:
    """Draw with the mouse through places that are shares of the canvas."""
    page.locator(MARKED).scroll_into_view_if_needed()
    box = page.locator(MARKED).bounding_box()
    assert box is not None
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def run(page: Page, prompt: str = "a red cube") -> None:
    prompt_of(page).fill(prompt)
    page.locator("#inpainting-run").click()
    expect(page.locator("#inpainting-strip-0 .lectern-strip")).to_contain_text("ms compute")


def result(page: Page, app: RunningApp) -> np.ndarray:
    address = page.locator(".drawn-stage > img").filter(visible=True).first.get_attribute("src")
    content = page.request.get(f"{app.url.rstrip('/')}/{address}").body()
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.int16)


def test_a_drawing_outlives_another_tab_and_only_what_it_marks_is_changed(page: Page, app: RunningApp) -> None:
    upload(page)
    stroke(page, (0.2, 0.3), (0.5, 0.3), (0.5, 0.5))
    before = marked(page)
    assert 100 < before.sum() < before.size / 3
    open_tab(page, OTHER_TAB)
    open_tab(page, DEMO.title)
    expect(page.locator(MARKED)).to_be_visible()
    np.testing.assert_array_equal(marked(page), before)
    run(page)
    np.testing.assert_array_equal(marked(page), before)
    with Image.open(SCENE) as opened:
        scene = np.asarray(opened.convert("RGB"), np.int16)
    changed = abs(result(page, app) - scene).max(2)
    away = outside_px(grown(before, 2))
    assert changed[away > 3].max() == 0
    assert changed[before].max() > 0


def test_every_tool_marks_and_every_step_can_be_taken_back(page: Page) -> None:
    upload(page)
    counts = [0]
    for tool, places in {
        "brush": [(0.1, 0.1), (0.3, 0.1)],
        "rectangle": [(0.5, 0.5), (0.7, 0.8)],
        "lasso": [(0.1, 0.6), (0.3, 0.6), (0.3, 0.9), (0.1, 0.9)],
        "eraser": [(0.5, 0.6), (0.7, 0.6)],
    }.items():
        choose(page, tool)
        stroke(page, *places)
        counts.append(int(marked(page).sum()))
    assert counts[1] > counts[0]
    assert counts[2] > counts[1] + 300
    assert counts[3] > counts[2] + 500
    assert 0 < counts[4] < counts[3]
    for count in reversed(counts[:-1]):
        do(page, "undo")
        expect_marked(page, count)
    for count in counts[1:]:
        do(page, "redo")
        expect_marked(page, count)
    do(page, "invert")
    expect_marked(page, 128 * 128 - counts[-1])
    do(page, "clear")
    expect_marked(page, 0)


def test_a_click_selects_a_solid_and_is_added_to_what_is_drawn(page: Page) -> None:
    upload(page)
    stroke(page, (0.1, 0.1), (0.3, 0.1))
    drawn = marked(page)
    choose(page, "click")
    stroke(page, (0.73, 0.75))  # the sphere
    expect(page.locator("#inpainting-canvas .canvas-said")).to_contain_text("exactly")
    both = marked(page)
    assert both[drawn].all()
    assert both[96, 93]
    assert both.sum() > drawn.sum() + 500
    stroke(page, (0.5, 0.1))
    expect(page.locator(".toast-body")).to_contain_text("Click one of the solids")
    np.testing.assert_array_equal(marked(page), both)
    do(page, "undo")
    expect_marked(page, int(drawn.sum()))


def test_an_uploaded_mask_is_drawn_onto_the_canvas_where_it_can_be_corrected(page: Page) -> None:
    upload(page)
    tab(page).get_by_role("button", name="Add a mask from a file").click()
    page.locator("#inpainting-mask input[type=file]").set_input_files(EXAMPLES / "two-solids-mask.png")
    with Image.open(EXAMPLES / "two-solids-mask.png") as opened:
        mask = np.asarray(opened.convert("L")) > 127
    expect_marked(page, int(mask.sum()))
    np.testing.assert_array_equal(marked(page), mask)
    choose(page, "eraser")
    stroke(page, (0.3, 0.8), (0.4, 0.8))
    assert marked(page).sum() < mask.sum()


def test_another_picture_starts_with_an_empty_canvas(page: Page) -> None:
    upload(page)
    stroke(page, (0.2, 0.3), (0.5, 0.3))
    page.locator("#inpainting-new-scene").click()
    expect_marked(page, 0)
    expect(page.locator("#inpainting-canvas .canvas")).to_have_attribute("data-state", "ready")


def test_nothing_marked_gets_a_message_that_says_what_to_do(page: Page) -> None:
    upload(page)
    page.locator("#inpainting-run").click()
    expect(page.locator(".toast-body")).to_contain_text("Draw over what is to change")


def test_remove_fills_in_what_the_embedded_model_understands(page: Page) -> None:
    page.locator("#inpainting-remove").click()
    expect(prompt_of(page)).to_have_value("an empty table")


def test_the_canvas_and_the_slider_work_with_the_keys_alone(page: Page) -> None:
    page.locator("#inpainting-examples tbody tr").first.click()
    expect(page.locator("#inpainting-strip-0 .lectern-strip")).to_contain_text("ms compute")
    expect_marked(page, True)
    count = marked(page).sum()
    page.locator(MARKED).focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    assert marked(page).sum() > count
    page.keyboard.press("Control+z")
    expect_marked(page, int(count))
    pair = page.locator(".before-after").first
    pair.locator("input").focus()
    page.keyboard.press("Home")
    assert pair.evaluate("pair => getComputedStyle(pair).getPropertyValue('--at')") == "0%"
    page.keyboard.press("End")
    assert pair.evaluate("pair => getComputedStyle(pair).getPropertyValue('--at')") == "100%"


def test_a_finger_marks_on_a_phone_and_the_page_needs_no_sideways_scrolling(phone: Page) -> None:
    open_tab(phone, DEMO.title)
    upload(phone)
    box = phone.locator(MARKED)
    box.scroll_into_view_if_needed()
    box.tap(position={"x": 60, "y": 60})
    expect_marked(phone, True)
    run(phone)
    for name in ("Explain", "Show code", "Try this", "About this model"):
        phone.get_by_role("button", name=re.compile(f"^{name}")).filter(visible=True).first.click()
    expect(phone.locator(".inpainting-parts img").first).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_and_no_request_leaves_this_machine(
    page: Page, app: RunningApp, requested_hosts: list[str], theme: str
) -> None:
    page.goto(f"{app.url}?__theme={theme}")
    open_tab(page, DEMO.title)
    page.locator("#inpainting-examples tbody tr").first.click()
    expect(page.locator("#inpainting-strip-0 .lectern-strip")).to_contain_text("ms compute")
    tab(page).get_by_role("button", name="Explain").filter(visible=True).first.click()
    page.mouse.move(0, 0)
    measured: dict[str, float] = {}
    for name, selector in {
        "a tool": "#inpainting-canvas button:enabled",
        "a hint": "#inpainting-canvas .canvas-hint",
        "a caption": ".before-after figcaption span",
        "a part": ".inpainting-parts figcaption",
    }.items():
        shown = page.locator(selector).filter(visible=True, has_text=re.compile(r"\S"))
        assert shown.count(), name
        measured |= {f"{name} ({text.inner_text()[:30]})": contrast(text) for text in shown.all()}
    assert {name: round(ratio, 2) for name, ratio in measured.items() if ratio < READABLE} == {}
    assert set(requested_hosts) <= {"127.0.0.1", "localhost", ""}
