"""OFF: counts, then vertices, then polygons, all as text; C in the first word adds colours, N normals.

Source: Geomview manual, section OFF files. The fourth coordinate of 4OFF and the n dimensions of nOFF are refused.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.parsers.numbers import NotNumbers, NumberLines, fans_of, listed
from demos.point_clouds.parsers.parsed import FANS_CODE, Parsed, colour_code, cut_off, damaged, every, thinned_note
from hub.errors import InvalidInput

START = re.compile(rb"\s*(ST)?(C)?(N)?(4)?(n)?OFF\b[ \t]*(BINARY)?")
COMMENT = re.compile(rb"#[^\n]*")


def parse(path: Path, name: str, most_points: int) -> Parsed:
    """Read an OFF file.

    Raises:
        InvalidInput: for counts that the file does not hold, and for what is no number.
    """
    data = path.read_bytes()
    if b"#" in data:
        data = COMMENT.sub(b"", data)
    word = START.match(data)
    if word is None:
        raise damaged("The OFF file does not begin with OFF.")
    if word.group(6):
        raise InvalidInput("Binary OFF files are not read.", "Save it as text.")
    if word.group(4) or word.group(5):
        raise InvalidInput("The OFF file has points of more than three dimensions.", "Send one of three.")
    lines = NumberLines(io.BytesIO(data[word.end() :]))
    try:
        vertices, faces = (int(count) for count in lines.take(1)[0][:2])
    except ValueError as error:
        raise damaged("The OFF file does not say how many points and faces it has.") from error
    if vertices < 0 or faces < 0:
        raise damaged("The OFF file counts its points or faces below 0.")
    for count, things, least in ((vertices, "points", 6), (faces, "faces", 2)):  # as in "0 0 0" and "0", with newlines
        if count > len(data) / least + 1:
            raise cut_off(count, things)
    k = every(vertices, most_points, bool(faces))
    values = _vertices(lines, vertices)
    parsed = _with_columns(values[::k], bool(word.group(2)), bool(word.group(3)))
    if parsed.colours is not None and b"." not in b"".join(line.split()[-1] for line in _first_lines(data, word.end())):
        parsed.colours = parsed.colours.astype(np.int64)  # of 255, and not of 1
    parsed.encoding = "text"
    parsed.code = _code(name, word, vertices, k, parsed)
    if k > 1:
        parsed.notes.append(thinned_note(vertices, k))
    if faces:
        _add_faces(parsed, lines, faces, vertices)
    return parsed


def _first_lines(data: bytes, start: int) -> list[bytes]:
    """Return lines of vertices at the beginning, by which the writing of colours is told."""
    lines = [line for line in data[start : start + (1 << 16)].split(b"\n") if line.strip()]
    return lines[1:-1][:1000]


def _vertices(lines: NumberLines, count: int) -> NDArray[np.float64]:
    try:
        parts = list(lines.rows(count))
    except NotNumbers as error:
        raise damaged(f"The points of the OFF file cannot be read: {error}.") from error
    held = sum(map(len, parts))
    if held < count:
        raise cut_off(count, "points", held)
    if not held:
        raise InvalidInput("The OFF file holds no points.", "Send one with at least one.")
    values = np.concatenate(parts)
    if values.shape[1] < 3:
        raise damaged("The points of the OFF file have fewer than three numbers.")
    return values


def _with_columns(values: NDArray[np.float64], colours: bool, normals: bool) -> Parsed:
    """Tell the columns: x y z, then normals, then colours; colours stand there in some OFF files without a C too."""
    parsed = Parsed(values[:, :3])
    column = 3
    if normals and values.shape[1] >= 6:
        parsed.normals = values[:, 3:6]
        column = 6
    if values.shape[1] in (column + 3, column + 4) and (colours or not normals):
        parsed.colours = values[:, column : column + 3]
    return parsed


def _code(name: str, word: re.Match[bytes], vertices: int, k: int, parsed: Parsed) -> list[str]:
    code = [
        f"text = open({name!r}, errors='replace').read()",
        "lines = [line.partition('#')[0].split() for line in text.partition('OFF')[2].splitlines()]",
        "lines = [words for words in lines if words][1:]  # after the counts",
        f"rows = np.array(lines[:{vertices}], dtype=np.float64){f'[::{k}]' if k > 1 else ''}",
        "points = rows[:, :3]",
    ]
    column = 3
    if parsed.normals is not None:
        code.append("normals = rows[:, 3:6]")
        column = 6
    if parsed.colours is not None:
        code.append(colour_code(f"rows[:, {column}:{column + 3}]", parsed.colours))
    return code


def _add_faces(parsed: Parsed, lines: NumberLines, faces: int, vertices: int) -> None:
    parts = []
    left = faces
    try:
        while left:
            values, counts = lines.take(left)
            if not len(counts):
                raise cut_off(faces, "faces", faces - left)
            left -= len(counts)
            corners, lengths = listed(values, counts)
            parts.append(fans_of(corners, lengths))
            if (counts > lengths + 1).any() and "colours of faces" not in parsed.dropped:
                parsed.dropped.append("colours of faces")
    except NotNumbers as error:
        raise damaged(f"A face of the OFF file cannot be read: {error}.") from error
    parsed.triangles = np.concatenate(parts)
    some = f"lines[{vertices} : {vertices + faces}]"
    parsed.code += [f"faces = [[int(corner) for corner in w[1 : 1 + int(w[0])]] for w in {some}]", FANS_CODE]
