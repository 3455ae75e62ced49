"""The unit that a file names in words: a comment "unit mm", "units: metres" or "metres; camera's frame"."""

from __future__ import annotations

import re
from collections.abc import Iterable

SPELLINGS = {
    "m": ("m", "metre", "metres", "meter", "meters"),
    "cm": ("cm", "centimetre", "centimetres", "centimeter", "centimeters"),
    "mm": ("mm", "millimetre", "millimetres", "millimeter", "millimeters"),
    "in": ("in", "inch", "inches"),
}
UNIT_OF = {spelling: unit for unit, spellings in SPELLINGS.items() for spelling in spellings}
NAMED = re.compile(r"^\W*(?:units?\b\W*(?:of length|are|is|in)?\W*)([a-z]+)\b", re.IGNORECASE)
ALONE = re.compile(r"^\W*([a-z]{4,})\s*(?:;|,|$)", re.IGNORECASE)


def unit_in(comments: Iterable[str]) -> str:
    """Return the unit that the first telling comment names; "" where none does.

    >>> unit_in(["made by a scanner", "unit mm"]), unit_in(["metres; left camera's frame"]), unit_in(["meters of tape"])
    ('mm', 'm', '')
    """
    for comment in comments:
        for pattern in (NAMED, ALONE):
            found = pattern.match(comment)
            if found and found.group(1).lower() in UNIT_OF:
                return UNIT_OF[found.group(1).lower()]
    return ""


def unit_of_metres(metres: float) -> str:
    """Return the unit that is so many metres; "" for one that is not offered."""
    sizes = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}
    return next((unit for unit, size in sizes.items() if abs(metres / size - 1) < 1e-6), "")
