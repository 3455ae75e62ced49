"""Masks as numbers: which pixels are to be drawn anew, and how what is drawn goes back into the picture.

Two things are made of the one mask that a user marks. The *hole* is what the model fills. The *weights* say how much
of each pixel of the result comes from what was drawn: 1 in the hole, then falling to 0 over the feather's width, and
exactly 0 elsewhere, where the picture stays as it was to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hub.errors import InvalidInput

Mask = NDArray[np.bool_]  # (H, W), True where the picture is to change
Weights = NDArray[np.float32]  # (H, W), 0 to 1

CELL_PX = 8  # of a picture to a cell of the latents, in every family here
STRETCHED = 0.02  # shapes that differ by more are worth a word


@dataclass(frozen=True)
class Region:
    """The part of a picture that a model is shown.

    Attributes:
        box: left, top, right, bottom, in pixels of the picture; right and bottom are the first outside.
        size: (width, height) in pixels at which the model draws it.
    """

    box: tuple[int, int, int, int]
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """(width, height) in pixels of the picture."""
        left, top, right, bottom = self.box
        return right - left, bottom - top


def fitted(mask: Image.Image, size: tuple[int, int]) -> tuple[Mask, tuple[str, ...]]:
    """Return a mask picture (mode L, white is to change) at a picture's `size`, and notes of what that took.

    Values from 128 on are white. A mask with two values below that, as data sets have (0 and 1), means its brighter.
    """
    notes = []
    if mask.size != size:
        notes.append(f"the mask of {_pixels(mask.size)} was fitted to the picture's {_pixels(size)}")
        if abs(mask.width * size[1] / (mask.height * size[0]) - 1) > STRETCHED:
            notes.append("the mask has another shape than the picture, and was stretched")
        mask = mask.resize(size, Image.Resampling.NEAREST)
    values = np.asarray(mask.convert("L"))
    highest = int(values.max())
    if 0 < highest < 128 and len(np.unique(values)) == 2:
        return values == highest, tuple(notes)
    return values >= 128, tuple(notes)


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} pixels"


def union(masks: Sequence[Mask]) -> Mask:
    """Return what any of the masks marks; all have the same shape, and there is at least one."""
    together: Mask = np.logical_or.reduce(masks)
    return together


def marked(mask: Mask) -> tuple[Mask, tuple[str, ...]]:
    """Return a mask that marks something, and a note where it marks everything.

    Raises:
        InvalidInput: when nothing is marked.
    """
    if not mask.any():
        raise InvalidInput(
            "Nothing is marked, so nothing would change.",
            "Draw over what is to change, click an object, or send a mask that is white there.",
        )
    if mask.all():
        return mask, ("the mask covers the whole picture: nothing of it is kept",)
    return mask, ()


def grown(mask: Mask, by_px: float) -> Mask:
    """Return a mask whose edge has moved outwards by `by_px` pixels (a negative number: inwards), round at corners.

    Raises:
        InvalidInput: when nothing is left of it.
    """
    if not by_px or mask.all():
        return mask
    near = around(mask, by_px)
    moved = np.zeros_like(mask)
    # From the centre of a pixel to the nearest centre on the other side of the edge, which lies half a pixel away.
    moved[near] = outside_px(mask[near]) <= by_px if by_px > 0 else outside_px(~mask[near]) > -by_px
    if not moved.any():
        raise InvalidInput(f"Nothing is left of the mask, shrunk by {-by_px:g} pixels.", "Shrink it less.")
    return moved


def outside_px(mask: Mask) -> Weights:
    """Return (H, W) how far each pixel is from the mask, in pixels; 0 inside."""
    import cv2

    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance, np.float32)


def feathered(mask: Mask, feather_px: float) -> Weights:
    """Return weights: 1 in the mask, falling evenly to 0 over `feather_px` pixels around it."""
    if not feather_px or mask.all():
        return mask.astype(np.float32)
    near = around(mask, feather_px)
    weights: Weights = np.zeros(mask.shape, np.float32)
    weights[near] = np.clip(1 - outside_px(mask[near]) / (feather_px + 1), 0, 1)
    return weights


def around(mask: Mask, reach_px: float) -> tuple[slice, slice]:
    """Return the rows and columns that lie within `reach_px` of a mask, and one more all around.

    A photo has millions of pixels, of which a mask is often a small part: only there anything is computed.
    """
    more = math.ceil(max(reach_px, 0)) + 1
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return slice(0), slice(0)
    top, left = max(0, int(rows[0]) - more), max(0, int(columns[0]) - more)
    return slice(top, int(rows[-1]) + 1 + more), slice(left, int(columns[-1]) + 1 + more)


def region_around(marked: Mask, padding_px: int, native_px: int, step_px: int, limits_px: tuple[int, int]) -> Region:
    """Return the smallest part of a picture around what is marked that suits a model.

    Args:
        marked: (H, W); something is.
        padding_px: kept around it where the picture has room.
        native_px: the side of the squares that the model was trained on: the part is a square where there is room.
        step_px: sides that the model draws are multiples of it.
        limits_px: the least and the greatest side that the model draws.
    """
    rows, columns = np.flatnonzero(marked.any(1)), np.flatnonzero(marked.any(0))
    height, width = marked.shape
    spans = [
        _padded(int(places[0]), int(places[-1]) + 1, padding_px, most)
        for places, most in ((columns, width), (rows, height))
    ]
    side = max(end - start for start, end in spans)
    (left, right), (top, bottom) = (
        _widened(start, end, min(side, most), most) for (start, end), most in zip(spans, (width, height), strict=True)
    )
    return region_of((left, top, right, bottom), native_px, step_px, limits_px)


def region_of(box: tuple[int, int, int, int], native_px: int, step_px: int, limits_px: tuple[int, int]) -> Region:
    """Return a part of a picture with the size at which a model draws it: as many pixels as in its native square.

    >>> region_of((0, 0, 400, 300), 512, 8, (256, 1024)).size
    (592, 440)
    """
    width, height = box[2] - box[0], box[3] - box[1]
    scale = native_px / (width * height) ** 0.5
    least, most = limits_px
    sides = [step_px * max(1, round(min(max(side * scale, least), most) / step_px)) for side in (width, height)]
    return Region(box, (sides[0], sides[1]))


def _padded(start: int, end: int, padding: int, most: int) -> tuple[int, int]:
    return max(0, start - padding), min(most, end + padding)


def _widened(start: int, end: int, length: int, most: int) -> tuple[int, int]:
    """Return a span of `length` around another, moved where it would leave 0 to `most`."""
    start = min(max(0, start - (length - (end - start)) // 2), most - length)
    return start, start + length


def shown(picture: Image.Image, region: Region) -> Image.Image:
    """Return what the model is shown of a picture, at the size at which it draws."""
    return picture.resize(region.size, Image.Resampling.LANCZOS, box=region.box)


def hole(mask: Mask, region: Region) -> Mask:
    """Return the mask in a region at the size at which the model draws: True wherever a masked pixel touches."""
    left, top, right, bottom = region.box
    part = Image.fromarray(mask[top:bottom, left:right].astype(np.uint8) * 255)
    filled: Mask = np.asarray(part.resize(region.size, Image.Resampling.BOX)) > 0
    return filled


def cells(hole: Mask) -> Mask:
    """Return a hole filled up to whole cells of the latents, each of which is redrawn or kept: none is lost."""
    height, width = hole.shape
    touched = hole.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX).any((1, 3))
    whole: Mask = touched.repeat(CELL_PX, 0).repeat(CELL_PX, 1)
    return whole


def pasted(picture: Image.Image, drawn: Image.Image, region: Region, weights: Weights) -> Image.Image:
    """Return the picture with what was drawn in a region, as far as the weights say.

    Args:
        picture: RGB; it is not changed.
        drawn: of the region's size.
        region: where it was drawn.
        weights: of the shape of the picture. Where they are 0, its pixels are the same in every bit.
    """
    left, top, right, bottom = region.box
    result, share = np.array(picture), weights[top:bottom, left:right]
    near = around(share > 0, 0)
    enlarged = np.asarray(drawn.resize(region.shape, Image.Resampling.LANCZOS))[near].astype(np.float32)
    part = result[top:bottom, left:right][near]
    part[:] = np.round(part + share[near][..., None] * (enlarged - part)).astype(np.uint8)
    return Image.fromarray(result)


def picture_of(weights: Mask | Weights) -> Image.Image:
    """Return a mask or weights as a picture: white where the picture changes, grey in the feather."""
    return Image.fromarray(np.round(weights.astype(np.float32) * 255).astype(np.uint8))
