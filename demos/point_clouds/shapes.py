"""What an operation finds in a cloud and the viewer draws with it: boxes, planes and lengths."""

from __future__ import annotations

from dataclasses import dataclass

from demos.point_clouds.cloud import F64


@dataclass(frozen=True, eq=False)
class Box:
    """A box that lies as its contents do.

    Attributes:
        centre: (3,) in the cloud's unit, its origin subtracted, as its points.
        axes: (3, 3), the columns are the unit directions of its edges.
        size: (3,) lengths of the edges along those axes.
        label: the cluster it holds (see `Cloud.labels`), -1 for the whole cloud.
        name: what people call it.
    """

    centre: F64
    axes: F64
    size: F64
    label: int
    name: str


@dataclass(frozen=True, eq=False)
class Plane:
    """The plane of all p with normal . p + offset = 0.

    Attributes:
        normal: (3,) unit vector.
        offset: in the cloud's unit, for points with the cloud's origin subtracted.
        outline: (K, 3) corners of the part that was found, in order round it.
        label: the label its points got (see `Cloud.labels`).
        name: what people call it.
        band: points closer to it than this were taken for its own; in the cloud's unit.
    """

    normal: F64
    offset: float
    outline: F64
    label: int
    name: str
    band: float = 0.0


@dataclass(frozen=True, eq=False)
class Segment:
    """The straight line between two points, (3,) each, in the cloud's unit, its origin subtracted."""

    start: F64
    end: F64
    name: str


Shape = Box | Plane | Segment
