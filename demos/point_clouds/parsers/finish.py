"""From the numbers of a file to one clean cloud: finite points near the origin, sound faces, 8-bit colours.

The same rules for every format, and the last lines of the code that reads the file in plain libraries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.point_clouds.parsers.parsed import Parsed, damaged, eight_bits
from hub.errors import InvalidInput

FARTHEST = 1e12  # a coordinate beyond is no measurement, and overflows what is computed from it
# float32, which viewers and some searches use, has 24 bits: at 50 extents from 0 an extent has 1e5 steps left.
SHIFT_EXTENTS = 50
SHIFT_FROM = 1e4  # nearer than this nothing is shifted: small numbers are easier to compare with the file's
UNIT_LENGTH_TOLERANCE = 1e-3


@dataclass(eq=False)
class Finished:
    """The arrays of a cloud by the names that `Cloud` gives them, and what to say about them."""

    arrays: dict[str, NDArray[Any]]
    notes: list[str]
    code: list[str]
    extent: list[float] = field(default_factory=list)


def finish(parsed: Parsed) -> Finished:
    """Clean what a reader gave.

    Points that are NaN, infinite or beyond 1e12 are left out, with the faces at them. Coordinates whose middle lies
    farther than 10,000 units and 50 extents from 0 are shifted by a whole number, axis by axis.

    Raises:
        InvalidInput: when no point is left, or a face names a point that is not there.
    """
    points = np.ascontiguousarray(parsed.points, dtype=np.float64)
    if not len(points):
        raise InvalidInput("The file holds no points.", "Send a file with at least one point.")
    done = Finished({}, list(parsed.notes), list(parsed.code))
    triangles = _checked(parsed.triangles, len(points))
    colours = None if parsed.colours is None else eight_bits(parsed.colours)
    normals = None if parsed.normals is None else np.ascontiguousarray(parsed.normals, dtype=np.float32)
    largest = max(-points.min(), points.max())
    if not largest <= FARTHEST:  # true of NaN as well
        keep = np.asarray((np.abs(points) <= FARTHEST).all(axis=1))
        triangles = _renumbered(triangles, keep)
        _leave_out(done, keep, colours is not None, normals is not None, triangles)
        points = points[keep]
        colours = None if colours is None else colours[keep]
        normals = None if normals is None else normals[keep]
    normals = _unit_length(done, normals)
    origin = _origin(done, points)
    if origin.any():
        points = points - origin  # not in place: they may be the file itself, mapped
    done.arrays = {"points": points, "origin": origin}
    for name, array in (("colours", colours), ("normals", normals), ("triangles", triangles)):
        if array is not None:
            done.arrays[name] = array
    done.code += _last_lines(done.arrays)
    return done


def _checked(triangles: NDArray[Any] | None, points: int) -> NDArray[np.int32] | None:
    """Return the triangles as int32; None where there are none."""
    if triangles is None or not len(triangles):
        return None
    low, high = int(triangles.min()), int(triangles.max())
    if low < 0 or high >= points:
        wrong = low if low < 0 else high
        raise damaged(f"A face names point {wrong:,} (counted from 0), but the file has {points:,} points.")
    return np.ascontiguousarray(triangles, dtype=np.int32)


def _renumbered(triangles: NDArray[np.int32] | None, keep: NDArray[np.bool_]) -> NDArray[np.int32] | None:
    """Return the triangles between points that are kept, by their new numbers."""
    if triangles is None:
        return None
    numbers = np.cumsum(keep, dtype=np.int32) - 1
    whole = triangles[keep[triangles].all(axis=1)]
    return numbers[whole] if len(whole) else None


def _leave_out(done: Finished, keep: NDArray[np.bool_], colours: bool, normals: bool, triangles: Any) -> None:
    lost = len(keep) - int(keep.sum())
    if lost == len(keep):
        raise InvalidInput(
            f"None of the file's {lost:,} points has a usable place: all are NaN, infinite or beyond 1e12.",
            "Export the file again from the program that made it.",
        )
    verb = "points were left out: their places are" if lost > 1 else "point was left out: its place is"
    done.notes.append(f"{lost:,} of {len(keep):,} {verb} NaN, infinite or beyond 1e12.")
    done.code.append(f"keep = (abs(points) <= {FARTHEST:g}).all(axis=1)  # not NaN, infinite or absurd")
    if triangles is not None:
        done.code.append("triangles = (np.cumsum(keep) - 1)[triangles[keep[triangles].all(axis=1)]]")
    names = ["points", *(["colours"] if colours else []), *(["normals"] if normals else [])]
    done.code.append(f"{', '.join(names)} = {', '.join(f'{name}[keep]' for name in names)}")


def _unit_length(done: Finished, normals: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """Return normals of length 1, or 0 where the file has none for a point; None where it has none at all."""
    if normals is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.einsum("ij,ij->i", normals, normals)
    if np.abs(squared - 1).max(initial=0) < UNIT_LENGTH_TOLERANCE:
        return normals
    wide = np.where(np.isfinite(normals).all(axis=1, keepdims=True), normals, 0).astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    if not lengths.any():
        done.notes.append("The normals are all zero: they were left out.")
        done.code.append("normals = None")
        return None
    done.code += [
        "normals = np.where(np.isfinite(normals).all(axis=1, keepdims=True), normals, 0).astype(np.float64)",
        "normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)",
    ]
    if not lengths.all():
        done.notes.append(f"{int((lengths == 0).sum()):,} points have no normal.")
    unit: NDArray[np.float32] = (wide / np.maximum(lengths, 1e-30)).astype(np.float32)
    return unit


def _origin(done: Finished, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much to shift points that lie far from 0.

    The shift is a whole number and lies as near to every point as the extent, so that both the subtraction and the
    addition afterwards are exact in float64.
    """
    # Column by column: numpy takes ten times as long along the first axis of a narrow array.
    low, high = (np.array([end(points[:, axis]) for axis in range(3)]) for end in (np.min, np.max))
    done.extent = (high - low).tolist()
    middle = (low + high) / 2
    far = np.abs(middle) > max(SHIFT_FROM, SHIFT_EXTENTS * float((high - low).max()))
    origin = np.where(far, np.rint(middle), 0.0)
    if far.any():
        numbers = ", ".join(f"{value:,.0f}" for value in origin)
        done.notes.append(f"The coordinates are far from 0: computed and drawn from the origin ({numbers}).")
    return origin


def _last_lines(arrays: dict[str, NDArray[Any]]) -> list[str]:
    """Return the lines that make `cloud` or `mesh` of the arrays, in Open3D's tensor classes."""
    lines, shifted = [], "points"
    if arrays["origin"].any():
        lines, shifted = [f"origin = np.array({arrays['origin'].tolist()})"], "points - origin"
    lines.append(f"points = o3d.core.Tensor(np.asarray({shifted}, dtype=np.float64))")
    name, of = "cloud", "point"
    if "triangles" in arrays:
        name, of = "mesh", "vertex"
        lines.append(
            "mesh = o3d.t.geometry.TriangleMesh(points, o3d.core.Tensor(np.asarray(triangles, dtype=np.int32)))"
        )
    else:
        lines.append("cloud = o3d.t.geometry.PointCloud(points)")
    if "colours" in arrays:
        lines.append(f"{name}.{of}.colors = o3d.core.Tensor(colours.astype(np.float32) / 255)")
    if "normals" in arrays:
        lines.append(f"{name}.{of}.normals = o3d.core.Tensor(np.asarray(normals, dtype=np.float32))")
    return lines
