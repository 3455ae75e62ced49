"""Marked points between the page's table, its text and the pictures that are clicked: what a change does to the points.

The text (CSV: name, u, v and, where marked by hand, u_right, v_right) is what a run is given; the table is another view
of it. A row that is still being typed is in the table only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from demos.stereo.measurement import F64, MarkedPoint, MeasuredPoint, Measurement
from demos.stereo.options import MeasureRequest
from demos.stereo.points import parse_points
from hub.errors import InvalidInput

HEADERS = ["name", "u", "v", "u_right", "v_right"]
Row = list[Any]


def points_text(points: Iterable[MarkedPoint]) -> str:
    r"""Write points as CSV; "" for none.

    >>> points_text([MarkedPoint("pt1", 138, 219, 102, 219), MarkedPoint("tip", 20.5, 30)])
    'name,u,v,u_right,v_right\npt1,138,219,102,219\ntip,20.5,30,,'
    """
    return text_of_rows(rows_of(points))


def rows_of(points: Iterable[MarkedPoint]) -> list[Row]:
    """Return the rows of the table; None where nothing is marked."""
    return [[point.name, point.u_px, point.v_px, point.u_right_px, point.v_right_px] for point in points]


def text_of_rows(rows: Iterable[Row]) -> str:
    """Write the table's rows as CSV, without those that lack a pixel still."""
    lines = [",".join(map(_cell, row)) for row in rows if _cell(row[1]) and _cell(row[2])]
    return "\n".join([",".join(HEADERS), *lines]) if lines else ""


def changed(text: str, wish: Mapping[str, Any]) -> str:
    """Return the points after what was asked for in the picture.

    Args:
        text: the points so far.
        wish: {"do": "add", "u", "v"}, {"do": "partner", "name", "u", "v"} or {"do": "delete", "name"}.

    Raises:
        InvalidInput: when the text is no table of points, or the wish is none of these.
    """
    points = parse_points(text)
    match wish:
        case {"do": "add", "u": int() | float() as u, "v": int() | float() as v}:
            taken = {point.name for point in points}
            name = next(free for free in map("pt{}".format, itertools.count(1)) if free not in taken)
            return points_text((*points, MarkedPoint(name, float(u), float(v))))
        case {"do": "partner", "name": name, "u": int() | float() as u, "v": int() | float() as v}:
            corrected = (
                replace(point, u_right_px=float(u), v_right_px=float(v)) if point.name == name else point
                for point in points
            )
            return points_text(corrected)
        case {"do": "delete", "name": name}:
            return points_text(point for point in points if point.name != name)
    raise InvalidInput("The page asked for something unknown.", "Reload the page.")


def without_missing(dimensions: str, text: str) -> str:
    """Return the dimensions without those whose points are gone, so that deleting a point costs no error."""
    names = {point.name for point in parse_points(text)}
    pairs = [pair.strip() for pair in dimensions.replace("\n", ",").split(",") if pair.strip()]
    kept = [pair for pair in pairs if _ends_in(pair, names)]
    return dimensions if len(kept) == len(pairs) else ", ".join(kept)


def as_sent(measurement: Measurement, request: MeasureRequest) -> tuple[MeasuredPoint, ...]:
    """Return the measured points with the pixels of the pictures as they were sent, however those were changed."""
    if measurement.left is None or request.left is None:
        return measurement.points
    unchanged = measurement.left.size == request.left.size and measurement.homographies is None
    if unchanged:
        return measurement.points
    _, back = ways_back(measurement, request.left.size)
    return tuple(
        replace(_partner_at(point, back), marked=marked)
        for point, marked in zip(measurement.points, request.points, strict=True)
    )


def ways_back(measurement: Measurement, sent_px: tuple[int, int] | None) -> tuple[F64, F64]:
    """Return what takes pixels of the pictures as used back to those as sent: a (3, 3) homography for each camera.

    Args:
        measurement: its pictures may have been made smaller, then straightened.
        sent_px: width and height of the pictures as sent; None: as used.
    """
    enlarged = np.eye(3)
    if measurement.left is not None and sent_px is not None:
        across, down = sent_px[0] / measurement.left.width, sent_px[1] / measurement.left.height
        enlarged = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1.0]])
    if measurement.homographies is None:
        return enlarged, enlarged
    left, right = (enlarged @ np.linalg.inv(homography) for homography in measurement.homographies)
    return left / left[2, 2], right / right[2, 2]


def _partner_at(point: MeasuredPoint, back: F64) -> MeasuredPoint:
    if point.u_right_px is None or point.v_right_px is None:
        return point
    u, v, w = back @ (point.u_right_px, point.v_right_px, 1.0)
    return replace(point, u_right_px=float(u / w), v_right_px=float(v / w))


def _ends_in(pair: str, names: set[str]) -> bool:
    cuts = [(pair[:at].strip(), pair[at + 1 :].strip()) for at, mark in enumerate(pair) if mark in "-–—→"]
    return any(start in names and end in names for start, end in cuts)


def _cell(value: Any) -> str:
    """Spell a cell; a number as it reads back, nothing for what is missing or no number at all."""
    if isinstance(value, float):
        return "" if value != value else repr(value).removesuffix(".0")
    return "" if value is None else str(value).strip()
