"""How far off a disparity may be: one standard deviation for each pixel, from what can be seen of the match.

Three things go wrong. Between whole pixels the match is as sharp as the window's texture against its noise. Where the
disparities of a neighbourhood scatter, one surface smears over another, or the matcher guesses. And next to holes it
did not find enough.

How the constants were measured (2026-11-21): `OpenCvDense` on tabletop pairs of validation seeds, plain ones of 512 x
512 pixels and grained ones of 640 x 640, as they are and with 2 grey levels of noise added; pixels were binned by each
sign alone, and the constants follow the 68.3 % quantile of the true error over the bins: floor and texture on the
grained pairs, where the matcher does not guess. On plain surfaces error bars say little: without noise they are too
long, and with noise, where the matcher guesses, far too short. No constant was fitted to a picture of the Middlebury
sets; they only grade the result.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from demos.stereo.later import Later
from demos.stereo.matching import F32, U8

FLOOR_PX = 0.09  # windows, and the parabola between whole pixels, err by this much however clear the match
TEXTURE_PX = 0.9  # times the noise over the root of the window's squared gradients
QUANTISATION = 0.1  # grey levels squared: rounding to 8 bits, in both pictures
SLOPE_PX = 1.0  # a surface may rise by this much over the neighbourhood
SCATTER = 0.8  # of the scatter beyond
HOLES_PX = 5.0  # times the share of the neighbourhood without a disparity
FILLED_PX = 3.0  # of a pixel that the filter filled with no help from the match; less with help
NEIGHBOURHOOD_PX = 5
MOST_PX = 64.0
FAR_PX = 1e6  # beyond any disparity
BAND_ROWS = 64  # made at a time: what is needed for so many stays in the processor's cache


def error_later(left: U8, right: U8, disparity_px: F32, block_size: int, confidence: F32 | None = None) -> Later[F32]:
    """Return what makes `disparity_error` of the same arguments, or a part of it, when it is asked for."""
    asked = (left, right, disparity_px, block_size, confidence)
    nbytes = left.nbytes + right.nbytes + disparity_px.nbytes + (0 if confidence is None else confidence.nbytes)
    return Later(partial(disparity_error, *asked), nbytes, partial(error_of_part, *asked))


def disparity_error(left: U8, right: U8, disparity_px: F32, block_size: int, confidence: F32 | None = None) -> F32:
    """Return one standard deviation (H, W), pixels; NaN where there is no disparity.

    Args:
        left: (H, W, 3) uint8, RGB.
        right: likewise.
        disparity_px: (H, W), NaN where there is none.
        block_size: side of the window that was compared, pixels.
        confidence: (H, W) 0 to 1, of a filter that filled holes; None: nothing was filled.
    """
    error = np.empty_like(disparity_px)
    for start in range(0, len(error), BAND_ROWS):
        rows = slice(start, start + BAND_ROWS)
        error[rows] = error_of_part(left, right, disparity_px, block_size, confidence, rows, slice(0, error.shape[1]))
    return error


def error_of_part(
    left: U8,
    right: U8,
    disparity_px: F32,
    block_size: int,
    confidence: F32 | None,
    rows: slice,
    columns: slice,
) -> F32:
    """Return `disparity_error[rows, columns]`, made from the pixels that it depends on and no others.

    Source of the texture term: Förstner, On the geometric precision of digital correlation, ISPRS 1982 (noise over the
    root of the summed squared gradients).
    """
    import cv2

    height, width = disparity_px.shape
    margin = max(block_size, NEIGHBOURHOOD_PX) // 2 + 1  # one more for the gradient
    top, bottom = max(rows.start - margin, 0), min(rows.stop + margin, height)
    first, last = max(columns.start - margin, 0), min(columns.stop + margin, width)
    around = np.s_[top:bottom, first:last]
    inner = np.s_[rows.start - top : rows.stop - top, columns.start - first : columns.stop - first]
    disparity = disparity_px[around]
    missing = np.isnan(disparity)
    known = ~missing
    here, there = (
        cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY).astype(np.float32)
        for part in (left[around], right[top:bottom])
    )
    window = (block_size, block_size)
    landing = np.arange(first, last, dtype=np.float32) - np.where(known, disparity, np.float32(0))
    own_rows = np.repeat(np.arange(bottom - top, dtype=np.float32)[:, None], last - first, axis=1)
    difference = here - cv2.remap(there, landing, own_rows, cv2.INTER_LINEAR)
    difference[missing] = 0
    noise = cv2.blur(difference * difference, window)
    gradient = cv2.Sobel(here, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    energy = cv2.boxFilter(gradient * gradient, cv2.CV_32F, window, normalize=False)
    blur_px2 = np.minimum((noise + np.float32(QUANTISATION)) / (energy + np.float32(1e-3)), np.float32(1))
    error: F32 = np.sqrt(np.float32(FLOOR_PX**2) + np.float32(TEXTURE_PX**2) * blur_px2, dtype=np.float32)

    side = (NEIGHBOURHOOD_PX, NEIGHBOURHOOD_PX)
    neighbours = np.ones(side, np.uint8)
    highest = cv2.dilate(np.where(known, disparity, np.float32(-FAR_PX)), neighbours)
    lowest = cv2.erode(np.where(known, disparity, np.float32(FAR_PX)), neighbours)
    error += np.float32(SCATTER) * np.maximum(highest - lowest - np.float32(SLOPE_PX), np.float32(0))
    holes = cv2.boxFilter(missing.view(np.uint8), cv2.CV_32F, side)
    error += np.float32(HOLES_PX) * np.asarray(holes, np.float32)
    if confidence is not None:
        error += np.float32(FILLED_PX) * (1 - confidence[around])
    np.minimum(error, np.float32(MOST_PX), out=error)
    error[missing] = np.nan
    return error[inner]
