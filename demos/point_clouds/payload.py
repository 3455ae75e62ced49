"""The data file that the viewer in the browser fetches: what it can draw smoothly of a cloud, in a few megabytes.

Little-endian: b"LCV1", the header's length in bytes as uint32, the header as JSON (padded with spaces to a multiple of
four bytes), then positions (N, 3) float32, colours (N, 4) uint8 RGBA and triangles (M, 3) uint32. Positions are
relative to the middle of the cloud's extents, so that float32 holds them to a ten-millionth of the cloud's size. Points
come in random order: any first part of them is an even choice. `assets/viewer/cloud.js` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.point_clouds.cloud import F64, I32, U8, Cloud
from demos.point_clouds.operations.colouring import viridis
from demos.point_clouds.shapes import Box, Plane, Shape

MAGIC = b"LCV1"
MOST_POINTS = 200_000  # drawn in 7 ms on one core of a laptop: see bench/viewers.py
MOST_FACES = 400_000  # of a mesh; a larger one is shown as points
SEED = 5  # of the choice of points: the same cloud looks the same
INNER = (0.005, 0.995)  # quantiles, on each axis, between which a cloud with far outliers is looked at first
MARGIN = 0.25  # of their span, to each side
FAR = 3.0  # times that span: what makes outliers far
FRAMED_POINTS = 50_000  # that the quantiles are taken of
PLAIN = np.array([186, 196, 210], np.uint8)  # a mesh without colours of its own


@dataclass(frozen=True, eq=False)
class View:
    """What of a cloud is shown.

    Attributes:
        points: (N, 3) float64, relative to `middle`.
        colours: (N, 3) uint8.
        triangles: (M, 3) int32; empty for a cloud.
        middle: (3,) float64, of what is looked at first, in the cloud's frame.
        by_height: whether the colours tell heights, as the cloud has none of its own.
        values: the scalars of these points, where the cloud has them.
    """

    points: F64
    colours: U8
    triangles: I32
    middle: F64
    by_height: bool
    values: F64 | None


def view_of(cloud: Cloud, up: str = "z") -> View:
    """Choose what is shown: the whole mesh where it is small enough, else at most `MOST_POINTS` points.

    Args:
        cloud: with at least one point.
        up: the axis that heights run along: "z", "y" or "-y".
    """
    middle = np.mean(looked_at(cloud), axis=0)
    triangles = np.zeros((0, 3), np.int32)
    if cloud.triangles is not None and 0 < len(cloud.triangles) <= MOST_FACES:
        used, corners = np.unique(cloud.triangles, return_inverse=True)
        chosen, triangles = used.astype(np.intp), corners.reshape(-1, 3).astype(np.int32)
    else:
        chosen = np.random.default_rng(SEED).permutation(len(cloud))[:MOST_POINTS]
    points = cloud.points[chosen] - middle
    by_height = cloud.colours is None and not len(triangles)
    if cloud.colours is not None:
        colours = cloud.colours[chosen]
    elif by_height:
        colours = viridis(heights(points, up))
    else:
        colours = np.broadcast_to(PLAIN, points.shape)
    values = None if cloud.values is None else cloud.values[chosen].astype(np.float64)
    return View(points, colours, triangles, middle, by_height, values)


def looked_at(cloud: Cloud) -> tuple[F64, F64]:
    """Return the lowest and the highest corner of what is looked at first: all, or without far outliers.

    A stereo pair's few wrong matches lie a hundred times farther off than what it shows.
    """
    low, high = (np.array([side(cloud.points[:, axis]) for axis in range(3)]) for side in (np.min, np.max))
    if cloud.triangles is not None:
        return low, high
    some = cloud.points[:: max(1, len(cloud) // FRAMED_POINTS)]
    first, last = np.quantile(some, INNER, axis=0)
    margin = MARGIN * (last - first).max()
    inner_low, inner_high = np.maximum(low, first - margin), np.minimum(high, last + margin)
    far = (high - low).max() > FAR * (inner_high - inner_low).max() > 0
    return (inner_low, inner_high) if far else (low, high)


def heights(points: F64, up: str) -> F64:
    """Return the coordinate that grows upwards, (N,)."""
    height: F64 = -points[:, 1] if up == "-y" else points[:, "xyz".index(up)]
    return height


def pack(cloud: Cloud, view: View, shapes: Sequence[Shape]) -> bytes:
    """Write the data file of a view."""
    low, high = looked_at(cloud)
    header = {
        "points": len(view.points),
        "triangles": len(view.triangles),
        "low": (low - view.middle).tolist(),
        "high": (high - view.middle).tolist(),
        "offset": (view.middle + cloud.origin).tolist(),  # added to a position, it gives the user's coordinates
        "unit": cloud.unit,
        "shapes": [drawn(shape, view.middle) for shape in shapes],
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    rgba = np.full((len(view.points), 4), 255, np.uint8)
    rgba[:, :3] = view.colours
    arrays = (view.points.astype("<f4"), rgba, view.triangles.astype("<u4"))
    return b"".join([MAGIC, len(text).to_bytes(4, "little"), text, *(array.tobytes() for array in arrays)])


def drawn(shape: Shape, middle: F64) -> dict[str, Any]:
    """Describe a shape in the viewer's frame; columns of a box's axes become rows."""
    if isinstance(shape, Box):
        return {
            "kind": "box",
            "centre": (shape.centre - middle).tolist(),
            "axes": shape.axes.T.tolist(),
            "size": shape.size.tolist(),
            "name": shape.name,
        }
    if isinstance(shape, Plane):
        return {"kind": "plane", "outline": (shape.outline - middle).tolist(), "name": shape.name}
    return {
        "kind": "segment",
        "start": (shape.start - middle).tolist(),
        "end": (shape.end - middle).tolist(),
        "name": shape.name,
    }
