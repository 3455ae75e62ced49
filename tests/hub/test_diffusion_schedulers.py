"""Every scheduler with the embedded model's schedule, which ends in pure noise, and with Stable Diffusion's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from hub.diffusion import guesses, schedulers
from hub.diffusion.abilities import OWN

STABLE_DIFFUSION = {
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "clip_sample": False,
}
PURE_NOISE = {
    **STABLE_DIFFUSION,
    "_class_name": "DDIMScheduler",
    "rescale_betas_zero_snr": True,
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "set_alpha_to_one": True,
}
EVERY = [*schedulers.SCHEDULERS, OWN]


class Oracle(torch.nn.Module):
    """A denoiser that knows the finished picture, and predicts what leads to it."""

    def __init__(self, picture: Tensor, alphas: Tensor, kind: str) -> None:
        super().__init__()
        self.picture, self.alphas, self.kind = picture, alphas, kind
        self.config = UNet2DConditionModel(sample_size=8, cross_attention_dim=8).config
        self.config.out_channels = picture.shape[1]

    def forward(self, sample: Tensor, time: Tensor) -> tuple[Tensor]:
        signal = self.alphas[round(float(time))] ** 0.5
        spread = (1 - signal**2) ** 0.5
        noise = (sample - signal * self.picture) / spread
        return (signal * noise - spread * self.picture if self.kind == "v_prediction" else noise,)


def drawn(name: str, config: dict[str, Any], steps: int) -> tuple[Tensor, Tensor, list[guesses.Step]]:
    """Return the oracle's picture, what the scheduler made of it from noise, and the guesses on the way."""
    scheduler = schedulers.make(name, config)
    picture = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    oracle = Oracle(picture, scheduler.alphas_cumprod, scheduler.config.prediction_type)
    noises = [torch.Generator().manual_seed(seed) for seed in (2, 3)]
    scheduler.set_timesteps(steps)
    latents = torch.cat([torch.randn(1, 4, 8, 8, generator=each) for each in noises]) * scheduler.init_noise_sigma
    with guesses.listening(oracle, scheduler, 1.0, 2) as heard:
        for time in scheduler.timesteps:
            (predicted,) = oracle(scheduler.scale_model_input(latents, time), time)
            latents = scheduler.step(predicted, time, latents, return_dict=False)[0]
    return picture, latents, heard.steps


@pytest.mark.parametrize("steps", [1, 4, 20])
@pytest.mark.parametrize("name", EVERY)
def test_from_pure_noise_a_perfect_denoiser_is_followed_to_its_picture(name: str, steps: int) -> None:
    picture, latents, _ = drawn(name, PURE_NOISE, steps)
    assert (latents - picture).abs().max() < 0.02


@pytest.mark.parametrize("name", ["ddim", "dpm++", "euler", "unipc"])
def test_with_the_usual_schedule_a_perfect_denoiser_is_followed_to_its_picture(name: str) -> None:
    picture, latents, _ = drawn(name, STABLE_DIFFUSION, 20)
    assert (latents - picture).abs().max() < 0.1  # the last step ends a little above no noise


@pytest.mark.parametrize("config", [PURE_NOISE, STABLE_DIFFUSION], ids=["v", "noise"])
@pytest.mark.parametrize("name", ["ddim", "dpm++", "euler", "unipc", "lcm"])
def test_the_guess_at_every_step_is_the_picture_that_a_perfect_denoiser_knows(
    name: str, config: dict[str, Any]
) -> None:
    picture, _, heard = drawn(name, config, 8)
    assert len(heard) == 8
    for step in heard:
        assert (step.guess - picture).abs().max() < 0.05
        assert step.without is None


def test_guidance_goes_on_from_the_guess_without_the_prompt_past_the_one_with_it() -> None:
    found = guesses.Guesses(guidance=3.0)
    seen, predicted = torch.zeros(4, 4, 2, 2), torch.zeros(4, 4, 2, 2)
    predicted[:2], predicted[2:] = -1.0, -2.0  # v: without the prompt, and with it
    found._add(seen, predicted, 0.0, 1.0, "v_prediction", guided=True)
    (step,) = found.steps
    assert step.without is not None
    assert step.given is not None
    assert [float(part.unique()) for part in (step.without, step.given, step.guess)] == [1.0, 2.0, 4.0]


def test_a_flow_is_read_off_two_latents() -> None:
    picture, noise = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    before, after = (0.2 * picture + 0.8 * noise), (0.5 * picture + 0.5 * noise)
    torch.testing.assert_close(guesses.of_flow(before, after, 0.8, 0.5).guess, picture)


@pytest.mark.parametrize("name", [*schedulers.SCHEDULERS])
def test_every_scheduler_starts_where_there_is_nothing_but_noise(name: str) -> None:
    scheduler = schedulers.make(name, PURE_NOISE)
    scheduler.set_timesteps(5)
    assert scheduler.timesteps[0] == 999
    assert scheduler.alphas_cumprod[999] < 1e-6
    assert scheduler.config.prediction_type == "v_prediction"
