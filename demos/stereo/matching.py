"""The face of every family, and what each of them says of a pair."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from demos.stereo.geometry import Calibration
from demos.stereo.later import Later, made
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
    """

    left: U8
    right: U8 | None
    calibration: Calibration


@dataclass(frozen=True)
class Matched:
    """What a family found; the dense three go together, and so do the sparse two.

    Attributes:
        disparity_px: (H, W) float32, NaN where invalid.
        reasons: what `invalid` returns, or makes later.
        errors: what `disparity_error_px` returns, or makes later.
        by_pixel: disparities were found pixel by pixel and err so: a surface through many is better than any of them.
        matched_px: width and height at which it was matched, where the pictures were too large for the method.
        matches: (N, 4) float32, u, v left, u, v right, pixels; on one row to within the epipolar tolerance.
        match_scores: (N,) float32, 0 to 1, in the method's own measure.
        search: least and greatest disparity that a partner may have, pixels; None without a right picture.
        facts, notes: for people, as in `Measurement`.
    """

    disparity_px: F32 | None = None
    reasons: U8 | Later[U8] | None = None
    errors: F32 | Later[F32] | None = None
    by_pixel: bool = False
    matched_px: tuple[int, int] | None = None
    matches: F32 | None = None
    match_scores: F32 | None = None
    search: tuple[int, int] | None = None
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def invalid(self) -> U8 | None:
        """(H, W) uint8, `measurement.VALID` or why a pixel has no disparity."""
        return made(self.reasons)

    @property
    def disparity_error_px(self) -> F32 | None:
        """(H, W) float32, one standard deviation of the disparity, NaN where invalid."""
        return made(self.errors)

    @property
    def has_edges(self) -> bool:
        """Whether neighbours that differ by a pixel lie on two surfaces, not on the ramp that a model draws."""
        return self.by_pixel or self.matched_px is not None

    def errors_at(self, rows: slice, columns: slice) -> F32:
        """Return a part of `disparity_error_px` without making the rest."""
        if isinstance(self.errors, Later) and self.errors.part is not None:
            return self.errors.part(rows, columns)
        whole = self.disparity_error_px
        assert whole is not None
        return whole[rows, columns]

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        arrays = (self.disparity_px, self.reasons, self.errors, self.matches, self.match_scores)
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
