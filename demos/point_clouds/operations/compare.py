"""How far two clouds lie from each other: Chamfer and Hausdorff distance, and the first cloud coloured by it.

Every point is compared with the nearest point of the other cloud, in both directions: a part that one cloud lacks
shows only in the other's distances.

Sources: Barrow et al. 1977, "Parametric correspondence and chamfer matching", IJCAI; Hausdorff 1914, Grundzüge der
Mengenlehre; Aspert et al. 2002, "MESH: measuring errors between surfaces using the Hausdorff distance", ICME.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from demos.point_clouds.cloud import F64, Cloud
from demos.point_clouds.operations.colouring import viridis
from demos.point_clouds.operations.convert import to_tensor_cloud
from demos.point_clouds.operations.operation import Changed, Context, Operation
from hub.errors import InvalidInput
from hub.options import number

PERCENTILES = (50, 90, 95, 99)
FULL_COLOUR = 95  # percentile of the distances that gets the last colour, where the user says none


@dataclass(frozen=True)
class CompareOptions:
    """How distances are coloured."""

    full_colour: float = number(
        0.0,
        0.0,
        1e6,
        step=0.001,
        label="Distance of the last colour",
        info="In the cloud's unit; what is farther looks the same. 0: what 95 % of the points stay below.",
    )


def compare(cloud: Cloud, options: CompareOptions, context: Context) -> Changed:
    """Measure the distance of every point to the second cloud, and of that one's points back.

    Raises:
        InvalidInput: for clouds in different units.
    """
    second = context.other()
    same_unit(cloud, second)
    context.check()
    here, there = (to_tensor_cloud(one, context.device) for one in (cloud, second))
    towards = nearest_distances(here, there)
    context.check()
    back = nearest_distances(there, here)
    limit = options.full_colour or float(np.percentile(towards, FULL_COLOUR))
    values = np.minimum(towards, limit).astype(np.float32)
    made = replace(cloud, values=values, colours=distance_colours(towards, limit))
    notes = []
    if towards.max() > limit > 0:
        notes.append(f"Points farther than {limit:.4g} have the last colour; the figures count them as they are.")
    if second.triangles is not None:
        notes.append("The second file is a mesh, and distances are to its vertices: sample its faces on reading.")
    return Changed(made, {**figures(towards, back), "full_colour": limit}, notes=tuple(notes))


def same_unit(first: Cloud, second: Cloud) -> None:
    """Check that two clouds whose units are known have the same.

    Raises:
        InvalidInput: when they have not.
    """
    if first.unit and second.unit and first.unit != second.unit:
        raise InvalidInput(
            f"The first cloud is in {first.unit} and the second in {second.unit}.",
            "Save one of them in the other's unit.",
        )


def figures(towards: F64, back: F64) -> dict[str, Any]:
    """Return what is said of the distances from the first cloud to the second (N,) and back (M,), in their unit.

    chamfer is the sum of the two means (some papers square the distances, some take half); hausdorff is the largest
    distance of all.
    """
    table = [
        {"from": start, "mean": float(far.mean()), "rms": float(np.sqrt((far**2).mean()))}
        | {f"{percent} % below": float(np.percentile(far, percent)) for percent in PERCENTILES}
        | {"largest": float(far.max())}
        for start, far in (("first to second", towards), ("second to first", back))
    ]
    return {
        "chamfer": float(towards.mean() + back.mean()),
        "hausdorff": float(max(towards.max(), back.max())),
        "distances": table,
    }


def chamfer(first: Cloud, second: Cloud) -> float:
    """Return the Chamfer distance of two clouds in one unit and frame, as `figures` defines it."""
    here, there = to_tensor_cloud(first), to_tensor_cloud(second)
    return float(nearest_distances(here, there).mean() + nearest_distances(there, here).mean())


# --- Copied into scripts ----------------------------------------------------------------------------------------------


def nearest_distances(cloud: Any, other: Any) -> np.ndarray:
    """Return how far each point of a cloud (o3d.t) is from the nearest point of another, (N,) float64."""
    import open3d as o3d

    search = o3d.core.nns.NearestNeighborSearch(other.point.positions)
    search.knn_index()
    _, squares = search.knn_search(cloud.point.positions, 1)
    return np.sqrt(squares.cpu().numpy()[:, 0])


def distance_colours(distances: np.ndarray, limit: float) -> np.ndarray:
    """Return colours (N, 3) uint8 of distances (N,): the first is none, the last is `limit` and all beyond."""
    return viridis(np.minimum(distances, limit))


def _code(options: CompareOptions) -> list[str]:
    limit = repr(options.full_colour) if options.full_colour else f"float(np.percentile(towards, {FULL_COLOUR}))"
    return [
        "towards, back = nearest_distances(cloud, other), nearest_distances(other, cloud)",
        'print("Chamfer distance:", towards.mean() + back.mean())',
        'print("Hausdorff distance:", max(towards.max(), back.max()))',
        f"limit = {limit}",
        "cloud.point.colors = o3c.Tensor(distance_colours(towards, limit)).to(device)",
        'cloud.point["scalars"] = o3c.Tensor(np.minimum(towards, limit).astype(np.float32)[:, None]).to(device)',
    ]


DEFINITIONS = (nearest_distances, distance_colours)
OPERATIONS = (
    Operation(
        key="compare",
        title="Distance to a second cloud",
        group="Register and compare",
        explanation=(
            "For every point the distance to the nearest point of the second cloud, and the same the other way round. "
            "Chamfer is the sum of the two means (Barrow et al. 1977), Hausdorff the largest distance of all, which "
            "one stray point decides: look at the percentiles too. The first cloud is coloured by its distances, dark "
            "where the two agree. Distances are between points, so they are never quite 0 between two scans of one "
            "thing: expect half the spacing of the second cloud's points. Register the clouds first if they come from "
            "different places."
        ),
        options=CompareOptions,
        apply=compare,
        code=_code,
    ),
)
