"""OpenCV's dense matchers: semi-global block matching and plain block matching, with their checks and their filter.

The one idea: OpenCV answers with disparities and holes. What is added here is why a hole is there
(`demos.stereo.families.holes`) and how far off a disparity may be (`demos.stereo.uncertainty`).

OpenCV searches only where the whole range fits into the right picture, so a strip as wide as the largest disparity
would stay empty. Both pictures are therefore widened by repeating their borders, and what matched there is marked.

Sources: Hirschmüller, Stereo processing by semiglobal matching and mutual information, PAMI 30(2), 2008; Birchfield &
Tomasi, A pixel dissimilarity measure that is insensitive to image sampling, PAMI 20(4), 1998 (its cost); Min et al.,
Fast global image smoothing based on weighted least squares, TIP 23(12), 2014 (the filter).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.stereo.families.holes import holes
from demos.stereo.later import Later
from demos.stereo.matching import F32, U8, Matched, Pair
from demos.stereo.measurement import FILTERED, OUTSIDE, VALID
from demos.stereo.options import MatchOptions
from demos.stereo.search_range import SearchRange, chosen_range
from demos.stereo.uncertainty import error_later
from hub.batch import Watch
from hub.errors import InvalidInput

I16 = NDArray[np.int16]

FIXED_POINT = 16  # OpenCV's disparities are whole sixteenths of a pixel
CHANNELS = 3
SPECKLE_PX = 100  # connected patches of fewer pixels are removed
SPECKLE_STEP_PX = 2  # neighbours that differ by less are connected
PRE_FILTER_CAP = 63  # OpenCV's largest: keeps the contrast of strong edges
LEAST_BM_BLOCK = 5  # StereoBM takes no smaller window
WLS_LAMBDA = 100.0  # how far the filter reaches: about its root, in pixels, over a plain surface
WLS_SIGMA_COLOUR = 1.5  # grey levels that count as an edge
SURE = 0.5  # a found disparity among others as sure is kept as it is
LEAST_SUPPORT = 1e-3  # a pixel with less has nothing near it to be filled from


@dataclass(frozen=True)
class DenseSettings:
    """What a preset decides.

    Attributes:
        block_size: side of the compared window, pixels, odd.
        small_penalty, large_penalty: P1 and P2, for each channel and pixel of the window.
        uniqueness: percent by which the best match must beat the second best.
        left_right: largest disagreement of the two directions, whole pixels; -1: unchecked.
        match_right: whether the check matches the right picture in its own right, at twice the work, instead of
            reading the right picture's best matches off the same costs.
        speckle_px: patches of fewer pixels are removed; 0: none.
    """

    block_size: int
    small_penalty: float
    large_penalty: float
    uniqueness: int
    left_right: int
    match_right: bool
    speckle_px: int


# OpenCV's documentation suggests penalties of 8 and 32. A smaller P1 lets a surface slope: on five tabletop pairs of
# validation seeds (512 px, range 0 to 127), 96.0 % of the disparities found were within 1 px with 1 and 16, and 94.4 %
# with 8 and 32.
PRESETS = {
    "quick": DenseSettings(9, 8.0, 32.0, 10, -1, match_right=False, speckle_px=0),
    "balanced": DenseSettings(5, 1.0, 16.0, 5, 1, match_right=False, speckle_px=SPECKLE_PX),
    "fine": DenseSettings(3, 1.0, 16.0, 2, 1, match_right=True, speckle_px=SPECKLE_PX),
}


def settings_of(chosen: MatchOptions) -> DenseSettings:
    """Return the numbers of a preset, or the user's own.

    Raises:
        InvalidInput: when P2 is not above P1.
    """
    if chosen.preset != "own":
        return PRESETS[chosen.preset]
    if chosen.large_penalty <= chosen.small_penalty:
        raise InvalidInput(
            f"P2 is {chosen.large_penalty:g} and P1 is {chosen.small_penalty:g}.", "Choose a P2 above P1."
        )
    return DenseSettings(
        block_size=chosen.block_size | 1,
        small_penalty=chosen.small_penalty,
        large_penalty=chosen.large_penalty,
        uniqueness=chosen.uniqueness,
        left_right=chosen.left_right,
        match_right=False,
        speckle_px=SPECKLE_PX,
    )


class OpenCvDense:
    """StereoSGBM, or StereoBM for comparison."""

    def __init__(self, block_matching: bool = False) -> None:
        self.block_matching = block_matching

    def modules(self) -> list[Any]:
        """Return nothing: there are no weights."""
        return []

    def match(self, pair: Pair, chosen: MatchOptions, watch: Watch) -> Matched:
        """Match, check, filter; then say of each pixel how sure its disparity is, or why it has none."""
        import cv2

        assert pair.right is not None
        settings = settings_of(chosen)
        searched, origin = chosen_range(pair, chosen)
        watch.raise_if_all_cancelled()
        watch.progress(f"Matching {searched.count} disparities")
        left, right = (searched.widened(picture) for picture in (pair.left, pair.right))
        if self.block_matching:
            left, right = (np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8) for picture in (left, right))
        matcher = self._matcher(settings, searched)
        raw: I16 = matcher.compute(left, right)
        from_right: I16 | None = None
        if settings.match_right and settings.left_right >= 0:
            watch.raise_if_all_cancelled()
            watch.progress("Matching the right picture")
            from_right = _from_right(matcher, left, right, searched)
        watch.raise_if_all_cancelled()

        width = pair.left.shape[1]
        inside = slice(searched.before, searched.before + width)
        steps = _agreeing(raw, from_right, searched, settings)[:, inside]
        empty = (searched.minimum_px - 1) * FIXED_POINT
        kept_steps = steps
        if settings.speckle_px:
            kept_steps = steps.copy()
            cv2.filterSpeckles(kept_steps, empty, settings.speckle_px, SPECKLE_STEP_PX * FIXED_POINT)
        disparity = np.multiply(kept_steps, np.float32(1 / FIXED_POINT), dtype=np.float32)
        confidence = None
        if chosen.smoothing == "wls":
            watch.progress("Filtering")
            disparity, confidence = filtered(disparity, kept_steps > empty, pair.left)
            disparity[(kept_steps <= empty) & (confidence == 0)] = np.nan
        else:
            disparity[kept_steps <= empty] = np.nan
        _leave_out_what_lands_outside(disparity, searched)
        reasons = Later(
            partial(reasons_of, steps, kept_steps, empty, disparity, confidence), 2 * steps.nbytes + disparity.nbytes
        )
        errors = error_later(pair.left, pair.right, disparity, settings.block_size, confidence)
        facts = {"range searched": f"{searched} ({origin})"}
        return Matched(disparity, reasons, errors, by_pixel=True, search=searched.ends, facts=facts)

    def _matcher(self, settings: DenseSettings, searched: SearchRange) -> Any:
        cv2: Any = importlib.import_module("cv2")  # its stubs lack the factories

        if self.block_matching:
            matcher = cv2.StereoBM_create(searched.count, max(settings.block_size, LEAST_BM_BLOCK))
            matcher.setMinDisparity(searched.minimum_px)
            matcher.setUniquenessRatio(settings.uniqueness)
            matcher.setDisp12MaxDiff(settings.left_right)
            return matcher
        window = CHANNELS * settings.block_size**2
        return cv2.StereoSGBM_create(
            minDisparity=searched.minimum_px,
            numDisparities=searched.count,
            blockSize=settings.block_size,
            P1=int(settings.small_penalty * window),
            P2=int(settings.large_penalty * window),
            disp12MaxDiff=settings.left_right,
            preFilterCap=PRE_FILTER_CAP,
            uniquenessRatio=settings.uniqueness,
            mode=cv2.StereoSGBM_MODE_SGBM_3WAY,
        )


def _from_right(matcher: Any, left: U8, right: U8, searched: SearchRange) -> I16:
    """Return disparities (H, W'), negative, of the right picture, whose partners are further right in the left one.

    There too the whole range must fit into the picture, so both are widened once more, on the right.
    """
    import cv2

    wide = [cv2.copyMakeBorder(picture, 0, 0, 0, searched.before, cv2.BORDER_REPLICATE) for picture in (right, left)]
    found = np.asarray(cv2.ximgproc.createRightMatcher(matcher).compute(*wide), np.int16)
    return found[:, : right.shape[1]]


def _agreeing(raw: I16, from_right: I16 | None, searched: SearchRange, settings: DenseSettings) -> I16:
    """Return disparities (H, W'), sixteenths of a pixel, without those that the right picture's own do not confirm.

    Args:
        raw: (H, W'), of the widened left picture.
        from_right: (H, W'), of the widened right picture, likewise but negative; None where it was not matched.
        searched: the range.
        settings: of the matcher.
    """
    if from_right is None:
        return raw
    rows, columns = np.arange(raw.shape[0])[:, None], np.arange(raw.shape[1])
    there = np.clip(columns - (raw + FIXED_POINT // 2) // FIXED_POINT, 0, raw.shape[1] - 1)
    disagreement = np.abs(raw + from_right[rows, there])
    return np.where(
        disagreement > settings.left_right * FIXED_POINT, np.int16((searched.minimum_px - 1) * FIXED_POINT), raw
    )


def _leave_out_what_lands_outside(disparity_px: F32, searched: SearchRange) -> None:
    """Set the disparities (H, W) to NaN whose partner would lie outside the right picture: near the sides, if any."""
    width = disparity_px.shape[1]
    left_strip, right_strip = disparity_px[:, : searched.before], disparity_px[:, width - min(searched.after, width) :]
    left_strip[left_strip > np.arange(left_strip.shape[1]) + 0.5] = np.nan
    right_strip[right_strip < np.arange(-right_strip.shape[1], 0) + 0.5] = np.nan


def reasons_of(steps: I16, kept_steps: I16, empty: int, disparity_px: F32, confidence: F32 | None) -> U8:
    """Return (H, W) `VALID` or why there is no disparity.

    Args:
        steps: (H, W) what was matched, sixteenths of a pixel; `empty` or less: nothing.
        kept_steps: (H, W) likewise, without speckles.
        empty: what stands for no match.
        disparity_px: (H, W) the result, NaN where there is none.
        confidence: (H, W) of a filter that filled holes; None: nothing was filled.
    """
    kept = kept_steps > empty
    invalid = holes(np.multiply(kept_steps, np.float32(1 / FIXED_POINT), dtype=np.float32), kept)
    invalid[(steps > empty) & ~kept] = FILTERED
    if confidence is not None:
        invalid[confidence > 0] = VALID
    invalid[np.isnan(disparity_px) & (invalid == VALID)] = OUTSIDE
    return invalid


def filtered(disparity_px: F32, found: NDArray[np.bool_], left: U8) -> tuple[F32, F32]:
    """Fill holes along the left picture's edges, and smooth what scatters; sure disparities stay as they are.

    Disparities and confidences are both smoothed by weighted least squares, which stops at edges of the guide; their
    ratio is the mean of the confident disparities around.

    Args:
        disparity_px: (H, W).
        found: (H, W) which of them are meant.
        left: (H, W, 3) uint8, RGB, the guide.

    Returns:
        Disparities (H, W), and how much of each stands on found ones (H, W), 0 to 1.
    """
    import cv2

    around = np.ones((5, 5), np.uint8)
    far = np.float32(1e6)
    highest = cv2.dilate(np.where(found, disparity_px, -far), around)
    lowest = cv2.erode(np.where(found, disparity_px, far), around)
    scatter = np.maximum(highest - lowest - 1, 0)
    confidence = np.where(found, 1 / (1 + scatter) ** 2, np.float32(0)).astype(np.float32)
    smoother = cv2.ximgproc.createFastGlobalSmootherFilter(left, WLS_LAMBDA, WLS_SIGMA_COLOUR)
    support = smoother.filter(confidence)
    smooth = smoother.filter(confidence * np.where(found, disparity_px, np.float32(0))) / np.maximum(support, 1e-6)
    support[support < LEAST_SUPPORT] = 0
    sure = found & (support > SURE)
    return np.where(sure, disparity_px, smooth).astype(np.float32), np.where(sure, np.float32(1), support.clip(0, 1))
