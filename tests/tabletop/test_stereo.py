from __future__ import annotations

import numpy as np
import pytest

from tabletop.camera import project, world_to_camera
from tabletop.casting import SKY, TABLE
from tabletop.grain import grain
from tabletop.render import render
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


# --- Grain ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grained() -> StereoPair:
    return render_stereo(sample_scene(SEED, COUNT), size=SIZE, grain=0.4)


def test_without_grain_a_pair_is_what_the_plain_renderer_draws(pair: StereoPair) -> None:
    np.testing.assert_array_equal(pair.left.rgb, render(sample_scene(SEED, COUNT), SIZE).rgb)
    np.testing.assert_array_equal(pair.left.rgb, render(sample_scene(SEED, COUNT), SIZE, grain=0.0).rgb)


def test_grain_changes_the_colours_of_table_and_solids_and_nothing_else(pair: StereoPair, grained: StereoPair) -> None:
    np.testing.assert_array_equal(grained.disparity_px, pair.disparity_px)
    np.testing.assert_array_equal(grained.occluded, pair.occluded)
    changed = (grained.left.rgb != pair.left.rgb).any(axis=-1)
    edge = np.zeros_like(changed)
    edge[1:] |= pair.left.ids[1:] != pair.left.ids[:-1]
    edge[:-1] |= edge[1:].copy()
    assert not changed[(pair.left.ids == SKY) & ~edge].any()
    assert changed[pair.left.ids == TABLE].mean() > 0.8
    assert changed[pair.left.ids > TABLE].mean() > 0.8


def test_both_eyes_see_the_same_grain(pair: StereoPair, grained: StereoPair) -> None:
    """What the grain adds to the left picture, it adds to the right one at the true disparity, and nowhere else."""
    rows, columns = np.nonzero(~pair.occluded & (pair.left.ids != SKY))
    added = [
        after.rgb.astype(float).sum(axis=-1) - before.rgb.astype(float).sum(axis=-1)
        for before, after in ((pair.left, grained.left), (pair.right, grained.right))
    ]
    here = added[0][rows, columns]

    def there(off_px: int) -> np.ndarray:
        """Between the pixels of the right picture, by linear interpolation."""
        landing = np.clip(columns - pair.disparity_px[rows, columns] + off_px, 0, SIZE - 1.001)
        left = np.floor(landing).astype(int)
        share = landing - left
        return (1 - share) * added[1][rows, left] + share * added[1][rows, left + 1]

    assert np.corrcoef(here, there(0))[0, 1] > 0.75
    assert abs(np.corrcoef(here, there(12))[0, 1]) < 0.3


def test_grain_is_smooth_zero_on_average_and_that_of_its_seed() -> None:
    generator = np.random.default_rng(0)
    points = generator.uniform((-0.2, -0.2, 0), (0.2, 0.2, 0.1), (20_000, 3)).astype(np.float32)
    noise = grain(points, 7)
    assert np.abs(noise).max() <= 1
    assert abs(noise.mean()) < 0.02
    assert 0.1 < noise.std() < 0.5
    np.testing.assert_allclose(noise[:5_000], grain(points[:5_000], 7), atol=1e-4)  # whatever else is asked for
    assert abs(np.corrcoef(noise, grain(points, 8))[0, 1]) < 0.05
    near = grain(points + np.float32(1e-4), 7)
    assert np.abs(near - noise).max() < 0.15  # a tenth of a millimetre away
    assert grain(np.empty((0, 3), np.float32), 7).shape == (0,)


@pytest.mark.parametrize("amplitude", [-0.1, 1.5, float("nan")])
def test_a_grain_out_of_range_is_refused(amplitude: float) -> None:
    with pytest.raises(ValueError, match="grain from 0 to 1"):
        render_stereo(sample_scene(3), size=64, grain=amplitude)
