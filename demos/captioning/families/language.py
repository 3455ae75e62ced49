"""Families that hand the picture to a language model as if it were words; where they look cannot be shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from demos.captioning.families.face import F32, Prepared, Reread, end_tokens, prompt_tokens, repeated
from hub import chat
from hub.chat import Asked, Chat
from hub.weights import LOCAL, SAFE_WEIGHTS

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


class Talk:
    """A chat model that reads pictures; the prompt is the instruction it follows."""

    attention_note = NO_ATTENTION_CHAT

    def __init__(self, loaded: Chat) -> None:
        self.chat = loaded
        self.model = loaded.model
        self.tokenizer = loaded.tokenizer
        self.longest = loaded.longest

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end a caption."""
        return self.chat.end_tokens

    def prepare(self, pictures: Sequence[Image.Image], prompt: str) -> Prepared:
        """Put each picture and the instruction into the model's own chat template."""
        asked = self.chat.ask(pictures, [prompt or DEFAULT_INSTRUCTION] * len(pictures))
        return Prepared(asked.tensors, (), asked.length)

    def write(self, prepared: Prepared, **arguments: Any) -> Tensor:
        """Generate the answer."""
        return self.chat.write(Asked(prepared.tensors, prepared.length), **arguments)

    def reread(self, prepared: Prepared, tokens: Tensor) -> Reread:
        """Run the model over picture, instruction and answer."""
        return Reread(self.chat.reread(Asked(prepared.tensors, prepared.length), tokens), None)

    def over_picture(self, maps: F32, size: tuple[int, int]) -> F32:
        """Return the maps; there are none."""
        return maps


def smolvlm(folder: Path, device: str, dtype: torch.dtype) -> Talk:
    """Load a SmolVLM."""
    return Talk(chat.smolvlm(folder, device, dtype))


def qwen3_vl(folder: Path, device: str, dtype: torch.dtype) -> Talk:
    """Load a Qwen3-VL."""
    return Talk(chat.qwen3_vl(folder, device, dtype))
