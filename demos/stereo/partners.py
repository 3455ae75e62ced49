"""A marked point's partner in the right picture: marked by hand, read off the disparity picture, or looked for.

The one idea: the partner lies on the point's own row, so the search is along a line. The patch round the point slides
along that row of the right picture, and how well it fits there is a curve whose peak is the partner.

Sources: Lewis, Fast normalized cross-correlation, Vision Interface 1995 (the score); Förstner, On the geometric
precision of digital correlation, ISPRS 1982 (its precision: noise over the patch's gradients).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.stereo.matching import F32, U8, Matched, Pair
from demos.stereo.measurement import F64, INVALID_REASONS, VALID, MarkedPoint, PartnerSource, ScoreCurve

SMOOTH_PX = 1.0  # the four pixels round a point on one surface differ by less
HALF_PATCH_PX = 10  # the patch has 21 x 21 pixels
LEAST_SCORE = 0.6
LEAST_CONTRAST = 1.0  # grey levels, one standard deviation; a flatter patch fits anywhere
AMBIGUOUS = 0.05  # another peak that comes this close is as good
PEAKS_APART_PX = 3
PRIOR_NEIGHBOURS = 4
PRIOR_MARGIN_PX = 6.0
NEAREST_MATCH_PX = 3.0
TEMPLATE_FLOOR_PX = 0.1  # what the parabola and the changed view cost, however sharp the peak
SPARSE_ERROR_PX = 0.5  # keypoints of either picture err by a third of a pixel or so


@dataclass(frozen=True)
class Partner:
    """Where a point's partner is; without one, `reason` says why.

    Attributes:
        u_px, v_px: in the right picture.
        error_px: one standard deviation of the disparity; None for a hand-marked partner, whose error is the clicks'.
        source: who found it.
        reason: why there is none, in words.
        beware: what speaks against it, in words.
        curve: the patch's scores, where they were computed.
    """

    u_px: float | None
    v_px: float | None
    error_px: float | None
    source: PartnerSource
    reason: str = ""
    beware: str = ""
    curve: ScoreCurve | None = None


@dataclass(frozen=True)
class Peak:
    """The best place on a score curve."""

    disparity_px: float
    score: float
    error_px: float
    rival_px: float | None  # another peak that is as good


def partner_of(point: MarkedPoint, pair: Pair | None, matched: Matched) -> Partner:
    """Find a point's partner: its own, else the dense match there, else the patch's, else the nearest sparse match's.

    Args:
        point: marked in the left picture.
        pair: None where no pictures were sent.
        matched: what the matcher found, and in which range of disparities.
    """
    u, v = point.u_px, point.v_px
    if pair is not None and not inside(pair.left, u, v):
        height, width = pair.left.shape[:2]
        return Partner(None, None, None, "none", f"it lies outside the picture of {width} x {height} pixels")
    if point.u_right_px is not None:
        v_right = v if point.v_right_px is None else point.v_right_px
        if pair is not None and pair.right is not None and not inside(pair.right, point.u_right_px, v_right):
            return Partner(None, None, None, "none", "its partner lies outside the right picture")
        return Partner(point.u_right_px, v_right, None, "hand")
    if pair is None:
        return Partner(None, None, None, "none", "it has no partner, and there are no pictures to find one in")
    curve = None
    peak: Peak | None = None
    why_not = "there is no right picture"
    if pair.right is not None and matched.search is not None:
        curve, peak, why_not = _slide(pair, u, v, _prior(u, v, matched, matched.search))
    dense = dense_at(matched.disparity_px, u, v)
    if dense is not None:
        assert matched.disparity_error_px is not None
        error = float(matched.disparity_error_px[nearest_pixel(matched.disparity_error_px, u, v)])
        return Partner(u - dense, v, error, "dense", curve=curve)
    if peak is not None and peak.score >= LEAST_SCORE:
        beware = ""
        if peak.rival_px is not None:
            beware = f"its patch fits as well at a disparity of {peak.rival_px:.0f} px: look at the score curve"
        return Partner(u - peak.disparity_px, v, peak.error_px, "template", beware=beware, curve=curve)
    nearest = _nearest_match(matched.matches, u, v)
    if nearest is not None:
        return Partner(u - nearest, v, SPARSE_ERROR_PX, "sparse", curve=curve)
    if matched.invalid is not None:
        code = int(matched.invalid[nearest_pixel(matched.invalid, u, v)])
        why_not = why_not if code == VALID else f"{INVALID_REASONS[code]}; {why_not}"
    return Partner(None, None, None, "none", why_not, curve=curve)


def dense_at(disparity_px: F32 | None, u: float, v: float) -> float | None:
    """Return the disparity at a place between pixels, by bilinear interpolation; None where there is no smooth one."""
    if disparity_px is None:
        return None
    height, width = disparity_px.shape
    column, row = min(max(math.floor(u), 0), width - 2), min(max(math.floor(v), 0), height - 2)
    corners = disparity_px[row : row + 2, column : column + 2].astype(np.float64)
    if not np.ptp(corners) <= SMOOTH_PX:  # (never true where one is missing)
        return None
    right, down = min(max(u - column, 0.0), 1.0), min(max(v - row, 0.0), 1.0)
    return float(np.array([1 - down, down]) @ corners @ np.array([1 - right, right]))


def score_curve(left: U8, right: U8, u: float, v: float, search: tuple[int, int]) -> tuple[F64, F64] | None:
    """Slide the patch round (u, v) along its row of the right picture.

    Returns:
        Disparities (N,), whole pixels, and scores (N,), normalised cross-correlation, -1 to 1; None where the patch is
        flat or nothing of the row is within the search.
    """
    import cv2

    lowest = max(search[0], math.ceil(u - (right.shape[1] - 1)))
    highest = min(search[1], math.floor(u))
    if lowest > highest:
        return None
    side = 2 * HALF_PATCH_PX + 1
    patch = cv2.getRectSubPix(left, (side, side), (u, v), patchType=cv2.CV_32F)
    if patch.std(axis=(0, 1)).max() < LEAST_CONTRAST:
        return None
    middle = u - (lowest + highest) / 2
    strip = cv2.getRectSubPix(right, (highest - lowest + side, side), (middle, v), patchType=cv2.CV_32F)
    scores = cv2.matchTemplate(strip, patch, cv2.TM_CCOEFF_NORMED)[0].astype(np.float64)
    return np.arange(lowest, highest + 1, dtype=np.float64), scores[::-1]  # the strip goes right: disparity falls


def peak_of(disparities_px: F64, scores: F64) -> Peak:
    """Return the best place on a curve, between its samples: the top of the parabola through the best three."""
    best = int(scores.argmax())
    before, top, after = (float(scores[min(max(best + step, 0), len(scores) - 1)]) for step in (-1, 0, 1))
    bend = 2 * top - before - after
    offset = 0.0 if bend <= 0 else (after - before) / (2 * bend)
    # The score loses ½ bend d² at d pixels from the top. Noise of the share 1 - score, over N pixels, moves the top by:
    pixels = (2 * HALF_PATCH_PX + 1) ** 2
    noise = 2 * max(1 - top, 0.0) / max(top, 1e-3)
    error = math.hypot(TEMPLATE_FLOOR_PX, math.sqrt(noise / (pixels * max(bend, 1e-6))))
    rival = None
    inner = (scores[1:-1] >= scores[:-2]) & (scores[1:-1] >= scores[2:])
    peaks = np.nonzero(np.concatenate([[len(scores) > 1 and scores[0] > scores[1]], inner, [False]])[: len(scores)])[0]
    others = [place for place in peaks if abs(place - best) >= PEAKS_APART_PX and scores[place] >= top - AMBIGUOUS]
    if others:
        rival = float(disparities_px[max(others, key=lambda place: scores[place])])
    return Peak(float(disparities_px[best]) + offset, top, error, rival)


def _slide(pair: Pair, u: float, v: float, search: tuple[int, int]) -> tuple[ScoreCurve | None, Peak | None, str]:
    assert pair.right is not None
    found = score_curve(pair.left, pair.right, u, v, search)
    if found is None:
        return None, None, "the picture is plain round it, so nothing tells its partner"
    disparities, scores = found
    peak = peak_of(disparities, scores)
    curve = ScoreCurve(disparities, scores, peak.disparity_px)
    return curve, peak, f"nothing in its row of the right picture looks alike (best score {peak.score:.2f})"


def _prior(u: float, v: float, matched: Matched, search: tuple[int, int]) -> tuple[int, int]:
    """Narrow the search to what the nearest sparse matches say, where there are any."""
    if matched.matches is None or len(matched.matches) < PRIOR_NEIGHBOURS:
        return search
    away = np.hypot(matched.matches[:, 0] - u, matched.matches[:, 1] - v)
    nearest = matched.matches[np.argsort(away)[:PRIOR_NEIGHBOURS]]
    disparities = nearest[:, 0] - nearest[:, 2]
    margin = PRIOR_MARGIN_PX + float(np.ptp(disparities)) / 2
    return math.floor(disparities.min() - margin), math.ceil(disparities.max() + margin)


def _nearest_match(matches: F32 | None, u: float, v: float) -> float | None:
    """Return the disparity of the nearest match within `NEAREST_MATCH_PX`."""
    if matches is None or not len(matches):
        return None
    away = np.hypot(matches[:, 0] - u, matches[:, 1] - v)
    best = int(away.argmin())
    return float(matches[best, 0] - matches[best, 2]) if away[best] <= NEAREST_MATCH_PX else None


def inside(picture: U8, u: float, v: float) -> bool:
    """Tell whether a place lies on a picture, whose border pixels reach half a pixel beyond their centres."""
    height, width = picture.shape[:2]
    return -0.5 <= u <= width - 0.5 and -0.5 <= v <= height - 0.5


def nearest_pixel(picture: NDArray[Any], u: float, v: float) -> tuple[int, int]:
    """Return row and column of the pixel whose centre is nearest."""
    height, width = picture.shape[:2]
    return min(max(round(v), 0), height - 1), min(max(round(u), 0), width - 1)
