"""The parts of the small Stable Diffusion: U-Net, text encoder, noise schedule, and the pipeline that they make."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.latents import SIDE
from training.pictures import PICTURE_PX


def make_unet(channels: tuple[int, ...], latent_channels: int, text_width: int) -> UNet2DConditionModel:
    """Return an untrained U-Net; it attends to the prompt at 8 x 8 and 4 x 4 cells."""
    return UNet2DConditionModel(
        sample_size=SIDE,
        in_channels=latent_channels,
        out_channels=latent_channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=channels,
        layers_per_block=1,
        cross_attention_dim=text_width,
        attention_head_dim=4,  # the number of heads: diffusers keeps the name for compatibility
        norm_num_groups=16,
    )


def make_text_encoder(width: int, layers: int, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Return an untrained text encoder."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def make_scheduler() -> DDIMScheduler:
    """Return the noise schedule: Stable Diffusion's, rescaled so that it ends in pure noise.

    Source: Lin et al., Common diffusion noise schedules and sample steps are flawed, WACV 2024.
    """
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        rescale_betas_zero_snr=True,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,  # of no effect with trailing steps; diffusers warns without it
    )


def assemble(
    autoencoder: AutoencoderKL, text: CLIPTextModel, unet: UNet2DConditionModel, tokenizer: CLIPTokenizer
) -> StableDiffusionPipeline:
    """Put a pipeline together from its parts."""
    pipeline = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sample_sheet(pipeline: StableDiffusionPipeline, prompts: tuple[str, ...], columns: int = 6) -> Image.Image:
    """Draw one picture a prompt, 20 steps at guidance 3, seeds from 0, and set them in rows."""
    generators = [torch.Generator().manual_seed(seed) for seed in range(len(prompts))]
    pictures = pipeline(list(prompts), num_inference_steps=20, guidance_scale=3.0, generator=generators).images
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * PICTURE_PX, rows * PICTURE_PX))
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (place % columns * PICTURE_PX, place // columns * PICTURE_PX))
    return sheet
