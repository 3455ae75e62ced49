"""Straighten an unrectified pair from its own matches: turn both cameras, in thought, until partners share a row.

A camera that turns on the spot changes its picture by the homography K R K⁻¹, whatever the scene. Five angles, two of
the left camera and three of the right one, are found that bring all partners to one row. The matches tell the turn
about the vertical axis badly, and the distance between the cameras not at all: depths keep their order, and lengths
have no unit.

Source: Fusiello & Irsara, Quasi-Euclidean uncalibrated epipolar rectification, ICPR 2008. Unlike Hartley's method
(OpenCV's stereoRectifyUncalibrated), it cannot mirror or shear a picture, and disparity stays the reciprocal of depth.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.stereo.checks import ADVICE, LOCATED_PX, VERTICAL_SHARE, refuse_sizes, sift_matches
from demos.stereo.geometry import Calibration
from hub.errors import InvalidInput

F64 = NDArray[np.float64]

WARNING = (
    "The pair was straightened from its own matches, without a calibration: what is nearer and further is right, "
    "but distances have no unit, and shapes may be stretched in depth."
)

MATCH_MEGAPIXELS = 0.4
FEWEST_MATCHES = 20  # four for each of the five angles
USUAL_TURN_DEG = 5.0  # one standard deviation of what people's pairs are off by: holds angles that matches do not tell
LARGEST_TURN_DEG = 30.0
ROUNDS = 20  # of Gauss-Newton; five or six suffice when it works
FIRST_DISPARITY = 0.02  # of the width: where the far end of the matches comes to lie


@dataclass(frozen=True)
class StraightPair:
    """A straightened pair.

    Attributes:
        left, right: pictures of the size they had; what turned in from outside is black.
        calibration: with the principal points moved; its baseline is as it was given, and means nothing now.
        left_homography, right_homography: (3, 3), pixels as sent to pixels now.
        turns_deg: (5,) left yaw and roll, right pitch, yaw and roll.
        vertical_px: what three quarters of the partners are within, up or down, afterwards.
        matches: (N, 4) u, v left, u, v right, in the new pictures.
        warning: what to beware of.
    """

    left: Image.Image
    right: Image.Image
    calibration: Calibration
    left_homography: F64
    right_homography: F64
    turns_deg: F64
    vertical_px: float
    matches: F64 = field(compare=False)
    warning: str = WARNING

    @property
    def nbytes(self) -> int:
        """Memory of the pictures."""
        return 2 * 3 * self.left.width * self.left.height


def rectify_uncalibrated(left: Image.Image, right: Image.Image, calibration: Calibration) -> StraightPair:
    """Straighten a pair.

    Args:
        left: of the left camera.
        right: of the right one, of the same size.
        calibration: its focal length and principal point; a guess will do to match, not to measure.

    Raises:
        InvalidInput: when sizes differ, too few matches agree, no small turn brings partners to one row, or the pair
            turns out to be swapped.
    """
    refuse_sizes(left, right)
    matches = sift_matches(left, right, MATCH_MEGAPIXELS)
    if len(matches) < FEWEST_MATCHES:
        raise InvalidInput(
            f"Only {len(matches)} matches agree, too few to straighten the pair: {FEWEST_MATCHES} are needed.",
            "Send pictures with more texture, or calibrate the cameras with chessboard pictures.",
        )
    K_left, K_right = (
        calibration.matrix,
        replace(calibration, centre_x_px=calibration.centre_x_px + calibration.doffs_px).matrix,
    )
    turns = _turns(matches, K_left, K_right)
    straight_left, straight_right = (
        K @ R @ np.linalg.inv(K) for K, R in zip((K_left, K_right), _rotations(turns), strict=True)
    )
    here, there = move(straight_left, matches[:, :2]), move(straight_right, matches[:, 2:])
    vertical = float(np.percentile(np.abs(there[:, 1] - here[:, 1]), 75))
    limit = max(LOCATED_PX, VERTICAL_SHARE * left.height)
    turns_deg = np.degrees(turns)
    if not vertical <= limit or np.abs(turns_deg).max() > LARGEST_TURN_DEG:
        raise InvalidInput(
            f"The pair cannot be straightened: partners would still lie {vertical:.1f} pixels above or below each "
            f"other after turning the cameras by {np.abs(turns_deg).max():.0f} degrees.",
            "Take the pictures side by side, looking the same way, or calibrate the cameras with chessboard pictures.",
        )
    parallax = here[:, 0] - there[:, 0] + calibration.doffs_px
    if (parallax < 0).mean() > 0.75:
        cause, action = ADVICE["swapped"]
        raise InvalidInput(cause.format(negative=(parallax < 0).mean()), action)

    middle = np.array([[(left.width - 1) / 2, (left.height - 1) / 2]])
    stray_left, stray_right = (move(H, middle)[0] - middle[0] for H in (straight_left, straight_right))
    down = (stray_left[1] + stray_right[1]) / 2
    # The right picture moves sideways until every match has a positive disparity; doffs keeps account of it.
    far = np.percentile(here[:, 0] - there[:, 0] - stray_left[0], 2)
    aside = far - FIRST_DISPARITY * left.width
    left_homography = _shift(-stray_left[0], -down) @ straight_left
    right_homography = _shift(aside, -down) @ straight_right
    moved = replace(
        calibration,
        centre_x_px=float(calibration.centre_x_px - stray_left[0]),
        centre_y_px=float(calibration.centre_y_px - down),
        doffs_px=float(calibration.doffs_px + aside + stray_left[0]),
    )
    return StraightPair(
        left=_warped(left, left_homography),
        right=_warped(right, right_homography),
        calibration=moved,
        left_homography=left_homography,
        right_homography=right_homography,
        turns_deg=turns_deg,
        vertical_px=vertical,
        matches=np.hstack([move(left_homography, matches[:, :2]), move(right_homography, matches[:, 2:])]),
    )


def move(homography: F64, pixels: F64) -> F64:
    """Return where a homography (3, 3) takes pixels (N, 2)."""
    moved = np.hstack([pixels, np.ones((len(pixels), 1))]) @ homography.T
    return moved[:, :2] / moved[:, 2:]


def _turns(matches: F64, K_left: F64, K_right: F64) -> F64:
    """Return the five angles, radians, by Gauss-Newton on vertical offsets, with outliers weighed down (Huber)."""
    scatter = LOCATED_PX / 2
    prior = scatter / np.radians(USUAL_TURN_DEG)  # an angle's weight, in pixels per radian, beside matches
    turns, step = np.zeros(5), 1e-6
    for _ in range(ROUNDS):
        offsets = _vertical(turns, matches, K_left, K_right)
        slopes = np.stack(
            [(_vertical(turns + step * axis, matches, K_left, K_right) - offsets) / step for axis in np.eye(5)], axis=1
        )
        weights = np.minimum(1.0, 2 * scatter / np.maximum(np.abs(offsets), 1e-9))[:, None]
        normal = slopes.T @ (weights * slopes) + prior**2 * np.eye(5)
        change = np.linalg.solve(normal, -slopes.T @ (weights[:, 0] * offsets) - prior**2 * turns)
        turns = turns + np.clip(change, -0.2, 0.2)
    return turns


def _vertical(turns: F64, matches: F64, K_left: F64, K_right: F64) -> F64:
    """Return (N,) vertical offsets, pixels, after these turns."""
    left, right = _rotations(turns)
    here = move(K_left @ left @ np.linalg.inv(K_left), matches[:, :2])
    there = move(K_right @ right @ np.linalg.inv(K_right), matches[:, 2:])
    return there[:, 1] - here[:, 1]


def _rotations(turns: F64) -> tuple[F64, F64]:
    """Return the (3, 3) rotations of the left camera (yaw, roll) and the right one (pitch, yaw, roll)."""
    import cv2

    left_yaw, left_roll, *right = turns
    vectors = np.array([0.0, left_yaw, left_roll]), np.array(right)
    here, there = (np.asarray(cv2.Rodrigues(vector)[0], dtype=np.float64) for vector in vectors)
    return here, there


def _shift(right_px: float, down_px: float) -> F64:
    return np.array([[1.0, 0.0, right_px], [0.0, 1.0, down_px], [0.0, 0.0, 1.0]])


def _warped(picture: Image.Image, homography: F64) -> Image.Image:
    import cv2

    return Image.fromarray(cv2.warpPerspective(np.asarray(picture), homography, picture.size, flags=cv2.INTER_CUBIC))
