"""Planes and boxes in plain arrays: finding the plane most points lie on, and standing a box on it.

These functions are copied into scripts as they stand, so they know nothing but NumPy and Open3D.
"""

from __future__ import annotations

import numpy as np

from demos.point_clouds.cloud import F64


def largest_plane(points: F64, distance: float, iterations: int = 2000, seed: int = 0) -> tuple[F64, float, float]:
    """Find the plane with the most points: a random search on 20,000 of them, then least squares on all near it.

    Args:
        points: (N, 3), at least three.
        distance: how far from the plane a point may be; 0: six standard deviations of those that are near it.
        iterations: planes through three random points that are tried.
        seed: of the random choices.

    Returns:
        The unit normal (3,), the offset such that normal . p + offset = 0, and the distance used.

    Source: Fischler and Bolles 1981, "Random Sample Consensus"; the deviation is 1.4826 times the median of the
    distances (Rousseeuw and Croux 1993), which the few points of other things near the plane hardly change. Six of
    them, because a scan's noise differs from place to place, and what is left of a table sticks to what stands on it.
    """
    import open3d as o3d

    rng = np.random.default_rng(seed)
    few = points if len(points) <= 20_000 else points[np.sort(rng.choice(len(points), 20_000, replace=False))]
    size = float(np.sqrt(((few - few.mean(axis=0)) ** 2).sum(axis=1).mean()))  # root mean square from the middle
    widest, narrowest = distance or size / 50, distance or size * 1e-6
    o3d.utility.random.seed(seed)
    sample = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(few))
    found = sample.segment_plane(widest, 3, iterations, 1.0)[0]  # 1.0: all are tried, so that threads cannot matter
    if not np.linalg.norm(found[:3]) > 0:  # all on a line: any plane through it will do
        middle = few.mean(axis=0)
        flattest = np.linalg.eigh((few - middle).T @ (few - middle))[1][:, 0]
        found = np.array([*flattest, -flattest @ middle])
    normal, offset, band = found[:3] / np.linalg.norm(found[:3]), found[3] / np.linalg.norm(found[:3]), widest
    for some, rounds in ((few, 30), (points, 3)):
        for _ in range(rounds):
            near = some[np.abs(some @ normal + offset) <= band]
            if len(near) < 3:
                break
            before = normal, offset, band
            centre = near.mean(axis=0)
            normal = np.linalg.eigh((near - centre).T @ (near - centre))[1][:, 0]
            offset = -float(normal @ centre)
            deviation = 1.4826 * float(np.median(np.abs(near @ normal + offset)))
            band = min(max(6 * deviation, narrowest), widest)
            if abs(normal @ before[0]) > 1 - 1e-15 and abs(band - before[2]) <= 1e-6 * band:
                break
    side = points @ normal + offset
    if (side > band).sum() < (side < -band).sum():  # the normal points to where most of the rest is
        normal, offset = -normal, -offset
    return normal, offset, band


def hull_of(flat: F64) -> F64:
    """Return the corners (K, 2), in order round it, of the convex hull of points (N, 2), good to 1/10,000 of its size.

    The farthest points in 360 directions: no exact hull has better corners than the noise of its points.
    """
    angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)])
    farthest = np.array([int((flat @ direction).argmax()) for direction in directions.T])
    return flat[farthest[np.concatenate([[True], farthest[1:] != farthest[:-1]])]]


def plane_axes(normal: F64) -> F64:
    """Return two unit directions in a plane and its normal, as the columns of a rotation (3, 3)."""
    along = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    along /= np.linalg.norm(along)
    return np.stack([along, np.cross(normal, along), normal], axis=1)


def standing_box(points: F64, normal: F64, offset: float) -> tuple[F64, F64, F64]:
    """Return the smallest box round points (N, 3) that stands on a plane, down to the plane itself.

    Returns:
        Its centre (3,), its axes (3, 3) as columns, the last one the plane's normal, and its size (3,) along them.

    Source: the smallest rectangle has an edge along one of the hull's (Freeman and Shapira 1975).
    """
    axes = plane_axes(normal)
    some = points[:: max(1, len(points) // 50_000)]  # which are enough to tell how it is turned
    corners = hull_of(some @ axes[:, :2])
    edges = np.roll(corners, -1, axis=0) - corners
    angles = np.unique(np.concatenate([[0.0], np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2)]))
    turns = np.stack([np.stack([np.cos(angles), np.sin(angles)]), np.stack([-np.sin(angles), np.cos(angles)])])
    along = np.einsum("nd,kda->kan", corners, turns)  # (2, angles, corners)
    least, most = along.min(axis=2), along.max(axis=2)
    best = int((most - least).prod(axis=0).argmin())
    axes = np.concatenate([axes[:, :2] @ turns[:, :, best].T, axes[:, 2:]], axis=1)
    places = points @ axes
    low, high = places.min(axis=0), places.max(axis=0)
    low[2], high[2] = min(low[2], -offset), max(high[2], -offset)
    return axes @ ((low + high) / 2), axes, high - low


def smallest_box(points: F64) -> tuple[F64, F64, F64]:
    """Return the smallest box round points (N, 3), however it lies: centre (3,), axes (3, 3) as columns, size (3,).

    Source: Jylanki 2015, "An Exact Algorithm for Finding Minimum Oriented Bounding Boxes", as in Open3D; it is asked
    with the farthest points in 1,000 directions only, which is as good and does not take long for round things.
    """
    import open3d as o3d

    middle = points.mean(axis=0)
    variances, axes = np.linalg.eigh((points - middle).T @ (points - middle))
    if variances[0] <= 1e-10 * variances[2]:  # flat
        return standing_box(points, axes[:, 0], -float(axes[:, 0] @ middle))
    steps = np.arange(1000) + 0.5
    heights, angles = 1 - steps / 500, np.pi * (1 + np.sqrt(5)) * steps  # a spiral of Fibonacci on the sphere
    rims = np.sqrt(1 - heights**2)
    directions = np.stack([rims * np.cos(angles), rims * np.sin(angles), heights])
    some = points[:: max(1, len(points) // 50_000)]  # which are enough to tell how it lies
    outer = some[np.unique([int((some @ direction).argmax()) for direction in directions.T])]
    box = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(outer)).get_minimal_oriented_bounding_box()
    axes = np.asarray(box.R)
    low, high = (points @ axes).min(axis=0), (points @ axes).max(axis=0)
    order = np.argsort(low - high, kind="stable")  # the longest edge first
    return axes @ ((low + high) / 2), axes[:, order], (high - low)[order]


DEFINITIONS = (largest_plane, hull_of, plane_axes, standing_box, smallest_box)
