"""The plane through the disparities round a point, and the maps that are made when they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from demos.stereo.families.dense import OpenCvDense
from demos.stereo.later import Later, made
from demos.stereo.matching import F32, Pair
from demos.stereo.options import MatchOptions
from demos.stereo.scenes import new_scene
from demos.stereo.surface import disparity_at, plane_at, surface_error
from demos.stereo.uncertainty import disparity_error, error_later
from hub.batch import Watch
from tabletop.world import TEST_SEEDS

POINTS = 200


def slope(across: float, down: float, scatter: float = 0.0) -> F32:
    rows, columns = np.indices((60, 80))
    noise = np.random.default_rng(0).normal(0, scatter, rows.shape)
    return (30 + across * columns + down * rows + noise).astype(np.float32)


def test_a_plane_is_found_exactly_between_pixels() -> None:
    found = plane_at(slope(0.1, -0.05), 40.3, 20.6)
    assert found is not None
    assert found[0] == pytest.approx(30 + 4.03 - 1.03, abs=1e-4)
    assert found[1] < 1e-4
    assert found[2] == 1


def test_scatter_averages_out() -> None:
    noisy, exact = slope(0.05, 0.02, scatter=0.1), slope(0.05, 0.02)
    spots = [(u + 0.5, v + 0.25) for u in range(15, 65, 5) for v in range(15, 45, 5)]
    planes, pixels = [], []
    for u, v in spots:
        plane, true = plane_at(noisy, u, v), disparity_at(exact, u, v)
        own = disparity_at(noisy, u, v)
        assert plane is not None
        assert true is not None
        assert own is not None
        planes.append(abs(plane[0] - true))
        pixels.append(abs(own - true))
    assert np.mean(planes) < np.mean(pixels) / 4


def test_what_lies_beyond_an_edge_is_left_out_and_makes_the_answer_less_sure() -> None:
    disparity = slope(0.0, 0.0)
    disparity[:, 43:] = 50
    found = plane_at(disparity, 40, 30)
    assert found is not None
    assert found[0] == pytest.approx(30)
    assert found[2] < 0.8
    assert surface_error(0.1, *found[1:]) > surface_error(0.1, found[1], 1.0)


def test_between_two_surfaces_and_in_a_hole_there_is_none() -> None:
    disparity = slope(0.0, 0.0)
    disparity[:, 43:] = 50
    disparity[10:14, 10:14] = np.nan
    for u, v in ((42.5, 30), (11, 12)):
        assert disparity_at(disparity, u, v) is None
        assert plane_at(disparity, u, v) is None
    assert disparity_at(disparity, 42.5, 30, most_px=np.inf) == pytest.approx(40)


def test_on_a_scene_planes_are_nearer_to_the_truth_than_pixels_and_error_bars_cover_it() -> None:
    scene = new_scene(TEST_SEEDS[1], 512)
    pair = Pair(np.asarray(scene.left), np.asarray(scene.right), scene.calibration)
    matched = OpenCvDense().match(pair, MatchOptions(), Watch())
    assert matched.disparity_px is not None
    errors = matched.disparity_error_px
    assert errors is not None
    rng = np.random.default_rng(1)
    rows = []
    for u, v in rng.integers(12, 500, (POINTS, 2)).tolist():
        plane, own = plane_at(matched.disparity_px, u, v), disparity_at(matched.disparity_px, u, v)
        true = float(scene.truth.disparity_px[v, u])
        if plane is not None and own is not None and true > 1 and not scene.truth.occluded[v, u]:
            rows.append((abs(plane[0] - true), abs(own - true), surface_error(float(errors[v, u]), *plane[1:])))
    planes, pixels, sigma = np.array(rows).T
    assert len(rows) > POINTS / 3
    assert np.median(planes) < np.median(pixels) / 2
    assert (planes <= sigma).mean() > 0.6


# --- Maps made later --------------------------------------------------------------------------------------------------


def test_a_map_is_made_once_when_it_is_asked_for() -> None:
    times: list[int] = []

    def make() -> str:
        times.append(1)
        return "map"

    later = Later(make, 8)
    assert times == []
    assert later() == "map"
    value: str | Later[str] | None = later
    assert made(value) == "map"
    assert times == [1]


def test_a_part_of_the_error_map_is_that_part_of_the_whole() -> None:
    rng = np.random.default_rng(3)
    left, right = (rng.integers(0, 256, (150, 90, 3), dtype=np.uint8) for _ in range(2))
    disparity = np.where(rng.random((150, 90)) < 0.8, rng.uniform(0, 9, (150, 90)), np.nan).astype(np.float32)
    confidence = rng.random((150, 90)).astype(np.float32)
    for block in (3, 11):
        whole = disparity_error(left, right, disparity, block, confidence)
        assert (np.isnan(whole) == np.isnan(disparity)).all()
        later = error_later(left, right, disparity, block, confidence)
        assert later.part is not None
        for rows, columns in (np.s_[0:5, 80:90], np.s_[60:70, 0:90], np.s_[149:150, 7:8]):
            np.testing.assert_allclose(later.part(rows, columns), whole[rows, columns], rtol=1e-3, atol=1e-4)
