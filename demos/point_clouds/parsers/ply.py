"""PLY: a header in words that names elements and their properties, then rows as text or as bytes.

Source: Greg Turk, The PLY polygon file format, 1994.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.parsers.numbers import NotNumbers, NumberLines, fans_of, listed
from demos.point_clouds.parsers.parsed import (
    COLOUR_NAMES,
    FANS_CODE,
    NORMAL_NAMES,
    Parsed,
    colour_code,
    cut_off,
    damaged,
    every,
    find_names,
    gathered,
    gathered_code,
    thinned_note,
)
from demos.point_clouds.parsers.ply_header import Element, Header, read_header
from demos.point_clouds.parsers.ply_lists import polygons, walk
from demos.point_clouds.parsers.units import unit_in

FACE_LISTS = ("vertex_indices", "vertex_index")
PLACES = ("x", "y", "z")


def parse(path: Path, name: str, most_points: int) -> Parsed:
    """Read a PLY file.

    Raises:
        InvalidInput: for a header that is none or lies, and for rows that are cut off.
    """
    header = read_header(path)
    vertex = next((element for element in header.elements if element.name == "vertex"), None)
    if vertex is None or not set(PLACES) <= set(vertex.names):
        raise damaged("The PLY file has no points: its header names no vertices with x, y and z.")
    if vertex.lists:
        raise damaged("The points of the PLY file carry lists, which are not read.")
    face = next((element for element in header.elements if element.name == "face" and element.count), None)
    face_list = next((item.name for item in face.lists if item.name in FACE_LISTS), "") if face else ""
    k = every(vertex.count, most_points, bool(face_list))
    read = _binary if header.order else _ascii
    rows, faces, code = read(path, header, vertex, face if face_list else None, face_list, k)
    parsed = _cloud(header, vertex, rows, k, [f"file = {name!r}", *code])
    if faces is not None:
        parsed.triangles = polygons(faces)
        if _by_open3d(header, faces):
            parsed.code.append("triangles = o3d.t.io.read_triangle_mesh(file).triangle.indices.numpy()")
    return parsed


def _cloud(header: Header, vertex: Element, rows: NDArray[Any], k: int, code: list[str]) -> Parsed:
    parsed = Parsed(gathered(rows, PLACES), encoding=header.encoding.replace("_", " "), comments=header.comments)
    parsed.unit = unit_in(header.comments)
    plain = bool(header.order) and header.regular and k == 1  # of text Open3D keeps float32 only
    colours, normals = find_names(vertex.names, COLOUR_NAMES), find_names(vertex.names, NORMAL_NAMES)
    used = {*PLACES, *(colours or ()), *(normals or ())}
    parsed.dropped = [other for other in vertex.names if other not in used]
    parsed.dropped += [element.name for element in header.elements if element.name not in ("vertex", "face")]
    if plain:
        read = [line for line in code if not line.startswith("rows =")]
        parsed.code = [read[0], "cloud = o3d.t.io.read_point_cloud(file)", *read[1:]]
        parsed.code.append("points = cloud.point.positions.numpy()")
    else:
        parsed.code = [*code, f"points = {gathered_code(PLACES)}"]
    if colours:
        parsed.colours = gathered(rows, colours)
        expression = "cloud.point.colors.numpy()" if plain else gathered_code(colours)
        parsed.code.append(colour_code(expression, parsed.colours))
    if normals:
        parsed.normals = gathered(rows, normals)
        parsed.code.append(f"normals = {'cloud.point.normals.numpy()' if plain else gathered_code(normals)}")
    if k > 1:
        parsed.notes.append(thinned_note(vertex.count, k))
    return parsed


def _by_open3d(header: Header, faces: Any) -> bool:
    """Say whether Open3D gives the same triangles; it splits polygons in another way."""
    return bool(header.order) and header.regular and isinstance(faces, np.ndarray) and faces.shape[1] == 3


Read = tuple[NDArray[Any], Any, list[str]]


def _binary(path: Path, header: Header, vertex: Element, face: Element | None, face_list: str, k: int) -> Read:
    """Return the vertices' rows, the faces as `walk` gives them, and the code of both."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    if header.bytes + sum(element.least_bytes() for element in header.elements) > len(data):
        largest = max(header.elements, key=Element.least_bytes)
        held = (len(data) - header.bytes) // largest.row(header.order).itemsize if largest is vertex else None
        raise cut_off(largest.count, _things(largest), held if header.elements[0] is vertex else None)
    place, rows, faces, code = header.bytes, None, None, []
    for element in header.elements:
        if element is vertex:
            kind = element.row(header.order)
            rows = np.frombuffer(data, kind, element.count, place)[::k]
            thin = f"[::{k}]" if k > 1 else ""
            code.append(f"rows = np.fromfile(file, {spelled(kind)}, count={element.count}, offset={place}){thin}")
        if element.lists:
            columns, place, walked = walk(data, place, element, header.order, face_list)
            if element is face:
                faces = columns
                code += [] if _by_open3d(header, faces) else walked
        else:
            place += element.least_bytes()
        if rows is not None and (face is None or faces is not None):
            break
    assert rows is not None  # the caller saw to it that there is a vertex element
    return rows, faces, code


def _things(element: Element) -> str:
    return {"vertex": "points", "face": "faces"}.get(element.name, f"rows of {element.name}")


def _ascii(path: Path, header: Header, vertex: Element, face: Element | None, face_list: str, k: int) -> Read:
    rows, faces, code = None, None, []
    for element in header.elements:
        if 2 * element.count * len(element.names) > path.stat().st_size:  # of a digit and a space for each number
            raise cut_off(element.count, _things(element))
    with path.open("rb") as file:
        line_number = file.read(header.bytes).count(b"\n")
        lines = NumberLines(file)
        for element in header.elements:
            if element is vertex:
                rows = _ascii_rows(lines, element, k)
                fields = ", ".join(f"({name!r}, float)" for name in element.names)
                options = f"skiprows={line_number}, max_rows={element.count}"
                code.append(f"rows = np.loadtxt(file, [{fields}], {options}, ndmin=1){f'[::{k}]' if k > 1 else ''}")
            else:
                values, counts = _ascii_lines(lines, element)
                if element is face:
                    faces = _ascii_faces(values, counts, element, face_list)
                    code += _ascii_faces_code(element, face_list, line_number)
            line_number += element.count
            if rows is not None and (face is None or faces is not None):
                break
    assert rows is not None  # the caller saw to it that there is a vertex element
    return rows, faces, code


def _ascii_rows(lines: NumberLines, element: Element, k: int) -> NDArray[Any]:
    """Read the rows of an element without lists as an (N,) structured array of float64 and whole numbers."""
    parts, count = [], 0
    try:
        for part in lines.rows(element.count):
            if part.shape[1] != len(element.names):
                raise damaged(f"A point has {part.shape[1]} numbers; the PLY header names {len(element.names)}.")
            parts.append(part[-count % k :: k])
            count += len(part)
    except NotNumbers as error:
        raise damaged(f"The points of the PLY file after the first {count:,} cannot be read: {error}.") from error
    if count < element.count:
        raise cut_off(element.count, "points", count)
    values = np.concatenate(parts) if parts else np.empty((0, len(element.names)))
    kind = np.dtype([(item.name, "f8" if item.kind[0] == "f" else item.kind) for item in element.properties])
    table = np.empty(len(values), dtype=kind)
    with np.errstate(invalid="ignore"):
        for column, item in enumerate(element.properties):
            table[item.name] = values[:, column]
    return table


def _ascii_lines(lines: NumberLines, element: Element) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the numbers of an element's lines, one after the other, and how many each has."""
    found, left = [(np.empty(0), np.empty(0, np.int64))], element.count
    try:
        while left:
            values, counts = lines.take(left)
            if not len(counts):
                raise cut_off(element.count, _things(element), element.count - left)
            found.append((values, counts))
            left -= len(counts)
    except NotNumbers as error:
        raise damaged(f"The rows of {element.name} in the PLY file cannot be read: {error}.") from error
    return np.concatenate([values for values, _ in found]), np.concatenate([counts for _, counts in found])


def _ascii_faces(
    values: NDArray[np.float64], counts: NDArray[np.int64], element: Element, face_list: str
) -> NDArray[np.int64]:
    before = element.names.index(face_list)
    if any(item.length for item in element.properties[:before]):
        raise damaged("The faces of the PLY file lead with other lists, which are not read as text.")
    try:
        return fans_of(*listed(values, counts, before))
    except NotNumbers as error:
        raise damaged(f"A face of the PLY file cannot be read: {error}.") from error


def _ascii_faces_code(element: Element, face_list: str, line_number: int) -> list[str]:
    before = element.names.index(face_list)  # single numbers that stand before the list
    return [
        "lines = [line.split() for line in open(file, errors='replace')]",
        f"lines = [words[{before}:] for words in lines[{line_number}:] if words][:{element.count}]",
        "faces = [[int(corner) for corner in words[1 : 1 + int(words[0])]] for words in lines]",
        FANS_CODE,
    ]


def spelled(kind: np.dtype) -> str:
    """Return a structured type as it stands in a script."""
    parts = []
    for name in kind.names or ():
        field = kind[name]
        parts.append(f"({name!r}, {field.base.str!r}{f', {field.shape}' if field.shape else ''})")
    return f"[{', '.join(parts)}]"
