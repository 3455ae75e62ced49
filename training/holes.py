"""Holes in pictures, for a ControlNet that learns to fill them: which pixels are masked, and which solids lie inside.

What a hole looks like must not give away what belongs into it: else a hole of the shape of a cone would always be
filled with a cone, though the prompt asks for an empty table. So outlines of solids are cut out of bare tables too, and
ellipses, boxes and strokes are put round solids and elsewhere alike.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.dataset import MAP_CELLS
from training.pictures import PICTURE_PX

CELL_PX = PICTURE_PX // MAP_CELLS  # of the map of solids
WHOLE = 0.03  # share of holes that are the whole picture
ON_SOLID = 0.55  # of the rest, those with a solid in their middle; the others are put anywhere
OWN_OUTLINE = 0.4  # of those with a solid in their middle, those that follow its outline
FORMS = {"outline": 0.3, "ellipse": 0.3, "box": 0.2, "strokes": 0.2}  # of all others; the outline is another solid's
HALF_PX = (8, 34)  # half the sides of ellipses and boxes
GROWN_PX = (1, 9)  # by which an outline is wider than its solid: more than half of them take in most of a shadow
INSIDE = 0.7  # share of a solid's cells that must be masked for it to be inside

Map = NDArray[np.int8]
Hole = NDArray[np.bool_]


def draw_hole(solids: Map, lender: Map, rng: np.random.Generator) -> Hole:
    """Draw a hole (128, 128), True where the picture is masked.

    Args:
        solids: (32, 32), what the picture shows: -1 sky, 0 table, k + 1 the solid k.
        lender: the same of another picture, which lends the outline of a solid.
        rng: draws it.
    """
    if rng.random() < WHOLE:
        return np.ones((PICTURE_PX, PICTURE_PX), bool)
    visible = np.unique(solids[solids > 0])
    on_solid = len(visible) > 0 and rng.random() < ON_SOLID
    shown = solids == rng.choice(visible) if on_solid else np.ones_like(solids, bool)
    if on_solid and rng.random() < OWN_OUTLINE:
        return _grown(_enlarged(shown), rng)
    spots = np.argwhere(shown)
    centre = spots.mean(0) + rng.uniform(-1, 1, 2) if on_solid else spots[rng.integers(len(spots))].astype(float)
    middle = (centre[::-1] + 0.5) * CELL_PX  # x, y in pixels
    form = str(rng.choice(list(FORMS), p=list(FORMS.values())))
    if form == "outline" and (lender > 0).any():
        lent = lender == rng.choice(np.unique(lender[lender > 0]))
        return _grown(_moved(_enlarged(lent), middle, rng.uniform(0.8, 1.5)), rng)
    hole = np.zeros((PICTURE_PX, PICTURE_PX), np.uint8)
    half = rng.uniform(*HALF_PX, 2)
    if form == "strokes":
        points = (middle + rng.uniform(-1, 1, (rng.integers(2, 7), 2)) * half).clip(0, PICTURE_PX - 1)
        cv2.polylines(hole, [points.astype(np.int32)], isClosed=False, color=1, thickness=int(rng.integers(8, 25)))
    elif form == "box":
        cv2.rectangle(hole, (middle - half).astype(int).tolist(), (middle + half).astype(int).tolist(), 1, -1)
    else:
        cv2.ellipse(hole, (middle.tolist(), (2 * half).tolist(), float(rng.uniform(0, 180))), 1, -1)
    return hole > 0


def inside(solids: Map, hole: Hole) -> list[int]:
    """Return the solids, counted from 0, of whose visible cells at least `INSIDE` lie in a hole."""
    masked = hole[CELL_PX // 2 :: CELL_PX, CELL_PX // 2 :: CELL_PX]
    return [int(number) - 1 for number in np.unique(solids[solids > 0]) if masked[solids == number].mean() >= INSIDE]


def _enlarged(cells: Hole) -> Hole:
    """Return a mask (128, 128) of cells (32, 32), its steps smoothed."""
    wide = cv2.resize(cells.astype(np.float32), (PICTURE_PX, PICTURE_PX), interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide > 0.5)


def _moved(mask: Hole, middle: NDArray[np.float64], scale: float) -> Hole:
    """Return a mask scaled and moved so that its middle is at a point x, y."""
    at = np.argwhere(mask).mean(0)[::-1] if mask.any() else middle
    across = np.array([[scale, 0, middle[0] - scale * at[0]], [0, scale, middle[1] - scale * at[1]]])
    return np.asarray(cv2.warpAffine(mask.astype(np.uint8), across, mask.shape[::-1], flags=cv2.INTER_NEAREST) > 0)


def _grown(mask: Hole, rng: np.random.Generator) -> Hole:
    """Return a mask that is wider on all sides, and a little more to one, where a shadow may lie."""
    by = int(rng.integers(*GROWN_PX))
    square = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by + 1, 2 * by + 1))
    off = int(0.7 * by)  # so that the mask itself stays in
    x, y = (by + rng.integers(-off, off + 1, 2)).tolist() if rng.random() < 0.5 else (by, by)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), square, anchor=(x, y)) > 0)
