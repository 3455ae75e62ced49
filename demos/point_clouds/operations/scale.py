"""How dense a cloud is: what lengths that are left to us are chosen by.

A cloud may be a coin in millimetres or a city in metres, so no fixed length suits; the spacing of its own points does.
`DEFINITIONS` are copied into scripts as they stand, so they know nothing but NumPy and Open3D.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from demos.point_clouds.cloud import F64


def spacing_of(cloud: Any, share: float = 0.5) -> float:
    """Return how near this share of points have a neighbour, judged by 1,000 of them; in the unit of the cloud."""
    import open3d as o3d

    points = cloud.point.positions
    search = o3d.core.nns.NearestNeighborSearch(points)
    search.knn_index()
    asked = np.unique(np.linspace(0, len(points) - 1, 1000).round().astype(np.int64))
    squared = search.knn_search(points[o3d.core.Tensor(asked).to(points.device)], 2)[1][:, -1].cpu().numpy()
    apart = np.sqrt(squared[squared > 0])
    if len(apart):
        return float(np.quantile(apart, share))
    extent = (cloud.get_max_bound() - cloud.get_min_bound()).cpu().numpy()
    return float(np.linalg.norm(extent)) / 1000 or 1.0  # every point is there twice, or there is one


DEFINITIONS = (spacing_of,)


def crowding_of(points: F64, radius: float) -> float:
    """Return about how many of the points (N, 3) lie within `radius` of one of them, from 20,000 of them at most."""
    import open3d as o3d

    every = -(-len(points) // 20_000)
    some = o3d.core.Tensor(np.ascontiguousarray(points[::every]))
    search = o3d.core.nns.NearestNeighborSearch(some)
    search.fixed_radius_index(radius)
    asked = some[o3d.core.Tensor(np.unique(np.linspace(0, len(some) - 1, 200).round().astype(np.int64)))]
    others = len(search.fixed_radius_search(asked, radius)[0]) / len(asked) - 1
    return 1 + others * every
