"""Dense matching: accuracy on a Middlebury pair and on tabletop pairs, holes by reason, and honest error bars."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray

from demos.stereo.families.dense import OpenCvDense
from demos.stereo.families.holes import holes
from demos.stereo.families.semi_global import CensusSemiGlobal, aggregate, bits_set, path_sums
from demos.stereo.geometry import Calibration, depth_error, depth_from_disparity
from demos.stereo.matching import F32, Matched, Pair
from demos.stereo.measurement import NO_MATCH, OCCLUDED, OUTSIDE, VALID, MarkedPoint
from demos.stereo.options import MatchOptions
from demos.stereo.placing import Ground, measure_between, place
from demos.stereo.scenes import ScenePair, new_scene
from demos.stereo.search_range import SearchRange, suggest_range
from hub.batch import Watch
from hub.errors import InvalidInput
from tabletop.camera import project
from tabletop.sampling import sample_scene
from tabletop.solids import CUBE_EDGE, pose
from tabletop.world import TEST_SEEDS

MOTORCYCLE = Calibration(994.978, 994.978, 311.193, 254.877, 0.193001, 31.086, 741, 500)
RANGE = MatchOptions(max_disparity=64)
SCENES, SCENES_PX = 2, 512
CUBES_SEED = 2_000_106  # one large cube among its solids, the example's scene


@pytest.fixture(scope="module")
def motorcycle() -> tuple[Pair, NDArray[np.float32]]:
    left, right, truth = skimage.data.stereo_motorcycle()
    return Pair(left, right, MOTORCYCLE), truth


@pytest.fixture(scope="module")
def matched(motorcycle: tuple[Pair, Any]) -> Matched:
    return OpenCvDense().match(motorcycle[0], RANGE, Watch())


@pytest.fixture(scope="module")
def scenes() -> list[ScenePair]:
    return [new_scene(TEST_SEEDS[number], SCENES_PX) for number in range(SCENES)]


def pair_of(scene: ScenePair) -> Pair:
    return Pair(np.asarray(scene.left), np.asarray(scene.right), scene.calibration)


def bad(disparity: F32, truth: NDArray[np.float32], pixels: NDArray[np.bool_]) -> float:
    """Return the share of `pixels` that are more than 2 px off, or have no disparity."""
    return float((~(np.abs(disparity - truth) <= 2))[pixels].mean())


def test_the_share_of_bad_pixels_is_that_of_raw_stereo_sgbm(
    motorcycle: tuple[Pair, NDArray[np.float32]], matched: Matched
) -> None:
    pair, truth = motorcycle
    known = np.isfinite(truth)
    assert pair.right is not None
    window = 3 * 5**2
    raw = cv2.StereoSGBM.create(0, 64, 5, window, 16 * window, 1, 63, 5, 100, 2, cv2.StereoSGBM_MODE_SGBM_3WAY)
    found = raw.compute(pair.left, pair.right).astype(np.float32) / np.float32(16)
    assert matched.disparity_px is not None
    assert matched.invalid is not None
    theirs, ours = (
        bad(found, truth, known & (found >= 0)),
        bad(matched.disparity_px, truth, known & (matched.invalid == 0)),
    )
    assert abs(ours - theirs) < 0.01
    assert (known & (matched.invalid == 0)).sum() > (known & (found >= 0)).sum()


def test_the_filter_leaves_fewer_bad_pixels(motorcycle: tuple[Pair, NDArray[np.float32]], matched: Matched) -> None:
    pair, truth = motorcycle
    filtered = OpenCvDense().match(pair, replace(RANGE, smoothing="wls"), Watch())
    assert matched.disparity_px is not None
    assert filtered.disparity_px is not None
    known = np.isfinite(truth)
    assert bad(filtered.disparity_px, truth, known) < bad(matched.disparity_px, truth, known) - 0.01
    both = known & (matched.invalid == VALID) & (filtered.invalid == VALID)
    assert bad(filtered.disparity_px, truth, both) <= bad(matched.disparity_px, truth, both)


@pytest.mark.parametrize("smoothing", ["none", "wls"])
def test_error_bars_cover_the_true_depth_error_as_one_standard_deviation_should(
    motorcycle: tuple[Pair, NDArray[np.float32]], smoothing: str
) -> None:
    pair, truth = motorcycle
    found = OpenCvDense().match(pair, replace(RANGE, smoothing=smoothing), Watch())
    assert found.disparity_px is not None
    assert found.disparity_error_px is not None
    valid = np.isfinite(truth) & (found.invalid == VALID)
    depth = depth_from_disparity(MOTORCYCLE, found.disparity_px[valid])
    predicted = depth_error(MOTORCYCLE, depth, found.disparity_error_px[valid])
    covered = np.abs(depth - depth_from_disparity(MOTORCYCLE, truth[valid])) <= predicted
    assert 0.60 <= covered.mean() <= 0.80


@pytest.mark.parametrize(("preset", "smoothing"), [("balanced", "none"), ("fine", "none"), ("fine", "wls")])
def test_on_tabletop_pairs_nearly_all_visible_pixels_are_within_a_pixel(
    scenes: list[ScenePair], preset: str, smoothing: str
) -> None:
    for scene in scenes:
        found = OpenCvDense().match(pair_of(scene), MatchOptions(preset=preset, smoothing=smoothing), Watch())
        visible = ~scene.truth.occluded & (scene.truth.disparity_px > 0)
        assert found.disparity_px is not None
        assert (np.abs(found.disparity_px - scene.truth.disparity_px)[visible] < 1).mean() > 0.95


def test_the_fine_preset_reaches_the_right_edge_of_the_left_picture(scenes: list[ScenePair]) -> None:
    """The partners of the right picture's last columns lie outside the left one, and OpenCV would skip them."""
    for scene in scenes:
        found = OpenCvDense().match(pair_of(scene), MatchOptions(preset="fine"), Watch())
        visible = ~scene.truth.occluded & (scene.truth.disparity_px > 0)
        assert found.invalid is not None
        assert (found.invalid == VALID)[:, -64:][visible[:, -64:]].mean() > 0.9


def test_edges_of_a_large_cube_are_measured_to_within_two_percent_or_two_error_bars() -> None:
    scene = new_scene(CUBES_SEED)
    world = sample_scene(CUBES_SEED)
    matched = OpenCvDense().match(pair_of(scene), MatchOptions(preset="fine"), Watch())
    (cube,) = (solid for solid in world.solids if solid.shape == "cube" and solid.size == "large")
    turn, foot = pose(cube)
    half = 0.4 * CUBE_EDGE  # 80 % of the way from the middle of the top to its corners
    top = np.array([(-half, -half, CUBE_EDGE), (half, -half, CUBE_EDGE), (half, half, CUBE_EDGE)]) @ turn.T + foot
    pixels, _ = project(world.camera, top, scene.left.width)
    marked = [MarkedPoint(str(number), *map(float, pixel)) for number, pixel in enumerate(pixels)]
    points, _ = place(marked, Ground(scene.calibration, pair_of(scene), matched, 0.05, None))
    for length in measure_between([("0", "1"), ("1", "2"), ("0", "2")], points):
        true = float(np.linalg.norm(top[int(length.start)] - top[int(length.end)]))
        assert length.distance_m is not None
        assert length.error_m is not None
        off = abs(length.distance_m - true)
        assert off < 0.04 * true
        assert off < max(0.02 * true, 2 * length.error_m)


def test_the_suggested_range_holds_the_disparities_of_the_pair(
    motorcycle: tuple[Pair, NDArray[np.float32]], scenes: list[ScenePair]
) -> None:
    truths = [(motorcycle[0], motorcycle[1])] + [(pair_of(scene), scene.truth.disparity_px) for scene in scenes]
    for pair, truth in truths:
        assert pair.right is not None
        suggested = suggest_range(pair.left, pair.right)
        inside = (truth >= suggested.minimum_px) & (truth <= suggested.maximum_px)
        assert inside[np.isfinite(truth)].mean() > 0.97
        assert suggested.count % 16 == 0
        assert suggested.count < pair.left.shape[1] / 2


def test_negative_disparities_are_found(motorcycle: tuple[Pair, NDArray[np.float32]]) -> None:
    """The right picture moved 40 px to the right, as by other principal points: disparities from -33 on."""
    pair, truth = motorcycle
    assert pair.right is not None
    moved = np.zeros_like(pair.right)
    moved[:, 40:] = pair.right[:, :-40]
    calibration = replace(MOTORCYCLE, doffs_px=MOTORCYCLE.doffs_px + 40)
    options = MatchOptions(min_disparity=-40, max_disparity=24)
    found = OpenCvDense().match(Pair(pair.left, moved, calibration), options, Watch())
    assert found.disparity_px is not None
    valid = np.isfinite(truth) & (found.invalid == VALID)
    assert valid.mean() > 0.7
    assert bad(found.disparity_px, truth - 40, valid) < 0.08


def test_a_hole_left_of_something_nearer_is_occluded_and_any_other_has_no_match() -> None:
    disparity = np.array([[5, 0, 0, 0, 20, 20, 0, 20, 20, 0, 0, 5]], np.float32)
    reasons = holes(disparity, disparity > 0)
    assert reasons[0].tolist() == [
        *[VALID, OCCLUDED, OCCLUDED, OCCLUDED, VALID, VALID],
        *[NO_MATCH, VALID, VALID, NO_MATCH, NO_MATCH, VALID],
    ]


def test_no_partner_lies_outside_the_right_picture(matched: Matched) -> None:
    assert matched.disparity_px is not None
    assert matched.invalid is not None
    landing = np.arange(741) - matched.disparity_px
    assert np.nanmin(landing) >= -0.5
    assert (matched.invalid[:, :8] == OUTSIDE).any()
    assert (np.isnan(matched.disparity_px) == (matched.invalid != VALID)).all()


def test_block_matching_finds_less_than_semi_global_matching(
    motorcycle: tuple[Pair, NDArray[np.float32]], matched: Matched
) -> None:
    found = OpenCvDense(block_matching=True).match(motorcycle[0], RANGE, Watch())
    assert found.invalid is not None
    assert matched.invalid is not None
    assert 0.4 < (found.invalid == VALID).mean() < (matched.invalid == VALID).mean()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (MatchOptions(max_disparity=16, min_disparity=32), "starts at 32"),
        (MatchOptions(max_disparity=512), "picture is 320 px wide"),
        (MatchOptions(preset="own", small_penalty=20.0), "P2 is 16"),
    ],
)
def test_settings_that_cannot_match_are_refused(options: MatchOptions, said: str) -> None:
    grey = np.full((240, 320, 3), 128, np.uint8)
    with pytest.raises(InvalidInput, match=said):
        OpenCvDense().match(Pair(grey, grey, MOTORCYCLE), options, Watch())


# --- Semi-global matching in PyTorch ----------------------------------------------------------------------------------


def small_pair() -> tuple[Pair, NDArray[np.float32]]:
    left, right, truth = skimage.data.stereo_motorcycle()
    rows, columns = slice(150, 300), slice(300, 520)
    return Pair(left[rows, columns].copy(), right[rows, columns].copy(), MOTORCYCLE), truth[rows, columns]


def test_census_matching_agrees_with_the_truth() -> None:
    pair, truth = small_pair()
    found = CensusSemiGlobal().match(pair, RANGE, Watch())
    assert found.disparity_px is not None
    valid = np.isfinite(truth) & (found.invalid == VALID) & (np.arange(220) > 64)
    assert valid.mean() > 0.45
    assert bad(found.disparity_px, truth, valid) < 0.12


def test_census_matching_gives_the_same_answer_every_time_and_from_any_threads() -> None:
    pair, _ = small_pair()
    first = CensusSemiGlobal().match(pair, RANGE, Watch())
    threads = torch.get_num_threads()
    torch.set_num_threads(3 - min(threads, 2))
    try:
        second = CensusSemiGlobal().match(pair, RANGE, Watch())
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(first.disparity_px, second.disparity_px)


def test_a_path_sum_is_what_the_recursion_says_pixel_by_pixel() -> None:
    """Hirschmüller's equation 13, written out in plain loops for the path from left to right."""
    from demos.stereo.families.semi_global import LARGE_PENALTY, SMALL_PENALTY, _sweep

    costs = torch.randint(0, 103, (9, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    total = torch.zeros(costs.shape, dtype=torch.int16)
    _sweep(costs, total, (0,), Watch())
    expected = np.zeros(costs.shape, int)
    for order in (range(9), range(8, -1, -1)):
        before: NDArray[Any] | None = None
        for row in order:
            own = costs[row].numpy().astype(int)
            if before is None:
                path = own
            else:
                least = before.min(0)
                path = np.empty_like(own)
                for d in range(5):
                    ways = [before[d], least + LARGE_PENALTY]
                    ways += [before[d + step] + SMALL_PENALTY for step in (-1, 1) if 0 <= d + step < 5]
                    path[d] = own[d] + np.min(ways, axis=0) - least
            expected[row] += path
            before = path
    np.testing.assert_array_equal(total.numpy(), expected)


def test_eight_paths_of_a_mirrored_volume_are_the_mirrored_sums() -> None:
    costs = torch.randint(0, 103, (8, 6, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    sums = path_sums(costs, diagonals=True, watch=Watch())
    for axis in (0, 2):
        flipped = path_sums(costs.flip(axis), diagonals=True, watch=Watch())
        torch.testing.assert_close(flipped.flip(axis), sums, rtol=0, atol=0)


def test_bits_are_counted_right() -> None:
    numbers = torch.tensor([0, 1, 3, 2**61, 2**62 - 1, 0x123456789ABCDEF])
    assert bits_set(numbers).tolist() == [int(number).bit_count() for number in numbers.tolist()]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_census_matching_on_cuda_is_that_of_the_cpu() -> None:
    pair, _ = small_pair()
    assert pair.right is not None
    answers = [
        aggregate(
            torch.from_numpy(pair.left).to(device),
            torch.from_numpy(pair.right).to(device),
            SearchRange(0, 64),
            paths=8,
            uniqueness=2,
            watch=Watch(),
        )
        for device in ("cpu", "cuda")
    ]
    here, there = answers
    torch.testing.assert_close(there.disparity_px.cpu(), here.disparity_px, rtol=0, atol=1e-5)
    assert torch.equal(there.unique.cpu(), here.unique)
    assert torch.equal(there.right_px.cpu(), here.right_px)
