"""Flat parts of a cloud: the largest plane, then the largest of what it leaves, and so on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from demos.point_clouds.cloud import F64, I32, Cloud
from demos.point_clouds.operations.convert import enough
from demos.point_clouds.operations.flat import hull_of, largest_plane, plane_axes
from demos.point_clouds.operations.operation import Changed, Context, Operation
from demos.point_clouds.shapes import Plane
from hub.errors import InvalidInput
from hub.options import choice, number

OUTLINE_POINTS = 20_000  # the outline is for the eye
REMOVE = "remove"


@dataclass(frozen=True)
class PlaneOptions:
    """How many planes, and how flat."""

    count: int = number(1, 1, 10, step=1, label="Planes at most", info="The largest first.")
    distance: float = number(
        0.0,
        0.0,
        1e6,
        step=0.001,
        label="Distance from the plane",
        info="How far a plane's points may be from it, in the cloud's unit; 0: from the noise of the plane itself.",
    )
    share: float = number(
        5.0, 0.1, 100.0, step=0.1, label="Smallest plane, % of the points", info="Search ends when none is larger."
    )
    iterations: int = number(2000, 100, 20_000, step=100, label="Tries", info="Small planes among much need more.")
    then: str = choice(
        "label", ("label", REMOVE), label="Their points are", info="Labelled, or removed, which leaves what is on them."
    )
    seed: int = number(0, 0, 1_000_000, step=1, label="Seed", info="Of the random tries.")


def planes_of(
    points: F64, count: int, distance: float, share: float, iterations: int, seed: int
) -> tuple[list[tuple[F64, float, float]], I32]:
    """Find the largest plane, then the largest of what it leaves, and so on.

    Args:
        points: (N, 3).
        count: planes at most.
        distance: how far a point may be from its plane; 0: from the plane's noise.
        share: of all points that a plane must hold.
        iterations: random planes tried for each.
        seed: of the tries.

    Returns:
        The normal, offset and distance of each plane, and the number of each point's plane (N,) int32, -1 for none.
    """
    labels = np.full(len(points), -1, np.int32)
    left = np.arange(len(points))
    found: list[tuple[F64, float, float]] = []
    while len(found) < count and len(left) >= max(3, share * len(points)):
        normal, offset, band = largest_plane(points[left], distance, iterations, seed)
        near = np.abs(points[left] @ normal + offset) <= band
        if near.sum() < max(3, share * len(points)):
            break
        labels[left[near]] = len(found)
        left = left[~near]
        found.append((normal, offset, band))
    return found, labels


def planes(cloud: Cloud, options: PlaneOptions, context: Context) -> Changed:
    """Find planes, and label or remove their points.

    Raises:
        InvalidInput: when there is no plane of that size, and when nothing would be left.
    """
    enough(cloud, 3, "a plane")
    arguments = (options.count, options.distance, options.share / 100, options.iterations, options.seed)
    found, labels = planes_of(cloud.points, *arguments)
    if not found:
        raise InvalidInput(
            f"No plane holds {options.share:g} % of the points.",
            "Allow a smaller plane, a larger distance from it, or more tries.",
        )
    shapes = tuple(shape_of(cloud.points[labels == k], *plane, k) for k, plane in enumerate(found))
    rows = [row_of(shape, cloud, cloud.points[labels == shape.label]) for shape in shapes]
    facts = {"planes": rows, "points on none": int((labels < 0).sum())}
    if options.then != REMOVE:
        return Changed(replace(cloud, labels=labels), facts, shapes)
    if not (labels < 0).any():
        raise InvalidInput("All points lie on the planes: removing them leaves nothing.", "Label them instead.")
    return Changed(cloud.subset(labels < 0), facts, shapes)


def shape_of(points: F64, normal: F64, offset: float, band: float, label: int) -> Plane:
    """Return a plane with the outline of its points (N, 3)."""
    axes = plane_axes(normal)
    some = points[:: max(1, len(points) // OUTLINE_POINTS)]
    flat = hull_of(some @ axes[:, :2])
    outline = np.column_stack([flat, np.full(len(flat), -offset)]) @ axes.T
    return Plane(normal, offset, outline, label, f"Plane {label + 1}", band)


def row_of(plane: Plane, cloud: Cloud, points: F64) -> dict[str, Any]:
    """Return what a table says of a plane: its equation ax + by + cz + d = 0 in the file's coordinates, and its fit."""
    away = points @ plane.normal + plane.offset
    a, b, c = (float(value) for value in plane.normal)
    return {
        "name": plane.name,
        "points": len(points),
        "share %": round(100 * len(points) / len(cloud), 2),
        "a": a,
        "b": b,
        "c": c,
        "d": float(plane.offset - plane.normal @ cloud.origin),
        "rmse": float(np.sqrt((away**2).mean())),
        "distance": plane.band,
        "tilt in degrees": math.degrees(math.acos(min(1.0, abs(c)))),
    }


def _code(options: PlaneOptions) -> list[str]:
    arguments = (options.count, options.distance, options.share / 100, options.iterations, options.seed)
    lines = [
        "points = cloud.point.positions.cpu().numpy()",
        f"planes, labels = planes_of(points, {', '.join(map(repr, arguments))})",
        "for normal, offset, distance in planes:",
        "    near = np.abs(points @ normal + offset) <= distance",
        '    print("plane", normal, offset - normal @ origin, f"{near.sum():,} points within {distance:.4g}")',
    ]
    if options.then == REMOVE:
        return [*lines, "cloud = cloud.select_by_mask(o3c.Tensor(labels < 0).to(device))"]
    return [*lines, 'cloud.point["labels"] = o3c.Tensor(labels[:, None]).to(device)']


DEFINITIONS = (planes_of,)
OPERATIONS = (
    Operation(
        key="planes",
        title="Planes",
        group="Segment",
        explanation=(
            "Lays planes through three random points again and again and keeps the one with the most points near it "
            "(RANSAC; Fischler and Bolles 1981), then fits it to those points by least squares. Its points are set "
            "aside and the next plane is sought in the rest. A larger distance forgives noise and bends, and swallows "
            "the feet of what stands on the plane; left at 0, it is six standard deviations of the plane's own noise. "
            "A plane has no end: two table tops at one height are one plane, points of other things that happen to lie "
            "on it belong to it too, and a bent floor may come as several. The tilt is between its normal and z."
        ),
        options=PlaneOptions,
        apply=planes,
        code=_code,
    ),
)
