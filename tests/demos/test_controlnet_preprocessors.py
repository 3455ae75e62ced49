"""The preprocessors of the ControlNet tab, on pictures whose edges, depth and normals are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from demos.controlnet import preprocessors
from demos.controlnet.agreement import depth_error
from demos.controlnet.palette import ADE20K, BONES, COLOURS, classes_drawn, poses_drawn
from tabletop.controls import edge_f1, edges, nearness
from tabletop.render import View, render
from tabletop.sampling import FOV_DEG, sample_scene

U8 = NDArray[np.uint8]


@pytest.fixture(scope="module")
def view() -> View:
    return render(sample_scene(2_000_005), 192)


@pytest.fixture(scope="module")
def square() -> U8:
    """Return a dark square on bright ground, whose border is known."""
    picture = np.full((96, 96, 3), 210, np.uint8)
    picture[24:72, 24:72] = 40
    return picture


def border(reach_px: int) -> NDArray[np.bool_]:
    inside = np.zeros((96, 96), bool)
    inside[24 - reach_px : 72 + reach_px, 24 - reach_px : 72 + reach_px] = True
    inside[24 + reach_px : 72 - reach_px, 24 + reach_px : 72 - reach_px] = False
    return inside


@pytest.mark.parametrize(
    ("name", "drawing"),
    [
        ("canny", lambda picture: preprocessors.canny(picture, 100, 200)),
        ("softedge", preprocessors.soft_edges),
        ("scribble", lambda picture: preprocessors.scribble(picture, 100, 200)),
        ("mlsd", preprocessors.straight_lines),
    ],
)
def test_lines_are_white_on_black_along_the_border_of_a_square(name: str, drawing: object, square: U8) -> None:
    drawn = drawing(square)  # type: ignore[operator]
    assert drawn.dtype == np.uint8
    assert drawn.shape == (96, 96)
    assert drawn.max() == 255
    assert not (drawn > 127)[~border(5)].any()
    assert (drawn > 127)[border(5)].sum() >= 4 * 40


def test_a_pencil_draws_dark_lines_and_leaves_wide_surfaces_white_paper(square: U8) -> None:
    lined = np.full((96, 96, 3), 220, np.uint8)
    lined[40:42] = 30
    drawn = preprocessors.pencil(lined)
    assert drawn[40:42].min() == 255
    assert drawn[:30].max() == 0
    assert preprocessors.pencil(square)[48, 48] == 0


def test_higher_thresholds_and_more_blur_leave_fewer_edges(view: View) -> None:
    counts = [
        np.count_nonzero(preprocessors.canny(view.rgb, low, high, blur_px))
        for low, high, blur_px in ((20, 60, 0), (100, 200, 0), (100, 200, 1.5), (400, 500, 4))
    ]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == len(counts)


def test_without_blur_canny_is_what_the_embedded_controlnets_were_trained_with(view: View) -> None:
    assert (preprocessors.canny(view.rgb, 100, 200) == edges(view.rgb)).all()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_picture_of_one_colour_has_no_lines(value: int) -> None:
    flat = np.full((64, 80, 3), value, np.uint8)
    for drawn in (
        preprocessors.canny(flat, 0, 0),
        preprocessors.soft_edges(flat, 8.0),
        preprocessors.scribble(flat, 100, 200),
        preprocessors.pencil(flat),
        preprocessors.straight_lines(flat),
        preprocessors.strokes(flat),
    ):
        assert not drawn.any()


def test_a_drawing_by_hand_may_be_dark_on_light_or_light_on_dark(square: U8) -> None:
    lines = np.repeat(preprocessors.canny(square, 100, 200)[..., None], 3, axis=2)
    assert (preprocessors.strokes(lines) == lines[..., 0]).all()
    assert (preprocessors.strokes(255 - lines) == lines[..., 0]).all()


def test_nearness_is_white_where_it_is_nearest_and_black_for_the_sky(view: View) -> None:
    near = nearness(view.depth_m)
    assert near.max() == near.flat[view.depth_m.argmin()] == 255
    assert not near[np.isinf(view.depth_m)].any()
    assert not nearness(np.full((4, 4), np.inf)).any()


def test_depth_without_a_unit_is_stretched_over_all_greys() -> None:
    assert preprocessors.closeness(np.array([[3.0, 5.0], [4.0, 3.0]])).tolist() == [[0, 255], [128, 0]]
    assert not preprocessors.closeness(np.ones((3, 3))).any()
    depths = preprocessors.depth_of_inverse(np.array([[0.0, 1.0]]))
    assert np.isfinite(depths).all()
    assert depths[0, 0] > depths[0, 1] > 0


def test_normals_from_exact_depth_are_those_of_the_surfaces(view: View) -> None:
    finite_m = np.where(np.isfinite(view.depth_m), view.depth_m, 2.0)
    found = preprocessors.normals_of_depth(finite_m, FOV_DEG)
    true = view.normals @ view.world_to_camera[:3, :3].T
    plain = (view.ids == 0) & (np.roll(view.ids, 2, 0) == 0) & (np.roll(view.ids, -2, 0) == 0)
    plain &= (np.roll(view.ids, 2, 1) == 0) & (np.roll(view.ids, -2, 1) == 0)
    assert plain.sum() > 1000
    assert (found[plain] * true[plain]).sum(-1).min() > 0.99
    assert np.allclose(np.linalg.norm(found, axis=-1), 1)


def test_normals_are_coloured_blue_to_the_viewer_red_to_the_left_green_to_the_top() -> None:
    normals = np.array([[(0, 0, -1), (-1, 0, 0), (0, -1, 0), (0, 0, 0)]], float)
    assert preprocessors.normal_colours(normals)[0].tolist() == [
        [128, 128, 255],
        [255, 128, 128],
        [128, 255, 128],
        [128, 128, 255],
    ]


def test_outlines_are_where_one_thing_ends_and_another_begins() -> None:
    ids = np.zeros((5, 5), int)
    ids[2:, 2:] = 3
    drawn = preprocessors.outlines(ids) > 0
    assert drawn[1, 2:].all()
    assert drawn[2:, 1].all()
    assert not drawn[3:, 3:].any()
    assert not drawn[0].any()


def test_segmentations_have_a_colour_of_their_own_for_each_of_150_classes() -> None:
    assert len(ADE20K) == 3 * 150
    drawn = classes_drawn(np.arange(150, dtype=np.uint8).reshape(10, 15))
    assert drawn.shape == (10, 15, 3)
    assert drawn[0, 0].tolist() == [120, 120, 120]  # wall
    assert drawn[0, 2].tolist() == [6, 230, 230]  # sky
    assert drawn[-1, -1].tolist() == [92, 0, 255]  # flag


def test_a_pose_is_drawn_in_the_colours_of_openpose() -> None:
    person = np.zeros((17, 3), np.float32)
    person[:, :2] = np.random.default_rng(0).uniform(10, 110, (17, 2))
    person[5] = (20, 30, 1)  # the left shoulder
    person[6] = (100, 30, 1)  # the right one
    drawn = poses_drawn(person[None], (120, 120))
    assert drawn[30, 60].tolist() == list(COLOURS[1])  # the neck, midway
    assert drawn[30, 80].tolist() == [int(0.6 * part) for part in COLOURS[0]]  # from the neck to the right shoulder
    assert drawn[30, 20].tolist() == list(COLOURS[5])
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) < 8  # no point that the model was not sure of
    assert not poses_drawn(np.zeros((0, 17, 3), np.float32), (64, 64)).any()
    assert {point for bone in BONES for point in bone} == set(range(18))


def test_edges_agree_with_themselves_and_less_the_farther_they_are_moved(view: View) -> None:
    drawn = edges(view.rgb)
    scores = [edge_f1(np.roll(drawn, shift, 1), drawn) for shift in (0, 2, 4, 20)]
    assert scores[0] == scores[1] == 1
    assert scores[1] > scores[2] > scores[3]
    empty = np.zeros_like(drawn)
    assert edge_f1(empty, drawn) == edge_f1(drawn, empty) == 0
    assert edge_f1(empty, empty) == 1


def test_the_error_of_a_depth_is_relative_and_leaves_the_sky_out(view: View) -> None:
    depth_m = view.depth_m.astype(np.float64)
    assert depth_error(depth_m, depth_m) == 0
    assert depth_error(1.1 * depth_m, depth_m) == pytest.approx(0.1)
    assert depth_error(np.full_like(depth_m, np.inf), depth_m) is None
