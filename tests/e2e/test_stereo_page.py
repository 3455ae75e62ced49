"""The stereo tab as a student meets it, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from demos.stereo import DEMO, EXAMPLES
from tests.app import RunningApp, wait_until
from tests.demos.boards import POSES, SQUARE_M, pair_of
from tests.e2e import chromium
from tests.e2e.chromium import PHONE
from tests.e2e.contrast import contrast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCENE, CYCLES, OAK = (list(EXAMPLES).index(name) for name in list(EXAMPLES)[:2] + list(EXAMPLES)[-1:])
POINTS = ".stereo-points tr[data-point]"
READABLE = 4.5  # contrast that WCAG 2.2, success criterion 1.4.3, asks of text


def open_tab(page: Page) -> None:
    chromium.open_tab(page, DEMO.title)
    page.locator("#stereo-run").wait_for()


def click_example(page: Page, number: int) -> None:
    """Click an example and wait until its result is there."""
    page.locator("#stereo-examples").get_by_role("button").nth(number).click()
    expect(page.locator("#stereo-strip-0")).to_contain_text("ms compute")
    page.locator(POINTS).first.wait_for()


def left_picture(page: Page) -> Locator:
    return page.locator('.stereo-eye[data-eye="left"] svg').first


def distance(page: Page, row: int) -> Locator:
    return page.locator(".stereo-dimensions tr").nth(row + 1).locator("td").nth(1)


def fold(page: Page, name: str) -> None:
    page.locator("button.label-wrap").filter(has_text=name).filter(visible=True).first.click()


def test_an_example_shows_points_with_error_bars_maps_with_units_and_a_cloud(page: Page) -> None:
    open_tab(page)
    click_example(page, SCENE)
    expect(page.locator(POINTS)).to_have_count(2)
    expect(distance(page, 0)).to_have_text(re.compile(r"^\d+\.\d+ ± \d+\.\d+$"))
    expect(page.locator(".stereo-maps figcaption b").first).to_have_text("Disparity, px")
    page.locator(".stereo-maps .stereo-choice").get_by_text("True error").click()
    expect(page.locator(".stereo-maps figcaption").filter(visible=True)).to_contain_text("bad-1.0")
    expect(page.locator(".stereo-cloud img")).to_have_count(3)


def test_a_click_in_the_left_picture_marks_a_point_and_its_partner(page: Page) -> None:
    open_tab(page)
    click_example(page, CYCLES)
    left_picture(page).click(position={"x": 60, "y": 100})
    expect(page.locator(POINTS)).to_have_count(3)
    expect(page.locator('[data-eye="left"] .stereo-point')).to_have_count(3)
    expect(page.locator("#stereo-points")).to_contain_text("pt3")
    page.locator(".stereo-delete").first.click()
    expect(page.locator(POINTS)).to_have_count(2)
    expect(page.locator("#stereo-points")).not_to_contain_text("pt1")


def test_the_epipolar_line_follows_the_pointer_through_both_pictures(page: Page) -> None:
    open_tab(page)
    click_example(page, CYCLES)
    lines = page.locator(".stereo-epipolar")
    expect(lines.first).to_be_hidden()
    left_picture(page).hover(position={"x": 60, "y": 100})
    expect(lines).to_have_count(2)
    rows = [line.get_attribute("y1") for line in lines.all()]
    assert rows[0] == rows[1]
    expect(page.locator(".stereo-readout").first).to_contain_text("Left picture: u ")


def test_the_pair_can_be_seen_for_red_cyan_glasses_and_blinking(page: Page) -> None:
    open_tab(page)
    click_example(page, CYCLES)
    right = page.locator('[data-eye="right"]')
    page.get_by_text("Red-cyan").click()
    expect(page.locator("img.stereo-anaglyph")).to_be_visible()
    expect(right).to_be_hidden()
    page.get_by_text("Blink", exact=True).click()
    expect(right).to_have_css("animation-name", "stereo-blink")
    assert float(right.evaluate("e => parseFloat(getComputedStyle(e).animationDuration)")) >= 0.5  # twice a second
    page.emulate_media(reduced_motion="reduce")
    expect(right).to_have_css("animation-name", "none")


def test_changing_a_pixel_of_the_oak_d_table_moves_the_distance_and_its_error_bar(page: Page) -> None:
    open_tab(page)
    click_example(page, OAK)
    expect(distance(page, 4)).to_have_text("16.91 ± 0.60")
    whisker = page.locator(".stereo-bar b").nth(4)
    before = whisker.get_attribute("style")
    page.get_by_test_id("cell-8-3").dblclick()
    page.keyboard.press("Control+A")
    page.keyboard.type("414")
    page.keyboard.press("Enter")
    expect(distance(page, 4)).to_have_text("17.43 ± 0.69")
    assert whisker.get_attribute("style") != before


def test_another_unit_and_another_baseline_change_the_lengths_at_once(page: Page) -> None:
    open_tab(page)
    click_example(page, OAK)
    page.get_by_role("radio", name="mm", exact=True).check()
    expect(distance(page, 4)).to_have_text("169.1 ± 6.0")
    fold(page, "Calibration")
    baseline = page.locator("#stereo-baseline input")
    expect(baseline).to_have_value("75")
    baseline.fill("150")
    baseline.press("Enter")
    expect(distance(page, 4)).to_have_text("338 ± 12")


def test_exported_points_come_back_as_they_were(page: Page, tmp_path: Path) -> None:
    open_tab(page)
    click_example(page, OAK)
    fold(page, "Files to keep")
    with page.expect_download() as saved:
        page.locator("a").filter(has_text=re.compile(r"KB|B$")).first.click()
    table = tmp_path / "points.csv"
    saved.value.save_as(table)
    assert table.read_text().startswith("name,u_px,v_px,u_right_px,v_right_px,partner,")
    page.locator("#stereo-clear").click()
    expect(page.locator(POINTS)).to_have_count(0)  # nothing is left to measure, so nothing stays on the page
    expect(page.locator("#stereo-points")).not_to_contain_text("pt1")
    fold(page, "Points from a file or as text")
    page.locator("#stereo-import input[type=file]").set_input_files(table)
    expect(page.locator("#stereo-points")).to_contain_text("pt12")
    expect(page.locator(POINTS)).to_have_count(12)
    expect(page.locator(POINTS).nth(8)).to_contain_text("66.60")


def test_the_pointer_reads_disparity_and_depth_off_the_pictures(page: Page) -> None:
    open_tab(page)
    click_example(page, SCENE)
    told = page.locator(".stereo-readout")
    expect(told.first).to_contain_text("Click the left picture")
    left_picture(page).hover(position={"x": 150, "y": 200})
    numbers = re.compile(r"Left picture: u [\d.]+, v [\d.]+ px; disparity ([\d.]+) px, depth ([\d.]+) cm; the partner")
    expect(told.first).to_have_text(numbers)
    disparity, depth = map(float, re.findall(r"(?:disparity|depth) ([\d.]+)", told.first.inner_text()))
    page.locator(".stereo-maps img").first.hover(position={"x": 2, "y": 200})
    expect(told.last).to_contain_text("no disparity: ")
    expect(told.first).to_contain_text("Click the left picture")
    fold(page, "Calibration")
    focal = float(page.locator("#stereo-fx input").input_value())
    baseline = float(page.locator("#stereo-baseline input").input_value())
    assert depth == pytest.approx(focal * baseline / 10 / disparity, rel=0.01)


def test_a_new_scene_is_measured_at_once_and_compared_with_its_truth(page: Page) -> None:
    open_tab(page)
    page.locator("#stereo-new-scene").click()
    expect(page.locator(".stereo-empty")).to_contain_text("No points are marked yet.")
    page.locator(".stereo-maps .stereo-choice").get_by_text("True error").click()
    expect(page.locator(".stereo-maps figcaption").filter(visible=True)).to_contain_text("Of the pixels that both")
    left_picture(page).click(position={"x": 90, "y": 150})
    expect(page.locator(POINTS)).to_have_count(1)
    expect(page.locator(".stereo-points th").filter(has_text="true z")).to_have_count(1)


def test_choosing_a_point_shows_its_derivation_and_the_score_curve(page: Page) -> None:
    open_tab(page)
    click_example(page, CYCLES)
    shown = page.locator(".stereo-derivation").filter(visible=True)
    expect(shown.locator("h4")).to_have_text("How pt1 was measured")
    page.locator(POINTS).nth(1).locator("label").click()
    expect(shown.locator("h4")).to_have_text("How pt2 was measured")
    expect(shown.locator("polyline")).to_have_count(1)
    expect(page.locator('[data-eye="left"] .stereo-chosen text')).to_have_text("pt2")


def test_chessboard_pairs_become_a_calibration_that_rectifies_the_pair(page: Page, tmp_path: Path) -> None:
    open_tab(page)
    for name in ("Calibration", "Calibrate from chessboard pairs"):
        fold(page, name)
    files: dict[str, list[Path]] = {"left": [], "right": []}
    for number, pose in enumerate(POSES):
        for side, picture in zip(files, pair_of(*pose), strict=True):
            files[side].append(tmp_path / f"{side}{number}.png")
            picture.save(files[side][-1])
    for side, paths in files.items():
        page.locator(f"#stereo-boards-{side} input[type=file]").set_input_files(paths)
        expect(page.locator(f"#stereo-boards-{side}")).to_contain_text("KB")
        page.locator(f"#stereo-{side} input[type=file]").set_input_files(paths[0])
        page.locator(f"#stereo-{side} img").wait_for()
    page.get_by_label("Square, mm").fill(f"{SQUARE_M * 1000:g}")
    page.locator("#stereo-calibrate").click()
    told = page.locator("#stereo-boards-result")
    expect(told).to_contain_text(re.compile(r"both together 0\.\d\d px"))
    expect(told.locator("tr")).to_have_count(1 + len(POSES))
    expect(page.locator("#stereo-baseline input")).to_have_value(re.compile(r"^7[45]\."))  # of 75 mm
    before = page.locator("#stereo-left img").get_attribute("src")
    page.locator("#stereo-rectify").click()
    expect(page.locator("#stereo-left img")).not_to_have_attribute("src", str(before))
    expect(page.get_by_text("Read as our own JSON.")).to_be_visible()


def test_swapped_pictures_are_said_to_be_swapped(page: Page, app: RunningApp) -> None:
    open_tab(page)
    click_example(page, CYCLES)
    page.locator("#stereo-swap").click()
    expect(page.locator(POINTS)).to_have_count(0)
    wait_until(lambda: app.hub.jobs.in_flight() == 0, "the runs to end")
    page.locator("#stereo-run").click()
    expect(page.locator(".toast-body")).to_contain_text("swapped")


def test_a_phone_needs_no_sideways_scrolling(phone: Page) -> None:
    open_tab(phone)
    click_example(phone, SCENE)
    for name in ("Explain", "Files to keep", "Calibration", "Calibrate from chessboard pairs", "Matching options"):
        fold(phone, name)
    expect(phone.locator("#stereo-calibrate")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_background(page: Page, app: RunningApp, theme: str) -> None:
    page.goto(f"{app.url}?__theme={theme}")
    open_tab(page)
    click_example(page, SCENE)
    page.mouse.move(0, 0)  # nothing is hovered over
    measured: dict[str, float] = {}
    for name, selector in {
        "a choice": ".stereo-choice span",
        "a number": ".stereo-points td",
        "an error": ".stereo-points small",
        "a distance": ".stereo-dimensions td",
        "the hint": ".stereo-stage + .stereo-readout",
        "a step": ".stereo-derivation li",
        "a caption": ".stereo-maps figcaption",
        "a tick": ".stereo-ticks span",
        "the legend": ".stereo-legend li",
        "the notes": ".lectern-notes p",
        "the cloud's line": ".stereo-cloud p",
    }.items():
        shown = page.locator(selector).filter(visible=True)
        assert shown.count(), name
        measured |= {f"{name} ({text.inner_text()[:30]})": contrast(text) for text in shown.all()[:12]}
    assert {name: round(ratio, 2) for name, ratio in measured.items() if ratio < READABLE} == {}


def test_no_request_leaves_this_machine(page: Page, requested_hosts: list[str]) -> None:
    open_tab(page)
    click_example(page, SCENE)
    page.locator(".stereo-maps .stereo-choice").get_by_text("Depth", exact=True).click()
    fold(page, "Files to keep")
    assert set(requested_hosts) <= {"127.0.0.1", "localhost", ""}  # "" is a data: or blob: URL
    assert "127.0.0.1" in requested_hosts
