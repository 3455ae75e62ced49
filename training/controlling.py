"""What every ControlNet's training shares: a frozen model, what the ControlNet is shown, and the loss."""

from __future__ import annotations

import copy
import shutil
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from training.dataset import CACHE, Table, views
from training.diffusion import COUNT_SHARES, SHARD, draw_steps, read_prompts, velocity_loss
from training.filling import as_tensor
from training.latents import Latents
from training.pictures import PICTURE_PX
from training.prompts import Contents, part_of, prompt
from training.stages import Stage, StageOptions

COUNTED = (0.0, *COUNT_SHARES[1:])  # the denoiser's shares of pictures with one solid, two, ...: none are without
EMBEDDING = (8, 16, 32, 64)  # channels of the layers that shrink a control; twice as many take a third more time
SHEET = 6  # validation scenes on the sheet of samples


@dataclass(frozen=True)
class ControlOptions(StageOptions):
    """How to train a ControlNet; `output` gets the folder controlnet-KIND."""

    base: Path = Path("assets/models/tabletop-diffusion")
    start: str = ""  # a ControlNet, of another kind perhaps, to begin with; "" begins with a copy of the base's U-Net
    output: Path = Path(".cache/diffusion")
    cache: Path = CACHE
    scenes: int = 24_000
    validation_scenes: int = 64
    samples: int = 40_000
    batch: int = 32
    warm_up: int = 2_000
    average: float = 0.99


@dataclass(frozen=True)
class Shown:
    """What a ControlNet is shown of a batch.

    Attributes:
        pictures: (B, S, S, 3), the controls, 0 to 1; -1 where something is masked.
        named: the solids that each prompt may name, counted from 0; None for all.
        weights: (B, 1, s, s) float32, how much the errors of the latents' cells count; their mean is 1.
    """

    pictures: NDArray[np.floating]
    named: Sequence[Sequence[int] | None]
    weights: NDArray[np.float32]

    def told(self, contents: Sequence[Contents]) -> list[Contents]:
        """Return what the prompts may say of pictures with these contents."""
        pairs = zip(contents, self.named, strict=True)
        return [each if named is None else part_of(each, named) for each, named in pairs]


class Controlling(Stage):
    """Learn to take noise away, told by a control picture what goes where."""

    LOSSES = ("noise_loss",)
    UNPROMPTED: ClassVar[float]  # share of the prompts that are left out

    def __init__(self, options: ControlOptions) -> None:
        torch.manual_seed(options.seed)
        self.recipe = options
        self.base = StableDiffusionPipeline.from_pretrained(options.base, dtype=torch.float32).to(options.device)
        for part in (self.base.unet, self.base.text_encoder, self.base.vae):
            part.requires_grad_(False)
        if options.start:
            net = ControlNetModel.from_pretrained(options.start, dtype=torch.float32, low_cpu_mem_usage=False)
        else:
            net = ControlNetModel.from_unet(self.base.unet, conditioning_embedding_out_channels=EMBEDDING)
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
    def shown(self, source: Latents, rows: NDArray[np.intp], rng: np.random.Generator | None) -> Shown:
        """Return what is shown of scenes; drawn at random for training, as users get it without `rng`."""

    @abstractmethod
    def draw(self, prompts: list[str], shown: Shown, generators: list[torch.Generator]) -> list[Image.Image]:
        """Draw pictures of the validation scenes as users do, for the sheet."""

    def losses(self) -> tuple[Tensor, ...]:
        """Return the loss of a batch."""
        rows = self.latents.choose(self.rng, self.recipe.batch, COUNTED)
        flips = self.rng.random(len(rows)) < 0.5
        noise = torch.randn((len(rows), *self.latents.cells["latents"].shape[2:]))
        # More of those with much noise: there the control decides; later the picture itself shows what goes where.
        share = draw_steps(self.rng, len(rows), len(self.alphas)) / len(self.alphas)
        steps = (share.sqrt() * len(self.alphas)).long()
        return (self._loss(self.model, self.latents, rows, flips, noise, steps, self.rng, self.UNPROMPTED),)

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
        shown = self.shown(source, rows, rng)
        drawn = source.draw(rows, flips)
        prompts = ["" if rng.random() < unprompted else prompt(each, rng) for each in shown.told(drawn.contents)]
        turned = flips[:, None, None, None]
        pictures = as_tensor(np.where(turned, shown.pictures[:, :, ::-1], shown.pictures)).to(self.options.device)
        weights = torch.from_numpy(np.where(turned, shown.weights[..., ::-1], shown.weights)).to(self.options.device)
        with torch.no_grad():
            words = read_prompts(self.base.tokenizer, self.base.text_encoder, prompts)

        def unet(noisy: Tensor, at: Tensor, told: Tensor) -> Tensor:
            down, middle = net(noisy, at, told, controlnet_cond=pictures, return_dict=False)
            seen: Tensor = self.base.unet(
                noisy, at, told, down_block_additional_residuals=down, mid_block_additional_residual=middle
            ).sample
            return seen

        return velocity_loss(unet, self.alphas, drawn.latents, noise, steps, words, weights)

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
        rng = np.random.default_rng(0)
        rows = np.arange(min(SHEET, self.recipe.validation_scenes))
        shown = self.shown(self.validation, rows, None)
        contents = self.validation.draw(rows, np.zeros(len(rows), bool)).contents
        generators = [torch.Generator().manual_seed(int(row)) for row in rows]
        results = self.draw([prompt(each, rng) for each in shown.told(contents)], shown, generators)
        sheet = Image.new("RGB", (len(rows) * PICTURE_PX, 2 * PICTURE_PX))
        for place, (control, result) in enumerate(zip(shown.pictures, results, strict=True)):
            sheet.paste(Image.fromarray(np.rint(control.clip(0, 1) * 255).astype(np.uint8)), (place * PICTURE_PX, 0))
            sheet.paste(result, (place * PICTURE_PX, PICTURE_PX))
        sheet.save(self.options.work / f"{self.NAME}.png")

    def export(self) -> None:
        """Save the averaged ControlNet in half precision."""
        folder = self.options.output / self.NAME
        shutil.rmtree(folder, ignore_errors=True)
        copy.deepcopy(self.averaged).to("cpu").half().save_pretrained(folder, max_shard_size=SHARD)
