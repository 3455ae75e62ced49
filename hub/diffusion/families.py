"""The families of diffusion models: what each is made of, and the diffusers pipelines that its parts fit into.

A pipeline of diffusers is only a recipe; its weights live in its parts. One set of parts serves text-to-image,
image-to-image, inpainting and ControlNet alike, which is why the parts are loaded here and pipelines are made of them.
Classes are named in full, so that a repository cannot choose what code is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "text-to-image", "image-to-image", "inpaint", "controlnet", "controlnet-image-to-image", "controlnet-inpaint"
]
CONTROLNET_KINDS: tuple[Kind, ...] = ("controlnet", "controlnet-image-to-image", "controlnet-inpaint")


@dataclass(frozen=True)
class Part:
    """One component of a pipeline: the class that reads it, and where it lies.

    Attributes:
        class_name: "library.Class", of diffusers or transformers.
        folder: below the repository's root.
        companion: which of the card's `needs` holds it, by family; "" for the card's own repository.
    """

    class_name: str
    folder: str
    companion: str = ""


@dataclass(frozen=True)
class Family:
    """An architecture.

    Attributes:
        parts: by the names that diffusers' pipelines give them.
        pipelines: the class of diffusers for each kind of work it can do.
        union: the same, where the ControlNet is a union of many.
        denoiser: the part that takes noise away step by step, and that ControlNets and LoRAs work on.
        decoder: the part that turns latents into pixels.
        cuda_dtype: how its weights are held on a GPU; "" is whatever suits the device best.
        arguments: what else its pipelines are made with.
    """

    parts: Mapping[str, Part]
    pipelines: Mapping[Kind, str]
    union: Mapping[Kind, str]
    denoiser: str = "unet"
    decoder: str = "vae"
    cuda_dtype: str = "float16"
    arguments: Mapping[str, object] | None = None


def _transformers(name: str, folder: str, companion: str = "") -> Part:
    return Part(f"transformers.{name}", folder, companion)


def _diffusers(name: str, folder: str, companion: str = "") -> Part:
    return Part(f"diffusers.{name}", folder, companion)


_STABLE_DIFFUSION = {
    "tokenizer": _transformers("CLIPTokenizer", "tokenizer"),
    "text_encoder": _transformers("CLIPTextModel", "text_encoder"),
    "unet": _diffusers("UNet2DConditionModel", "unet"),
    "vae": _diffusers("AutoencoderKL", "vae"),
}

# No safety checker and no invisible watermark: the pictures are for a class that looks at how they come about. What a
# model may draw is said on its card.
FAMILIES: Mapping[str, Family] = {
    "stable-diffusion": Family(
        parts=_STABLE_DIFFUSION,
        pipelines={
            "text-to-image": "StableDiffusionPipeline",
            "image-to-image": "StableDiffusionImg2ImgPipeline",
            "inpaint": "StableDiffusionInpaintPipeline",
            "controlnet": "StableDiffusionControlNetPipeline",
            "controlnet-image-to-image": "StableDiffusionControlNetImg2ImgPipeline",
            "controlnet-inpaint": "StableDiffusionControlNetInpaintPipeline",
        },
        union={},
        arguments={"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False},
    ),
    "stable-diffusion-xl": Family(
        parts={
            **_STABLE_DIFFUSION,
            "tokenizer_2": _transformers("CLIPTokenizer", "tokenizer_2"),
            "text_encoder_2": _transformers("CLIPTextModelWithProjection", "text_encoder_2"),
        },
        pipelines={
            "text-to-image": "StableDiffusionXLPipeline",
            "image-to-image": "StableDiffusionXLImg2ImgPipeline",
            "inpaint": "StableDiffusionXLInpaintPipeline",
            "controlnet": "StableDiffusionXLControlNetPipeline",
            "controlnet-image-to-image": "StableDiffusionXLControlNetImg2ImgPipeline",
            "controlnet-inpaint": "StableDiffusionXLControlNetInpaintPipeline",
        },
        union={
            "controlnet": "StableDiffusionXLControlNetUnionPipeline",
            "controlnet-image-to-image": "StableDiffusionXLControlNetUnionImg2ImgPipeline",
            "controlnet-inpaint": "StableDiffusionXLControlNetUnionInpaintPipeline",
        },
        arguments={"add_watermarker": False},
    ),
    "z-image": Family(
        parts={
            "tokenizer": _transformers("AutoTokenizer", "tokenizer"),
            "text_encoder": _transformers("Qwen3Model", "text_encoder"),
            "transformer": _diffusers("ZImageTransformer2DModel", "transformer"),
            "vae": _diffusers("AutoencoderKL", "vae"),
        },
        pipelines={
            "text-to-image": "ZImagePipeline",
            "image-to-image": "ZImageImg2ImgPipeline",
            "inpaint": "ZImageInpaintPipeline",
        },
        union={},
        denoiser="transformer",
        cuda_dtype="bfloat16",  # its activations exceed float16's range; older cards emulate it, slowly
    ),
    "kandinsky-2-2": Family(
        parts={
            "unet": _diffusers("UNet2DConditionModel", "unet"),
            "movq": _diffusers("VQModel", "movq"),
            "prior_prior": _diffusers("PriorTransformer", "prior", "kandinsky-2-2-prior"),
            "prior_image_encoder": _transformers(
                "CLIPVisionModelWithProjection", "image_encoder", "kandinsky-2-2-prior"
            ),
            "prior_text_encoder": _transformers("CLIPTextModelWithProjection", "text_encoder", "kandinsky-2-2-prior"),
            "prior_tokenizer": _transformers("CLIPTokenizer", "tokenizer", "kandinsky-2-2-prior"),
            "prior_scheduler": _diffusers("UnCLIPScheduler", "scheduler", "kandinsky-2-2-prior"),
            "prior_image_processor": _transformers("CLIPImageProcessorPil", "image_processor", "kandinsky-2-2-prior"),
        },
        pipelines={"inpaint": "KandinskyV22InpaintCombinedPipeline"},
        union={},
        decoder="movq",
    ),
}

# A ControlNet is a repository of its own, attached to a model of the family that it was trained on.
CONTROLNET_FAMILIES: Mapping[str, str] = {
    "controlnet": "diffusers.ControlNetModel",
    "controlnet-union": "diffusers.ControlNetUnionModel",
}
