"""What rays meet: the geometry under a picture, with Open3D's ray caster for the solids and formulas for table and sky.

The one idea: nothing is built per scene. Each unit shape is a ray-casting scene made once per process, and the *rays*
are moved into a solid's unit frame, only those of the pixels that its bounding box covers. There the direction shrinks
or grows with everything else, so distances along a ray stay what they were.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabletop.camera import intrinsics, project, world_to_camera
from tabletop.solids import bounding_rims, unit_mesh, unit_normals
from tabletop.world import WIDTH_M, Camera, Scene, Solid

F32 = NDArray[np.float32]
Indices = tuple[NDArray[np.intp], ...]  # rows and columns of chosen samples, as np.nonzero gives them

SKY, TABLE = -1, 0  # instance ids; solids count from 1
TABLE_RADIUS_M = 0.62  # a round table: its far edge is the horizon, whichever way the camera turns


@dataclass(frozen=True)
class Hits:
    """What the rays through an (N, N) grid of samples meet.

    Attributes:
        rays: (3, N, N) float32, directions in world axes, one metre long along the optical axis.
        depth_m: (N, N) float32, distance along the optical axis, metres; inf for the sky.
        ids: (N, N) int16; `SKY`, `TABLE`, or k + 1 for `scene.solids[k]`.
    """

    rays: F32
    depth_m: F32
    ids: NDArray[np.int16]


def trace(scene: Scene, size: int) -> Hits:
    """Send one ray through the centre of each pixel of a `size` x `size` picture."""
    rays = camera_rays(scene.camera, size)
    origin = np.array(scene.camera.position_m, dtype=np.float32)
    depth, x, y = meet_table_plane(origin, rays)
    on_table = (rays[2] < 0) & (x * x + y * y < TABLE_RADIUS_M**2)
    depth = np.where(on_table, depth, np.float32(np.inf))
    ids = np.where(on_table, np.int16(TABLE), np.int16(SKY))
    for number, solid in enumerate(scene.solids, start=1):
        rows, columns = window(scene.camera, bounding_rims(solid), size)
        hit = distance(solid, origin, rays[:, rows, columns])
        nearer = hit < depth[rows, columns]
        depth[rows, columns] = np.where(nearer, hit, depth[rows, columns])
        ids[rows, columns] = np.where(nearer, np.int16(number), ids[rows, columns])
    return Hits(rays, depth, ids)


def camera_rays(camera: Camera, size: int) -> F32:
    """Return the ray directions (3, `size`, `size`) in world axes, scaled to reach one metre along the optical axis."""
    matrix = intrinsics(camera, size)
    across = ((np.arange(size) - matrix[0, 2]) / matrix[0, 0]).astype(np.float32)[None, :]
    right, down, forward = world_to_camera(camera)[:3, :3].astype(np.float32)
    rays = np.empty((3, size, size), dtype=np.float32)
    for axis in range(3):
        np.add(across * right[axis], across.T * down[axis] + forward[axis], out=rays[axis])
    return rays


def meet_table_plane(origin: F32, rays: F32) -> tuple[F32, F32, F32]:
    """Return depth, x and y (each N, N; metres) where rays (3, N, N) from `origin` (3,) cross the plane z = 0.

    A ray that climbs crosses it behind the camera: its depth is negative, or infinite.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = -origin[2] / rays[2]
        return depth, origin[0] + depth * rays[0], origin[1] + depth * rays[1]


def window(camera: Camera, points_m: NDArray[np.float64], size: int) -> tuple[slice, slice]:
    """Return the rows and columns of a `size` x `size` picture that hold the convex hull of world points (N, 3)."""
    pixels, _ = project(camera, points_m, size)
    low = np.clip(np.floor(pixels.min(axis=0)), 0, size).astype(int)
    high = np.clip(np.ceil(pixels.max(axis=0)) + 1, 0, size).astype(int)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def distance(solid: Solid, origin: F32, directions: F32) -> F32:
    """Return how many times its direction (3, ...) a ray from `origin` (3,) goes to meet `solid`; inf if it misses."""
    rays = np.empty((*directions.shape[1:], 6), dtype=np.float32)
    rays[..., :3] = _into_unit_frame(solid, origin - _foot(solid))
    rays[..., 3:] = np.moveaxis(_into_unit_frame(solid, directions), 0, -1)
    hits: F32 = _caster(solid.shape).cast_rays(_tensor(rays), nthreads=1)["t_hit"].numpy()
    return hits


def blocked_share(solid: Solid, points: F32, directions: F32, group: NDArray[np.intp]) -> F32:
    """Return, for each world point (N, 3), the share (0 to 1) of its directions in which `solid` stands.

    Args:
        solid: the solid that may stand in the way.
        points: (N, 3) float32, world frame, metres.
        directions: (G, K, 3) float32, world frame: K directions for each of G groups.
        group: (N,) the group whose directions a point uses.
    """
    rays = np.empty((len(points), directions.shape[1], 6), dtype=np.float32)
    rays[..., :3] = _into_unit_frame(solid, (points - _foot(solid)).T).T[:, None]
    rays[..., 3:] = np.moveaxis(_into_unit_frame(solid, np.moveaxis(directions, -1, 0)), 0, -1)[group]
    blocked = _caster(solid.shape).test_occlusions(_tensor(rays), nthreads=1).numpy()
    return np.count_nonzero(blocked, axis=1).astype(np.float32) / np.float32(directions.shape[1])


def hit_points(scene: Scene, hits: Hits, where: Indices) -> F32:
    """Return the world points (M, 3), metres, that the samples at the indices `where` meet."""
    origin = np.array(scene.camera.position_m, dtype=np.float32)
    rows, columns = where
    points: F32 = origin + (hits.depth_m[where] * hits.rays[:, rows, columns]).T
    return points


def hit_normals(scene: Scene, hits: Hits) -> F32:
    """Return the outward unit normals (N, N, 3), world frame, of what the samples meet; zero for the sky."""
    normals = np.zeros((*hits.ids.shape, 3), dtype=np.float32)
    normals[..., 2] = hits.ids == TABLE
    for number, solid in enumerate(scene.solids, start=1):
        where = np.nonzero(hits.ids == number)
        normals[where] = solid_normals(solid, hit_points(scene, hits, where))
    return normals


def solid_normals(solid: Solid, points: F32) -> F32:
    """Return the outward unit normals (N, 3) at points (N, 3) of the surface of `solid`; world frame, metres."""
    cosine, sine = np.float32(math.cos(solid.yaw_rad)), np.float32(math.sin(solid.yaw_rad))
    x, y, z = ((points - _foot(solid)) / np.float32(WIDTH_M[solid.size])).T
    x, y, z = unit_normals(solid.shape, np.stack([cosine * x + sine * y, cosine * y - sine * x, z], axis=1)).T
    return np.stack([cosine * x - sine * y, sine * x + cosine * y, z], axis=1).astype(np.float32)


def _foot(solid: Solid) -> F32:
    """Return where the solid's axis meets the table (3,), world frame."""
    return np.array([solid.x_m, solid.y_m, 0.0], dtype=np.float32)


def _into_unit_frame(solid: Solid, vectors: F32) -> F32:
    """Return world vectors (3, ...) turned and scaled into the unit frame of `solid`."""
    scale = WIDTH_M[solid.size]
    cosine, sine = np.float32(math.cos(solid.yaw_rad) / scale), np.float32(math.sin(solid.yaw_rad) / scale)
    x, y, z = vectors
    return np.stack([cosine * x + sine * y, cosine * y - sine * x, np.float32(1 / scale) * z])


@cache
def _caster(shape: str) -> Any:
    """Return the ray-casting scene of one unit shape, ready for use from any thread."""
    import open3d  # here, because it takes a second, and one who only samples scenes need not wait for it

    vertices, faces = unit_mesh(shape)
    caster = open3d.t.geometry.RaycastingScene(nthreads=1)
    caster.add_triangles(_tensor(vertices), _tensor(faces))
    caster.cast_rays(_tensor(np.zeros((1, 6), dtype=np.float32)), nthreads=1)  # builds the search tree, once and now
    return caster


def _tensor(array: NDArray[Any]) -> Any:
    """Return an Open3D tensor on the memory of `array`."""
    import open3d

    return open3d.core.Tensor.from_numpy(np.ascontiguousarray(array))
