"""LoRAs with random weights, saved as diffusers saves them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from hub.diffusion.loading import Components

RANK = 2
LAYERS = ("to_q", "to_v", "conv1")


def save_lora(components: Components, path: Path, seed: int = 0, strength: float = 0.2) -> Path:
    """Write a LoRA that changes some layers of a model's denoiser, and return where."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, layer in components.denoiser.named_modules():
        if name.endswith(LAYERS):
            outputs, inputs, *window = layer.weight.shape
            shapes = {"lora_A": (RANK, inputs, *window), "lora_B": (outputs, RANK, *(1 for _ in window))}
            for side, shape in shapes.items():
                matrix = torch.randn(shape, generator=generator) * strength
                tensors[f"{components.family.denoiser}.{name}.{side}.weight"] = matrix
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path
