"""The pair with its points: both pictures, what is marked in them, and the pair for red-cyan glasses."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np
from PIL import Image

from demos.stereo.lengths import Scale
from demos.stereo.measurement import MeasuredPoint, Measurement
from hub.pictures import data_uri, shrunk

SHOWN_PX = 900  # the longer side of a picture on the page
JPEG = {"quality": 88}
MARGIN_PX = 40  # round the points, where they are all there is
COLOURS = ("#e69f00", "#56b4e9", "#ff5ca8", "#f0e442", "#00c795", "#ff7043", "#b39ddb")  # on any picture, with a halo
BLANK_SHARE = 0.55  # frames without pictures stand below each other, about twice as wide
SHOWN_MATCHES = 300  # of a sparse method; more would hide the picture


def stage_html(measurement: Measurement, scale: Scale) -> str:
    """Draw both pictures with points, partners, dimensions and matches over them."""
    window = window_of(measurement)
    left = eye_html(measurement.left, window, list(left_marks(measurement, scale, window)), "left")
    right = ""
    if measurement.right is not None or measurement.left is None:
        right = eye_html(measurement.right, window, list(right_marks(measurement, window)), "right")
    if measurement.left is not None and measurement.right is not None:
        laid_over = data_uri(shrunk(anaglyph(measurement.left, measurement.right), SHOWN_PX), "JPEG", **JPEG)
        left = left.replace("<svg", f'<img class="stereo-anaglyph" alt="" src="{laid_over}"><svg', 1)
    hint = "Move over a picture for its epipolar line."
    if measurement.left is not None:
        hint += " Click the left picture to mark a point, the right one to correct the chosen point's partner."
    return f'<div class="stereo-stage">{left}{right}</div><p class="stereo-readout" data-hint="{hint}">{hint}</p>'


def window_of(measurement: Measurement) -> tuple[float, float, float, float]:
    """Return the part of the picture plane that is shown: u, v of its corner, width and height, pixels."""
    if measurement.left is not None:
        return -0.5, -0.5, float(measurement.left.width), float(measurement.left.height)
    pixels = [(point.marked.u_px, point.marked.v_px) for point in measurement.points]
    pixels += [(point.u_right_px, point.v_right_px or 0) for point in measurement.points if point.u_right_px]
    lowest, highest = np.min(pixels or [(0, 0)], axis=0), np.max(pixels or [(0, 0)], axis=0)
    (u, v), (width, height) = lowest - MARGIN_PX, highest - lowest + 2 * MARGIN_PX
    return float(u), float(v), float(width), float(height)


def eye_html(picture: Image.Image | None, window: tuple[float, float, float, float], marks: list[str], eye: str) -> str:
    """Draw one picture and what is marked in it; where there is none, an empty frame of the same shape."""
    u, v, width, height = window
    shown = ""
    if picture is not None:
        shown = f'<img alt="the {eye} picture" src="{data_uri(shrunk(picture, SHOWN_PX), "JPEG", **JPEG)}">'
    return (
        f'<figure class="stereo-eye" data-eye="{eye}"><div class="stereo-frame{"" if shown else " stereo-blank"}" '
        f'style="aspect-ratio: {width:g} / {height:g}">{shown}'
        f'<svg viewBox="{u:g} {v:g} {width:g} {height:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="points in the {eye} picture">{"".join(marks)}'
        f'<line class="stereo-epipolar" x1="{u:g}" x2="{u + width:g}" y1="0" y2="0"/></svg></div>'
        f"<figcaption>{eye.capitalize()}</figcaption></figure>"
    )


def drawing_size(measurement: Measurement, window: tuple[float, float, float, float]) -> float:
    """Return the width that marks and letters are in proportion to; empty frames are shown larger."""
    return window[2] * (BLANK_SHARE if measurement.left is None else 1.0)


def left_marks(measurement: Measurement, scale: Scale, window: tuple[float, float, float, float]) -> Iterator[str]:
    """Draw the left picture's matches, dimensions with their lengths, and points."""
    size = drawing_size(measurement, window)
    yield from match_marks(measurement, 0, size)
    places = {point.marked.name: shown_at(point, "left", measurement) for point in measurement.points}
    for line in measurement.dimensions:
        start, end = places.get(line.start), places.get(line.end)
        if start and end:
            yield line_mark(start, end)
            if line.distance_m is not None:
                middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
                below = middle[1] + size / 22  # points have their names above them
                yield text_mark(middle[0], below, scale.shown(line.distance_m), size, "#fff", "middle")
    for number, point in enumerate(measurement.points):
        yield point_mark(point.marked.name, number, places[point.marked.name], size, window)


def right_marks(measurement: Measurement, window: tuple[float, float, float, float]) -> Iterator[str]:
    """Draw the right picture's matches, dimensions and partners."""
    size = drawing_size(measurement, window)
    yield from match_marks(measurement, 2, size)
    places = {point.marked.name: shown_at(point, "right", measurement) for point in measurement.points}
    for line in measurement.dimensions:
        start, end = places.get(line.start), places.get(line.end)
        if start and end:
            yield line_mark(start, end)
    for number, point in enumerate(measurement.points):
        place = places[point.marked.name]
        if place is not None:
            yield point_mark(point.marked.name, number, place, size, window)


def shown_at(point: MeasuredPoint, eye: str, measurement: Measurement) -> tuple[float, float] | None:
    """Return where a point stands in one of the pictures as shown."""
    if eye == "left":
        return point.marked.u_px, point.marked.v_px
    if point.u_right_px is None:
        return None
    return point.u_right_px, point.marked.v_px if point.v_right_px is None else point.v_right_px


def match_marks(measurement: Measurement, column: int, size: float) -> Iterator[str]:
    """Draw matches of a sparse method as dots, the same colour in both pictures, the surest first."""
    if measurement.matches is None:
        return
    order = np.arange(len(measurement.matches))
    if measurement.match_scores is not None:
        order = np.argsort(-measurement.match_scores, kind="stable")
    for number in order[:SHOWN_MATCHES]:
        u, v = measurement.matches[number, column : column + 2]
        yield f'<circle class="stereo-match" cx="{u:.1f}" cy="{v:.1f}" r="{size / 160:.1f}" fill="{colour(number)}"/>'


def colour(number: int) -> str:
    """Return the colour of a point or match."""
    return COLOURS[int(number) % len(COLOURS)]


def point_mark(
    name: str,
    number: int,
    place: tuple[float, float] | None,
    size: float,
    window: tuple[float, float, float, float],
) -> str:
    """Draw a cross hair with the point's name, to its left near the picture's right edge."""
    if place is None:
        return ""
    u, v = place
    arm = size / 60
    left_of = u > window[0] + 0.85 * window[2]
    anchor = "end" if left_of else "start"
    above = v + 3.2 * arm if v < window[1] + 3 * arm else v - 1.2 * arm
    cross = f"M{u - arm:.2f} {v:.2f}H{u + arm:.2f}M{u:.2f} {v - arm:.2f}V{v + arm:.2f}"
    return (
        f'<g class="stereo-point" data-point="{number}"><path class="stereo-halo" d="{cross}"/>'
        f'<path d="{cross}" stroke="{colour(number)}"/>'
        f'<circle cx="{u:.2f}" cy="{v:.2f}" r="{arm * 1.5:.2f}" stroke="{colour(number)}"/>'
        f"{text_mark(u + (-arm if left_of else arm), above, name, size, colour(number), anchor)}</g>"
    )


def line_mark(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Draw a dimension's line."""
    ends = f'x1="{start[0]:.2f}" y1="{start[1]:.2f}" x2="{end[0]:.2f}" y2="{end[1]:.2f}"'
    return f'<line class="stereo-halo" {ends}/><line class="stereo-line" {ends}/>'


def text_mark(u: float, v: float, text: str, size: float, fill: str, anchor: str = "start") -> str:
    """Write in a picture, with a dark halo that keeps it readable on anything."""
    return (
        f'<text x="{u:.1f}" y="{v:.1f}" font-size="{size / 28:.1f}" fill="{fill}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def anaglyph(left: Image.Image, right: Image.Image) -> Image.Image:
    """Return the pair for red-cyan glasses: the left picture's brightness in red, the right one's in green and blue."""
    one, other = left.convert("L"), right.convert("L")
    return Image.merge("RGB", (one, other, other))
