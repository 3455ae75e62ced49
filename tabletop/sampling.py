"""Draw a scene from a seed: what stands on the table first, then where, until every rule of the world holds.

The combination (shapes, colours, sizes) is drawn before any position and kept through hundreds of tries, so that the
rules, which large solids break more often, do not quietly make the world small. NumPy only; no rendering.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tabletop.camera import project
from tabletop.solids import bounding_rims, footprint_radius_m, height_m, surface
from tabletop.world import COLOURS, MAX_SOLIDS, SHAPES, SIZES, TINTS, Camera, Light, Scene, Solid

Float = NDArray[np.float64]

COUNT_WEIGHTS = (0.25, 0.35, 0.25, 0.15)  # of one, two, three and four solids, when the caller names no count

# The camera: about an arm's length from the table's middle, looking down as someone seated does.
FOV_DEG = 34.0
DISTANCE_M = (0.80, 0.90)
ELEVATION_DEG = (26.0, 34.0)
AZIMUTH_DEG = 12.0  # either way; the world's y axis points away from the viewer only on average
TARGET_JITTER_M = 0.015

# The light: distant, from above, mostly from the viewer's side, to the left or to the right.
LIGHT_ELEVATION_DEG = (40.0, 56.0)
LIGHT_SIDE_DEG = (35.0, 95.0)  # away from the viewer's own direction

# The rules, in the camera's horizontal frame where they speak of left, right, front and behind.
DEPTH_RANGE_M = (-0.25, 0.23)  # of a solid's axis, from the target, away from the viewer
CLEAR_GAP_M = 0.015  # between the footprints of any two solids
SEPARATION_M = 0.045  # left-right or front-back, whichever is larger: a relation word is never a matter of taste
FRAME_MARGIN = 0.025  # of the picture's side, kept free all round
HIDDEN_SHARE = 0.5  # of a solid's visible side, against the others' bounding cylinders (so the true share is below)

TRIES_PER_SOLID = 40
TRIES_PER_COMBINATION = 40


def sample_scene(seed: int, count: int | None = None) -> Scene:
    """Return the scene of `seed`; the same seed (and count) always gives the same scene.

    Args:
        seed: any non-negative integer; `tabletop.world` says which ranges are for training, validation and test.
        count: how many solids, 1 to `MAX_SOLIDS`; None draws 1 to 4.

    Raises:
        ValueError: if `count` is out of range.
    """
    if count is not None and not 1 <= count <= MAX_SOLIDS:
        raise ValueError(f"expected a count from 1 to {MAX_SOLIDS}, got {count}")
    rng = np.random.default_rng(seed)
    if count is None:
        count = 1 + int(rng.choice(len(COUNT_WEIGHTS), p=COUNT_WEIGHTS))
    tint = TINTS[rng.integers(len(TINTS))]
    while True:
        kinds = _draw_kinds(rng, count)
        for _ in range(TRIES_PER_COMBINATION):
            camera, azimuth = _draw_camera(rng)
            solids = _place(rng, kinds, camera, azimuth)
            if solids is not None:
                return Scene(seed=seed, tint=tint, solids=solids, camera=camera, light=_draw_light(rng, azimuth))


def _draw_kinds(rng: np.random.Generator, count: int) -> list[tuple[str, str, str]]:
    """Draw `count` different (shape, colour, size), uniformly."""
    numbers = rng.choice(len(SHAPES) * len(COLOURS) * len(SIZES), size=count, replace=False)
    kinds = []
    for number in numbers:
        rest, size = divmod(int(number), len(SIZES))
        shape, colour = divmod(rest, len(COLOURS))
        kinds.append((SHAPES[shape], COLOURS[colour], SIZES[size]))
    return kinds


def _draw_camera(rng: np.random.Generator) -> tuple[Camera, float]:
    """Draw a camera; return it with its azimuth (radians; the viewer looks along (-sin, cos) of it)."""
    azimuth = math.radians(rng.uniform(-AZIMUTH_DEG, AZIMUTH_DEG))
    elevation = math.radians(rng.uniform(*ELEVATION_DEG))
    distance = rng.uniform(*DISTANCE_M)
    target_x, target_y = rng.uniform(-TARGET_JITTER_M, TARGET_JITTER_M, size=2)
    away = distance * math.cos(elevation)
    position = (
        float(target_x + away * math.sin(azimuth)),
        float(target_y - away * math.cos(azimuth)),
        float(distance * math.sin(elevation)),
    )
    return Camera(position_m=position, target_m=(float(target_x), float(target_y), 0.0), fov_deg=FOV_DEG), azimuth


def _draw_light(rng: np.random.Generator, azimuth: float) -> Light:
    """Draw a light to the left or to the right, mostly on the viewer's side of the table."""
    elevation = math.radians(rng.uniform(*LIGHT_ELEVATION_DEG))
    side = math.radians(rng.uniform(*LIGHT_SIDE_DEG)) * (1 if rng.random() < 0.5 else -1)
    flat = math.cos(elevation)
    direction = (flat * math.sin(azimuth + side), -flat * math.cos(azimuth + side), math.sin(elevation))
    return Light(direction=direction)


def _place(
    rng: np.random.Generator, kinds: list[tuple[str, str, str]], camera: Camera, azimuth: float
) -> tuple[Solid, ...] | None:
    """Put the solids down one after the other; None if one of them finds no place."""
    placed: list[Solid] = []
    for shape, colour, size in kinds:
        for _ in range(TRIES_PER_SOLID):
            x_m, y_m = _draw_position(rng, camera, azimuth)
            solid = Solid(shape, colour, size, x_m, y_m, yaw_rad=float(rng.uniform(0, 2 * math.pi)))
            if not all(_apart(solid, other, azimuth) for other in placed) or not _inside_frame(solid, camera):
                continue
            if max(hidden_shares([*placed, solid], camera)) > HIDDEN_SHARE:
                continue
            placed.append(solid)
            break
        else:
            return None
    return tuple(placed)


def _draw_position(rng: np.random.Generator, camera: Camera, azimuth: float) -> tuple[float, float]:
    """Draw a point of the table, uniform in depth and across the part of the table that the picture shows there."""
    behind = rng.uniform(*DEPTH_RANGE_M)
    distance = math.dist(camera.position_m, camera.target_m)
    elevation = math.asin(camera.position_m[2] / distance)
    half_width = (distance + behind * math.cos(elevation)) * math.tan(math.radians(camera.fov_deg) / 2)
    right = rng.uniform(-half_width, half_width)
    x_m = camera.target_m[0] + right * math.cos(azimuth) - behind * math.sin(azimuth)
    y_m = camera.target_m[1] + right * math.sin(azimuth) + behind * math.cos(azimuth)
    return float(x_m), float(y_m)


def _apart(solid: Solid, other: Solid, azimuth: float) -> bool:
    """Tell whether two solids leave a clear gap and stand clearly left-right or front-back of each other."""
    dx, dy = solid.x_m - other.x_m, solid.y_m - other.y_m
    if math.hypot(dx, dy) < footprint_radius_m(solid) + footprint_radius_m(other) + CLEAR_GAP_M:
        return False
    right = dx * math.cos(azimuth) + dy * math.sin(azimuth)
    behind = -dx * math.sin(azimuth) + dy * math.cos(azimuth)
    return max(abs(right), abs(behind)) >= SEPARATION_M


def _inside_frame(solid: Solid, camera: Camera) -> bool:
    """Tell whether the solid's bounding cylinder lies inside the picture, with the margin."""
    pixels, _ = project(camera, bounding_rims(solid), size=1)  # a one-pixel picture spans -0.5 to 0.5
    return bool(np.abs(pixels).max() <= 0.5 - FRAME_MARGIN)


def hidden_shares(solids: list[Solid], camera: Camera) -> list[float]:
    """Return, for each solid, the share (0 to 1) of its visible side that the others' bounding cylinders may hide.

    The visible side is counted by surface points facing the camera, weighted by how squarely they face it, which is
    the area they cover in the picture. Bounding cylinders hide more than the solids do, so the share is conservative.
    """
    position = np.asarray(camera.position_m)
    shares = []
    for solid in solids:
        points, normals = surface(solid)
        towards = position - points
        distance = np.sqrt(np.einsum("ij,ij->i", towards, towards))
        weight = np.maximum(np.einsum("ij,ij->i", towards, normals), 0.0) / distance**3
        hidden = np.zeros(len(points), dtype=bool)
        for other in solids:
            if other is not solid:
                hidden |= _passes_cylinder(points, towards, other)
        shares.append(float(weight[hidden].sum() / weight.sum()))
    return shares


def _passes_cylinder(points: Float, towards: Float, solid: Solid) -> NDArray[np.bool_]:
    """Tell which segments from `points` (N, 3) along `towards` (N, 3) cross the upright cylinder round `solid`."""
    x, y = points[:, 0] - solid.x_m, points[:, 1] - solid.y_m
    dx, dy, dz = towards[:, 0], towards[:, 1], towards[:, 2]
    a = dx * dx + dy * dy
    b = x * dx + y * dy
    discriminant = b * b - a * (x * x + y * y - footprint_radius_m(solid) ** 2)
    enters = (-b - np.sqrt(np.maximum(discriminant, 0.0))) / a
    # A segment climbs towards the camera, so it is lowest inside the cylinder where it enters it.
    return (discriminant > 0) & (enters > 0) & (enters < 1) & (points[:, 2] + enters * dz < height_m(solid))
