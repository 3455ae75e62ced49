"""The inpainting pipeline: pictures with a hole in, filled pictures out, of any family of models.

A U-Net that was trained for inpainting sees the mask and what it leaves of the picture; of any other, the pipeline puts
the rest of the picture back after every step, with as much noise as the step leaves. The embedded model does the
latter, and a small ControlNet shows it the picture with the hole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.inpainting import masks
from demos.inpainting.masks import Mask, Region, Weights
from demos.inpainting.options import InpaintRequest
from hub.batch import Watch
from hub.cards import ModelCard
from hub.demo import Loading
from hub.diffusion.families import Kind
from hub.diffusion.loading import load_components
from hub.diffusion.painting import Painter, Pictures, Preview
from hub.diffusion.prompts import known_to
from hub.diffusion.sampler import Drawing, Drawn, Film, Frames
from tabletop.prompts import taught

if TYPE_CHECKING:
    from torch import Generator, Tensor

FRAME_PX = 256  # the longer side of a step's frame, at least; larger where the region is small in it
MOST_FRAME_PX = 512
MOST_CELLS = 64  # of the maps of words, along a side
WITH_PRIOR = "kandinsky-2-2"  # a family whose pipeline always starts from noise alone, and draws for its prior, too


@dataclass(frozen=True)
class Filling(Drawing):
    """A picture to be filled: `start` is what the model sees of it; the hole is (height, width) of the same size."""

    hole: Mask = field(default_factory=lambda: np.ones((8, 8), np.bool_), compare=False)


@dataclass(frozen=True)
class Filled(Pictures):
    """Pictures with what was drawn in their place.

    Attributes:
        card: of the model that drew.
        strength: that it was drawn with.
        before: the picture as it came.
        region: what the model saw of it.
        weights: how much of each pixel was drawn, as a picture (mode L).
        hole: what the model filled, in the size it draws (mode L): whole cells of the latents.
        raw: what it drew of the region, before anything was pasted.
    """

    card: ModelCard
    strength: float
    before: Image.Image
    region: Region
    weights: Image.Image
    hole: Image.Image
    raw: tuple[Image.Image, ...]


class Inpainting(Painter[InpaintRequest]):
    """A model of any family that fills holes."""

    def kind(self, request: InpaintRequest) -> Kind:
        """Return what the pipeline does."""
        return "controlnet-inpaint" if self.components.controlnets else "inpaint"

    def drawings(self, request: InpaintRequest) -> list[Drawing]:
        """Return what the model sees of the picture, and its hole, once for each seed."""
        region = request.region_for(self.components.card)
        start, hole = masks.shown(request.picture, region), masks.hole(request.hole, region)
        return [
            Filling(plain.prompt, plain.negative_prompt, plain.seed, start, hole) for plain in super().drawings(request)
        ]

    def more(self, request: InpaintRequest, drawings: Sequence[Drawing]) -> Mapping[str, Any]:
        """Return the masks, and what the ControlNet is shown."""
        fillings = [drawing for drawing in drawings if isinstance(drawing, Filling)]
        arguments: dict[str, Any] = {"mask_image": [masks.picture_of(masks.cells(each.hole)) for each in fillings]}
        chosen, _ = request.settled(self.components.card)
        if self.components.card.family == WITH_PRIOR:
            # The prior draws a row for each negative prompt after those for the prompts.
            arguments["generator"] = generators([each.seed for each in fillings] * (2 if chosen.guided else 1))
        else:
            arguments["strength"] = chosen.strength
        if self.components.controlnets:
            arguments["control_image"] = with_holes(fillings)
            arguments["controlnet_conditioning_scale"] = self.abilities.control_weight
        return arguments

    def __call__(self, requests: Sequence[InpaintRequest], watch: Watch | None = None) -> list[Pictures]:
        """Fill all pictures; see `Painter`."""
        card = self.components.card
        return super().__call__(requests, InPlace(watch or Watch(), [Frame(request, card) for request in requests]))

    def finished(self, request: InpaintRequest, drawn: Sequence[Drawn]) -> Pictures:
        """Return the pictures at their own size, with what was drawn in its place."""
        card, plain = self.components.card, super().finished(request, drawn)
        region, frame = request.region_for(card), Frame(request, card)
        weights = pasted_weights(request, region)
        return Filled(
            tuple(
                replace(
                    each,
                    image=masks.pasted(request.picture, each.image, region, weights),
                    film=Film(frame.filled(each.film.seen), frame.filled(each.film.guessed)),
                    maps=None if each.maps is None else maps_in_place(each.maps, request.picture.size, region),
                )
                for each in plain.drawn
            ),
            plain.options,
            plain.reading,
            plain.notes,
            card=card,
            strength=request.settled(card)[0].strength,
            before=request.picture,
            region=region,
            weights=masks.picture_of(weights),
            hole=masks.picture_of(masks.cells(masks.hole(request.hole, region))),
            raw=tuple(each.image for each in drawn),
        )


def pasted_weights(request: InpaintRequest, region: Region) -> Weights:
    """Return how much of each pixel comes from what is drawn: all of the region where nothing is to be pasted back."""
    if request.options.pastes_back:
        return request.weights
    left, top, right, bottom = region.box
    weights = np.zeros(request.mask.shape, np.float32)
    weights[top:bottom, left:right] = 1
    return weights


def generators(seeds: Sequence[int]) -> list[Generator]:
    """Return a source of noise for each seed."""
    import torch

    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def with_holes(fillings: Sequence[Filling]) -> Tensor:
    """Return pictures as the embedded ControlNet sees them: (B, 3, height, width), 0 to 1, and -1 in the hole.

    Source: the model card of lllyasviel/control_v11p_sd15_inpaint.
    """
    import torch

    starts = [np.asarray(each.start, np.float32) / 255 for each in fillings if each.start is not None]
    shown = np.stack([np.where(each.hole[..., None], -1, start) for each, start in zip(fillings, starts, strict=True)])
    return torch.from_numpy(shown.astype(np.float32)).permute(0, 3, 1, 2)


class Frame:
    """A small version of a picture that steps are shown in, each in its place."""

    def __init__(self, request: InpaintRequest, card: ModelCard) -> None:
        region = request.region_for(card)
        longer, wider = max(request.picture.size), max(region.shape)
        side = min(longer, MOST_FRAME_PX, max(FRAME_PX, FRAME_PX * longer // (2 * wider)))
        scale = side / longer
        width, height = (max(1, round(each * scale)) for each in request.picture.size)
        self.size = width, height
        self.picture = request.picture.resize(self.size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        left, top, right, bottom = (round(each * scale) for each in region.box)
        box = (left, top, max(left + 1, right), max(top + 1, bottom))
        self.region = Region(box, (0, 0))
        weights = masks.picture_of(pasted_weights(request, region)).resize(self.size, Image.Resampling.BOX)
        self.weights = np.asarray(weights, np.float32) / np.float32(255)

    def filled(self, looks: Frames) -> Frames:
        """Return (N, H, W, 3) frames of the whole picture with looks (N, h, w, 3) of the region in their place."""
        frames = [masks.pasted(self.picture, Image.fromarray(look), self.region, self.weights) for look in looks]
        return np.stack([np.asarray(frame) for frame in frames]) if frames else looks


class InPlace(Watch):
    """Hands on what a run tells, with the previews in their place in the pictures."""

    def __init__(self, watch: Watch, frames: Sequence[Frame]) -> None:
        super().__init__()
        self.watch = watch
        self.frames = frames

    def cancelled(self, index: int) -> bool:
        """Whether request `index` is no longer wanted."""
        return self.watch.cancelled(index)

    def raise_if_all_cancelled(self) -> None:
        """Raise `Cancelled` when nobody wants the batch any more."""
        self.watch.raise_if_all_cancelled()

    def step(self, index: int, value: Any) -> None:
        """Send a preview of request `index` to its caller."""
        shown = replace(value, looks=self.frames[index].filled(value.looks)) if isinstance(value, Preview) else value
        self.watch.step(index, shown)

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Tell every caller what is going on."""
        self.watch.progress(text, fraction)


def maps_in_place(maps: NDArray[np.float32], size: tuple[int, int], region: Region) -> NDArray[np.float32]:
    """Return maps (T, H, W) of a whole picture of `size` that are those (T, h, w) of a region; 0 elsewhere."""
    if region.shape == size:
        return maps
    scale = min(maps.shape[2] / region.shape[0], MOST_CELLS / max(size))
    left, top, right, bottom = (round(each * scale) for each in region.box)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    whole = np.zeros((len(maps), max(bottom, round(size[1] * scale)), max(right, round(size[0] * scale))), np.float32)
    for number, own in enumerate(maps):
        part = Image.fromarray(own).resize((right - left, bottom - top), Image.Resampling.BILINEAR)
        whole[number, top:bottom, left:right] = np.asarray(part)
    return whole


def load(loading: Loading) -> Inpainting:
    """Load the model of a card, from the folder the hub fetched."""
    return Inpainting(load_components(loading), known_to(loading.card, taught()))
