"""The grain of surfaces, as of felt or clay: noise in space that every surface cuts through.

The one idea: the noise belongs to the place, not to the picture. A point of a surface is as dark as it is whichever
camera looks, so two views of it can be matched; a perfectly plain surface gives a matcher nothing to hold on to.

Sources: Perlin, An image synthesizer, SIGGRAPH 1985 (solid textures, sums of octaves); Ebert et al., Texturing and
Modeling, 3rd ed. 2003, chapter 2 (value noise on a lattice); Perlin, Improving noise, SIGGRAPH 2002 (the quintic
between lattice points); Wellons, Prospecting for hash functions, 2018 (`lowbias32`, for the values at lattice points).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U32 = NDArray[np.uint32]

# Each octave: the cell of its lattice in metres (a pixel at arm's length is about 1 mm), its share of the noise, and
# how far its lattice is turned about the vertical, in radians, so that no two line up into a visible grid.
OCTAVES = ((0.012, 0.25, 0.3), (0.006, 0.35, 0.8), (0.003, 0.40, 1.3))
STRIDES = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)  # odd, so that no two lattice points along an axis share a key
TOGETHER = 8192  # points at a time: what is reckoned stays in the processor's cache


def grain(points: F32, seed: int) -> F32:
    """Return the noise (N,), -1 to 1, 0 on average, at world points (N, 3), metres; always the same for a seed."""
    total = np.zeros(len(points), dtype=np.float32)
    if not len(points):
        return total
    across, away, up = (np.ascontiguousarray(points[:, axis]) for axis in range(3))
    for octave, (cell_m, weight, turn_rad) in enumerate(OCTAVES):
        cosine, sine = np.float32(math.cos(turn_rad) / cell_m), np.float32(math.sin(turn_rad) / cell_m)
        places = (cosine * across + sine * away, cosine * away - sine * across, np.float32(1 / cell_m) * up)
        first = [math.floor(axis.min()) for axis in places]
        counts = [math.floor(axis.max()) + 2 - start for axis, start in zip(places, first, strict=True)]
        lattice = np.float32(weight) * _lattice(first, counts, len(OCTAVES) * seed + octave)
        for start in range(0, len(points), TOGETHER):
            some = slice(start, start + TOGETHER)
            total[some] += _between(
                lattice, np.stack([axis[some] - np.float32(low) for axis, low in zip(places, first, strict=True)])
            )
    return total


def _between(lattice: F32, places: F32) -> F32:
    """Return (N,) what the lattice (Z, Y, X) says at places (3, N): x, y, z in cells from its first point."""
    cells = places.astype(np.int32)
    share = places - cells.astype(np.float32)
    share *= share * share * (share * (share * np.float32(6) - np.float32(15)) + np.float32(10))
    _, height, width = lattice.shape
    corner = ((cells[2] * height + cells[1]) * width + cells[0]).astype(np.intp)
    values = lattice.ravel()

    def along_x(start: NDArray[np.intp]) -> F32:
        left = values.take(start)
        right = values.take(start + 1)
        return left + share[0] * (right - left)

    def in_plane(start: NDArray[np.intp]) -> F32:
        near = along_x(start)
        far = along_x(start + width)
        return near + share[1] * (far - near)

    below = in_plane(corner)
    if not share[2].any():  # of a table, which lies in one plane of the lattice
        return below
    above = in_plane(corner + height * width)
    return below + share[2] * (above - below)


def _lattice(first: list[int], counts: list[int], key: int) -> F32:
    """Return values (Z, Y, X), -1 to 1, of `counts` lattice points (x, y, z) from `first` on."""
    x, y, z = (
        (np.arange(start, start + count) % 2**32).astype(np.uint32) * np.uint32(stride)
        for start, count, stride in zip(first, counts, STRIDES, strict=True)
    )
    keys = _stirred(z + np.uint32(key % 2**32))[:, None, None]
    mixed = _stirred(x + _stirred(y[:, None] + keys))
    return (mixed >> np.uint32(8)).astype(np.float32) * np.float32(2**-23) - np.float32(1)


def _stirred(numbers: U32) -> U32:
    """Return 32-bit numbers with all their bits stirred: `lowbias32`."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        numbers = (numbers ^ (numbers >> np.uint32(shift))) * np.uint32(factor)
    return numbers ^ (numbers >> np.uint32(16))
