"""Points as rows of numbers: XYZ with colours or normals in any of the common orders, PTS, CSV with a header line.

Columns after x, y and z are told by the header line, else by the file's ending, else by their values: vectors of
length 1 are normals, whole numbers up to 255 and fractions up to 1 in threes are colours.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.parsers.numbers import NotNumbers, NumberLines
from demos.point_clouds.parsers.parsed import (
    COLOUR_NAMES,
    NORMAL_NAMES,
    Parsed,
    colour_code,
    cut_off,
    damaged,
    every,
    find_names,
    thinned_note,
)
from demos.point_clouds.parsers.units import unit_in
from hub.errors import InvalidInput

LOOKED_AT = 1000  # rows by which columns are told
COMMENT = re.compile(rb"(?:#|//)[^\n]*")
UNIT_LENGTH_TOLERANCE = 0.005  # of normals written with two or three decimals
MOST_TIMES = 10  # a file of more than so many times the points that are kept is not read to its end
PLACE_NAMES = (("x", "y", "z"), ("x[m]", "y[m]", "z[m]"), ("easting", "northing", "height"), ("x_m", "y_m", "z_m"))
TOO_FEW = "The rows have fewer than three numbers: x, y and z are needed."


@dataclass
class Layout:
    """How the rows are to be read.

    Attributes:
        skipped: lines before the first row.
        separator: between numbers; None for any space.
        decimal_comma: whether numbers are written 1,5.
        names: of the columns, in small letters; empty without a header line.
        claimed: rows that the file says it has, or None.
        comments: what stands before the rows.
        encoding: of the text.
        fractions: the columns that are written with a point or an exponent somewhere at the beginning.
    """

    skipped: int
    separator: str | None
    decimal_comma: bool
    names: list[str]
    claimed: int | None
    comments: list[str]
    encoding: str
    fractions: set[int]


def parse(path: Path, name: str, most_points: int) -> Parsed:
    """Read rows of numbers.

    Raises:
        InvalidInput: for rows that are no numbers or of different lengths, and for a count that is not kept.
    """
    layout = _layout(path)
    values, count = _values(path, layout, most_points)
    if layout.claimed is not None and layout.claimed > count:
        raise cut_off(layout.claimed, "points", count)
    k = every(count, most_points)
    if len(layout.names) != values.shape[1]:
        layout.names = []  # a title, or names that do not fit: the columns are told by their numbers
    places, colours, normals = _columns(values, layout, Path(name).suffix.lower())
    parsed = Parsed(values[:, places], comments=layout.comments, unit=unit_in(layout.comments))
    parsed.encoding = "text"
    parsed.code = [f"file = {name!r}", *_code(layout, k), f"points = rows[:, {places}]"]
    if colours:
        parsed.colours = values[:, colours]
        if not layout.fractions & set(colours) and _whole(parsed.colours):
            parsed.colours = parsed.colours.astype(np.int64)  # 0 and 1 of 255, say, and not of 1
        parsed.code.append(colour_code(f"rows[:, {colours}]", parsed.colours))
    if normals:
        parsed.normals = values[:, normals]
        parsed.code.append(f"normals = rows[:, {normals}]")
    rest = [column for column in range(values.shape[1]) if column not in (*places, *colours, *normals)]
    parsed.dropped = [layout.names[column] if layout.names else f"column {column + 1}" for column in rest]
    if k > 1:
        parsed.notes.append(thinned_note(count, k))
    if layout.claimed is not None and layout.claimed < count:
        parsed.notes.append(f"The file says it has {layout.claimed:,} points but holds {count:,}: all were read.")
    return parsed


def _layout(path: Path) -> Layout:
    with path.open("rb") as file:
        head = file.read(1 << 16)
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    lines = head.decode(encoding, "replace").splitlines()
    comments: list[str] = []
    names: list[str] = []
    claimed, skipped = None, 0
    row = ""
    for line in lines:
        text = line.strip()
        words = _words(text)
        if text.startswith(("#", "//")):
            comments.append(text.strip("#/ "))
        elif len(words) == 1 and words[0].isdigit() and claimed is None:
            claimed = int(words[0])
        elif words and not _is_number(words[0].replace(",", ".")):
            if names:
                raise InvalidInput(f"The rows are no numbers: “{text[:80]}”.", "Send rows of x, y and z.")
            names = [word.strip("\"'").lower() for word in words]
        elif words:
            row = text
            break
        skipped += 1
    if not row:
        raise InvalidInput("The file holds no points.", "Send rows of x, y and z.")
    if not names and comments and len(_words(comments[-1])) == len(_words(row)):
        last = [word.lower() for word in _words(comments[-1])]  # as in "# x y z r g b"
        names = last if find_names(last, PLACE_NAMES) else []
    decimal_comma = ";" in row and "," in row
    separator = next((sign for sign in ";," if sign in row), None)
    fractions = {
        column
        for line in lines[skipped : skipped + LOOKED_AT]
        for column, word in enumerate(_words(line.strip()))
        if set(word.lower()) & set(".,e")
    }
    return Layout(skipped, separator, decimal_comma, names, claimed, comments, encoding, fractions)


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[;\s]+|,\s*" if ";" not in text else r"[;\s]+", text) if word]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _values(path: Path, layout: Layout, most_points: int) -> tuple[NDArray[np.float64], int]:
    """Return the rows that are kept, (N, K), and how many there are: nobody knows before the end."""
    parts: list[NDArray[np.float64]] = []
    count = 0
    with _opened(path, layout.encoding) as file:
        for _ in range(layout.skipped):
            file.readline()
        try:
            for block in NumberLines(file, _cleaner(layout)).rows(MOST_TIMES * most_points + 1):
                parts.append(block)
                count += len(block)
        except NotNumbers as error:
            raise damaged(f"The rows after the first {count:,} cannot be read: {error}.") from error
    if count > MOST_TIMES * most_points:
        raise InvalidInput(f"The file has more than {count - 1:,} points.", "Thin it out before you send it.")
    if not parts:
        raise InvalidInput("The file holds no points.", "Send rows of x, y and z.")
    values = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return values[:: every(count, most_points)], count


def _opened(path: Path, encoding: str) -> BinaryIO:
    if encoding == "utf-16":
        return io.BytesIO(path.read_text(encoding, errors="replace").encode())
    return path.open("rb")


def _cleaner(layout: Layout) -> Callable[[bytes], bytes]:
    """Return what turns a block of text into numbers between spaces: no comments, separators or decimal commas."""
    signs = {";": " ", "\t": " ", ",": "." if layout.decimal_comma else " "}
    spaces = bytes.maketrans("".join(signs).encode(), "".join(signs.values()).encode())

    def clean(block: bytes) -> bytes:
        if b"#" in block or b"/" in block:
            block = COMMENT.sub(b"", block)
        return block.translate(spaces) if layout.separator else block

    return clean


def _columns(values: NDArray[np.float64], layout: Layout, ending: str) -> tuple[list[int], list[int], list[int]]:
    """Return the columns of places, of colours and of normals; empty where there are none."""
    width, names = values.shape[1], layout.names
    if width < 3:
        raise InvalidInput(TOO_FEW, "Send at least three columns.")
    if names:
        places = find_names(names, PLACE_NAMES) or tuple(names[:3])
        groups = (places, find_names(names, COLOUR_NAMES) or (), find_names(names, NORMAL_NAMES) or ())
        of_places, of_colours, of_normals = ([names.index(name) for name in group] for group in groups)
        return of_places, of_colours, of_normals
    colours: list[int] = []
    normals: list[int] = []
    looked_at = values[:: max(1, len(values) // LOOKED_AT)]
    start = 3
    while start + 3 <= width:
        three = list(range(start, start + 3))
        # With one column left over it comes first: x y z intensity r g b, as PTS has it.
        fractions = bool(layout.fractions & set(three))
        normal, colour = _is_normal(looked_at[:, three], fractions), _is_colour(looked_at[:, three], fractions)
        if start == 3 and ending in (".xyzn", ".xyzrgb"):
            normal, colour = ending == ".xyzn", ending == ".xyzrgb"
        if (width - start) % 3 == 1 or not (normal or colour):
            start += 1
            continue
        if normal and not normals and not (colour and ending == ".pts"):
            normals = three
        elif colour and not colours:
            colours = three
        start += 3
    return [0, 1, 2], colours, normals


def _is_normal(three: NDArray[np.float64], fractions: bool) -> bool:
    """Say whether nearly all rows have length 1, or 0 for none, and they are not written as 8-bit colours are."""
    lengths = np.linalg.norm(three, axis=1)
    unit = np.abs(lengths - 1) < UNIT_LENGTH_TOLERANCE
    enough = bool((unit | (lengths == 0)).mean() > 0.99 and unit.any())
    return enough and (fractions or bool((three < 0).any()))


def _is_colour(three: NDArray[np.float64], fractions: bool) -> bool:
    if not np.isfinite(three).all() or (three < 0).any():
        return False
    return bool(three.max() <= 1 or (three.max() <= 65535 and not fractions))


def _whole(values: NDArray[np.float64]) -> bool:
    return bool((values == np.rint(values)).all())


def _code(layout: Layout, k: int) -> list[str]:
    options = [f"skiprows={layout.skipped}"] if layout.skipped else []
    options += [f"delimiter={layout.separator!r}"] if layout.separator else []
    options += ["comments=('#', '//')", "ndmin=2"]
    options += [f"encoding={layout.encoding!r}"]
    source = "file"
    if layout.decimal_comma:
        source = f"(line.replace(',', '.') for line in open(file, encoding={layout.encoding!r}))"
    return [f"rows = np.loadtxt({source}, {', '.join(options)}){f'[::{k}]' if k > 1 else ''}"]
