"""A chart of HTML and SVG: the plot stretches with the page, letters and numbers stand beside it as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

POINTS = 1000  # of a line; more are joined, the highest and the lowest counting
AT_END = 0.02
Numbers = NDArray[np.floating[Any]]


def chart_html(
    inside: str, *, kind: str, described: str, x: Mapping[float, str], y: Mapping[float, str], caption: str
) -> str:
    """Draw a chart.

    Args:
        inside: what is in the plot: SVG whose places are in thousandths of its width and height, or a picture.
        kind: names its CSS class.
        described: what is to be seen, for those who cannot see it.
        x: labels of the horizontal axis by place, 0 (left) to 1.
        y: labels of the vertical axis by place, 0 (bottom) to 1.
        caption: what is drawn, and the unit of the vertical axis where its labels have none.
    """
    columns = "".join(
        f'<span style="left:{place:.2%};--at:{at_end(place)}">{escape(label)}</span>' for place, label in x.items()
    )
    rows = "".join(
        f'<span style="bottom:{place:.2%};--at:{at_end(place)}">{escape(label)}</span>' for place, label in y.items()
    )
    lines = "".join(f'<i style="bottom:{place:.2%}"></i>' for place in y)
    return (
        f'<figure class="keywords-chart keywords-chart-{kind}"><figcaption>{escape(caption)}</figcaption>'
        f'<div class="keywords-rows-of" aria-hidden="true">{rows}</div>'
        f'<div class="keywords-area" role="img" aria-label="{escape(described)}">{lines}{inside}</div>'
        f'<div class="keywords-columns-of" aria-hidden="true">{columns}</div></figure>'
    )


def at_end(place: float) -> float:
    """Return which part of a label stands at its place: the middle, but at an end of the axis the label's own end."""
    return round(place) if min(place, 1 - place) < AT_END else 0.5


def svg(*parts: str) -> str:
    """Return SVG that fills the plot, a thousand units wide and high."""
    return f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">{"".join(parts)}</svg>'


def line(x: Numbers, y: Numbers, kind: str) -> str:
    """Draw a line through places (n,), 0 to 1; where there are many, through the lowest and highest of each column."""
    if len(x) > POINTS:
        edges = np.linspace(0, len(x), POINTS // 2, endpoint=False).astype(int)
        x = np.repeat(x[edges], 2)
        y = np.stack([np.minimum.reduceat(y, edges), np.maximum.reduceat(y, edges)], axis=1).ravel()
    return f'<polyline class="keywords-{kind}" points="{places(x, y)}"/>'


def area(x: Numbers, y: Numbers, kind: str) -> str:
    """Fill what is below a line through places (n,), 0 to 1."""
    x, y = np.concatenate([x[:1], x, x[-1:]]), np.concatenate([[0.0], y, [0.0]])
    return f'<polygon class="keywords-{kind}" points="{places(x, y)}"/>'


def places(x: Numbers, y: Numbers) -> str:
    """Spell places (n,), 0 to 1, as SVG points; y upwards."""
    across, down = (1000 * x).tolist(), (1000 * (1 - y)).tolist()
    return " ".join(f"{left:.1f},{top:.1f}" for left, top in zip(across, down, strict=True))


def ticks(values: Sequence[float], low: float, high: float, unit: str = "") -> dict[float, str]:
    """Label values on an axis from `low` to `high`.

    >>> ticks([0, 50], 0, 100, " dB")
    {0.0: '0 dB', 0.5: '50 dB'}
    """
    return {(value - low) / (high - low): f"{value:g}{unit}".replace("-", "−") for value in values}
