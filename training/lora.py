"""Teach the small Stable Diffusion another look, with a LoRA: a file of a few hundred kilobytes beside its weights.

The pictures are those of the training scenes, rendered as always and then changed into the look; prompts stay what they
were, so the LoRA learns the look and nothing else. The model is frozen; peft adds to each chosen layer two thin
matrices, of which `up` begins at zero, so that training starts from the model itself.

    python -m training.lora --look clay
    python -m training.lora --look clay --samples 30000     # goes on where it was stopped

Source: Hu et al. 2021, LoRA, arXiv:2106.09685.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from diffusers.training_utils import _collate_lora_metadata
from numpy.typing import NDArray
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor

from tabletop.render import View, render
from tabletop.sampling import sample_scene
from tabletop.world import TRAINING_SEEDS, VALIDATION_SEEDS
from training.diffusion import UNPROMPTED, draw_steps, read_prompts, velocity_loss
from training.loop import bfloat16_is_quick
from training.pictures import PICTURE_PX
from training.prompts import Contents, contents, prompt
from training.stable_diffusion import sample_sheet
from training.stages import prepare

LAYERS = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "conv1", "conv2")
SAVE_S = 120  # of training, between two checkpoints
LOG_STEPS = 50

CLAY_RGB = np.array([0.76, 0.55, 0.42])  # fired terracotta, sRGB
CLAY_SHARE = 0.65  # of a solid's colour; the rest stays, so that prompts still name it
CONTOUR = 0.55  # brightness where two surfaces meet
SHEET_PROMPTS = (
    "a red cube",
    "a large blue sphere on a sand table",
    "a green cylinder and a yellow cone",
    "a large green torus to the left of a small pink cone",
    "a cyan cylinder behind a yellow cube",
    "an empty rose table",
)


def clay(view: View) -> NDArray[np.uint8]:
    """Return a view as if everything were modelled in clay: matte, nearly one colour, with a line around each thing."""
    rgb = view.rgb / 255.0
    light = rgb.mean(-1, keepdims=True)
    matte = 0.35 + 0.65 * light  # no deep shadow and no highlight
    tinted = (1 - CLAY_SHARE) * rgb + CLAY_SHARE * CLAY_RGB * matte / 0.8
    edges = np.zeros(view.ids.shape, bool)
    edges[1:] |= view.ids[1:] != view.ids[:-1]
    edges[:, 1:] |= view.ids[:, 1:] != view.ids[:, :-1]
    tinted[edges] *= CONTOUR
    return (np.clip(tinted, 0, 1) * 255).round().astype(np.uint8)


LOOKS: dict[str, Callable[[View], NDArray[np.uint8]]] = {"clay": clay}


@dataclass(frozen=True)
class Options:
    """How to train a LoRA. It ends after `samples`."""

    look: str = "clay"
    model: Path = Path("assets/models/tabletop-diffusion")
    work: Path = Path(".cache/lora")  # for the state and the log
    output: Path = Path(".cache/lora/clay")
    scenes: int = 2_000
    validation_scenes: int = 64
    samples: int = 10_000
    batch: int = 32
    rank: int = 8
    learning_rate: float = 1e-3
    warm_up: int = 1_000  # samples
    threads: int = 1
    seed: int = 0
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


class Training:
    """A frozen model, the matrices that are trained beside it, and the loop."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.pipeline = StableDiffusionPipeline.from_pretrained(options.model, dtype=torch.float32).to(options.device)
        self.pipeline.set_progress_bar_config(disable=True)
        for part in (self.pipeline.unet, self.pipeline.vae, self.pipeline.text_encoder):
            part.requires_grad_(False)
        torch.manual_seed(options.seed)
        config = LoraConfig(r=options.rank, lora_alpha=options.rank, target_modules=list(LAYERS))
        self.pipeline.unet.add_adapter(config)
        self.learned = [parameter for parameter in self.pipeline.unet.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.learned, options.learning_rate, weight_decay=0.0)
        self.alphas = self.pipeline.scheduler.alphas_cumprod.to(options.device)
        self.seen = 0
        options.work.mkdir(parents=True, exist_ok=True)
        self.checkpoint = options.work / f"{options.look}.pt"
        if self.checkpoint.exists():
            self._restore()
        # The seed counts what was seen, so that a run taken up again does not draw the same batches twice.
        self.rng = np.random.default_rng((options.seed, self.seen))
        torch.manual_seed(int(self.rng.integers(2**31)))
        self.latents, self.contents = self._drawn(TRAINING_SEEDS[: options.scenes])
        self.validation = self._drawn(VALIDATION_SEEDS[: options.validation_scenes])

    def run(self) -> None:
        """Train until `samples` have been seen, saving the state and the LoRA on the way."""
        saved, losses = time.monotonic(), []
        while self.seen < self.options.samples:
            losses.append(self._step())
            self.seen += self.options.batch
            finished = self.seen >= self.options.samples
            if len(losses) >= LOG_STEPS or finished:
                print(f"{self.seen} {np.mean(losses):.4f}", flush=True)
                losses = []
            if time.monotonic() - saved >= SAVE_S or finished:
                self.save()
                saved = time.monotonic()

    def save(self) -> None:
        """Write the state and the LoRA, and draw a sheet of pictures."""
        state = {
            "adapter": get_peft_model_state_dict(self.pipeline.unet),
            "optimizer": self.optimizer.state_dict(),
            "seen": self.seen,
        }
        part = self.checkpoint.with_suffix(".part")  # a crash while writing must not cost the last good one
        torch.save(state, part)
        part.rename(self.checkpoint)
        halves = {name: matrix.half() for name, matrix in state["adapter"].items()}
        StableDiffusionPipeline.save_lora_weights(
            self.options.output, unet_lora_layers=halves, **_collate_lora_metadata({"unet": self.pipeline.unet})
        )
        sample_sheet(self.pipeline, SHEET_PROMPTS, columns=3).save(self.options.work / f"{self.options.look}.png")
        self.pipeline.unet.disable_adapters()
        before = self.examine()
        self.pipeline.unet.enable_adapters()
        told = {"samples": self.seen, "scenes": self.options.scenes, "before": before, "after": self.examine()}
        (self.options.work / f"{self.options.look}.json").write_text(json.dumps(told) + "\n", encoding="utf-8")
        print(f"{self.options.look}, loss on validation scenes without it and with it: {told}", flush=True)

    @torch.no_grad()
    def examine(self) -> float:
        """Return the loss on validation scenes in the look, always at the same noise and steps."""
        latents, told = self.validation
        rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
        noise = torch.randn(latents.shape, generator=generator)
        steps = torch.linspace(0, len(self.alphas) - 1, len(latents)).long()
        return self._loss(latents, noise, steps, [prompt(each, rng) for each in told]).item()

    def _step(self) -> float:
        """Learn from one batch; return its loss."""
        options, batch = self.options, self.options.batch
        for group in self.optimizer.param_groups:
            group["lr"] = options.learning_rate * self._rate()
        rows = self.rng.integers(len(self.latents), size=batch)
        prompts = [
            "" if self.rng.random() < UNPROMPTED else prompt(self.contents[row], self.rng) for row in rows.tolist()
        ]
        steps = draw_steps(self.rng, batch, len(self.alphas))
        with torch.autocast(options.device, torch.bfloat16, enabled=bfloat16_is_quick(options.device)):
            loss = self._loss(self.latents[rows], torch.randn(self.latents[rows].shape), steps, prompts)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.learned, 1.0)
        self.optimizer.step()
        return loss.item()

    def _loss(self, latents: Tensor, noise: Tensor, steps: Tensor, prompts: list[str]) -> Tensor:
        """Return the loss of v for latents and noise (B, C, S, S), at the given steps (B,)."""
        with torch.no_grad():
            words = read_prompts(self.pipeline.tokenizer, self.pipeline.text_encoder, prompts)

        def unet(noisy: Tensor, at: Tensor, told: Tensor) -> Tensor:
            seen: Tensor = self.pipeline.unet(noisy, at, told).sample
            return seen

        return velocity_loss(unet, self.alphas, latents, noise, steps, words)

    def _rate(self) -> float:
        """Return the share of the learning rate: up at the beginning, then down to nothing along half a cosine."""
        options = self.options
        up = (self.seen + options.batch) / max(options.warm_up, 1)
        return float(min(1.0, up) * 0.5 * (1 + np.cos(np.pi * min(self.seen / options.samples, 1.0))))

    @torch.no_grad()
    def _drawn(self, seeds: range) -> tuple[Tensor, list[Contents]]:
        """Return the latents (N, C, S, S) of scenes in the look, scaled as the U-Net wants them, and what they show."""
        look, autoencoder, latents, told = LOOKS[self.options.look], self.pipeline.vae, [], []
        for seed in seeds:
            scene = sample_scene(seed)
            pixels = torch.from_numpy(look(render(scene, PICTURE_PX)).transpose(2, 0, 1).copy()).float() / 127.5 - 1
            encoded = autoencoder.encode(pixels[None].to(self.options.device)).latent_dist.mean
            latents.append(encoded.cpu() * autoencoder.config.scaling_factor)
            told.append(contents(scene))
        return torch.cat(latents), told

    def _restore(self) -> None:
        saved = torch.load(self.checkpoint, map_location=self.options.device, weights_only=True)
        set_peft_model_state_dict(self.pipeline.unet, saved["adapter"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.seen = saved["seen"]


def main() -> None:
    """Train a LoRA with the options given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for field in fields(Options):
        kind = Path if isinstance(field.default, Path) else type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    options = Options(**vars(parser.parse_args()))
    prepare(options.threads)
    Training(options).run()


if __name__ == "__main__":
    main()
