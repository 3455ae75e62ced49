"""Train the small Stable Diffusion that draws tabletop scenes from words, and save it as a genuine diffusers folder.

Three stages share one folder, a `StableDiffusionPipeline` that is complete after the second and better after each:

1. `autoencoder`: pictures to latents and back (`training.autoencoder`); its encoder is then frozen for good.
2. `denoiser`: the text encoder and the U-Net, together, on latents kept on disk. It predicts v (Salimans & Ho, 2022)
   under a schedule that ends in pure noise (Lin et al., 2024); a tenth of its prompts are empty, which guidance needs.
   In training only, a linear head on the U-Net's features names the solid that each cell is going to show: features
   that know what they draw are learned several times sooner (Yu et al., Representation alignment, 2025).
3. `decoder`: sharper pictures from the same latents.

All can be stopped at any time and taken up again, from `--work` with the optimizer's state, or from a saved folder.

    python -m training.dataset --scenes 60000 && python -m training.dataset --split validation --scenes 500
    python -m training.diffusion autoencoder
    python -m training.diffusion denoiser
    python -m training.diffusion decoder --samples 100000
    python -m training.diffusion denoiser --resume assets/models/tabletop-diffusion --samples 2000000
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from training.autoencoder import ATTRIBUTES, AutoencoderOptions, Autoencoding, Decoding, load_autoencoder
from training.dataset import CACHE, Table, views
from training.latents import Drawn, Latents
from training.pictures import PICTURE_PX
from training.prompts import make_tokenizer, prompt
from training.stable_diffusion import assemble, make_scheduler, make_text_encoder, make_unet, sample_sheet
from training.stages import Stage, StageOptions, prepare

SHARD = "9MB"  # of a weight file: the limit is 10 MiB
COUNT_SHARES = (0.04, 0.40, 0.36, 0.12, 0.08)  # of pictures with none, one, two, three and four solids
UNPROMPTED = 0.1  # share of pictures without a prompt, for guidance
NAMING_WEIGHT = 0.1
STATE = "training.json"  # in a saved folder: how far it has been trained

SHEET_PROMPTS = (
    "a red cube",
    "a large blue sphere on a sand table",
    "a small green cylinder",
    "a large yellow cone on a mint table",
    "a purple torus",
    "an orange cube on a sky table",
    "a red cube and a blue sphere",
    "a large green torus to the left of a small pink cone",
    "a cyan cylinder behind a yellow cube",
    "a large purple cone in front of a small orange sphere on a grey table",
    "a red sphere, a green cube and a blue cone",
    "an empty rose table",
)


@dataclass(frozen=True)
class Options(StageOptions):
    """How to train the denoiser."""

    cache: Path = CACHE
    scenes: int = 60_000
    empty_scenes: int = 1_000
    validation_scenes: int = 64
    samples: int = 1_500_000
    batch: int = 64  # Muon's share of a step's time is 30 % at 32
    average: float = 0.998
    channels: tuple[int, ...] = (64, 128, 160)
    text_width: int = 128
    text_layers: int = 3


class FeatureHead(nn.Module):
    """Name, from the U-Net's features, what every cell is going to show. For training only."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        block = unet.up_blocks[-2]  # its features have the latents' cells
        width = unet.config.block_out_channels[1]
        self.attributes = nn.ModuleList(nn.Conv2d(width, 1 + len(words), 1) for words in ATTRIBUTES)
        self.features: list[Tensor] = []
        block.register_forward_hook(lambda module, inputs, output: self.features.append(output))

    def forward(self, names: Tensor) -> Tensor:
        """Return the loss of the last features against names (B, 3, S, S), 0 where there is nothing."""
        features = self.features.pop()
        weights = torch.where(names[:, 0] > 0, 1.0, 0.2)
        losses = [
            F.cross_entropy(head(features).float(), names[:, index], reduction="none")
            for index, head in enumerate(self.attributes)
        ]
        return (torch.stack(losses).sum(0) * weights).sum() / weights.sum()


class Denoising(Stage):
    """Learn to take noise away, told what the picture shows."""

    NAME = "denoiser"
    LOSSES = ("noise_loss", "naming_loss")

    def __init__(self, options: Options, autoencoder: AutoencoderKL, resume: Path | None = None) -> None:
        torch.manual_seed(options.seed)
        self.recipe = options
        self.autoencoder = autoencoder.to(options.device).requires_grad_(False)
        self.scheduler, self.tokenizer = make_scheduler(), make_tokenizer()
        seen = 0
        if resume is not None:
            unet = UNet2DConditionModel.from_pretrained(resume / "unet", dtype=torch.float32, low_cpu_mem_usage=False)
            text = CLIPTextModel.from_pretrained(resume / "text_encoder", dtype=torch.float32)
            self.tokenizer = CLIPTokenizer.from_pretrained(resume / "tokenizer")
            seen = json.loads((resume / STATE).read_text(encoding="utf-8"))["samples"]
        else:
            unet = make_unet(options.channels, autoencoder.config.latent_channels, options.text_width)
            text = make_text_encoder(options.text_width, options.text_layers, self.tokenizer)
        # On a CPU the backward pass of plain attention is much quicker than that of the fused one.
        unet.set_attn_processor(AttnProcessor())
        text.set_attn_implementation("eager")
        head = FeatureHead(unet)
        self.parts = nn.ModuleDict({"unet": unet, "text": text})
        super().__init__(options, self.parts, head, seen)
        self.averaged = cast(nn.ModuleDict, self.average.module)
        self.alphas = self.scheduler.alphas_cumprod.to(options.device)
        table = Table(options.cache, "training", options.scenes)
        self.latents = Latents(self.autoencoder, table, options.work, options.empty_scenes, options.device)
        self.validation = self._validation()

    def losses(self) -> tuple[Tensor, ...]:
        """Return the losses of a batch: of v, and of names."""
        drawn = self.draw()
        prompts = ["" if self.rng.random() < UNPROMPTED else prompt(each, self.rng) for each in drawn.contents]
        noise = torch.randn(drawn.latents.shape)
        steps = draw_steps(self.rng, len(prompts), len(self.alphas))
        loss = self.noise_loss(self.parts, drawn.latents, noise, steps, prompts)
        return loss, NAMING_WEIGHT * self.head(drawn.names.to(self.options.device))

    def draw(self) -> Drawn:
        """Return a batch of latents, of one, two and other numbers of solids by `COUNT_SHARES`."""
        rows = self.latents.choose(self.rng, self.recipe.batch, COUNT_SHARES)
        return self.latents.draw(rows, self.rng.random(len(rows)) < 0.5)

    def noise_loss(
        self, model: nn.ModuleDict, latents: Tensor, noise: Tensor, steps: Tensor, prompts: list[str]
    ) -> Tensor:
        """Return the mean squared error of v for latents and noise (B, C, S, S), at the given steps (B,)."""
        words = read_prompts(self.tokenizer, model["text"], prompts)

        def unet(noisy: Tensor, at: Tensor, told: Tensor) -> Tensor:
            seen: Tensor = model["unet"](noisy, at, told).sample
            return seen

        return velocity_loss(unet, self.alphas, latents, noise, steps, words)

    def _validation(self) -> list[tuple[Tensor, Tensor, Tensor, list[str]]]:
        """Return batches of latents, noise, steps and prompts of validation scenes, always the same."""
        scenes = self.recipe.validation_scenes
        table = Table(self.recipe.cache, "validation", scenes)
        table.fill(views(PICTURE_PX), np.arange(scenes))
        latents = Latents(self.autoencoder, table, self.recipe.work, 1, self.options.device)
        rng, batches = np.random.default_rng(0), []
        for start in range(0, scenes, 32):
            rows = np.arange(start, min(start + 32, scenes))
            drawn = latents.draw(rows, np.zeros(len(rows), bool))
            noise = torch.from_numpy(rng.standard_normal(drawn.latents.shape, np.float32))
            steps = torch.from_numpy(rng.integers(0, self.scheduler.config.num_train_timesteps, len(rows)))
            batches.append((drawn.latents, noise, steps, [prompt(each, rng) for each in drawn.contents]))
        return batches

    @torch.no_grad()
    def examine(self) -> str:
        """Return the validation loss, and draw a sheet of pictures."""
        losses = [self.noise_loss(self.averaged, *batch) for batch in self.validation]
        pipeline = self.pipeline(self.autoencoder)
        sheet = sample_sheet(pipeline, SHEET_PROMPTS)
        sheet.save(self.options.work / "samples.png")
        sheet.save(self.options.work / f"samples-{self.seen:07d}.png")
        return f"validation noise loss {torch.stack(losses).mean():.4f}"

    def pipeline(self, autoencoder: AutoencoderKL) -> StableDiffusionPipeline:
        """Return a pipeline of the averaged weights."""
        return assemble(autoencoder, self.averaged["text"], self.averaged["unet"], self.tokenizer)

    def export(self) -> None:
        """Save the pipeline in half precision, with how far it has been trained."""
        folder = self.options.output
        model = copy.deepcopy(self.averaged).to("cpu").half()
        # The folder's own decoder may have been trained on meanwhile.
        saved = load_autoencoder(folder) if (folder / "vae").exists() else copy.deepcopy(self.autoencoder)
        pipeline = assemble(saved.to("cpu").half(), model["text"], model["unet"], self.tokenizer)
        for part in ("unet", "text_encoder"):
            shutil.rmtree(folder / part, ignore_errors=True)  # shards of another number would stay
        pipeline.save_pretrained(folder, max_shard_size=SHARD)
        (folder / STATE).write_text(json.dumps({"samples": self.seen}) + "\n", encoding="utf-8")


# --- Noise, steps, words ----------------------------------------------------------------------------------------------


def draw_steps(rng: np.random.Generator, count: int, steps: int) -> Tensor:
    """Draw one step out of each of `count` equal parts of the schedule: the loss of a batch varies less."""
    parts = (np.arange(count) + rng.random(count)) / count
    return torch.from_numpy((parts * steps).astype(np.int64))


def read_prompts(tokenizer: CLIPTokenizer, text: CLIPTextModel, prompts: list[str]) -> Tensor:
    """Return what the text encoder makes of prompts, (B, tokens, width)."""
    tokens = tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    words: Tensor = text(tokens.to(text.device)).last_hidden_state
    return words


def velocity_loss(
    unet: Callable[[Tensor, Tensor, Tensor], Tensor],
    alphas: Tensor,
    latents: Tensor,
    noise: Tensor,
    steps: Tensor,
    words: Tensor,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the mean squared error of v = sqrt(a) noise - sqrt(1 - a) latents, (B, C, S, S), at the steps (B,).

    With `weights` (B, 1, S, S), of mean 1, the squared errors of some cells count more than those of others.

    Source: Salimans & Ho, Progressive distillation for fast sampling of diffusion models, 2022, appendix D.
    """
    latents, noise, steps = latents.to(alphas.device), noise.to(alphas.device), steps.to(alphas.device)
    signal = alphas[steps].sqrt()[:, None, None, None]
    spread = (1 - alphas[steps]).sqrt()[:, None, None, None]
    seen = unet(signal * latents + spread * noise, steps, words)
    squared = (seen.float() - (signal * noise - spread * latents)).square()
    return squared.mean() if weights is None else (weights * squared).mean()


# --- The command line -------------------------------------------------------------------------------------------------


def train(stage: str, options: AutoencoderOptions | Options, resume: Path | None = None) -> None:
    """Run a stage to its end, or on from where it was stopped.

    Args:
        stage: "autoencoder", "denoiser" or "decoder".
        options: an `AutoencoderOptions` for the first and the last, an `Options` for the second.
        resume: a saved pipeline to go on from where `options.work` holds no checkpoint of the stage.
    """
    prepare(options.threads)
    saved = resume or options.output
    if isinstance(options, Options):
        Denoising(options, load_autoencoder(saved), resume).run()
    elif stage == "autoencoder":
        Autoencoding(options, load_autoencoder(resume) if resume else None).run()
    else:
        Decoding(options, load_autoencoder(saved)).run()
    if dist.is_initialized():
        dist.destroy_process_group()


def main() -> None:
    """Train one stage with the options given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    stages = parser.add_subparsers(dest="stage", required=True)
    for stage, kind in (("autoencoder", AutoencoderOptions), ("denoiser", Options), ("decoder", AutoencoderOptions)):
        command = stages.add_parser(stage)
        command.add_argument("--resume", type=Path, help="a saved pipeline to go on from")
        for field in fields(kind):
            if isinstance(field.default, (int, float, str, Path)) and not isinstance(field.default, bool):
                name, convert = f"--{field.name.replace('_', '-')}", type(field.default)
                command.add_argument(name, type=Path if isinstance(field.default, Path) else convert)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    stage, resume = given.pop("stage"), given.pop("resume", None)
    train(stage, (Options if stage == "denoiser" else AutoencoderOptions)(**given), resume)


if __name__ == "__main__":
    main()
