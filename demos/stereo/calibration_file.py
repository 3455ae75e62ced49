"""What a calibration file says, and what all formats share: numbers of a file that become a checked calibration."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.stereo.geometry import Calibration
from demos.stereo.rig import StereoRig
from hub.errors import InvalidInput

F64 = NDArray[np.float64]
Sides = tuple[Any, Any]  # width and height, pixels, or None

READ = (
    "Read are our own JSON, the JSON of stereodemo, Middlebury's calib.txt, KITTI's calib files, and OpenCV's YAML, "
    "XML or JSON with M1, D1, M2, D2, R, T or with P1, P2 or Q."
)
SAME_FOCAL = 0.01  # relative; cameras of a rectified pair share their focal length
METRES = {"mm": 0.001, "cm": 0.01, "m": 1.0}

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
NUMBERS = re.compile(NUMBER)


@dataclass(frozen=True)
class CalibrationFile:
    """What a calibration file says.

    Attributes:
        calibration: of the rectified pair.
        kind: the format, in words.
        rig: the cameras before rectification, where the file has them: `rig.rectify` straightens their pictures.
        notes: what was assumed.
    """

    calibration: Calibration
    kind: str
    rig: StereoRig | None = None
    notes: tuple[str, ...] = ()


def from_projections(left: F64, right: F64, metres: float, size: Sides) -> Calibration:
    """Return the calibration of projection matrices (3, 4): b = (P_left[0, 3] - P_right[0, 3]) / fx."""
    refuse_other_focal(left[0, 0], right[0, 0])
    return calibration_of(
        left[0, 0],
        left[1, 1],
        left[0, 2],
        left[1, 2],
        (left[0, 3] - right[0, 3]) / right[0, 0] * metres,
        right[0, 2] - left[0, 2],
        *size,
    )


def refuse_other_focal(left_px: float, right_px: float) -> None:
    """Raise InvalidInput when two cameras' focal lengths differ, as those of a rectified pair cannot."""
    if not abs(left_px - right_px) <= SAME_FOCAL * abs(right_px) or right_px == 0:
        raise InvalidInput(
            f"The focal lengths differ, {left_px:g} and {right_px:g} pixels: the cameras are not rectified.",
            "Send the calibration of the rectified pair, or one with R and T.",
        )


def calibration_of(*values: Any, **named: Any) -> Calibration:
    """Build a calibration of what a file holds; sizes may be missing."""
    given = dict(zip([field.name for field in fields(Calibration)], values, strict=False)) | named
    clean: dict[str, Any] = {}
    for name, value in given.items():
        if name in ("width_px", "height_px"):
            if value is not None:
                side = number(value)
                if not 1 <= side <= 1e6:
                    raise InvalidInput(
                        f"The calibration's {name} is {side:g}.", "Expected is the size of the pictures."
                    )
                clean[name] = int(side)
        else:
            clean[name] = number(value)
    return Calibration(**clean)


def number(value: Any) -> float:
    """Return a number of a file; raise InvalidInput for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput("The calibration has something else where a number should be.", READ) from error


def numbers(text: str) -> list[float]:
    """Return all numbers in a text."""
    return [float(spelt) for spelt in NUMBERS.findall(text)]


def first(text: str) -> float:
    """Return the first number in a text, or NaN, which no check of a calibration passes."""
    return next(iter(numbers(text)), math.nan)
