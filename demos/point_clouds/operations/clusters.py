"""Things that stand apart, each with a box and its dimensions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from demos.point_clouds.cloud import F64, I32, Cloud
from demos.point_clouds.operations.cleaning import affordable
from demos.point_clouds.operations.convert import enough, to_tensor_cloud
from demos.point_clouds.operations.flat import largest_plane, smallest_box, standing_box
from demos.point_clouds.operations.operation import Changed, Context, Operation
from demos.point_clouds.operations.planes import shape_of
from demos.point_clouds.operations.scale import spacing_of
from demos.point_clouds.shapes import Box, Plane
from hub.errors import InvalidInput
from hub.options import choice, number

SPACINGS_IN_DISTANCE = 5  # one spacing leaves gaps, where a surface is seen at a slant; solids stand farther apart
MOST_CLUSTERS = 500
PLANE, NONE = "a plane", "nothing"


@dataclass(frozen=True)
class ClusterOptions:
    """What belongs together."""

    distance: float = number(
        0.0,
        0.0,
        1e6,
        step=0.001,
        label="Gap between things",
        info="Points closer than this belong together, in the cloud's unit; 0: five times the median distance between "
        "neighbours.",
    )
    points: int = number(10, 1, 1000, step=1, label="Dense from", info="Points within that gap, itself counted.")
    least: int = number(50, 1, 1_000_000, step=1, label="Smallest cluster", info="Fewer points are no thing.")
    ground: str = choice(
        PLANE,
        (PLANE, NONE),
        label="Things stand on",
        info="A plane: the one found before, or else the largest; it is left out and boxes stand on it. Nothing: boxes "
        "lie as they are smallest.",
    )


def clusters_of(points: F64, planes: list[tuple[F64, float, float]], distance: float, dense: int, least: int) -> I32:
    """Return the cluster of each point (N,) int32: -1 for none, first the planes, then the clusters, largest first.

    Args:
        points: (N, 3).
        planes: normal, offset and distance of each; points nearer than that are theirs.
        distance: points nearer to each other belong together.
        dense: points within that distance, itself counted, that make a point a cluster's own.
        least: points a cluster must have.

    Source: Ester et al. 1996, "A Density-Based Algorithm for Discovering Clusters in Large Spatial Databases".
    """
    import open3d as o3d

    labels = np.full(len(points), -1, np.int32)
    for label, (normal, offset, band) in enumerate(planes):
        labels[(labels < 0) & (np.abs(points @ normal + offset) <= band)] = label
    free = np.nonzero(labels < 0)[0]
    rest = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points[free]))
    found = np.asarray(rest.cluster_dbscan(distance, dense))
    counts = np.bincount(found[found >= 0], minlength=1)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= least]
    number_of = np.full(len(counts) + 1, -1, np.int32)  # its last entry is that of noise, -1
    number_of[order] = len(planes) + np.arange(len(order))
    labels[free] = number_of[found]
    return labels


def clusters(cloud: Cloud, options: ClusterOptions, context: Context) -> Changed:
    """Find things that stand apart, and measure them.

    Raises:
        InvalidInput: when there are none, or hundreds, and when neighbourhoods are too large to be looked at.
    """
    grounds = _grounds(cloud, context) if options.ground == PLANE else []
    planes = [(ground.normal, ground.offset, ground.band) for ground in grounds]
    free = cloud.points[off_planes(cloud.points, planes)]
    if not len(free):
        raise InvalidInput("Every point lies on the plane.", "Choose that things stand on nothing.")
    distance = options.distance or SPACINGS_IN_DISTANCE * spacing_of(to_tensor_cloud(Cloud(free)))
    affordable(free, distance)
    context.check()
    labels = clusters_of(cloud.points, planes, distance, options.points, options.least)
    count = int(labels.max()) + 1 - len(planes)
    if count <= 0:
        raise InvalidInput(
            f"No cluster has {options.least} points.", "Choose a larger gap between things, or a smaller least cluster."
        )
    if count > MOST_CLUSTERS:
        raise InvalidInput(
            f"There are {count:,} clusters, which nobody can look through.",
            "Choose a larger gap between things, or a larger smallest cluster.",
        )
    context.check()
    boxes = [_box(cloud.points[labels == label], planes, label) for label in range(len(planes), len(planes) + count)]
    facts = {
        "distance": distance,
        "clusters": [_row(box, int((labels == box.label).sum()), bool(planes)) for box in boxes],
        "points in none": int((labels < 0).sum()),
    }
    return Changed(replace(cloud, labels=labels), facts, (*grounds, *boxes))


def _grounds(cloud: Cloud, context: Context) -> list[Plane]:
    """Return the planes found before, or else the largest one, with the labels they get here."""
    before = [shape for shape in context.shapes if isinstance(shape, Plane)]
    if before:
        return [replace(plane, label=label) for label, plane in enumerate(before)]
    enough(cloud, 3, "a plane")
    plane = largest_plane(cloud.points, 0.0)
    return [shape_of(cloud.points[~off_planes(cloud.points, [plane])], *plane, 0)]


def off_planes(points: F64, planes: list[tuple[F64, float, float]]) -> np.ndarray:
    """Return which points (N,) lie on none of the planes."""
    away = np.ones(len(points), bool)
    for normal, offset, band in planes:
        away &= np.abs(points @ normal + offset) > band
    return away


def _box(points: F64, planes: list[tuple[F64, float, float]], label: int) -> Box:
    box = standing_box(points, *planes[0][:2]) if planes else smallest_box(points)
    return Box(*box, label, f"Cluster {label - len(planes) + 1}")


def _row(box: Box, points: int, standing: bool) -> dict[str, Any]:
    first, second, third = (float(size) for size in box.size)
    if standing:
        first, second = max(first, second), min(first, second)
    return {"name": box.name, "points": points, "length": first, "width": second, "height": third}


def _code(options: ClusterOptions) -> list[str]:
    lines = ["points = cloud.point.positions.cpu().numpy()"]
    if options.ground == PLANE:
        lines.append("planes = planes or [largest_plane(points, 0.0)]")
        grounds, box = "planes", "standing_box(points[labels == label], *planes[0][:2])"
    else:
        grounds, box = "[]", "smallest_box(points[labels == label])"
    lines.append(f"free = points[off_planes(points, {grounds})]")
    distance = repr(options.distance)
    if not options.distance:
        lines.append(f"distance = {SPACINGS_IN_DISTANCE} * spacing_of(o3d.t.geometry.PointCloud(o3c.Tensor(free)))")
        distance = "distance"
    first = "len(planes)" if options.ground == PLANE else "0"
    return [
        *lines,
        f"labels = clusters_of(points, {grounds}, {distance}, {options.points}, {options.least})",
        'cloud.point["labels"] = o3c.Tensor(labels[:, None]).to(device)',
        f"for label in range({first}, labels.max() + 1):",
        f"    centre, axes, size = {box}",
        '    print("cluster", label, f"{(labels == label).sum():,} points, size", size, "at", centre + origin)',
    ]


DEFINITIONS = (clusters_of, off_planes)
OPERATIONS = (
    Operation(
        key="clusters",
        title="Clusters",
        group="Segment",
        explanation=(
            "Collects points that hang together through dense places: a point with enough others within the gap is a "
            "cluster's own, and brings those others with it (DBSCAN; Ester et al. 1996; on a plane as in Rusu 2010, "
            "'Semantic 3D Object Maps'). Things need not be round or known in number. Two that touch, or come closer "
            "than the gap, are one cluster; one whose middle is hidden or badly scanned falls in two: no gap suits "
            "all. Boxes on a plane stand upright on it, turned so that they are smallest, and are as high as the thing "
            "is above the plane, so what the plane's points hid of its foot is not missing. Noise makes boxes larger, "
            "by about three standard deviations on each side."
        ),
        options=ClusterOptions,
        apply=clusters,
        code=_code,
    ),
)
