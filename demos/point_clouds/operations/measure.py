"""Lengths, boxes and volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.point_clouds.cloud import F64, I32, Cloud
from demos.point_clouds.operations.convert import needed_triangles
from demos.point_clouds.operations.flat import smallest_box
from demos.point_clouds.operations.operation import Changed, Context, NoOptions, Operation
from demos.point_clouds.shapes import Box, Segment
from hub.options import number


def _place(label: str) -> Any:
    return number(0.0, -1e9, 1e9, step=0.001, label=label)


@dataclass(frozen=True)
class DistanceOptions:
    """Two places, in the file's coordinates."""

    ax: float = _place("From x")
    ay: float = _place("From y")
    az: float = _place("From z")
    bx: float = _place("To x")
    by: float = _place("To y")
    bz: float = _place("To z")

    @property
    def ends(self) -> tuple[list[float], list[float]]:
        """Return both places."""
        return [self.ax, self.ay, self.az], [self.bx, self.by, self.bz]


def box(cloud: Cloud, options: NoOptions, context: Context) -> Changed:
    """Measure how far the cloud reaches along the axes, and the smallest box it fits in."""
    low, high = cloud.points.min(axis=0), cloud.points.max(axis=0)
    centre, axes, size = smallest_box(cloud.points)
    facts = {
        "extent": _numbers(high - low),
        "lowest corner": _numbers(low + cloud.origin),
        "highest corner": _numbers(high + cloud.origin),
        "smallest box": _numbers(size),
        "volume of that box": float(size.prod()),
    }
    return Changed(cloud, facts, (Box(centre, axes, size, -1, "Smallest box"),))


def volume(cloud: Cloud, options: NoOptions, context: Context) -> Changed:
    """Measure the surface of a mesh, and what it encloses where it is closed.

    Raises:
        InvalidInput: for a cloud without triangles.
    """
    area, enclosed, why = volume_of(cloud.points, needed_triangles(cloud))
    if enclosed is None:
        return Changed(cloud, {"surface": area, "watertight": False}, notes=(f"There is no volume: {why}",))
    return Changed(cloud, {"surface": area, "watertight": True, "volume": enclosed})


def volume_of(points: F64, triangles: I32) -> tuple[float, float | None, str]:
    """Return the area of a mesh, its volume, None where it is not closed, and why it is not.

    Vertices at the same place count as one: many files split them where colours or normals differ.

    Source: the volume is the sum of the signed tetrahedra under the triangles (Zhang and Chen 2001, "Efficient Feature
    Extraction for 2D/3D Objects in Mesh Representation").
    """
    import open3d as o3d

    mesh = o3d.geometry.TriangleMesh(o3d.utility.Vector3dVector(points), o3d.utility.Vector3iVector(triangles))
    mesh.remove_duplicated_vertices().remove_degenerate_triangles()
    if len(mesh.triangles) and not mesh.is_orientable():
        return mesh.get_surface_area(), None, "its inside and its outside are one side, as of a Moebius strip."
    mesh.orient_triangles()
    corners, faces = np.asarray(mesh.vertices), np.asarray(mesh.triangles).astype(np.int64)
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    shared = np.unique(edges[:, 0] * len(corners) + edges[:, 1], return_counts=True)[1]
    area = mesh.get_surface_area()
    if (shared == 1).any():
        return area, None, f"{(shared == 1).sum():,} edges have one triangle only, so the surface has holes."
    if (shared > 2).any():
        return area, None, f"{(shared > 2).sum():,} edges have more than two triangles, so it has no one inside."
    a, b, c = np.moveaxis(corners[faces] - corners.mean(axis=0), 1, 0)
    return area, abs(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6), ""


def distance(cloud: Cloud, options: DistanceOptions, context: Context) -> Changed:
    """Measure between two places."""
    start, end = (np.array(place) for place in options.ends)
    facts = {"distance": float(np.linalg.norm(end - start)), "difference": _numbers(end - start)}
    return Changed(cloud, facts, (Segment(start - cloud.origin, end - cloud.origin, f"{facts['distance']:.5g}"),))


def _numbers(vector: F64) -> list[float]:
    return [float(value) for value in vector]


def _box_code(options: NoOptions) -> list[str]:
    return [
        "points = cloud.point.positions.cpu().numpy()",
        'print("from", points.min(axis=0) + origin, "to", points.max(axis=0) + origin)',
        "centre, axes, size = smallest_box(points)",
        'print("smallest box: size", size, "at", centre + origin)',
    ]


def _volume_code(options: NoOptions) -> list[str]:
    return [
        "area, volume, why = volume_of(mesh.vertex.positions.cpu().numpy(), mesh.triangle.indices.cpu().numpy())",
        'print("surface", area, "volume", volume, why)',
    ]


def _distance_code(options: DistanceOptions) -> list[str]:
    start, end = options.ends
    return [f"print('distance', np.linalg.norm(np.array({end}) - np.array({start})))"]


DEFINITIONS = (volume_of,)
OPERATIONS = (
    Operation(
        key="box",
        title="Extent and box",
        group="Measure",
        explanation=(
            "Tells how far the cloud reaches along the axes, and the smallest box it fits in however that lies "
            "(Jylanki 2015). Both go by the outermost points, so a single outlier counts: clean first."
        ),
        options=NoOptions,
        apply=box,
        code=_box_code,
        changes=False,
    ),
    Operation(
        key="volume",
        title="Surface and volume",
        group="Measure",
        explanation=(
            "Adds up the triangles of a mesh, and where they close all round, the volume inside: the sum of the signed "
            "tetrahedra between the triangles and one point (Zhang and Chen 2001). A mesh with holes has no volume, "
            "and is told how many edges are open. That it does not cut through itself is not checked; where it does, "
            "what is enclosed twice counts twice."
        ),
        options=NoOptions,
        apply=volume,
        code=_volume_code,
        changes=False,
    ),
    Operation(
        key="distance",
        title="Distance",
        group="Measure",
        explanation=(
            "Measures the straight line between two places, in the file's coordinates. Pick two points in the viewer "
            "to add this step: they are measured points, so their noise is the error of the length."
        ),
        options=DistanceOptions,
        apply=distance,
        code=_distance_code,
        changes=False,
    ),
)
