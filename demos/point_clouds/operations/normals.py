"""Which way the surface faces at each point, and which side of it is outside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.cleaning import affordable
from demos.point_clouds.operations.convert import enough, needed_normals, to_tensor_cloud
from demos.point_clouds.operations.operation import Changed, Context, Operation
from hub.errors import InvalidInput
from hub.options import choice, number

MOST_ORIENTED = 300_000  # points along one tree: 100,000 took 7 s on one core of a server of 2026
ROUNDED = ".to(o3c.float32).to(o3c.float64)"  # as the app keeps them


@dataclass(frozen=True)
class NormalOptions:
    """What counts as a point's neighbourhood."""

    neighbours: int = number(
        30, 3, 200, step=1, label="Neighbours", info="Fewer follow fine detail, more are calmer on noisy surfaces."
    )
    radius: float = number(
        0.0,
        0.0,
        1e6,
        step=0.001,
        label="Radius",
        info="In the cloud's unit: neighbours farther away do not count; 0: however far they are.",
    )


@dataclass(frozen=True)
class OrientOptions:
    """Where outside is."""

    towards: str = choice(
        "upwards",
        ("upwards", "viewpoint", "consistently"),
        label="Normals point",
        info="Up along z; to a viewpoint, such as the scanner's; or each as its neighbours' do.",
    )
    x: float = number(0.0, -1e9, 1e9, step=0.001, label="Viewpoint x", info="In the file's coordinates.")
    y: float = number(0.0, -1e9, 1e9, step=0.001, label="Viewpoint y")
    z: float = number(0.0, -1e9, 1e9, step=0.001, label="Viewpoint z")
    neighbours: int = number(20, 3, 100, step=1, label="Neighbours", info="For consistent normals only.")


def estimate(cloud: Cloud, options: NormalOptions, context: Context) -> Changed:
    """Estimate normals; where there are some already, the new ones point to the same side.

    Raises:
        InvalidInput: when there are too few points, or too many within the radius.
    """
    enough(cloud, 3, "a plane through neighbours")
    sent = to_tensor_cloud(cloud, context.device)  # its normals are a copy: Open3D writes into them
    if options.radius:
        affordable(cloud.points, options.radius)
        sent.estimate_normals(options.neighbours, options.radius)
    else:
        sent.estimate_normals(options.neighbours)
    return Changed(_with_normals(cloud, sent))


def _with_normals(cloud: Cloud, sent: Any) -> Cloud:
    return replace(cloud, normals=sent.point.normals.cpu().numpy().astype(np.float32))


def _estimate_code(options: NormalOptions) -> list[str]:
    arguments = f"{options.neighbours}, {options.radius!r}" if options.radius else f"{options.neighbours}"
    return [f"cloud.estimate_normals({arguments})", f"cloud.point.normals = cloud.point.normals{ROUNDED}"]


def orient(cloud: Cloud, options: OrientOptions, context: Context) -> Changed:
    """Turn normals round where they point to the wrong side.

    Raises:
        InvalidInput: for a cloud without normals, and for one that is too large to be oriented consistently.
    """
    import open3d as o3d

    before = needed_normals(cloud)
    device = o3d.core.Device(context.device)
    sent = to_tensor_cloud(cloud, context.device)
    if options.towards == "upwards":
        sent.orient_normals_to_align_with_direction(o3d.core.Tensor([0.0, 0.0, 1.0], device=device))
    elif options.towards == "viewpoint":
        viewpoint = np.array([options.x, options.y, options.z]) - cloud.origin
        sent.orient_normals_towards_camera_location(o3d.core.Tensor(viewpoint, device=device))
    else:
        enough(cloud, options.neighbours + 1, f"{options.neighbours} neighbours each")
        if len(cloud) > MOST_ORIENTED:
            raise InvalidInput(
                f"Orienting {len(cloud):,} normals consistently would take minutes.",
                f"Thin the cloud out to {MOST_ORIENTED:,} points first, or choose upwards or viewpoint.",
            )
        try:
            sent.orient_normals_consistent_tangent_plane(options.neighbours)
        except RuntimeError as error:
            if "Qhull" not in str(error):
                raise
            raise InvalidInput(
                "The points lie on a plane or a line, where the way from point to point cannot be found.",
                "Choose upwards or viewpoint.",
            ) from error
    oriented = _with_normals(cloud, sent)
    assert oriented.normals is not None
    turned = int((np.einsum("ij,ij->i", oriented.normals, before) < 0).sum())
    return Changed(oriented, {"turned": turned})


def _orient_code(options: OrientOptions) -> list[str]:
    if options.towards == "upwards":
        return ["cloud.orient_normals_to_align_with_direction(o3c.Tensor([0.0, 0.0, 1.0], device=device))"]
    if options.towards == "viewpoint":
        return [
            f"viewpoint = np.array([{options.x!r}, {options.y!r}, {options.z!r}]) - origin",
            "cloud.orient_normals_towards_camera_location(o3c.Tensor(viewpoint, device=device))",
        ]
    return [f"cloud.orient_normals_consistent_tangent_plane({options.neighbours})"]


OPERATIONS = (
    Operation(
        key="normals",
        title="Normals",
        group="Normals and colours",
        explanation=(
            "Fits a plane to the nearest neighbours of every point; its normal is the direction in which they vary "
            "least, the eigenvector of their covariance with the smallest eigenvalue (Hoppe et al. 1992, 'Surface "
            "Reconstruction from Unorganized Points'; Rusu 2010, 'Semantic 3D Object Maps'). Few neighbours follow "
            "edges but also noise, many round edges off. A plane has two sides and nothing here tells which is "
            "outside: Orient normals does. Normals the cloud has already decide the side of the new ones."
        ),
        options=NormalOptions,
        apply=estimate,
        code=_estimate_code,
    ),
    Operation(
        key="orient",
        title="Orient normals",
        group="Normals and colours",
        explanation=(
            "Turns normals to the outside. Upwards suits ground and table tops; a viewpoint suits a scan taken from "
            "one place, since the scanner saw every surface from outside; consistently goes from point to point along "
            "the tree that connects neighbours with the most alike normals and hands the side on (Hoppe et al. 1992), "
            "which suits closed things scanned all round, and can turn inside out past a thin or sharp part. The "
            "reconstruction of surfaces needs oriented normals."
        ),
        options=OrientOptions,
        apply=orient,
        code=_orient_code,
    ),
)
