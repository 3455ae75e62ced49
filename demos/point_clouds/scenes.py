"""New scene: a scan of the tabletop world, fused from pictures taken all round the table, of which everything is known.

Every pixel of every picture is a ray that ends on a surface, so the points lie exactly on the solids but for the noise
that is added along the ray. A voxel keeps one of its points as it is: a mean of several would round off every edge.

World frame: metres, z up, the table top is the plane z = 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.cloud import F64, U8, Cloud
from tabletop.camera import world_to_camera
from tabletop.casting import SKY, TABLE, camera_rays
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.solids import CUBE_EDGE, UNIT_FOOTPRINT, UNIT_HEIGHT
from tabletop.world import WIDTH_M, Camera, Scene, Solid

VIEW_PX = 512
FOV_DEG = 40.0
DISTANCE_M = 0.80
LOW_VIEWS, LOW_DEG = 6, 28.0  # round the table, from where the sides of solids are seen
HIGH_VIEWS, HIGH_DEG = 3, 62.0  # and from where their tops are
REACH_M = 0.45  # of the table, round its middle: all solids stand within 0.44 m of it
# A solid's height and width are known to 2 % only if some point is within 1.1 mm of a small cone's tip, so solids are
# sampled finely; a table needs no such care.
SOLID_SPACING_M, TABLE_SPACING_M = 0.0008, 0.0025
NOISE_M = 0.00005  # standard deviation along the ray: that of a good structured-light scanner at this distance

SEED_COMMENT, NOISE_COMMENT = "tabletop-seed", "tabletop-noise-um"
_SEED = re.compile(rf"{SEED_COMMENT} (\d{{1,9}})")
_NOISE = re.compile(rf"{NOISE_COMMENT} (\d{{1,4}})")


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan of a scene and what is true of it.

    Attributes:
        scene: its solids and where they stand.
        noise_m: standard deviation of the points along their rays, metres.
        points: (N, 3) float64, metres, world frame; each of them a float32 exactly, so that a file can hold it.
        colours: (N, 3) uint8 sRGB.
        ids: (N,) int16, `TABLE`, or k + 1 for `scene.solids[k]`.
    """

    scene: Scene
    noise_m: float
    points: F64
    colours: U8
    ids: NDArray[np.int16]

    @property
    def cloud(self) -> Cloud:
        """The scan as the other parts of this demo take it, in metres."""
        return Cloud(self.points, self.colours, unit="m")


def new_scan(seed: int, noise_m: float = NOISE_M) -> Scan:
    """Scan scene `seed`; the same seed and noise (whole micrometres, 0 to 0.009 m) always give the same points."""
    return _scan(seed, round(noise_m * 1e6))


@lru_cache(maxsize=2)  # a scan is asked for again by each run on it, to tell the truth
def _scan(seed: int, noise_um: int) -> Scan:
    scene = sample_scene(seed)
    rng = np.random.default_rng([seed, noise_um])
    views = [_seen(replace(scene, camera=camera), noise_um * 1e-6, rng) for camera in _cameras(rng)]
    points, colours, ids = (np.concatenate(part) for part in zip(*views, strict=True))
    kept = rng.permutation(np.nonzero(np.hypot(points[:, 0], points[:, 1]) < REACH_M)[0])
    kept = kept[_one_a_voxel(points[kept], ids[kept])]
    fused = points[kept].astype(np.float64), colours[kept], ids[kept]
    for array in fused:
        array.setflags(write=False)  # it is shared between those who ask for it
    return Scan(scene, noise_um * 1e-6, *fused)


def _cameras(rng: np.random.Generator) -> list[Camera]:
    """Return cameras all round the table that look at its middle, from two heights."""
    cameras = []
    for count, elevation_deg in ((LOW_VIEWS, LOW_DEG), (HIGH_VIEWS, HIGH_DEG)):
        start, elevation = rng.uniform(0, 2 * math.pi), math.radians(elevation_deg)
        for angle in start + np.arange(count) * (2 * math.pi / count):
            away = DISTANCE_M * math.cos(elevation)
            position = (away * math.cos(angle), away * math.sin(angle), DISTANCE_M * math.sin(elevation))
            cameras.append(Camera(position, (0.0, 0.0, 0.0), FOV_DEG))
    return cameras


def _seen(scene: Scene, noise_m: float, rng: np.random.Generator) -> tuple[NDArray[np.float32], U8, NDArray[np.int16]]:
    """Return points (N, 3) float32, colours (N, 3) and ids (N,) of what the scene's camera sees, without the sky."""
    view = render(scene, VIEW_PX, supersample=1)
    where = view.ids != SKY
    rays = camera_rays(scene.camera, VIEW_PX)[:, where].T.astype(np.float64)
    lengths = np.linalg.norm(rays, axis=1)
    depth_m = view.depth_m[where] + rng.normal(0.0, 1.0, len(rays)) * noise_m / lengths
    points = np.array(scene.camera.position_m) + depth_m[:, None] * rays
    return points.astype(np.float32), view.rgb[where], view.ids[where]


def _one_a_voxel(points: NDArray[np.float32], ids: NDArray[np.int16]) -> NDArray[np.intp]:
    """Return the indices of the first point in each voxel of each instance; the table's lies within one layer."""
    spacing = np.where(ids == TABLE, TABLE_SPACING_M, SOLID_SPACING_M)[:, None]
    voxels = np.floor(points / spacing + 0.5).astype(np.int64)
    keys = ((ids.astype(np.int64) * 4096 + voxels[:, 0]) * 4096 + voxels[:, 1]) * 4096 + voxels[:, 2]
    return np.unique(keys, return_index=True)[1]


def write_scan(path: Path, scan: Scan) -> None:
    """Write a scan as a binary PLY, float32 metres, whose comments name its unit, its seed and its noise."""
    comments = ("unit m", f"{SEED_COMMENT} {scan.scene.seed}", f"{NOISE_COMMENT} {round(scan.noise_m * 1e6)}")
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment {comment}" for comment in comments),
        f"element vertex {len(scan.points)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in ("red", "green", "blue")),
        "end_header",
        "",
    ]
    rows = np.empty(len(scan.points), dtype=[("xyz", "<f4", 3), ("rgb", "u1", 3)])
    rows["xyz"], rows["rgb"] = scan.points, scan.colours
    path.write_bytes("\n".join(header).encode("ascii") + rows.tobytes())


def scan_named(comments: Sequence[str]) -> Scan | None:
    """Return the scan that a file's comments name; None where they name none."""
    text = "\n".join(comments)
    seed, noise = _SEED.search(text), _NOISE.search(text)
    return _scan(int(seed[1]), int(noise[1])) if seed and noise else None


def dimensions_m(solid: Solid) -> tuple[float, float, float]:
    """Return the edges of the smallest upright box round a solid, metres: shorter and longer width, and height."""
    width = CUBE_EDGE if solid.shape == "cube" else 2 * UNIT_FOOTPRINT[solid.shape]
    scale = WIDTH_M[solid.size]
    return width * scale, width * scale, UNIT_HEIGHT[solid.shape] * scale


def seen_from_camera(seed: int, size: int) -> Cloud:
    """Return what the picture of scene `seed` shows, as a cloud in the frame of `rgbd.unproject`, metres.

    This is the truth of a cloud made from the picture: x to the right, y away from the camera, z up.
    """
    scene = sample_scene(seed)
    view = render(scene, size, supersample=1)
    where = view.ids != SKY
    rays = camera_rays(scene.camera, size)[:, where].T.astype(np.float64)
    right, down, forward = world_to_camera(scene.camera)[:3, :3]
    points = view.depth_m[where][:, None] * (rays @ np.stack([right, forward, -down], axis=1))
    return Cloud(points, view.rgb[where], unit="m")
