"""What an operation is: options, a function on a cloud, and the lines of plain Open3D that do the same.

A pipeline is a list of steps, as JSON: [{"op": "voxel", "size": 0.01}, {"op": "normals"}]. The same declaration draws
an operation's controls, checks what the API is sent, computes, and writes the script, so that they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.shapes import Shape
from hub.errors import InvalidInput


def no_second_cloud() -> Cloud:
    """Refuse: the operation needs a second cloud and none was sent.

    Raises:
        InvalidInput: always.
    """
    raise InvalidInput("This step needs a second cloud.", "Send a second file, or remove the step.")


@dataclass(frozen=True)
class Context:
    """What an operation may use besides its cloud.

    Attributes:
        device: where Open3D's tensor API computes, "CPU:0" or "CUDA:0".
        other: reads the second cloud, in the first one's frame (its origin subtracted), unit as it came.
        shapes: what earlier steps found that still holds; clusters stand their boxes on the plane found before.
        check: raises `Cancelled` when nobody wants the result any more: call it between long parts.
    """

    device: str = "CPU:0"
    other: Callable[[], Cloud] = no_second_cloud
    shapes: tuple[Shape, ...] = ()
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True, eq=False)
class Changed:
    """What an operation made of a cloud.

    Attributes:
        cloud: the cloud, or mesh, as it is now.
        facts: what was found, as plain JSON values with lengths in the cloud's unit: {"fitness": 0.98, ...}; tables
            are lists of flat dictionaries. The page shows them as they are named, underscores as spaces.
        shapes: what to draw with the cloud.
        notes: what a user must know, as sentences.
    """

    cloud: Cloud
    facts: dict[str, Any] = field(default_factory=dict)
    shapes: tuple[Shape, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """One thing that can be done to a cloud.

    Attributes:
        key: what a step names it by, such as "voxel".
        title: what people call it.
        group: the heading it stands under: "Clean", "Thin out", "Normals and colours", "Segment", "Surface",
            "Register and compare" or "Measure".
        explanation: one paragraph, plain text: what it does, how, what each option trades, and the source.
        options: a frozen dataclass declared with `hub.options`; one without fields where there is nothing to choose.
        apply: does it; raises `InvalidInput` where the cloud does not allow it, saying what to do.
        code: the lines of a plain Open3D script that do the same: see `script`.
        changes: whether the cloud itself changes; False for what only measures or finds shapes.
    """

    key: str
    title: str
    group: str
    explanation: str
    options: type[Any]
    apply: Callable[[Cloud, Any, Context], Changed]
    code: Callable[[Any], list[str]]
    changes: bool = True


@dataclass(frozen=True)
class NoOptions:
    """For an operation with nothing to choose."""
