"""The ControlNets that can be added to a model: what each is shown, and which models it fits.

A ControlNet is a copy of a U-Net's first half that reads a drawing (edges, depth, a pose) and steers the U-Net by it.
It fits the weights that it was copied from, and their descendants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.cards import ModelCard
from hub.diffusion.cards import abilities_of, composed
from hub.errors import InvalidInput
from hub.weights import SETTINGS_FILES


@dataclass(frozen=True)
class Control:
    """One ControlNet.

    Attributes:
        card: of its weights.
        base: the `Abilities.base` that it fits.
        conditions: what it can be shown, by name; the number is how a union of several tells them apart.
    """

    card: ModelCard
    base: str
    conditions: Mapping[str, int]

    @property
    def is_union(self) -> bool:
        """Whether one network reads several kinds of drawings, told which by `control_mode`."""
        return self.card.family == "controlnet-union"


_ZHANG = "Zhang et al. 2023, Adding Conditional Control to Text-to-Image Diffusion Models, arXiv:2302.05543."
UNPINNED = "Not pinned to a commit: no public source we know names one."


def _embedded(condition: str, shown: str) -> Control:
    card = ModelCard(
        key=f"tabletop-{condition}",
        label=f"Tabletop {condition} (embedded)",
        source=f"tabletop-controlnet-{condition}",
        task="image-to-image",
        family="controlnet",
        licence="Apache-2.0",
        download_bytes=0,
        memory_bytes=15_100_000,
        knows=f"{shown} of rendered tabletop scenes; trained by this project on nothing else.",
        limits="It only knows tabletop scenes.",
        citation=f"This project (training/controlnet.py); architecture: {_ZHANG}",
        batch_limit=8,
    )
    return Control(card, "tabletop", {condition: 0})


def _sd(condition: str, shown: str, revision: str, name: str = "") -> Control:
    """Return a ControlNet 1.1 for Stable Diffusion 1.5."""
    card = ModelCard(
        key=f"sd-1.5-{condition}",
        label=f"ControlNet 1.1 {condition}",
        source=f"lllyasviel/{name or f'control_v11p_sd15_{condition}'}",
        task="image-to-image",
        family="controlnet",
        licence="CreativeML-OpenRAIL-M",
        download_bytes=723_000_000,
        memory_bytes=1_446_000_000,
        knows=f"{shown}, as drawing aids for Stable Diffusion 1.5.",
        limits=f"Fits Stable Diffusion 1.5 alone.{'' if len(revision) == 40 else f' {UNPINNED}'}",
        citation=_ZHANG,
        revision=revision,
        variant="fp16",
        files=(*SETTINGS_FILES, "*.fp16.safetensors"),
    )
    return Control(card, "sd-1.5", {condition: 0})


def _sdxl(condition: str, shown: str, revision: str) -> Control:
    card = ModelCard(
        key=f"sdxl-{condition}",
        label=f"SDXL ControlNet {condition}",
        source=f"diffusers/controlnet-{condition}-sdxl-1.0",
        task="image-to-image",
        family="controlnet",
        licence="CreativeML-OpenRAIL++-M",
        download_bytes=2_502_000_000,
        memory_bytes=5_004_000_000,
        knows=f"{shown}, as drawing aids for Stable Diffusion XL.",
        limits="Fits Stable Diffusion XL and its descendants; at full weight it leaves the prompt little room.",
        citation=_ZHANG,
        revision=revision,
        variant="fp16",
        files=(*SETTINGS_FILES, "*.fp16.safetensors"),
    )
    return Control(card, "sdxl", {condition: 0})


CONTROLS = (
    _embedded("canny", "Edges"),
    _embedded("depth", "Depth"),
    _sd("canny", "Canny edges", "115a470d547982438f70198e353a921996e2e819"),
    _sd("depth", "Depth, near is white", "539f99181d33db39cf1af2e517cd8056785f0a87", "control_v11f1p_sd15_depth"),
    _sd("openpose", "Skeletons of people", "9ae9f970358db89e211b87c915f9535c6686d5ba"),
    _sd("scribble", "Scribbled lines, white on black", "main"),
    _sd("softedge", "Soft edges", "b5bcad0c48e9b12f091968cf5eadbb89402d6bc9"),
    _sd("normalbae", "Surface normals", "cb7296e6587a219068e9d65864e38729cd862aa8"),
    _sd("seg", "Segmentations in the 150 colours of ADE20K", "main"),
    _sd("mlsd", "Straight lines", "main"),
    _sd("lineart", "Line drawings", "8a158f547e031c5b8fbca19ead09a74767ff4db0"),
    _sdxl("canny", "Canny edges", "eb115a19a10d14909256db740ed109532ab1483c"),
    _sdxl("depth", "Depth, near is white", "17bb97973f29801224cd66f192c5ffacf82648b4"),
    Control(
        ModelCard(
            key="sdxl-union",
            label="SDXL ControlNet Union",
            source="xinsir/controlnet-union-sdxl-1.0",
            task="image-to-image",
            family="controlnet-union",
            licence="Apache-2.0",
            download_bytes=2_513_000_000,
            memory_bytes=5_026_000_000,
            knows="Six kinds of drawings in one network, each alone or several at once, for Stable Diffusion XL.",
            limits="Fits Stable Diffusion XL and its descendants; goes with no other ControlNet.",
            citation=f"xinsir 2024, ControlNet++: all-in-one ControlNet; after {_ZHANG}",
            revision="801a4a3fa3d4c936f4feea95b98607bc6726f80c",
            files=("config.json", "diffusion_pytorch_model.safetensors"),  # beside it lies a second one, "promax"
        ),
        "sdxl",
        # Source: the model card; in the order of its config's `num_control_type`.
        {"openpose": 0, "depth": 1, "softedge": 2, "scribble": 2, "canny": 3, "lineart": 3, "mlsd": 3, "normalbae": 4}
        | {"seg": 5},
    ),
)

# What lets the embedded U-Net, which sees no mask, fill one: it is shown the picture with what is masked at -1, as
# control_v11p_sd15_inpaint is. It is the inpainting demo's own, and no drawing aid.
INPAINT_CONTROL = _embedded("inpaint", "Pictures with a hole, filled to fit,")


def controls_for(card: ModelCard) -> tuple[Control, ...]:
    """Return the ControlNets that fit a model."""
    return tuple(control for control in CONTROLS if control.base == abilities_of(card).base)


def with_controls(card: ModelCard, controls: Sequence[Control]) -> ModelCard:
    """Return a card for a model with ControlNets, in this order.

    Raises:
        InvalidInput: when one of them does not fit the model, or not the others.
    """
    for control in controls:
        if control not in controls_for(card):
            names = " or ".join(other.card.label for other in controls_for(card))
            raise InvalidInput(
                f"{control.card.label} does not fit {card.label}.",
                f"Choose {names}." if names else "Choose another model: this one has no ControlNets.",
            )
    if len(controls) > 1 and any(control.is_union for control in controls):
        raise InvalidInput(
            "The union reads several drawings itself, and goes with no other ControlNet.",
            "Choose the union alone, or single ControlNets.",
        )
    return composed(card, [control.card for control in controls])
