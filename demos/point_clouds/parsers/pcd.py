"""PCD: a header in words that names fields, then points as text, as bytes, or as bytes compressed field by field.

Source: Point Cloud Library, The PCD file format, version 0.7. The compressed kind is unpacked by Open3D; what its
header claims is checked before.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.parsers.numbers import NotNumbers, NumberLines
from demos.point_clouds.parsers.parsed import (
    NORMAL_NAMES,
    Parsed,
    cut_off,
    damaged,
    every,
    find_names,
    gathered,
    gathered_code,
    thinned_note,
)
from demos.point_clouds.parsers.ply import spelled
from demos.point_clouds.parsers.units import unit_in
from hub.errors import InvalidInput

MOST_HEADER_BYTES = 1 << 16
LZF_MOST = 100  # times that LZF makes data smaller at the very most (264 bytes from 3)
PLACES = ("x", "y", "z")
PACKED_COLOURS = (("rgb",), ("rgba",))


@dataclass
class Header:
    """What a PCD file says of itself."""

    kind: np.dtype
    points: int
    stored: str
    bytes: int
    lines: int
    comments: list[str] = field(default_factory=list)


def parse(path: Path, name: str, most_points: int) -> Parsed:
    """Read a PCD file.

    Raises:
        InvalidInput: for a header that is none or lies, and for rows that are cut off.
    """
    header = _header(path)
    names = header.kind.names or ()
    if not set(PLACES) <= set(names):
        raise damaged("The PCD file has no points: its header names no fields x, y and z.")
    k = every(header.points, most_points)
    read = {"ascii": _ascii, "binary": _binary, "binary_compressed": _compressed}.get(header.stored)
    if read is None:
        raise damaged(f"The PCD file stores its points as “{header.stored[:40]}”, which is not known.")
    parsed = read(path, header, k)
    parsed.encoding, parsed.comments = header.stored.replace("_", " "), header.comments
    parsed.unit = unit_in(header.comments)
    parsed.code.insert(0, f"file = {name!r}")
    used = {*PLACES, *(find_names(names, PACKED_COLOURS) or ()), *(find_names(names, NORMAL_NAMES) or ())}
    parsed.dropped = [other for other in names if other not in used and not other.startswith("_")]
    if k > 1:
        parsed.notes.append(thinned_note(header.points, k))
    return parsed


def _header(path: Path) -> Header:
    with path.open("rb") as file:
        head = file.read(MOST_HEADER_BYTES)
    said: dict[str, list[str]] = {}
    comments, place, lines = [], 0, 0
    while "DATA" not in said:
        end = head.find(b"\n", place)
        if end < 0:
            raise damaged("The file begins like a PCD file, but its header does not end.")
        line = head[place:end].decode("utf-8", "replace").strip()
        place, lines = end + 1, lines + 1
        if line.startswith("#"):
            comments.append(line.strip("# "))
        elif line:
            said[line.split()[0].upper()] = line.split()[1:]
    try:
        counts = [int(count) for count in said.get("COUNT", ["1"] * len(said["FIELDS"]))]
        sizes = [int(size) for size in said["SIZE"]]
        kinds = zip(said["FIELDS"], said["TYPE"], sizes, counts, strict=True)
        fields = [
            (f"_{number}" if name == "_" else name, f"<{kind.lower()}{size}", (count,))
            if count != 1
            else (f"_{number}" if name == "_" else name, f"<{kind.lower()}{size}")
            for number, (name, kind, size, count) in enumerate(kinds)
        ]
        width_height = [int(said.get(word, ["1"])[0]) for word in ("WIDTH", "HEIGHT")]
        points = int(said["POINTS"][0]) if "POINTS" in said else width_height[0] * width_height[1]
        if points < 0:
            raise ValueError
        return Header(np.dtype(fields), points, said["DATA"][0].lower(), place, lines, comments)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise damaged("The PCD header cannot be understood.") from error


def _binary(path: Path, header: Header, k: int) -> Parsed:
    held = (path.stat().st_size - header.bytes) // header.kind.itemsize
    if held < header.points:
        raise cut_off(header.points, "points", held)
    rows = np.memmap(path, np.uint8, mode="r")[header.bytes : header.bytes + header.points * header.kind.itemsize]
    fields = spelled(header.kind)
    thin = f"[::{k}]" if k > 1 else ""
    code = [f"rows = np.fromfile(file, {fields}, count={header.points}, offset={header.bytes}){thin}"]
    return _cloud(np.asarray(rows).view(header.kind)[::k], code)


def _ascii(path: Path, header: Header, k: int) -> Parsed:
    wide = np.dtype([(name, _wide(header.kind[name]), header.kind[name].shape) for name in header.kind.names or ()])
    width = sum(int(np.prod(header.kind[name].shape)) for name in header.kind.names or ())
    parts, count = [], 0
    with path.open("rb") as file:
        file.seek(header.bytes)
        try:
            for part in NumberLines(file).rows(header.points):
                if part.shape[1] != width:
                    raise damaged(f"A point has {part.shape[1]} numbers; the PCD header names {width}.")
                parts.append(part[-count % k :: k])
                count += len(part)
        except NotNumbers as error:
            raise damaged(f"The points of the PCD file after the first {count:,} cannot be read: {error}.") from error
    if count < header.points:
        raise cut_off(header.points, "points", count)
    if not count:
        raise InvalidInput("The PCD file holds no points.", "Send one with at least one.")
    values = np.concatenate(parts)
    rows = np.empty(len(values), dtype=wide)
    column = 0
    for name in wide.names or ():
        many = int(np.prod(wide[name].shape))
        rows[name] = values[:, column : column + many].reshape(len(values), *wide[name].shape)
        column += many
    options = f"skiprows={header.lines}, max_rows={header.points}, ndmin=1"
    return _cloud(rows, [f"rows = np.loadtxt(file, {spelled(wide)}, {options}){f'[::{k}]' if k > 1 else ''}"])


def _wide(kind: np.dtype) -> str:
    """Return the type to read a text column as: text may be more exact than its declared type."""
    return "<f8" if kind.base.kind == "f" else kind.base.str


def _cloud(rows: NDArray[Any], code: list[str]) -> Parsed:
    names = rows.dtype.names or ()
    parsed = Parsed(gathered(rows, PLACES), code=[*code, f"points = {gathered_code(PLACES)}"])
    packed, normals = find_names(names, PACKED_COLOURS), find_names(names, NORMAL_NAMES)
    if packed:
        bits, as_bits = rows[packed[0]], f"rows[{packed[0]!r}]"
        if bits.dtype.kind == "f":  # the bits of a whole number, read as if they were a float32's
            bits, as_bits = bits.astype(np.float32).view(np.uint32), f"{as_bits}.astype(np.float32).view(np.uint32)"
        parsed.colours = np.stack([(bits >> shift) & 255 for shift in (16, 8, 0)], axis=1).astype(np.uint8)
        parsed.code += [
            f"packed = {as_bits}",
            "colours = np.stack([(packed >> shift) & 255 for shift in (16, 8, 0)], axis=1).astype(np.uint8)",
        ]
    if normals:
        parsed.normals = gathered(rows, normals)
        parsed.code.append(f"normals = {gathered_code(normals)}")
    return parsed


def _compressed(path: Path, header: Header, k: int) -> Parsed:
    with path.open("rb") as file:
        file.seek(header.bytes)
        sizes = file.read(8)
    if len(sizes) < 8:
        raise cut_off(header.points, "points", 0)
    packed, unpacked = struct.unpack("<II", sizes)
    if unpacked != header.points * header.kind.itemsize:
        raise damaged(f"The PCD file says it has {header.points:,} points, but its data is of another size.")
    if packed > path.stat().st_size - header.bytes - 8 or unpacked > LZF_MOST * packed:
        raise cut_off(header.points, "points")
    import open3d as o3d

    cloud = o3d.t.io.read_point_cloud(path, format="pcd")
    thin = f"[::{k}]" if k > 1 else ""
    if "positions" not in cloud.point or len(cloud.point.positions) != header.points:
        raise damaged("The compressed points of the PCD file cannot be unpacked.")
    parsed = Parsed(cloud.point.positions.numpy()[::k])
    parsed.code = ["cloud = o3d.t.io.read_point_cloud(file)", f"points = cloud.point.positions.numpy(){thin}"]
    if "colors" in cloud.point:
        parsed.colours = cloud.point.colors.numpy()[::k]
        parsed.code.append(f"colours = cloud.point.colors.numpy(){thin}")
    if "normals" in cloud.point:
        parsed.normals = cloud.point.normals.numpy()[::k]
        parsed.code.append(f"normals = cloud.point.normals.numpy(){thin}")
    return parsed
