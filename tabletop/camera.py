"""The pinhole camera of the tabletop world: pose, intrinsics and projection.

Source: Hartley & Zisserman, Multiple View Geometry, 2nd ed., section 6.1 (pinhole camera), with OpenCV's axes.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tabletop.world import Camera

Float = NDArray[np.float64]


@lru_cache(maxsize=256)  # projecting a scene's points asks for the same camera dozens of times
def world_to_camera(camera: Camera) -> Float:
    """Return the (4, 4) rigid transform from world points (metres, z up) to camera points (x right, y down, z forward).

    The array is shared between callers, and read-only.
    """
    position = np.asarray(camera.position_m, dtype=np.float64)
    forward = np.asarray(camera.target_m, dtype=np.float64) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    transform = np.eye(4)
    transform[:3, :3] = np.stack([right, down, forward])
    transform[:3, 3] = -transform[:3, :3] @ position
    transform.setflags(write=False)
    return transform


def intrinsics(camera: Camera, size: int) -> Float:
    """Return the (3, 3) intrinsic matrix, in pixels, of a `size` x `size` picture (pixel centres at whole numbers)."""
    focal_px = size / 2 / math.tan(math.radians(camera.fov_deg) / 2)
    centre_px = (size - 1) / 2
    return np.array([[focal_px, 0.0, centre_px], [0.0, focal_px, centre_px], [0.0, 0.0, 1.0]])


def project(camera: Camera, points_m: Float, size: int) -> tuple[Float, Float]:
    """Project world points (N, 3), metres, into a `size` x `size` picture.

    Returns:
        Pixel coordinates (N, 2) as (u, v), and depths (N,) in metres along the optical axis.
    """
    transform = world_to_camera(camera)
    local = np.asarray(points_m, dtype=np.float64) @ transform[:3, :3].T + transform[:3, 3]
    homogeneous = local @ intrinsics(camera, size).T
    return homogeneous[:, :2] / homogeneous[:, 2:], local[:, 2]
