"""Whether a model's probabilities mean what they say: of the answers given at 80 %, about 80 % should be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

BINS = 15  # of equal width over 0 to 1


@dataclass(frozen=True)
class Bin:
    """The answers whose probability lies between `low` and `high`; mean probability and share right are of those."""

    low: float
    high: float
    count: int
    probability: float
    right: float


def reliability(probabilities: ArrayLike, right: ArrayLike, bins: int = BINS) -> list[Bin]:
    """Sort answers into bins by probability (N,), 0 to 1, with whether each is right (N,); empty bins are left out.

    >>> reliability([0.9, 0.7], [True, False], bins=2)
    [Bin(low=0.5, high=1.0, count=2, probability=0.8, right=0.5)]
    """
    probability, hit = np.asarray(probabilities, np.float64), np.asarray(right, np.float64)
    at = np.minimum((probability * bins).astype(int), bins - 1)
    found = []
    for place in range(bins):
        inside = at == place
        if inside.any():
            means = float(probability[inside].mean()), float(hit[inside].mean())
            found.append(Bin(place / bins, (place + 1) / bins, int(inside.sum()), *means))
    return found


def calibration_error(found: Sequence[Bin]) -> float:
    """Return the expected calibration error, 0 to 1: the gap between probability and share right, mean over answers.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    return sum(one.count * abs(one.probability - one.right) for one in found) / sum(one.count for one in found)


# --- The plot ---------------------------------------------------------------------------------------------------------

SIDE_PX = 320  # of the square
LEFT_PX, TOP_PX = 56, 40
COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626")


def plot_svg(curves: Mapping[str, Sequence[Bin]]) -> str:
    """Draw the share right against the probability, a curve a name; a dot is as large as its share of the answers."""
    width, height = LEFT_PX + SIDE_PX + 24, TOP_PX + SIDE_PX + 52 + 18 * len(curves)
    bottom = TOP_PX + SIDE_PX
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12" fill="#334155">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT_PX}" y="24" font-size="14">Share of right answers by the probability shown</text>',
    ]
    for tick in range(0, 11, 2):
        x, y = _point(tick / 10, tick / 10)
        lines += [
            f'<path d="M{x:.1f} {TOP_PX}V{bottom}M{LEFT_PX} {y:.1f}H{LEFT_PX + SIDE_PX}" stroke="#e2e8f0"/>',
            f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{tick * 10}</text>',
            f'<text x="{LEFT_PX - 8}" y="{y + 4:.1f}" text-anchor="end">{tick * 10}</text>',
        ]
    lines += [
        f'<path d="M{LEFT_PX} {bottom}L{LEFT_PX + SIDE_PX} {TOP_PX}" stroke="#94a3b8" stroke-dasharray="4 4"/>',
        f'<text x="{LEFT_PX + SIDE_PX / 2}" y="{bottom + 34}" text-anchor="middle">probability, %</text>',
        f'<text transform="translate(16 {TOP_PX + SIDE_PX / 2}) rotate(-90)" text-anchor="middle">right, %</text>',
    ]
    for place, (name, found) in enumerate(curves.items()):
        colour, total = COLOURS[place % len(COLOURS)], sum(one.count for one in found)
        points = [(*_point(one.probability, one.right), one.count / total) for one in found]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in points)
        lines.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for x, y, share in points:
            radius = 2.5 + 10 * share**0.5
            lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.5"/>')
        y_px, error = bottom + 54 + 18 * place, calibration_error(found)
        lines += [
            f'<circle cx="{LEFT_PX + 6}" cy="{y_px - 4}" r="5" fill="{colour}"/>',
            f'<text x="{LEFT_PX + 18}" y="{y_px}">{name}: expected calibration error {error:.3f}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _point(probability: float, right: float) -> tuple[float, float]:
    return LEFT_PX + SIDE_PX * probability, TOP_PX + SIDE_PX * (1 - right)
