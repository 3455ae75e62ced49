"""Colours that show a number: how high, how far, how bent, or which part."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from demos.point_clouds.cloud import F32, F64, I32, U8, Cloud
from demos.point_clouds.operations.convert import enough, needed_labels, needed_normals
from demos.point_clouds.operations.flat import largest_plane
from demos.point_clouds.operations.operation import Changed, Context, Operation
from hub.options import choice, number

AXES = {"x": 0, "y": 1, "z": 2}
POINT, PLANE, FLAT = "distance from a point", "distance from the largest plane", "one colour"


@dataclass(frozen=True)
class ColourOptions:
    """What the colours show."""

    by: str = choice("height", ("height", "normal", "curvature", POINT, PLANE, "label", FLAT), label="Colour by")
    axis: str = choice("z", tuple(AXES), label="Height along")
    x: float = number(0.0, -1e9, 1e9, step=0.001, label="Point x", info="Distances are from it; file's coordinates.")
    y: float = number(0.0, -1e9, 1e9, step=0.001, label="Point y")
    z: float = number(0.0, -1e9, 1e9, step=0.001, label="Point z")
    neighbours: int = number(30, 4, 200, step=1, label="Neighbours", info="For curvature only.")
    red: int = number(180, 0, 255, step=1, label="Red", info="Of the one colour.")
    green: int = number(180, 0, 255, step=1, label="Green")
    blue: int = number(180, 0, 255, step=1, label="Blue")

    @property
    def point(self) -> list[float]:
        """Return the point that distances are from."""
        return [self.x, self.y, self.z]


def colour(cloud: Cloud, options: ColourOptions, context: Context) -> Changed:
    """Paint the cloud, over whatever colours it has.

    Raises:
        InvalidInput: for a cloud without the normals or the labels that are to be shown.
    """
    if options.by == FLAT:
        painted = np.tile(np.array([[options.red, options.green, options.blue]], np.uint8), (len(cloud), 1))
        return Changed(replace(cloud, colours=painted, values=None))
    if options.by == "normal":
        return Changed(replace(cloud, colours=normal_colours(needed_normals(cloud)), values=None))
    if options.by == "label":
        return Changed(replace(cloud, colours=label_colours(needed_labels(cloud)), values=None))
    values = _values(cloud, options, context).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    return Changed(replace(cloud, colours=viridis(values), values=values), {"lowest": low, "highest": high})


def _values(cloud: Cloud, options: ColourOptions, context: Context) -> F64:
    if options.by == "height":
        return cloud.points[:, AXES[options.axis]] + cloud.origin[AXES[options.axis]]
    if options.by == POINT:
        return np.linalg.norm(cloud.points - (np.array(options.point) - cloud.origin), axis=1)
    if options.by == PLANE:
        enough(cloud, 3, "a plane")
        normal, offset, _ = largest_plane(cloud.points, 0.0)
        return cloud.points @ normal + offset
    enough(cloud, options.neighbours, f"{options.neighbours} neighbours each")
    return curvature_of(cloud.points, options.neighbours)


def viridis(values: F32 | F64) -> U8:
    """Return colours (N, 3), dark blue for the smallest value to yellow for the largest.

    Source: viridis of matplotlib (van der Walt and Smith 2015), at nine of its colours and linear between them.
    """
    anchors = [(68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129)]
    anchors += [(92, 200, 99), (170, 220, 50), (253, 231, 37)]
    places = np.linspace(values.min(), values.max(), 9)
    if places[0] == places[-1]:
        return np.tile(np.array([anchors[4]], np.uint8), (len(values), 1))
    channels = [np.interp(values, places, channel) for channel in zip(*anchors, strict=True)]
    return np.round(np.stack(channels, axis=1)).astype(np.uint8)


def label_colours(labels: I32) -> U8:
    """Return colours (N, 3) that tell neighbouring labels apart, and grey for -1; after nine they come again."""
    palette = [(31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75)]
    palette += [(227, 119, 194), (188, 189, 34), (23, 190, 207)]
    return np.array([*palette, (127, 127, 127)], np.uint8)[np.where(labels < 0, 9, labels % 9)]


def normal_colours(normals: F32) -> U8:
    """Return colours (N, 3): red, green and blue for the three components, -1 to 1."""
    return np.round(127.5 * (normals + 1)).astype(np.uint8)


def curvature_of(points: F64, neighbours: int) -> F64:
    """Return the surface variation (N,): the smallest eigenvalue's share of the neighbours' variance, 0 on a plane.

    Source: Pauly, Gross and Kobbelt 2002, "Efficient Simplification of Point-Sampled Surfaces", section 2.1.
    """
    import open3d as o3d

    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    cloud.estimate_covariances(o3d.geometry.KDTreeSearchParamKNN(neighbours))
    eigenvalues = np.linalg.eigvalsh(np.asarray(cloud.covariances))
    return eigenvalues[:, 0] / np.maximum(eigenvalues.sum(axis=1), 1e-300)


def _code(options: ColourOptions) -> list[str]:
    if options.by == FLAT:
        rgb = f"[[{options.red}, {options.green}, {options.blue}]]"
        return _painted(f"np.tile(np.array({rgb}, np.uint8), (len(cloud.point.positions), 1))")
    if options.by == "normal":
        return _painted("normal_colours(cloud.point.normals.cpu().numpy().astype(np.float32))")
    if options.by == "label":
        return _painted('label_colours(cloud.point["labels"].cpu().numpy()[:, 0])')
    points = ["points = cloud.point.positions.cpu().numpy()"]
    if options.by == "height":
        axis = AXES[options.axis]
        values = [f"values = points[:, {axis}] + origin[{axis}]"]
    elif options.by == POINT:
        values = [f"values = np.linalg.norm(points - (np.array({options.point}) - origin), axis=1)"]
    elif options.by == PLANE:
        values = ["normal, offset, _ = largest_plane(points, 0.0)", "values = points @ normal + offset"]
    else:
        values = [f"values = curvature_of(points, {options.neighbours})"]
    return [
        *points,
        *values,
        "values = values.astype(np.float32)",
        "cloud.point.colors = o3c.Tensor(viridis(values)).to(device)",
        'cloud.point["scalars"] = o3c.Tensor(values[:, None]).to(device)',
    ]


def _painted(colours: str) -> list[str]:
    return [f"cloud.point.colors = o3c.Tensor({colours}).to(device)"]


DEFINITIONS = (viridis, label_colours, normal_colours, curvature_of)
OPERATIONS = (
    Operation(
        key="colour",
        title="Colour",
        group="Normals and colours",
        explanation=(
            "Paints every point by a number: its height, its distance from a place or from the largest plane (below it "
            "negative), how bent the surface is there (surface variation: the share of the smallest eigenvalue in the "
            "variance of the neighbours, 0 on a plane; Pauly et al. 2002), from dark blue for the least to yellow for "
            "the most (viridis, which keeps its order in grey and for colour-blind eyes); or by its normal, by the "
            "plane or cluster it belongs to, or all in one colour of your choice. Files keep these colours; taking the "
            "step back gives the cloud's own back. One far outlier squeezes all others into one colour: clean first."
        ),
        options=ColourOptions,
        apply=colour,
        code=_code,
    ),
)
