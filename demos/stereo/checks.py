"""Is this a rectified pair? What sparse matches say of two pictures, before a matcher is trusted with their rows.

In a rectified pair a point's partner is on the same row and, in the right picture, further left. Both can be read off a
few dozen SIFT matches: their vertical offsets, and the sign of their horizontal ones.

Sources:
    Lowe, Distinctive image features from scale-invariant keypoints, IJCV 2004, section 7.1 (the ratio test).
    Hartley & Zisserman, Multiple View Geometry, 2nd ed., algorithm 11.4 (matches that agree on a fundamental matrix).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.stereo.geometry import Calibration
from hub.errors import InvalidInput

F64 = NDArray[np.float64]
Problem = Literal["same", "textureless", "unrectified", "swapped"]

# What is wrong, and what to do about it; figures are filled in from the check.
ADVICE: dict[Problem, tuple[str, str]] = {
    "same": (
        "Left and right are the same picture, or nearly: nothing shifts between them, so there is no depth to see.",
        "Send the picture of the right-hand camera too, taken some centimetres further right.",
    ),
    "textureless": (
        "The pictures have too little in common to check whether they are a rectified pair ({matches} matches).",
        "Check that both show the same scene, sharp and with some texture.",
    ),
    "unrectified": (
        "The pair is not rectified: partners lie some {vertical:.1f} pixels above or below each other, "
        "and {limit:.1f} would pass.",
        "Rectify it with its calibration or chessboard pictures, or choose to have it straightened without.",
    ),
    "swapped": (
        "Left and right are swapped, or the cameras look towards each other: {negative:.0%} of the matches shift the "
        "wrong way.",
        "Exchange the two pictures.",
    ),
}

CHECK_WIDTH_PX = 400  # enough for a percentile of some dozens of matches; SIFT's time grows with its square
CHECK_KEYPOINTS = 500  # of each picture, the strongest; comparing all with all is what takes the time in busy pictures
MOST_KEYPOINTS = 4000  # where matches are to straighten a pair
RATIO = 0.75  # Lowe's test: how much nearer the best match must be than the second best
EPIPOLAR_PX = 1.5  # of RANSAC, at the size of the check
FEWEST_MATCHES = 8  # what a fundamental matrix needs
FEWEST_SHARE = 0.25  # of matches that agree; those of unrelated pictures do not
FEW = 24  # of so few matches a third agrees with some fundamental matrix by chance
NEAR_PX = 3.0  # at the size of the check
LOCATED_PX = 1.0  # at the size of the check: SIFT keypoints of real rectified pairs scatter by about half a pixel
# Of the picture's height. A camera pair that moved a little in its mount is off by an angle, and so by a share of the
# picture: 0.4 % is 0.2 degrees for a lens that sees 50. Blocks of five pixels and more still find their partner then.
VERTICAL_SHARE = 0.004
FAR_OFF = 5.0  # times the limit: further than cameras that moved a little in their mount, as far as a board's squares


@dataclass(frozen=True)
class PairCheck:
    """What the matches of a pair say; pixels are those of the pictures as they came.

    Attributes:
        problems: what is wrong; empty for a rectified pair. Of an unrectified one the order cannot be told: cameras
            that look towards each other shift far points the other way.
        matches: (N, 4) float64 u, v left, u, v right, of matches that agree on one epipolar geometry.
        inlier_share: how many of all matches agree, 0 to 1.
        vertical_px: |v right - v left|, which a quarter of the matches exceeds; where they are few, their median.
        vertical_offset_px, vertical_spread_px: the median of v right - v left, and its spread (1.48 times the median
            absolute deviation, a standard deviation where errors are normal).
        vertical_limit_px: the largest `vertical_px` that passes.
        negative_share: how many of the matches shift the wrong way, 0 to 1.
    """

    problems: tuple[Problem, ...]
    matches: F64 = field(compare=False)
    inlier_share: float = 0.0
    vertical_px: float = math.nan
    vertical_offset_px: float = math.nan
    vertical_spread_px: float = math.nan
    vertical_limit_px: float = math.nan
    negative_share: float = 0.0

    @property
    def passes(self) -> bool:
        """Return whether nothing speaks against a rectified pair."""
        return not self.problems

    def advice(self, problem: Problem) -> tuple[str, str]:
        """Return (cause, action) of a problem in words, as `InvalidInput` takes them."""
        cause, action = ADVICE[problem]
        figures = {
            "matches": len(self.matches),
            "vertical": self.vertical_px,
            "limit": self.vertical_limit_px,
            "negative": self.negative_share,
        }
        return cause.format(**figures), action


def check_pair(left: Image.Image, right: Image.Image, doffs_px: float = 0.0) -> PairCheck:
    """Check two pictures of one size.

    Args:
        left: of the left camera.
        right: of the right one.
        doffs_px: of their calibration: far points have the disparity -doffs, which is then no wrong shift.

    Raises:
        InvalidInput: when the sizes differ.
    """
    refuse_sizes(left, right)
    scale = min(1.0, CHECK_WIDTH_PX / left.width)
    pair = _grey_pair(left, right, scale)
    if np.abs(pair[0].astype(np.int16) - pair[1]).mean() < 0.5:  # not even the noise of another photograph
        return PairCheck(("same",), np.empty((0, 4)))
    matches = _sift_matches(*pair, CHECK_KEYPOINTS)
    if len(matches) < FEWEST_MATCHES:
        return PairCheck(("textureless",), (matches + 0.5) / scale - 0.5)
    shifts = np.abs(matches[:, :2] - matches[:, 2:]).max(axis=1)
    agree = _agreeing(matches)
    kept = (matches[agree] + 0.5) / scale - 0.5  # edges scale, and pixel centres with them
    if np.median(shifts) < LOCATED_PX / 2:
        return PairCheck(("same",), kept)
    if len(kept) < FEWEST_MATCHES or agree.mean() < FEWEST_SHARE:
        return PairCheck(("textureless",), kept, float(agree.mean()))

    limit = vertical_limit_px(*left.size)
    on_row = np.abs(matches[:, 3] - matches[:, 1]) <= EPIPOLAR_PX
    if _typical(kept) > FAR_OFF * limit and on_row.mean() >= FEWEST_SHARE:
        kept = (matches[on_row] + 0.5) / scale - 0.5  # a repeating pattern also agrees with itself, moved by a period
    vertical = kept[:, 3] - kept[:, 1]
    typical = _typical(kept)
    offset = float(np.median(vertical))
    wrong, swapped = _swapped(kept[:, 0] - kept[:, 2], doffs_px, LOCATED_PX / scale)
    problem: Problem | None = "unrectified" if typical > limit else "swapped" if swapped else None
    return PairCheck(
        problems=() if problem is None else (problem,),
        matches=kept,
        inlier_share=float(agree.mean()),
        vertical_px=typical,
        vertical_offset_px=offset,
        vertical_spread_px=float(1.4826 * np.median(np.abs(vertical - offset))),
        vertical_limit_px=limit,
        negative_share=wrong,
    )


def vertical_limit_px(width_px: int, height_px: int) -> float:
    """Return how far above or below each other partners of a rectified pair may lie, pixels."""
    return max(LOCATED_PX, LOCATED_PX * width_px / CHECK_WIDTH_PX, VERTICAL_SHARE * height_px)


def _typical(matches: F64) -> float:
    """Return |v right - v left|, pixels, which a quarter of the matches (N, 4) exceeds; of few, their median."""
    return float(np.percentile(np.abs(matches[:, 3] - matches[:, 1]), 75 if len(matches) >= FEW else 50))


def _swapped(disparity_px: F64, doffs_px: float, tolerance_px: float) -> tuple[float, bool]:
    """Return the share of disparities that no right order allows, and whether the pair must be swapped.

    In the right order disparities are at least -doffs; swapped, their opposites are. Disparities that both allow, near
    zero, say nothing.
    """
    against_right = (disparity_px < -doffs_px - tolerance_px).mean()
    against_swapped = (disparity_px > doffs_px + tolerance_px).mean()
    return float(against_right), bool(against_right > 0.25 and against_right > 3 * against_swapped)


def refuse_sizes(left: Image.Image, right: Image.Image) -> None:
    """Raise InvalidInput when two pictures differ in size."""
    if left.size != right.size:
        raise InvalidInput(
            f"The left picture has {left.width} x {left.height} pixels, the right one {right.width} x {right.height}.",
            "Send two pictures of one size, from the same pair.",
        )


@dataclass(frozen=True)
class ShrunkPair:
    """A pair made smaller with its calibration; a pixel u of the original is (u + 0.5) `factor_x` - 0.5 now."""

    left: Image.Image
    right: Image.Image
    calibration: Calibration
    factor_x: float = 1.0
    factor_y: float = 1.0
    note: str = ""


def shrink_pair(left: Image.Image, right: Image.Image, calibration: Calibration, max_megapixels: float) -> ShrunkPair:
    """Shrink a pair to at most `max_megapixels` with its intrinsics scaled along, and say so in `note`.

    Depth does not change by it, its error does: a disparity error of half a pixel is worth more of a smaller picture.
    """
    width, height = left.size
    scale = math.sqrt(max_megapixels * 1e6 / (width * height))
    if scale >= 1:
        return ShrunkPair(left, right, calibration)
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    factor_x, factor_y = size[0] / width, size[1] / height
    smaller = [picture.resize(size, Image.Resampling.BILINEAR) for picture in (left, right)]
    note = (
        f"Made smaller to match in time: from {width} x {height} to {size[0]} x {size[1]} pixels, with the focal "
        "length and the principal point scaled along."
    )
    return ShrunkPair(smaller[0], smaller[1], calibration.scaled(factor_x, factor_y), factor_x, factor_y, note)


def sift_matches(left: Image.Image, right: Image.Image, megapixels: float) -> F64:
    """Return matches (N, 4), u, v left and u, v right, pixels, that agree on one epipolar geometry.

    They are found in copies of at most `megapixels`.
    """
    scale = min(1.0, math.sqrt(megapixels * 1e6 / (left.width * left.height)))
    matches = _sift_matches(*_grey_pair(left, right, scale), MOST_KEYPOINTS)
    if len(matches) < FEWEST_MATCHES:
        return np.empty((0, 4))
    return (matches[_agreeing(matches)] + 0.5) / scale - 0.5


def _grey_pair(left: Image.Image, right: Image.Image, scale: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return both in grey, resized by `scale`."""
    size = (max(1, round(left.width * scale)), max(1, round(left.height * scale)))
    grey = [np.asarray(picture.convert("L").resize(size, Image.Resampling.BILINEAR)) for picture in (left, right)]
    return grey[0], grey[1]


def _sift_matches(left: NDArray[np.uint8], right: NDArray[np.uint8], keypoints: int) -> F64:
    """Return matches (N, 4) of at most so many keypoints of grey pictures (H, W) that pass the ratio test."""
    import cv2

    sift = cv2.SIFT.create(nfeatures=keypoints, contrastThreshold=0.02)  # half of Lowe's: plain surfaces count too
    (here, describes_here), (there, describes_there) = (sift.detectAndCompute(grey, None) for grey in (left, right))
    if describes_here is None or describes_there is None:
        return np.empty((0, 4))
    nearest = [two for two in cv2.BFMatcher().knnMatch(describes_here, describes_there, k=2) if len(two) == 2]
    kept = [best for best, second in nearest if best.distance < RATIO * second.distance]
    pixels = [(*here[match.queryIdx].pt, *there[match.trainIdx].pt) for match in kept]
    return np.unique(np.array(pixels, dtype=np.float64).reshape(-1, 4), axis=0)  # a point can have two orientations


def _agreeing(matches: F64) -> NDArray[np.bool_]:
    """Return (N,) which of at least eight matches agree on a fundamental matrix, or, of few, on a vertical offset."""
    import cv2

    if len(matches) < FEW:
        vertical = matches[:, 3] - matches[:, 1]
        return np.abs(vertical - np.median(vertical)) < NEAR_PX
    points = matches.astype(np.float32)
    _, agree = cv2.findFundamentalMat(points[:, :2], points[:, 2:], cv2.FM_RANSAC, EPIPOLAR_PX, 0.999)
    return np.zeros(len(matches), dtype=bool) if agree is None else agree.ravel() > 0
