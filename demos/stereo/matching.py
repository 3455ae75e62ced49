"""The face of every family, and what each of them says of a pair."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from demos.stereo.geometry import Calibration
from demos.stereo.options import MatchOptions
from hub.batch import Watch

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Pair:
    """A rectified pair of pictures of one size.

    Attributes:
        left, right: (H, W, 3) uint8, RGB; `right` is None where a single picture was sent.
        calibration: of these pictures.
        hints: (N, 4) float32, sparse matches that the checks of the pair found: u, v left, u, v right, pixels.
    """

    left: U8
    right: U8 | None
    calibration: Calibration
    hints: F32 = field(default_factory=lambda: np.empty((0, 4), np.float32))


@dataclass(frozen=True)
class Matched:
    """What a family found; the dense three go together, and so do the sparse two.

    Attributes:
        disparity_px: (H, W) float32, NaN where invalid.
        invalid: (H, W) uint8, `measurement.VALID` or why a pixel has none.
        disparity_error_px: (H, W) float32, one standard deviation, NaN where invalid.
        matches: (N, 4) float32, u, v left, u, v right, pixels; on one row to within the epipolar tolerance.
        match_scores: (N,) float32, 0 to 1, in the method's own measure.
        search: least and greatest disparity that a partner may have, pixels; None without a right picture.
        facts, notes: for people, as in `Measurement`.
    """

    disparity_px: F32 | None = None
    invalid: U8 | None = None
    disparity_error_px: F32 | None = None
    matches: F32 | None = None
    match_scores: F32 | None = None
    search: tuple[int, int] | None = None
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        arrays = (self.disparity_px, self.invalid, self.disparity_error_px, self.matches, self.match_scores)
        return sum(array.nbytes for array in arrays if array is not None)


class Family(Protocol):
    """The face of every family."""

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""

    def match(self, pair: Pair, chosen: MatchOptions, watch: Watch) -> Matched:
        """Match the pair.

        Raises:
            InvalidInput: when this method cannot take it.
            Cancelled: when nobody wants the result any more.
        """
