"""Between our plain arrays and Open3D's geometries, without a copy wherever the two agree on a type.

A tensor shares memory with the array it is made of, and clouds are remembered: whoever changes a tensor in place
clones it first.

In a tensor cloud positions are float64, colours uint8, normals float64 (of float32 values: Open3D wants them in the
type of the positions), labels int32 (N, 1) and "scalars" float32 (N, 1; our values: that name is taken).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from demos.point_clouds.cloud import F32, F64, I32, U8, Cloud
from hub.errors import InvalidInput


def to_tensor_cloud(cloud: Cloud, device: str = "CPU:0") -> Any:
    """Return a cloud, or the vertices of a mesh, as `o3d.t.geometry.PointCloud` on `device`."""
    import open3d as o3d

    tensors = {"positions": np.ascontiguousarray(cloud.points), **_attributes(cloud)}
    made = o3d.t.geometry.PointCloud()
    for name, array in tensors.items():
        made.point[name] = o3d.core.Tensor.from_numpy(array)
    return made if device == "CPU:0" else made.to(o3d.core.Device(device))


def to_tensor_mesh(cloud: Cloud, device: str = "CPU:0") -> Any:
    """Return a mesh as `o3d.t.geometry.TriangleMesh` on `device`.

    Raises:
        InvalidInput: for a cloud without triangles.
    """
    import open3d as o3d

    triangles = needed_triangles(cloud)
    made = o3d.t.geometry.TriangleMesh()
    made.vertex.positions = o3d.core.Tensor.from_numpy(np.ascontiguousarray(cloud.points))
    made.triangle.indices = o3d.core.Tensor.from_numpy(np.ascontiguousarray(triangles))
    for name, array in _attributes(cloud).items():
        made.vertex[name] = o3d.core.Tensor.from_numpy(array)
    return made if device == "CPU:0" else made.to(o3d.core.Device(device))


def _attributes(cloud: Cloud) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    if cloud.colours is not None:
        arrays["colors"] = np.ascontiguousarray(cloud.colours)
    if cloud.normals is not None:
        arrays["normals"] = cloud.normals.astype(np.float64)
    if cloud.labels is not None:
        arrays["labels"] = np.ascontiguousarray(cloud.labels)[:, None]
    if cloud.values is not None:
        arrays["scalars"] = np.ascontiguousarray(cloud.values)[:, None]
    return arrays


def from_tensor_cloud(made: Any, like: Cloud) -> Cloud:
    """Return an `o3d.t.geometry.PointCloud` as a cloud, with the unit and the origin of the one it was made of."""
    return replace(like, points=_array(made.point.positions, np.float64), triangles=None, **_read(made.point))


def from_tensor_mesh(made: Any, like: Cloud) -> Cloud:
    """Return an `o3d.t.geometry.TriangleMesh` as a mesh, with the unit and the origin of what it was made of."""
    triangles = _array(made.triangle.indices, np.int32)
    return replace(like, points=_array(made.vertex.positions, np.float64), triangles=triangles, **_read(made.vertex))


def _read(attributes: Any) -> dict[str, Any]:
    def of(name: str, dtype: type) -> np.ndarray | None:
        return _array(attributes[name], dtype) if name in attributes else None

    labels: I32 | None = of("labels", np.int32)
    values: F32 | None = of("scalars", np.float32)
    normals: F32 | None = of("normals", np.float32)
    return {
        "colours": bytes_of(attributes.colors) if "colors" in attributes else None,
        "normals": normals,
        "labels": None if labels is None else labels[:, 0],
        "values": None if values is None else values[:, 0],
    }


def bytes_of(colours: Any) -> U8:
    """Return a colour tensor as uint8 RGB (N, 3); floating point ones are 0..1."""
    array = colours.cpu().numpy()
    if array.dtype == np.uint8:
        return array
    return np.round(255 * np.clip(array, 0.0, 1.0)).astype(np.uint8)


def _array(tensor: Any, dtype: type) -> np.ndarray:
    return tensor.cpu().numpy().astype(dtype, copy=False)


def to_legacy_points(points: F64) -> Any:
    """Return points (N, 3) as `o3d.geometry.PointCloud`, for what the tensor API does not have."""
    import open3d as o3d

    return o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))


def needed_normals(cloud: Cloud) -> F32:
    """Return the cloud's normals.

    Raises:
        InvalidInput: when it has none.
    """
    if cloud.normals is None:
        raise InvalidInput("This step needs normals, and the cloud has none.", "Add the step Normals before it.")
    return cloud.normals


def needed_triangles(cloud: Cloud) -> I32:
    """Return the mesh's triangles.

    Raises:
        InvalidInput: for a cloud without.
    """
    if cloud.triangles is None or not len(cloud.triangles):
        raise InvalidInput(
            "This step needs a surface of triangles, and this is a cloud of points.",
            "Send a mesh, or add a step of the group Surface before it.",
        )
    return cloud.triangles


def needed_labels(cloud: Cloud) -> I32:
    """Return the cloud's labels.

    Raises:
        InvalidInput: when it has none.
    """
    if cloud.labels is None:
        raise InvalidInput(
            "No plane and no cluster was looked for yet.", "Add the step Planes or Clusters before this one."
        )
    return cloud.labels


def enough(cloud: Cloud, least: int, what: str) -> None:
    """Check that a cloud has `least` points for `what`, such as "20 neighbours".

    Raises:
        InvalidInput: when it has fewer.
    """
    if len(cloud) < least:
        points = "is 1 point" if len(cloud) == 1 else f"are {len(cloud):,} points"
        raise InvalidInput(
            f"There {points}, too few for {what}.",
            "Choose less, or keep more points in earlier steps.",
        )
