"""The model families: what differs between one captioner and the next, behind one face.

Each family does three things with a batch of pictures: `prepare` what the model reads, `write` captions token by token,
and `reread` finished captions in one teacher-forced pass, which says how probable each token was and where in the
picture the model looked for it. The picture itself is encoded only once where the architecture allows it.

Processors and models come from local files only: safetensors, no remote code. Torchvision is not needed: pictures go
through the Pillow variants of the image processors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    import torch
    from torch import Tensor

F32 = NDArray[np.float32]

LOCAL = {"local_files_only": True}
SAFE_WEIGHTS = {**LOCAL, "use_safetensors": True}

DEFAULT_INSTRUCTION = "Describe this picture in one sentence."  # what a chat model is asked when there is no prompt

CROSS_ATTENTION = (
    "Cross-attention of the last layer, mean over its heads: the share of the look that each patch of the picture got "
    "when the model chose the word. It hints at what mattered, and proves nothing."
)
SELF_ATTENTION = (
    "Self-attention of the last layer from the word to the picture's patches, mean over its heads. It hints at what "
    "mattered, and proves nothing. The model sees only the middle square of the picture."
)
NO_ATTENTION_BLIP2 = (
    "No attention is shown: BLIP-2's language model sees 32 summaries of the picture, which belong to no place in it."
)
NO_ATTENTION_CHAT = (
    "No attention is shown: a chat model mixes picture and words in dozens of layers, and no single one of them says "
    "where it looked."
)


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
        opening = _words(self.tokenizer, prompt)
        start = _rows([self.text.bos_token_id, *opening], len(pictures), seen.device)
        return Prepared({"input_ids": start, "encoder_hidden_states": seen}, opening, start.shape[1])

    def write(self, prepared: Prepared, **arguments: Any) -> Tensor:
        """Generate as `BlipForConditionalGeneration.generate` does, from pictures that are encoded already."""
        ends = {"eos_token_id": self.text.sep_token_id, "pad_token_id": self.text.pad_token_id}
        written = self.model.text_decoder.generate(**prepared.tensors, **ends, **arguments)
        return written[:, prepared.length :]

    def reread(self, prepared: Prepared, tokens: Tensor) -> Reread:
        """Run the text decoder over start, prompt and caption."""
        start, seen = _repeated(prepared, tokens, "input_ids", "encoder_hidden_states")
        out = self.model.text_decoder(
            input_ids=_shifted(start, tokens), encoder_hidden_states=seen, output_attentions=True, use_cache=False
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
        self.model = VisionEncoderDecoderModel.from_pretrained(
            folder, dtype=dtype, attn_implementation="eager", **SAFE_WEIGHTS
        ).to(device).eval()
        self.longest: int = self.model.config.decoder.max_position_embeddings
        self.side = self.model.config.encoder.image_size // self.model.config.encoder.patch_size

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end a caption."""
        return _ends(self.model)

    def prepare(self, pictures: Sequence[Image.Image], prompt: str) -> Prepared:
        """Encode the pictures; the caption begins with the decoder's start token and the prompt."""
        pixels = self.processor(list(pictures), return_tensors="pt").pixel_values
        seen = self.model.encoder(pixels.to(self.model.device, self.model.dtype)).last_hidden_state
        opening = _words(self.tokenizer, prompt)
        start = _rows([self.model.config.decoder_start_token_id, *opening], len(pictures), seen.device)
        return Prepared({"decoder_input_ids": start, "seen": seen}, opening, start.shape[1])

    def write(self, prepared: Prepared, **arguments: Any) -> Tensor:
        """Generate from the encoded pictures."""
        from transformers.modeling_outputs import BaseModelOutput

        seen = BaseModelOutput(last_hidden_state=prepared.tensors["seen"])
        start = prepared.tensors["decoder_input_ids"]
        return self.model.generate(encoder_outputs=seen, decoder_input_ids=start, **arguments)[:, prepared.length :]

    def reread(self, prepared: Prepared, tokens: Tensor) -> Reread:
        """Run the decoder over start, prompt and caption."""
        start, seen = _repeated(prepared, tokens, "decoder_input_ids", "seen")
        out = self.model(
            encoder_outputs=(seen,), decoder_input_ids=_shifted(start, tokens), output_attentions=True, use_cache=False
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
        return _ends(self.model)

    def prepare(self, pictures: Sequence[Image.Image], prompt: str) -> Prepared:
        """Return pixels, and [CLS] with the prompt."""
        pixels = self.processor.image_processor(list(pictures), return_tensors="pt").pixel_values
        opening = _words(self.tokenizer, prompt)
        start = _rows([self.tokenizer.cls_token_id, *opening], len(pictures), self.model.device)
        tensors = {"input_ids": start, "pixel_values": pixels.to(self.model.device, self.model.dtype)}
        return Prepared(tensors, opening, start.shape[1])

    def write(self, prepared: Prepared, **arguments: Any) -> Tensor:
        """Generate after the picture and the prompt."""
        return self.model.generate(**prepared.tensors, **arguments)[:, prepared.length :]

    def reread(self, prepared: Prepared, tokens: Tensor) -> Reread:
        """Run the model over picture, prompt and caption."""
        start, pixels = _repeated(prepared, tokens, "input_ids", "pixel_values")
        out = self.model(
            input_ids=_shifted(start, tokens),
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


class Blip2:
    """BLIP-2: a frozen vision transformer and a frozen language model, joined by 32 query vectors."""

    attention_note = NO_ATTENTION_BLIP2

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import Blip2ForConditionalGeneration, Blip2Processor

        self.processor = Blip2Processor.from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        self.model = Blip2ForConditionalGeneration.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS).to(device).eval()
        self.longest: int = self.model.config.text_config.max_position_embeddings

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end a caption."""
        return _ends(self.model.language_model)

    def prepare(self, pictures: Sequence[Image.Image], prompt: str) -> Prepared:
        """Turn each picture into 32 vectors, and put them before the embedded prompt."""
        given = self.processor(images=list(pictures), text=[prompt] * len(pictures), return_tensors="pt")
        ids = given.input_ids.to(self.model.device)
        pixels = given.pixel_values.to(self.model.device, self.model.dtype)
        summaries = self.model.get_image_features(pixels, return_dict=True).pooler_output
        embedded = self.model.get_input_embeddings()(ids)
        here = (ids == self.model.config.image_token_id).unsqueeze(-1)
        embedded = embedded.masked_scatter(here, summaries.to(embedded.dtype))
        return Prepared({"inputs_embeds": embedded}, _words(self.tokenizer, prompt), ids.shape[1])

    def write(self, prepared: Prepared, **arguments: Any) -> Tensor:
        """Generate with the language model, as `Blip2ForConditionalGeneration.generate` does."""
        written: Tensor = self.model.language_model.generate(**prepared.tensors, **arguments)
        return written

    def reread(self, prepared: Prepared, tokens: Tensor) -> Reread:
        """Run the language model over the picture's vectors, prompt and caption."""
        import torch

        (before,) = _repeated(prepared, tokens, "inputs_embeds")
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

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import AutoModelForImageTextToText

        model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        self.model = model.to(device).eval()
        self.processor = picture_processor(self.model.config.model_type).from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        self.tokenizer.padding_side = "left"  # every caption of a batch starts at the same place
        self.longest: int = self.model.config.get_text_config().max_position_embeddings

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end a caption."""
        return _ends(self.model)

    def prepare(self, pictures: Sequence[Image.Image], prompt: str) -> Prepared:
        """Put each picture and the instruction into the model's own chat template."""
        talks = [conversation(picture, prompt) for picture in pictures]
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
        given["input_ids"] = _shifted(given["input_ids"], tokens)
        for name, filler in (("attention_mask", 1), ("mm_token_type_ids", 0)):
            if name in given:
                given[name] = torch.nn.functional.pad(given[name], (0, tokens.shape[1] - 1), value=filler)
        return Reread(self.model(**given, use_cache=False, logits_to_keep=tokens.shape[1]).logits, None)

    def over_picture(self, maps: F32, size: tuple[int, int]) -> F32:
        """Return the maps; there are none."""
        return maps


FAMILIES: dict[str, Callable[[Path, str, torch.dtype], Family]] = {
    "blip": Blip,
    "vision-encoder-decoder": VisionEncoderDecoder,
    "git": Git,
    "blip2": Blip2,
    "chat": Chat,
}


def conversation(picture: Image.Image, prompt: str) -> list[dict[str, Any]]:
    """Return the one message that a chat model is sent."""
    parts = [{"type": "image", "image": picture}, {"type": "text", "text": prompt or DEFAULT_INSTRUCTION}]
    return [{"role": "user", "content": parts}]


def picture_processor(model_type: str) -> type[Any]:
    """Return a processor class for a chat model's pictures that needs neither torchvision nor num2words."""
    from transformers import AutoProcessor, Idefics3Processor, Qwen3VLProcessor

    class Qwen3VLPictureProcessor(Qwen3VLProcessor):
        """Qwen's processor without its video half."""

        def __init__(self, image_processor: Any, tokenizer: Any, chat_template: str | None = None) -> None:
            super().__init__(image_processor, tokenizer, chat_template=chat_template)

    # SmolVLM is Idefics3 with a smaller language model, and with videos.
    return {"smolvlm": Idefics3Processor, "qwen3_vl": Qwen3VLPictureProcessor}.get(model_type, AutoProcessor)


def _words(tokenizer: Any, prompt: str) -> tuple[int, ...]:
    """Return the tokens of the prompt without those that a tokenizer puts around a text."""
    return tuple(tokenizer(prompt, add_special_tokens=False).input_ids) if prompt else ()


def _rows(tokens: Sequence[int], count: int, device: Any) -> Tensor:
    import torch

    return torch.tensor([tokens] * count, device=device)


def _ends(model: Any) -> set[int]:
    ends = model.generation_config.eos_token_id
    return set(ends) if isinstance(ends, list) else {ends}


def _repeated(prepared: Prepared, tokens: Tensor, *names: str) -> list[Tensor]:
    """Return tensors of B rows with each row repeated for its picture's captions."""
    found = [prepared.tensors[name] for name in names]
    return [tensor.repeat_interleave(tokens.shape[0] // tensor.shape[0], 0) for tensor in found]


def _shifted(start: Tensor, tokens: Tensor) -> Tensor:
    """Return the input that predicts `tokens`: everything before, and each token but the last."""
    import torch

    return torch.cat([start, tokens[:, :-1]], 1)


def _maps(attention: Tensor, side: int) -> F32:
    """Return (N, T, side, side) maps of attention (N, T, side * side), each summing to 1."""
    shares = attention.float() / attention.float().sum(-1, keepdim=True)
    return shares.unflatten(-1, (side, side)).cpu().numpy()
