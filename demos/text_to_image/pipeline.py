"""The text-to-image pipeline: prompts in, pictures out, from noise alone or from a picture to start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.text_to_image.options import TextToImageRequest
from hub.demo import Loading
from hub.diffusion.families import Kind
from hub.diffusion.loading import load_components
from hub.diffusion.painting import Painter
from hub.diffusion.pictures import filling
from hub.diffusion.prompts import known_to
from tabletop.prompts import taught

if TYPE_CHECKING:
    from hub.diffusion.sampler import Drawing

COMPARED_STEPS = 5


class TextToImage(Painter[TextToImageRequest]):
    """A text-to-image model of any family."""

    def kind(self, request: TextToImageRequest) -> Kind:
        """Return what the pipeline does."""
        return "text-to-image" if request.start is None else "image-to-image"

    def drawings(self, request: TextToImageRequest) -> list[Drawing]:
        """Return the pictures to draw, with what they start from at their size."""
        drawings = super().drawings(request)
        if request.start is None:
            return drawings
        chosen, _ = request.settled(self.components.card)
        start = filling(request.start, (chosen.width, chosen.height))
        return [replace(drawing, start=start) for drawing in drawings]

    def more(self, request: TextToImageRequest, drawings: Sequence[Drawing]) -> Mapping[str, Any]:
        """Return how much of the start pictures is redone."""
        chosen, _ = request.settled(self.components.card)
        return {} if request.start is None else {"strength": chosen.strength}

    def compare_at(self, request: TextToImageRequest) -> Sequence[int]:
        """Return some steps, evenly over all that are taken."""
        if not request.compares:
            return ()
        steps = request.steps_taken(self.components.card)
        even: list[int] = np.linspace(1, steps, min(COMPARED_STEPS, steps)).round().astype(int).tolist()
        return even


def load(loading: Loading) -> TextToImage:
    """Load the model of a card, from the folder the hub fetched."""
    return TextToImage(load_components(loading), known_to(loading.card, taught()))
