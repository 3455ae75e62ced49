"""What an inpainting request says: a picture, what of it is to change, and how it is drawn."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from PIL import Image

from demos.inpainting.masks import Mask, Region, Weights, feathered, grown, marked, region_around, region_of
from hub import options
from hub.cards import ModelCard
from hub.diffusion.cards import abilities_of
from hub.diffusion.options import SamplingOptions, enough_steps, fitted
from hub.diffusion.requests import DrawingRequest

Part = Literal["masked", "whole"]
AUTO, MASKED, WHOLE = "auto", "masked", "whole"
NOT_MASKED = np.zeros((1, 1), np.bool_)


@dataclass(frozen=True)
class InpaintOptions(SamplingOptions):
    """How a part of a picture is drawn anew."""

    prompt: str = options.text(
        "",
        options.specs(SamplingOptions)["prompt"][0].max_chars or 0,
        label="Prompt",
        info="What is to appear where the mask is. Empty: whatever the model likes.",
        placeholder="a red cube",
    )
    strength: float = options.number(
        1.0,
        0.0,
        1.0,
        step=0.01,
        label="Strength",
        info="How much of what is masked is redone: 1 forgets it, less keeps some of its shapes and colours.",
    )
    grow: int = options.number(
        2, -128, 256, step=1, label="Grow", info="Moves the edge of the mask outwards, pixels of the picture; < 0: in."
    )
    feather: int = options.number(
        2, 0, 256, step=1, label="Feather", info="Pixels around the mask over which old and new are mixed."
    )
    region: str = options.choice(
        AUTO,
        (AUTO, MASKED, WHOLE),
        label="What the model sees",
        info="Only the masked region, at full resolution, or the whole picture. Auto: the region where the picture is "
        "larger than the model draws; the embedded model knows whole scenes only.",
    )
    padding: int = options.number(
        32, 0, 1024, step=1, label="Padding", info="Of the masked region: pixels around the mask that the model sees."
    )
    paste_back: str = options.choice(
        "on",
        ("on", "off"),
        label="Paste back",
        info="On: pixels outside of the mask and its feather stay as they were, bit for bit.",
    )

    @property
    def pastes_back(self) -> bool:
        """Whether what is not masked stays as it was."""
        return self.paste_back == "on"


@dataclass(frozen=True)
class InpaintRequest(DrawingRequest):
    """One picture with one mask, to be filled once or several times.

    Attributes:
        options: how.
        picture: RGB.
        mask: of the picture's size, as it was marked.
    """

    options: InpaintOptions = InpaintOptions()
    picture: Image.Image = field(default_factory=lambda: Image.new("RGB", (1, 1)), compare=False)
    mask: Mask = field(default_factory=lambda: NOT_MASKED, compare=False)

    @cached_property
    def hole(self) -> Mask:
        """What is filled: the mask, grown."""
        return grown(self.mask, self.options.grow)

    @cached_property
    def weights(self) -> Weights:
        """How much of each pixel comes from what is drawn."""
        return feathered(self.hole, self.options.feather)

    def batch_key(self) -> Hashable | None:
        """Return what requests must share; pictures, masks, prompts and seeds are each picture's own.

        The size that is drawn follows from the shapes of the picture and of the region, whatever the model.
        """
        chosen = self.options
        shapes = [_shape(part.shape) for part in (self._whole(64, 8, (8, 8)), self._around(64, 8, (8, 8)))]
        auto = self.picture.size if chosen.region == AUTO else None
        return (super().batch_key(), chosen.strength, chosen.region, auto, *shapes)

    def recorded(self) -> dict[str, Any]:
        """Return the options, and what the picture and the mask were; neither is in the record itself."""
        return {
            **super().recorded(),
            "start": True,
            "picture_size": list(self.picture.size),
            "masked_pixels": int(self.mask.sum()),
        }

    def region_for(self, card: ModelCard) -> Region:
        """Return the part of the picture that a model sees."""
        able = abilities_of(card)
        scale = (able.native_px, able.step_px, (able.smallest_px, able.largest_px))
        larger = max(self.picture.size) > able.native_px and not card.ships_weights
        if self.options.region == MASKED or (self.options.region == AUTO and larger):
            return self._around(*scale)
        return self._whole(*scale)

    def _around(self, native_px: int, step_px: int, limits_px: tuple[int, int]) -> Region:
        return region_around(self.weights > 0, self.options.padding, native_px, step_px, limits_px)

    def _whole(self, native_px: int, step_px: int, limits_px: tuple[int, int]) -> Region:
        return region_of((0, 0, *self.picture.size), native_px, step_px, limits_px)

    def settled(self, card: ModelCard) -> tuple[InpaintOptions, tuple[str, ...]]:
        """Return the options as a model can follow them, and notes of what that changed."""
        able, region = abilities_of(card), self.region_for(card)
        chosen, notes = fitted(replace(self.options, width=region.size[0], height=region.size[1]), able)
        steps, strength, more = enough_steps(chosen.steps, chosen.strength, able.most_steps)
        drawn = f"{region.size[0]} x {region.size[1]}"
        if region.shape[0] * region.shape[1] > 1.1 * region.size[0] * region.size[1]:
            more += (f"the model draws {drawn} pixels, which were enlarged to {region.shape[0]} x {region.shape[1]}",)
        return replace(chosen, steps=steps, strength=strength), (*notes, *more)


def _shape(size: tuple[int, int]) -> tuple[int, int]:
    """Return a size in lowest terms."""
    least = math.gcd(*size)
    return size[0] // least, size[1] // least


def request_to_fill(
    picture: Image.Image, mask: Mask, asked: InpaintOptions, notes: tuple[str, ...] = (), **more: Any
) -> InpaintRequest:
    """Return a checked request.

    Args:
        picture: RGB.
        mask: of its size.
        asked: how.
        notes: what was done to the inputs.
        more: further fields of the request.

    Raises:
        InvalidInput: when nothing is masked, or nothing is left of the mask.
    """
    mask, said = marked(mask)
    request = InpaintRequest(asked, picture=picture, mask=mask, notes=(*notes, *said), **more)
    request.weights  # noqa: B018 - refuses what is shrunk to nothing, here and not in the middle of a run
    return request
