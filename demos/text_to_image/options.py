"""What a text-to-image request says: words or a picture to start from, and how it is drawn."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from hub import options
from hub.cards import ModelCard
from hub.diffusion.cards import abilities_of
from hub.diffusion.options import SamplingOptions, enough_steps, fitted
from hub.diffusion.requests import DrawingRequest


@dataclass(frozen=True)
class TextToImageOptions(SamplingOptions):
    """How a picture is drawn."""

    strength: float = options.number(
        0.6,
        0.0,
        1.0,
        step=0.05,
        label="Strength",
        info="How much of the start picture is redone: 0 nearly keeps it, 1 forgets it.",
    )


@dataclass(frozen=True)
class TextToImageRequest(DrawingRequest):
    """One prompt to draw, once or several times.

    Attributes:
        options: how.
        start: RGB, what to start from; None for noise alone.
        compares: whether to compare what is drawn with and without the prompt at some of the steps.
    """

    options: TextToImageOptions = TextToImageOptions()
    start: Image.Image | None = field(default=None, compare=False)
    compares: bool = False

    def batch_key(self) -> Hashable | None:
        """Return what requests must share; prompts, seeds and start pictures are each picture's own."""
        strength = None if self.start is None else self.options.strength
        return (super().batch_key(), strength, self.compares)

    def recorded(self) -> dict[str, Any]:
        """Return the options, without the start picture; the strength only where there is one."""
        started = self.start is not None
        strength = self.options.strength if started else None
        return {**super().recorded(), "strength": strength, "start": started}

    def settled(self, card: ModelCard) -> tuple[TextToImageOptions, tuple[str, ...]]:
        """Return the options as a model can follow them, and notes of what that changed."""
        able = abilities_of(card)
        chosen, notes = fitted(self.options, able)
        if self.start is None:
            return chosen, notes
        steps, strength, more = enough_steps(chosen.steps, chosen.strength, able.most_steps)
        return replace(chosen, steps=steps, strength=strength), (*notes, *more)

    def steps_taken(self, card: ModelCard) -> int:
        """Return how many steps are taken: from a start picture, only the last ones."""
        chosen, _ = self.settled(card)
        return chosen.steps if self.start is None else int(chosen.steps * chosen.strength)
