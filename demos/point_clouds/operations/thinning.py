"""Fewer points: one for each cell of a grid, or as far from each other as can be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from demos.point_clouds.cloud import F64, Cloud
from demos.point_clouds.operations.convert import from_tensor_cloud, to_tensor_cloud
from demos.point_clouds.operations.operation import Changed, Context, Operation
from demos.point_clouds.operations.scale import spacing_of
from hub.errors import InvalidInput
from hub.options import number

SPACINGS_IN_VOXEL = 2
VOXELS_PER_EDGE = 2_000_000  # Open3D numbers voxels with 32 bits
COMPARISONS_A_SECOND = 2e8  # of farthest-point sampling: 3.5e8 were measured on one core of a server of 2026
LONGEST_S = 60


@dataclass(frozen=True)
class VoxelOptions:
    """The grid."""

    size: float = number(
        0.0,
        0.0,
        1e6,
        step=0.001,
        label="Edge of a voxel",
        info="In the cloud's unit; 0: twice the median distance between neighbours.",
    )


@dataclass(frozen=True)
class FarthestOptions:
    """How many points are kept."""

    points: int = number(2000, 4, 200_000, step=1, label="Points to keep", info="Work grows with it: see the text.")


def voxel(cloud: Cloud, options: VoxelOptions, context: Context) -> Changed:
    """Put the mean of its points into each cell of a grid.

    Raises:
        InvalidInput: when the cells are too small to be numbered.
    """
    sent = to_tensor_cloud(replace(cloud, labels=None), context.device)  # a mean of labels is none
    size = options.size or SPACINGS_IN_VOXEL * spacing_of(sent)
    edges = max(float(np.ptp(along)) for along in cloud.points.T) / size
    if edges > VOXELS_PER_EDGE:
        raise InvalidInput(
            f"A voxel of {size:g} is too small: {edges:,.0f} of them would lie along the cloud.", "Choose a larger one."
        )
    made = from_tensor_cloud(one_a_voxel(sent, size), cloud)
    lost = ("Means have no label: look for planes or clusters again.",) if cloud.labels is not None else ()
    return Changed(made, {"size": size}, notes=lost)


def one_a_voxel(cloud: Any, size: float) -> Any:
    """Return the mean of the points in each voxel, in an order that does not change from run to run."""
    import open3d as o3d

    corner = cloud.get_min_bound()  # where the grid starts; and means are taken in single precision, of small numbers
    means = cloud.clone().translate(-corner).voxel_down_sample(size).translate(corner)
    order = np.lexsort(means.point.positions.cpu().numpy().T)
    return means.select_by_index(o3d.core.Tensor(order).to(means.device))


def _voxel_code(options: VoxelOptions) -> list[str]:
    size = f"{options.size!r}" if options.size else f"{SPACINGS_IN_VOXEL} * spacing_of(cloud)"
    return ['if "labels" in cloud.point:', '    del cloud.point["labels"]', f"cloud = one_a_voxel(cloud, {size})"]


def farthest(cloud: Cloud, options: FarthestOptions, context: Context) -> Changed:
    """Keep points that are as far from each other as can be.

    Raises:
        InvalidInput: when there are fewer points than asked for, and when it would take minutes.
    """
    if options.points > len(cloud):
        raise InvalidInput(
            f"{options.points:,} points are asked for, and there are {len(cloud):,}.",
            f"Choose at most {len(cloud):,}.",
        )
    seconds = len(cloud) * options.points / COMPARISONS_A_SECOND
    if seconds > LONGEST_S:
        most = int(LONGEST_S * COMPARISONS_A_SECOND / len(cloud))
        raise InvalidInput(
            f"Choosing {options.points:,} of {len(cloud):,} points would take about {seconds / 60:.0f} minutes.",
            f"Choose at most {most:,}, or thin out with voxels first.",
        )
    return Changed(cloud.subset(farthest_of(cloud.points, options.points)))


def farthest_of(points: F64, count: int) -> np.ndarray:
    """Return the indices (count,) of points of which each was the farthest from those before it."""
    import open3d as o3d

    numbered = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    number_of = np.zeros_like(points)
    number_of[:, 0] = np.arange(len(points))
    numbered.normals = o3d.utility.Vector3dVector(number_of)  # which Open3D hands on with the points it chooses
    return np.asarray(numbered.farthest_point_down_sample(count).normals)[:, 0].astype(np.int64)


def _farthest_code(options: FarthestOptions) -> list[str]:
    return [
        "points = cloud.point.positions.cpu().numpy()",
        f"cloud = cloud.select_by_index(o3c.Tensor(farthest_of(points, {options.points})).to(device))",
    ]


DEFINITIONS = (one_a_voxel, farthest_of)
OPERATIONS = (
    Operation(
        key="voxel",
        title="Voxel downsampling",
        group="Thin out",
        explanation=(
            "Lays a grid of cubes over the cloud and puts the mean of its points, colours and normals into each cube "
            "that holds any. Density becomes even, noise becomes smaller by the root of the points per cube, and "
            "details smaller than a cube are gone; edges are rounded by up to half of one. The usual first step, since "
            "everything later gets faster (Rusu and Cousins 2011, '3D is here: Point Cloud Library'). Means lose "
            "labels, and a mesh becomes the means of its vertices."
        ),
        options=VoxelOptions,
        apply=voxel,
        code=_voxel_code,
    ),
    Operation(
        key="farthest",
        title="Farthest-point downsampling",
        group="Thin out",
        explanation=(
            "Takes the first point, then again and again the one that is farthest from all taken so far (Eldar et al. "
            "1997, 'The Farthest Point Strategy for Progressive Image Sampling'). You get exactly as many points as "
            "you ask for, spread as evenly as can be, and each is a measured point and not a mean, so outliers are "
            "taken first: remove them before. Each point taken compares all others, so the work is their product; what "
            "would take over a minute is refused."
        ),
        options=FarthestOptions,
        apply=farthest,
        code=_farthest_code,
    ),
)
