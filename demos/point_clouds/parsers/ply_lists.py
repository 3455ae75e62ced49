"""Rows of a binary PLY that hold lists, whose length differs from row to row."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.parsers.parsed import FANS_CODE, cut_off, fans
from demos.point_clouds.parsers.ply_header import Element

STRUCT_CODES = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "f4": "f", "f8": "d"}
LONGEST = 1000  # entries of the lists that are read at one stroke


def walk(data: NDArray[np.uint8], place: int, element: Element, order: str, wanted: str) -> tuple[Any, int, list[str]]:
    """Read one list property of an element: at one stroke where all rows have lists of one length, else row by row.

    Args:
        data: all bytes of the file.
        place: of the element's first byte.
        element: what the rows hold.
        order: "<" or ">".
        wanted: the list property to return.

    Returns:
        (M, K) array or list of tuples; the place after the element; and the lines of code that set `triangles`.
    """
    first = element.lists[0]
    before = sum(np.dtype(item.kind).itemsize for item in element.properties[: element.properties.index(first)])
    if element.count and len(element.lists) == 1 and place + before < len(data):
        length = int(np.frombuffer(data, order + first.length, 1, place + before)[0])
        kind = element.row(order, length) if 0 <= length < LONGEST else None
        if kind is not None and place + kind.itemsize * element.count <= len(data):
            rows = np.frombuffer(data, kind, element.count, place)
            if (rows[f"{first.name} length"] == length).all():
                fields = f"[('before', 'u1', {before}), ('length', {order + first.length!r}), "
                after = (
                    kind.itemsize - before - np.dtype(first.length).itemsize - length * np.dtype(first.kind).itemsize
                )
                fields += f"('corners', {order + first.kind!r}, ({length},)), ('after', 'u1', {after})]"
                code = f"faces = np.fromfile(file, {fields}, count={element.count}, offset={place})['corners']"
                return rows[first.name], place + rows.nbytes, [code, FANS_CODE]
    return _row_by_row(data, place, element, order, wanted)


def _row_by_row(
    data: NDArray[np.uint8], place: int, element: Element, order: str, wanted: str
) -> tuple[Any, int, list[str]]:
    lists: list[tuple[int, ...]] = []
    steps = [
        (item.name == wanted, struct.Struct(order + STRUCT_CODES[item.length or item.kind]), item)
        for item in element.properties
    ]
    start, view = place, memoryview(data)  # type: ignore[arg-type]
    try:
        for _ in range(element.count):
            for is_wanted, one, item in steps:
                value = one.unpack_from(view, place)[0]
                place += one.size
                if item.length:
                    if is_wanted:
                        lists.append(struct.unpack_from(f"{order}{value}{STRUCT_CODES[item.kind]}", view, place))
                    place += value * np.dtype(item.kind).itemsize
            if place > len(data):
                raise cut_off(element.count, f"rows of {element.name}")
    except (struct.error, MemoryError) as error:
        raise cut_off(element.count, "faces" if element.name == "face" else f"rows of {element.name}") from error
    return lists, place, _row_by_row_code(element, order, wanted, start)


def _row_by_row_code(element: Element, order: str, wanted: str, start: int) -> list[str]:
    code = [
        f"data, place, faces = open(file, 'rb').read(), {start}, []",
        f"for _ in range({element.count}):",
    ]
    for item in element.properties:
        if not item.length:
            code.append(f"    place += {np.dtype(item.kind).itemsize}  # {item.name}")
            continue
        code.append(f"    length = int(np.frombuffer(data, {order + item.length!r}, 1, place)[0])")
        code.append(f"    place += {np.dtype(item.length).itemsize}")
        if item.name == wanted:
            code.append(f"    faces.append(np.frombuffer(data, {order + item.kind!r}, length, place))")
        code.append(f"    place += {np.dtype(item.kind).itemsize} * length")
    return [*code, FANS_CODE]


def polygons(faces: Any) -> NDArray[Any]:
    """Return (M, 3) triangles of polygons: an (M, K) array, or lists."""
    if isinstance(faces, np.ndarray) and faces.ndim == 2:
        if faces.shape[1] == 3:
            return faces
        fan = [faces[:, [0, corner, corner + 1]] for corner in range(1, faces.shape[1] - 1)]
        return np.stack(fan, axis=1).reshape(-1, 3) if fan else np.empty((0, 3), np.int64)
    return fans(faces)
