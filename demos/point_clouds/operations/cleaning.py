"""Taking out points that stand alone."""

from __future__ import annotations

from dataclasses import dataclass

from demos.point_clouds.cloud import F64, Cloud
from demos.point_clouds.operations.convert import enough, from_tensor_cloud, to_tensor_cloud
from demos.point_clouds.operations.operation import Changed, Context, Operation
from demos.point_clouds.operations.scale import crowding_of, spacing_of
from hub.errors import InvalidInput
from hub.options import number

SPACINGS_IN_RADIUS = 3
SPARSE = 0.95  # the spacing that suits the thin parts of a cloud too: this share of points have a nearer neighbour
MOST_NEIGHBOURS = 300_000_000  # in all: DBSCAN keeps four bytes of each


@dataclass(frozen=True)
class StatisticalOptions:
    """What is far from its neighbours."""

    neighbours: int = number(20, 2, 200, step=1, label="Neighbours", info="More: smoother judgement, slower.")
    ratio: float = number(
        2.0, 0.1, 10.0, step=0.1, label="Standard deviations", info="Less takes out more; 2 to 3 spares the surface."
    )


@dataclass(frozen=True)
class RadiusOptions:
    """What has few neighbours."""

    radius: float = number(
        0.0,
        0.0,
        1e6,
        step=0.001,
        label="Radius",
        info="In the cloud's unit; 0: three times the distance within which 95 % of the points have a neighbour.",
    )
    points: int = number(8, 1, 1000, step=1, label="Points within it", info="A point with fewer, itself counted, goes.")


def statistical(cloud: Cloud, options: StatisticalOptions, context: Context) -> Changed:
    """Take out points whose mean distance to their neighbours is unusual.

    Raises:
        InvalidInput: when there are too few points.
    """
    enough(cloud, options.neighbours + 1, f"{options.neighbours} neighbours each")
    sent = to_tensor_cloud(cloud, context.device)
    kept, _ = sent.remove_statistical_outliers(options.neighbours, options.ratio)
    if kept.is_empty():
        raise InvalidInput("Statistical outlier removal keeps no point.", "Allow more standard deviations.")
    return Changed(from_tensor_cloud(kept, cloud), {"removed": len(cloud) - len(kept.point.positions)})


def radius(cloud: Cloud, options: RadiusOptions, context: Context) -> Changed:
    """Take out points with few neighbours in a ball.

    Raises:
        InvalidInput: when no point is kept, and for a ball that holds too much of the cloud.
    """
    sent = to_tensor_cloud(cloud, context.device)
    chosen = options.radius or SPACINGS_IN_RADIUS * spacing_of(sent, SPARSE)
    affordable(cloud.points, chosen)
    kept, _ = sent.remove_radius_outliers(options.points, chosen)
    if kept.is_empty():
        raise InvalidInput(
            f"No point has {options.points} points within {chosen:.4g} of it.",
            "Choose a larger radius or fewer points.",
        )
    return Changed(
        from_tensor_cloud(kept, cloud), {"radius": chosen, "removed": len(cloud) - len(kept.point.positions)}
    )


def affordable(points: F64, radius_length: float) -> None:
    """Check that the neighbours within a radius are not too many in all.

    Raises:
        InvalidInput: when they are, with what a neighbourhood holds.
    """
    crowd = crowding_of(points, radius_length)
    if crowd * len(points) > MOST_NEIGHBOURS:
        raise InvalidInput(
            f"A point has {crowd:,.0f} others within {radius_length:.4g} of it: for {len(points):,} points that is too "
            "much.",
            "Choose a smaller radius, or thin the cloud out first.",
        )


def _statistical_code(options: StatisticalOptions) -> list[str]:
    return [f"cloud, kept = cloud.remove_statistical_outliers({options.neighbours}, {options.ratio!r})"]


def _radius_code(options: RadiusOptions) -> list[str]:
    chosen = repr(options.radius) if options.radius else f"{SPACINGS_IN_RADIUS} * spacing_of(cloud, {SPARSE})"
    return [f"cloud, kept = cloud.remove_radius_outliers({options.points}, {chosen})"]


OPERATIONS = (
    Operation(
        key="statistical",
        title="Statistical outlier removal",
        group="Clean",
        explanation=(
            "Measures the mean distance of every point to its nearest neighbours, and takes out the points for which "
            "it is larger than the mean of all by more than the given number of standard deviations (Rusu et al. 2008, "
            "'Towards 3D Point Cloud Based Object Maps for Household Environments'). It suits the cloud's own density, "
            "but where that differs much within a cloud, its thin parts count as outliers: thin the cloud out evenly "
            "first, or allow more deviations. Outliers in dense bunches stay: clusters find those."
        ),
        options=StatisticalOptions,
        apply=statistical,
        code=_statistical_code,
    ),
    Operation(
        key="radius",
        title="Radius outlier removal",
        group="Clean",
        explanation=(
            "Takes out every point with fewer than a number of points within a radius, itself counted. The rule is the "
            "same all over the cloud, so it is easily predicted and good at specks of dust, and it needs a radius that "
            "suits the thinnest part worth keeping (as in the Point Cloud Library; Rusu and Cousins 2011)."
        ),
        options=RadiusOptions,
        apply=radius,
        code=_radius_code,
    ),
)
