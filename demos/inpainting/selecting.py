"""Select a thing by a click: exactly in a rendered scene, whose truth is known; elsewhere by its colours.

A New scene carries its seed, so it is rendered again: what the ray through a pixel meets says which solid it shows, and
rendering it without that solid says what else is the solid's doing, its shadow above all. Any other picture is cut by
GrabCut, which learns the colours of the thing and of its surroundings from where the click was.

Source: Rother, Kolmogorov & Blake, GrabCut: interactive foreground extraction using iterated graph cuts, 2004.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from demos.inpainting.masks import Mask, union
from hub.errors import InvalidInput

MOST_CHARS = 500  # of points in words
MOST_POINTS = 16
SHADOW_LEVELS = 8  # of 256: a pixel that differs by more without the solid shows its shadow
SAME_LEVELS = 6.0  # of 256, on average: a picture that differs by more from its scene was changed since
# The longer side at which GrabCut works: time grows with the area, and tiny pictures have few pixels to learn from.
CUT_PX = 384
CUT_ROUNDS = 5
SURE_SHARE = 0.012  # of the longer side: the radius around a click that is certainly the thing
LIKELY_SHARE = 0.3  # the radius in which it may be
# CIELAB: colours nearer than this to the clicked one are taken for the thing's at first. On 24 solids of validation
# scenes this gave a mean IoU of 0.89 at 128 pixels and 0.90 at 512 (28: 0.82 and 0.91, 40: 0.80 and 0.88).
LIKE_LEVELS = 20.0
PLACE = r"(\d{1,9}(?:\.\d+)?)"  # no more digits: far longer numbers have no finite float
POINT = re.compile(rf"{PLACE}\s*,\s*{PLACE}")


def points_in(text: str, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Read points from words: x,y in pixels of a picture of `size`, one after the other.

    >>> points_in("12, 40; 100,7", (128, 128))
    [(12, 40), (100, 7)]

    Raises:
        InvalidInput: for anything else, and for points outside the picture.
    """
    found = [(int(float(x)), int(float(y))) for x, y in POINT.findall(text)]
    rest = re.sub(r"[\s;()\[\]]", "", POINT.sub("", text)).strip(",")
    if rest or (text.strip() and not found):
        raise InvalidInput("The points could not be read.", 'Write x,y in pixels, for example "120,80; 40,60".')
    if len(found) > MOST_POINTS:
        raise InvalidInput(f"There are {len(found)} points.", f"Send at most {MOST_POINTS}.")
    for x, y in found:
        if not (x < size[0] and y < size[1]):
            raise InvalidInput(
                f"The point {x},{y} lies outside the picture.", f"It has {size[0]} x {size[1]} pixels, from 0,0."
            )
    return found


def selected(
    image: Image.Image, seed: int | None, points: Sequence[tuple[int, int]], *, shadows: bool = True
) -> tuple[Mask, str]:
    """Return what was clicked, and in words how it was found.

    Args:
        image: RGB.
        seed: of the scene that it shows, if it says one.
        points: x and y in pixels, at least one.
        shadows: whether a solid of a scene is selected with its shadow.

    Raises:
        InvalidInput: when there is nothing but the table, or nothing at all, where the click was.
    """
    if seed is not None:
        known = _known(image, seed, points, shadows)
        if known is not None:
            return known, "selected exactly, from the scene"
    return union([cut_out(image, point) for point in points]), "selected by its colours (GrabCut)"


def _known(image: Image.Image, seed: int, points: Sequence[tuple[int, int]], shadows: bool) -> Mask | None:
    """Return the solids of a scene at these points; None where the picture is not, or no longer, that scene."""
    from tabletop.render import MAX_SIZE, MIN_SIZE, render
    from tabletop.sampling import sample_scene

    side = image.width
    if image.size != (side, side) or not MIN_SIZE <= side <= MAX_SIZE:
        return None
    scene = sample_scene(seed)
    view = render(scene, side)
    if np.abs(np.asarray(image, np.int16) - view.rgb).mean() > SAME_LEVELS:
        return None
    masks = []
    for x, y in points:
        number = int(view.ids[y, x])
        if number < 1:
            raise InvalidInput("There is no solid there.", "Click one of the solids, or draw over what is to change.")
        mask = view.ids == number
        if shadows:
            others = tuple(solid for place, solid in enumerate(scene.solids, 1) if place != number)
            without = render(replace(scene, solids=others), side).rgb
            mask |= np.abs(view.rgb.astype(np.int16) - without).max(2) > SHADOW_LEVELS
        masks.append(mask)
    return union(masks)


def cut_out(image: Image.Image, point: tuple[int, int]) -> Mask:
    """Return the thing at a point (x, y) of a picture, by its colours."""
    import cv2

    scale = CUT_PX / max(image.size)
    small = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    x, y = (min(int((place + 0.5) * scale), most - 1) for place, most in zip(point, small.size, strict=True))
    pixels = np.asarray(small)
    rows, columns = np.mgrid[: small.height, : small.width]
    away = np.hypot(columns - x, rows - y)
    longer = max(small.size)
    sure, likely = away <= max(1.5, SURE_SHARE * longer), away <= LIKELY_SHARE * longer
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(np.float32)
    alike = np.linalg.norm(lab - np.median(lab[sure], 0), axis=2) < LIKE_LEVELS
    states = np.full(away.shape, cv2.GC_PR_BGD, np.uint8)
    states[~likely] = cv2.GC_BGD
    states[_connected(alike & likely, x, y)] = cv2.GC_PR_FGD
    states[sure] = cv2.GC_FGD
    if (states == cv2.GC_PR_BGD).any() or (states == cv2.GC_BGD).any():
        cv2.setRNGSeed(0)  # its clusters start at random places
        cv2.grabCut(
            cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR),
            states,
            (0, 0, 0, 0),  # no rectangle: the states say it all
            np.zeros((1, 65)),
            np.zeros((1, 65)),
            CUT_ROUNDS,
            cv2.GC_INIT_WITH_MASK,
        )
    found = _filled(_connected((states == cv2.GC_FGD) | (states == cv2.GC_PR_FGD), x, y))
    whole = Image.fromarray(found.astype(np.uint8) * 255).resize(image.size, Image.Resampling.BILINEAR)
    mask: Mask = np.asarray(whole) >= 128
    return mask


def _connected(mask: Mask, x: int, y: int) -> Mask:
    """Return the part of a mask that hangs together with a point of it."""
    import cv2

    _, numbers = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    part: Mask = (numbers == numbers[y, x]) & mask
    return part


def _filled(mask: Mask) -> Mask:
    """Return a mask without holes."""
    import cv2

    around = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    _, numbers = cv2.connectedComponents(around, connectivity=4)
    filled: Mask = (numbers != numbers[0, 0])[1:-1, 1:-1]
    return filled
