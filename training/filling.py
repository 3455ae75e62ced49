"""Fill holes in pictures with the ControlNet for inpainting, exactly as the inpainting tab does."""

from __future__ import annotations

import copy

import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetInpaintPipeline, StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from training.autoencoder import CELL_PX
from training.latents import SIDE


def filler(base: StableDiffusionPipeline, net: ControlNetModel) -> StableDiffusionControlNetInpaintPipeline:
    """Return the pipeline that fills holes with a ControlNet, over the parts of a text-to-image pipeline."""
    unet = copy.copy(base.unet)
    # Where the pipeline asks whether there are 4 inputs it means: latents, and no mask. Ours have more channels.
    unet.register_to_config(in_channels=4)
    parts = {**base.components, "unet": unet, "controlnet": net}
    pipeline = StableDiffusionControlNetInpaintPipeline(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def fill(
    pipeline: StableDiffusionControlNetInpaintPipeline,
    prompts: list[str],
    pictures: NDArray[np.uint8],
    holes: NDArray[np.bool_],
    generators: list[torch.Generator],
    steps: int = 20,
    guidance: float = 3.0,
) -> list[Image.Image]:
    """Fill the holes (B, S, S) of pictures (B, S, S, 3); cells of the latents that a hole touches are drawn anew."""
    redrawn = whole_cells(holes).repeat(CELL_PX, -1).repeat(CELL_PX, -2)
    images: list[Image.Image] = pipeline(
        prompts,
        image=as_tensor(pictures / 255),
        mask_image=torch.from_numpy(redrawn[:, None].astype(np.float32)),
        control_image=as_tensor(with_hole(pictures, holes)),
        strength=1.0,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=generators,
    ).images
    return images


def with_hole(pictures: NDArray[np.uint8], holes: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the control of pictures (..., S, S, 3): 0 to 1, and -1 in their holes (..., S, S)."""
    return np.where(holes[..., None], np.float32(-1), pictures / np.float32(255))


def whole_cells(holes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which cells (..., s, s) of the latents holes (..., S, S) touch."""
    return np.asarray(holes.reshape(*holes.shape[:-2], SIDE, CELL_PX, SIDE, CELL_PX).any((-1, -3)))


def as_tensor(pictures: NDArray[np.floating]) -> Tensor:
    """Return pictures (B, S, S, 3) as a tensor (B, 3, S, S), float32."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32))
