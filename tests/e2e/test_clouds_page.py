"""The point clouds tab as a student meets it, in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from demos.point_clouds import DEMO, EXAMPLES
from demos.point_clouds.operations.registry import REGISTRY
from demos.stereo import DEMO as STEREO
from tests.app import RunningApp
from tests.demos.example_clouds import EXAMPLES as FOLDER
from tests.e2e.chromium import PHONE, open_tab
from tests.e2e.contrast import contrast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCAN, THINGS, VIEWS, VASE = (
    list(EXAMPLES).index(name)
    for name in ("Scan of a table", "Things on a table", "Two views to bring together", "Vase, a mesh in millimetres")
)
READABLE = 4.5  # contrast that WCAG 2.2, success criterion 1.4.3, asks of text


def open_clouds(page: Page) -> None:
    open_tab(page, DEMO.title)
    page.locator("#point_clouds-run").wait_for()


def click_example(page: Page, number: int) -> None:
    """Click an example and wait until its result is there."""
    page.locator("#point_clouds-examples").get_by_role("button").nth(number).click()
    expect(page.locator("#point_clouds-strip-0")).to_contain_text("ms compute")
    shown(page, ".clouds-summary").first.wait_for()


def shown(page: Page, selector: str) -> Locator:
    return page.locator(selector).filter(visible=True)


def history(page: Page) -> Locator:
    """The rows of the pipeline: the heading, the file that was read, then the steps."""
    return shown(page, ".clouds-history > tbody > tr")


def points(page: Page) -> int:
    return int(shown(page, ".clouds-summary dd").first.inner_text().replace(",", ""))


def choose(page: Page, selector: str, name: str) -> None:
    page.locator(f"{selector} input").click()
    page.get_by_role("option", name=name).click()


def choose_operation(page: Page, key: str) -> None:
    operation = REGISTRY[key]
    choose(page, "#clouds-operation", f"{operation.group}: {operation.title}")
    page.locator(f"#clouds-add-{key}").wait_for()


def fold(page: Page, name: str) -> None:
    page.locator("button.label-wrap").filter(has_text=name).filter(visible=True).first.click()


def test_an_example_is_a_cloud_at_once_with_counts_unit_and_extent(page: Page) -> None:
    open_clouds(page)
    click_example(page, SCAN)
    expect(shown(page, ".cloud-viewer").first).to_be_visible()
    expect(shown(page, ".clouds-summary")).to_contain_text("metres")
    assert points(page) > 100_000
    expect(history(page)).to_have_count(2)


def test_a_step_is_added_with_its_own_options_explained_counted_timed_and_undone(page: Page) -> None:
    open_clouds(page)
    click_example(page, SCAN)
    before = points(page)
    choose_operation(page, "voxel")
    expect(shown(page, ".clouds-explanation")).to_have_count(1)
    expect(shown(page, ".clouds-explanation")).to_contain_text("grid of cubes")
    page.get_by_label("Edge of a voxel").filter(visible=True).first.fill("0.01")
    page.locator("#clouds-add-voxel").click()
    expect(history(page)).to_have_count(3)
    expect(history(page).nth(2)).to_contain_text(re.compile(r"size 0\.01.*\d+ ms|\d\.\d s"))
    after = points(page)
    assert after < before / 5
    history(page).nth(2).locator("summary").click()
    expect(history(page).nth(2).locator("p")).to_be_visible()
    choose_operation(page, "normals")
    page.locator("#clouds-add-normals").click()
    expect(history(page)).to_have_count(4)
    expect(history(page).nth(2)).to_contain_text("remembered")
    page.locator("#clouds-undo").click()
    expect(history(page)).to_have_count(3)
    page.locator("#clouds-steps").get_by_role("button", name="Remove step 1").click()
    expect(history(page)).to_have_count(2)
    assert points(page) == before


def test_two_points_picked_in_the_viewer_become_a_step(page: Page) -> None:
    open_clouds(page)
    click_example(page, SCAN)
    stage = shown(page, ".cloud-stage").first
    expect(shown(page, ".cloud-viewer").first).to_have_attribute("data-state", "ready")
    box = stage.bounding_box()
    assert box is not None
    for share in (0.45, 0.6):
        stage.click(position={"x": box["width"] * share, "y": box["height"] * 0.55})
    shown(page, ".cloud-viewer [data-do=keep]").click()
    expect(history(page)).to_have_count(3)
    expect(history(page).nth(2)).to_contain_text("Distance")
    expect(shown(page, ".clouds-findings")).to_contain_text("Distance")


def test_the_things_on_a_table_are_listed_with_dimensions_and_compared_with_the_truth(page: Page) -> None:
    open_clouds(page)
    click_example(page, THINGS)
    findings = shown(page, ".clouds-findings")
    expect(findings).to_contain_text("lengths in metres")
    assert findings.locator("table caption").count() >= 2
    expect(shown(page, ".clouds-truth")).to_contain_text("3 of 3 solids are a cluster of their own")


def test_two_views_are_registered_with_fitness_error_and_transform(page: Page) -> None:
    open_clouds(page)
    click_example(page, VIEWS)
    findings = shown(page, ".clouds-findings")
    expect(findings).to_contain_text(re.compile("fitness", re.IGNORECASE))
    expect(findings).to_contain_text(re.compile("rmse", re.IGNORECASE))
    assert findings.locator(".clouds-matrix td").count() >= 16


def test_steps_are_kept_when_the_file_changes_and_come_back_from_a_file(page: Page, tmp_path: Path) -> None:
    open_clouds(page)
    click_example(page, SCAN)
    choose(page, "#clouds-recipe", "Measure the whole")
    expect(history(page)).to_have_count(3)
    page.locator("#clouds-file").get_by_role("button", name=re.compile("clear|remove", re.IGNORECASE)).first.click()
    page.locator("#clouds-file input[type=file]").set_input_files(FOLDER / "view-1.ply")
    expect(shown(page, ".clouds-summary dd").first).to_have_text("34,158")
    expect(history(page)).to_have_count(3)
    steps = tmp_path / "steps.json"
    steps.write_text(json.dumps([{"op": "voxel", "size": 0.02}, {"op": "box"}]), encoding="utf-8")
    fold(page, "Steps as text or from a file")
    page.locator("#clouds-steps-file input[type=file]").set_input_files(steps)
    expect(history(page)).to_have_count(4)
    page.locator("#clouds-clear").click()
    expect(history(page)).to_have_count(2)


def test_steps_that_are_edited_as_text_are_checked_and_run(page: Page) -> None:
    open_clouds(page)
    click_example(page, SCAN)
    fold(page, "Steps as text or from a file")
    text = page.locator("#clouds-steps-text textarea")
    text.fill('[{"op": "melt"}]')
    expect(page.locator("#clouds-steps")).to_contain_text("there is no operation")
    page.locator("#point_clouds-run").click()
    expect(page.locator(".toast-body")).to_contain_text("Step 1")
    text.fill('[{"op": "box"}]')
    page.locator("#point_clouds-run").click()
    expect(history(page)).to_have_count(3)


def test_another_unit_is_shown_everywhere_at_once(page: Page) -> None:
    open_clouds(page)
    click_example(page, VASE)
    expect(shown(page, ".clouds-summary")).to_contain_text("millimetres")
    page.get_by_role("radio", name="cm", exact=True).check()
    expect(shown(page, ".clouds-summary")).to_contain_text("centimetres")
    expect(shown(page, ".clouds-findings h4").first).to_contain_text("lengths in centimetres")


def test_a_new_scene_is_scanned_and_its_truth_is_told(page: Page) -> None:
    open_clouds(page)
    page.locator("#clouds-new-scene").click()
    expect(shown(page, ".clouds-truth")).to_contain_text("The truth of this scene is known")
    choose(page, "#clouds-recipe", "Find the things on a table")
    expect(shown(page, ".clouds-truth")).to_contain_text(re.compile(r"\d of \d solids are a cluster of their own"))


def test_a_single_picture_shows_its_own_inputs_and_becomes_a_cloud(page: Page) -> None:
    open_clouds(page)
    page.locator("#point_clouds-group").get_by_text("Single picture").click()
    expect(page.locator("#clouds-file")).to_be_hidden()
    expect(page.locator("#clouds-depth")).to_be_hidden()
    page.locator("#clouds-picture-examples").get_by_role("button").first.click()
    expect(page.locator("#point_clouds-strip-0")).to_contain_text("Tabletop Depth Anything")
    fold(page, "What was read")
    expect(shown(page, ".clouds-depth img")).to_have_count(1)
    page.locator("#point_clouds-group").get_by_text("Files and scenes").click()
    expect(page.locator("#clouds-file")).to_be_visible()


def test_what_the_file_holds_is_shown_beside_what_its_format_can_hold(page: Page) -> None:
    open_clouds(page)
    click_example(page, VASE)
    fold(page, "What was read")
    row = shown(page, ".clouds-file tr").filter(has_text="Faces")
    expect(row.locator("td")).to_have_text(["yes", "11,376 triangles"])
    fold(page, "Formats: what each can hold")
    expect(shown(page, ".clouds-formats tr").filter(has_text="OBJ")).to_contain_text("after each vertex")


def test_the_files_of_a_result_are_downloaded_and_a_further_format_is_made(page: Page, tmp_path: Path) -> None:
    open_clouds(page)
    click_example(page, VASE)
    fold(page, "Files to keep")
    files = shown(page, ".clouds-files")
    expect(files).to_contain_text("script")
    page.locator("#clouds-format").get_by_role("radio", name="glb").check()
    page.locator("#clouds-make-file").click()
    expect(files).to_contain_text(".glb")
    with page.expect_download() as saved:
        files.locator("tr").filter(has_text="steps").locator("a").first.click()
    saved.value.save_as(tmp_path / "steps.json")
    steps = json.loads((tmp_path / "steps.json").read_text(encoding="utf-8"))
    assert [step["op"] for step in steps] == ["box", "volume"]


@pytest.mark.parametrize("visited", [False, True])
def test_the_cloud_of_a_stereo_pair_is_sent_here_and_opened(page: Page, visited: bool) -> None:
    if visited:  # and left with the other kind of models chosen
        open_clouds(page)
        page.get_by_label("Single picture").filter(visible=True).check()
        expect(page.locator("#clouds-picture-examples")).to_be_visible()
    open_tab(page, STEREO.title)
    page.locator("#stereo-examples").get_by_role("button").first.click()
    expect(page.locator("#stereo-strip-0")).to_contain_text("ms compute")
    page.locator("#stereo-to-point_clouds").filter(visible=True).click()
    expect(page.locator("#point_clouds-strip-0")).to_contain_text("Open3D")
    expect(page.locator("#clouds-file")).to_contain_text("cloud")
    assert points(page) > 100_000


def test_a_bad_file_is_refused_in_words_and_leaves_no_old_result(page: Page, tmp_path: Path) -> None:
    open_clouds(page)
    click_example(page, SCAN)
    notes = tmp_path / "notes.ply"
    notes.write_text("these are lecture notes")
    page.locator("#clouds-file").get_by_role("button", name=re.compile("clear|remove", re.IGNORECASE)).first.click()
    page.locator("#clouds-file input[type=file]").set_input_files(notes)
    expect(page.locator(".toast-body")).to_contain_text(re.compile("Save|Send"))
    expect(shown(page, ".clouds-summary")).to_have_count(0)


def test_a_phone_needs_no_sideways_scrolling(phone: Page) -> None:
    open_clouds(phone)
    click_example(phone, THINGS)
    for name in ("What was read", "Files to keep", "Steps as text or from a file", "Reading options", "Formats"):
        fold(phone, name)
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_background(page: Page, app: RunningApp, theme: str) -> None:
    page.goto(f"{app.url}?__theme={theme}")
    open_clouds(page)
    click_example(page, THINGS)
    fold(page, "What was read")
    choose_operation(page, "crop")
    page.mouse.move(0, 0)  # nothing is hovered over
    measured: dict[str, float] = {}
    for name, selector in {
        "a count": ".clouds-summary dd",
        "its name": ".clouds-summary dt",
        "a step": ".clouds-steps li b",
        "its sign": ".clouds-steps button",
        "the explanation": ".clouds-explanation",
        "the pipeline": ".clouds-history td",
        "a fact": ".clouds-findings td",
        "a fact's name": ".clouds-findings th",
        "a unit": ".clouds-findings small",
        "the truth": ".clouds-truth p",
        "the file": ".clouds-file td",
    }.items():
        there = shown(page, selector)
        assert there.count(), name
        measured |= {f"{name} ({text.inner_text()[:30]})": contrast(text) for text in there.all()[:12]}
    assert {name: round(ratio, 2) for name, ratio in measured.items() if ratio < READABLE} == {}


def test_no_request_leaves_this_machine(page: Page, requested_hosts: list[str]) -> None:
    open_clouds(page)
    click_example(page, THINGS)
    fold(page, "Files to keep")
    assert set(requested_hosts) <= {"127.0.0.1", "localhost", ""}  # "" is a data: or blob: URL
    assert "127.0.0.1" in requested_hosts
