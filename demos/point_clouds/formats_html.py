"""The formats page: what each 3D format can hold, and what the loaded file does hold."""

from __future__ import annotations

from html import escape

from demos.point_clouds.facts import FileFacts
from demos.point_clouds.facts_html import UNIT_NAMES, number
from demos.point_clouds.formats import FORMATS, Format

HEADS = ("Format", "Endings", "Stored as", "Colours", "Normals", "Faces", "Unit")
NO = "no"
CAMERA_FRAME = "x right, y down"  # a comment of clouds that cameras made, such as those of Stereo 3D
Y_UP = ("OBJ", "GLB", "glTF", "X3D")  # glTF and X3D lay down that y points up; OBJ files mostly have it so


def formats_html() -> str:
    """Draw the table of formats."""
    head = "".join(f"<th>{name}</th>" for name in HEADS)
    rows = "".join(row_html(form) for form in FORMATS)
    return (
        '<div class="clouds-scroll"><table class="clouds-table clouds-formats"><caption>What each format can hold'
        f"</caption><tr>{head}</tr>{rows}</table></div>"
    )


def row_html(form: Format) -> str:
    """Draw a format's row."""
    cells = "".join(
        f"<td>{escape(text)}</td>"
        for text in (" ".join(form.endings), form.stored, form.colours, form.normals, form.faces, form.unit)
    )
    return f"<tr><th>{escape(form.name)}</th>{cells}</tr>"


def file_html(facts: FileFacts | None) -> str:
    """Draw what a file holds beside what its format can hold."""
    if facts is None:
        return ""
    form = next(each for each in FORMATS if each.name == facts.format)
    rows = (
        ("Points", "yes", f"{facts.points:,}"),
        ("Faces", form.faces, f"{facts.faces:,} triangles" if facts.faces else NO),
        ("Colours", form.colours, "yes" if facts.colours else NO),
        ("Normals", form.normals, "yes" if facts.normals else NO),
        ("Unit", form.unit, UNIT_NAMES.get(facts.unit, "not said")),
        ("Stored as", form.stored, facts.encoding or form.stored),
        ("Besides, not kept", "", ", ".join(facts.dropped) or "nothing"),
    )
    body = "".join(
        f"<tr><th>{name}</th><td>{escape(can)}</td><td>{escape(holds)}</td></tr>" for name, can, holds in rows
    )
    extent = " × ".join(number(length) for length in facts.extent)
    return (
        '<div class="clouds-scroll"><table class="clouds-table clouds-file"><caption>This file</caption>'
        f"<tr><th></th><th>{escape(facts.format)} can hold</th><th>this file holds</th></tr>{body}</table></div>"
        f'<p class="clouds-hint">{size_of(facts.bytes)}; extent in its own numbers: {extent}.</p>'
    )


def size_of(count: int) -> str:
    """Spell a number of bytes.

    >>> size_of(1_913_000), size_of(59)
    ('1.9 MB', '59 bytes')
    """
    if count >= 1e6:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e3:.1f} kB" if count >= 1000 else f"{count} bytes"


def up_of(facts: FileFacts | None) -> str:
    """Return which way is up, a key of `viewer.UPWARDS`, by what the file says, or its format's files mostly have."""
    if facts is None:
        return "z"
    if any(CAMERA_FRAME in comment for comment in facts.comments):
        return "-y"
    return "y" if facts.format in Y_UP else "z"
