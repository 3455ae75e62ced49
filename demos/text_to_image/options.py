"""What a text-to-image request says: words or a picture to start from, and how it is drawn."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import Image

from hub import options
from hub.diffusion.options import SamplingOptions


@dataclass(frozen=True)
class TextToImageOptions(SamplingOptions):
    """How a picture is drawn."""

    strength: float = options.number(
        0.6,
        0.0,
        1.0,
        step=0.05,
        label="Strength",
        info="How much of the start picture is redone: 0 keeps it, 1 forgets it.",
    )


@dataclass(frozen=True)
class TextToImageRequest:
    """One prompt to draw, once or several times.

    Attributes:
        options: how.
        start: RGB, what to start from; None for noise alone.
        notes: what was done to the start picture.
        streams: whether a client of the endpoint wants to be sent the steps.
        compares: whether to compare what is drawn with and without the prompt at some of the steps.
    """

    options: TextToImageOptions = TextToImageOptions()
    start: Image.Image | None = field(default=None, compare=False)
    notes: tuple[str, ...] = ()
    streams: bool = False
    compares: bool = False

    def batch_key(self) -> Hashable | None:
        """Return what requests must share; prompts, seeds and start pictures are each picture's own."""
        chosen = self.options
        strength = None if self.start is None else chosen.strength
        return (
            chosen.steps,
            chosen.guidance,
            chosen.scheduler,
            chosen.width,
            chosen.height,
            strength,
            self.compares,
        )

    def recorded(self) -> dict[str, Any]:
        """Return the options, without the start picture; the strength only where there is one."""
        started = self.start is not None
        return {**asdict(self.options), "strength": self.options.strength if started else None, "start": started}
