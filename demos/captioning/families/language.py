"""Families that hand the picture to a language model as if it were words; where they look cannot be shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from demos.captioning.families.face import (
    F32,
    LOCAL,
    SAFE_WEIGHTS,
    Prepared,
    Reread,
    end_tokens,
    prompt_tokens,
    repeated,
    shifted,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

DEFAULT_INSTRUCTION = "Describe this picture in one sentence."  # what a chat model is asked when there is no prompt

NO_ATTENTION_BLIP2 = (
    "No attention is shown: BLIP-2's language model sees 32 summaries of the picture, which belong to no place in it."
)
NO_ATTENTION_CHAT = (
    "No attention is shown: a chat model mixes picture and words in dozens of layers, and no single one of them says "
    "where it looked."
)


class Blip2:
    """BLIP-2: a frozen vision transformer and a frozen language model, joined by 32 query vectors."""

    attention_note = NO_ATTENTION_BLIP2

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import Blip2ForConditionalGeneration, Blip2Processor

        self.processor = Blip2Processor.from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        self.model = (
            Blip2ForConditionalGeneration.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS).to(device).eval()
        )
        # Older processor files do not say how many places the picture takes; without them it would go unread.
        self.processor.num_query_tokens = self.model.config.num_query_tokens
        self.longest: int = self.model.config.text_config.max_position_embeddings

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end a caption."""
        return end_tokens(self.model.language_model)

    def prepare(self, pictures: Sequence[Image.Image], prompt: str) -> Prepared:
        """Turn each picture into 32 vectors, and put them before the embedded prompt."""
        given = self.processor(images=list(pictures), text=[prompt] * len(pictures), return_tensors="pt")
        ids = given.input_ids.to(self.model.device)
        pixels = given.pixel_values.to(self.model.device, self.model.dtype)
        summaries = self.model.get_image_features(pixels, return_dict=True).pooler_output
        embedded = self.model.get_input_embeddings()(ids)
        here = (ids == self.model.config.image_token_id).unsqueeze(-1)
        embedded = embedded.masked_scatter(here, summaries.to(embedded.dtype))
        return Prepared({"inputs_embeds": embedded}, prompt_tokens(self.tokenizer, prompt), ids.shape[1])

    def write(self, prepared: Prepared, **arguments: Any) -> Tensor:
        """Generate with the language model, as `Blip2ForConditionalGeneration.generate` does."""
        written: Tensor = self.model.language_model.generate(**prepared.tensors, **arguments)
        return written

    def reread(self, prepared: Prepared, tokens: Tensor) -> Reread:
        """Run the language model over the picture's vectors, prompt and caption."""
        import torch

        (before,) = repeated(prepared, tokens, "inputs_embeds")
        after = self.model.get_input_embeddings()(tokens[:, :-1])
        out = self.model.language_model(
            inputs_embeds=torch.cat([before, after], 1), use_cache=False, logits_to_keep=tokens.shape[1]
        )
        return Reread(out.logits, None)

    def over_picture(self, maps: F32, size: tuple[int, int]) -> F32:
        """Return the maps; there are none."""
        return maps


class Chat:
    """A chat model that reads pictures; the prompt is the instruction it follows.

    `AutoProcessor` cannot be used: the processors of these models also hold a video processor, which needs torchvision
    (and SmolVLM's needs num2words). Their picture half is the same without it.
    """

    attention_note = NO_ATTENTION_CHAT

    def __init__(self, folder: Path, device: str, dtype: torch.dtype, processor: type[Any]) -> None:
        from transformers import AutoModelForImageTextToText

        self.processor = processor.from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        self.tokenizer.padding_side = "left"  # every caption of a batch starts at the same place
        model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        self.model = model.to(device).eval()
        self.longest: int = self.model.config.get_text_config().max_position_embeddings

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end a caption."""
        return end_tokens(self.model)

    def prepare(self, pictures: Sequence[Image.Image], prompt: str) -> Prepared:
        """Put each picture and the instruction into the model's own chat template."""
        talks = [_conversation(picture, prompt) for picture in pictures]
        given = self.processor.apply_chat_template(
            talks,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )
        tensors = {name: value.to(self.model.device) for name, value in given.items()}
        tensors["pixel_values"] = tensors["pixel_values"].to(self.model.dtype)
        return Prepared(tensors, (), given.input_ids.shape[1])

    def write(self, prepared: Prepared, **arguments: Any) -> Tensor:
        """Generate the answer."""
        return self.model.generate(**prepared.tensors, **arguments)[:, prepared.length :]

    def reread(self, prepared: Prepared, tokens: Tensor) -> Reread:
        """Run the model over picture, instruction and answer."""
        import torch

        copies = tokens.shape[0] // prepared.tensors["input_ids"].shape[0]
        given = dict(prepared.tensors)
        if "image_grid_thw" in given:  # Qwen: the patches of all pictures are one long list
            counts = given["image_grid_thw"].prod(-1).tolist()
            parts = [part for part in given["pixel_values"].split(counts) for _ in range(copies)]
            given["pixel_values"] = torch.cat(parts)
        given = {
            name: value if name == "pixel_values" and "image_grid_thw" in given else value.repeat_interleave(copies, 0)
            for name, value in given.items()
        }
        given["input_ids"] = shifted(given["input_ids"], tokens)
        for name, filler in (("attention_mask", 1), ("mm_token_type_ids", 0)):
            if name in given:
                given[name] = torch.nn.functional.pad(given[name], (0, tokens.shape[1] - 1), value=filler)
        return Reread(self.model(**given, use_cache=False, logits_to_keep=tokens.shape[1]).logits, None)

    def over_picture(self, maps: F32, size: tuple[int, int]) -> F32:
        """Return the maps; there are none."""
        return maps


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


def _conversation(picture: Image.Image, prompt: str) -> list[dict[str, Any]]:
    """Return the one message that a chat model is sent."""
    parts = [{"type": "image", "image": picture}, {"type": "text", "text": prompt or DEFAULT_INSTRUCTION}]
    return [{"role": "user", "content": parts}]
