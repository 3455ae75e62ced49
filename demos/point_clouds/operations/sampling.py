"""Points on the faces of a mesh.

Source: Yuksel 2015, "Sample elimination for generating Poisson disk sample sets", CGF 34(2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.convert import from_tensor_cloud, needed_triangles, to_tensor_mesh
from demos.point_clouds.operations.operation import Changed, Context, Operation
from hub.errors import InvalidInput
from hub.options import choice, number


@dataclass(frozen=True)
class SampleOptions:
    """How points are laid on the faces."""

    method: str = choice("uniform", ("uniform", "Poisson disk"), label="Method", info="Poisson disk: evenly apart.")
    points: int = number(50_000, 100, 1_000_000, step=100, label="Points", info="Poisson disk is slow above 100,000.")
    seed: int = number(0, 0, 2**31 - 1, step=1, label="Seed", info="Of the random draws.")


def sample(cloud: Cloud, options: SampleOptions, context: Context) -> Changed:
    """Lay points on the faces of a mesh.

    Raises:
        InvalidInput: for a cloud without faces, or with faces of no area.
    """
    needed_triangles(cloud)
    mesh = to_tensor_mesh(cloud)
    if not mesh.to_legacy().get_surface_area() > 0:
        raise InvalidInput("The faces have no area to sample.", "Work on the mesh's vertices.")
    context.check()
    return Changed(from_tensor_cloud(sampled(mesh, options.method, options.points, options.seed), cloud))


def sampled(mesh: Any, method: str, count: int, seed: int) -> Any:
    """Return `count` points (o3d.t) on the faces of a mesh (o3d.t), with colours and normals between its vertices'."""
    import open3d as o3d

    faces = mesh.to_legacy()
    if not faces.has_vertex_normals():
        faces.compute_vertex_normals()
    o3d.utility.random.seed(seed)
    lay = faces.sample_points_uniformly if method == "uniform" else faces.sample_points_poisson_disk
    laid = lay(number_of_points=count)
    made = o3d.t.geometry.PointCloud(o3d.core.Tensor(np.array(laid.points)))
    normals = np.array(laid.normals)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    made.point.normals = o3d.core.Tensor(normals.astype(np.float32).astype(np.float64))
    if laid.has_colors():
        made.point.colors = o3d.core.Tensor(np.rint(np.clip(np.array(laid.colors), 0, 1) * 255).astype(np.uint8))
    return made.to(mesh.device)


DEFINITIONS = (sampled,)
OPERATIONS = (
    Operation(
        key="sample",
        title="Sample the surface",
        group="Surface",
        explanation=(
            "Lays points on the faces of a mesh, with the colours and normals between those of its vertices: at random "
            "with the same chance all over, or as a Poisson disk, which draws five times as many and takes out those "
            "that are too close, so that the rest are evenly apart (Yuksel 2015). The mesh itself is gone afterwards. "
            "The same seed gives the same points."
        ),
        options=SampleOptions,
        apply=sample,
        code=lambda options: [f"cloud = sampled(mesh, {options.method!r}, {options.points}, {options.seed})"],
    ),
)
