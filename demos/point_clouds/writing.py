"""Files of a cloud to take away: PLY, PCD, XYZ and CSV for points, PLY, OBJ and GLB for meshes too.

Every file has the cloud's origin added back. What a format keeps: see `EXPORTS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.cloud import UNITS, Cloud
from hub.errors import InvalidInput

COORDINATES = ("x", "y", "z")
NORMALS = ("nx", "ny", "nz")
COLOURS = ("red", "green", "blue")
ROWS_AT_ONCE = 100_000
GLTF_FLOAT, GLTF_UINT16, GLTF_UINT32 = 5126, 5123, 5125
GLTF_POINTS, GLTF_TRIANGLES = 0, 4


@dataclass(frozen=True)
class Export:
    """A kind of file that a cloud can be written to.

    Attributes:
        ending: of the file's name.
        name: what people call it.
        faces: whether it keeps triangles; where not, the vertices of a mesh are written.
        keeps: what it keeps besides, and how exactly, as a phrase.
    """

    ending: str
    name: str
    faces: bool
    keeps: str


EXPORTS = (
    Export(".ply", "PLY", True, "colours, normals, labels; exact coordinates"),
    Export(".pcd", "PCD", False, "colours, normals, labels; exact coordinates"),
    Export(".xyz", "XYZ", False, "colours, normals; exact coordinates"),
    Export(".csv", "CSV", False, "colours, normals, labels, values; exact coordinates"),
    Export(".obj", "OBJ", True, "colours, normals; exact coordinates"),
    Export(".glb", "GLB", True, "colours, normals; coordinates in metres, as float32 from the origin"),
)


def write(cloud: Cloud, path: Path, comments: Sequence[str] = ()) -> None:
    """Write a cloud or mesh in the format that the path's ending names.

    Args:
        cloud: what to write.
        path: where to; what is there is replaced.
        comments: lines of text for the formats that have them (PLY, PCD, OBJ); the unit is added.

    Raises:
        InvalidInput: for another ending, or a cloud without points.
    """
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise InvalidInput(f"Clouds are not written as {path.suffix or path.name}.", f"Choose {' or '.join(WRITERS)}.")
    if not len(cloud):
        raise InvalidInput("There are no points to write.", "Undo the step that removed them.")
    unit = [f"unit {cloud.unit}"] if cloud.unit else []
    lines = [line.replace("\r", " ").replace("\n", " ") for line in (*unit, *comments)]
    writer(cloud, path, lines)


def _fields(cloud: Cloud, *, labels: bool, text: bool = False) -> NDArray[Any]:
    """Return the points as (N,) rows, coordinates as float32 where that loses nothing in bytes, else as float64."""
    places: NDArray[Any] = cloud.points + cloud.origin if cloud.origin.any() else cloud.points
    with np.errstate(over="ignore"):
        narrow = places.astype(np.float32)
    if not text and (narrow == places).all():
        places = narrow
    groups: list[tuple[tuple[str, ...], NDArray[Any], str]] = [(COORDINATES, places, f"<f{places.itemsize}")]
    if cloud.normals is not None:
        groups.append((NORMALS, cloud.normals, "<f4"))
    if cloud.colours is not None:
        groups.append((COLOURS, cloud.colours, "u1"))
    if labels and cloud.labels is not None:
        groups.append((("label",), cloud.labels[:, None], "<i4"))
    rows = np.empty(len(cloud), dtype=[(name, kind) for names, _, kind in groups for name in names])
    for names, columns, _ in groups:
        for number, name in enumerate(names):
            rows[name] = columns[:, number]
    return rows


def _write_ply(cloud: Cloud, path: Path, comments: list[str]) -> None:
    """Write binary little-endian PLY. Source: Greg Turk, The PLY polygon file format, 1994."""
    rows = _fields(cloud, labels=True)
    names = {"<f4": "float", "<f8": "double", "|u1": "uchar", "<i4": "int"}
    header = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in comments)]
    header += [f"element vertex {len(rows)}"]
    header += [f"property {names[rows.dtype[name].str]} {name}" for name in rows.dtype.names or ()]
    if cloud.triangles is not None:
        header += [f"element face {len(cloud.triangles)}", "property list uchar int vertex_indices"]
    with path.open("wb") as file:
        file.write("\n".join([*header, "end_header\n"]).encode("utf-8"))
        rows.tofile(file)
        if cloud.triangles is not None:
            faces = np.empty(len(cloud.triangles), dtype=[("count", "u1"), ("corners", "<i4", 3)])
            faces["count"], faces["corners"] = 3, cloud.triangles
            faces.tofile(file)


def _write_pcd(cloud: Cloud, path: Path, comments: list[str]) -> None:
    """Write PCD: binary, or text where coordinates need float64, which few programs read from the binary kind.

    Source: Point Cloud Library, The PCD file format, version 0.7.
    """
    rows = _fields(cloud, labels=True)
    wanted: dict[str, tuple[str, NDArray[Any]]] = {name: (name, rows[name]) for name in COORDINATES}
    if cloud.normals is not None:
        wanted |= {name: (f"normal_{name[1]}", rows[name]) for name in NORMALS}
    if cloud.colours is not None:
        red, green, blue = (rows[name].astype("<u4") for name in COLOURS)
        wanted["rgb"] = ("rgb", (red << 16) | (green << 8) | blue)
    if cloud.labels is not None:
        wanted["label"] = ("label", rows["label"])
    named = list(wanted.values())
    binary = rows["x"].itemsize == 4
    header = ["# .PCD v0.7 - Point Cloud Data file format", *(f"# {line}" for line in comments), "VERSION 0.7"]
    header += [f"FIELDS {' '.join(name for name, _ in named)}"]
    header += [f"SIZE {' '.join(str(column.itemsize) for _, column in named)}"]
    header += [f"TYPE {' '.join(column.dtype.kind.upper() for _, column in named)}"]
    header += [f"COUNT {' '.join('1' for _ in named)}", f"WIDTH {len(rows)}", "HEIGHT 1", "VIEWPOINT 0 0 0 1 0 0 0"]
    header += [f"POINTS {len(rows)}", f"DATA {'binary' if binary else 'ascii'}\n"]
    with path.open("wb") as file:
        file.write("\n".join(header).encode("utf-8"))
        if binary:
            np.rec.fromarrays([column for _, column in named]).tofile(file)
        else:
            _write_rows(file, [column for _, column in named], " ")


def _write_xyz(cloud: Cloud, path: Path, comments: list[str]) -> None:
    """Write x y z, then r g b from 0 to 255, then the normal; without a heading, which Open3D stumbles over."""
    del comments
    rows = _fields(cloud, labels=False, text=True)
    names = [name for name in (*COORDINATES, *COLOURS, *NORMALS) if name in (rows.dtype.names or ())]
    with path.open("wb") as file:
        _write_rows(file, [rows[name] for name in names], " ")


def _write_csv(cloud: Cloud, path: Path, comments: list[str]) -> None:
    del comments
    rows = _fields(cloud, labels=True, text=True)
    names = [name for name in (*COORDINATES, *COLOURS, *NORMALS, "label") if name in (rows.dtype.names or ())]
    columns = [rows[name] for name in names]
    if cloud.values is not None:
        names.append("value")
        columns.append(cloud.values)
    with path.open("wb") as file:
        file.write((",".join(names) + "\n").encode("utf-8"))
        _write_rows(file, columns, ",")


def _write_obj(cloud: Cloud, path: Path, comments: list[str]) -> None:
    """Write OBJ with the colours after each vertex, as MeshLab, Blender and Open3D read them."""
    rows = _fields(cloud, labels=False, text=True)
    vertices: list[NDArray[Any]] = [rows[name] for name in COORDINATES]
    if cloud.colours is not None:
        vertices += [np.round(rows[name] / 255, 6) for name in COLOURS]  # (a step of 8 bits is 0.0039)
    with path.open("wb") as file:
        file.write("".join(f"# {line}\n" for line in comments).encode("utf-8"))
        _write_rows(file, vertices, " ", "v ")
        if cloud.normals is not None:
            _write_rows(file, [rows[name] for name in NORMALS], " ", "vn ")
        if cloud.triangles is not None:
            corner = "{0}//{0}" if cloud.normals is not None else "{0}"
            line = "f " + " ".join(corner.replace("0", str(place)) for place in range(3)) + "\n"
            for start in range(0, len(cloud.triangles), ROWS_AT_ONCE):
                block = (cloud.triangles[start : start + ROWS_AT_ONCE] + 1).tolist()
                file.write("".join(line.format(*face) for face in block).encode("ascii"))


def _write_rows(file: Any, columns: Sequence[NDArray[Any]], separator: str, start: str = "") -> None:
    """Write numbers as text, each in the fewest digits that give it back exactly."""
    for first in range(0, len(columns[0]), ROWS_AT_ONCE):
        texts = [_shortest(column[first : first + ROWS_AT_ONCE]) for column in columns]
        lines = (separator.join(row) for row in zip(*texts, strict=True))
        file.write("".join(f"{start}{line}\n" for line in lines).encode("ascii"))


def _shortest(column: NDArray[Any]) -> Iterable[str]:
    if column.dtype == np.float32:
        return column.astype("U16").tolist()  # a normal is read back as a float32; a coordinate would not be
    return map(repr, column.tolist())


def _write_glb(cloud: Cloud, path: Path, comments: list[str]) -> None:
    """Write GLB; origin and unit go into the node, whose numbers are exact. Source: Khronos Group, glTF 2.0."""
    metres = UNITS.get(cloud.unit, 1.0)
    positions = cloud.points.astype("<f4")
    arrays: list[tuple[str, NDArray[Any], int, str]] = [("POSITION", positions, GLTF_FLOAT, "VEC3")]
    if cloud.normals is not None:
        arrays.append(("NORMAL", cloud.normals.astype("<f4"), GLTF_FLOAT, "VEC3"))
    if cloud.colours is not None:
        light = np.full((len(cloud), 4), 65535, dtype="<u2")  # opaque
        light[:, :3] = np.rint(_linear(cloud.colours) * 65535)
        arrays.append(("COLOR_0", light, GLTF_UINT16, "VEC4"))
    if cloud.triangles is not None:
        arrays.append(("indices", cloud.triangles.astype("<u4").reshape(-1), GLTF_UINT32, "SCALAR"))
    views, accessors, place = [], [], 0
    for name, array, kind, shape in arrays:
        views.append({"buffer": 0, "byteOffset": place, "byteLength": array.nbytes})
        accessors.append({"bufferView": len(views) - 1, "componentType": kind, "count": len(array), "type": shape})
        if name == "POSITION":
            accessors[-1] |= {"min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist()}
        if name == "COLOR_0":
            accessors[-1]["normalized"] = True
        place += array.nbytes  # every array's size is a multiple of 4
    numbers = {name: number for number, (name, *_) in enumerate(arrays)}
    primitive: dict[str, Any] = {"mode": GLTF_POINTS if cloud.triangles is None else GLTF_TRIANGLES}
    if "indices" in numbers:
        primitive["indices"] = numbers.pop("indices")
    primitive["attributes"] = numbers
    document = {
        "asset": {"version": "2.0", "generator": "Lectern", "extras": {"comments": comments}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "translation": (cloud.origin * metres).tolist(), "scale": [metres] * 3}],
        "meshes": [{"primitives": [primitive]}],
        "bufferViews": views,
        "accessors": accessors,
        "buffers": [{"byteLength": place}],
    }
    text = json.dumps(document).encode("utf-8")
    text += b" " * (-len(text) % 4)
    sizes = [12 + 8 + len(text) + 8 + place, len(text), place]
    header, first, second = (size.to_bytes(4, "little") for size in sizes)
    with path.open("wb") as file:
        file.write(b"glTF" + (2).to_bytes(4, "little") + header + first + b"JSON" + text + second + b"BIN\0")
        for _, array, _, _ in arrays:
            np.ascontiguousarray(array).tofile(file)


def _linear(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return 8-bit sRGB as linear light, 0 to 1. Source: IEC 61966-2-1."""
    encoded = colours / 255
    light: NDArray[np.float64] = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return light


WRITERS: dict[str, Callable[[Cloud, Path, list[str]], None]] = {
    ".ply": _write_ply,
    ".pcd": _write_pcd,
    ".xyz": _write_xyz,
    ".csv": _write_csv,
    ".obj": _write_obj,
    ".glb": _write_glb,
}
