"""What one run on a cloud is asked: where the cloud comes from, what its numbers mean, and the steps to take."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from demos.point_clouds.cloud import UNITS
from hub.options import choice, number, text


@dataclass(frozen=True)
class ReadOptions:
    """How what was sent becomes points."""

    unit: str = choice(
        "as the file says",
        ("as the file says", *UNITS),
        label="Unit of the numbers",
        info="Most 3D files do not say; without a unit, lengths are plain numbers.",
    )
    sampling: str = choice(
        "vertices",
        ("vertices", "uniform", "Poisson disk"),
        label="Points of a mesh",
        info="Its vertices and faces as they are, or points sampled on its faces; Poisson disk spreads them evenly.",
    )
    samples: int = number(
        50_000, 100, 1_000_000, step=100, label="Points to sample", info="Poisson disk is slow above 100,000."
    )
    field_of_view_deg: float = number(
        55.0,
        5.0,
        150.0,
        step=0.5,
        label="Horizontal field of view of the camera, degrees",
        info="For a picture or a depth picture without intrinsics. A phone has 60 to 70; New scene's pictures have 34.",
    )
    intrinsics: str = text(
        "",
        2_000,
        label="Intrinsics",
        info="fx, fy, cx, cy in pixels, or JSON with those names; empty: from the field of view.",
        placeholder="525, 525, 319.5, 239.5",
    )
    depth_scale: float = number(
        1000.0, 0.001, 100_000.0, step=0.001, label="Depth units in a metre", info="1000 for depth in millimetres."
    )
    farthest_m: float = number(
        10.0, 0.1, 1000.0, step=0.1, label="Farthest depth kept, metres", info="What lies beyond is left out."
    )


@dataclass(frozen=True, eq=False)
class Source:
    """One file as it was sent; `digest` (SHA-256 of its bytes) is what results are remembered by."""

    path: Path
    name: str
    digest: bytes


@dataclass(frozen=True)
class Step:
    """One checked step: an operation's key and its options."""

    op: str
    options: Any

    def recorded(self) -> dict[str, Any]:
        """Return the step as the JSON of a pipeline."""
        return {"op": self.op, **asdict(self.options)}


@dataclass(frozen=True, eq=False)
class CloudRequest:
    """One checked request: exactly one of `file` and `picture` is given.

    Attributes:
        file: a 3D file.
        picture: a picture, for the models of the group "Single picture", or the colours of an RGB-D pair.
        depth: the depth picture of an RGB-D pair, (H, W) float32 in depth units, 0 or NaN where unknown.
        other: the second 3D file, for registration and comparison.
        options: how these become points.
        steps: what to do with the cloud, in order.
        notes: what was done to the input, to be shown with the result.
    """

    file: Source | None = None
    picture: Image.Image | None = None
    depth: Any = None
    other: Source | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()

    def batch_key(self) -> None:
        """Return None: every cloud is worked on alone."""

    def recorded(self) -> dict[str, Any]:
        """Return the options and steps, for the run record."""
        return {**asdict(self.options), "steps": [step.recorded() for step in self.steps]}
