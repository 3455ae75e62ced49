"""GLB and glTF 2.0: a tree of nodes that place meshes, whose numbers lie in buffers inside the file.

Source: Khronos Group, glTF 2.0 Specification. Every mesh is taken where its nodes put it; points, triangles, strips and
fans are read, of lines the points. Colours are linear there and become sRGB.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.parsers.gltf_code import lines_of
from demos.point_clouds.parsers.parsed import Parsed, damaged, every, thinned_note
from hub.errors import InvalidInput

JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
KINDS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
MOST_TIMES = 10  # a scene of more than so many times the points that are kept is not put together
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
POINTS, TRIANGLES, STRIP, FAN = 0, 4, 5, 6
COMPRESSED = {"KHR_draco_mesh_compression": "Draco", "EXT_meshopt_compression": "meshopt"}
AS_GLB = "Export it as GLB, which holds everything in one file."


@dataclass(eq=False)
class Part:
    """One set of vertices of a mesh where one node puts it, with the faces of all primitives that share them."""

    matrix: NDArray[np.float64]
    position: int
    normal: int | None
    colour: int | None
    factor: tuple[float, ...]
    faces: list[tuple[int | None, int]] = field(default_factory=list)  # (accessor of the indices, mode)


def parse(path: Path, name: str, most_points: int) -> Parsed:
    """Read a GLB or glTF file.

    Raises:
        InvalidInput: for data in other files, compressed meshes, version 1, and whatever breaks the rules.
    """
    document, buffers, opening = _opened(path, name)
    try:
        return _read(document, buffers, opening, most_points)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise damaged(f"The glTF file breaks its format's rules ({type(error).__name__}: {error}).") from error


def _opened(path: Path, name: str) -> tuple[dict[str, Any], list[bytes], list[str]]:
    """Return the JSON, the buffers, and the lines of code that set `gltf` and `buffers`."""
    data = path.read_bytes()
    own = b""
    code = ["import json", "", f"data = open({name!r}, 'rb').read()"]
    if data.startswith(b"glTF"):
        if int.from_bytes(data[4:8], "little") != 2:
            raise InvalidInput("This is GLB of version 1, which is not read.", "Export it as version 2.")
        chunks, place = {}, 12
        while place + 8 <= len(data):
            size, kind = (int.from_bytes(data[at : at + 4], "little") for at in (place, place + 4))
            if place + 8 + size > len(data):
                raise damaged("The GLB file is cut off.")
            chunks[kind] = data[place + 8 : place + 8 + size]
            place += 8 + size
        text, own = chunks.get(JSON_CHUNK, b""), chunks.get(BINARY_CHUNK, b"")
        code += [
            "size = int.from_bytes(data[12:16], 'little')  # of the JSON, which is followed by the numbers",
            "gltf, buffers = json.loads(data[20 : 20 + size]), [data[28 + size :]]",
        ]
    else:
        text = data
        code += [
            "import base64",
            "",
            "gltf = json.loads(data)",
            "buffers = [base64.b64decode(buffer['uri'].partition(',')[2]) for buffer in gltf['buffers']]",
        ]
    try:
        document = json.loads(text)
        version = str(document["asset"]["version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged("The JSON of the glTF file cannot be read.") from error
    if not version.startswith("2"):
        raise InvalidInput(f"This is glTF of version {version[:10]}, which is not read.", "Export it as version 2.")
    for extension in document.get("extensionsRequired", ()):
        if extension in COMPRESSED:
            raise InvalidInput(f"Its meshes are compressed ({COMPRESSED[extension]}).", "Export it uncompressed.")
    buffers = [
        _buffer(buffer, own if number == 0 else b"") for number, buffer in enumerate(document.get("buffers", ()))
    ]
    return document, buffers, code


def _buffer(buffer: dict[str, Any], own: bytes) -> bytes:
    uri = buffer.get("uri") if isinstance(buffer, dict) else None
    if uri is None:
        return own
    if not str(uri).startswith("data:"):
        raise InvalidInput(f"Its numbers are in another file, “{str(uri)[:80]}”.", AS_GLB)
    try:
        return base64.b64decode(str(uri).partition(",")[2])
    except binascii.Error as error:
        raise damaged("The numbers inside the glTF file cannot be decoded.") from error


def _read(document: dict[str, Any], buffers: list[bytes], opening: list[str], most_points: int) -> Parsed:
    parts, lines = _parts(document)
    if not parts:
        raise InvalidInput("The glTF file holds no points: no node of its scene has a mesh.", "Send one with a mesh.")
    with_normals = all(part.normal is not None for part in parts)
    with_colours = any(part.colour is not None or part.factor != (1.0, 1.0, 1.0) for part in parts)
    points, normals, colours, triangles, start = [], [], [], [], 0
    for part in parts:
        placed = accessor(document, buffers, part.position, 3)
        points.append(placed @ part.matrix[:3, :3].T + part.matrix[:3, 3])
        if with_normals and part.normal is not None:
            turned = accessor(document, buffers, part.normal, 3) @ np.linalg.pinv(part.matrix[:3, :3])
            normals.append(turned)
        if with_colours:
            own = np.ones((len(placed), 3))
            if part.colour is not None:
                own = accessor(document, buffers, part.colour, 3)
            colours.append(own * part.factor)
        for indices, mode in part.faces:
            triangles.append(_triangles(document, buffers, indices, mode, len(placed)) + start)
        start += len(placed)
        if start > MOST_TIMES * most_points:  # a few numbers can be placed by many nodes
            raise InvalidInput(f"The scene has more than {start - 1:,} points.", "Send a simpler one.")
    k = every(start, most_points, any(part.faces for part in parts))
    parsed = Parsed(np.concatenate(points)[::k], unit="m", code=lines_of(opening, parts, with_normals, with_colours, k))
    if normals:
        parsed.normals = np.concatenate(normals)[::k]
    if colours:
        parsed.colours = srgb(np.concatenate(colours)[::k])
        parsed.notes.append("Colours are linear light in glTF; they were turned into those of a screen (sRGB).")
    if triangles:
        parsed.triangles = np.concatenate(triangles)
    parsed.dropped = [what for what in ("textures", "animations", "skins", "cameras") if document.get(what)]
    parsed.dropped += ["lines"] if lines else []
    generator = document["asset"].get("generator")
    parsed.comments = [str(generator)] if generator else []
    if k > 1:
        parsed.notes.append(thinned_note(start, k))
    return parsed


def _parts(document: dict[str, Any]) -> tuple[list[Part], bool]:
    """Walk the scene's nodes; return what they place, and whether there were lines."""
    nodes = document.get("nodes", [])
    scenes = document.get("scenes", [])
    if scenes:
        roots = scenes[document.get("scene", 0)].get("nodes", [])
    else:
        children = {child for node in nodes for child in node.get("children", ())}
        roots = [number for number in range(len(nodes)) if number not in children]
    parts: list[Part] = []
    lines = False
    waiting = [(root, np.eye(4), frozenset[int]()) for root in reversed(roots)]
    while waiting:
        number, above, path = waiting.pop()
        if number in path or len(path) > 1000:
            raise damaged("A node of the glTF file is placed inside itself.")
        node = nodes[number]
        matrix = above @ _matrix(node)
        shared: dict[tuple[Any, ...], Part] = {}
        for primitive in document["meshes"][node["mesh"]]["primitives"] if "mesh" in node else ():
            lines |= _add(document, primitive, matrix, shared)
        parts += shared.values()
        if len(parts) > 100_000:
            raise damaged("The scene of the glTF file has more than 100,000 parts.")
        waiting += [(child, matrix, path | {number}) for child in reversed(node.get("children", []))]
    return parts, lines


def _add(document: dict[str, Any], primitive: dict[str, Any], matrix: NDArray[np.float64], shared: dict) -> bool:
    """Add a primitive to the parts of its mesh; return whether it consists of lines."""
    attributes = primitive["attributes"]
    for extension in primitive.get("extensions", ()):
        if extension in COMPRESSED:
            raise InvalidInput(f"Its meshes are compressed ({COMPRESSED[extension]}).", "Export it uncompressed.")
    if "POSITION" not in attributes:
        return False
    shine: dict[str, Any] = {}
    if "material" in primitive:
        shine = document["materials"][primitive["material"]].get("pbrMetallicRoughness", {})
    factor = tuple(float(value) for value in shine.get("baseColorFactor", (1, 1, 1, 1))[:3])
    key = (attributes["POSITION"], attributes.get("NORMAL"), attributes.get("COLOR_0"), factor)
    part = shared.setdefault(key, Part(matrix, *key))
    mode = primitive.get("mode", TRIANGLES)
    if mode in (TRIANGLES, STRIP, FAN):
        part.faces.append((primitive.get("indices"), mode))
    return mode in (1, 2, 3)


def _matrix(node: dict[str, Any]) -> NDArray[np.float64]:
    """Return the (4, 4) transform of a node, from its own to its parent's frame."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    x, y, z, w = (float(value) for value in node.get("rotation", (0, 0, 0, 1)))
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= np.array(node.get("scale", (1, 1, 1)), dtype=np.float64)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def accessor(document: dict[str, Any], buffers: list[bytes], number: int, width: int) -> NDArray[np.float64]:
    """Return the first `width` numbers of each entry of an accessor, (N, width), fractions as such."""
    said = document["accessors"][number]
    if "sparse" in said or "bufferView" not in said:
        raise InvalidInput("The glTF file stores points sparsely, which is not read.", "Export it as PLY.")
    view = document["bufferViews"][said["bufferView"]]
    kind = np.dtype(KINDS[said["componentType"]])
    wide = WIDTHS[said["type"]]
    step = view.get("byteStride") or wide * kind.itemsize
    start = view.get("byteOffset", 0) + said.get("byteOffset", 0)
    buffer, count = buffers[view["buffer"]], said["count"]
    if (
        wide < width
        or min(start, count) < 0
        or (count and start + step * (count - 1) + wide * kind.itemsize > len(buffer))
    ):
        raise damaged(f"Accessor {number} of the glTF file reaches beyond its data.")
    values = np.ndarray((count, width), kind, buffer, start, (step, kind.itemsize)).astype(np.float64)
    if said.get("normalized") and kind.kind in "iu":
        values = np.maximum(values / np.iinfo(kind).max, -1.0)
    return values


def _triangles(
    document: dict[str, Any], buffers: list[bytes], indices: int | None, mode: int, points: int
) -> NDArray[np.int64]:
    """Return (M, 3) corners within a part."""
    order = np.arange(points) if indices is None else accessor(document, buffers, indices, 1)[:, 0].astype(np.int64)
    if len(order) and order.max() >= points:
        raise damaged(f"A face of the glTF file names point {order.max():,} of {points:,}.")
    if mode == TRIANGLES:
        return order[: len(order) // 3 * 3].reshape(-1, 3)
    if mode == FAN:
        return np.stack([np.broadcast_to(order[:1], len(order) - 2), order[1:-1], order[2:]], axis=1)
    faces = np.stack([order[:-2], order[1:-1], order[2:]], axis=1)
    faces[1::2, :2] = faces[1::2, 1::-1]  # every second one runs the other way
    return faces


def srgb(linear: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return linear light, 0 to 1, as 8-bit sRGB. Source: IEC 61966-2-1."""
    light = np.clip(np.nan_to_num(linear), 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)
