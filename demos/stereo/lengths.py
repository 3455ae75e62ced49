"""Lengths as people read them: in the chosen unit, with an error bar, and no more digits than the error leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from demos.stereo.measurement import Measurement
from demos.stereo.points import METRES

MOST_DECIMALS = 4
DECIMALS = {"mm": 1, "cm": 2, "m": 4, "in": 2, "": 4}  # where there is no error to decide


@dataclass(frozen=True)
class Scale:
    """How lengths are shown: how many of the unit a metre has, and the unit's name, "" where the scale is unknown."""

    per_metre: float
    unit: str

    def shown(self, length_m: float, error_m: float | None = None) -> str:
        """Spell a length, with one standard deviation where there is one.

        >>> Scale(100.0, "cm").shown(0.94354, 0.0131), Scale(100.0, "cm").shown(0.94354)
        ('94.4 ± 1.3 cm', '94.35 cm')
        """
        return f"{self.number(length_m, error_m)}{f' {self.unit}' if self.unit else ''}"

    def number(self, length_m: float, error_m: float | None = None) -> str:
        """Spell a length as `shown` does, without the unit."""
        length = length_m * self.per_metre
        if error_m is None:
            return f"{length:.{DECIMALS[self.unit]}f}"
        return with_error(length, error_m * self.per_metre)


def scale_of(measurement: Measurement, unit: str) -> Scale:
    """Return the scale in which a measurement is shown."""
    return Scale(1.0, "") if measurement.relative else Scale(1 / METRES[unit], unit)


def with_error(value: float, error: float) -> str:
    """Spell a value and its standard deviation, two digits of the latter (one from 10 on).

    >>> with_error(94.354, 1.31), with_error(0.94354, 0.0131), with_error(943.54, 131.0)
    ('94.4 ± 1.3', '0.944 ± 0.013', '944 ± 131')
    """
    if not (math.isfinite(error) and error > 0):
        return f"{value:.{MOST_DECIMALS}g}"
    decimals = min(max(1 - math.floor(math.log10(error)), 0), MOST_DECIMALS)
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"
