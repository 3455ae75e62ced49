"""Marked points in space, and the distances between them, each with its error and, in a New scene, with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from demos.stereo import geometry
from demos.stereo.geometry import Calibration
from demos.stereo.matching import Matched, Pair
from demos.stereo.measurement import F64, Dimension, MarkedPoint, MeasuredPoint, Truth
from demos.stereo.partners import inside, nearest_pixel, partner_of
from demos.stereo.surface import disparity_at

OFF_ITS_ROW_PX = 3.0  # hand-marked partners that differ more in v are worth a look
LARGE_SHARE = 0.3  # of the disparity: past it, the first-order error bars are too short on the far side


@dataclass(frozen=True)
class Ground:
    """What points are placed by.

    Attributes:
        calibration: of the pictures as used.
        pair: None where no pictures were sent.
        matched: what the matcher found.
        click_error_px: one standard deviation of a mark.
        truth: of a New scene.
    """

    calibration: Calibration
    pair: Pair | None
    matched: Matched
    click_error_px: float
    truth: Truth | None


def place(points: Sequence[MarkedPoint], ground: Ground) -> tuple[tuple[MeasuredPoint, ...], tuple[str, ...]]:
    """Return the points in space, and what to beware of, point by point."""
    placed = [_placed(point, ground) for point in points]
    return tuple(point for point, _ in placed), tuple(note for _, notes in placed for note in notes)


def _placed(point: MarkedPoint, ground: Ground) -> tuple[MeasuredPoint, list[str]]:
    partner = partner_of(point, ground.pair, ground.matched)
    true = _true_position(point, ground)
    if partner.u_px is None or partner.v_px is None:
        missing = MeasuredPoint(point, None, None, None, None, None, None, "none", partner.reason, true, partner.curve)
        return missing, []
    disparity = point.u_px - partner.u_px
    if partner.error_px is None:
        covariance = geometry.hand_covariance(ground.click_error_px)
    else:
        covariance = geometry.matched_covariance(ground.click_error_px, partner.error_px)
    error = float(np.sqrt(covariance[2, 2]))
    position = spread = None
    reason = ""
    notes = [f"{point.name}: {partner.beware}"] if partner.beware else []
    if geometry.at_infinity(ground.calibration, disparity):
        reason = "its rays do not meet in front of the cameras: it is at infinity"
    else:
        position = geometry.triangulate(ground.calibration, point.u_px, point.v_px, disparity)
        spread = geometry.position_covariance(ground.calibration, point.u_px, point.v_px, disparity, covariance)
        if error > LARGE_SHARE * (disparity + ground.calibration.doffs_px):
            notes.append(f"{point.name}: its disparity is little more than its error, so it may be much farther away")
    if partner.source == "hand" and abs(point.v_px - partner.v_px) > OFF_ITS_ROW_PX:
        notes.append(f"{point.name}: its partner was marked {abs(point.v_px - partner.v_px):.1f} px off its row")
    measured = MeasuredPoint(
        marked=point,
        u_right_px=partner.u_px,
        v_right_px=partner.v_px,
        disparity_px=disparity,
        disparity_error_px=error,
        position_m=position,
        covariance_m2=spread,
        source=partner.source,
        reason=reason,
        true_position_m=true,
        curve=partner.curve,
    )
    return measured, notes


def _true_position(point: MarkedPoint, ground: Ground) -> F64 | None:
    """Return where the surface at a marked point truly is; None where that is not known, or for the sky."""
    if ground.truth is None or ground.pair is None or not inside(ground.pair.left, point.u_px, point.v_px):
        return None
    disparity = disparity_at(ground.truth.disparity_px, point.u_px, point.v_px)
    if disparity is None:
        disparity = float(ground.truth.disparity_px[nearest_pixel(ground.truth.disparity_px, point.u_px, point.v_px)])
    position = geometry.triangulate(ground.calibration, point.u_px, point.v_px, disparity)
    return position if np.isfinite(position).all() else None


def measure_between(pairs: Sequence[tuple[str, str]], points: Sequence[MeasuredPoint]) -> tuple[Dimension, ...]:
    """Return the distance of each pair of named points; the reason where one of them has no position."""
    by_name = {point.marked.name: point for point in points}
    return tuple(_dimension(by_name[start], by_name[end]) for start, end in pairs)


def _dimension(start: MeasuredPoint, end: MeasuredPoint) -> Dimension:
    names = (start.marked.name, end.marked.name)
    true = None
    if start.true_position_m is not None and end.true_position_m is not None:
        true = float(np.linalg.norm(end.true_position_m - start.true_position_m))
    for point in (start, end):
        if point.position_m is None:
            return Dimension(*names, None, None, f"{point.marked.name}: {point.reason}", true)
    assert start.position_m is not None
    assert end.position_m is not None
    assert start.covariance_m2 is not None
    assert end.covariance_m2 is not None
    distance, error = geometry.distance_and_error(
        start.position_m, start.covariance_m2, end.position_m, end.covariance_m2
    )
    return Dimension(*names, float(distance), float(error), true_distance_m=true)
