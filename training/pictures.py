"""What every recipe that looks at tabletop pictures shares: patch labels to learn from, and pictures changed a little.

A vision transformer learns slowly from words alone. In training only, `PatchHead` also says, for every patch, which
solid it shows and where that solid stands: a dense, direct signal, thrown away afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tabletop.relations import viewer_positions
from tabletop.world import COLOURS, MAX_SOLIDS, SHAPES, SIZES, Scene
from training.dataset import MAP_CELLS

PICTURE_PX = 128
KINDS = len(SHAPES) * len(COLOURS) * len(SIZES)
VIEWER_DISTANCE_M = 0.8  # positions are taken from about the middle of the table, so that they are small numbers
POSITION_M = 0.1  # and in units of this
RIGHT_PER_PIXEL = 0.043  # of these units, when the camera turns by a pixel's angle: 0.85 m / 197 px / 0.1 m


class PatchHead(nn.Module):
    """Say, for every patch, which kind of solid it shows (or none) and where that solid stands. For training only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.what = nn.Linear(width, 1 + KINDS)
        self.where = nn.Linear(width, 2)

    def forward(self, patches: Tensor, kinds: Tensor, places: Tensor) -> Tensor:
        """Return the loss of patches (B, P, width) against kinds (B, P), 0 for none, and places (B, P, 2)."""
        seen = kinds > 0
        weights = torch.where(seen, 1.0, 0.1)  # most patches show the bare table
        what = F.cross_entropy(self.what(patches).flatten(0, 1).float(), kinds.flatten(), reduction="none")
        what = (what * weights.flatten()).sum() / weights.sum()
        where = F.smooth_l1_loss(self.where(patches).float()[seen], places[seen])
        return what + 0.5 * where


def solid_labels(scene: Scene) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the kind (6,), 1 to `KINDS`, and the place (6, 2), right and away, of each solid; zeros fill up."""
    kinds, places = np.zeros(MAX_SOLIDS, np.uint8), np.zeros((MAX_SOLIDS, 2), np.float32)
    for index, solid in enumerate(scene.solids):
        shape, colour, size = SHAPES.index(solid.shape), COLOURS.index(solid.colour), SIZES.index(solid.size)
        kinds[index] = 1 + (shape * len(COLOURS) + colour) * len(SIZES) + size
    positions = viewer_positions(scene) - (0.0, VIEWER_DISTANCE_M)
    places[: len(positions)] = positions / POSITION_M
    return kinds, places


def patch_labels(
    solids: NDArray[np.int8], kinds: NDArray[Any], places: NDArray[np.float32], patch: int
) -> tuple[Tensor, Tensor]:
    """Return the kind (B, P) and the place (B, P, 2) of what each patch shows.

    `solids` (B, 32, 32) is the map of the `views` column; `kinds` (B, 6) and `places` (B, 6, 2) are of `solid_labels`.
    """
    shown = patch_majority(solids, patch)
    at = np.maximum(shown - 1, 0)
    each = np.arange(len(solids))[:, None]
    patch_kinds = np.where(shown > 0, kinds[each, at], 0).astype(np.int64)
    return torch.from_numpy(patch_kinds), torch.from_numpy(places[each, at])


def augment(pictures: NDArray[np.uint8]) -> Tensor:
    """Return pixels in -1 to 1, with some change of brightness and contrast and a little noise."""
    pixels = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 127.5 - 1
    shape = (len(pixels), 1, 1, 1)
    contrast, brightness = torch.empty(shape).uniform_(0.9, 1.1), torch.empty(shape).uniform_(-0.08, 0.08)
    noise = torch.empty_like(pixels).uniform_(-1, 1) * torch.empty(shape).uniform_(0, 0.05)
    return pixels * contrast + brightness + noise


def draw_turns(solids: NDArray[np.int8], rng: np.random.Generator, most: int) -> NDArray[np.int64]:
    """Draw (B, 2) shifts (right, down), in pixels, up to `most`, that keep every solid inside the picture.

    To the eye a shift is the camera turned a little. It matters much to a vision transformer, which has to learn anew
    what a cube looks like for each way of cutting it into patches.
    """
    step = PICTURE_PX // MAP_CELLS
    shifts = np.empty((len(solids), 2), np.int64)
    for axis, along in enumerate((1, 2)):
        shown = np.any(solids > 0, axis=along)
        first = shown.argmax(1) * step
        last = PICTURE_PX - shown[:, ::-1].argmax(1) * step
        low, high = np.clip(step - first, -most, 0), np.clip(PICTURE_PX - step - last, 0, most)
        shifts[:, axis] = rng.integers(low, high + 1)
    return shifts


def turned(pictures: NDArray[Any], turns: NDArray[np.int64], flip: NDArray[np.bool_]) -> NDArray[Any]:
    """Shift pictures (B, S, S, ...) by (B, 2) pixels of 128, after mirroring those to flip; the border is repeated."""
    size = pictures.shape[1]
    step = PICTURE_PX // size
    middles = np.arange(size) * step + step // 2
    columns, rows = (np.clip((middles - turn[:, None]) // step, 0, size - 1) for turn in turns.T)
    columns = np.where(flip[:, None], size - 1 - columns, columns)
    return pictures[np.arange(len(pictures))[:, None, None], rows[:, :, None], columns[:, None, :]]


def patch_majority(solids: NDArray[np.int8], patch: int) -> NDArray[np.int64]:
    """Return (B, P), for each patch, 1 + the solid that covers most of it, or 0 where all cover under an eighth."""
    cells = patch * MAP_CELLS // PICTURE_PX
    side = MAP_CELLS // cells
    blocks = solids.reshape(-1, side, cells, side, cells).swapaxes(2, 3).reshape(len(solids), side * side, cells**2)
    areas = np.stack([(blocks == solid + 1).sum(2) for solid in range(MAX_SOLIDS)], 2)
    return np.where(areas.max(2) >= max(1, cells**2 / 8), areas.argmax(2) + 1, 0)
