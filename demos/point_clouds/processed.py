"""What a run on a cloud gives: the cloud as it is after all steps, what each step did, and what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.point_clouds.cloud import F32, Cloud
from demos.point_clouds.options import Step
from demos.point_clouds.shapes import Box, Plane, Segment, Shape

if TYPE_CHECKING:
    from demos.point_clouds.facts import FileFacts
    from demos.point_clouds.truth import TruthReport


@dataclass(frozen=True)
class Size:
    """How many points, and triangles between them."""

    points: int
    triangles: int = 0

    @classmethod
    def of(cls, cloud: Cloud) -> Size:
        """Return the size of a cloud."""
        return cls(len(cloud), 0 if cloud.triangles is None else len(cloud.triangles))


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    Attributes:
        step: the operation and its options.
        title: of the operation.
        before: points before the step.
        after: points after it.
        faces_before: triangles before the step.
        faces_after: triangles after it.
        seconds: it took; where it is remembered, those it took when it ran.
        facts: what it found, in the shapes of `Changed.facts`.
        notes: what a user must know of it.
        remembered: whether it was done in an earlier run, and cost nothing in this one.
    """

    step: Step
    title: str
    before: int
    after: int
    faces_before: int
    faces_after: int
    seconds: float
    facts: dict[str, Any]
    notes: tuple[str, ...]
    remembered: bool


@dataclass(frozen=True, eq=False)
class Processed:
    """A cloud after all steps.

    Attributes:
        cloud: as it is now.
        history: a report of each step.
        shapes: what the steps found that still holds, in the cloud's frame.
        loaded: the size before the first step.
        facts: what the file holds; None for a cloud of pictures.
        picture_facts: of a cloud of pictures: what was found out about the camera and the depth.
        depth_m: (H, W) float32 depth of a picture, metres; None for a file.
        notes: what was done to the input, then what a user must know of the steps.
        script: plain Open3D code that repeats it all.
        read_s: seconds of reading, or of estimating depth.
        truth: what is true of a New scene beside what was found; None for any other cloud.
    """

    cloud: Cloud
    history: tuple[StepReport, ...]
    shapes: tuple[Shape, ...]
    loaded: Size
    facts: FileFacts | None
    picture_facts: dict[str, Any]
    depth_m: F32 | None
    notes: tuple[str, ...]
    script: str
    read_s: float
    truth: TruthReport | None


def measurements(result: Processed) -> dict[str, Any]:
    """Return what was counted and measured as plain JSON; coordinates are the file's, lengths in its unit."""
    low, high = result.cloud.points.min(axis=0), result.cloud.points.max(axis=0)
    origin = result.cloud.origin
    return {
        "unit": result.cloud.unit or None,
        "points_loaded": result.loaded.points,
        "triangles_loaded": result.loaded.triangles,
        "points": len(result.cloud),
        "triangles": Size.of(result.cloud).triangles,
        "extent": {
            "min": _numbers(low + origin),
            "max": _numbers(high + origin),
            "size": _numbers(high - low),
        },
        "steps": [_step(report) for report in result.history],
        "shapes": [_shape(shape, origin) for shape in result.shapes],
        "read_s": round(result.read_s, 4),
    }


def _step(report: StepReport) -> dict[str, Any]:
    return {
        "op": report.step.op,
        "options": report.step.recorded(),
        "points_before": report.before,
        "points_after": report.after,
        "triangles_before": report.faces_before,
        "triangles_after": report.faces_after,
        "seconds": round(report.seconds, 4),
        "remembered": report.remembered,
        "found": report.facts,
    }


def _shape(shape: Shape, origin: np.ndarray) -> dict[str, Any]:
    if isinstance(shape, Box):
        return {
            "kind": "box",
            "name": shape.name,
            "label": shape.label,
            "centre": _numbers(shape.centre + origin),
            "size": _numbers(shape.size),
            "axes": [_numbers(axis) for axis in shape.axes.T],
        }
    if isinstance(shape, Plane):
        return {
            "kind": "plane",
            "name": shape.name,
            "label": shape.label,
            "normal": _numbers(shape.normal),
            "offset": float(shape.offset - shape.normal @ origin),
        }
    assert isinstance(shape, Segment)
    start, end = shape.start + origin, shape.end + origin
    length = float(np.linalg.norm(end - start))
    return {"kind": "segment", "name": shape.name, "start": _numbers(start), "end": _numbers(end), "length": length}


def _numbers(vector: np.ndarray) -> list[float]:
    return [float(value) for value in vector]
