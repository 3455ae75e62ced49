"""The face of every family, and the little that all of them do alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Prepared:
    """What a model is given for B pictures.

    Attributes:
        tensors: arguments of the model, each with B rows (except where a family says otherwise).
        opening: tokens of the prompt that the caption begins with; empty where the prompt is an instruction.
        length: tokens the model has read before it writes its first.
    """

    tensors: dict[str, Any]
    opening: tuple[int, ...]
    length: int


@dataclass(frozen=True)
class Reread:
    """What a teacher-forced pass says about N captions of at most T tokens.

    Attributes:
        logits: (N, T, V), those the model chose each token from.
        attention: (N, T, h, w) over the patches of the picture, each map summing to 1; or None.
    """

    logits: Tensor
    attention: F32 | None


class Family(Protocol):
    """The face of every family."""

    model: Any
    tokenizer: Any
    attention_note: str
    longest: int  # tokens the decoder has positions for, prompt included

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end a caption."""

    def prepare(self, pictures: Sequence[Image.Image], prompt: str) -> Prepared:
        """Return what the model is given; every picture has the same prompt."""

    def write(self, prepared: Prepared, **arguments: Any) -> Tensor:
        """Generate captions with transformers' `arguments`; return the new tokens (N, T), padded on the right."""

    def reread(self, prepared: Prepared, tokens: Tensor) -> Reread:
        """Run the model once over the captions it wrote; `tokens` (N, T) has N / B captions of each picture in turn."""

    def over_picture(self, maps: F32, size: tuple[int, int]) -> F32:
        """Lay maps (T, h, w) over a whole picture of `size` (width, height), zero where the model saw nothing."""


def prompt_tokens(tokenizer: Any, prompt: str) -> tuple[int, ...]:
    """Return the tokens of `prompt`, without those that a tokenizer puts around a text."""
    return tuple(tokenizer(prompt, add_special_tokens=False).input_ids) if prompt else ()


def end_tokens(model: Any) -> set[int]:
    """Return the tokens at which the model's own settings end a text."""
    ends = model.generation_config.eos_token_id
    return set(ends) if isinstance(ends, list) else {ends}


def same_rows(tokens: Sequence[int], count: int, device: Any) -> Tensor:
    """Return `count` rows that each hold `tokens`."""
    import torch

    return torch.tensor([tokens] * count, device=device)


def repeated(prepared: Prepared, tokens: Tensor, *names: str) -> list[Tensor]:
    """Return tensors of B rows with each row repeated for its picture's captions."""
    found = [prepared.tensors[name] for name in names]
    return [tensor.repeat_interleave(tokens.shape[0] // tensor.shape[0], 0) for tensor in found]


def shifted(start: Tensor, tokens: Tensor) -> Tensor:
    """Return the input that predicts `tokens`: everything before, and each token but the last."""
    import torch

    return torch.cat([start, tokens[:, :-1]], 1)
