"""A measurement in plain lines: one for each point and each dimension, the same here and in "Show code"."""

from __future__ import annotations

from demos.stereo.measurement import Measurement
from demos.stereo.points import METRES

DECIMALS = {"mm": 1, "cm": 2, "m": 4, "in": 3}


def summary(measurement: Measurement, unit: str) -> str:
    """Return lines such as "pt1: x -33.51, y -5.53, z 94.36 cm" and "pt1 to pt2: 31.20 cm"."""
    if measurement.relative:
        per_metre, decimals, unit = 1.0, 4, "(no unit)"
    else:
        per_metre, decimals = 1 / METRES[unit], DECIMALS[unit]
    lines = []
    for point in measurement.points:
        if point.position_m is None:
            lines.append(f"{point.marked.name}: no position")
        else:
            x, y, z = (f"{length * per_metre:.{decimals}f}" for length in point.position_m.tolist())
            lines.append(f"{point.marked.name}: x {x}, y {y}, z {z} {unit}")
    for line in measurement.dimensions:
        length = "no length" if line.distance_m is None else f"{line.distance_m * per_metre:.{decimals}f} {unit}"
        lines.append(f"{line.start} to {line.end}: {length}")
    return "\n".join(lines)
