"""A second look at a dense match: do the partners it found look alike, and do they lie on their rows?

A matcher that only searches rows cannot tell that it searched the wrong ones. So a few dozen of its partners, in
corners that tell up from down, are tracked freely: a pair is rectified when they stay where they are. That takes a
twentieth of the time of keypoints, which are asked only where this look does not satisfy.

Source: Lucas & Kanade, An iterative image registration technique, IJCAI 1981, in pyramids (Bouguet 2000); Shi & Tomasi,
Good features to track, CVPR 1994 (corners by the lesser eigenvalue).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from demos.stereo.checks import FEW, LOCATED_PX, PairCheck, vertical_limit_px
from demos.stereo.matching import F32, U8, Matched, Pair

LOOKED_AT_PX = 256  # the width of the pictures that are looked at, at least
CELL_PX = 20  # in each cell of so many pixels squared the best corner is looked at
LEAST_CORNER = 1e-4  # OpenCV's lesser eigenvalue, of grey values 0 to 1; plain surfaces have less
WINDOW_PX = 11
STAYS_PX = 2.0  # a partner that is tracked further along its row than this was none; of the pictures looked at
# What a pair must show to need no other check. Rectified ones, real and rendered, had 68 to 89 % of their corners'
# partners confirmed, and disparities at 72 to 91 % of the pixels; swapped ones had at most 8 % confirmed.
LEAST_CONFIRMED = 0.6
LEAST_FILLED = 0.4
FEW_CORNERS = 5  # enough to tell the right order from the wrong one, where of a swapped scene none is confirmed


def confirmed(pair: Pair, matched: Matched, fewest: int = FEW) -> PairCheck | None:
    """Return a passed check where a dense match is confirmed; None where it is not, which need not be the pair's fault.

    Args:
        pair: taken for rectified.
        matched: densely.
        fewest: partners that must be confirmed.
    """
    disparity_px, doffs_px = matched.disparity_px, pair.calibration.doffs_px
    if (
        pair.right is None
        or disparity_px is None
        or np.count_nonzero(disparity_px == disparity_px) < (LEAST_FILLED * disparity_px.size)
    ):
        return None
    corners, partners, kept = tracked((pair.left, pair.right), disparity_px)
    if kept.sum() < max(fewest, LEAST_CONFIRMED * len(corners)):
        return None
    matches = np.hstack([corners[kept], partners[kept]]).astype(np.float64)
    parallax = matches[:, 0] - matches[:, 2] + doffs_px
    vertical = matches[:, 3] - matches[:, 1]
    limit = vertical_limit_px(*disparity_px.shape[::-1])
    typical = float(np.percentile(np.abs(vertical), 75))
    one_picture_twice = np.median(np.abs(matches[:, 0] - matches[:, 2])) < LOCATED_PX
    if typical > limit or one_picture_twice or (parallax < -LOCATED_PX).mean() > 0.1:
        return None
    offset = float(np.median(vertical))
    return PairCheck(
        problems=(),
        matches=matches,
        inlier_share=float(kept.mean()),
        vertical_px=typical,
        vertical_offset_px=offset,
        vertical_spread_px=float(1.4826 * np.median(np.abs(vertical - offset))),
        vertical_limit_px=limit,
        negative_share=float((parallax < 0).mean()),
    )


def tracked(pair: tuple[U8, U8], disparity_px: F32) -> tuple[F32, F32, NDArray[np.bool_]]:
    """Track the partners that a dense match gives the best corners, free to leave their rows.

    Args:
        pair: left and right, (H, W, 3) uint8, RGB.
        disparity_px: (H, W), NaN where there is none.

    Returns:
        Corners (N, 2), u, v left, pixels; their partners as tracked (N, 2), u, v right; and (N,) whether each was found
        again, near where the disparity says.
    """
    import cv2

    halvings = max(0, int(math.log2(disparity_px.shape[1] / LOOKED_AT_PX)))
    factor = 2**halvings
    height, width = (side // factor * factor for side in disparity_px.shape)
    here, there = (
        _halved(np.asarray(cv2.cvtColor(picture[:height, :width], cv2.COLOR_RGB2GRAY), np.uint8), halvings)
        for picture in pair
    )
    disparity = disparity_px[factor // 2 : height : factor, factor // 2 : width : factor] / np.float32(factor)
    corners = best_of_cells(np.asarray(cv2.cornerMinEigenVal(here, 5), np.float32))
    if not len(corners):
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32), np.empty(0, bool)
    shifts = disparity[corners[:, 1], corners[:, 0]]
    expected = corners.astype(np.float32)
    expected[:, 0] -= np.nan_to_num(shifts)
    partners, status, _ = cv2.calcOpticalFlowPyrLK(
        here,
        there,
        corners.astype(np.float32),
        expected.copy(),
        winSize=(WINDOW_PX, WINDOW_PX),
        maxLevel=1,
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 0.02),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        minEigThreshold=1e-3,
    )
    kept = ~np.isnan(shifts) & (status.ravel() > 0) & (np.abs(partners[:, 0] - expected[:, 0]) < STAYS_PX)
    before, after = (
        (pixels + np.float32(0.5)) * np.float32(factor) - np.float32(0.5) for pixels in (corners, partners)
    )
    return before.astype(np.float32), after, kept


def _halved(grey: U8, times: int) -> U8:
    """Return a picture with half the sides, so many times; OpenCV halves far quicker than it divides by four."""
    import cv2

    for _ in range(times):
        half = (grey.shape[1] // 2, grey.shape[0] // 2)
        grey = np.asarray(cv2.resize(grey, half, interpolation=cv2.INTER_AREA), np.uint8)
    return grey


def best_of_cells(scores: F32) -> NDArray[np.int64]:
    """Return (N, 2) column and row of the highest of the scores (H, W) in each cell, where it is high enough."""
    rows, columns = (side // CELL_PX for side in scores.shape)
    cells = scores[: rows * CELL_PX, : columns * CELL_PX].reshape(rows, CELL_PX, columns, CELL_PX).transpose(0, 2, 1, 3)
    flat = cells.reshape(rows * columns, CELL_PX * CELL_PX)
    best = flat.argmax(axis=1)
    places = np.arange(rows * columns)
    row, column = np.divmod(places, max(columns, 1))
    found = np.stack([column * CELL_PX + best % CELL_PX, row * CELL_PX + best // CELL_PX], axis=1)
    return found[flat[places, best] > LEAST_CORNER]
