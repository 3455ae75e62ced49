"""Cutting a box out of a cloud."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.convert import from_tensor_cloud, to_tensor_cloud
from demos.point_clouds.operations.operation import Changed, Context, Operation
from hub.errors import InvalidInput
from hub.options import choice, number

UNBOUNDED = 1e9  # a bound this far out is none


def _bound(default: float, name: str) -> Any:
    return number(default, -UNBOUNDED, UNBOUNDED, step=0.001, label=name)


@dataclass(frozen=True)
class CropOptions:
    """A box along the axes, in the file's coordinates."""

    x_min: float = _bound(-UNBOUNDED, "x from")
    x_max: float = _bound(UNBOUNDED, "x to")
    y_min: float = _bound(-UNBOUNDED, "y from")
    y_max: float = _bound(UNBOUNDED, "y to")
    z_min: float = _bound(-UNBOUNDED, "z from")
    z_max: float = _bound(UNBOUNDED, "z to")
    keep: str = choice("inside", ("inside", "outside"), label="Keep", info="The points inside the box, or the others.")

    @property
    def lower(self) -> list[float]:
        """Return the corner with the least coordinates, -inf where there is no bound."""
        return [-math.inf if bound == -UNBOUNDED else bound for bound in (self.x_min, self.y_min, self.z_min)]

    @property
    def upper(self) -> list[float]:
        """Return the corner with the greatest coordinates, inf where there is no bound."""
        return [math.inf if bound == UNBOUNDED else bound for bound in (self.x_max, self.y_max, self.z_max)]


def crop(cloud: Cloud, options: CropOptions, context: Context) -> Changed:
    """Keep what is inside, or outside, of the box.

    Raises:
        InvalidInput: for an empty box, and when no point is kept.
    """
    import open3d as o3d

    for axis, low, high in zip("xyz", options.lower, options.upper, strict=True):
        if low > high:
            raise InvalidInput(f"The box from {axis} = {low:g} to {high:g} is empty.", "Swap the two numbers.")
    lower, upper = (o3d.core.Tensor(corner - cloud.origin) for corner in (options.lower, options.upper))
    box = o3d.t.geometry.AxisAlignedBoundingBox(lower, upper).to(o3d.core.Device(context.device))
    kept = to_tensor_cloud(cloud, context.device).crop(box, invert=options.keep == "outside")
    if kept.is_empty():
        raise InvalidInput(f"Crop keeps no point: the cloud spans {spans(cloud)}.", "Choose another box.")
    return Changed(from_tensor_cloud(kept, cloud))


def spans(cloud: Cloud) -> str:
    """Spell where a cloud lies, in the file's coordinates."""
    low, high = cloud.points.min(axis=0) + cloud.origin, cloud.points.max(axis=0) + cloud.origin
    return ", ".join(f"{axis} {a:.6g} to {b:.6g}" for axis, a, b in zip("xyz", low, high, strict=True))


def _code(options: CropOptions) -> list[str]:
    inverted = ", invert=True" if options.keep == "outside" else ""
    lower, upper = (str(corner).replace("inf", "np.inf") for corner in (options.lower, options.upper))
    return [
        f"lower, upper = o3c.Tensor({lower} - origin), o3c.Tensor({upper} - origin)",
        f"cloud = cloud.crop(o3d.t.geometry.AxisAlignedBoundingBox(lower, upper).to(device){inverted})",
    ]


OPERATIONS = (
    Operation(
        key="crop",
        title="Crop",
        group="Clean",
        explanation=(
            "Keeps the points inside a box whose edges run along the axes, or those outside. The bounds are in the "
            "coordinates of the file; a bound of plus or minus 1e9 is none, so cutting off a floor takes 'z from' "
            "only. Cropping first is the cheapest way to make every later step faster. A mesh is cropped to its "
            "vertices."
        ),
        options=CropOptions,
        apply=crop,
        code=_code,
    ),
)
