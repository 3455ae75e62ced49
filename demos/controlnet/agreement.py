"""How well a result follows its drawing, measured: edges against edges, depth against depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REACH_PX = 2  # how far an edge may be off
LEAST_SEEN = 16  # pixels whose depth both know


@dataclass(frozen=True)
class Agreement:
    """How well one picture follows one control.

    Attributes:
        edge_f1: of its Canny edges against the control's lines, within `REACH_PX`; None for other controls.
        depth_error: mean absolute relative error of its estimated depth; None where it was not measured.
    """

    edge_f1: float | None = None
    depth_error: float | None = None


def edge_f1(found: NDArray[np.uint8], control: NDArray[np.uint8], reach_px: int = REACH_PX) -> float:
    """Return the harmonic mean of two shares: lines found near one of the control's, and the other way round.

    Near is within a square of `reach_px` about a line. Source: the boundary F-measure of Martin et al. 2004, Learning
    to detect natural image boundaries, PAMI 26(5), without its one-to-one matching.

    Args:
        found: (H, W), lines are above 0.
        control: (H, W), the same.
        reach_px: how far a line may be off.
    """
    import cv2

    square = np.ones((2 * reach_px + 1,) * 2, np.uint8)
    found_at, control_at = found > 0, control > 0
    if not found_at.any() or not control_at.any():
        return float(found_at.any() == control_at.any())
    precision = float((cv2.dilate(control, square) > 0)[found_at].mean())
    recall = float((cv2.dilate(found, square) > 0)[control_at].mean())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def depth_error(estimated_m: NDArray[np.floating], wanted_m: NDArray[np.floating]) -> float | None:
    """Return the mean of |estimated - wanted| / wanted over what both see; None where that is next to nothing."""
    seen = np.isfinite(estimated_m) & np.isfinite(wanted_m) & (wanted_m > 0)
    if seen.sum() < LEAST_SEEN:
        return None
    return float(np.mean(np.abs(estimated_m[seen] - wanted_m[seen]) / wanted_m[seen]))
