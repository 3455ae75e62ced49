"""Render a scene to a picture with its exact depth, normals and instance ids, headless and on one thread.

Depth, normals and ids are what the ray through the centre of each pixel meets (`casting`); the colour is the mean over
`supersample`² rays a pixel (`shading`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabletop.camera import intrinsics, world_to_camera
from tabletop.casting import F32, hit_normals, trace
from tabletop.shading import shade
from tabletop.world import Scene

MIN_SIZE, MAX_SIZE = 64, 1024  # pixels
MAX_SUPERSAMPLE = 4


@dataclass(frozen=True)
class View:
    """A picture of a scene and what is true of each of its pixels; S is the size.

    Attributes:
        rgb: (S, S, 3) uint8, sRGB.
        depth_m: (S, S) float32, distance along the optical axis, metres; inf for the sky.
        normals: (S, S, 3) float32, outward unit normals, world frame; zero for the sky.
        ids: (S, S) int16; -1 the sky, 0 the table, k + 1 the solid `scene.solids[k]`.
        intrinsics: (3, 3) float64, pixels.
        world_to_camera: (4, 4) float64, metres, OpenCV's camera axes.
    """

    rgb: NDArray[np.uint8]
    depth_m: F32
    normals: F32
    ids: NDArray[np.int16]
    intrinsics: NDArray[np.float64]
    world_to_camera: NDArray[np.float64]


def render(scene: Scene, size: int = 256, supersample: int = 2, grain: float = 0.0) -> View:
    """Render `scene` as a square picture; the same scene always gives the same bytes.

    Args:
        scene: what to render.
        size: the side of the picture, 64 to 1024 pixels.
        supersample: rays along a pixel's side, 1 to 4; their mean smooths the edges.
        grain: how far the grain (`tabletop.grain`) takes the colours of solids from their own, 0 to 1, and that of the
            table a little less; 0: plain surfaces.

    Raises:
        ValueError: if `size`, `supersample` or `grain` is out of range.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(f"expected a size from {MIN_SIZE} to {MAX_SIZE} pixels, got {size}")
    if not 1 <= supersample <= MAX_SUPERSAMPLE:
        raise ValueError(f"expected a supersample from 1 to {MAX_SUPERSAMPLE}, got {supersample}")
    if not 0 <= grain <= 1:
        raise ValueError(f"expected a grain from 0 to 1, got {grain}")
    centres = trace(scene, size)
    samples = centres if supersample == 1 else trace(scene, size * supersample)
    return View(
        rgb=shade(scene, centres, samples, grain),
        depth_m=centres.depth_m,
        normals=hit_normals(scene, centres),
        ids=centres.ids,
        intrinsics=intrinsics(scene.camera, size),
        world_to_camera=world_to_camera(scene.camera),
    )
