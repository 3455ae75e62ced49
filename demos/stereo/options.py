"""What a measurement is asked: a rectified pair, its calibration, points, and how to match."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import Image

from demos.stereo.geometry import Calibration
from demos.stereo.measurement import MarkedPoint
from hub import options


@dataclass(frozen=True)
class MatchOptions:
    """How partners are found. The defaults suit a pair of about 640 x 480 pixels."""

    preset: str = options.choice(
        "balanced",
        ("quick", "balanced", "fine", "own"),
        label="Preset",
        info="own: the numbers below. Otherwise the preset decides block size, penalties and checks.",
    )
    max_disparity: int = options.number(
        0, 0, 512, step=16, label="Disparity range", info="Largest shift searched, pixels; 0: suggested from the pair."
    )
    min_disparity: int = options.number(
        0, -256, 256, step=1, label="Smallest disparity", info="Pixels; below 0 where principal points differ."
    )
    block_size: int = options.number(
        5, 1, 21, step=2, label="Block size", info="Pixels; odd. Larger: smoother, blurrier."
    )
    uniqueness: int = options.number(
        5, 0, 50, step=1, label="Uniqueness", info="By how many percent the best match must beat the second best."
    )
    small_penalty: float = options.number(
        1.0,
        0.0,
        64.0,
        step=0.5,
        label="P1",
        info="Penalty for a step of one pixel, per pixel of the block and channel.",
    )
    large_penalty: float = options.number(
        16.0, 0.5, 256.0, step=0.5, label="P2", info="Penalty for a larger jump; above P1. Larger: smoother surfaces."
    )
    left_right: int = options.number(
        1, -1, 16, step=1, label="Left-right check", info="Largest disagreement of the two directions, pixels; -1: off."
    )
    smoothing: str = options.choice(
        "none",
        ("none", "wls"),
        label="Filter",
        info="wls: fills and smooths along the picture's edges (weighted least squares). none: the raw matches.",
    )
    click_error_px: float = options.number(
        0.5,
        0.05,
        5.0,
        step=0.05,
        label="Marking error",
        info="One standard deviation of a point marked by hand, pixels; the error bars start from it.",
    )
    unrectified: str = options.choice(
        "refuse",
        ("refuse", "rectify", "as is"),
        label="If not rectified",
        info="rectify: straighten the pair from its own matches; distances then have no unit. as is: match it anyway, "
        "for a pair that repeats itself, such as a chessboard, and is taken for turned.",
    )
    unit: str = options.choice("cm", ("mm", "cm", "m", "in"), label="Unit", info="Of all lengths shown.")


@dataclass(frozen=True)
class MeasureRequest:
    """One measurement.

    Attributes:
        left, right: the pair, RGB, of one size; both None where every point has its partner already.
        calibration: of the pictures as they were sent.
        points: in the left picture, with partners where they were marked by hand.
        dimensions: pairs of names of points.
        options: how to match.
        notes: what was done to the uploads.
        scene_seed: seed of the tabletop scene that the pair shows, where that is known.
    """

    left: Image.Image | None = field(compare=False)
    right: Image.Image | None = field(compare=False)
    calibration: Calibration
    points: tuple[MarkedPoint, ...] = ()
    dimensions: tuple[tuple[str, str], ...] = ()
    options: MatchOptions = MatchOptions()
    notes: tuple[str, ...] = ()
    scene_seed: int | None = None

    def batch_key(self) -> Hashable | None:
        """Return None: a pair is matched alone."""
        return None

    def recorded(self) -> dict[str, Any]:
        """Return calibration, points and options, without the pictures."""
        return {
            **asdict(self.options),
            "calibration": asdict(self.calibration),
            "points": [asdict(point) for point in self.points],
            "dimensions": [list(pair) for pair in self.dimensions],
        }
