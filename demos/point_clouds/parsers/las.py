"""LAS and LAZ: survey points as whole numbers with a scale and an offset; read by laspy, LAZ through lazrs.

Source: ASPRS, LAS Specification 1.4-R15.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from demos.point_clouds.parsers.parsed import Parsed, colour_code, cut_off, damaged, every, thinned_note
from hub.errors import InvalidInput

HEADER_BYTES = 227  # of the oldest version
MOST_RECORDS = 10_000  # of metadata; real files have a handful
POINTS_AT_ONCE = 1_000_000
MOST_TIMES = 10  # files of more than so many times the points that are kept are not walked through


def parse(path: Path, name: str, most_points: int) -> Parsed:
    """Read a LAS or LAZ file.

    Raises:
        InvalidInput: for a header that lies, data that is cut off or damaged, and far too many points.
    """
    _check_header(path)
    import laspy

    parts: dict[str, list[np.ndarray]] = {"points": [], "colours": []}
    try:
        with laspy.open(path, laz_backend=laspy.LazBackend.Lazrs) as reader:
            header = reader.header
            count = header.point_count
            if count > MOST_TIMES * most_points:
                raise InvalidInput(f"The file has {count:,} points.", f"Send at most {MOST_TIMES * most_points:,}.")
            if not header.are_points_compressed:
                held = (path.stat().st_size - header.offset_to_point_data) // header.point_format.size
                if held < count:
                    raise cut_off(count, "points", held)
            k = every(count, most_points)
            dimensions = list(header.point_format.dimension_names)
            coloured = "red" in dimensions
            seen = 0
            for chunk in reader.chunk_iterator(POINTS_AT_ONCE):
                kept = slice(-seen % k, None, k)
                seen += len(chunk)
                parts["points"].append(np.stack([np.asarray(chunk[axis])[kept] for axis in "xyz"], axis=1))
                if coloured:
                    three = [np.asarray(chunk[colour])[kept] for colour in ("red", "green", "blue")]
                    parts["colours"].append(np.stack(three, axis=1))
    except (InvalidInput, MemoryError):
        raise
    except Exception as error:
        raise damaged("The LAS file is damaged or cut off.") from error
    if seen < count:
        raise cut_off(count, "points", seen)
    if not count:
        raise InvalidInput("The LAS file holds no points.", "Send one with at least one.")
    parsed = Parsed(np.concatenate(parts["points"]))
    parsed.encoding = "compressed (LAZ)" if header.are_points_compressed else "binary"
    thin = f"[::{k}]" if k > 1 else ""
    parsed.code = ["import laspy", "", f"las = laspy.read({name!r})", f"points = np.asarray(las.xyz){thin}"]
    if coloured:
        colours = np.concatenate(parts["colours"])
        if colours.any():  # many files have the fields and leave them 0
            parsed.colours = colours
            whole = f"np.stack([las.red, las.green, las.blue], axis=1){thin}"
            parsed.code.append(colour_code(whole, colours))
    kept_names = ("X", "Y", "Z", "red", "green", "blue")
    parsed.dropped = [dimension.replace("_", " ") for dimension in dimensions if dimension not in kept_names]
    if k > 1:
        parsed.notes.append(thinned_note(count, k))
    return parsed


def _check_header(path: Path) -> None:
    """Refuse a header whose counts would keep the reader busy for nothing."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(375)
    if len(head) < HEADER_BYTES:
        raise damaged("The LAS file is cut off within its header.")
    offset, records = struct.unpack_from("<II", head, 96)
    extended = struct.unpack_from("<I", head, 243)[0] if head[25] >= 4 and len(head) >= 247 else 0
    if offset > size or records > MOST_RECORDS or extended > MOST_RECORDS:
        raise damaged("The LAS header is wrong: it names places or records that the file does not have.")
