"""How dense a cloud is: what lengths that are left to us are chosen by.

A cloud may be a coin in millimetres or a city in metres, so no fixed length suits; the spacing of its own points does.
These functions are copied into scripts as they stand, so they know nothing but NumPy and Open3D.
"""

from __future__ import annotations

from typing import Any

import numpy as np


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


def crowding_of(cloud: Any, radius: float) -> float:
    """Return how many points lie within `radius` of a point, itself counted: the mean over 200 points."""
    import open3d as o3d

    points = cloud.point.positions
    search = o3d.core.nns.NearestNeighborSearch(points)
    search.fixed_radius_index(radius)
    asked = np.unique(np.linspace(0, len(points) - 1, 200).round().astype(np.int64))
    return len(search.fixed_radius_search(points[o3d.core.Tensor(asked).to(points.device)], radius)[0]) / len(asked)


DEFINITIONS = (spacing_of, crowding_of)
