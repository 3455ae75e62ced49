"""The 3D files that are read: what each format can hold, and how one is told from another by its content.

A file's name is only believed where its content fits; where they differ, the content wins and the page says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hub.errors import InvalidInput

HEAD_BYTES = 1 << 16  # enough of a file to tell its format


@dataclass(frozen=True)
class Format:
    """A kind of 3D file; the four "can hold" columns are short phrases, "no" where it cannot."""

    key: str
    name: str
    endings: tuple[str, ...]
    stored: str
    colours: str
    normals: str
    faces: str
    unit: str


FORMATS = (
    Format("ply", "PLY", (".ply",), "text, binary (both byte orders)", "yes", "yes", "yes", "only in comments"),
    Format("pcd", "PCD", (".pcd",), "text, binary, binary compressed", "yes", "yes", "no", "no"),
    Format(
        "xyz", "XYZ", (".xyz", ".xyzn", ".xyzrgb", ".txt", ".csv", ".asc"), "text in columns", "yes", "yes", "no", "no"
    ),
    Format("pts", "PTS", (".pts",), "text in columns, led by a count", "yes", "no", "no", "no"),
    Format("las", "LAS, LAZ", (".las", ".laz"), "binary, compressed", "yes, 16-bit", "no", "no", "not read"),
    Format("obj", "OBJ", (".obj",), "text", "after each vertex", "yes", "yes", "only in comments"),
    Format("stl", "STL", (".stl",), "text, binary", "no", "of faces; not kept", "yes", "no"),
    Format("off", "OFF", (".off",), "text", "yes (COFF)", "yes (NOFF)", "yes", "no"),
    Format("glb", "GLB", (".glb",), "binary", "yes, linear", "yes", "yes", "always metres"),
    Format("gltf", "glTF", (".gltf",), "JSON with its data inside", "yes, linear", "yes", "yes", "always metres"),
    Format("3ds", "3DS", (".3ds",), "binary", "of materials", "yes", "yes", "no"),
    Format("x3d", "X3D", (".x3d",), "XML", "yes", "yes", "yes", "always metres"),
    Format("dae", "Collada", (".dae",), "XML", "yes", "yes", "yes", "yes: turned into metres"),
)
BY_KEY = {form.key: form for form in FORMATS}
BY_ENDING = {ending: form for form in FORMATS for ending in form.endings}
ENDINGS = tuple(BY_ENDING)
ACCEPTED = "PLY, PCD, XYZ, PTS, LAS, LAZ, OBJ, STL, OFF, GLB, glTF, 3DS, X3D or DAE"

PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "ZIP",
    b"PK\x05\x06": "ZIP",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7z",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"Rar!": "RAR",
}
OTHERS = {
    b"Kaydara FBX": "an FBX file",
    b"; FBX": "an FBX file",
    b"BLENDER": "a Blender file",
    b"#VRML": "a VRML file",
    b"#X3D": "an X3D file in VRML writing",
    b"ASTM-E57": "an E57 file",
    b"PXR-USDC": "a USD file",
    b"#usda": "a USD file",
    b"ISO-10303": "a STEP or IFC file",
    b"xof ": "a DirectX file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"II*\0": "a picture",
    b"MM\0*": "a picture",
    b"%PDF": "a PDF file",
    b"\x89HDF": "an HDF5 file",
}
OFF_WORD = re.compile(rb"\s*(?:#[^\n]*\n\s*)*(?:ST)?C?N?4?n?OFF\b")
PCD_WORDS = re.compile(rb"(?m)^\s*FIELDS\b.*$[\s\S]*?^\s*(?:SIZE|TYPE)\b")
OBJ_LINE = re.compile(r"(?:v|vn|vt|vp)\s+[-+.\d]|f\s+-?\d|(?:mtllib|usemtl|o|g|s)(?:\s|$)")
NUMBER = re.compile(r"[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?$|[-+]?(?:nan|inf)$", re.IGNORECASE)
SEPARATORS = re.compile(r"[;\t ]+|,\s*")


def detect(head: bytes, size: int, name: str) -> tuple[Format, tuple[str, ...]]:
    """Tell a file's format.

    Args:
        head: its first `HEAD_BYTES`.
        size: all its bytes.
        name: as it was sent.

    Returns:
        The format, and notes where the name says something else.

    Raises:
        InvalidInput: for an empty or packed file, one of a format that is not read, or none at all.
    """
    if not size:
        raise InvalidInput("The file is empty.", f"Send {ACCEPTED}.")
    for start, packer in PACKED.items():
        if head.startswith(start):
            raise InvalidInput(f"The file is packed ({packer}).", "Unpack it and send the file inside.")
    named = BY_ENDING.get(ending_of(name))
    form = BY_KEY.get(_key(head, size, named.key if named else ""))
    if form is None:
        raise _unknown(head, name, named)
    if named in (None, form) or {named.key, form.key} <= {"xyz", "pts"}:
        return form, ()
    return form, (f"The file is named {ending_of(name)}, but its content is {form.name}: it was read as that.",)


def ending_of(name: str) -> str:
    """Return the ending of a file's name in small letters, with its dot; "" for none."""
    stem, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if dot and stem else ""


def _key(head: bytes, size: int, named: str) -> str:
    """Return the key of the format that the content fits, or "" for none."""
    if head.startswith(b"ply") and head[3:4] in b"\r\n ":
        return "ply"
    if head.startswith(b"glTF"):
        return "glb"
    if head.startswith(b"LASF"):
        return "las"
    if OFF_WORD.match(head):
        return "off"
    if PCD_WORDS.search(head[:4096]):
        return "pcd"
    if _is_3ds(head, size):
        return "3ds"
    if _is_stl(head, size, named):
        return "stl"
    if any(head.startswith(start) for start in OTHERS):
        return ""
    return _text_key(head, named)


def _is_3ds(head: bytes, size: int) -> bool:
    """Say whether it begins with the main chunk of 3DS, whose length is the file's."""
    return head[:2] == b"MM" and head[2:4] != b"\0*" and 6 < int.from_bytes(head[2:6], "little") <= size


def _is_stl(head: bytes, size: int, named: str) -> bool:
    binary = size >= 84 and size == 84 + 50 * int.from_bytes(head[80:84], "little")
    text = re.match(rb"\s*solid\b", head) is not None and (b"facet" in head or b"endsolid" in head or named == "stl")
    # A binary one that was cut off, or whose count is wrong, still is one by its name.
    return binary or text or (named == "stl" and size >= 84 and b"\0" in head)


def _text_key(head: bytes, named: str) -> str:
    text = decoded(head)
    if text is None:
        return ""
    start = text.lstrip()
    if start.startswith("<"):
        return "dae" if "<COLLADA" in text else "x3d" if "<X3D" in text else ""
    if start.startswith("{"):
        return "gltf" if '"asset"' in text or named == "gltf" else ""
    lines = [line.strip() for line in text.splitlines()[:2000]]
    lines = [line for line in lines if line and not line.startswith(("#", "//"))]
    if any(OBJ_LINE.match(line) for line in lines[:200]) and not _numbers(lines[-1]):
        return "obj"
    if not lines:
        return named if named in ("obj", "xyz", "pts") else ""
    rows = [len(SEPARATORS.split(line.strip(" ,;"))) for line in lines[:50] if _numbers(line)]
    if rows and _numbers(lines[0]) and rows[0] == 1 and (len(rows) == 1 or max(rows[1:]) >= 3):
        return "pts"
    if rows and max(rows) >= 3 and len(rows) >= len(lines[:50]) - 2:
        return "xyz"
    return ""


def _numbers(line: str) -> bool:
    """Say whether a line is numbers only."""
    words = [word for word in SEPARATORS.split(line.strip(" ,;")) if word]
    return bool(words) and all(NUMBER.match(word) for word in words)


def decoded(head: bytes) -> str | None:
    """Return the text of a file's beginning, None where it is no text; UTF-16 is told by its first two bytes."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head[: len(head) // 2 * 2].decode("utf-16", "replace")
    if b"\0" in head:
        return None
    return head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def _unknown(head: bytes, name: str, named: Format | None) -> InvalidInput:
    for start, what in OTHERS.items():
        if head.startswith(start):
            return InvalidInput(f"This is {what}, which is not read here.", f"Export it as {ACCEPTED}.")
    if named is None:
        return InvalidInput(f"The content of “{name}” is no 3D file that is read here.", f"Send {ACCEPTED}.")
    text = decoded(head)
    what = "bytes that are not of that format" if text is None else "other text"
    return InvalidInput(
        f"“{name}” is named {ending_of(name)}, but it holds {what}.", f"Save it again as {named.name}, or send another."
    )
