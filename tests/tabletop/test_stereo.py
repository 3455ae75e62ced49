from __future__ import annotations

import numpy as np
import pytest

from tabletop.camera import project, world_to_camera
from tabletop.casting import SKY, TABLE
from tabletop.sampling import sample_scene
from tabletop.solids import surface
from tabletop.stereo import StereoPair, move_right, render_stereo

SEED, COUNT, SIZE = 16, 5, 256


@pytest.fixture(scope="module")
def pair() -> StereoPair:
    return render_stereo(sample_scene(SEED, COUNT), size=SIZE)


def landing(pair: StereoPair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, left columns and rounded right columns of the left pixels that the right picture shows; sky left out."""
    rows, columns = np.nonzero(~pair.occluded & (pair.left.ids != SKY))
    there = columns - pair.disparity_px[rows, columns]
    return rows, columns, np.clip(np.rint(there).astype(int), 0, SIZE - 1)


def test_the_left_view_is_the_scene_itself_and_the_pair_is_rectified(pair: StereoPair) -> None:
    np.testing.assert_allclose(pair.left.world_to_camera[:3, :3], pair.right.world_to_camera[:3, :3], atol=1e-12)
    shift = pair.left.world_to_camera[:3, 3] - pair.right.world_to_camera[:3, 3]
    np.testing.assert_allclose(shift, (pair.baseline_m, 0, 0), atol=1e-12)
    np.testing.assert_array_equal(pair.left.intrinsics, pair.right.intrinsics)


def test_disparity_is_focal_length_times_baseline_over_depth(pair: StereoPair) -> None:
    there = pair.left.ids != SKY
    depth = pair.left.intrinsics[0, 0] * pair.baseline_m / pair.disparity_px[there]
    np.testing.assert_allclose(depth, pair.left.depth_m[there], rtol=1e-6)
    np.testing.assert_array_equal(pair.disparity_px[~there], 0)


def test_disparity_is_how_far_a_world_point_moves_between_the_pictures() -> None:
    scene = sample_scene(SEED, COUNT)
    right = move_right(scene.camera, 0.075)
    for solid in scene.solids:
        points, _ = surface(solid)
        here, depth = project(scene.camera, points, SIZE)
        there, _ = project(right, points, SIZE)
        focal_px = SIZE / 2 / np.tan(np.radians(scene.camera.fov_deg) / 2)
        np.testing.assert_allclose(here[:, 0] - there[:, 0], focal_px * 0.075 / depth, atol=1e-6)
        np.testing.assert_allclose(here[:, 1], there[:, 1], atol=1e-6)


def test_a_visible_pixel_finds_its_own_depth_and_owner_in_the_right_picture(pair: StereoPair) -> None:
    rows, columns, there = landing(pair)
    same_owner = pair.left.ids[rows, columns] == pair.right.ids[rows, there]
    assert same_owner.mean() > 0.99  # the rest are silhouettes, where rounding to a whole column can step off
    error = np.abs(pair.left.depth_m[rows, columns] - pair.right.depth_m[rows, there])[same_owner]
    assert np.percentile(error, 99) < 0.004


def test_a_visible_pixel_finds_its_own_colour_in_the_right_picture(pair: StereoPair) -> None:
    rows, columns, there = landing(pair)
    error = np.abs(pair.left.rgb[rows, columns].astype(float) - pair.right.rgb[rows, there]).mean(axis=1)
    assert np.median(error) < 3
    assert np.percentile(error, 95) < 12


def test_occluded_pixels_are_outside_or_behind_something_nearer(pair: StereoPair) -> None:
    rows, columns = np.nonzero(pair.occluded & (pair.left.ids != SKY))
    there = np.rint(columns - pair.disparity_px[rows, columns]).astype(int)
    outside = there < 0
    assert outside.any()
    assert (~outside).any()
    inside_rows, inside = rows[~outside], there[~outside]
    behind = pair.right.depth_m[inside_rows, inside] < pair.left.depth_m[inside_rows, columns[~outside]] - 1e-4
    assert behind.mean() > 0.9  # all but those within a pixel of the edge that hides them


def test_table_beside_a_solid_is_hidden_from_the_right_eye_on_its_left_only(pair: StereoPair) -> None:
    hidden = pair.occluded & (pair.left.ids == TABLE)
    hidden &= np.arange(SIZE) - pair.disparity_px >= 0
    solid_to_the_right = np.maximum.accumulate((pair.left.ids > TABLE)[:, ::-1], axis=1)[:, ::-1]
    assert hidden.any()
    assert solid_to_the_right[hidden].mean() > 0.9


def test_a_wider_baseline_gives_proportionally_more_disparity() -> None:
    scene = sample_scene(3)
    narrow, wide = render_stereo(scene, 0.03, size=64), render_stereo(scene, 0.06, size=64)
    np.testing.assert_allclose(2 * narrow.disparity_px, wide.disparity_px, rtol=1e-6)
    assert narrow.occluded.sum() < wide.occluded.sum()


@pytest.mark.parametrize("baseline_m", [0.0, -0.1, float("nan")])
def test_a_baseline_that_is_not_positive_is_refused(baseline_m: float) -> None:
    with pytest.raises(ValueError, match="baseline above 0"):
        render_stereo(sample_scene(3), baseline_m)


def test_moving_the_camera_keeps_its_orientation() -> None:
    camera = sample_scene(5).camera
    moved = move_right(camera, 0.1)
    np.testing.assert_allclose(world_to_camera(camera)[:3, :3], world_to_camera(moved)[:3, :3], atol=1e-12)
    assert np.linalg.norm(np.subtract(moved.position_m, camera.position_m)) == pytest.approx(0.1)
