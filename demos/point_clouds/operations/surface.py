"""A surface through points.

Functions that a script needs are plain Open3D and NumPy, and are copied into it from here. Open3D has these methods in
its older interface only, so they run on the CPU.

Sources: Bernardini et al. 1999, "The ball-pivoting algorithm for surface reconstruction", TVCG 5(4); Kazhdan & Hoppe
2013, "Screened Poisson surface reconstruction", TOG 32(3); Edelsbrunner & Mücke 1994, "Three-dimensional alpha
shapes", TOG 13(1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.convert import enough, from_tensor_mesh, to_tensor_cloud
from demos.point_clouds.operations.operation import Changed, Context, Operation
from demos.point_clouds.operations.scale import spacing_of
from hub.errors import InvalidInput
from hub.options import number

LEAST_POINTS = 10
MOST_POINTS = 300_000  # of ball pivoting, alpha shapes and of orienting normals, which then take minutes
ESTIMATED = (
    "The cloud had no normals: they were estimated from 30 neighbours each and turned to agree with each other. Where "
    "the surface is torn or inside out, add steps for normals before this one."
)


@dataclass(frozen=True)
class BallOptions:
    """The balls."""

    radius: float = number(
        0.0,
        0.0,
        1e6,
        step=0.001,
        label="Radius of the smallest ball",
        info="In the cloud's unit; balls of twice and four times that follow. 0: the median spacing of the points.",
    )


@dataclass(frozen=True)
class PoissonOptions:
    """The grid, and what is cut off."""

    depth: int = number(8, 4, 10, step=1, label="Depth", info="The grid has 2 to this power cells along an edge.")
    trim: float = number(
        2.0,
        0.0,
        50.0,
        step=0.5,
        label="Trim, percent",
        info="This share of the vertices, where the points are thinnest, is cut off: the skin over gaps.",
    )


@dataclass(frozen=True)
class AlphaOptions:
    """The ball that carves."""

    alpha: float = number(
        0.0,
        0.0,
        1e6,
        step=0.001,
        label="Alpha",
        info="Radius in the cloud's unit; 0: four times the median spacing, doubled until half of the points are used.",
    )


def ball_pivoting(cloud: Cloud, options: BallOptions, context: Context) -> Changed:
    """Roll balls over the points; what three points a ball rests on becomes a face."""
    return _built(cloud, context, lambda sent: pivoted(sent, options.radius), "radius", MOST_POINTS)


def poisson(cloud: Cloud, options: PoissonOptions, context: Context) -> Changed:
    """Fit a function that is inside on one side and outside on the other; its border is the surface."""
    most = MOST_POINTS if cloud.normals is None else len(cloud)
    return _built(cloud, context, lambda sent: screened_poisson(sent, options.depth, options.trim), "", most)


def alpha(cloud: Cloud, options: AlphaOptions, context: Context) -> Changed:
    """Fill the hull with tetrahedra and carve away those larger than a ball of radius alpha."""
    return _built(cloud, context, lambda sent: alpha_shape(sent, options.alpha), "alpha", MOST_POINTS)


def _built(cloud: Cloud, context: Context, build: Any, length: str, most: int) -> Changed:
    """Build a surface with one of the functions below, and say what it is.

    Args:
        cloud: whose points it goes through.
        context: of the step.
        build: takes the cloud (o3d.t), returns the mesh (o3d.t) and the length it was built with.
        length: what that length is called; "" where there is none.
        most: points that it can take.

    Raises:
        InvalidInput: for too few points, too many of them, or where no face comes out.
    """
    enough(cloud, LEAST_POINTS, "a surface")
    if len(cloud) > most:
        raise InvalidInput(
            f"A surface through {len(cloud):,} points would take minutes.",
            f"Thin the cloud out to {most:,} points first, or estimate normals and choose Poisson.",
        )
    if not np.ptp(cloud.points, axis=0).any():  # (which kills Open3D's Poisson)
        raise InvalidInput("All points lie in one place.", "Send a cloud with a shape.")
    context.check()
    try:
        mesh, used = build(to_tensor_cloud(cloud))
    except RuntimeError as error:
        if "Qhull" not in str(error):  # which makes tetrahedra, and cannot where all points lie in one plane
            raise
        raise InvalidInput(
            "No surface could be built: the points may all lie in one plane.",
            "Add the steps Normals and Orient (upwards) first, and choose ball pivoting.",
        ) from error
    if not len(mesh.triangle.indices):
        raise InvalidInput("No face came out.", "Choose another radius, or normals that agree with each other.")
    notes = (ESTIMATED,) if length != "alpha" and cloud.normals is None else ()
    return Changed(from_tensor_mesh(mesh, cloud), ({length: used} if length else {}) | surface_facts(mesh), notes=notes)


def surface_facts(mesh: Any) -> dict[str, Any]:
    """Return what is said of a mesh (o3d.t): watertight means that each edge has two faces, so that it encloses."""
    legacy = mesh.to_legacy()
    return {
        "faces": len(legacy.triangles),
        "watertight": bool(legacy.is_edge_manifold(allow_boundary_edges=False)),
        "area": float(legacy.get_surface_area()),
    }


# --- Copied into scripts: Open3D and NumPy alone ----------------------------------------------------------------------


def oriented(cloud: Any) -> Any:
    """Return a cloud (o3d.t) as an o3d.geometry.PointCloud with normals; its own, or estimated ones that agree."""
    import open3d as o3d

    points = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(cloud.point.positions.cpu().numpy()))
    if "colors" in cloud.point:
        points.colors = o3d.utility.Vector3dVector(cloud.point.colors.cpu().numpy() / 255)
    if "normals" in cloud.point:
        points.normals = o3d.utility.Vector3dVector(cloud.point.normals.cpu().numpy())
    else:
        points.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(30))
        points.orient_normals_consistent_tangent_plane(min(20, len(points.points) - 1))
    return points


def as_tensor_mesh(mesh: Any, device: Any) -> Any:
    """Return an o3d.geometry.TriangleMesh as o3d.t.geometry.TriangleMesh on a device, with colours of 8 bits."""
    import open3d as o3d

    vertices, triangles = np.array(mesh.vertices), np.array(mesh.triangles, dtype=np.int32)
    made = o3d.t.geometry.TriangleMesh()
    made.vertex.positions, made.triangle.indices = o3d.core.Tensor(vertices), o3d.core.Tensor(triangles)
    if mesh.has_vertex_colors():
        made.vertex.colors = o3d.core.Tensor(
            np.rint(np.clip(np.array(mesh.vertex_colors), 0, 1) * 255).astype(np.uint8)
        )
    if mesh.has_vertex_normals():
        normals = np.array(mesh.vertex_normals)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
        made.vertex.normals = o3d.core.Tensor(normals.astype(np.float32).astype(np.float64))
    return made.to(device)


def pivoted(cloud: Any, radius: float) -> tuple[Any, float]:
    """Return the surface (o3d.t) that balls of one, two and four times a radius roll over, and the radius.

    0 is the median spacing.
    """
    import open3d as o3d

    radius = radius or spacing_of(cloud)
    radii = o3d.utility.DoubleVector([radius, 2 * radius, 4 * radius])
    mesh = o3d.geometry.TriangleMesh.create_from_point_cloud_ball_pivoting(oriented(cloud), radii)
    return as_tensor_mesh(mesh, cloud.device), radius


def screened_poisson(cloud: Any, depth: int, trim: float) -> tuple[Any, float]:
    """Return the Poisson surface (o3d.t) without the `trim` percent of its vertices with the fewest points around.

    Also the least density that was kept, as a power of two.
    """
    import open3d as o3d

    mesh, densities = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(
        oriented(cloud), depth=depth, n_threads=1
    )
    least = float(np.percentile(densities, trim))
    mesh.remove_vertices_by_mask(np.asarray(densities) < least)
    return as_tensor_mesh(mesh, cloud.device), least


def alpha_shape(cloud: Any, alpha: float) -> tuple[Any, float]:
    """Return the alpha shape (o3d.t) of a cloud's points, and its alpha.

    0 is four times the median spacing, doubled until half of the points are on the surface: points of a thin round
    shell lie on large balls only.
    """
    import open3d as o3d

    points = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(cloud.point.positions.cpu().numpy()))
    if "colors" in cloud.point:
        points.colors = o3d.utility.Vector3dVector(cloud.point.colors.cpu().numpy() / 255)
    tetrahedra, places = o3d.geometry.TetraMesh.create_from_point_cloud(points)
    radius, largest = alpha or 4 * spacing_of(cloud), np.linalg.norm(points.get_max_bound() - points.get_min_bound())
    while True:
        with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):  # it warns of each empty mesh
            mesh = o3d.geometry.TriangleMesh.create_from_point_cloud_alpha_shape(points, radius, tetrahedra, places)
        mesh.remove_unreferenced_vertices()
        if alpha or 2 * len(mesh.vertices) >= len(points.points) or radius > largest:
            break
        radius *= 2
    mesh.compute_vertex_normals()
    return as_tensor_mesh(mesh, cloud.device), radius


DEFINITIONS = (oriented, as_tensor_mesh, pivoted, screened_poisson, alpha_shape)
OPERATIONS = (
    Operation(
        key="ball_pivoting",
        title="Surface: ball pivoting",
        group="Surface",
        explanation=(
            "Rolls a ball over the points; where it rests on three of them they become a face (Bernardini et al. "
            "1999). Balls of one, two and four times the radius are rolled one after the other. Vertices are the "
            "points themselves, so nothing is invented and noise stays; gaps wider than the ball stay open. It needs "
            "normals, to know from which side to roll: without any they are estimated, and you are told. Even spacing "
            "helps, so thin out with voxels first."
        ),
        options=BallOptions,
        apply=ball_pivoting,
        code=lambda options: [f"mesh, radius = pivoted(cloud, {options.radius!r})"],
    ),
    Operation(
        key="poisson",
        title="Surface: Poisson",
        group="Surface",
        explanation=(
            "Looks for the solid whose border has the cloud's normals, by solving Poisson's equation on a grid "
            "(Kazhdan and Hoppe 2013). It smooths noise and closes gaps, also over parts that nobody "
            "scanned; trimming cuts off the vertices with the fewest points around, which opens it again where it was "
            "guessed. One more level of depth doubles the detail and takes about four times as long. Normals must "
            "point outwards all over: without any they are estimated, and you are told."
        ),
        options=PoissonOptions,
        apply=poisson,
        code=lambda options: [f"mesh, density = screened_poisson(cloud, {options.depth}, {options.trim!r})"],
    ),
    Operation(
        key="alpha",
        title="Surface: alpha shape",
        group="Surface",
        explanation=(
            "Fills the convex hull with tetrahedra between the points and carves away all that a ball of radius alpha "
            "can enter without touching a point (Edelsbrunner and Mücke 1994). Needs no normals and no trust in them. "
            "A small alpha leaves holes or loose shells, a large one fills hollows; the largest gives the convex hull. "
            "The faces join measured points, so noise stays."
        ),
        options=AlphaOptions,
        apply=alpha,
        code=lambda options: [f"mesh, alpha = alpha_shape(cloud, {options.alpha!r})"],
    ),
)
