from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL

from hub.diffusion.preview import FRAME_PX, QuickLook, made_up, to_bytes, to_latents, to_pixels


class LinearDecoder(torch.nn.Module):
    """An autoencoder whose latents are the picture itself, four times as coarse: what a quick look can learn whole."""

    config = type("Config", (), {"scaling_factor": 2.0, "shift_factor": 0.5})()

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def encode(self, pictures: torch.Tensor) -> object:
        latents = torch.nn.functional.pixel_unshuffle(pictures, 4)
        return type("Encoded", (), {"latent_dist": type("Mode", (), {"mode": lambda self: latents})()})()


def test_what_is_linear_is_learned_whole() -> None:
    decoder = LinearDecoder()
    look = QuickLook.fit(decoder)
    pictures = torch.from_numpy(made_up(seed=5))[:3]
    seen = look(to_latents(decoder, pictures)).astype(int)
    assert abs(seen - to_bytes(pictures)).mean() < 4
    assert look.cell_px == 4


def test_fitting_leaves_a_half_precision_autoencoder_as_it_was() -> None:
    torch.manual_seed(0)
    decoder = (
        AutoencoderKL(
            block_out_channels=(8, 8),
            norm_num_groups=4,
            latent_channels=4,
            down_block_types=["DownEncoderBlock2D"] * 2,
            up_block_types=["UpDecoderBlock2D"] * 2,
        )
        .eval()
        .half()
    )
    before = {name: value.clone() for name, value in decoder.state_dict().items()}
    look = QuickLook.fit(decoder)
    assert next(decoder.parameters()).dtype == torch.float16
    assert all(torch.equal(value, before[name]) for name, value in decoder.state_dict().items())
    assert look(torch.zeros(2, 4, 8, 6)).shape == (2, 16, 12, 3)


def test_a_large_picture_is_looked_at_in_small() -> None:
    look = QuickLook.fit(LinearDecoder())
    assert max(look(torch.zeros(1, 48, 256, 128)).shape) == FRAME_PX


def test_pixels_of_a_pipelines_latents_are_those_of_its_decoder() -> None:
    torch.manual_seed(0)
    decoder = AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        latent_channels=4,
        scaling_factor=0.2,
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
    ).eval()
    latents = torch.randn(3, 4, 8, 8)
    with torch.inference_mode():
        expected = torch.cat([decoder.decode(row[None] / 0.2).sample for row in latents])
    torch.testing.assert_close(to_pixels(decoder, latents), expected)


def test_made_up_pictures_are_varied_and_in_range() -> None:
    pictures = made_up()
    assert -1 <= pictures.min() < -0.5
    assert 0.5 < pictures.max() <= 1
    assert pictures.std((0, 2, 3)).min() > 0.2
    assert not np.array_equal(pictures[0], pictures[1])
