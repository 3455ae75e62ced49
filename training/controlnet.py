"""Train the small ControlNets that steer the small Stable Diffusion: one by edges, one by depth.

A ControlNet (Zhang et al., Adding conditional control to text-to-image diffusion models, ICCV 2023) is a copy of the
U-Net's first half that also sees a control picture, and adds what it makes of it to the features of the U-Net, which
itself stays as it is. The layers that add start at zero, so the first step changes nothing.

Half of the prompts are left out: what the picture shows must then come from the control.

    python -m training.controlnet canny --base assets/models/tabletop-diffusion
    python -m training.controlnet depth --base assets/models/tabletop-diffusion

Both can be stopped at any time and taken up again.
"""

from __future__ import annotations

import argparse
import copy
import shutil
from abc import abstractmethod
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.distributed as dist
from diffusers import AutoencoderKL, ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from training.controls import edges, nearness
from training.dataset import CACHE, Table, views
from training.depth import GEOMETRIES, UNITS_PER_M
from training.diffusion import COUNT_SHARES, SHARD, draw_steps, read_prompts, velocity_loss
from training.latents import Latents
from training.pictures import PICTURE_PX
from training.prompts import prompt
from training.stages import Stage, StageOptions, prepare

UNPROMPTED = 0.5
SHEET = 6  # validation scenes on the sheet of samples


@dataclass(frozen=True)
class ControlOptions(StageOptions):
    """How to train a ControlNet; `output` gets the folder controlnet-KIND."""

    base: Path = Path("assets/models/tabletop-diffusion")
    output: Path = Path(".cache/diffusion")
    cache: Path = CACHE
    scenes: int = 24_000
    validation_scenes: int = 64
    samples: int = 100_000
    batch: int = 32
    warm_up: int = 2_000
    average: float = 0.995


class Controlling(Stage):
    """Learn to take noise away, told by a control picture what goes where."""

    LOSSES = ("noise_loss",)

    def __init__(self, options: ControlOptions) -> None:
        torch.manual_seed(options.seed)
        self.recipe = options
        self.base = StableDiffusionPipeline.from_pretrained(options.base, dtype=torch.float32).to(options.device)
        for part in (self.base.unet, self.base.text_encoder, self.base.vae):
            part.requires_grad_(False)
        net = ControlNetModel.from_unet(self.base.unet, conditioning_embedding_out_channels=(16, 32, 64, 96))
        for part in (self.base.unet, net):  # see training.diffusion
            part.set_attn_processor(AttnProcessor())
        super().__init__(options, net)
        self.averaged: ControlNetModel = self.average.module
        autoencoder: AutoencoderKL = self.base.vae
        self.alphas = self.base.scheduler.alphas_cumprod.to(options.device)
        table = Table(options.cache, "training", options.scenes)
        self.latents = Latents(autoencoder, table, options.work, 1, options.device)
        self.validation_table = Table(options.cache, "validation", options.validation_scenes)
        self.validation_table.fill(views(PICTURE_PX), np.arange(options.validation_scenes))
        self.validation = Latents(autoencoder, self.validation_table, options.work, 1, options.device)

    @abstractmethod
    def control(self, table: Table, row: int, rng: np.random.Generator | None) -> NDArray[np.uint8]:
        """Return the control picture (S, S) of a scene; drawn at random for training, as users get it without `rng`."""

    def losses(self) -> tuple[Tensor, ...]:
        """Return the loss of a batch."""
        rows = self.latents.choose(self.rng, self.recipe.batch, (0.0, *COUNT_SHARES[1:]))
        flips = self.rng.random(len(rows)) < 0.5
        noise = torch.randn((len(rows), *self.latents.cells["latents"].shape[2:]))
        steps = draw_steps(self.rng, len(rows), len(self.alphas))
        return (self._loss(self.model, self.latents, rows, flips, noise, steps, self.rng, UNPROMPTED),)

    def _loss(
        self,
        net: ControlNetModel,
        source: Latents,
        rows: NDArray[np.intp],
        flips: NDArray[np.bool_],
        noise: Tensor,
        steps: Tensor,
        rng: np.random.Generator,
        unprompted: float,
    ) -> Tensor:
        drawn = source.draw(rows, flips)
        prompts = ["" if rng.random() < unprompted else prompt(each, rng) for each in drawn.contents]
        controls = [self.control(source.table, int(row), rng) for row in rows]
        turned = [each[:, ::-1] if flip else each for each, flip in zip(controls, flips, strict=True)]
        pictures = torch.from_numpy(np.stack(turned)).float()[:, None].expand(-1, 3, -1, -1) / 255
        pictures = pictures.to(self.options.device)
        with torch.no_grad():
            words = read_prompts(self.base.tokenizer, self.base.text_encoder, prompts)

        def unet(noisy: Tensor, at: Tensor, told: Tensor) -> Tensor:
            down, middle = net(noisy, at, told, controlnet_cond=pictures, return_dict=False)
            seen: Tensor = self.base.unet(
                noisy, at, told, down_block_additional_residuals=down, mid_block_additional_residual=middle
            ).sample
            return seen

        return velocity_loss(unet, self.alphas, drawn.latents, noise, steps, words)

    @torch.no_grad()
    def examine(self) -> str:
        """Return the validation loss, and draw a sheet of controls and what they led to."""
        rng, losses = np.random.default_rng(0), []
        noises = torch.Generator().manual_seed(0)
        for start in range(0, self.recipe.validation_scenes, 32):
            rows = np.arange(start, min(start + 32, self.recipe.validation_scenes))
            flips = np.zeros(len(rows), bool)
            noise = torch.randn((len(rows), *self.latents.cells["latents"].shape[2:]), generator=noises)
            steps = draw_steps(rng, len(rows), len(self.alphas))
            losses.append(self._loss(self.averaged, self.validation, rows, flips, noise, steps, rng, 0.0))
        self._draw_sheet()
        return f"validation noise loss {torch.stack(losses).mean():.4f}"

    def _draw_sheet(self) -> None:
        parts = {**self.base.components, "controlnet": self.averaged}
        pipeline = StableDiffusionControlNetPipeline(**parts, requires_safety_checker=False)
        pipeline.set_progress_bar_config(disable=True)
        rng = np.random.default_rng(0)
        rows = range(min(SHEET, self.recipe.validation_scenes))
        controls = [Image.fromarray(self.control(self.validation_table, row, None)).convert("RGB") for row in rows]
        drawn = self.validation.draw(np.array(rows), np.zeros(len(rows), bool))
        results = pipeline(
            [prompt(each, rng) for each in drawn.contents],
            image=controls,
            num_inference_steps=20,
            guidance_scale=3.0,
            generator=[torch.Generator().manual_seed(row) for row in rows],
        ).images
        sheet = Image.new("RGB", (len(rows) * PICTURE_PX, 2 * PICTURE_PX))
        for place, (control, result) in enumerate(zip(controls, results, strict=True)):
            sheet.paste(control, (place * PICTURE_PX, 0))
            sheet.paste(result, (place * PICTURE_PX, PICTURE_PX))
        sheet.save(self.options.work / f"{self.NAME}.png")

    def export(self) -> None:
        """Save the averaged ControlNet in half precision."""
        folder = self.options.output / self.NAME
        shutil.rmtree(folder, ignore_errors=True)
        copy.deepcopy(self.averaged).to("cpu").half().save_pretrained(folder, max_shard_size=SHARD)


class Edges(Controlling):
    """Steered by edges, which may be broken off or thick: a hand draws no Canny edges."""

    NAME = "controlnet-canny"

    def control(self, table: Table, row: int, rng: np.random.Generator | None) -> NDArray[np.uint8]:
        """Return the edges of a scene's picture."""
        picture = np.asarray(table.cells(views(PICTURE_PX))[row]["rgb"])
        if rng is None:
            return edges(picture)
        low = rng.uniform(30, 150)
        drawn = edges(picture, low, low * rng.uniform(1.5, 3))
        if rng.random() < 0.2:
            drawn = np.asarray(cv2.dilate(drawn, np.ones((2, 2), np.uint8)), np.uint8)
        if rng.random() < 0.2:
            side = PICTURE_PX // 8
            kept = rng.random((8, 8)) < rng.uniform(0.6, 1.0)
            drawn = drawn * np.kron(kept, np.ones((side, side), np.uint8)).astype(np.uint8)
        return drawn


class Depths(Controlling):
    """Steered by how near everything is."""

    NAME = "controlnet-depth"

    def __init__(self, options: ControlOptions) -> None:
        super().__init__(options)
        self.validation_table.fill(GEOMETRIES, np.arange(options.validation_scenes))
        self.latents.table.fill(GEOMETRIES, self.latents.ready)

    def control(self, table: Table, row: int, rng: np.random.Generator | None) -> NDArray[np.uint8]:
        """Return the nearness of a scene; in training, blurred at times as an estimate is."""
        near = nearness(np.asarray(table.cells(GEOMETRIES)[row]["depth"]) / UNITS_PER_M)
        if rng is not None and rng.random() < 0.5:
            near = np.asarray(cv2.GaussianBlur(near, (0, 0), rng.uniform(0.3, 1.5)), np.uint8)
        return near


STAGES: dict[str, type[Controlling]] = {"canny": Edges, "depth": Depths}


def train(kind: str, options: ControlOptions) -> None:
    """Train a ControlNet, "canny" or "depth", to its end, or on from where it was stopped."""
    prepare(options.threads)
    STAGES[kind](options).run()
    if dist.is_initialized():
        dist.destroy_process_group()


def main() -> None:
    """Train one ControlNet with the options given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=sorted(STAGES))
    for field in fields(ControlOptions):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    given = vars(parser.parse_args())
    train(given.pop("kind"), ControlOptions(**given))


if __name__ == "__main__":
    main()
