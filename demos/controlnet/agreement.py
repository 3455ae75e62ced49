"""How well a result follows its drawing, measured: edges against edges, depth against depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_SEEN = 16  # pixels whose depth both know


@dataclass(frozen=True)
class Agreement:
    """How well one picture follows one control.

    Attributes:
        edge_f1: of its Canny edges against the control's lines, within `REACH_PX`; None for others.
        depth_error: mean absolute relative error of its estimated depth; None where it was not measured.
    """

    edge_f1: float | None = None
    depth_error: float | None = None


def depth_error(estimated_m: NDArray[np.floating], wanted_m: NDArray[np.floating]) -> float | None:
    """Return the mean of |estimated - wanted| / wanted over what both see; None where that is next to nothing."""
    seen = np.isfinite(estimated_m) & np.isfinite(wanted_m) & (wanted_m > 0)
    if seen.sum() < LEAST_SEEN:
        return None
    return float(np.mean(np.abs(estimated_m[seen] - wanted_m[seen]) / wanted_m[seen]))
