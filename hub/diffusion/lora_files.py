"""Reads LoRA files: checks what a user sends, and finds the layers of the model that it changes.

Trainers write the same numbers under many names. diffusers' own converters bring them all to one form; what is left to
do here is to refuse what is no LoRA, or one for another model, in words that help.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.diffusion.lora import Layer, Lora
from hub.errors import InvalidInput
from hub.pool import gigabytes

if TYPE_CHECKING:
    from torch import Tensor

    from hub.diffusion.loading import Components

MAX_BYTES = 1_500_000_000  # rank 128 on all of Stable Diffusion XL takes 0.7 GB; a whole model takes more than this
MAX_HEADER_BYTES = 25_000_000  # of JSON, which names each tensor
FORMAT = "Send a LoRA as a .safetensors file."
ADAPTERS = "lora_adapter_metadata"  # the note, JSON, in which diffusers keeps the alphas
OTHER_KINDS = {  # what else changes a model's layers, by a part of its tensors' names
    "hada_": "a LoHa",
    "lokr_": "a LoKr",
    "dora_scale": "a DoRA",
    "lora_magnitude_vector": "a DoRA",
    "lora_B.bias": "a LoRA with biases",
    "lora_mid": "a LoRA with a middle kernel (Tucker)",
}
OLD_DENOISER_NAMES = {".processor.": ".", ".to_out_lora": ".to_out.0", "_lora.down": ".down", "_lora.up": ".up"}
OLD_TEXT_NAMES = {
    ".to_q_lora": ".q_proj",
    ".to_k_lora": ".k_proj",
    ".to_v_lora": ".v_proj",
    ".to_out_lora": ".out_proj",
}
MATRIX = re.compile(r"(?P<layer>.+?)\.(lora\.|lora_linear_layer\.)?(?P<side>down|up|lora_A|lora_B)\.weight")
SIDES = {"down": "down", "lora_A": "down", "up": "up", "lora_B": "up"}


@dataclass(frozen=True)
class LoraFile:
    """A checked LoRA file: a genuine safetensors file of LoRA layers, not yet held against a model.

    Attributes:
        name: what the user called it.
        path: where it lies.
        digest: SHA-256 of its bytes; decides the result together with the scale.
        made_for: the model that its trainer noted, or "".
    """

    name: str
    path: Path
    digest: str
    made_for: str = ""


def checked_lora(source: str | Path | None, max_bytes: int = MAX_BYTES) -> LoraFile:
    """Check a LoRA file without loading it.

    Raises:
        InvalidInput: for nothing, a pickle, a damaged file, a whole model, or another kind of adapter.
    """
    if source is None or not Path(source).is_file():
        raise InvalidInput("There is no LoRA file.", FORMAT)
    path = Path(source)
    size = path.stat().st_size
    if size > max_bytes:
        raise InvalidInput(
            f"The LoRA has {gigabytes(size)}.", f"Send at most {gigabytes(max_bytes)}; a LoRA is a small file."
        )
    tensors, notes = _header(path, size)
    for sign, kind in OTHER_KINDS.items():
        if any(sign in name for name in tensors):
            raise InvalidInput(f"{path.name} is {kind}, which is not supported here.", "Send a plain LoRA.")
    if not any("lora" in name for name in tensors):
        raise InvalidInput(
            f"{path.name} holds no LoRA layers; it may be a whole model or an embedding.", "Send a LoRA file."
        )
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return LoraFile(path.name, path, digest.hexdigest(), str(notes.get("ss_base_model_version", ""))[:80])


def load_lora(file: LoraFile, components: Components) -> Lora:
    """Read a checked LoRA and find the layers that it changes.

    Raises:
        InvalidInput: when it was made for another model.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(file.path)
    except (SafetensorError, OSError) as error:
        raise InvalidInput(f"{file.name} is damaged.", "Download it again.") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise InvalidInput(f"{file.name} holds values that are not numbers.", "Train or download it again.")
    _, notes = _header(file.path, file.path.stat().st_size)
    matrices, alphas = _read(file, tensors, components)
    adapters = _adapters(notes)
    modules = {part: dict(components.parts[part].named_modules()) for part in {part for part, _ in matrices}}
    layers = []
    for (part, name), pair in sorted(matrices.items()):
        if len(pair) < 2:
            raise InvalidInput(f"{file.name} is incomplete: {name} has one matrix of two.", "Download it again.")
        alpha = alphas.get((part, name), _noted_alpha(part, name, adapters))
        strength = 1.0 if alpha is None else alpha / pair["down"].shape[0]
        layer = Layer(part, name, pair["down"], pair["up"], strength)
        layers.append(_fitted(file, layer, modules[part].get(name), components))
    return Lora(file.name, file.digest, tuple(layers))


def _header(path: Path, size: int) -> tuple[set[str], dict[str, str]]:
    """Return the tensors' names and the notes of a safetensors file.

    Source: the safetensors format: 8 bytes of length, little-endian, then as many of JSON, then the numbers.
    """
    with path.open("rb") as file:
        start = file.read(8)
        if start[:2] in (b"PK", b"\x80\x02", b"\x80\x04") or path.suffix in (".ckpt", ".pt", ".pth", ".bin"):
            raise InvalidInput(
                f"{path.name} is a pickle, which can run any code when it is opened; it was not opened.",
                "Ask its author for the .safetensors file, or convert it where you trust it.",
            )
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise InvalidInput(f"{path.name} is not a safetensors file, or cut off.", FORMAT)
        try:
            header = json.loads(file.read(length))
            notes = header.pop("__metadata__", {})
            _adapters(notes)
            ends = [int(tensor["data_offsets"][1]) for tensor in header.values()]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
            raise InvalidInput(f"{path.name} is not a safetensors file, or damaged.", FORMAT) from error
    if max(ends, default=0) != size - 8 - length:
        raise InvalidInput(f"{path.name} is cut off.", "Download it again.")
    return set(header), notes


def _read(
    file: LoraFile, tensors: dict[str, Tensor], components: Components
) -> tuple[dict[tuple[str, str], dict[str, Tensor]], dict[tuple[str, str], float]]:
    """Return the matrices "down" and "up", and what alphas stand beside them, by part of the model and layer."""
    import diffusers

    reader = getattr(diffusers, next(iter(components.family.pipelines.values())))
    if not hasattr(reader, "lora_state_dict"):
        raise InvalidInput(f"{components.card.label} takes no LoRA.", "Choose another model.")
    unet = {"unet_config": components.denoiser.config} if "unet" in components.parts else {}
    try:
        read = reader.lora_state_dict(tensors, **unet)
    except (ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise _other_model(file, components, "its layers have names that fit no layer of this model") from error
    tensors, noted = read if isinstance(read, tuple) else (read, {})
    matrices: dict[tuple[str, str], dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        part, name, side = _place(key, components)
        if part not in components.parts:
            raise _other_model(file, components, f"it changes a part {part!r}, which this model has not")
        if not side:
            raise _other_model(file, components, f"it holds {key!r}, which is no part of a LoRA")
        matrices.setdefault((part, name), {})[side] = tensor
    alphas = {_place(key.removesuffix(".alpha"), components)[:2]: float(alpha) for key, alpha in (noted or {}).items()}
    return matrices, alphas


def _place(key: str, components: Components) -> tuple[str, str, str]:
    """Return the part of the model, the layer and the matrix ("down", "up", or "") that a tensor's name means.

    The names are those of diffusers, of several years: "unet.….to_q.lora_A.weight", "unet.….to_q.lora.down.weight",
    "….attn1.processor.to_q_lora.down.weight", "text_encoder.….q_proj.lora_linear_layer.up.weight".
    """
    part, _, rest = key.partition(".")
    if part not in components.parts and not part.startswith(("text_encoder", "unet", "transformer")):
        part, rest = components.family.denoiser, key
    old = OLD_DENOISER_NAMES if part == components.family.denoiser else OLD_TEXT_NAMES
    for name, new in old.items():
        rest = rest.replace(name, new)
    if not hasattr(components.parts.get(part), "text_model"):
        rest = rest.removeprefix("text_model.")
    matrix = MATRIX.fullmatch(rest)
    return (part, matrix["layer"], SIDES[matrix["side"]]) if matrix else (part, rest, "")


def _adapters(notes: Mapping[str, str]) -> dict[str, Any]:
    """Return what diffusers noted of the adapters.

    Raises:
        ValueError, TypeError: when that is no JSON object.
    """
    found = json.loads(notes.get(ADAPTERS, "{}"))
    if not isinstance(found, dict):
        raise TypeError(f"expected an object, got {type(found).__name__}")
    return found


def _noted_alpha(part: str, name: str, adapters: Mapping[str, Any]) -> float | None:
    """Return the alpha that diffusers noted in the file; None where the matrices are meant as they are."""
    patterns, alpha = adapters.get(f"{part}.alpha_pattern"), adapters.get(f"{part}.lora_alpha")
    if isinstance(patterns, dict):
        alpha = patterns.get(name, alpha)
    return float(alpha) if isinstance(alpha, int | float) else None


def _fitted(file: LoraFile, layer: Layer, module: Any, components: Components) -> Layer:
    """Return a layer as its module takes it: some trainers write linear layers as convolutions of one pixel."""
    weight = getattr(module, "weight", None)
    if weight is None:
        raise _other_model(file, components, f"this model has no layer {layer.name}")
    if weight.ndim == 2 and layer.down.ndim == 4:
        layer = replace(layer, down=layer.down.flatten(1), up=layer.up.flatten(1))
    elif weight.ndim == 4 and layer.down.ndim == 2:
        layer = replace(layer, down=layer.down[:, :, None, None], up=layer.up[:, :, None, None])
    asked = (layer.up.shape[0], *layer.down.shape[1:])
    if tuple(weight.shape) != asked or layer.up.shape[1] != layer.down.shape[0]:
        shapes = " x ".join(map(str, asked)), " x ".join(map(str, weight.shape))
        raise _other_model(file, components, f"{layer.name} has {shapes[0]} in it and {shapes[1]} here")
    return layer.to(components.device, weight.dtype)


def _other_model(file: LoraFile, components: Components, why: str) -> InvalidInput:
    made_for = f" Its trainer noted {file.made_for}." if file.made_for else ""
    return InvalidInput(
        f"{file.name} does not fit {components.card.label}: {why}.{made_for}",
        "Choose the model that it was made for, or another LoRA.",
    )
