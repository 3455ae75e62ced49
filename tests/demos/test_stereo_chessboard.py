from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from demos.stereo.calibration import read_calibration
from demos.stereo.checks import check_pair
from demos.stereo.chessboard import ChessboardCalibration, calibrate
from hub.errors import InvalidInput
from tests.demos.boards import COLUMNS, HEIGHT, POSES, ROWS, SQUARE_M, TRUE_RIG, WIDTH, pair_of


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Image.Image, Image.Image]]:
    return [pair_of(*pose) for pose in POSES]


@pytest.fixture(scope="module")
def calibrated(pairs: list[tuple[Image.Image, Image.Image]]) -> ChessboardCalibration:
    lefts, rights = zip(*pairs, strict=True)
    return calibrate(lefts, rights, COLUMNS, ROWS, SQUARE_M)


def test_the_cameras_that_took_the_pictures_are_found(calibrated: ChessboardCalibration) -> None:
    rig = calibrated.rig
    for found, true in ((rig.left_matrix, TRUE_RIG.left_matrix), (rig.right_matrix, TRUE_RIG.right_matrix)):
        np.testing.assert_allclose(np.diag(found)[:2], np.diag(true)[:2], rtol=0.01)
        np.testing.assert_allclose(found[:2, 2], true[:2, 2], atol=6)
    assert np.linalg.norm(rig.translation_m) == pytest.approx(np.linalg.norm(TRUE_RIG.translation_m), rel=0.01)
    turn = cv2.Rodrigues(rig.rotation @ TRUE_RIG.rotation.T)[0]
    assert np.degrees(np.linalg.norm(turn)) < 0.5


def test_the_reprojection_errors_are_small_and_said_for_each_pair(calibrated: ChessboardCalibration) -> None:
    assert 0 < max(calibrated.left_error_px, calibrated.right_error_px, calibrated.stereo_error_px) < 0.3
    assert calibrated.pair_errors_px.shape == (len(POSES),)
    assert calibrated.pair_errors_px.max() < 0.3
    assert calibrated.used == tuple(range(len(POSES)))
    assert calibrated.corners.shape == (len(POSES), 2, COLUMNS * ROWS, 2)
    assert calibrated.notes == ()


def test_a_rectified_pair_has_its_corners_on_one_row_at_the_right_depth(
    calibrated: ChessboardCalibration, pairs: list[tuple[Image.Image, Image.Image]]
) -> None:
    left, right, calibration = calibrated.rig.rectify(*pairs[0])
    assert calibration == calibrated.calibration
    corners = []
    for picture in (left, right):
        there, found = cv2.findChessboardCorners(np.asarray(picture), (COLUMNS, ROWS))
        assert there
        corners.append(cv2.cornerSubPix(np.asarray(picture), found, (5, 5), (-1, -1), (3, 50, 1e-3)).reshape(-1, 2))
    vertical = np.abs(corners[0] - corners[1])[:, 1]  # before, it is 8 pixels and more
    assert vertical.mean() < 0.25
    assert vertical.max() < 1
    disparity = (corners[0] - corners[1])[:, 0]
    depth = calibration.baseline_m * calibration.focal_x_px / (disparity + calibration.doffs_px)
    assert depth.mean() == pytest.approx(POSES[0][1][2], rel=0.02)
    assert calibration.baseline_m == pytest.approx(0.075, rel=0.01)


def test_a_rig_is_written_so_that_it_reads_back(calibrated: ChessboardCalibration, pairs: list) -> None:
    read = read_calibration(calibrated.rig.to_yaml())
    assert read.rig is not None
    assert read.calibration == calibrated.calibration
    np.testing.assert_array_equal(read.rig.right_distortion, calibrated.rig.right_distortion)
    storage = cv2.FileStorage(calibrated.rig.to_yaml(), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    np.testing.assert_array_equal(storage.getNode("M2").mat(), calibrated.rig.right_matrix)
    with pytest.raises(InvalidInput, match="calibrated at 640 x 480"):
        read.rig.rectify(pairs[0][0], pairs[0][1].resize((320, 240)))


def test_pictures_without_the_board_are_named_and_the_rest_is_used(pairs: list) -> None:
    lefts, rights = (list(side) for side in zip(*pairs[:5], strict=True))
    rights[1] = Image.new("L", (WIDTH, HEIGHT), 128)
    lefts[3] = Image.new("RGB", (WIDTH, HEIGHT))
    found = calibrate(lefts, rights, COLUMNS, ROWS, SQUARE_M)
    assert found.used == (0, 2, 4)
    assert "right 2, left 4" in found.notes[0]
    assert "Only 3 pairs" in found.notes[1]
    lefts[0] = rights[1]
    with pytest.raises(InvalidInput, match=r"Only 2 of 5 pairs .* left 1, right 2, left 4"):
        calibrate(lefts, rights, COLUMNS, ROWS, SQUARE_M)


def test_a_wrong_count_of_corners_is_said(pairs: list) -> None:
    lefts, rights = zip(*pairs[:3], strict=True)
    with pytest.raises(InvalidInput, match="count inner corners, not squares"):
        calibrate(lefts, rights, COLUMNS + 1, ROWS + 1, SQUARE_M)


@pytest.mark.parametrize(
    ("columns", "rows", "square_m", "says"),
    [(2, 6, 0.03, "2 x 6 inner corners"), (9, 99, 0.03, "9 x 99"), (9, 6, 0.0, "0 m"), (9, 6, float("nan"), "nan m")],
)
def test_a_board_that_cannot_be_is_refused(columns: int, rows: int, square_m: float, says: str) -> None:
    blank = [Image.new("L", (64, 64))] * 3
    with pytest.raises(InvalidInput, match=says):
        calibrate(blank, blank, columns, rows, square_m)


def test_pictures_that_are_no_pairs_are_refused() -> None:
    blank = [Image.new("L", (64, 64))] * 3
    with pytest.raises(InvalidInput, match="3 left and 2 right"):
        calibrate(blank, blank[:2], 9, 6, 0.03)
    with pytest.raises(InvalidInput, match="2 pairs were sent"):
        calibrate(blank[:2], blank[:2], 9, 6, 0.03)
    with pytest.raises(InvalidInput, match="64 x 64 pixels, the right one 65 x 64"):
        calibrate(blank, [*blank[:2], Image.new("L", (65, 64))], 9, 6, 0.03)


def test_cameras_in_the_wrong_order_are_said(pairs: list) -> None:
    lefts, rights = zip(*pairs[:4], strict=True)
    with pytest.raises(InvalidInput, match="not to the right of the first"):
        _ = calibrate(rights, lefts, COLUMNS, ROWS, SQUARE_M).calibration


def test_pictures_that_were_not_taken_together_are_refused_or_known_by_their_error(pairs: list) -> None:
    lefts, rights = zip(*pairs[:5], strict=True)
    try:
        found = calibrate(lefts, rights[::-1], COLUMNS, ROWS, SQUARE_M)
    except InvalidInput as error:
        assert "in the same order" in error.action  # noqa: PT017 (either outcome is right)
    else:
        assert found.stereo_error_px > 1
        assert "large" in found.notes[-1]


def test_an_unrectified_pair_is_known_for_one_before_and_not_after(
    calibrated: ChessboardCalibration, pairs: list
) -> None:
    random = np.random.default_rng(1)  # a board alone repeats itself; paint gives the matcher something to tell apart
    noise: Any = cv2.GaussianBlur(random.random((HEIGHT, WIDTH)), (0, 0), 3)
    paint = Image.fromarray(np.asarray(255 * (noise - noise.min()) / np.ptp(noise), dtype=np.uint8))
    rig = calibrated.rig
    # A wall 1 m away, as both cameras see it.
    normal = np.array([[0, 0, 1.0]])
    H: Any = rig.right_matrix @ (rig.rotation + rig.translation_m[:, None] @ normal) @ np.linalg.inv(rig.left_matrix)
    right = Image.fromarray(cv2.warpPerspective(np.asarray(paint), H, paint.size, borderMode=cv2.BORDER_REFLECT))
    assert check_pair(paint, right).problems == ("unrectified",)
    straight_left, straight_right, calibration = rig.rectify(paint, right)
    assert check_pair(straight_left, straight_right, calibration.doffs_px).passes
