"""OBJ: one statement a line; v is a vertex (with its colour after it, as many programs write), vn a normal, f a face.

Source: Wavefront, Advanced Visualizer manual, appendix B1. A normal belongs to a corner of a face there; it is kept
where each vertex has just one, told by the same number (f 1//1 2//2 3//3), or by their equal count without faces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.parsers.numbers import NotNumbers, fans_of, numbers, text_lines
from demos.point_clouds.parsers.parsed import FANS_CODE, Parsed, colour_code, damaged, every, thinned_note
from demos.point_clouds.parsers.units import unit_in
from hub.errors import InvalidInput

NOT_KEPT = {
    b"vt": "texture coordinates",
    b"vp": "curves",
    b"l": "lines",
    b"mtllib": "materials (they are in another file)",
}
MOST_COMMENTS = 20
# What stands after a corner's vertex number: "/2", "/2/3" or "//3".
BEYOND_VERTEX = re.compile(rb"/[^\s/]*(?:/[^\s/]*)?")
BEFORE_NORMAL = re.compile(rb"[^\s/]+/[^\s/]*/")
LETTERS_TO_SPACES = bytes.maketrans(b"vnf", b"   ")


@dataclass
class Statements:
    """The lines of one kind: their text without the keyword, how many words each has, and which lines they are."""

    text: bytes
    counts: NDArray[np.int64]
    places: NDArray[np.int64]

    def values(self, what: str) -> NDArray[np.float64]:
        """Return all numbers, one after the other.

        Raises:
            InvalidInput: for a word that is no number; `what` says of what.
        """
        try:
            return numbers(self.text, self.counts)
        except NotNumbers as error:
            raise damaged(f"{what} of the OBJ file cannot be read: {error}.") from error


def parse(path: Path, name: str, most_points: int) -> Parsed:
    """Read an OBJ file.

    Raises:
        InvalidInput: for rows that cannot be read, and for faces of vertices that are not there.
    """
    text, encoding = _text(path)
    starts, counts = text_lines(text)
    vertices, normals, faces = (_statements(text, starts, counts, keyword) for keyword in (b"v", b"vn", b"f"))
    total = len(vertices.counts)
    if not total:
        raise InvalidInput("The OBJ file holds no points.", "Send one with at least one line that begins with v.")
    k = every(total, most_points, bool(len(faces.counts)))
    parsed = _vertices(vertices, k)
    parsed.encoding = "text"
    comments = [line.decode("utf-8", "replace").strip("# \t") for line in re.findall(rb"(?m)^#[^\n]*", text[: 1 << 20])]
    parsed.comments = [comment for comment in comments if comment][:MOST_COMMENTS]
    parsed.unit = unit_in(parsed.comments)
    parsed.dropped = [what for word, what in NOT_KEPT.items() if re.search(rb"(?m)^" + word + rb"[ \t]", text)]
    corners = _corners(faces, vertices)
    relative = bool(len(corners)) and b"-" in faces.text
    parsed.code = [*_reading_code(name, encoding, relative), *parsed.code]
    _add_normals(parsed, normals, faces, corners, total, k)
    if len(corners):
        parsed.triangles = fans_of(corners - 1, faces.counts)
        parsed.code += [
            "faces = [[int(w.split('/')[0]) - 1 for w in words[1:]] for words in lines if words[0] == 'f']",
            FANS_CODE,
        ]
    if k > 1:
        parsed.notes.append(thinned_note(total, k))
    return parsed


def _text(path: Path) -> tuple[bytes, str]:
    """Return the text as UTF-8 without continued lines and leading spaces, and the encoding of the file."""
    data, encoding = path.read_bytes(), "utf-8-sig"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
        data = data.decode(encoding, "replace").encode()
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\\\n" in data:
        data = data.replace(b"\\\n", b" ")
    if re.search(rb"(?m)^[ \t]+\S", data):
        data = re.sub(rb"(?m)^[ \t]+", b"", data)
    return data, encoding


def _statements(text: bytes, starts: NDArray[np.int64], counts: NDArray[np.int64], keyword: bytes) -> Statements:
    """Return the lines that begin with a keyword and a space."""
    codes = np.frombuffer(text, np.uint8)
    begins = starts[:-1]
    longest = len(codes) - len(keyword) - 1
    here = begins <= longest
    for place, letter in enumerate(keyword):
        here &= codes[np.minimum(begins + place, len(codes) - 1)] == letter
    after = codes[np.minimum(begins + len(keyword), len(codes) - 1)]
    here &= (after == ord(" ")) | (after == ord("\t"))
    places = np.flatnonzero(here)
    # Lines of one kind mostly come one after the other: they are taken run by run.
    breaks = np.flatnonzero(np.diff(places) != 1) + 1
    runs = zip(np.append(0, breaks), np.append(breaks, len(places)), strict=True)
    parts = [text[starts[places[first]] : starts[places[last - 1] + 1]] for first, last in runs if first < last]
    return Statements(b"".join(parts).translate(LETTERS_TO_SPACES), counts[places] - 1, places)


def _vertices(vertices: Statements, k: int) -> Parsed:
    width = int(vertices.counts.min())
    if width < 3:
        raise damaged("A vertex of the OBJ file has fewer than three numbers.")
    values = vertices.values("A vertex")
    cut = ""
    if (vertices.counts == width).all():
        values = values.reshape(-1, width)
    else:  # some have a colour or a weight, others not
        firsts = np.cumsum(vertices.counts) - vertices.counts
        width, cut = 3, "[:3]"
        values = np.stack([values[firsts + column] for column in range(width)], axis=1)
    values = values[::k]
    thin = f"[::{k}]" if k > 1 else ""
    parsed = Parsed(values[:, :3])
    parsed.code = [f"rows = np.array([words[1:]{cut} for words in lines if words[0] == 'v'], dtype=np.float64){thin}"]
    parsed.code.append("points = rows[:, :3]")
    if width in (6, 7):  # x y z r g b, or with a weight after z
        parsed.colours = values[:, width - 3 :]
        parsed.code.append(colour_code(f"rows[:, {width - 3}:]", parsed.colours))
    return parsed


def _corners(faces: Statements, vertices: Statements) -> NDArray[np.int64]:
    """Return the vertex numbers of all faces, counted from 1; a negative one counts back from the last so far."""
    if not len(faces.counts):
        return np.empty(0, np.int64)
    text = BEYOND_VERTEX.sub(b"", faces.text)
    corners = Statements(text, faces.counts, faces.places).values("A face").astype(np.int64)
    if (corners < 0).any():
        so_far = np.repeat(np.searchsorted(vertices.places, faces.places), faces.counts)
        corners = np.where(corners < 0, corners + so_far + 1, corners)
    return corners


def _add_normals(
    parsed: Parsed, normals: Statements, faces: Statements, corners: NDArray[np.int64], vertices: int, k: int
) -> None:
    if not len(normals.counts):
        return
    if len(normals.counts) == vertices and (normals.counts == 3).all() and _same_numbers(faces, corners):
        parsed.normals = normals.values("A normal").reshape(-1, 3)[::k]
        line = "normals = np.array([words[1:4] for words in lines if words[0] == 'vn'], dtype=np.float64)"
        parsed.code.append(line + (f"[::{k}]" if k > 1 else ""))
    else:
        parsed.dropped.append("normals (of corners of faces, not of points)")


def _same_numbers(faces: Statements, corners: NDArray[np.int64]) -> bool:
    """Say whether every corner names the normal with the number of its vertex."""
    if not len(corners):
        return True
    try:
        return np.array_equal(numbers(BEFORE_NORMAL.sub(b"", faces.text), faces.counts), corners)
    except NotNumbers:  # some corners name no normal
        return False


def _reading_code(name: str, encoding: str, relative: bool) -> list[str]:
    code = [
        f"file = {name!r}",
        f"text = open(file, encoding={encoding!r}, errors='replace').read().replace('\\\\\\n', ' ')",
        "lines = [line.split() for line in text.splitlines() if line.strip()]",
    ]
    if relative:
        code += [
            "vertices = 0  # a negative number counts back from the last vertex so far",
            "for words in lines:",
            "    vertices += words[0] == 'v'",
            "    if words[0] == 'f':",
            "        numbers = [int(word.split('/')[0]) for word in words[1:]]",
            "        words[1:] = [str(n if n > 0 else n + vertices + 1) for n in numbers]",
        ]
    return code
