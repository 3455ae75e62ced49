"""A picture of a batch is computed as if it were alone: on a U-Net of the embedded size, with random weights."""

from __future__ import annotations

import pytest
import torch

from hub.diffusion.steady import as_if_alone
from training.stable_diffusion import make_unet

PICTURES = 5


@pytest.mark.parametrize("guided", [True, False], ids=["guided", "unguided"])
def test_every_picture_of_a_batch_is_what_it_would_be_alone_to_the_last_bit(guided: bool) -> None:
    torch.manual_seed(0)
    unet = make_unet((64, 128, 160), 16, 128).eval()
    rows = PICTURES * (2 if guided else 1)
    latents, words = torch.randn(rows, 16, 16, 16), torch.randn(rows, 48, 128)
    with torch.inference_mode():
        with as_if_alone(unet, PICTURES, guided):
            together = unet(latents, 500, words).sample
        for place in range(PICTURES):
            own = slice(place, None, PICTURES)
            with as_if_alone(unet, 1, guided):
                alone = unet(latents[own].contiguous(), 500, words[own].contiguous()).sample
            assert torch.equal(alone, together[own])
    assert not any("forward" in vars(layer) for layer in unet.modules())
