from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from demos.stereo.checks import check_pair
from demos.stereo.geometry import Calibration, depth_from_disparity
from demos.stereo.straighten import move, rectify_uncalibrated
from hub.errors import InvalidInput

MOTORCYCLE = Calibration(994.978, 994.978, 311.193, 254.877, 0.193001, 31.086, 741, 497)


@pytest.fixture(scope="module")
def motorcycle() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    left, right, disparity = pytest.importorskip("skimage.data").stereo_motorcycle()
    return left, right, disparity


def turned(picture: np.ndarray, turn_deg: tuple, aside_px: float = 0.0) -> tuple[Image.Image, np.ndarray]:
    """What the camera would see had it been turned on the spot, with the homography."""
    K = MOTORCYCLE.matrix + np.array([[0, 0, aside_px], [0, 0, 0], [0, 0, 0]])
    R = np.asarray(cv2.Rodrigues(np.radians(np.array(turn_deg, dtype=float)))[0])
    H = K @ R @ np.linalg.inv(K)
    warped = cv2.warpPerspective(picture, H, (picture.shape[1], picture.shape[0]), flags=cv2.INTER_CUBIC)
    return Image.fromarray(warped), H


@pytest.mark.parametrize(("left_deg", "right_deg"), [((0, 0, 0), (1, 0, 0)), ((1, 2, -1), (-1, -1, 2))])
def test_a_pair_of_turned_cameras_comes_out_straight(
    motorcycle: tuple[np.ndarray, ...], left_deg: tuple, right_deg: tuple
) -> None:
    left, H = turned(motorcycle[0], left_deg)
    right, _ = turned(motorcycle[1], right_deg, MOTORCYCLE.doffs_px)
    assert check_pair(left, right, MOTORCYCLE.doffs_px).problems == ("unrectified",)
    straight = rectify_uncalibrated(left, right, MOTORCYCLE)
    assert straight.left.size == left.size
    assert straight.vertical_px < 0.5
    assert check_pair(straight.left, straight.right, straight.calibration.doffs_px).passes
    assert "no unit" in straight.warning

    # What is nearer and further is right: depths of the matches go with the true ones.
    shift = straight.matches[:, 0] - straight.matches[:, 2]
    assert np.percentile(shift, 5) > 0
    here = np.rint(move(np.linalg.inv(straight.left_homography @ H), straight.matches[:, :2])).astype(int)
    inside = ((here >= 0) & (here < (741, 497))).all(axis=1)
    truth = motorcycle[2][here[inside, 1], here[inside, 0]]
    known = np.isfinite(truth) & (truth > 0)
    true_depth = depth_from_disparity(MOTORCYCLE, truth[known])
    found = depth_from_disparity(straight.calibration, shift[inside][known])
    ranks = [np.argsort(np.argsort(depth)).astype(float) for depth in (true_depth, found)]
    assert np.corrcoef(ranks[0], ranks[1])[0, 1] > 0.95


def test_a_point_moves_with_its_picture(motorcycle: tuple[np.ndarray, ...]) -> None:
    left, right = Image.fromarray(motorcycle[0]), turned(motorcycle[1], (0, 0, 2), MOTORCYCLE.doffs_px)[0]
    straight = rectify_uncalibrated(left, right, MOTORCYCLE)
    mark = np.array([[300.0, 250.0]])
    ((u, v),) = move(straight.left_homography, mark)
    patch = np.asarray(left.convert("L"), dtype=float)[235:266, 285:316]
    row, column = round(v), round(u)
    there = np.asarray(straight.left.convert("L"), dtype=float)[row - 15 : row + 16, column - 15 : column + 16]
    assert np.corrcoef(patch.ravel(), there.ravel())[0, 1] > 0.9


def test_a_pair_with_too_little_to_match_is_refused() -> None:
    plain = Image.new("RGB", (200, 150), (90, 120, 200))
    with pytest.raises(InvalidInput, match="Only 0 matches agree"):
        rectify_uncalibrated(plain, plain, Calibration(200, 200, 100, 75, 0.1))


def test_a_picture_on_its_head_is_refused(motorcycle: tuple[np.ndarray, ...]) -> None:
    left, right = (Image.fromarray(picture) for picture in motorcycle[:2])
    with pytest.raises(InvalidInput, match="cannot be straightened"):
        rectify_uncalibrated(left, right.rotate(180), MOTORCYCLE)


def test_a_swapped_pair_is_known_once_it_is_straight(motorcycle: tuple[np.ndarray, ...]) -> None:
    left, right = (Image.fromarray(picture) for picture in motorcycle[:2])
    with pytest.raises(InvalidInput, match="swapped"):
        rectify_uncalibrated(right, left, Calibration(994.978, 994.978, 311.193, 254.877, 0.193001))
