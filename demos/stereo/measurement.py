"""What stereo measurement is asked and what it says: points and dimensions in, positions and lengths with errors out.

Pixels are counted from the centre of the top-left pixel at (0, 0), u to the right and v down. Positions are in the left
camera's frame, metres: x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.stereo.geometry import Calibration
from demos.stereo.later import Later, made

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

PartnerSource = Literal["hand", "dense", "template", "sparse", "none"]

# Why a pixel has no disparity: the values of `Measurement.invalid`.
VALID, NO_MATCH, OCCLUDED, OUTSIDE, FILTERED = range(5)
INVALID_REASONS = {
    NO_MATCH: "no unique match",
    OCCLUDED: "seen by one camera only (left-right check)",
    OUTSIDE: "its partner would lie outside the right picture",
    FILTERED: "removed as a speckle",
}


@dataclass(frozen=True)
class MarkedPoint:
    """A point marked in the left picture, pixels; with its partner in the right one where that was marked by hand."""

    name: str
    u_px: float
    v_px: float
    u_right_px: float | None = None
    v_right_px: float | None = None


@dataclass(frozen=True)
class ScoreCurve:
    """How well the template round a point fits along its epipolar line.

    Attributes:
        disparities_px: (N,) candidates, pixels.
        scores: (N,) normalised cross-correlation, -1 to 1.
        peak_px: the disparity of the sub-pixel peak.
    """

    disparities_px: F64
    scores: F64
    peak_px: float


@dataclass(frozen=True)
class MeasuredPoint:
    """A marked point with its partner and its place in space.

    Attributes:
        marked: the point as it was marked.
        u_right_px, v_right_px: its partner, pixels; None where none was found.
        disparity_px, disparity_error_px: with one standard deviation; None without a partner.
        position_m: (3,) x, y, z; None without a partner, or at infinity.
        covariance_m2: (3, 3) of the position, square metres.
        source: who found the partner.
        reason: why there is no position, in words; empty where there is one.
        true_position_m: (3,) where the truth is known (a New scene).
        curve: the template's scores, where they were computed.
    """

    marked: MarkedPoint
    u_right_px: float | None
    v_right_px: float | None
    disparity_px: float | None
    disparity_error_px: float | None
    position_m: F64 | None
    covariance_m2: F64 | None
    source: PartnerSource
    reason: str = ""
    true_position_m: F64 | None = None
    curve: ScoreCurve | None = None

    @property
    def error_m(self) -> F64 | None:
        """(3,) one standard deviation of x, y and z, metres."""
        return None if self.covariance_m2 is None else np.sqrt(np.diag(self.covariance_m2))


@dataclass(frozen=True)
class Dimension:
    """A distance between two points, by name, metres, with one standard deviation; None with the reason."""

    start: str
    end: str
    distance_m: float | None
    error_m: float | None
    reason: str = ""
    true_distance_m: float | None = None


@dataclass(frozen=True)
class Truth:
    """What is true of a New scene: (H, W) disparity, pixels, of the left picture, and what the right camera misses."""

    disparity_px: F32
    occluded: NDArray[np.bool_]


@dataclass(frozen=True)
class Measurement:
    """The result of one run.

    Attributes:
        calibration: as used, for the pictures as used.
        left, right: the pictures as used (rectified, maybe smaller than sent), RGB; None where only points were sent.
        points, dimensions: what was asked.
        disparity_px: (H, W) float32, NaN where invalid; None where the method is sparse or no pictures were sent.
        reasons: what `invalid` returns, or makes later; with `disparity_px`.
        errors: what `disparity_error_px` returns, or makes later; with `disparity_px`.
        matched_px: width and height at which it was matched, where the pictures were too large for the method.
        relative: the depth is known up to scale only, so lengths are in no unit (an uncalibrated rectification).
        homographies: (3, 3) of the left and the right picture where they were straightened: pixels of the pictures as
            sent, once made as small as those used, to pixels as used.
        search: least and greatest disparity that was searched, pixels; None where there was nothing to match.
        matches: (N, 4) float32 u, v left, u, v right, of sparse methods, with `match_scores` (N,) 0 to 1.
        facts: figures of the run by name, for people: range searched, share of valid pixels, scale that was fitted.
        notes: what was done to the input and what to beware of.
        seconds: compute time of each step by name.
        truth: for a New scene.
    """

    calibration: Calibration
    left: Image.Image | None
    right: Image.Image | None
    points: tuple[MeasuredPoint, ...]
    dimensions: tuple[Dimension, ...]
    disparity_px: F32 | None = field(default=None, compare=False)
    reasons: U8 | Later[U8] | None = field(default=None, compare=False)
    errors: F32 | Later[F32] | None = field(default=None, compare=False)
    matched_px: tuple[int, int] | None = None
    relative: bool = False
    homographies: tuple[F64, F64] | None = field(default=None, compare=False)
    search: tuple[int, int] | None = None
    matches: F32 | None = field(default=None, compare=False)
    match_scores: F32 | None = field(default=None, compare=False)
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    truth: Truth | None = field(default=None, compare=False)

    @property
    def invalid(self) -> U8 | None:
        """(H, W) uint8, `VALID` or a key of `INVALID_REASONS`."""
        return made(self.reasons)

    @property
    def disparity_error_px(self) -> F32 | None:
        """(H, W) float32, one standard deviation, NaN where invalid."""
        return made(self.errors)
