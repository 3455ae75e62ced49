"""What a file held, as it is shown with the cloud."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileFacts:
    """What was found in a file, before any step.

    Attributes:
        format: its name, such as "PLY".
        encoding: how its numbers are stored, such as "ascii"; "" where the format has one way only.
        points: that were read.
        faces: triangles; polygons were split.
        colours: whether the points have colours.
        normals: whether the points have normals.
        unit: what the file or its format says, a key of `cloud.UNITS`; "" where they say nothing.
        extent: lengths of the box along the axes, (x, y, z), in the file's numbers.
        dropped: what the file holds besides and is not kept, such as "intensity".
        comments: what people and programs wrote into it.
        bytes: size of the file.
    """

    format: str
    encoding: str
    points: int
    faces: int
    colours: bool
    normals: bool
    unit: str
    extent: tuple[float, float, float]
    dropped: tuple[str, ...]
    comments: tuple[str, ...]
    bytes: int
