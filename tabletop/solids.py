"""The geometry of the five solids: one unit shape each, scaled by the solid's width, turned and put on the table.

The one idea: everything is known in the *unit frame* of a shape (overall width 1, standing on z = 0, axis through the
origin), and a solid is a similarity of it. So meshes, normals and sample points are made once per shape and process.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tabletop.world import WIDTH_M, Solid

Float = NDArray[np.float64]

# In units of the solid's width. Chosen so that all five look equally big: the cube a little less than the width (its
# diagonal is what one sees), the torus a little more (it lies flat, and its hole has to show at 30 degrees).
CUBE_EDGE = 0.88
CYLINDER_HEIGHT = 0.95
CONE_HEIGHT = 1.15
TORUS_RADIUS = 0.45  # of the circle along the tube's middle
TUBE_RADIUS = 0.15

UNIT_HEIGHT = {
    "cube": CUBE_EDGE,
    "sphere": 1.0,
    "cylinder": CYLINDER_HEIGHT,
    "cone": CONE_HEIGHT,
    "torus": 2 * TUBE_RADIUS,
}
UNIT_FOOTPRINT = {
    "cube": CUBE_EDGE / math.sqrt(2),
    "sphere": 0.5,
    "cylinder": 0.5,
    "cone": 0.5,
    "torus": TORUS_RADIUS + TUBE_RADIUS,
}

AROUND = 192  # facets round the axis: at 1024 px a large solid is about 160 px wide, so a facet is under 3 px
UP = 96  # facets along a sphere's meridian or round a torus's tube
FACET_GAP = 0.5 * (1 - math.cos(math.pi / AROUND))  # how far a facet lies inside the round side it stands for
SURFACE_POINTS = 192  # per solid; the share of hidden surface is known to better than 1 %


def height_m(solid: Solid) -> float:
    """Return the height of the solid above the table, metres."""
    return UNIT_HEIGHT[solid.shape] * WIDTH_M[solid.size]


def footprint_radius_m(solid: Solid) -> float:
    """Return the radius of the smallest upright cylinder, about the solid's axis, that holds it, metres."""
    return UNIT_FOOTPRINT[solid.shape] * WIDTH_M[solid.size]


def pose(solid: Solid) -> tuple[Float, Float]:
    """Return (A, b) such that a unit-frame point p lies at A p + b in the world; A (3, 3), b (3,), metres."""
    scale = WIDTH_M[solid.size]
    cosine, sine = scale * math.cos(solid.yaw_rad), scale * math.sin(solid.yaw_rad)
    matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, scale]])
    return matrix, np.array([solid.x_m, solid.y_m, 0.0])


def surface(solid: Solid) -> tuple[Float, Float]:
    """Return points (N, 3), metres, spread evenly over the surface, and their unit normals (N, 3); world frame."""
    points, normals = unit_surface(solid.shape)
    matrix, offset = pose(solid)
    return points @ matrix.T + offset, normals @ (matrix.T / WIDTH_M[solid.size])


def bounding_rims(solid: Solid, points: int = 16) -> Float:
    """Return world points (2 * `points`, 3), metres, whose convex hull holds the solid: a prism round it."""
    angles = np.arange(points) * (2 * math.pi / points)
    radius = footprint_radius_m(solid) / math.cos(math.pi / points)  # the polygon goes round the circle
    rim = np.stack([solid.x_m + radius * np.cos(angles), solid.y_m + radius * np.sin(angles), np.zeros(points)], axis=1)
    return np.concatenate([rim, rim + np.array([0.0, 0.0, height_m(solid)])])


def unit_normals(shape: str, points: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the exact outward unit normals (N, 3) at `points` (N, 3) on, or very near, the surface; unit frame.

    A mesh's own normals are flat on each facet; these are what makes a sphere look round.
    """
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    normals = np.zeros_like(points)
    if shape == "cube":
        centred = points - np.array([0.0, 0.0, CUBE_EDGE / 2], dtype=points.dtype)
        axis = np.abs(centred).argmax(axis=1)[:, None]
        np.put_along_axis(normals, axis, np.sign(np.take_along_axis(centred, axis, axis=1)), axis=1)
        return normals
    if shape == "sphere":
        normals[:] = points
        normals[:, 2] -= 0.5
        return normals / np.linalg.norm(normals, axis=1, keepdims=True)

    from_axis = np.sqrt(x * x + y * y)
    outward = points[:, :2] / np.maximum(from_axis, 1e-9)[:, None]
    if shape == "torus":
        across, up = from_axis - TORUS_RADIUS, z - TUBE_RADIUS
        length = np.maximum(np.sqrt(across * across + up * up), 1e-9)
        normals[:, :2] = outward * (across / length)[:, None]
        normals[:, 2] = up / length
        return normals
    if shape == "cylinder":
        above, below, beside = CYLINDER_HEIGHT - z, z, 0.5 - from_axis
        flat = np.minimum(above, below) < beside - FACET_GAP
        normals[:, :2] = np.where(flat[:, None], 0.0, outward)
        normals[:, 2] = np.where(flat, np.where(above < below, 1.0, -1.0), 0.0)
        return normals
    if shape == "cone":
        slant = math.hypot(CONE_HEIGHT, 0.5)
        beside = (0.5 * (1 - z / CONE_HEIGHT) - from_axis) * (CONE_HEIGHT / slant)
        flat = z < beside - FACET_GAP
        normals[:, :2] = np.where(flat[:, None], 0.0, outward * (CONE_HEIGHT / slant))
        normals[:, 2] = np.where(flat, -1.0, 0.5 / slant)
        return normals
    raise ValueError(f"expected one of {sorted(UNIT_HEIGHT)}, got {shape!r}")


@cache
def unit_mesh(shape: str) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Return a closed mesh of the unit shape: vertices (V, 3), and faces (F, 3) counter-clockwise seen from outside."""
    if shape == "cube":
        half = CUBE_EDGE / 2
        corners = [(x, y, z) for z in (0.0, CUBE_EDGE) for y in (-half, half) for x in (-half, half)]
        quads = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
        halves = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
        return np.array(corners, dtype=np.float32), np.array(halves, dtype=np.uint32)
    profile = _profile(shape)
    angles = np.arange(AROUND) * (2 * math.pi / AROUND)
    radius, height = profile[:, :1], profile[:, 1:]
    vertices = np.stack([radius * np.cos(angles), radius * np.sin(angles), height + 0 * angles], axis=-1)
    row, column = np.meshgrid(np.arange(len(profile) - 1), np.arange(AROUND), indexing="ij")
    a, b = row * AROUND + column, row * AROUND + (column + 1) % AROUND
    faces = np.stack([a, b, b + AROUND, a, b + AROUND, a + AROUND], axis=-1).reshape(-1, 3)
    corners_of = vertices.reshape(-1, 3)[faces]
    area = np.linalg.norm(np.cross(corners_of[:, 1] - corners_of[:, 0], corners_of[:, 2] - corners_of[:, 0]), axis=1)
    faces = faces[area > 1e-12]  # a pole makes empty triangles
    return vertices.reshape(-1, 3).astype(np.float32), faces.astype(np.uint32)


def _profile(shape: str) -> Float:
    """Return the outline (N, 2) of a solid of revolution as (distance from the axis, height), from the bottom up."""
    if shape == "cylinder":
        return np.array([(0.0, 0.0), (0.5, 0.0), (0.5, CYLINDER_HEIGHT), (0.0, CYLINDER_HEIGHT)])
    if shape == "cone":
        return np.array([(0.0, 0.0), (0.5, 0.0), (0.0, CONE_HEIGHT)])
    if shape == "sphere":
        angles = np.linspace(-math.pi / 2, math.pi / 2, UP + 1)
        return np.stack([0.5 * np.cos(angles), 0.5 + 0.5 * np.sin(angles)], axis=1)
    if shape == "torus":
        angles = np.linspace(0, 2 * math.pi, UP + 1)
        return np.stack([TORUS_RADIUS + TUBE_RADIUS * np.cos(angles), TUBE_RADIUS * (1 + np.sin(angles))], axis=1)
    raise ValueError(f"expected one of {sorted(UNIT_HEIGHT)}, got {shape!r}")


@cache
def unit_surface(shape: str) -> tuple[Float, Float]:
    """Return `SURFACE_POINTS` points (N, 3) with equal shares of the unit shape's area, and their normals (N, 3).

    Source: the R2 low-discrepancy sequence (Roberts 2018, "The unreasonable effectiveness of quasirandom sequences"),
    laid over the mesh in proportion to the area of its triangles.
    """
    vertices, faces = unit_mesh(shape)
    corners = vertices[faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    share = (np.arange(SURFACE_POINTS) + 0.5) / SURFACE_POINTS
    chosen = corners[np.searchsorted(np.cumsum(area) / area.sum(), share)]
    index = np.arange(1, SURFACE_POINTS + 1)[:, None]
    weights = (index * np.array([0.7548776662466927, 0.5698402909980532])) % 1.0
    weights = np.where(weights.sum(axis=1, keepdims=True) > 1, 1 - weights, weights)
    first, second, third = chosen[:, 0], chosen[:, 1], chosen[:, 2]
    points = first + weights[:, :1] * (second - first) + weights[:, 1:] * (third - first)
    return points, unit_normals(shape, points).astype(np.float64)
