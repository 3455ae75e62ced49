"""What a reader gets out of a file, and the refusals that all readers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.errors import InvalidInput

COLOUR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
NORMAL_NAMES = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"), ("normalx", "normaly", "normalz"))
SAVE_AGAIN = "Save it again, or send it as PLY."


@dataclass(eq=False)
class Parsed:
    """The numbers of a file as it has them, before anything is cleaned.

    Attributes:
        points: (N, 3) of any number type; may hold NaN.
        colours: (N, 3) of any number type: see `eight_bits`.
        normals: (N, 3), of any length.
        triangles: (M, 3) whole numbers, which may point outside.
        encoding: how the numbers are stored, such as "ascii".
        unit: "m" and so on where the file or its format says so.
        comments: what people wrote into it.
        dropped: what the file holds besides, which is not kept: "textures", "intensity" ...
        notes: what was done, as sentences.
        code: lines that set `points`, and of `colours` (uint8), `normals` and `triangles` those that are there.
    """

    points: NDArray[Any]
    colours: NDArray[Any] | None = None
    normals: NDArray[Any] | None = None
    triangles: NDArray[Any] | None = None
    encoding: str = ""
    unit: str = ""
    comments: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)


def damaged(what: str) -> InvalidInput:
    """Return the refusal of a file that breaks its format's rules; `what` is a sentence."""
    return InvalidInput(what, SAVE_AGAIN)


def cut_off(claimed: int, things: str, held: int | None = None) -> InvalidInput:
    """Return the refusal of a file that holds less than its header says."""
    there = "is too short for them" if held is None else f"holds {held:,}"
    return InvalidInput(
        f"The file says it has {claimed:,} {things} but {there}.",
        "It is cut off or its header is wrong: send it again.",
    )


def every(count: int, most_points: int, faces: bool = False) -> int:
    """Return k where every k-th of `count` points is to be kept so that at most `most_points` are.

    Raises:
        InvalidInput: when there are faces between them, which would lose their corners.
    """
    if count <= most_points:
        return 1
    if faces:
        raise InvalidInput(
            f"The mesh has {count:,} vertices; at most {most_points:,} are taken.",
            "Simplify it first, or send its vertices without faces: a large cloud is thinned out evenly.",
        )
    return -(-count // most_points)


def thinned_note(count: int, k: int) -> str:
    """Say that only every k-th point was kept."""
    return f"The file has {count:,} points: one in {k} was kept, evenly through the file."


def find_names(present: Sequence[str], wanted: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return the first of `wanted` whose names are all present."""
    return next((names for names in wanted if set(names) <= set(present)), None)


def gathered(table: NDArray[Any], names: Sequence[str]) -> NDArray[Any]:
    """Return the fields `names` of an (N,) structured array as (N, K); a view where they lie side by side."""
    fields: Any = table.dtype.fields or {}
    kinds = [fields[name][0] for name in names]
    offsets = [fields[name][1] for name in names]
    size = kinds[0].itemsize
    if len(set(kinds)) == 1 and offsets == [offsets[0] + size * place for place in range(len(names))]:
        packed = np.dtype({"names": ["all"], "formats": [(kinds[0], len(names))], "offsets": [offsets[0]],
                           "itemsize": table.dtype.itemsize})  # fmt: skip
        return table.view(packed)["all"]
    return np.stack([table[name] for name in names], axis=1)


def gathered_code(names: Sequence[str]) -> str:
    """Return the expression that gathers fields of `rows` as (N, K)."""
    return f"np.stack([{', '.join(f'rows[{name!r}]' for name in names)}], axis=1)"


def eight_bits(colours: NDArray[Any]) -> NDArray[np.uint8]:
    """Return (N, 3) colours as uint8, whatever they were stored as.

    8-bit stays. Larger whole numbers are 8-bit values where none exceeds 255, else 16-bit. Floats run from 0 to 1
    where none exceeds 1, else to 255.
    """
    if colours.dtype == np.uint8:
        return np.ascontiguousarray(colours)
    values = np.nan_to_num(np.asarray(colours, dtype=np.float64), posinf=0.0, neginf=0.0)
    return np.clip(np.rint(values * colour_scale(colours)), 0, 255).astype(np.uint8)


def colour_scale(colours: NDArray[Any]) -> float:
    """Return what the values must be multiplied by to run from 0 to 255: see `eight_bits`."""
    largest = float(np.nanmax(colours, initial=0))
    if np.issubdtype(colours.dtype, np.floating) and largest <= 1.0:
        return 255.0
    return 1.0 if largest <= 255 else 1 / 257


def colour_code(expression: str, colours: NDArray[Any]) -> str:
    """Return the line that makes `colours` of an expression of the same values, as `eight_bits` does."""
    if colours.dtype == np.uint8:
        return f"colours = {expression}"
    scale = {255.0: " * 255.0", 1.0: " * 1.0"}.get(colour_scale(colours), " / 257.0")
    return f"colours = np.clip(np.rint({expression}{scale}), 0, 255).astype(np.uint8)"


def fans(faces: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Split polygons into triangles that share the polygon's first corner, (M, 3)."""
    triangles = [(face[0], b, c) for face in faces for b, c in pairwise(face[1:])]
    return np.array(triangles, dtype=np.int64).reshape(-1, 3)


FANS_CODE = "triangles = np.array([(f[0], b, c) for f in faces for b, c in zip(f[1:], f[2:])], dtype=np.int32)"
