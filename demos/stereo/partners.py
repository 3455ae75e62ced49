"""A marked point's partner in the right picture: marked by hand, read off the disparity picture, or looked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.stereo.matching import F32, U8, Matched, Pair
from demos.stereo.measurement import INVALID_REASONS, VALID, MarkedPoint, PartnerSource, ScoreCurve
from demos.stereo.surface import disparity_at, plane_at, surface_error
from demos.stereo.template import Peak, judged, peak_of, score_curve

PRIOR_NEIGHBOURS = 4
PRIOR_MARGIN_PX = 6.0
NEAREST_MATCH_PX = 3.0
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
    error, why_not = math.inf, "there is no right picture"
    if pair.right is not None and matched.search is not None:
        curve, peak, error, why_not = _slide(pair, u, v, _prior(u, v, matched, matched.search))
    dense = _dense(matched, u, v)
    if dense is not None:
        return Partner(u - dense[0], v, dense[1], "dense", curve=curve)
    if peak is not None and not why_not:
        beware = "" if matched.disparity_px is None else "found by its looks alone, where the dense match found nothing"
        if peak.rival_px is not None:
            beware = f"its patch fits as well at a disparity of {peak.rival_px:.0f} px: look at the score curve"
        return Partner(u - peak.disparity_px, v, error, "template", beware=beware, curve=curve)
    nearest = _nearest_match(matched.matches, u, v)
    if nearest is not None:
        return Partner(u - nearest, v, SPARSE_ERROR_PX, "sparse", curve=curve)
    if matched.invalid is not None:
        code = int(matched.invalid[nearest_pixel(matched.invalid, u, v)])
        why_not = why_not if code == VALID else f"{INVALID_REASONS[code]}; {why_not}"
    return Partner(None, None, None, "none", why_not, curve=curve)


def _slide(
    pair: Pair, u: float, v: float, search: tuple[int, int]
) -> tuple[ScoreCurve | None, Peak | None, float, str]:
    """Return the patch's scores, their peak with its error, and what speaks against it."""
    assert pair.right is not None
    found = score_curve(pair.left, pair.right, u, v, search)
    if found is None:
        return None, None, math.inf, "the picture is plain round it, so nothing tells its partner"
    peak = peak_of(*found)
    error, why_not = judged(pair.left, pair.right, u, v, peak, search)
    return ScoreCurve(*found, peak.disparity_px), peak, error, why_not


def _dense(matched: Matched, u: float, v: float) -> tuple[float, float] | None:
    """Return disparity and error of the dense match at a place; None where there is none."""
    disparity_px = matched.disparity_px
    if disparity_px is None:
        return None
    own = disparity_at(disparity_px, u, v, 1.0 if matched.has_edges else math.inf)
    if own is None:
        return None
    row, column = nearest_pixel(disparity_px, u, v)
    error = float(matched.errors_at(slice(row, row + 1), slice(column, column + 1))[0, 0])
    plane = plane_at(disparity_px, u, v) if matched.by_pixel else None
    return (own, error) if plane is None else (plane[0], surface_error(error, *plane[1:]))


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
