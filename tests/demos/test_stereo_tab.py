"""What the stereo tab does besides running: its tables and texts, its pictures and its pages of numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from demos.stereo import DEMO, EXAMPLES
from demos.stereo.asking import asked
from demos.stereo.controls import file_to_text, numbers_to_text, rows_to_text, text_to_numbers, text_to_rows
from demos.stereo.derive import derivation
from demos.stereo.draw import dimension_row, viewer_html
from demos.stereo.exports import cloud_of
from demos.stereo.geometry import Calibration
from demos.stereo.lengths import Scale, scale_of, with_error
from demos.stereo.maps import graded, maps_html, maps_of, painted, palette
from demos.stereo.marking import HEADERS, as_sent, changed, points_text, ways_back, without_missing
from demos.stereo.measurement import Dimension, MarkedPoint, Measurement, Truth
from demos.stereo.options import MeasureRequest
from demos.stereo.pipeline import Stereo
from demos.stereo.preview import preview_html
from hub import ui
from hub.errors import InvalidInput
from hub.guard import Limits
from hub.inputs import SentFile
from hub.page import build
from hub.runtime import Hub
from hub.settings import Settings

CENTIMETRES = Scale(100.0, "cm")
OAK = "OAK-D Lite table: twelve points"


@pytest.fixture(scope="module")
def oak() -> tuple[MeasureRequest, Measurement]:
    request = asked(Limits(), **EXAMPLES[OAK])
    (measurement,) = Stereo.from_folder("sgbm", None)([request])
    return request, measurement


@pytest.fixture
def dense() -> Measurement:
    """A slope with a hole of each kind of invalid pixel; one pixel in four is off by two."""
    disparity = np.tile(np.linspace(10, 29, 20, dtype=np.float32), (20, 1))
    true = disparity.copy()
    true[:, ::4] += 2
    invalid = np.zeros((20, 20), dtype=np.uint8)
    invalid[0, :4] = [1, 2, 3, 4]
    disparity[0, :4] = np.nan
    picture = Image.new("RGB", (20, 20), "grey")
    return Measurement(
        calibration=Calibration(400.0, 400.0, 9.5, 9.5, 0.1),
        left=picture,
        right=picture,
        points=(),
        dimensions=(),
        disparity_px=disparity,
        reasons=invalid,
        errors=np.where(np.isnan(disparity), np.nan, np.float32(0.3)),
        truth=Truth(true, np.zeros((20, 20), dtype=bool)),
    )


# Points between table, text and pictures.


def test_text_and_table_of_points_say_the_same() -> None:
    rows = [["pt1", 138, 219, 102, 219], ["tip", 20.5, 30, None, None]]
    text = rows_to_text(rows)
    assert text == "name,u,v,u_right,v_right\npt1,138,219,102,219\ntip,20.5,30,,"
    assert text_to_rows(text, []) == rows


def test_a_row_that_is_still_being_typed_is_in_the_table_only() -> None:
    assert rows_to_text([["pt1", 1, 2, None, None], ["pt2", 7, None, None, None]]).endswith("pt1,1,2,,")


def test_a_click_adds_a_point_with_a_name_that_is_free() -> None:
    text = points_text([MarkedPoint("pt1", 1, 2), MarkedPoint("pt3", 3, 4)])
    assert changed(text, {"do": "add", "u": 7.5, "v": 8}).splitlines()[-1] == "pt2,7.5,8,,"


def test_a_click_in_the_right_picture_corrects_the_partner_of_the_chosen_point() -> None:
    text = points_text([MarkedPoint("pt1", 10, 2), MarkedPoint("pt2", 30, 4)])
    assert changed(text, {"do": "partner", "name": "pt2", "u": 21, "v": 4}).splitlines()[1:] == [
        "pt1,10,2,,",
        "pt2,30,4,21,4",
    ]


def test_deleting_a_point_takes_its_distances_along() -> None:
    text = changed(points_text([MarkedPoint(f"pt{k}", k, k) for k in (1, 2, 3)]), {"do": "delete", "name": "pt2"})
    assert without_missing("pt1-pt2, pt1-pt3", text) == "pt1-pt3"


def test_a_wish_that_the_page_does_not_have_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Reload the page"):
        changed("", {"do": "format the disk"})


def test_points_of_a_pair_that_was_made_smaller_are_told_in_the_pixels_that_were_sent(
    oak: tuple[MeasureRequest, Measurement],
) -> None:
    request, measurement = oak
    sent = replace(request, left=Image.new("RGB", (1280, 960)))
    used = replace(measurement, left=Image.new("RGB", (640, 480)))
    point = as_sent(used, sent)[0]
    assert point.marked == request.points[0]
    right = measurement.points[0].u_right_px
    assert right is not None
    assert point.u_right_px == (right + 0.5) * 2 - 0.5


def test_a_click_in_a_straightened_pair_is_told_in_the_pixels_that_were_sent(
    oak: tuple[MeasureRequest, Measurement],
) -> None:
    request, measurement = oak
    left, right = np.array([[0.99, -0.02, 5.0], [0.02, 0.99, -3.0], [1e-5, 0.0, 1.0]]), np.diag([0.9, 1.1, 1.0])
    used = replace(measurement, left=Image.new("RGB", (640, 480)), relative=True, homographies=(left, right))
    for turned, back in zip((left, right), ways_back(used, (1280, 960)), strict=True):
        u, v, w = turned @ (150.25, 99.25, 1.0)  # pixel (301, 199) of the pictures as sent, half as large
        u, v, w = back @ (u / w, v / w, 1.0)
        assert (u / w, v / w) == pytest.approx((301, 199))
    assert 'data-clickable="1"' in viewer_html(used, scale_of(used, "cm"), "run", (1280, 960))
    assert as_sent(used, replace(request, left=used.left))[0].marked == request.points[0]


# The calibration between its boxes and its text.


def test_numbers_that_are_typed_are_the_calibration_that_is_read() -> None:
    text = numbers_to_text(452.9, 453, 298.85, 245.52, 75, 0)
    assert text_to_numbers(text, *[None] * 6)[:6] == [452.9, 453, 298.85, 245.52, 75, 0]


def test_a_calibration_file_fills_the_boxes_and_says_what_it_was_read_as(tmp_path: Any) -> None:
    path = tmp_path / "calib.txt"
    path.write_text(
        "cam0=[994.978 0 311.193; 0 994.978 254.877; 0 0 1]\ncam1=[994.978 0 342.279; 0 994.978 254.877; 0 0 1]\n"
        "doffs=31.086\nbaseline=193.001\nwidth=741\nheight=497\n"
    )
    *numbers, told = text_to_numbers(file_to_text((SentFile(path, "calib.txt"),)), *[None] * 6)
    assert numbers == [994.978, 994.978, 311.193, 254.877, 193.001, 31.086]
    assert "Middlebury" in told


# What a run is asked.


def test_without_a_calibration_the_message_says_where_to_type_it() -> None:
    with pytest.raises(InvalidInput, match="Type focal length"):
        asked(Limits(), **{**EXAMPLES[OAK], "calibration": ""})


def test_a_bad_picture_is_named_by_its_side(tmp_path: Any) -> None:
    path = tmp_path / "right.png"
    path.write_text("no picture")
    with pytest.raises(InvalidInput, match="Right picture: "):
        asked(Limits(), **{**EXAMPLES[OAK], "right": str(path)})


def test_every_shipped_example_can_be_asked() -> None:
    for example in DEMO.examples:
        assert asked(Limits(), **example).calibration.baseline_m == 0.075


# The cloud handed to another tab.


def test_a_demo_that_takes_clouds_gets_a_button_that_hands_over_the_file_of_the_result(tmp_path: Any) -> None:
    def draw_taker(hub: Hub) -> None:
        with ui.tab(hub, taker) as drawn:
            drawn.receive("ply", gr.File(label="Cloud", elem_id="taken"))

    taker = replace(DEMO, slug="taker", title="Taker", build=draw_taker, receives=("ply",))
    page = build(Hub(Settings(temp_dir=tmp_path, models="embedded")), (DEMO, taker))
    buttons = [
        block for block in page.blocks.values() if isinstance(block, gr.Button) and block.value == "Send to Taker"
    ]
    assert [button.elem_id for button in buttons] == ["stereo-to-taker"] * 2  # of the result, and of that beside it
    handed = [fn for fn in page.fns.values() if any(target[0] == buttons[0]._id for target in fn.targets)]
    (cloud,) = handed[0].inputs
    assert isinstance(cloud, gr.File)
    assert handed[0].fn is not None
    assert handed[0].fn("cloud.ply")[0] == "cloud.ply"


# Numbers as people read them.


def test_no_more_digits_are_shown_than_the_error_leaves() -> None:
    assert with_error(94.354, 1.31) == "94.4 ± 1.3"
    assert with_error(0.94354, 0.00131) == "0.9435 ± 0.0013"


def test_a_distance_that_is_right_is_off_by_nothing_and_not_by_less() -> None:
    line = Dimension("a", "b", 0.99999, 0.001, true_distance_m=1.0)
    assert "+0.0%" in dimension_row(line, CENTIMETRES, 1.0, with_truth=True)


def test_the_derivation_ends_at_the_depth_and_the_error_of_the_table(oak: tuple[MeasureRequest, Measurement]) -> None:
    _, measurement = oak
    steps = derivation(measurement.points[0], measurement.calibration, CENTIMETRES)
    assert "7.50 cm · 452.9 px / 36.00 px = <b>94.35 cm</b>" in steps[1]
    assert steps[-1].endswith("<b>1.85 cm</b>")


def test_lengths_of_a_pair_without_a_scale_have_no_unit(oak: tuple[MeasureRequest, Measurement]) -> None:
    assert scale_of(replace(oak[1], relative=True), "cm").shown(0.5) == "0.5000"


def test_names_are_escaped_wherever_they_are_shown(oak: tuple[MeasureRequest, Measurement]) -> None:
    _, measurement = oak
    point = replace(measurement.points[0], marked=MarkedPoint("<b>&", 1, 2, 0, 2))
    html = viewer_html(replace(measurement, points=(point,), dimensions=()), CENTIMETRES, "run")
    assert "<b>&<" not in html
    assert html.count("&lt;b&gt;&amp;") >= 3


def test_the_viewer_marks_every_point_in_both_frames_and_every_distance(
    oak: tuple[MeasureRequest, Measurement],
) -> None:
    html = viewer_html(oak[1], CENTIMETRES, "run")
    assert html.count('<g class="stereo-point"') == 24
    assert html.count('class="stereo-epipolar"') == 2
    assert html.count('class="stereo-bar"') == 6


# Maps and cloud.


def test_invalid_pixels_have_flat_colours_that_no_map_has_and_a_legend_with_their_share(dense: Measurement) -> None:
    disparity, depth, expected, true = maps_of(dense, CENTIMETRES)
    assert [shown.title for shown in (disparity, depth, expected, true)] == [
        "Disparity",
        "Depth",
        "Expected error",
        "True error",
    ]
    colours = np.asarray(painted(disparity).convert("RGB"))
    flat = {tuple(colour) for colour in colours[0, :4]}
    assert len(flat) == 4
    assert not flat & {tuple(colour) for colour in palette(disparity)[:240]}
    html = maps_html(dense, CENTIMETRES, "run")
    assert html.count("(0.2%)") == 4 * 4


def test_the_depth_map_is_in_the_shown_unit(dense: Measurement) -> None:
    depth = maps_of(dense, CENTIMETRES)[1]
    assert depth.values[5, 0] == pytest.approx(400 * 0.1 / 10 * 100)
    assert depth.unit == "cm"


def test_the_error_map_is_graded_against_the_truth(dense: Measurement) -> None:
    told = graded(dense)
    assert "99.0% have a disparity" in told
    (bad,) = re.findall(r"([\d.]+)% of those are off by more than 1 px", told)
    assert float(bad) == pytest.approx(100 * 99 / 396, abs=0.1)


def test_a_pixel_at_infinity_has_a_disparity_and_no_depth(dense: Measurement) -> None:
    assert dense.disparity_px is not None
    dense.disparity_px[10, 10] = 0
    disparity, depth = maps_of(dense, CENTIMETRES)[:2]
    assert disparity.invalid[10, 10] == 0
    assert depth.invalid[10, 10] == 5


def test_the_cloud_is_shown_from_three_sides_with_its_unit(dense: Measurement) -> None:
    html = preview_html(cloud_of(dense), CENTIMETRES)
    assert html.count("<img") == 3
    assert "z, cm" in html
    assert "396 points" in html
    assert "http" not in html


def test_the_table_has_the_columns_that_are_read() -> None:
    assert HEADERS == ["name", "u", "v", "u_right", "v_right"]
