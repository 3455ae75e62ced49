"""What a captioning request says: a picture, and how its caption is to be written."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import Image

from hub import options
from hub.errors import InvalidInput


@dataclass(frozen=True)
class CaptionOptions:
    """How a caption is written."""

    prompt: str = options.text(
        "",
        200,
        label="Prompt",
        info="How the caption begins; a chat model takes it as an instruction. Empty: the model decides.",
        placeholder="a picture of",
    )
    strategy: str = options.choice(
        "greedy",
        ("greedy", "beam", "sample"),
        label="Decoding",
        info="greedy: always the likeliest word. beam: the likeliest sentence of several. sample: drawn at random.",
    )
    beams: int = options.number(3, 1, 8, step=1, label="Beams", info="Sentences kept side by side (beam).")
    temperature: float = options.number(
        1.0, 0.1, 2.0, step=0.05, label="Temperature", info="Below 1: safer words; above 1: bolder ones (sample)."
    )
    top_p: float = options.number(
        0.9, 0.05, 1.0, step=0.05, label="Top p", info="Draw only among the words that make up this much (sample)."
    )
    max_tokens: int = options.number(
        64, 4, 128, step=1, label="Longest caption", info="In tokens: words or pieces of words."
    )
    candidates: int = options.number(1, 1, 5, step=1, label="Captions", info="How many to write (beam, sample).")
    seed: int = options.number(0, 0, 2**31 - 1, step=1, label="Seed", info="Same seed, same draw (sample).")

    def __post_init__(self) -> None:
        if self.strategy == "beam" and self.candidates > self.beams:
            raise InvalidInput(
                f"{self.beams} beams cannot give {self.candidates} captions.",
                "Raise the number of beams, or ask for fewer captions.",
            )

    @property
    def written(self) -> int:
        """How many captions are written; greedy decoding has only one."""
        return 1 if self.strategy == "greedy" else self.candidates

    def generate_arguments(self) -> dict[str, Any]:
        """Return the arguments of transformers' `generate` that stand for these options."""
        arguments: dict[str, Any] = {"max_new_tokens": self.max_tokens}
        if self.strategy == "greedy":
            return {**arguments, "do_sample": False, "num_beams": 1}
        if self.strategy == "beam":
            return {**arguments, "do_sample": False, "num_beams": self.beams, "num_return_sequences": self.candidates}
        # top_k=0 takes off generate's silent limit of 50 words.
        drawn = {"do_sample": True, "num_beams": 1, "temperature": self.temperature, "top_p": self.top_p, "top_k": 0}
        return {**arguments, **drawn, "num_return_sequences": self.candidates}


@dataclass(frozen=True)
class CaptionRequest:
    """One picture to caption.

    Attributes:
        image: RGB.
        options: how its caption is written.
        notes: what was done to the upload to get the picture.
        scene_seed: seed of the tabletop scene it shows, where that is known.
    """

    image: Image.Image = field(compare=False)
    options: CaptionOptions = CaptionOptions()
    notes: tuple[str, ...] = ()
    scene_seed: int | None = None

    def batch_key(self) -> Hashable | None:
        """Return what requests must share; a sampled caption is drawn alone, so that only its seed decides it."""
        chosen = self.options
        if chosen.strategy == "sample":
            return None
        return chosen.prompt, tuple(sorted(chosen.generate_arguments().items()))

    def recorded(self) -> dict[str, Any]:
        """Return the options, without the picture; the seed only where it decides anything."""
        sampled = self.options.strategy == "sample"
        return {**asdict(self.options), "seed": self.options.seed if sampled else None}
