"""Bringing two clouds of one thing together: a first guess from what the surfaces look like, then a fine fit.

The first cloud stays where it is and the second one moves. How is in `aligning`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.point_clouds.cloud import F64, Cloud
from demos.point_clouds.operations.aligning import DEFINITIONS, brought, detail_of, registration
from demos.point_clouds.operations.compare import same_unit
from demos.point_clouds.operations.convert import enough, from_tensor_cloud, to_tensor_cloud
from demos.point_clouds.operations.operation import Changed, Context, Operation
from hub.errors import InvalidInput
from hub.options import choice, number

__all__ = ["DEFINITIONS", "OPERATIONS", "RegisterOptions", "register"]

LEAST_POINTS = 50
LEAST_VOXELS, MOST_VOXELS = 20, 100_000  # a cloud of fewer has no shape to recognise
MOST_ALONG = 100_000  # voxels along an edge: Open3D numbers them with 32 bits
POOR = 0.3  # share of the second cloud that must find a partner before the result is to be trusted
COARSE = ("RANSAC", "fast global", "none")
FINE = ("point to plane", "coloured", "none")
RESULTS = ("both clouds", "the second cloud")
PAINTS = ("their own colours", "orange and blue")


@dataclass(frozen=True)
class RegisterOptions:
    """How the second cloud is brought to the first."""

    coarse: str = choice(
        "RANSAC", COARSE, label="First guess", info='"none" where the clouds already lie close to each other.'
    )
    fine: str = choice("point to plane", FINE, label="Fine fit (ICP)", info="Coloured: where both clouds have colours.")
    voxel: float = number(
        0.0,
        0.0,
        1e6,
        step=0.001,
        label="Voxel",
        info="What a detail is, in the cloud's unit; 0: a fiftieth of the smaller cloud's diagonal.",
    )
    result: str = choice("both clouds", RESULTS, label="What becomes the cloud")
    paint: str = choice("orange and blue", PAINTS, label="Colours", info="Of the first and the second cloud.")
    seed: int = number(0, 0, 2**31 - 1, step=1, label="Seed", info="Of the random draws.")


def register(cloud: Cloud, options: RegisterOptions, context: Context) -> Changed:
    """Move the second cloud onto the first, and merge the two or keep the second alone.

    Raises:
        InvalidInput: for clouds of few points, in different units, without the colours needed, of hardly any shape at
            this voxel, and of one that leaves a direction open.
    """
    second = context.other()
    same_unit(cloud, second)
    for which, one in (("first", cloud), ("second", second)):
        enough(one, LEAST_POINTS, f"registering the {which} cloud")
        if options.fine == "coloured" and one.colours is None:
            raise InvalidInput(
                f"The coloured fit needs colours, and the {which} cloud has none.", 'Choose "point to plane".'
            )
    context.check()
    still, moving = (to_tensor_cloud(one, context.device) for one in (cloud, second))
    size = options.voxel or detail_of(still, moving)
    if not size > 0:
        raise InvalidInput("All points of one of the clouds lie in one place.", "Send clouds with a shape.")
    for which, one in (("first", still), ("second", moving)):
        _check_detail(one, size, which)
    try:
        found = registration(still, moving, size, options.coarse, options.fine, options.seed, context.check)
    except RuntimeError as error:
        if "Singular" not in str(error):  # equations that leave a direction open
            raise
        raise InvalidInput(
            "The fine fit cannot tell where the clouds belong: flat and round things slide along themselves.",
            'Choose the coloured fit, or "none".',
        ) from error
    made = from_tensor_cloud(brought(still, moving, found["transform"], options.result, options.paint), cloud)
    notes: tuple[str, ...] = ()
    if found["fitness"] < POOR:
        notes = (
            f"Only {100 * found['fitness']:.0f} % of the second cloud lies on the first: they overlap little, or were "
            "not brought together. Try another voxel, or the other first guess.",
        )
    transform = in_file(found["transform"], cloud.origin)
    angle = np.degrees(np.arccos(np.clip((np.trace(transform[:3, :3]) - 1) / 2, -1, 1)))
    facts = {
        "fitness": found["fitness"],
        "rmse": found["rmse"],
        "fitness after the first guess": found["coarse_fitness"],
        "voxel": size,
        "rotation in degrees": float(angle),
        "transform": transform.tolist(),
    }
    return Changed(made, facts, notes=notes)


def _check_detail(cloud: Any, size: float, which: str) -> None:
    """Check that a cloud (o3d.t) has some shape at this voxel, and not more than can be worked on.

    Raises:
        InvalidInput: says what to choose instead.
    """
    edge = float((cloud.get_max_bound() - cloud.get_min_bound()).max().item())
    voxels = len(cloud.voxel_down_sample(size).point.positions) if edge < MOST_ALONG * size else MOST_VOXELS + 1
    if voxels < LEAST_VOXELS:
        raise InvalidInput(f"The {which} cloud fills only {voxels} voxels of {size:g}.", "Choose a smaller voxel.")
    if voxels > MOST_VOXELS:
        raise InvalidInput(
            f"The {which} cloud fills over {MOST_VOXELS:,} voxels of {size:g}, which would take minutes.",
            "Choose a larger voxel.",
        )


def in_file(transform: F64, origin: F64) -> F64:
    """Return a (4, 4) transform of points that have `origin` (3,) subtracted as one of the file's coordinates."""
    shifted = transform.copy()
    shifted[:3, 3] += origin - transform[:3, :3] @ origin
    return shifted


def _code(options: RegisterOptions) -> list[str]:
    size = repr(options.voxel) if options.voxel else "detail_of(cloud, other)"
    return [
        f"found = registration(cloud, other, {size}, {options.coarse!r}, {options.fine!r}, {options.seed})",
        'print("transform of the second cloud:", found["transform"], sep="\\n")',
        f'cloud = brought(cloud, other, found["transform"], {options.result!r}, {options.paint!r})',
    ]


OPERATIONS = (
    Operation(
        key="register",
        title="Register a second cloud",
        group="Register and compare",
        explanation=(
            "Moves the second cloud, as a rigid body, to where it fits the first, which stays. First guess: both are "
            "reduced to one point a voxel, each point gets a histogram of the angles between the normals around it "
            "(FPFH, Rusu et al. 2009), points of like histograms are matched, and either RANSAC (Fischler and Bolles "
            "1981) looks for three matches that most others agree with and that lay the clouds onto each other, or "
            "fast global registration (Zhou et al. 2016) weighs all matches at once: faster, but lost sooner where "
            "the clouds share little. Fine fit: ICP, which brings each point nearer to the plane through its "
            "neighbour in the other cloud (Chen and Medioni 1992), again and again; coloured, it also slides until "
            "the colours agree (Park et al. 2017), which holds flat things in place. It only finds the nearest good "
            "place, so the guess must be good to a few voxels. Fitness is the share of the second cloud with a "
            "partner within 3/4 of a voxel, RMSE the root mean square distance to these partners; with a fitness "
            "below 0.3 be wary. The transform takes coordinates of the second file to those of the first."
        ),
        options=RegisterOptions,
        apply=register,
        code=_code,
    ),
)
