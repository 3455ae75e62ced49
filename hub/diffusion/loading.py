"""Loads the parts of a diffusion model, each once for all tabs, and puts diffusers' pipelines together from them."""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hub import weights
from hub.cards import ModelCard
from hub.demo import Loading
from hub.device import Device
from hub.diffusion import memory
from hub.diffusion.families import CONTROLNET_FAMILIES, CONTROLNET_KINDS, FAMILIES, Family, Kind
from hub.diffusion.lora import Lora
from hub.diffusion.lora_files import checked_lora, load_lora
from hub.diffusion.lora_hub import LORA_FAMILY
from hub.errors import InvalidInput
from hub.weights import LOCAL, SAFE_WEIGHTS


@dataclass(frozen=True, eq=False)
class Components:
    """The loaded parts of one model: what all pipelines over it share.

    Attributes:
        card: what was loaded; its `needs` name the ControlNets that came with it.
        parts: by the names of `Family.parts`: modules on the device, tokenizers, image processors.
        scheduler_class: of diffusers, the model's own scheduler.
        scheduler_config: its settings. Schedulers keep state, so every pipeline has one of its own.
        controlnets: in the order of the card's `needs`.
        lora: the LoRA of the Hub that the card was composed with.
        offloaded: whether weights wait in the machine's memory, because the device is too small for them.
    """

    card: ModelCard
    family: Family
    device: str
    dtype: str
    parts: Mapping[str, Any]
    scheduler_class: Any
    scheduler_config: Mapping[str, Any]
    controlnets: tuple[Any, ...] = ()
    lora: Lora | None = None
    offloaded: bool = False

    @property
    def denoiser(self) -> Any:
        """The U-Net or the transformer."""
        return self.parts[self.family.denoiser]

    @property
    def decoder(self) -> Any:
        """The autoencoder that turns latents into pixels."""
        return self.parts[self.family.decoder]

    @property
    def tokenizer(self) -> Any:
        """What cuts the prompt into tokens; a model with a prior has it there."""
        return self.parts.get("tokenizer") or self.parts["prior_tokenizer"]

    def modules(self) -> list[Any]:
        """Return the torch modules it holds on the device, for the pool's bookkeeping."""
        import torch

        if self.offloaded:
            return [self.decoder]
        return [part for part in (*self.parts.values(), *self.controlnets) if isinstance(part, torch.nn.Module)]

    def kinds(self) -> tuple[Kind, ...]:
        """Return what can be made of it. A U-Net trained for inpainting reads a mask too, and does nothing else."""
        table = self.family.union if self.union else self.family.pipelines
        kinds = tuple(kind for kind in table if (kind in CONTROLNET_KINDS) == bool(self.controlnets))
        if self.reads_mask:
            return tuple(kind for kind in kinds if kind.endswith("inpaint"))
        return kinds

    @property
    def union(self) -> bool:
        """Whether its ControlNet is a union, which is told what kind each drawing is."""
        return any(type(net).__name__ == "ControlNetUnionModel" for net in self.controlnets)

    @property
    def reads_mask(self) -> bool:
        """Whether the U-Net was trained for inpainting, and sees the mask and what it leaves of the picture."""
        config = self.denoiser.config
        return config.in_channels > getattr(config, "out_channels", config.in_channels)


def load_components(loading: Loading) -> Components:
    """Load the parts of a card, or take those that another pipeline holds.

    Raises:
        ModelUnavailable: when another repository that the card needs cannot be had.
    """
    card, family = loading.card, FAMILIES[loading.card.family]
    added = [(needed, weights.fetch(needed, loading.report)) for needed in card.needs]
    companions = {needed.family: (needed, folder) for needed, folder in added}
    parts = {}
    for name, part in family.parts.items():
        source, root = companions[part.companion] if part.companion else (card, loading.folder)
        stays = name == family.decoder  # small, and some pipelines change its precision on the way
        parts[name] = _shared(loading, source, root / part.folder, part.class_name, offload=not stays)
    controlnets = tuple(
        _shared(loading, needed, folder, CONTROLNET_FAMILIES[needed.family], offload=True)
        for needed, folder in added
        if needed.family in CONTROLNET_FAMILIES
    )
    scheduler_class, scheduler_config = _scheduler(loading.folder / "scheduler")
    components = Components(
        card,
        family,
        loading.device.name,
        dtype_on(loading.device, family),
        parts,
        scheduler_class,
        scheduler_config,
        controlnets,
        offloaded=loading.offload,
    )
    loras = [folder / needed.files[0] for needed, folder in added if needed.family == LORA_FAMILY]
    return replace(components, lora=load_lora(checked_lora(loras[0]), components)) if loras else components


def dtype_on(device: Device, family: Family) -> str:
    """Return how the weights of a family are held on a device, as torch spells it.

    A CPU computes in float32. On a GPU the U-Nets were trained and are used in float16, which keeps three bits more
    than bfloat16; a family that needs bfloat16's range says so.
    """
    return device.dtype if device.name == "cpu" or not family.cuda_dtype else family.cuda_dtype


def make(kind: Kind, components: Components, scheduler: Any = None) -> Any:
    """Put together a pipeline of diffusers; nothing is copied.

    Args:
        kind: what it is to do.
        components: the loaded parts.
        scheduler: an instance of its own; None makes the model's.

    Raises:
        InvalidInput: when the model cannot do it.
    """
    if kind not in components.kinds():
        able = ", ".join(components.kinds()) or "nothing of the kind"
        raise InvalidInput(f"{components.card.label} cannot do {kind}.", f"It can do {able}; choose another model.")
    import diffusers
    import torch

    # In float16 some pipelines lift the decoder to float32 for a while, and those for inpainting with a ControlNet of
    # Stable Diffusion XL leave it there; nothing is lost on the way up and back.
    components.decoder.to(dtype=getattr(torch, components.dtype))
    table = components.family.union if components.union else components.family.pipelines
    parts: dict[str, Any] = dict(components.parts)
    if components.controlnets:
        alone = len(components.controlnets) == 1
        parts["controlnet"] = components.controlnets[0] if alone else list(components.controlnets)
    if kind.endswith("inpaint") and "unet" in parts and not components.reads_mask:
        parts["unet"] = _four_channels(parts["unet"])
    own = scheduler or components.scheduler_class.from_config(components.scheduler_config)
    pipeline = getattr(diffusers, table[kind])(**parts, scheduler=own, **(components.family.arguments or {}))
    pipeline.set_progress_bar_config(disable=True)  # the hub shows progress
    return pipeline


def _four_channels(unet: Any) -> Any:
    """Return a view of a U-Net that says it has 4 inputs, over the same weights.

    The pipelines ask whether there are 4 where they mean: latents, and no mask. The embedded model's latents have more.
    """
    view = copy.copy(unet)
    view.register_to_config(in_channels=4)
    return view


def _shared(loading: Loading, card: ModelCard, folder: Path, class_name: str, *, offload: bool) -> Any:
    """Return one part, of which the pool keeps a single copy however many pipelines hold it."""
    device, dtype = loading.device.name, dtype_on(loading.device, FAMILIES[loading.card.family])
    waits = offload and loading.offload

    def build() -> Any:
        part = load_part(folder, class_name, "cpu" if waits else device, dtype, card.variant)
        if waits and hasattr(part, "forward"):
            memory.offload(part, device)
        return part

    return loading.share(("diffusion", card.source, card.revision, folder.name, device, dtype, waits), build)


def load_part(folder: Path, class_name: str, device: str, dtype: str, variant: str = "") -> Any:
    """Load one part of a model from its folder: a network, a tokenizer, an image processor or a scheduler."""
    import torch

    library, _, name = class_name.partition(".")
    part_class = getattr(importlib.import_module(library), name)
    if not issubclass(part_class, torch.nn.Module):
        return part_class.from_pretrained(folder, **LOCAL)
    network = part_class.from_pretrained(folder, dtype=getattr(torch, dtype), variant=variant or None, **SAFE_WEIGHTS)
    return network.to(device).eval().requires_grad_(False)


def _scheduler(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Return the class and the settings of a model's own scheduler."""
    import diffusers

    settings = json.loads((folder / "scheduler_config.json").read_text(encoding="utf-8"))
    found = getattr(diffusers, str(settings.get("_class_name")), None)
    if not (isinstance(found, type) and issubclass(found, diffusers.SchedulerMixin)):
        raise ValueError(f"{folder} names no scheduler of diffusers")
    return found, settings
