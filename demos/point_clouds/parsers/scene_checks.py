"""What is looked at in a scene before assimp reads it: it takes some wrong numbers in silence, and others kill it.

Source of the formats: ISO/IEC 19775-1 (X3D); Khronos Group, Collada 1.4.1; Autodesk 3D Studio's chunks, as lib3ds has
them.
"""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ElementTree

import numpy as np

from demos.point_clouds.parsers.parsed import damaged
from hub.errors import InvalidInput

ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)
COLLADA_INDICES = re.compile(rb"<p>([^<]*)</p>")
# Chunks of 3DS that hold others: the file, its scene, an object (after its name), a mesh.
MAIN, SCENE, OBJECT, MESH = 0x4D4D, 0x3D3D, 0x4000, 0x4100
VERTICES, FACES = 0x4110, 0x4120


def checked_text(data: bytes) -> bytes:
    """Return the text of an XML file as UTF-8.

    Raises:
        InvalidInput: when it defines entities, which may stand for gigabytes.
    """
    text = data.decode("utf-16", "replace").encode() if data[:2] in (b"\xff\xfe", b"\xfe\xff") else data
    if ENTITY.search(text):
        raise InvalidInput("The XML file defines entities, which are not read.", "Export it again without them.")
    return text


def check_collada(text: bytes) -> None:
    """Refuse faces at points with numbers below 0, which assimp takes for 0.

    Raises:
        InvalidInput: naming the first.
    """
    for indices in COLLADA_INDICES.finditer(text):
        below = re.search(rb"-\d+", indices.group(1))
        if below:
            raise damaged(f"A face names point {below.group().decode()}, which is below 0.")


def checked_x3d(data: bytes) -> ElementTree.Element:
    """Return the tree of an X3D file.

    Raises:
        InvalidInput: for XML that is not well formed, coordinates that are no numbers, and faces at points that are
            not there.
    """
    try:
        root = ElementTree.fromstring(data)
        coordinates = {node.get("DEF"): node for node in root.iter("Coordinate") if node.get("DEF")}
        for node in root.iter("Coordinate"):
            if len(node.get("point", "").replace(",", " ").split()) % 3:
                raise damaged("The coordinates of the X3D file are no whole points of three numbers.")
            numbers_in(node, "point")
        for node in root.iter():
            name = next((name for name in ("coordIndex", "index") if name in node.attrib), "")
            coordinate = node.find("Coordinate")
            if name and coordinate is not None:
                points = numbers_in(coordinates.get(coordinate.get("USE"), coordinate), "point")
                _check_indices(numbers_in(node, name), len(points) // 3)
    except (ElementTree.ParseError, ValueError) as error:
        raise damaged(f"The X3D file cannot be read: {error}.") from error
    return root


def numbers_in(node: ElementTree.Element, name: str) -> np.ndarray:
    """Return the numbers of an attribute; none where there is no such attribute.

    Raises:
        ValueError: when one is no number.
    """
    return np.array(node.get(name, "").replace(",", " ").split(), dtype=np.float64)


def _check_indices(indices: np.ndarray, points: int) -> None:
    wrong = indices[(indices < -1) | (indices >= points)]  # -1 ends a face
    if len(wrong):
        raise damaged(f"A face names point {wrong[0]:,.0f} (counted from 0), but its mesh has {points:,} points.")


def check_3ds(data: bytes) -> None:
    """Refuse faces at points that are not there, which assimp replaces by the last point.

    Raises:
        InvalidInput: naming the first.
    """
    waiting = [(0, len(data))]
    points = 0
    while waiting:
        place, end = waiting.pop()
        if place + 6 > end:
            continue
        kind, size = struct.unpack_from("<HI", data, place)
        if size < 6 or place + size > end:
            continue  # assimp will say what it thinks of it
        waiting.append((place + size, end))
        inside = place + 6
        if kind in (MAIN, SCENE, MESH):
            waiting.append((inside, place + size))
        elif kind == OBJECT:
            waiting.append((data.find(b"\0", inside, place + size) + 1 or place + size, place + size))
        elif kind == VERTICES and size >= 8:
            points = struct.unpack_from("<H", data, inside)[0]
        elif kind == FACES and size >= 8:
            count = min(struct.unpack_from("<H", data, inside)[0], (size - 8) // 8)
            corners = np.frombuffer(data, "<u2", 4 * count, inside + 2).reshape(-1, 4)[:, :3]
            if count and corners.max() >= points:
                raise damaged(
                    f"A face names point {corners.max():,} (counted from 0), but its mesh has {points:,} points."
                )
