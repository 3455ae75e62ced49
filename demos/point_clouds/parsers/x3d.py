"""Loose points of an X3D scene (PointSet), which assimp-py does not hand over.

Source: ISO/IEC 19775-1, X3D, the nodes PointSet, Coordinate, Color and Transform.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.parsers.parsed import Parsed, damaged, every, thinned_note

Matrix = NDArray[np.float64]


def has_loose_points(text: bytes) -> bool:
    """Say whether the scene has points that are no corners of faces."""
    return b"<PointSet" in text


def parse(path: Path, name: str, most_points: int) -> Parsed:
    """Read the loose points of an X3D file; whoever calls has refused entities.

    Raises:
        InvalidInput: for XML that is not well formed, and for numbers that are none.
    """
    try:
        root = ElementTree.fromstring(path.read_bytes())
        found = list(_point_sets(root, np.eye(4)))
        points = np.concatenate([_places(node) @ matrix[:3, :3].T + matrix[:3, 3] for node, matrix in found])
        colours = [_colours(node) for node, _ in found]
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise damaged(f"The X3D file cannot be read: {error}.") from error
    k = every(len(points), most_points)
    parsed = Parsed(points[::k], unit="m", encoding="XML")
    matrices = [matrix.tolist() for _, matrix in found]
    thin = f"[::{k}]" if k > 1 else ""
    parsed.code = [
        "import xml.etree.ElementTree as ElementTree",
        "",
        "",
        "def numbers(node, name):",
        "    return np.array(node.get(name).replace(',', ' ').split(), dtype=np.float64).reshape(-1, 3)",
        "",
        "",
        f"nodes = ElementTree.parse({name!r}).iter('PointSet')",
        "nodes = [node for node in nodes if node.find('Coordinate') is not None]",
        f"matrices = np.array({matrices})  # of the Transform nodes above them",
        "places = [numbers(node.find('Coordinate'), 'point') for node in nodes]",
        f"points = np.concatenate([p @ m[:3, :3].T + m[:3, 3] for p, m in zip(places, matrices)]){thin}",
    ]
    kept = [colour for colour in colours if colour is not None]
    if sum(map(len, kept)) == len(points):
        parsed.colours = np.concatenate(kept)[::k]
        parsed.code.append(f"colours = np.concatenate([numbers(node.find('Color'), 'color') for node in nodes]){thin}")
        parsed.code.append("colours = np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)")
        parsed.colours = np.rint(np.clip(parsed.colours, 0, 1) * 255).astype(np.uint8)
    if root.find(".//IndexedFaceSet") is not None:
        parsed.dropped.append("faces (of a scene with loose points, only those are read)")
    if k > 1:
        parsed.notes.append(thinned_note(len(points), k))
    return parsed


def _point_sets(node: ElementTree.Element, above: Matrix) -> Iterator[tuple[ElementTree.Element, Matrix]]:
    matrix = above @ _transform(node) if node.tag == "Transform" else above
    if node.tag == "PointSet" and node.find("Coordinate") is not None:
        yield node, matrix
    for child in node:
        yield from _point_sets(child, matrix)


def _places(node: ElementTree.Element) -> Matrix:
    coordinate = node.find("Coordinate")
    assert coordinate is not None  # as `_point_sets` saw
    return _numbers(coordinate.get("point", "")).reshape(-1, 3)


def _colours(node: ElementTree.Element) -> Matrix | None:
    colour = node.find("Color")
    return None if colour is None else _numbers(colour.get("color", "")).reshape(-1, 3)


def _numbers(text: str) -> NDArray[np.float64]:
    return np.array(text.replace(",", " ").split(), dtype=np.float64)


def _transform(node: ElementTree.Element) -> Matrix:
    """Return translation x centre x rotation x scale x minus centre, as (4, 4)."""
    x, y, z, angle = _numbers(node.get("rotation", "0 0 1 0"))
    axis = np.array([x, y, z]) / max(float(np.hypot(np.hypot(x, y), z)), 1e-30)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross  # Rodrigues
    matrix, centre = np.eye(4), _numbers(node.get("center", "0 0 0"))
    matrix[:3, :3] = turn * _numbers(node.get("scale", "1 1 1"))
    matrix[:3, 3] = _numbers(node.get("translation", "0 0 0")) + centre - matrix[:3, :3] @ centre
    return matrix
