"""Hands drawings to pipelines with ControlNets, whose arguments differ from pipeline to pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from hub.diffusion.families import Kind
from hub.diffusion.loading import Components

if TYPE_CHECKING:
    from torch import Tensor


def control_arguments(
    kind: Kind,
    components: Components,
    drawings: Sequence[Sequence[Image.Image]],
    size: tuple[int, int],
    modes: Sequence[int] = (),
) -> dict[str, Any]:
    """Return the arguments that hand drawings to a pipeline made by `hub.diffusion.loading.make`.

    Args:
        kind: what the pipeline does.
        components: what it was made of.
        drawings: for each control, one drawing for each picture of the batch.
        size: (width, height) in pixels of the pictures; drawings are fitted to it.
        modes: for a union, what kind each control is: a number of `Control.conditions`.
    """
    # As tensors: of several lists of pictures the pipelines would take one picture each, for the whole batch.
    shown = [_tensor(each, size) for each in drawings]
    name = "image" if kind == "controlnet" and not components.union else "control_image"
    if components.union:
        return {name: shown, "control_mode": list(modes)}
    return {name: shown[0] if len(components.controlnets) == 1 else shown}


def _tensor(pictures: Sequence[Image.Image], size: tuple[int, int]) -> Tensor:
    """Return pictures as (B, 3, height, width) float32, 0 to 1."""
    import torch

    fitted = [np.asarray(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)) for picture in pictures]
    return torch.from_numpy(np.stack(fitted)).permute(0, 3, 1, 2).float() / 255
