"""Draws what a step found by its shape: single values as rows, lists of things as tables, a transform as a matrix."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

DIGITS = 4  # significant: beyond what scans are good for, short enough to read from the back row
MATRIX_SIDE = 4
POWERS = {"surface": "²", "area": "²", "volume": "³"}
ACRONYMS = ("rmse", "rms", "icp")
TINY, NOTHING = 1e-4, 1e-5  # what is smaller is written with an exponent; or, in tables, as 0
UNIT_NAMES = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "in": "inches"}
MOST_ROWS = 60  # of a table on the page; the CSV has them all


def facts_html(facts: Mapping[str, Any], unit: str = "") -> str:
    """Draw facts by their shape, see `Changed.facts`; names of areas and volumes are given their unit."""
    facts = {with_unit(name, unit): value for name, value in facts.items()}
    single = {name: value for name, value in facts.items() if not is_table(value) and not is_matrix(value)}
    parts = [rows_html(single)] if single else []
    for name, value in facts.items():
        if is_table(value):
            parts.append(table_html(words(name), value))
        elif is_matrix(value):
            parts.append(matrix_html(words(name), value))
    return "".join(parts)


def is_table(value: Any) -> bool:
    """Tell whether a fact is a list of flat dictionaries, such as one of clusters."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)


def is_matrix(value: Any) -> bool:
    """Tell whether a fact is a 4 x 4 transform."""
    return (
        isinstance(value, list | tuple)
        and len(value) == MATRIX_SIDE
        and all(isinstance(row, list | tuple) and len(row) == MATRIX_SIDE for row in value)
    )


def with_unit(name: str, unit: str) -> str:
    """Add the unit to the name of an area or a volume.

    >>> with_unit("volume", "mm"), with_unit("fitness", "mm"), with_unit("surface", "")
    ('volume, mm³', 'fitness', 'surface')
    """
    power = next((power for start, power in POWERS.items() if name.startswith(start)), "")
    return f"{name}, {unit}{power}" if unit and power else name


def words(name: str) -> str:
    """Turn a key into words; symbols stay as they are.

    >>> words("distance_to_plane"), words("rmse"), words("d")
    ('Distance to plane', 'RMSE', 'd')
    """
    spelled = name.replace("_", " ").strip()
    if len(spelled) == 1:
        return spelled
    return spelled.upper() if spelled in ACRONYMS else spelled[:1].upper() + spelled[1:]


def shown(value: Any) -> str:
    """Spell a value for people.

    >>> shown(0.123456), shown(1234567), shown([1.0, 2.5, 3.25]), shown(True), shown(None)
    ('0.1235', '1,234,567', '1, 2.5, 3.25', 'yes', '–')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return ", ".join(shown(part) for part in without_dust(value))
    if isinstance(value, Mapping):
        return ", ".join(f"{words(str(name)).lower()} {shown(part)}" for name, part in value.items())
    return str(value)


def without_dust(values: Sequence[Any]) -> list[Any]:
    """Write 0 for numbers that are nothing beside the largest of them, such as rounding errors of a coordinate.

    >>> without_dust([0.45, -5.2e-07, 1.0]), without_dust([3e-7, 2e-7])
    ([0.45, 0.0, 1.0], [3e-07, 2e-07])
    """
    numbers = [abs(value) for value in values if isinstance(value, float) and math.isfinite(value)]
    least = TINY * max(numbers, default=0.0)
    return [0.0 if isinstance(value, float) and abs(value) < least else value for value in values]


def number(value: float) -> str:
    """Spell a real number with four significant digits, and never fewer than its whole part has.

    >>> number(0.001234567), number(1234567.8), number(2.0), number(3.2631e-05), number(float("inf"))
    ('0.001235', '1,234,568', '2', '3.3e-05', 'infinite')
    """
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    if abs(value) >= 10**DIGITS:
        return f"{value:,.0f}"
    if 0 < abs(value) < TINY:
        return f"{value:.1e}"
    return f"{value:.{DIGITS}g}"


def rows_html(facts: Mapping[str, Any]) -> str:
    """Draw single values, each in a row."""
    rows = "".join(
        f"<tr><th>{escape(words(name))}</th><td>{escape(shown(value))}</td></tr>" for name, value in facts.items()
    )
    return f'<table class="clouds-table clouds-rows">{rows}</table>'


def table_html(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw a list of things, a row each; a column for every key that any of them has."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{escape(words(name))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell(row.get(name)))}</td>" for name in columns) + "</tr>"
        for row in rows[:MOST_ROWS]
    )
    more = len(rows) - MOST_ROWS
    rest = f'<p class="clouds-more">and {more:,} more, in measurements.csv</p>' if more > 0 else ""
    return (
        f'<div class="clouds-scroll"><table class="clouds-table"><caption>{escape(title)}</caption>'
        f"<tr>{head}</tr>{body}</table></div>{rest}"
    )


def cell(value: Any) -> str:
    """Spell a value in a table, where an exponent would be hard to compare with what is above and below.

    >>> cell(-5.2e-07), cell(3.3e-05), cell(0.5)
    ('0', '0.00003', '0.5')
    """
    if isinstance(value, float) and 0 < abs(value) < TINY:
        return f"{value:.5f}" if abs(value) >= NOTHING else "0"
    return shown(value)


def matrix_html(title: str, rows: Sequence[Sequence[Any]]) -> str:
    """Draw a transform as the matrix it is."""
    body = "".join("<tr>" + "".join(f"<td>{escape(cell(value))}</td>" for value in row) + "</tr>" for row in rows)
    return (
        f'<div class="clouds-scroll"><table class="clouds-table clouds-matrix"><caption>{escape(title)}</caption>'
        f"{body}</table></div>"
    )
