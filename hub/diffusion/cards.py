"""The cards of diffusion models that several demos offer, for `hub.diffusion.loading`.

Revisions are commits that public sources name; a card says where there is none. Only the parts that are used are
fetched, in half precision where the repository has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hub.cards import ModelCard
from hub.diffusion.abilities import ABILITIES, Abilities
from hub.diffusion.lora_hub import LORA_FAMILY, USUAL_NAME
from hub.weights import SETTINGS_FILES

UNFILTERED = "Nothing checks its pictures: it can draw what offends, and repeats the biases of its web data."
NOT_COMMERCIAL = "The licence allows research and teaching, not commercial use."


def abilities_of(card: ModelCard) -> Abilities:
    """Return what a model can be asked for; ControlNets and LoRAs that were added to it change nothing of that."""
    return ABILITIES[card.key.partition("+")[0]]


def _files(*parts: str, variant: str = "") -> tuple[str, ...]:
    """Return the patterns of what is fetched: all settings, and of the weights only these parts'."""
    ending = f".{variant}.safetensors" if variant else ".safetensors"
    return (*SETTINGS_FILES, *(f"{part}/*{ending}" for part in parts))


_SD_FILES = _files("unet", "vae", "text_encoder", variant="fp16")
_SDXL_FILES = _files("unet", "vae", "text_encoder", "text_encoder_2", variant="fp16")
_SD_BYTES, _SDXL_BYTES = 2_133_000_000, 6_938_000_000  # in half precision

TABLETOP = ModelCard(
    key="tabletop-diffusion",
    label="Tabletop Diffusion (embedded)",
    source="tabletop-diffusion",
    task="text-to-image",
    family="stable-diffusion",
    licence="Apache-2.0",
    download_bytes=0,
    memory_bytes=44_000_000,
    knows="Rendered tabletop scenes with up to four coloured solids; trained by this project on nothing else.",
    limits="It only knows tabletop scenes, in some seventy English words: of anything else it draws solids on a table.",
    citation="This project (training/diffusion.py); architecture: Rombach et al. 2022, Latent Diffusion, "
    "arXiv:2112.10752.",
    batch_limit=8,
)
SD_1_5 = ModelCard(
    key="sd-1.5",
    label="Stable Diffusion 1.5",
    source="stable-diffusion-v1-5/stable-diffusion-v1-5",
    task="text-to-image",
    family="stable-diffusion",
    licence="CreativeML-OpenRAIL-M",
    download_bytes=_SD_BYTES,
    memory_bytes=2 * _SD_BYTES,
    knows="LAION's picture-text pairs of the web, mostly with English text, at 512 x 512 pixels.",
    limits=f"Weak at hands, faces in the distance, text and counting; repeats itself in large pictures. {UNFILTERED}",
    citation="Rombach et al. 2022, High-Resolution Image Synthesis with Latent Diffusion Models, arXiv:2112.10752.",
    batch_limit=8,
    least_bytes=1_000_000_000,
    revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
    variant="fp16",
    files=_SD_FILES,
)
SD_TURBO = ModelCard(
    key="sd-turbo",
    label="SD Turbo",
    source="stabilityai/sd-turbo",
    task="text-to-image",
    family="stable-diffusion",
    licence="Stability AI Non-Commercial Research Community License",
    download_bytes=2_580_000_000,
    memory_bytes=5_160_000_000,
    knows="Stable Diffusion 2.1, distilled to draw in one to four steps, at 512 x 512 pixels.",
    limits=f"{NOT_COMMERCIAL} Without guidance, so a negative prompt does nothing. {UNFILTERED}",
    citation="Sauer et al. 2023, Adversarial Diffusion Distillation, arXiv:2311.17042.",
    batch_limit=8,
    least_bytes=1_000_000_000,
    revision="b261bac6fd2cf515557d5d0707481eafa0485ec2",
    variant="fp16",
    files=_SD_FILES,
)
SDXL_TURBO = ModelCard(
    key="sdxl-turbo",
    label="SDXL Turbo",
    source="stabilityai/sdxl-turbo",
    task="text-to-image",
    family="stable-diffusion-xl",
    licence="Stability AI Non-Commercial Research Community License",
    download_bytes=_SDXL_BYTES,
    memory_bytes=2 * _SDXL_BYTES,
    knows="Stable Diffusion XL, distilled to draw in one to four steps, at 512 x 512 pixels.",
    limits=f"{NOT_COMMERCIAL} Without guidance, so a negative prompt does nothing. {UNFILTERED}",
    citation="Sauer et al. 2023, Adversarial Diffusion Distillation, arXiv:2311.17042.",
    batch_limit=4,
    least_bytes=2_000_000_000,
    revision="71153311d3dbb46851df1931d3ca6e939de83304",
    variant="fp16",
    files=_SDXL_FILES,
)
SDXL = ModelCard(
    key="sdxl",
    label="Stable Diffusion XL 1.0",
    source="stabilityai/stable-diffusion-xl-base-1.0",
    task="text-to-image",
    family="stable-diffusion-xl",
    licence="CreativeML-OpenRAIL++-M",
    download_bytes=_SDXL_BYTES,
    memory_bytes=2 * _SDXL_BYTES,
    knows="Pictures of the web with text, at about a megapixel and in many formats, read by two text encoders.",
    limits=f"Poor below 768 pixels a side; weak at text and at who does what to whom. {UNFILTERED}",
    citation="Podell et al. 2023, SDXL, arXiv:2307.01952.",
    batch_limit=4,
    least_bytes=2_000_000_000,
    revision="462165984030d82259a11f4367a4eed129e94a7b",
    variant="fp16",
    files=_SDXL_FILES,
)
Z_IMAGE_TURBO = ModelCard(
    key="z-image-turbo",
    label="Z-Image Turbo",
    source="Tongyi-MAI/Z-Image-Turbo",
    task="text-to-image",
    family="z-image",
    licence="Apache-2.0",
    download_bytes=32_830_000_000,
    memory_bytes=41_000_000_000,
    knows="Photos, posters and writing in English and Chinese, from long descriptions; a transformer of 6 billion "
    "parameters that draws in eight steps.",
    limits=f"Large: wants 24 GB on a GPU. Seeds differ little. Without guidance, so a negative prompt does nothing. "
    f"{UNFILTERED}",
    citation="Z-Image Team 2025, Z-Image, arXiv:2511.22699.",
    batch_limit=2,
    least_bytes=3_000_000_000,
    revision="f332072aa78be7aecdf3ee76d5c247082da564a6",
    files=_files("transformer", "vae", "text_encoder"),
)
SD_1_5_INPAINTING = replace(
    SD_1_5,
    key="sd-1.5-inpainting",
    label="Stable Diffusion 1.5 Inpainting",
    source="stable-diffusion-v1-5/stable-diffusion-inpainting",
    knows="Stable Diffusion, trained on to fill masked parts of 512 x 512 pixel pictures.",
    limits=f"Fills what fits the surroundings, which may not be what was asked for. {UNFILTERED}",
    revision="8a4288a76071f7280aedbdb3253bdb9e9d5d84bb",
)
SDXL_INPAINTING = replace(
    SDXL,
    key="sdxl-inpainting",
    label="SDXL Inpainting 0.1",
    source="diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
    knows="Stable Diffusion XL, trained on to fill masked parts of 1024 x 1024 pixel pictures.",
    limits=f"At full strength it shifts colours: stay below 1. {UNFILTERED}",
    revision="115134f363124c53c7d878647567d04daf26e41e",
)
KANDINSKY_PRIOR = ModelCard(
    key="kandinsky-2.2-prior",
    label="Kandinsky 2.2 prior",
    source="kandinsky-community/kandinsky-2-2-prior",
    task="text-to-image",
    family="kandinsky-2-2-prior",
    licence="Apache-2.0",
    download_bytes=10_575_000_000,
    memory_bytes=10_575_000_000,
    knows="What picture, as CLIP describes it, goes with a text.",
    limits="Draws nothing by itself.",
    citation="Razzhigaev et al. 2023, Kandinsky, arXiv:2310.03502.",
    revision="9fc51ad5732afc5d031724219d22e6c42179c5a8",
    files=_files("prior", "image_encoder", "text_encoder"),
)
KANDINSKY_INPAINTING = ModelCard(
    key="kandinsky-2.2-inpainting",
    label="Kandinsky 2.2 Inpainting",
    source="kandinsky-community/kandinsky-2-2-decoder-inpaint",
    task="text-to-image",
    family="kandinsky-2-2",
    licence="Apache-2.0",
    download_bytes=5_284_000_000 + KANDINSKY_PRIOR.download_bytes,
    memory_bytes=5_284_000_000 + KANDINSKY_PRIOR.memory_bytes,
    knows="Pictures of the web with text: first a prior says what CLIP would see, then a decoder draws it.",
    limits=f"Large and slow; the decoder sees the prompt only through one vector of the prior. {UNFILTERED}",
    citation="Razzhigaev et al. 2023, Kandinsky, arXiv:2310.03502.",
    batch_limit=1,  # the noise of its prior and of its decoder would depend on the neighbours
    least_bytes=2_000_000_000,
    revision="db790ad5cbcabed886f069ef2710774657621702",
    files=_files("unet", "movq"),
    needs=(KANDINSKY_PRIOR,),
)

CLAY = ModelCard(
    key="clay",
    label="Clay (embedded)",
    source="tabletop-lora-clay",
    task="text-to-image",
    family=LORA_FAMILY,
    licence="Apache-2.0",
    download_bytes=0,
    memory_bytes=1_900_000,
    knows="Tabletop scenes as if made of clay; trained by this project on nothing else.",
    limits="Fits the embedded model alone.",
    citation="This project (training/lora.py); method: Hu et al. 2021, LoRA, arXiv:2106.09685.",
    files=(USUAL_NAME,),
)

TEXT_TO_IMAGE = (TABLETOP, SD_1_5, SD_TURBO, SDXL_TURBO, SDXL, Z_IMAGE_TURBO)
INPAINTING = (TABLETOP, SD_1_5_INPAINTING, SDXL_INPAINTING, KANDINSKY_INPAINTING, *TEXT_TO_IMAGE[1:])
CONTROLLED = (TABLETOP, SD_1_5, SDXL, SDXL_TURBO)  # what ControlNets exist for (hub.diffusion.control_cards)

LORAS = (CLAY,)  # that ship with Lectern; those of the Hub are found by hub.diffusion.lora_hub


def composed(card: ModelCard, others: Sequence[ModelCard]) -> ModelCard:
    """Return a card for a model together with what is added to it: ControlNets, or a LoRA of the Hub.

    It is fetched, budgeted and kept by the pool as one; the parts of the model itself are still shared with all others.
    """
    return replace(
        card,
        key="+".join((card.key, *(other.key for other in others))),
        label=" + ".join((card.label, *(other.label for other in others))),
        download_bytes=card.download_bytes + sum(other.download_bytes for other in others),
        memory_bytes=card.memory_bytes + sum(other.memory_bytes for other in others),
        least_bytes=card.least_bytes + sum(other.least_bytes for other in others),
        needs=(*card.needs, *others),
    )
