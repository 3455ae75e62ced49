"""A rectified stereo pair of a scene, with the exact disparity and the pixels that only the left eye sees.

The right camera is the left one moved along its own x axis, so rows match and a point's disparity is focal length times
baseline over depth. What is hidden is decided by rays from the right eye to the left picture's points, not by comparing
depth pictures, which would err at every edge.

Source: Hartley & Zisserman, Multiple View Geometry, 2nd ed., section 11.12 (rectified pairs).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tabletop.camera import world_to_camera
from tabletop.casting import F32, SKY, camera_rays, distance, window
from tabletop.render import View, render
from tabletop.solids import bounding_rims
from tabletop.world import Camera, Scene

CONTACT_M = 2e-4  # a ray that stops this close to a point has reached it


@dataclass(frozen=True)
class StereoPair:
    """A rectified pair; S is the size of the pictures.

    Attributes:
        left: the scene's own camera.
        right: the camera `baseline_m` further along the left camera's x axis.
        disparity_px: (S, S) float32, of the left picture: column in the left minus column in the right; 0 for the sky.
        occluded: (S, S) bool, left pixels whose point the right picture does not show: hidden there, or outside it.
        baseline_m: metres.
    """

    left: View
    right: View
    disparity_px: F32
    occluded: NDArray[np.bool_]
    baseline_m: float


def render_stereo(
    scene: Scene, baseline_m: float = 0.075, size: int = 256, supersample: int = 2, grain: float = 0.0
) -> StereoPair:
    """Render `scene` with its own camera and with one `baseline_m` to the right of it.

    Args:
        scene: what to render.
        baseline_m: distance between the eyes, metres, above 0.
        size: the side of each picture, 64 to 1024 pixels.
        supersample: rays along a pixel's side, 1 to 4.
        grain: of the surfaces, 0 to 1, as for `render`; both eyes see the same.

    Raises:
        ValueError: if an argument is out of range.
    """
    if not baseline_m > 0:
        raise ValueError(f"expected a baseline above 0 m, got {baseline_m}")
    moved = replace(scene, camera=move_right(scene.camera, baseline_m))
    left, right = (render(view, size, supersample, grain) for view in (scene, moved))
    disparity = (left.intrinsics[0, 0] * baseline_m / left.depth_m).astype(np.float32)  # 0 at infinity
    return StereoPair(left, right, disparity, _occluded(scene, moved, left, right, disparity), baseline_m)


def move_right(camera: Camera, baseline_m: float) -> Camera:
    """Return `camera` moved by `baseline_m` metres along its own x axis, looking the same way."""
    x, y, z = (float(value) * baseline_m for value in world_to_camera(camera)[0, :3])
    (px, py, pz), (tx, ty, tz) = camera.position_m, camera.target_m
    return replace(camera, position_m=(px + x, py + y, pz + z), target_m=(tx + x, ty + y, tz + z))


def _occluded(scene: Scene, moved: Scene, left: View, right: View, disparity_px: F32) -> NDArray[np.bool_]:
    """Return the left pixels (S, S) whose point is outside the right picture or behind something there."""
    size = len(disparity_px)
    rows, columns = np.indices(left.ids.shape)
    landing = columns - disparity_px  # the column in the right picture; the row is the same
    sky = left.ids == SKY
    occluded = np.where(sky, right.ids != SKY, landing < -0.5)

    finite_depth = np.where(sky, np.float32(1), left.depth_m)
    points = np.array(scene.camera.position_m)[:, None, None] + finite_depth * camera_rays(scene.camera, size)
    origin = np.array(moved.camera.position_m, dtype=np.float32)
    towards = points.astype(np.float32) - origin[:, None, None]
    for solid in moved.solids:
        there_rows, there_columns = window(moved.camera, bounding_rims(solid), size)
        in_the_way = (landing >= there_columns.start - 1) & (landing <= there_columns.stop)
        in_the_way &= (rows >= there_rows.start) & (rows < there_rows.stop) & ~sky
        chosen = np.nonzero(in_the_way)
        reached = distance(solid, origin, towards[:, chosen[0], chosen[1]])  # 1 at the point itself
        occluded[chosen] |= (1 - reached) * left.depth_m[chosen] > CONTACT_M
    return occluded
