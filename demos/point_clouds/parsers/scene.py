"""3DS, X3D and Collada, which Open3D does not read: assimp does, with its tree of nodes and its materials.

Assimp is C++ that malformed files can crash: it is the main reason why files are read in a process of their own.
Its axes are turned back to the file's own, where it turned them, so that z stays up for 3DS and Z_UP files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.parsers import scene_checks, x3d
from demos.point_clouds.parsers.parsed import Parsed, damaged, every
from hub.errors import InvalidInput

DEFAULT_COLOUR = (0.6, 0.6, 0.6)  # what assimp gives a mesh without a material
# From assimp's frame, y up, to the file's, z up: (x, y, z) -> (x, -z, y).
Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
WALK = [
    "def meshes(node, above):",
    "    matrix = above @ np.array(node.transformation)",
    "    for number in node.mesh_indices:",
    "        yield scene.meshes[number], matrix",
    "    for child in node.children:",
    "        yield from meshes(child, matrix)",
]


def parse(path: Path, name: str, most_points: int) -> Parsed:
    """Read a 3DS, X3D or Collada file.

    Raises:
        InvalidInput: for XML that defines entities, numbers that are wrong, and scenes without points.
    """
    data = path.read_bytes()
    is_xml = not data.startswith(b"MM")
    text = scene_checks.checked_text(data) if is_xml else b""
    is_x3d = b"<X3D" in text
    ending = ".x3d" if is_x3d else ".dae" if is_xml else ".3ds"
    if is_x3d:
        root = scene_checks.checked_x3d(data)
        if x3d.point_sets(root):
            return x3d.parse(root, name, most_points)
    elif is_xml:
        scene_checks.check_collada(text)
    else:
        scene_checks.check_3ds(data)
    try:
        scene = _imported(path, ending)
    except ValueError as error:  # of lines or single points, which assimp-py does not hand over
        raise InvalidInput("The scene holds lines or loose points between its faces.", "Export it as PLY.") from error
    except RuntimeError as error:
        said = str(error).partition("': ")[2].strip(" .")
        if "bad_alloc" in said:
            raise MemoryError from error
        raise damaged(f"The file cannot be read{f': {said[:150]}' if said else ', or holds no mesh'}.") from error
    turned = not is_xml or b"<up_axis>Z_UP" in text.replace(b" ", b"")
    parsed = _gathered(scene, turned, name, ending)
    every(len(parsed.points), most_points, faces=True)
    parsed.encoding = "XML" if is_xml else "binary"
    parsed.unit = "m" if is_xml else ""
    for word, what in ((b"<library_animations", "animations"), (b"<library_images", "textures")):
        if word in text:
            parsed.dropped.append(what)
    if is_xml and not is_x3d:
        unit = re.search(rb"<unit\b[^>]*\bmeter\s*=\s*[\"']([^\"']+)", text)
        if unit and _number(unit.group(1)) not in (0.0, 1.0):
            parsed.notes.append(f"Lengths were turned into metres: the file's unit is {_number(unit.group(1)):g} m.")
    return parsed


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _imported(path: Path, ending: str) -> Any:
    """Let assimp read the file under a name that ends as its content says: it picks its reader by that."""
    import tempfile

    import assimp_py

    flags = assimp_py.Process_Triangulate | assimp_py.Process_JoinIdenticalVertices
    with tempfile.TemporaryDirectory(prefix="lectern-scene-") as folder:
        link = Path(folder) / f"scene{ending}"
        link.symlink_to(path.resolve())
        return assimp_py.import_file(str(link), flags)


def _meshes(scene: Any, node: Any, above: NDArray[np.float64]) -> Iterator[tuple[Any, NDArray[np.float64]]]:
    matrix = above @ np.array(node.transformation)
    for number in node.mesh_indices:
        yield scene.meshes[number], matrix
    for child in node.children:
        yield from _meshes(scene, child, matrix)


def _gathered(scene: Any, turned: bool, name: str, ending: str) -> Parsed:
    found = list(_meshes(scene, scene.root_node, np.eye(4)))
    if not sum(mesh.num_vertices for mesh, _ in found):
        raise InvalidInput("The scene holds no points.", "Send a file with a mesh.")
    back = Z_UP if turned else np.eye(3)
    points, normals, colours, triangles, start = [], [], [], [], 0
    base = [_colour(scene.materials[mesh.material_index]) for mesh, _ in found]
    with_normals = all(mesh.normals is not None for mesh, _ in found)
    with_colours = any(mesh.colors for mesh, _ in found) or not _all_the_same_grey(base)
    for (mesh, matrix), colour in zip(found, base, strict=True):
        places = np.array(mesh.vertices, dtype=np.float64).reshape(-1, 3)
        points.append((places @ matrix[:3, :3].T + matrix[:3, 3]) @ back.T)
        if with_normals:
            turned_normals = np.array(mesh.normals, dtype=np.float64).reshape(-1, 3) @ np.linalg.pinv(matrix[:3, :3])
            normals.append(turned_normals @ back.T)
        if with_colours:
            own = np.array(mesh.colors[0]).reshape(len(places), -1)[:, :3] if mesh.colors else np.array([colour])
            colours.append(np.broadcast_to(own, (len(places), 3)))
        triangles.append(np.array(mesh.indices, dtype=np.int64).reshape(-1, 3) + start)
        start += len(places)
    parsed = Parsed(np.concatenate(points), triangles=np.concatenate(triangles))
    if with_normals:
        parsed.normals = np.concatenate(normals)
    if with_colours:
        parsed.colours = np.rint(np.clip(np.concatenate(colours), 0, 1) * 255).astype(np.uint8)
    parsed.code = _code(name, ending, turned, with_normals, with_colours)
    return parsed


def _all_the_same_grey(colours: list[tuple[float, ...]]) -> bool:
    """Say whether materials tell nothing: white under a texture, or what programs give where nobody chose."""
    return len(set(colours)) == 1 and len(set(colours[0])) == 1


def _colour(material: dict[str, Any]) -> tuple[float, ...]:
    """Return the colour that a material gives matt surfaces, rounded as the file will have it."""
    return tuple(round(float(value), 6) for value in material.get("COLOR_DIFFUSE", DEFAULT_COLOUR)[:3])


def _code(name: str, ending: str, turned: bool, normals: bool, colours: bool) -> list[str]:
    back = f" @ np.array({Z_UP.T.tolist()})" if turned else ""
    lines = ["import assimp_py", ""]
    if not name.lower().endswith(ending):
        lines += [f"# assimp picks its reader by the ending: the file must be named {ending}"]
    lines += ["flags = assimp_py.Process_Triangulate | assimp_py.Process_JoinIdenticalVertices"]
    lines += [f"scene = assimp_py.import_file({name!r}, flags)", "", "", *WALK, "", ""]
    if turned:
        lines += ["# Assimp turns the scene so that y is up; the last matrix turns it back to z up, as in the file."]
    lines += ["points, normals, colours, triangles, start = [], [], [], [], 0"]
    lines += ["for part, matrix in meshes(scene.root_node, np.eye(4)):"]
    lines += ["    places = np.array(part.vertices, dtype=np.float64).reshape(-1, 3)"]
    lines += [f"    points.append((places @ matrix[:3, :3].T + matrix[:3, 3]){back})"]
    if normals:
        lines += [
            "    turned = np.array(part.normals, dtype=np.float64).reshape(-1, 3) @ np.linalg.pinv(matrix[:3, :3])"
        ]
        lines += [f"    normals.append(turned{back})"]
    if colours:
        default = f"scene.materials[part.material_index].get('COLOR_DIFFUSE', {DEFAULT_COLOUR})[:3]"
        lines += [f"    own = np.array([{default}])"]
        lines += ["    if part.colors:"]
        lines += ["        own = np.array(part.colors[0]).reshape(len(places), -1)[:, :3]"]
        lines += ["    colours.append(np.broadcast_to(own, (len(places), 3)))"]
    lines += ["    triangles.append(np.array(part.indices).reshape(-1, 3) + start)"]
    lines += ["    start += len(places)"]
    lines += ["points, triangles = np.concatenate(points), np.concatenate(triangles)"]
    if normals:
        lines += ["normals = np.concatenate(normals)"]
    if colours:
        lines += ["colours = np.rint(np.clip(np.concatenate(colours), 0, 1) * 255).astype(np.uint8)"]
    return lines
