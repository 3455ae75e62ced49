"""Loose points of an X3D scene (PointSet), which assimp-py does not hand over.

Source: ISO/IEC 19775-1, X3D, the nodes PointSet, Coordinate, Color and Transform.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.parsers.parsed import Parsed, damaged, every, thinned_note
from demos.point_clouds.parsers.scene_checks import numbers_in

Matrix = NDArray[np.float64]


def point_sets(root: ElementTree.Element) -> list[ElementTree.Element]:
    """Return the nodes of points that are no corners of faces."""
    return [node for node in root.iter("PointSet") if node.find("Coordinate") is not None]


def parse(root: ElementTree.Element, name: str, most_points: int) -> Parsed:
    """Read the loose points of an X3D scene that has some.

    Raises:
        InvalidInput: for colours that are no numbers, and for nodes inside hundreds of others.
    """
    try:
        found = list(_placed(root, np.eye(4)))
        points = np.concatenate([_triples(node, "Coordinate", "point") @ m[:3, :3].T + m[:3, 3] for node, m in found])
        colours = [_triples(node, "Color", "color") for node, _ in found]
    except (ValueError, RecursionError) as error:
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
    if all(
        len(_triples(node, "Coordinate", "point")) == len(own) for (node, _), own in zip(found, colours, strict=True)
    ):
        parsed.colours = np.rint(np.clip(np.concatenate(colours)[::k], 0, 1) * 255).astype(np.uint8)
        parsed.code.append(f"colours = np.concatenate([numbers(node.find('Color'), 'color') for node in nodes]){thin}")
        parsed.code.append("colours = np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)")
    if root.find(".//IndexedFaceSet") is not None:
        parsed.dropped.append("faces (of a scene with loose points, only those are read)")
    if k > 1:
        parsed.notes.append(thinned_note(len(points), k))
    return parsed


def _placed(node: ElementTree.Element, above: Matrix) -> Iterator[tuple[ElementTree.Element, Matrix]]:
    """Yield the nodes of `point_sets` in the same order, each with the transform from its frame to the scene's."""
    matrix = above @ _transform(node) if node.tag == "Transform" else above
    if node.tag == "PointSet" and node.find("Coordinate") is not None:
        yield node, matrix
    for child in node:
        yield from _placed(child, matrix)


def _triples(node: ElementTree.Element, child: str, name: str) -> Matrix:
    """Return the numbers of a child's attribute in threes, (N, 3); none where there is no such child."""
    found = node.find(child)
    return np.empty((0, 3)) if found is None else numbers_in(found, name).reshape(-1, 3)


def _transform(node: ElementTree.Element) -> Matrix:
    """Return translation x centre x rotation x scale x minus centre, as (4, 4)."""
    x, y, z, angle = _given(node, "rotation", (0, 0, 1, 0))
    axis = np.array([x, y, z]) / max(float(np.hypot(np.hypot(x, y), z)), 1e-30)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross  # Rodrigues
    matrix, centre = np.eye(4), _given(node, "center", (0, 0, 0))
    matrix[:3, :3] = turn * _given(node, "scale", (1, 1, 1))
    matrix[:3, 3] = _given(node, "translation", (0, 0, 0)) + centre - matrix[:3, :3] @ centre
    return matrix


def _given(node: ElementTree.Element, name: str, default: tuple[float, ...]) -> NDArray[np.float64]:
    values = numbers_in(node, name)
    return values if len(values) == len(default) else np.array(default, dtype=np.float64)
