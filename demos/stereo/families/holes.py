"""Why a pixel has no disparity, read off the pixels round it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from demos.stereo.matching import F32, U8
from demos.stereo.measurement import INVALID_REASONS, NO_MATCH, OCCLUDED, VALID

SLACK_PX = 2.0  # a hole behind an edge is this much wider than the edge's jump in disparity, for windows are wide


def holes(disparity_px: F32, found: NDArray[np.bool_]) -> U8:
    """Return (H, W) `VALID`, `OCCLUDED` or `NO_MATCH` of disparities (H, W), of which only `found` are meant.

    What the right camera cannot see lies to the left of something nearer, and is as wide as the disparity jumps there.
    So a hole whose right neighbour is nearer than its left one is occluded, to that width; any other hole has no match.

    Source: Hirschmüller 2008, section 2.4 (occlusions and mismatches), read row by row.
    """
    height, width = found.shape
    edged = np.ones((height, width + 2), bool)  # a found pixel beyond either end of a row, so that every hole ends
    edged[:, 1:-1] = found
    steps = np.diff(edged.view(np.int8), axis=1)
    rows, starts = np.nonzero(steps == -1)  # the first column of each hole
    ends = np.nonzero(steps == 1)[1]  # the first column after it
    lengths = ends - starts
    near_left = np.where(starts > 0, disparity_px[rows, np.maximum(starts - 1, 0)], np.inf)
    near_right = np.where(ends < width, disparity_px[rows, np.minimum(ends, width - 1)], -np.inf)
    hidden = np.clip(np.where(near_right - near_left > 1, near_right - near_left + SLACK_PX, 0), 0, lengths)

    invalid = np.where(found, np.uint8(VALID), np.uint8(NO_MATCH))
    # Each hole's pixels in reading order, counted from its right end: 1 is the one beside the nearer thing.
    from_end = np.repeat(np.cumsum(lengths), lengths) - np.arange(lengths.sum())
    invalid[~found] = np.where(from_end <= np.repeat(hidden, lengths), OCCLUDED, NO_MATCH)
    return invalid


def described(invalid: U8) -> dict[str, str]:
    """Return the shares of pixels with a disparity, and without one by reason, in words."""
    import cv2

    codes = len(INVALID_REASONS) + 1
    counts = cv2.calcHist([invalid], [0], None, [codes], [0, codes]).ravel() / invalid.size
    facts = {"pixels with a disparity": f"{100 * counts[VALID]:.1f} %"}
    return facts | {reason: f"{100 * counts[code]:.1f} %" for code, reason in INVALID_REASONS.items() if counts[code]}
