"""Families whose attention to the picture can be shown: the decoder looks at patches while it writes each word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from demos.captioning.families.face import (
    F32,
    Prepared,
    Reread,
    end_tokens,
    prompt_tokens,
    repeated,
    same_rows,
    shifted,
)
from hub.weights import LOCAL, SAFE_WEIGHTS

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CROSS_ATTENTION = (
    "Cross-attention of the last layer, mean over its heads: the share of the look that each patch of the picture got "
    "when the model chose the word. It hints at what mattered, and proves nothing."
)
SELF_ATTENTION = (
    "Self-attention of the last layer from the word to the picture's patches, mean over its heads. It hints at what "
    "mattered, and proves nothing. The model sees only the middle square of the picture."
)


class Blip:
    """BLIP: a vision transformer, and a text decoder that attends to its patches in every layer."""

    attention_note = CROSS_ATTENTION

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import BlipForConditionalGeneration, BlipProcessor

        self.processor = BlipProcessor.from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        self.model = BlipForConditionalGeneration.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS).to(device).eval()
        self.text = self.model.config.text_config
        self.longest: int = self.text.max_position_embeddings
        self.side = self.model.config.vision_config.image_size // self.model.config.vision_config.patch_size

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end a caption."""
        return {self.text.sep_token_id}

    def prepare(self, pictures: Sequence[Image.Image], prompt: str) -> Prepared:
        """Encode the pictures; the caption begins with BLIP's own start token and the prompt."""
        pixels = self.processor.image_processor(list(pictures), return_tensors="pt").pixel_values
        seen = self.model.vision_model(pixels.to(self.model.device, self.model.dtype)).last_hidden_state
        opening = prompt_tokens(self.tokenizer, prompt)
        start = same_rows([self.text.bos_token_id, *opening], len(pictures), seen.device)
        return Prepared({"input_ids": start, "encoder_hidden_states": seen}, opening, start.shape[1])

    def write(self, prepared: Prepared, **arguments: Any) -> Tensor:
        """Generate as `BlipForConditionalGeneration.generate` does, from pictures that are encoded already."""
        ends = {"eos_token_id": self.text.sep_token_id, "pad_token_id": self.text.pad_token_id}
        written = self.model.text_decoder.generate(**prepared.tensors, **ends, **arguments)
        return written[:, prepared.length :]

    def reread(self, prepared: Prepared, tokens: Tensor) -> Reread:
        """Run the text decoder over start, prompt and caption."""
        start, seen = repeated(prepared, tokens, "input_ids", "encoder_hidden_states")
        out = self.model.text_decoder(
            input_ids=shifted(start, tokens), encoder_hidden_states=seen, output_attentions=True, use_cache=False
        )
        last = out.cross_attentions[-1].mean(1)[:, -tokens.shape[1] :, 1:]  # without the picture's class token
        return Reread(out.logits[:, -tokens.shape[1] :], _maps(last, self.side))

    def over_picture(self, maps: F32, size: tuple[int, int]) -> F32:
        """Return the maps: the model sees the whole picture, squeezed to a square."""
        return maps


class VisionEncoderDecoder:
    """A vision transformer joined to a language model that was given cross-attention, such as ViT and GPT-2."""

    attention_note = CROSS_ATTENTION

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import AutoImageProcessor, AutoTokenizer, VisionEncoderDecoderModel

        self.processor = AutoImageProcessor.from_pretrained(folder, backend="pil", **LOCAL)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
        # Fused attention never forms the weights that are shown; "eager" does.
        self.model = (
            VisionEncoderDecoderModel.from_pretrained(folder, dtype=dtype, attn_implementation="eager", **SAFE_WEIGHTS)
            .to(device)
            .eval()
        )
        self.longest: int = self.model.config.decoder.max_position_embeddings
        self.side = self.model.config.encoder.image_size // self.model.config.encoder.patch_size

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end a caption."""
        return end_tokens(self.model)

    def prepare(self, pictures: Sequence[Image.Image], prompt: str) -> Prepared:
        """Encode the pictures; the caption begins with the decoder's start token and the prompt."""
        pixels = self.processor(list(pictures), return_tensors="pt").pixel_values
        seen = self.model.encoder(pixels.to(self.model.device, self.model.dtype)).last_hidden_state
        opening = prompt_tokens(self.tokenizer, prompt)
        start = same_rows([self.model.config.decoder_start_token_id, *opening], len(pictures), seen.device)
        return Prepared({"decoder_input_ids": start, "seen": seen}, opening, start.shape[1])

    def write(self, prepared: Prepared, **arguments: Any) -> Tensor:
        """Generate from the encoded pictures."""
        from transformers.modeling_outputs import BaseModelOutput

        seen = BaseModelOutput(last_hidden_state=prepared.tensors["seen"])
        start = prepared.tensors["decoder_input_ids"]
        everything = seen.last_hidden_state.new_ones(seen.last_hidden_state.shape[:2])
        written = self.model.generate(
            encoder_outputs=seen, attention_mask=everything, decoder_input_ids=start, **arguments
        )
        return written[:, prepared.length :]

    def reread(self, prepared: Prepared, tokens: Tensor) -> Reread:
        """Run the decoder over start, prompt and caption."""
        start, seen = repeated(prepared, tokens, "decoder_input_ids", "seen")
        out = self.model(
            encoder_outputs=(seen,), decoder_input_ids=shifted(start, tokens), output_attentions=True, use_cache=False
        )
        last = out.cross_attentions[-1].mean(1)[:, -tokens.shape[1] :, 1:]
        return Reread(out.logits[:, -tokens.shape[1] :], _maps(last, self.side))

    def over_picture(self, maps: F32, size: tuple[int, int]) -> F32:
        """Return the maps: the model sees the whole picture, squeezed to a square."""
        return maps


class Git:
    """GIT: one transformer that reads the picture's patches and the words before, as one sequence."""

    attention_note = SELF_ATTENTION

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import AutoProcessor, GitForCausalLM

        self.processor = AutoProcessor.from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        self.model = GitForCausalLM.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS).to(device).eval()
        self.longest: int = self.model.config.max_position_embeddings
        self.side = self.model.config.vision_config.image_size // self.model.config.vision_config.patch_size

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end a caption."""
        return end_tokens(self.model)

    def prepare(self, pictures: Sequence[Image.Image], prompt: str) -> Prepared:
        """Return pixels, and [CLS] with the prompt."""
        pixels = self.processor.image_processor(list(pictures), return_tensors="pt").pixel_values
        opening = prompt_tokens(self.tokenizer, prompt)
        start = same_rows([self.tokenizer.cls_token_id, *opening], len(pictures), self.model.device)
        tensors = {"input_ids": start, "pixel_values": pixels.to(self.model.device, self.model.dtype)}
        return Prepared(tensors, opening, start.shape[1])

    def write(self, prepared: Prepared, **arguments: Any) -> Tensor:
        """Generate after the picture and the prompt."""
        return self.model.generate(**prepared.tensors, **arguments)[:, prepared.length :]

    def reread(self, prepared: Prepared, tokens: Tensor) -> Reread:
        """Run the model over picture, prompt and caption."""
        start, pixels = repeated(prepared, tokens, "input_ids", "pixel_values")
        out = self.model(
            input_ids=shifted(start, tokens),
            pixel_values=pixels,
            output_attentions=True,
            use_cache=False,
            logits_to_keep=tokens.shape[1],
        )
        last = out.attentions[-1].mean(1)[:, -tokens.shape[1] :, 1 : 1 + self.side**2]
        return Reread(out.logits, _maps(last, self.side))

    def over_picture(self, maps: F32, size: tuple[int, int]) -> F32:
        """Put zeros beside the middle square that the image processor cuts out, to the nearest patch."""
        if not getattr(self.processor.image_processor, "do_center_crop", False):
            return maps
        width, height = size
        short = min(width, height)
        beside_w, beside_h = (round(self.side * (full - short) / short / 2) for full in (width, height))
        return np.pad(maps, ((0, 0), (beside_h, beside_h), (beside_w, beside_w)))


def _maps(attention: Tensor, side: int) -> F32:
    """Return (N, T, side, side) maps of attention (N, T, side * side), each summing to 1."""
    shares = attention.float() / attention.float().sum(-1, keepdim=True)
    return shares.unflatten(-1, (side, side)).cpu().numpy()
