"""The pair with its points: both pictures side by side, red-cyan or blinking, and the tables that belong to them.

Everything is one piece of HTML, so that choosing a point marks it in the pictures, in the tables and in its derivation;
`viewer` has the script that does so.
"""

from __future__ import annotations

import json
from html import escape

from demos.stereo.derive import derivation_html
from demos.stereo.lengths import Scale, with_error
from demos.stereo.marking import ways_back
from demos.stereo.measurement import Dimension, MeasuredPoint, Measurement
from demos.stereo.stage import colour, stage_html

# Who found a point's partner in the right picture.
PARTNERS = {
    "hand": "partner by hand",
    "dense": "partner: dense match",
    "template": "partner: patch match",
    "sparse": "partner: keypoint",
    "none": "no partner",
}


def viewer_html(measurement: Measurement, scale: Scale, run: str, sent_px: tuple[int, int] | None = None) -> str:
    """Draw the pair, the points, the dimensions, and where each number comes from.

    Args:
        measurement: what was found.
        scale: the unit of lengths.
        run: names the groups of radio buttons.
        sent_px: width and height of the pictures as they were sent, where they may have been made smaller: a click is
            told in their pixels.
    """
    left, right = (json.dumps(way.ravel().tolist()) for way in ways_back(measurement, sent_px))
    clickable = measurement.left is not None
    return (
        f'<div class="stereo" data-left="{left}" data-right="{right}" data-clickable="{clickable:d}">'
        f"{views_html(measurement, run)}{stage_html(measurement, scale)}"
        f"{points_html(measurement, scale, run)}{dimensions_html(measurement, scale)}"
        f"{derivations_html(measurement, scale)}</div>"
    )


def choice_html(name: str, group: str, titles: dict[str, str]) -> str:
    """Draw radio buttons; the first is chosen."""
    buttons = "".join(
        f'<label><input type="radio" name="{name}-{group}" value="{value}"{" checked" if not place else ""}>'
        f"<span>{escape(title)}</span></label>"
        for place, (value, title) in enumerate(titles.items())
    )
    return f'<div class="stereo-choice" role="radiogroup" aria-label="{name}">{buttons}</div>'


def views_html(measurement: Measurement, run: str) -> str:
    """Draw the choice of views, where there are two pictures."""
    if measurement.left is None or measurement.right is None:
        return ""
    return choice_html("view", run, {"pair": "Side by side", "anaglyph": "Red-cyan", "blink": "Blink"})


# The tables


def points_html(measurement: Measurement, scale: Scale, run: str) -> str:
    """List the points: pixels, disparity, place with its error, who found the partner."""
    if not measurement.points:
        return '<p class="stereo-empty">No points are marked yet.</p>'
    with_truth = any(point.true_position_m is not None for point in measurement.points)
    heads = ["", "u, v", "disparity", "x", "y", "z", *(["true z"] if with_truth else []), ""]
    units = ["", "px", "px", *[scale.unit] * (4 if with_truth else 3), ""]
    head = "".join(f"<th>{name}<small>{unit}</small></th>" for name, unit in zip(heads, units, strict=True))
    rows = "".join(point_row(point, number, scale, run, with_truth) for number, point in enumerate(measurement.points))
    return (
        '<div class="stereo-scroll"><table class="stereo-table stereo-points">'
        f"<caption>Points, ± one standard deviation</caption><tr>{head}</tr>{rows}</table></div>"
    )


def point_row(point: MeasuredPoint, number: int, scale: Scale, run: str, with_truth: bool) -> str:
    """Draw a point's row; a point without a place says why."""
    name = escape(point.marked.name)
    chosen = " checked" if number == 0 else ""
    cells = [
        f'<label><input type="radio" name="point-{run}" value="{number}"{chosen}>'
        f'<i style="background: {colour(number)}"></i>{name}</label><small>{PARTNERS[point.source]}</small>',
        f"{point.marked.u_px:.1f}<br>{point.marked.v_px:.1f}",
    ]
    if point.disparity_px is None:
        cells.append("")
    elif point.disparity_error_px is None:
        cells.append(f"{point.disparity_px:.2f}")
    else:
        cells.append(stacked(with_error(point.disparity_px, point.disparity_error_px)))
    labels = ("", "u, v", "disparity, px")
    row = "".join(labelled(label, cell) for label, cell in zip(labels, cells, strict=True))
    unit = f", {scale.unit}" if scale.unit else ""
    if point.position_m is None:
        row += f'<td colspan="3" class="stereo-reason">{escape(point.reason or "no partner")}</td>'
    else:
        errors = [None] * 3 if point.error_m is None else point.error_m
        row += "".join(
            labelled(f"{axis}{unit}", stacked(scale.number(float(length), None if error is None else float(error))))
            for axis, length, error in zip("xyz", point.position_m, errors, strict=True)
        )
    if with_truth:
        true = point.true_position_m
        row += labelled(f"true z{unit}", "" if true is None else scale.number(float(true[2])))
    delete = f'<button type="button" class="stereo-delete" data-name="{name}" aria-label="delete {name}">✕</button>'
    return f'<tr data-point="{number}">{row}<td>{delete}</td></tr>'


def labelled(label: str, cell: str) -> str:
    """Draw a cell that names its column where the table is too narrow for a head."""
    return f'<td data-label="{escape(label)}">{cell}</td>'


def stacked(text: str) -> str:
    """Put the error of a number below it."""
    value, sign, error = text.partition(" ± ")
    return f"{value}<small>± {error}</small>" if sign else value


def dimensions_html(measurement: Measurement, scale: Scale) -> str:
    """List the dimensions with their error bars, on one scale."""
    if not measurement.dimensions:
        return ""
    longest = max(((line.distance_m or 0) + (line.error_m or 0) for line in measurement.dimensions), default=0) or 1
    with_truth = any(line.true_distance_m is not None for line in measurement.dimensions)
    truth = f"<th>true<small>{scale.unit}</small></th><th>off by</th>" if with_truth else ""
    rows = "".join(dimension_row(line, scale, longest, with_truth) for line in measurement.dimensions)
    return (
        '<div class="stereo-scroll"><table class="stereo-table stereo-dimensions"><caption>Distances</caption>'
        f"<tr><th></th><th>distance<small>{scale.unit}</small></th><th></th>{truth}</tr>{rows}</table></div>"
    )


def dimension_row(line: Dimension, scale: Scale, longest_m: float, with_truth: bool) -> str:
    """Draw a dimension's row: its length, and a bar with a whisker of one standard deviation to either side."""
    name = f"{escape(line.start)} – {escape(line.end)}"
    if line.distance_m is None:
        return f'<tr><td>{name}</td><td colspan="{4 if with_truth else 2}">{escape(line.reason)}</td></tr>'
    error = line.error_m or 0.0
    percent = 100 / longest_m
    start, end = max(line.distance_m - error, 0) * percent, (line.distance_m + error) * percent
    bar = (
        f'<div class="stereo-bar"><i style="width: {line.distance_m * percent:.2f}%"></i>'
        f'<b style="left: {start:.2f}%; width: {end - start:.2f}%"></b></div>'
    )
    truth = ""
    if with_truth and line.true_distance_m:
        off = line.distance_m / line.true_distance_m - 1
        truth = f"<td>{scale.number(line.true_distance_m)}</td><td>{off:+z.1%}</td>"
    elif with_truth:
        truth = "<td></td><td></td>"
    return f"<tr><td>{name}</td><td>{scale.number(line.distance_m, line.error_m)}</td><td>{bar}</td>{truth}</tr>"


def derivations_html(measurement: Measurement, scale: Scale) -> str:
    """Draw where each point's numbers come from; the script shows the chosen point's."""
    return "".join(
        f'<section class="stereo-derivation" data-point="{number}"{" hidden" if number else ""}>'
        f"{derivation_html(point, measurement.calibration, scale)}</section>"
        for number, point in enumerate(measurement.points)
    )
