"""From what a page or a client sends to a checked request: pictures, calibration, points, dimensions and options."""

from __future__ import annotations

from typing import Any

from demos.stereo.calibration import read_calibration
from demos.stereo.options import MatchOptions, MeasureRequest
from demos.stereo.points import parse_dimensions, parse_points
from hub import guard
from hub.errors import InvalidInput
from hub.options import checked, checked_text
from tabletop.pictures import scene_seed

MOST_CHARACTERS = 16_000  # of each text: 200 points with their partners need half of it
SIDES = ("left", "right")


def asked(
    limits: guard.Limits,
    *,
    left: Any = None,
    right: Any = None,
    calibration: Any = None,
    points: Any = None,
    dimensions: Any = None,
    **options: Any,
) -> MeasureRequest:
    """Build a request.

    Args:
        limits: of the pictures.
        left: the path of an uploaded picture, or None.
        right: likewise.
        calibration: text of any format that `read_calibration` reads.
        points: CSV or JSON text, or rows, as `parse_points` takes them.
        dimensions: "pt1-pt2, pt3-pt4", or as `parse_dimensions` takes them.
        options: values of `MatchOptions` by name.

    Raises:
        InvalidInput: says what is wrong with which of them.
    """
    chosen = checked(MatchOptions, options)
    taken = {side: read_picture(path, side, limits) for side, path in zip(SIDES, (left, right), strict=True) if path}
    notes = [f"{side} picture: {note}" for side, picture in taken.items() for note in picture.notes]
    images = {side: taken[side].image if side in taken else None for side in SIDES}
    size = None if images["left"] is None else images["left"].size
    text = bounded(calibration, "Calibration")
    if not text:
        raise InvalidInput(
            "There is no calibration.",
            "Type focal length, principal point and baseline under Calibration, or send a calibration file's text.",
        )
    read = read_calibration(text, size)
    rectified = read.calibration
    if read.rig is not None and chosen.unrectified == "rectify" and images["left"] and images["right"]:
        images["left"], images["right"], rectified = read.rig.rectify(images["left"], images["right"])
        notes.append("the pair was rectified with its calibration; points are pixels of the rectified pictures")
    marked = parse_points(bounded(points, "Points"))
    return MeasureRequest(
        left=images["left"],
        right=images["right"],
        calibration=rectified,
        points=marked,
        dimensions=parse_dimensions(bounded(dimensions, "Dimensions"), marked),
        options=chosen,
        notes=(*notes, *(note.rstrip(".") for note in read.notes)),
        scene_seed=scene_seed(taken["left"].text) if "left" in taken else None,
    )


def read_picture(path: Any, side: str, limits: guard.Limits) -> guard.Picture:
    """Read one picture of the pair, and say which one it is where it cannot be read."""
    try:
        return guard.picture(path, limits)
    except InvalidInput as error:
        raise InvalidInput(f"{side.capitalize()} picture: {error.cause}", error.action) from error


def bounded(value: Any, label: str) -> Any:
    """Refuse a text that is too long; what else it may be is for the readers of tables and calibrations to judge."""
    return checked_text(value, MOST_CHARACTERS, label) if isinstance(value, str) else value
