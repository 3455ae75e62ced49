from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.stereo.geometry import (
    Calibration,
    at_infinity,
    depth_error,
    depth_from_disparity,
    disparity_from_depth,
    distance_and_error,
    hand_covariance,
    matched_covariance,
    position_covariance,
    project,
    triangulate,
)
from demos.stereo.points import parse_dimensions, parse_points
from hub.errors import InvalidInput
from tabletop.sampling import sample_scene
from tabletop.stereo import render_stereo

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples" / "stereo"
OAK = Calibration(452.9, 452.9, 298.85, 245.52, 0.075, width_px=640, height_px=480)
MOTORCYCLE = Calibration(994.978, 994.978, 311.193, 254.877, 0.193001, 31.086, 741, 497)


def columns(name: str) -> list[dict[str, str]]:
    lines = (EXAMPLES / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


@st.composite
def calibrations(draw: st.DrawFn) -> Calibration:
    width, height = draw(st.integers(64, 4000)), draw(st.integers(64, 4000))
    focal = draw(st.floats(0.5, 3)) * width
    return Calibration(
        focal_x_px=focal,
        focal_y_px=focal * draw(st.floats(0.9, 1.1)),
        centre_x_px=draw(st.floats(0.3, 0.7)) * width,
        centre_y_px=draw(st.floats(0.3, 0.7)) * height,
        baseline_m=draw(st.floats(0.01, 2)),
        doffs_px=draw(st.floats(-0.1, 0.1)) * width,
        width_px=width,
        height_px=height,
    ).checked()


positions = st.tuples(st.floats(-10, 10), st.floats(-10, 10), st.floats(0.1, 50))


# The reference: a published measurement


def test_the_oak_d_points_are_those_that_were_published() -> None:
    published = columns("oak_d_lite.csv")
    points = parse_points((EXAMPLES / "oak_d_lite.csv").read_text(encoding="utf-8"))
    assert [point.name for point in points] == [row["point"] for row in published]
    disparity = np.array([point.u_px - float(point.u_right_px or "nan") for point in points])
    found_cm = 100 * triangulate(OAK, [point.u_px for point in points], [point.v_px for point in points], disparity)
    expected = [[float(row[f"{axis}_published"]) for axis in "xyz"] for row in published]
    np.testing.assert_allclose(found_cm, expected, atol=0.01)


def test_the_oak_d_dimensions_are_those_that_were_published_and_near_the_tape_measure() -> None:
    points = parse_points((EXAMPLES / "oak_d_lite.csv").read_text(encoding="utf-8"))
    place = {
        point.name: triangulate(OAK, point.u_px, point.v_px, point.u_px - float(point.u_right_px or "nan"))
        for point in points
    }
    pairs = parse_dimensions((EXAMPLES / "oak_d_lite_dimensions.csv").read_text(encoding="utf-8"), points)
    published = columns("oak_d_lite_dimensions.csv")
    assert len(pairs) == len(published) == 6
    for (start, end), row in zip(pairs, published, strict=True):
        found_cm = 100 * np.linalg.norm(place[end] - place[start])
        assert found_cm == pytest.approx(float(row["calculated_published"]), abs=0.1)
        assert found_cm == pytest.approx(float(row["tape_measure"]), rel=0.015)


# From space to the pictures and back


@given(calibrations(), positions)
def test_what_is_projected_and_triangulated_is_where_it_was(calibration: Calibration, position: tuple) -> None:
    u, v, u_right = project(calibration, position)
    found = triangulate(calibration, u, v, u - u_right)
    np.testing.assert_allclose(found, position, rtol=1e-6, atol=1e-6)


@given(calibrations(), st.floats(0.1, 50))
def test_depth_and_disparity_are_each_others_inverse(calibration: Calibration, depth: float) -> None:
    assert depth_from_disparity(calibration, disparity_from_depth(calibration, depth)) == pytest.approx(depth, rel=1e-6)


def test_any_leading_shape_is_taken_and_broadcast() -> None:
    rows, cols = np.indices((3, 4))
    grid = triangulate(MOTORCYCLE, cols, rows, 20.0)
    assert grid.shape == (3, 4, 3)
    np.testing.assert_array_equal(grid[2, 1], triangulate(MOTORCYCLE, 1, 2, 20))
    assert all(pixel.shape == (3, 4) for pixel in project(MOTORCYCLE, grid))
    assert position_covariance(MOTORCYCLE, cols, rows, 20.0, hand_covariance(0.5)).shape == (3, 4, 3, 3)


def test_middleburys_doffs_is_added_to_the_disparity() -> None:
    expected = 0.193001 * 994.978 / (40 + 31.086)
    assert depth_from_disparity(MOTORCYCLE, 40) == pytest.approx(expected)
    assert triangulate(MOTORCYCLE, 0, 0, 40)[2] == pytest.approx(expected)


def test_the_geometry_is_that_of_a_rendered_pair_with_known_truth() -> None:
    pair = render_stereo(sample_scene(7, 3), size=64, supersample=1)
    K = pair.left.intrinsics
    calibration = Calibration(K[0, 0], K[1, 1], K[0, 2], K[1, 2], pair.baseline_m)
    there = pair.disparity_px > 0
    found = depth_from_disparity(calibration, pair.disparity_px)
    np.testing.assert_allclose(found[there], pair.left.depth_m[there], rtol=1e-5)
    assert np.isinf(found[~there]).all()
    np.testing.assert_array_equal(calibration.matrix, K)


def test_at_zero_disparity_infinity_is_said_and_never_a_number() -> None:
    for disparity in (0.0, -3.0):
        assert at_infinity(OAK, disparity)
        assert depth_from_disparity(OAK, disparity) == np.inf
        np.testing.assert_array_equal(triangulate(OAK, 100, 100, disparity), (np.nan, np.nan, np.inf))
        assert np.isnan(position_covariance(OAK, 100, 100, disparity, hand_covariance(0.5))).all()
        assert np.isnan(depth_error(OAK, depth_from_disparity(OAK, disparity), 0.5))
    assert not at_infinity(MOTORCYCLE, -3.0)  # doffs makes it a finite depth
    assert at_infinity(MOTORCYCLE, -31.086)


def test_a_distance_to_a_point_at_infinity_is_no_number() -> None:
    far, near = triangulate(OAK, 100, 100, 0), triangulate(OAK, 100, 100, 30)
    for start, end in ((far, near), (near, far), (far, far)):
        distance, error = distance_and_error(start, np.eye(3), end, np.eye(3))
        assert np.isnan(distance)
        assert np.isnan(error)


def test_a_missing_disparity_stays_missing() -> None:
    assert not at_infinity(OAK, np.nan)
    assert np.isnan(depth_from_disparity(OAK, np.nan))
    assert np.isnan(triangulate(OAK, 100, 100, np.nan)).all()


def test_a_point_behind_the_cameras_is_in_no_picture() -> None:
    assert np.isnan(project(OAK, [(0, 0, -1.0), (0.1, 0, 0.0)])).all()


# Errors


@given(calibrations(), st.floats(0.2, 20), st.floats(0.01, 2))
def test_depth_error_is_depth_squared_over_focal_length_and_baseline(
    calibration: Calibration, depth: float, error: float
) -> None:
    expected = depth**2 / (calibration.baseline_m * calibration.focal_x_px) * error
    assert depth_error(calibration, depth, error) == pytest.approx(expected)
    covariance = position_covariance(
        calibration, 10, 20, disparity_from_depth(calibration, depth), matched_covariance(0, error)
    )
    assert np.sqrt(covariance[2, 2]) == pytest.approx(expected, rel=1e-6)


@given(calibrations(), positions, st.floats(0.05, 1))
def test_errors_agree_with_the_slope_of_the_triangulation(
    calibration: Calibration, position: tuple, click: float
) -> None:
    u, v, u_right = project(calibration, position)
    covariance = position_covariance(calibration, u, v, u - u_right, hand_covariance(click))
    step = 1e-5 * (u - u_right + calibration.doffs_px)
    clicks = np.array([[u, v, u_right]] * 3) + step * np.eye(3)
    moved = triangulate(calibration, clicks[:, 0], clicks[:, 1], clicks[:, 0] - clicks[:, 2])
    back = 2 * np.array([u, v, u_right]) - clicks
    slope = (moved - triangulate(calibration, back[:, 0], back[:, 1], back[:, 0] - back[:, 2])) / (2 * step)
    expected = click**2 * slope.T @ slope
    np.testing.assert_allclose(covariance, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("by_hand", [True, False])
def test_first_order_errors_agree_with_a_hundred_thousand_noisy_measurements(by_hand: bool) -> None:
    random = np.random.default_rng(5)
    noise = hand_covariance(0.3) if by_hand else matched_covariance(0.3, 0.2)
    measured = {"start": np.array([138.0, 219.0, 36.0]), "end": np.array([466.0, 225.0, 51.0])}
    clouds, exact = {}, {}
    for name, pixel in measured.items():
        samples = random.multivariate_normal(pixel, noise, size=100_000)
        clouds[name] = triangulate(OAK, *samples.T)
        u, v, disparity = pixel
        predicted = position_covariance(OAK, u, v, disparity, noise)
        exact[name] = (triangulate(OAK, u, v, disparity), predicted)
        np.testing.assert_allclose(np.cov(clouds[name].T), predicted, rtol=0.03, atol=0.02 * np.abs(predicted).max())
    distance, error = distance_and_error(*exact["start"], *exact["end"])
    lengths = np.linalg.norm(clouds["end"] - clouds["start"], axis=1)
    assert lengths.mean() == pytest.approx(distance, rel=1e-3)
    assert lengths.std() == pytest.approx(error, rel=0.02)


def test_a_hand_marked_disparity_errs_by_the_root_of_two_clicks_and_along_with_u() -> None:
    clicks = np.random.default_rng(3).normal(0, 0.5, size=(100_000, 3))  # u, v, u_right
    measured = np.stack([clicks[:, 0], clicks[:, 1], clicks[:, 0] - clicks[:, 2]])
    np.testing.assert_allclose(np.cov(measured), hand_covariance(0.5), atol=0.01)


def test_a_point_measured_against_itself_has_an_error_in_every_direction() -> None:
    distance, error = distance_and_error((0, 0, 1), np.eye(3) * 1e-6, (0, 0, 1), np.eye(3) * 1e-6)
    assert distance == 0
    assert error == pytest.approx(np.sqrt(6e-6))


# Calibration


@given(calibrations(), positions, st.floats(0.1, 3), st.floats(0.1, 3))
def test_the_same_pair_at_another_size_gives_the_same_place(
    calibration: Calibration, position: tuple, factor_x: float, factor_y: float
) -> None:
    u, v, u_right = project(calibration, position)
    resized = calibration.scaled(factor_x, factor_y)
    # A picture's left edge is at -0.5, and stays there.
    u, u_right, v = (u + 0.5) * factor_x - 0.5, (u_right + 0.5) * factor_x - 0.5, (v + 0.5) * factor_y - 0.5
    np.testing.assert_allclose(triangulate(resized, u, v, u - u_right), position, rtol=1e-6, atol=1e-6)


def test_a_calibration_is_resized_for_the_pictures_it_is_used_on() -> None:
    half = OAK.for_size(320, 240)
    assert (half.focal_x_px, half.width_px, half.height_px) == (226.45, 320, 240)
    assert replace(OAK, width_px=None).for_size(320, 240).focal_x_px == OAK.focal_x_px
    with pytest.raises(InvalidInput, match="640 x 480"):
        OAK.for_size(480, 480)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"baseline_m": 0.0}, "baseline is 0 metres"),
        ({"baseline_m": -0.075}, "baseline"),
        ({"baseline_m": float("nan")}, "baseline is nan"),
        ({"baseline_m": float("inf")}, "baseline"),
        ({"focal_x_px": 0.0}, "focal length fx"),
        ({"focal_y_px": -450.0}, "focal length fy"),
        ({"centre_x_px": 5000.0}, "Ox is 5000 pixels"),
        ({"centre_y_px": float("nan")}, "Oy is nan"),
        ({"doffs_px": 2000.0}, "right principal point"),
        ({"centre_x_px": float("inf"), "width_px": None}, "Ox is inf"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused_with_the_reason(wrong: dict, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        replace(OAK, **wrong).checked()


def test_a_good_calibration_passes_its_check() -> None:
    assert OAK.checked() is OAK
    assert MOTORCYCLE.checked() is MOTORCYCLE
