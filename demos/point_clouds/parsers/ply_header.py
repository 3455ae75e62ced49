"""The header of a PLY file: words that name elements (vertex, face) and their properties.

Source: Greg Turk, The PLY polygon file format, 1994. Headers are read leniently (unknown lines are skipped), since
programs write odd ones; counts are believed only as far as the file's size allows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from demos.point_clouds.parsers.parsed import damaged

MOST_HEADER_BYTES = 1 << 20
END = re.compile(rb"[\r\n]end_header[ \t]*(?:\r\n|\n|\r|$)")
TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass
class Property:
    """One number of a row, or a list of them led by its length of type `length`."""

    name: str
    kind: str
    length: str = ""


@dataclass
class Element:
    """So many rows of the same properties."""

    name: str
    count: int
    properties: list[Property] = field(default_factory=list)

    @property
    def lists(self) -> list[Property]:
        """Those properties that are lists."""
        return [item for item in self.properties if item.length]

    @property
    def names(self) -> list[str]:
        """The properties' names."""
        return [item.name for item in self.properties]

    def least_bytes(self) -> int:
        """Bytes of all rows if every list were empty."""
        return self.count * sum(np.dtype(item.length or item.kind).itemsize for item in self.properties)

    def row(self, order: str, list_size: int = 0) -> np.dtype:
        """Return the type of a row whose lists all have `list_size` entries; a list's length is named after it."""
        fields: list[tuple[Any, ...]] = []
        for item in self.properties:
            if item.length:
                fields += [(f"{item.name} length", order + item.length), (item.name, order + item.kind, (list_size,))]
            else:
                fields.append((item.name, order + item.kind))
        return np.dtype(fields)


@dataclass
class Header:
    """What a PLY says of itself before its numbers."""

    order: str
    encoding: str
    elements: list[Element]
    comments: list[str]
    bytes: int
    odd: bool = False  # holds lines that the format does not know

    @property
    def regular(self) -> bool:
        """Whether Open3D reads the same from it: usual names and types, nothing odd."""
        vertex = next(element for element in self.elements if element.name == "vertex")
        kinds = {item.name: item.kind for item in vertex.properties}
        colours = [kinds.get(name) for name in ("red", "green", "blue")]
        if self.odd or colours not in ([None] * 3, ["u1"] * 3) or {"r", "diffuse_red", "normal_x"} & kinds.keys():
            return False
        return self.elements[0] is vertex and {kinds[axis] for axis in "xyz"} in ({"f4"}, {"f8"})


def read_header(path: Path) -> Header:
    """Read the words up to end_header.

    Raises:
        InvalidInput: when it does not end or names no known format.
    """
    with path.open("rb") as file:
        head = file.read(MOST_HEADER_BYTES)
    end = END.search(head)
    if not head.startswith(b"ply") or end is None:
        raise damaged("The file begins like a PLY file, but its header does not end.")
    header = Header("", "", [], [], end.end())
    for line in head[: end.start()].decode("utf-8", "replace").splitlines():
        words = line.split()
        try:
            _header_line(header, words, line)
        except (KeyError, IndexError, ValueError) as error:
            raise damaged(f"The PLY header cannot be understood at “{line[:80]}”.") from error
    if not header.encoding:
        raise damaged("The PLY header does not say how its numbers are stored.")
    return header


def _header_line(header: Header, words: list[str], line: str) -> None:
    match words[:1]:
        case ["format"]:
            header.encoding, header.order = words[1], ORDERS[words[1]]
        case ["comment"] | ["obj_info"]:
            header.comments.append(line.partition(words[0])[2].strip())
        case ["element"]:
            header.elements.append(Element(words[1], int(words[2])))
            if header.elements[-1].count < 0:
                raise ValueError
        case ["property"] if words[1] == "list":
            header.elements[-1].properties.append(Property(words[4], TYPES[words[3]], TYPES[words[2]]))
        case ["property"]:
            header.elements[-1].properties.append(Property(words[2], TYPES[words[1]]))
            if len(set(header.elements[-1].names)) < len(header.elements[-1].names):
                raise ValueError  # the same name twice
        case ["ply"] | []:
            pass
        case _:
            header.odd = True
