"""Tables of points and dimensions, in whatever shape a page, a client or a spreadsheet sends them, and out as CSV.

One table is taken as CSV text, JSON text, rows (lists, with or without a row of headers), records (dictionaries), or a
Gradio Dataframe's {"headers": [...], "data": [...]}. Columns are known by their headers: case, spaces and a trailing
unit do not matter, and columns that are not asked for (results of an earlier export, say) are passed over. Lines that
start with # are comments.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from demos.stereo.measurement import Dimension, MarkedPoint, MeasuredPoint
from hub.errors import InvalidInput

METRES = {"mm": 0.001, "cm": 0.01, "m": 1.0, "in": 0.0254, "relative": 1.0}  # the inch is exact; relative: up to scale

MOST_POINTS = 200
MOST_DIMENSIONS = 1000
MOST_CHARACTERS = 200_000  # of a table sent as text
GREATEST_PX = 1e6

NAME = re.compile(r"[\w][\w .()'-]{0,39}")  # starts like a word: a spreadsheet runs cells that start with = + - @
HEADERS = {
    "name": ("name", "point"),
    "u": ("u", "u_left"),
    "v": ("v", "v_left"),
    "u_right": ("u_right",),
    "v_right": ("v_right",),
    "partner": ("partner",),
    "start": ("start", "from"),
    "end": ("end", "to"),
}
COLUMN_OF = {header: column for column, headers in HEADERS.items() for header in headers}
UNIT = re.compile(r"[ _]*(\(.*\)|\[.*\]|_px| px)$")

Row = dict[str, Any]  # column of `HEADERS`: cell


def parse_points(payload: object) -> tuple[MarkedPoint, ...]:
    """Return the points of a table with the columns name, u, v and perhaps u_right and v_right, pixels.

    Without headers the columns are in this order, and the name may be left out where the first cell of two or four is
    a number. A missing name becomes pt1, pt2 and so on, by row. Empty rows are passed over; no table is no points. The
    right-hand columns of an export are a matcher's findings, not marks, wherever its column "partner" says so.

    Raises:
        InvalidInput: names the row: a name twice, a name that is no name, a cell that is not a finite number, a pixel
            that is missing, or more than 200 points.
    """
    rows = _table(payload, ("name", "u", "v", "u_right", "v_right"))
    if len(rows) > MOST_POINTS:
        raise InvalidInput(f"{len(rows):,} points are too many.", f"Send at most {MOST_POINTS}.")
    given = [_name(row.get("name"), number) for number, row in enumerate(rows, 1)]
    taken: set[str] = set()
    for number, name in enumerate(given, 1):
        if name in taken:
            raise InvalidInput(f"Row {number}: there is a point {name} already.", "Give every point its own name.")
        taken |= {name} - {""}
    points = []
    for number, (row, name) in enumerate(zip(rows, given, strict=True), 1):
        if not name:
            name = next(free for free in map("pt{}".format, itertools.count(number)) if free not in taken)
            taken.add(name)
        points.append(_point(row, name, number))
    return tuple(points)


def parse_dimensions(payload: object, points: Sequence[MarkedPoint]) -> tuple[tuple[str, str], ...]:
    """Return pairs of names of `points`: the distances asked for.

    They are written "pt1-pt2, pt3-pt4", or are a table with the columns from and to. Where nothing is said, points are
    paired as they come: first and second, third and fourth, and so on, as a class marks them. "none" means none.

    Raises:
        InvalidInput: names the pair: not two names, a name that no point has, a point with itself, or too many.
    """
    names = [point.name for point in points]
    if isinstance(payload, str) and payload.strip().lower() == "none":
        return ()
    rows = _table(payload, ())
    if not rows:
        return tuple(zip(names[::2], names[1::2], strict=False))  # a last point without a partner is in none
    pairs = [pair for number, row in enumerate(rows, 1) for pair in _pairs(row, names, number)]
    if len(pairs) > MOST_DIMENSIONS:
        raise InvalidInput(f"{len(pairs):,} dimensions are too many.", f"Ask for at most {MOST_DIMENSIONS:,}.")
    return tuple(pairs)


def points_csv(points: Iterable[MeasuredPoint], unit: str = "cm") -> str:
    """Write measured points as CSV, positions and their errors (one standard deviation) in `unit`, pixels in px.

    `parse_points` reads it back as the points that were marked. Columns of the truth are there where it is known.
    """
    points = list(points)
    axes = [f"{axis}_{unit}" for axis in "xyz"]
    header = ["name", "u_px", "v_px", "u_right_px", "v_right_px", "partner", "disparity_px", "disparity_error_px"]
    header += [*axes, *(f"{axis}_error_{unit}" for axis in "xyz")]
    with_truth = any(point.true_position_m is not None for point in points)
    header += [f"true_{axis}" for axis in axes] if with_truth else []
    lines = [[*header, "reason"]]
    for point in points:
        marked = point.marked
        by_hand = marked.u_right_px is not None
        there = (marked.u_right_px, marked.v_right_px) if by_hand else (point.u_right_px, point.v_right_px)
        lengths = [point.position_m, point.error_m, *([point.true_position_m] if with_truth else [])]
        lines.append(
            [marked.name, *(_exact(pixel) for pixel in (marked.u_px, marked.v_px, *there))]
            + ["hand" if by_hand else point.source, _rounded(point.disparity_px), _rounded(point.disparity_error_px)]
            + [_in_unit(value, unit) for length in lengths for value in ([None] * 3 if length is None else length)]
            + [point.reason]
        )
    return _csv(lines)


def dimensions_csv(dimensions: Iterable[Dimension], unit: str = "cm") -> str:
    """Write dimensions as CSV, distances and their errors (one standard deviation) in `unit`.

    `parse_dimensions` reads it back as the pairs that were asked for.
    """
    dimensions = list(dimensions)
    with_truth = any(dimension.true_distance_m is not None for dimension in dimensions)
    header = ["from", "to", f"distance_{unit}", f"error_{unit}", *([f"true_distance_{unit}"] if with_truth else [])]
    lines = [[*header, "reason"]]
    for dimension in dimensions:
        lengths = [dimension.distance_m, dimension.error_m, *([dimension.true_distance_m] if with_truth else [])]
        found = [_in_unit(length, unit) for length in lengths]
        lines.append([dimension.start, dimension.end, *found, dimension.reason])
    return _csv(lines)


# Reading: any table becomes rows of {column: cell}


def _table(payload: object, order: tuple[str, ...]) -> list[Row]:
    """Return the rows of a table that are not empty; without headers, cells are named by `order`, or "0", "1"..."""
    if hasattr(payload, "model_dump"):  # a Gradio component's own class
        payload = payload.model_dump()
    if isinstance(payload, str):
        payload = _from_text(payload)
    if payload is None:
        return []
    headers: list[object] | None = None
    if isinstance(payload, Mapping) and isinstance(payload.get("data"), list):
        headers = list(payload.get("headers") or []) or None
        payload = payload["data"]
    if isinstance(payload, list | tuple) and not order:
        payload = [[row] if isinstance(row, str) else row for row in payload]
    if not isinstance(payload, list | tuple) or not all(isinstance(row, list | tuple | Mapping) for row in payload):
        raise InvalidInput(
            f"The table is not one: {reprlib.repr(payload)}.", "Send CSV text, a list of rows, or a list of records."
        )
    filled = [row for row in payload if not _blank(row)]
    if headers is None and filled and not isinstance(filled[0], Mapping) and _are_headers(filled[0], order):
        headers = list(filled.pop(0))
    return [_row(row, headers, order) for row in filled]


def _from_text(text: str) -> object:
    """Read JSON or CSV (comma, semicolon or tab between cells) into rows."""
    if len(text) > MOST_CHARACTERS:
        raise InvalidInput(f"The table has {len(text):,} characters.", f"Send at most {MOST_CHARACTERS:,}.")
    text = text.lstrip("\ufeff").strip()
    if text.startswith(("[", "{")):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"The table is not JSON: {error}.", "Send JSON or CSV text.") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    delimiter = next((mark for mark in ";\t" if lines and mark in lines[0]), ",")
    try:
        return list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:
        raise InvalidInput(f"The table is not CSV: {error}.", "Send one row a line, commas between cells.") from error


def _blank(row: object) -> bool:
    cells = list(row.values()) if isinstance(row, Mapping) else list(row)  # type: ignore[call-overload]
    return all(_empty(cell) for cell in cells)


def _empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _column(header: object) -> str | None:
    """Return the column that a header names, or None."""
    clean = UNIT.sub("", str(header).strip().lower())
    return COLUMN_OF.get(clean.replace(" ", "_").replace("-", "_"))


def _are_headers(row: Sequence[object], order: tuple[str, ...]) -> bool:
    columns = {_column(cell) for cell in row if isinstance(cell, str)}
    return {"u", "v"} <= columns if order else {"start", "end"} <= columns


def _row(row: Sequence[object] | Mapping[object, object], headers: list[object] | None, order: tuple[str, ...]) -> Row:
    if isinstance(row, Mapping):
        named = [(_column(header), cell) for header, cell in row.items()]
    elif headers is not None:
        named = [(_column(header), cell) for header, cell in zip(headers, row, strict=False)]
    elif order:
        unnamed = len(row) in (2, 4) and _number(row[0]) is not None
        named = list(zip(order[1:] if unnamed else order, row, strict=False))
    else:
        return {str(place): cell for place, cell in enumerate(row) if not _empty(cell)}
    return {column: cell for column, cell in named if column is not None and not _empty(cell)}


# Checking what was read


def _name(cell: object, number: int) -> str:
    """Return a checked name, or "" where there is none."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    name = str(cell).strip() if isinstance(cell, str | int) else ""
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"Row {number}: {reprlib.repr(cell)} is no name for a point.",
            "Use up to 40 letters, digits, spaces and _ . - ( ) ', a letter or digit first.",
        )
    return name


def _number(cell: object) -> float | None:
    """Return a number of a table, or None for anything else; text may have a decimal comma."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    try:
        value = float(cell.strip().replace(",", ".") if isinstance(cell, str) else cell)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and abs(value) <= GREATEST_PX else None


def _point(row: Row, name: str, number: int) -> MarkedPoint:
    columns = ["u", "v"]
    if row.get("partner", "hand") == "hand":
        columns += [column for column in ("u_right", "v_right") if column in row]
    pixels: dict[str, float] = {}
    for column in columns:
        value = _number(row.get(column))
        if value is None:
            came = reprlib.repr(row[column]) if column in row else "nothing"
            raise InvalidInput(
                f"Row {number} ({name}): {column} should be a number of pixels, and is {came}.", "Correct the table."
            )
        pixels[f"{column}_px"] = value
    if "v_right_px" in pixels and "u_right_px" not in pixels:
        raise InvalidInput(f"Row {number} ({name}): v_right is there and u_right is missing.", "Give both, or neither.")
    return MarkedPoint(name, **pixels)


def _pairs(row: Row, names: list[str], number: int) -> list[tuple[str, str]]:
    """Return the pairs of a row: of its columns from and to, of two cells with names, or of cells like "pt1-pt2"."""
    if "start" in row or "end" in row:
        ends = [str(row.get(column, "")).strip() for column in ("start", "end")]
        return [_known_pair((ends[0], ends[1]), names, number)]
    cells = [str(cell).strip() for cell in row.values()]
    if len(cells) == 2 and all(cell in names for cell in cells):
        return [_known_pair((cells[0], cells[1]), names, number)]
    return [_known_pair(_split(cell, names, number), names, number) for cell in cells]


def _split(cell: str, names: list[str], number: int) -> tuple[str, str]:
    """Split "pt1-pt2" at the hyphen that leaves two known names: names may hold hyphens themselves."""
    cuts = [(cell[: cut.start()].strip(), cell[cut.end() :].strip()) for cut in re.finditer("[-–—→]", cell)]
    if not cuts:
        raise InvalidInput(f"Dimensions, row {number}: {reprlib.repr(cell)} is no pair.", 'Write it as "pt1-pt2".')
    return max(cuts, key=lambda pair: (pair[0] in names) + (pair[1] in names))


def _known_pair(pair: tuple[str, str], names: list[str], number: int) -> tuple[str, str]:
    for name in pair:
        if name not in names:
            there = f"Points are: {', '.join(names)}." if names else "Mark points first."
            raise InvalidInput(f"Dimensions, row {number}: there is no point {reprlib.repr(name)}.", there)
    if pair[0] == pair[1]:
        raise InvalidInput(f"Dimensions, row {number}: {pair[0]} with itself has no length.", "Name two points.")
    return pair


# Writing


def _exact(pixel: float | None) -> str:
    """Spell a pixel so that it reads back as the same number."""
    return "" if pixel is None else repr(float(pixel)).removesuffix(".0")


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _in_unit(length_m: float | None, unit: str) -> str:
    return _rounded(None if length_m is None else float(length_m) / METRES[unit])


def _csv(lines: Iterable[Iterable[object]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(lines)
    return written.getvalue()
