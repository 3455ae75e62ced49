"""Chat models that read pictures: loading them without torchvision, asking, and reading their answers again.

What the model is asked, and what its answers mean, is the demo's own affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from hub.weights import LOCAL, SAFE_WEIGHTS

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Asked:
    """What a chat model is given: B pictures, each with an instruction.

    Attributes:
        tensors: arguments of the model, each with B rows (but for Qwen's patches, which are one long list).
        length: tokens the model has read before it writes its first, padding on the left included.
    """

    tensors: dict[str, Any]
    length: int


class Chat:
    """A chat model that reads pictures.

    `AutoProcessor` cannot be used: the processors of these models also hold a video processor, which needs torchvision
    (and SmolVLM's needs num2words). Their picture half is the same without it.
    """

    def __init__(self, folder: Path, device: str, dtype: torch.dtype, processor: type[Any]) -> None:
        from transformers import AutoModelForImageTextToText

        self.processor = processor.from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        self.tokenizer.padding_side = "left"  # every answer of a batch starts at the same place
        model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        self.model = model.to(device).eval()
        self.longest: int = self.model.config.get_text_config().max_position_embeddings

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end an answer, by the model's own settings."""
        ends = self.model.generation_config.eos_token_id
        return set(ends) if isinstance(ends, list) else {ends}

    def ask(self, pictures: Sequence[Image.Image], instructions: Sequence[str]) -> Asked:
        """Put each picture and its instruction into the model's own chat template."""
        given = self.processor.apply_chat_template(
            [_conversation(*pair) for pair in zip(pictures, instructions, strict=True)],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )
        tensors = {name: value.to(self.model.device) for name, value in given.items()}
        tensors["pixel_values"] = tensors["pixel_values"].to(self.model.dtype)
        return Asked(tensors, given.input_ids.shape[1])

    def write(self, asked: Asked, **arguments: Any) -> Tensor:
        """Generate answers with transformers' `arguments`; return the new tokens (N, T), padded on the right."""
        return self.model.generate(**asked.tensors, **arguments)[:, asked.length :]

    def reread(self, asked: Asked, tokens: Tensor) -> Tensor:
        """Run the model once over picture, instruction and answer.

        Args:
            asked: B pictures with their instructions.
            tokens: (N, T) answers, N / B of each picture in turn, padded on the right.

        Returns:
            (N, T, V) the logits that each token was chosen from.
        """
        import torch

        copies = tokens.shape[0] // asked.tensors["input_ids"].shape[0]
        given = dict(asked.tensors)
        if "image_grid_thw" in given:  # Qwen: the patches of all pictures are one long list
            counts = given["image_grid_thw"].prod(-1).tolist()
            parts = [part for part in given["pixel_values"].split(counts) for _ in range(copies)]
            given["pixel_values"] = torch.cat(parts)
        given = {
            name: value if name == "pixel_values" and "image_grid_thw" in given else value.repeat_interleave(copies, 0)
            for name, value in given.items()
        }
        given["input_ids"] = torch.cat([given["input_ids"], tokens[:, :-1]], 1)
        for name, filler in (("attention_mask", 1), ("mm_token_type_ids", 0)):
            if name in given:
                given[name] = torch.nn.functional.pad(given[name], (0, tokens.shape[1] - 1), value=filler)
        logits: Tensor = self.model(**given, use_cache=False, logits_to_keep=tokens.shape[1]).logits
        return logits


def smolvlm(folder: Path, device: str, dtype: torch.dtype) -> Chat:
    """Load a SmolVLM, which is Idefics3 with a smaller language model, and with videos."""
    from transformers import Idefics3Processor

    return Chat(folder, device, dtype, Idefics3Processor)


def qwen3_vl(folder: Path, device: str, dtype: torch.dtype) -> Chat:
    """Load a Qwen3-VL."""
    from transformers import Qwen3VLProcessor

    class PictureProcessor(Qwen3VLProcessor):
        """Qwen's processor without its video half."""

        def __init__(self, image_processor: Any, tokenizer: Any, chat_template: str | None = None) -> None:
            super().__init__(image_processor, tokenizer, chat_template=chat_template)

    return Chat(folder, device, dtype, PictureProcessor)


def _conversation(picture: Image.Image, instruction: str) -> list[dict[str, Any]]:
    """Return the one message that a chat model is sent."""
    parts = [{"type": "image", "image": picture}, {"type": "text", "text": instruction}]
    return [{"role": "user", "content": parts}]
