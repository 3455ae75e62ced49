"""Clouds, a mesh and a depth picture with known truth: the examples of the point clouds tab, and what its tests read.

`python -m tests.demos.example_clouds` writes the examples again.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.point_clouds.scenes import new_scan, write_scan
from tabletop.camera import world_to_camera
from tabletop.casting import SKY, TABLE, camera_rays
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import Camera, Scene

EXAMPLES = Path(__file__).resolve().parents[2] / "assets/examples/point_clouds"
SCAN_SEED, PAIR_SEED, DEPTH_SEED = 2_000_299, 2_000_016, 2_000_030
TURN_DEG = 40.0  # between the two views
VIEW_PX, VIEW_VOXEL_M = 320, 0.003
DEPTH_PX = 384

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

# A vase: radius and height of its outline, millimetres, from the middle of the foot outside up and back down inside.
VASE_MM = (
    *((0.0, 0.0), (34.0, 0.0), (36.0, 3.0), (30.0, 8.0), (33.0, 20.0), (46.0, 48.0), (50.0, 70.0), (45.0, 95.0)),
    *((30.0, 122.0), (24.0, 138.0), (25.0, 150.0), (31.0, 160.0), (29.0, 161.0), (22.5, 151.0), (21.5, 138.0)),
    *((27.5, 121.0), (42.5, 94.0), (47.5, 70.0), (43.5, 49.0), (30.5, 21.5), (0.0, 18.0)),
)
VASE_ROUND = 72  # corners of a circle
PER_SEGMENT = 4  # rings between two corners of the outline

TOWN_ORIGIN = (389_500.0, 5_819_700.0, 34.0)  # a place in UTM zone 33N, metres
TOWN_SPACING_M = 0.8
# Houses: middle x, y; length, width, height of the walls, height of the ridge, metres; turned by degrees; roof colour.
HOUSES = (
    (18.0, 20.0, 16.0, 9.0, 5.5, 9.5, 20.0, (176, 78, 60)),
    (52.0, 18.0, 12.0, 8.0, 5.0, 8.5, -15.0, (150, 64, 52)),
    (26.0, 52.0, 20.0, 10.0, 6.0, 10.5, 75.0, (92, 98, 112)),
    (60.0, 54.0, 14.0, 14.0, 9.0, 9.0, 5.0, (140, 140, 146)),
)
TOWN_SIDE_M = 80.0


def vase() -> tuple[F64, NDArray[np.int32]]:
    """Return a watertight vase: vertices (N, 3), millimetres, y up, and triangles (M, 3) seen from outside."""
    corners = np.array(VASE_MM)
    places = np.arange(len(corners))
    fine = np.linspace(0, len(corners) - 1, PER_SEGMENT * (len(corners) - 1) + 1)
    radii, heights = (np.interp(fine, places, corners[:, column]) for column in (0, 1))
    angles = np.arange(VASE_ROUND) * (2 * math.pi / VASE_ROUND)
    rings = [
        np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full(VASE_ROUND, height)], axis=1)
        for radius, height in zip(radii[1:-1], heights[1:-1], strict=True)
    ]
    vertices = np.concatenate([[(0.0, 0.0, heights[0])], *rings, [(0.0, 0.0, heights[-1])]])
    here = np.arange(VASE_ROUND)
    there = (here + 1) % VASE_ROUND
    last = len(vertices) - 1
    triangles = [np.stack([np.zeros_like(here), 1 + there, 1 + here], axis=1)]
    for ring in range(len(rings) - 1):
        low, high = 1 + ring * VASE_ROUND, 1 + (ring + 1) * VASE_ROUND
        triangles.append(np.stack([low + here, low + there, high + here], axis=1))
        triangles.append(np.stack([low + there, high + there, high + here], axis=1))
    top = 1 + (len(rings) - 1) * VASE_ROUND
    triangles.append(np.stack([top + here, top + there, np.full_like(here, last)], axis=1))
    return vertices[:, [0, 2, 1]] * (1, 1, -1), np.concatenate(triangles).astype(np.int32)


def write_obj(path: Path, vertices: F64, triangles: NDArray[np.int32]) -> None:
    """Write a mesh as Wavefront OBJ."""
    lines = ["# a vase, millimetres; made by the Lectern project", "o vase"]
    lines += [f"v {x:.3f} {y:.3f} {z:.3f}" for x, y, z in vertices]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in triangles]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def views() -> list[tuple[F64, U8, F64]]:
    """Return two views of a scene: points (N, 3), metres, in each camera's own frame, colours, and poses (4, 4).

    The frame is x to the right, y away from the camera, z up; a pose takes points of the frame into the world.
    """
    scene = sample_scene(PAIR_SEED)
    return [_view(replace(scene, camera=turned(scene.camera, angle))) for angle in (0.0, TURN_DEG)]


def turned(camera: Camera, degrees: float) -> Camera:
    """Return the camera carried round the vertical axis through the middle of the table."""
    x, y, z = camera.position_m
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return replace(camera, position_m=(cos * x - sin * y, sin * x + cos * y, z))


def _view(scene: Scene) -> tuple[F64, U8, F64]:
    view = render(scene, VIEW_PX, supersample=1)
    near = (view.ids != SKY) & ((view.ids != TABLE) | (view.depth_m < 1.2))
    rays = camera_rays(scene.camera, VIEW_PX)[:, near].T.astype(np.float64)  # in the world
    right, down, forward = world_to_camera(scene.camera)[:3, :3]
    axes = np.stack([right, forward, -down], axis=1)
    points = view.depth_m[near][:, None] * (rays @ axes)
    keys = np.floor(points / VIEW_VOXEL_M).astype(np.int64)
    first = np.sort(np.unique(keys, axis=0, return_index=True)[1])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = axes, scene.camera.position_m
    return points[first], view.rgb[near][first], pose


def write_ply(path: Path, points: F64, colours: U8, comments: tuple[str, ...]) -> None:
    """Write coloured points as binary PLY."""
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment {comment}" for comment in comments),
        f"element vertex {len(points)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {colour}" for colour in ("red", "green", "blue")),
        "end_header\n",
    ]
    rows = np.empty(len(points), dtype=[("xyz", "<f4", 3), ("rgb", "u1", 3)])
    rows["xyz"], rows["rgb"] = points, colours
    path.write_bytes("\n".join(header).encode("ascii") + rows.tobytes())


def depth_pair() -> tuple[Image.Image, Image.Image, dict[str, float]]:
    """Return a picture, its depth in millimetres as a 16-bit picture (0 for the sky), and the camera's intrinsics."""
    view = render(sample_scene(DEPTH_SEED), DEPTH_PX)
    depth_mm = np.where(np.isfinite(view.depth_m), view.depth_m * 1000, 0).round().astype(np.uint16)
    numbers = {"fx": view.intrinsics[0, 0], "fy": view.intrinsics[1, 1], "cx": view.intrinsics[0, 2]}
    numbers["cy"] = view.intrinsics[1, 2]
    return Image.fromarray(view.rgb), Image.fromarray(depth_mm), {k: round(float(v), 4) for k, v in numbers.items()}


def town() -> tuple[F64, U8]:
    """Return four houses on a meadow seen from the air: points (N, 3), metres, in UTM coordinates, and colours."""
    rng = np.random.default_rng(11)
    side = np.arange(0.0, TOWN_SIDE_M, TOWN_SPACING_M)
    places = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    places = places + rng.uniform(-0.3, 0.3, places.shape)
    heights = 0.02 * places[:, 0] + 0.4 * np.sin(places[:, 1] / 18)
    colours = np.array([92, 130, 70]) + rng.integers(-14, 15, (len(places), 1))
    for x, y, length, width, walls, ridge, degrees, colour in HOUSES:
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        along = (places[:, 0] - x) * cos + (places[:, 1] - y) * sin
        across = (places[:, 1] - y) * cos - (places[:, 0] - x) * sin
        inside = (np.abs(along) < length / 2) & (np.abs(across) < width / 2)
        roof = 0.02 * x + walls + (ridge - walls) * (1 - 2 * np.abs(across) / width)
        heights = np.where(inside, roof, heights)
        colours[inside] = np.array(colour) + rng.integers(-10, 11, (int(inside.sum()), 1))
    heights = heights + rng.normal(0.0, 0.03, len(heights))
    points = np.column_stack([places, heights]) + np.array(TOWN_ORIGIN)
    return points, np.clip(colours, 0, 255).astype(np.uint8)


def write_laz(path: Path, points: F64, colours: U8) -> None:
    """Write coloured points as LAZ, to the centimetre."""
    import laspy

    header = laspy.LasHeader(point_format=2, version="1.2")
    header.offsets, header.scales = np.floor(points.min(axis=0)), np.full(3, 0.01)
    las = laspy.LasData(header)
    las.xyz = points
    las.red, las.green, las.blue = (colours.astype(np.uint16) * 257).T
    las.write(str(path))


def write_examples(folder: Path) -> None:
    """Write all examples into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_scan(folder / "table-scan.ply", new_scan(SCAN_SEED))
    write_obj(folder / "vase.obj", *vase())
    for name, (points, colours, _) in zip(("view-1.ply", "view-2.ply"), views(), strict=True):
        write_ply(folder / name, points, colours, ("unit m",))
    picture, depth, numbers = depth_pair()
    picture.save(folder / "depth-pair-colours.png", optimize=True)
    depth.save(folder / "depth-pair-depth.png", optimize=True)
    (folder / "depth-pair-intrinsics.json").write_text(json.dumps(numbers) + "\n", encoding="utf-8")
    write_laz(folder / "town.laz", *town())


if __name__ == "__main__":
    write_examples(EXAMPLES)
