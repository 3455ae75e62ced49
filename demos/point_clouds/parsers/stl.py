"""STL: triangles one by one, as text or as bytes; corners that lie at the same place are merged into one vertex.

Source: 3D Systems, StereoLithography Interface Specification, 1989. A byte more for colours exists in two dialects
that contradict each other, and is not read.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.parsers.parsed import Parsed, cut_off, damaged, every
from hub.errors import InvalidInput

HEADER_BYTES = 84
FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
VERTEX = re.compile(rb"vertex\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)
LAST_LINE = re.compile(rb"endsolid[^\n]*\s*$", re.IGNORECASE)
MERGE = [
    "points, numbers = np.unique(corners, axis=0, return_inverse=True)  # corners at the same place become one",
    "triangles = numbers.reshape(-1, 3)",
]


def parse(path: Path, name: str, most_points: int) -> Parsed:
    """Read an STL file.

    Raises:
        InvalidInput: for a count that the file does not hold, and for text that breaks off.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(1024)
    count = int.from_bytes(head[80:84], "little")
    if re.match(rb"\s*solid\b", head) and b"\0" not in head:  # binary ones may begin with that word, too
        corners, encoding = _text(path), "text"
        read = [
            "import re",
            "found = re.findall(rb'vertex\\s+(\\S+)\\s+(\\S+)\\s+(\\S+)', open(file, 'rb').read(), re.IGNORECASE)",
            "corners = np.array(found, dtype=np.float64) + 0.0  # no -0",
        ]
    else:
        if len(head) < HEADER_BYTES or size < HEADER_BYTES + FACET.itemsize * count:
            raise cut_off(count, "faces", max(0, size - HEADER_BYTES) // FACET.itemsize)
        facets = np.memmap(path, FACET, mode="r", offset=HEADER_BYTES, shape=(count,)) if count else np.empty(0, FACET)
        corners, encoding = facets["corners"].reshape(-1, 3), "binary"
        kind = "[('normal', '<f4', 3), ('corners', '<f4', (3, 3)), ('attribute', '<u2')]"
        read = [
            f"facets = np.fromfile(file, {kind}, count={count}, offset={HEADER_BYTES})",
            "corners = facets['corners'].reshape(-1, 3) + np.float32(0)  # no -0",
        ]
    if not len(corners):
        raise InvalidInput("The STL file holds no faces.", "Send a file with at least one.")
    points, triangles = _merged(np.asarray(corners) + corners.dtype.type(0))
    every(len(points), most_points, faces=True)
    parsed = Parsed(points, triangles=triangles, encoding=encoding, code=[f"file = {name!r}", *read, *MERGE])
    parsed.dropped = ["normals of faces"]
    parsed.notes.append(f"{len(corners):,} corners of its faces were merged into {len(points):,} points.")
    return parsed


def _text(path: Path) -> NDArray[np.float64]:
    data = path.read_bytes()
    found = VERTEX.findall(data)
    if len(found) % 3 or not LAST_LINE.search(data):
        raise damaged(f"The STL file ends after {len(found):,} corners, without the word endsolid: it is cut off.")
    try:
        return np.array(found, dtype=np.float64).reshape(-1, 3)
    except ValueError as error:
        raise damaged(f"A corner of the STL file is no number: {error}.") from error


def _merged(corners: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
    """Return the different corners in the order of x, then y, then z, and (M, 3) triangles between them.

    It is np.unique(corners, axis=0), in a third of the time.
    """
    order = np.lexsort(corners.T[::-1])
    lined_up = corners[order]
    is_new = np.ones(len(corners), dtype=bool)
    is_new[1:] = (lined_up[1:] != lined_up[:-1]).any(axis=1)
    numbers = np.empty(len(corners), dtype=np.intp)
    numbers[order] = np.cumsum(is_new) - 1
    return lined_up[is_new], numbers.reshape(-1, 3)
