"""From a control that was asked for to the drawing that its ControlNet is shown, whatever makes it.

A drawing is made of the picture as it will be drawn: cut and scaled to the width and height of the result first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.controlnet import preprocessors
from demos.controlnet.experts import Experts
from demos.controlnet.options import HAND, READY, TRUTH, ControlOptions, Guide
from demos.controlnet.palette import classes_drawn, poses_drawn
from hub.depth_cards import SKY_FROM_M, TABLETOP
from hub.diffusion.pictures import filling
from tabletop.controls import nearness
from tabletop.render import MAX_SIZE, MIN_SIZE, View, render
from tabletop.sampling import sample_scene

U8 = NDArray[np.uint8]
Size = tuple[int, int]  # width and height, pixels
NO_EXPERTS = Experts()


@dataclass(frozen=True)
class Sketch:
    """A drawing for a ControlNet.

    Attributes:
        image: RGB, of the size of the result.
        depth_m: (H, W) where the drawing was made from depth in metres: inf for the sky.
        notes: what the user should know of it.
    """

    image: Image.Image
    depth_m: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()


def sketch(guide: Guide, size: Size, experts: Experts = NO_EXPERTS) -> Sketch:
    """Make the drawing of a control.

    Args:
        guide: what is asked for.
        size: of the result.
        experts: the models that `hub` loaded for it; none are needed unless `guide.options.by_model`.
    """
    if guide.options.made == TRUTH:
        made = _truth(guide, size)
    else:
        assert guide.picture is not None, "a Guide checks that"
        made = _of_picture(guide.options, guide.picture, size, experts)
    if np.asarray(made.image).min() == np.asarray(made.image).max():
        empty = f"{guide.options.label}: the drawing is empty, so it says nothing of the picture"
        return Sketch(made.image, made.depth_m, (*made.notes, empty))
    return made


def _of_picture(chosen: ControlOptions, picture: Image.Image, size: Size, experts: Experts) -> Sketch:
    if chosen.made == READY:
        # Between two colours of a segmentation lies a third thing: its pixels are not mixed.
        resample = Image.Resampling.NEAREST if chosen.shows == "seg" else Image.Resampling.LANCZOS
        return Sketch(filling(picture, size, resample))
    fitted = filling(picture, size)
    if chosen.made == HAND:
        return _grey(preprocessors.strokes(np.asarray(fitted)))
    if chosen.shows in LINES:
        swapped = chosen.shows in ("canny", "scribble") and chosen.low > chosen.high
        notes = ("the low threshold was above the high one: they were swapped",) if swapped else ()
        return replace(_grey(LINES[chosen.shows](np.asarray(fitted), chosen)), notes=notes)
    if chosen.shows == "openpose":
        assert experts.pose is not None, "not loaded"
        people = experts.pose(fitted)
        return Sketch(Image.fromarray(poses_drawn(people, size)), notes=() if len(people) else ("nobody was found",))
    if chosen.shows == "seg":
        assert experts.segmentation is not None, "not loaded"
        return Sketch(Image.fromarray(classes_drawn(experts.segmentation(fitted))))
    return _by_depth(chosen, fitted, experts)


# What makes white lines on black of a picture.
LINES: Mapping[str, Callable[[U8, ControlOptions], U8]] = {
    "canny": lambda pixels, chosen: preprocessors.canny(pixels, chosen.low, chosen.high, chosen.blur_px),
    "softedge": lambda pixels, chosen: preprocessors.soft_edges(pixels, chosen.blur_px),
    "scribble": lambda pixels, chosen: preprocessors.scribble(pixels, chosen.low, chosen.high, chosen.blur_px),
    "lineart": lambda pixels, chosen: preprocessors.pencil(pixels, chosen.blur_px),
    "mlsd": lambda pixels, chosen: preprocessors.straight_lines(preprocessors.blurred(pixels, chosen.blur_px)),
}


def _by_depth(chosen: ControlOptions, picture: Image.Image, experts: Experts) -> Sketch:
    said, depth_m = estimated(picture, experts)
    if chosen.shows == "depth":
        return _grey(preprocessors.closeness(said) if depth_m is None else nearness(depth_m), depth_m)
    depths = preprocessors.depth_of_inverse(said) if depth_m is None else said  # of the sky: far, but finite
    normals = preprocessors.normals_of_depth(depths, chosen.field_of_view_deg)
    notes = ("normals from depth without a unit are rough",) if depth_m is None else ()
    return Sketch(Image.fromarray(preprocessors.normal_colours(normals)), notes=notes)


def estimated(picture: Image.Image, experts: Experts) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return what the depth model says of a picture, (H, W), and the same in metres if it knows them: inf for sky."""
    assert experts.depth is not None, "not loaded"
    card, estimator = experts.depth
    said = estimator(picture).values.astype(np.float64)
    if card == TABLETOP:
        return said, np.where(said > SKY_FROM_M, np.inf, said)
    return said, said if estimator.metric else None


def _truth(guide: Guide, size: Size) -> Sketch:
    """Draw what is known of a tabletop scene."""
    assert guide.seed is not None, "a Guide checks that"
    view = render(sample_scene(guide.seed), min(max(*size, MIN_SIZE), MAX_SIZE), supersample=1)
    if guide.options.shows == "depth":
        return _grey(np.asarray(filling(Image.fromarray(nearness(view.depth_m)), size)), _cut(view.depth_m, size))
    if guide.options.shows == "normalbae":
        return Sketch(filling(Image.fromarray(preprocessors.normal_colours(_towards_camera(view))), size))
    return _grey(preprocessors.outlines(_cut(view.ids, size).astype(np.int16)))


def _towards_camera(view: View) -> NDArray[np.float64]:
    """Return the normals of a view in its camera's axes."""
    return np.asarray(view.normals @ view.world_to_camera[:3, :3].T, np.float64)


def _cut(values: NDArray[np.generic], size: Size) -> NDArray[np.float64]:
    """Return the middle of a square map, of the size of the result, without mixing values."""
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(filling(image, size, Image.Resampling.NEAREST), np.float64)


def _grey(drawing: U8, depth_m: NDArray[np.float64] | None = None) -> Sketch:
    return Sketch(Image.fromarray(drawing).convert("RGB"), depth_m)
