"""The first stage of the diffusion models: a small AutoencoderKL between 128 x 128 pictures and 16 x 16 latents.

A diffusion model learns what is large in its latents first. In pictures that is the table and the colours, and shapes
come last. Three ideas give it latents that are quick to learn:

1. In training only, a linear head on every latent cell names the solid that the cell shows. What a linear map can read
   is no small detail, so shapes weigh as much as colours.
2. Latents are whitened at the end of the stage, cells that show solids counting as much as all the rest: every channel
   matters alike. The matrix is folded into `quant_conv`, and its inverse into `post_quant_conv`, so nothing else
   changes.
3. After that the encoder is frozen for good. `decoder` (another stage) sharpens the pictures whenever there is time,
   and no diffusion model has to be trained again.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor, nn

from tabletop.world import COLOURS, SHAPES, SIZES
from training.dataset import CACHE, MAP_CELLS, Table, views
from training.pictures import PICTURE_PX, patch_majority, solid_labels
from training.stages import Stage, StageOptions

CELL_PX = 8  # of the picture, along a latent cell's side
CHANNELS = (16, 32, 64, 96)
LATENT_CHANNELS = 16
KL_WEIGHT = 2e-6
NO_SPREAD = -30.0  # logarithm of a variance; diffusers takes any below for this
NAMING_WEIGHT = 0.1
SOLID_WEIGHT = 4.0  # of a pixel on or beside a solid, over that of the table
ATTRIBUTES = (SHAPES, COLOURS, SIZES)


@dataclass(frozen=True)
class AutoencoderOptions(StageOptions):
    """How to train the autoencoder. Pictures are cut to `crop` pixels, which is quicker and as good."""

    cache: Path = CACHE
    scenes: int = 60_000
    samples: int = 120_000
    batch: int = 32
    muon_learning_rate: float = 3e-3
    average: float = 0.99
    crop: int = 48
    validation_scenes: int = 64
    channels: tuple[int, ...] = CHANNELS
    latent_channels: int = LATENT_CHANNELS
    decoder_only: bool = False
    noise: float = 0.05  # added to the latents that the decoder alone learns from, in units of their spread


def make_autoencoder(options: AutoencoderOptions) -> AutoencoderKL:
    """Return an untrained autoencoder; its sides are shrunk by `CELL_PX`."""
    return AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * len(options.channels),
        up_block_types=["UpDecoderBlock2D"] * len(options.channels),
        block_out_channels=options.channels,
        layers_per_block=1,
        latent_channels=options.latent_channels,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=PICTURE_PX,
        scaling_factor=1.0,
    )


class NamingHead(nn.Module):
    """Say of every latent cell which shape, colour and size it shows, or none. For training only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attributes = nn.ModuleList(nn.Conv2d(channels, 1 + len(words), 1) for words in ATTRIBUTES)

    def forward(self, latents: Tensor, names: Tensor) -> Tensor:
        """Return the loss of latents (B, C, S, S) against names (B, 3, S, S), 0 where there is none."""
        weights = torch.where(names[:, 0] > 0, 1.0, 0.1)  # most cells show the bare table
        losses = [
            F.cross_entropy(head(latents).float(), names[:, index], reduction="none")
            for index, head in enumerate(self.attributes)
        ]
        return (torch.stack(losses).sum(0) * weights).sum() / weights.sum()


class Autoencoding(Stage):
    """Train both halves, or the decoder alone."""

    NAME = "autoencoder"
    LOSSES: ClassVar[tuple[str, ...]] = ("picture_loss", "kl_loss", "naming_loss")

    def __init__(self, options: AutoencoderOptions, autoencoder: AutoencoderKL | None = None) -> None:
        torch.manual_seed(options.seed)
        self.recipe = options
        model = autoencoder or make_autoencoder(options)
        super().__init__(options, model, NamingHead(options.latent_channels))
        self.autoencoder: AutoencoderKL = self.model
        self.averaged: AutoencoderKL = self.average.module
        self.table = Table(options.cache, "training", options.scenes)
        self.views = self.table.cells(views(PICTURE_PX))
        self.ready = np.flatnonzero(self.table.done(views(PICTURE_PX)))

    def losses(self) -> tuple[Tensor, ...]:
        """Return the losses of a batch: of pixels, of the latents' spread, of names."""
        pixels, near, names = self.draw()
        posterior = self.autoencoder.encode(pixels).latent_dist
        latents = posterior.sample()
        off = self.autoencoder.decode(latents).sample.float() - pixels
        picture = pixel_loss(off, near)
        return picture, KL_WEIGHT * posterior.kl().mean(), NAMING_WEIGHT * self.head(posterior.mean, names)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return pixels (B, 3, crop, crop), whether a solid is near (B, 1, crop, crop), names (B, 3, cells, cells)."""
        recipe, device = self.recipe, self.options.device
        rows = np.sort(self.rng.choice(self.ready, recipe.batch))
        cells = self.views[rows]
        names = cell_names(self.table, rows, cells["solids"])
        parts = []
        for picture, solids, name in zip(cells["rgb"], cells["solids"], names, strict=True):
            at = self._place(solids, recipe.crop)
            flip = slice(None, None, -1 if self.rng.random() < 0.5 else 1)
            parts.append(
                tuple(
                    _cut(array, at, recipe.crop)[:, flip]
                    for array in (picture, nearby(solids)[..., None], np.moveaxis(name, 0, -1))
                )
            )
        pixels, near, named = (np.stack(each).transpose(0, 3, 1, 2) for each in zip(*parts, strict=True))
        near_pixels = F.interpolate(torch.from_numpy(near.copy()).float(), size=recipe.crop)
        return (
            (torch.from_numpy(pixels.copy()).float() / 127.5 - 1).to(device),
            near_pixels.to(device),
            torch.from_numpy(named.astype(np.int64)).to(device),
        )

    def _place(self, solids: NDArray[np.int8], crop: int) -> NDArray[np.int64]:
        """Draw the top left corner of a crop, in pixels, multiples of a cell, nearly always round some solid."""
        free = (PICTURE_PX - crop) // CELL_PX + 1
        at = self.rng.integers(0, free, 2)
        if self.rng.random() < 0.85 and (solids > 0).any():
            spots = np.argwhere(solids > 0) * (PICTURE_PX // MAP_CELLS)
            spot = spots[self.rng.integers(len(spots))] - self.rng.integers(0, crop, 2)
            at = np.clip(np.round(spot / CELL_PX).astype(np.int64), 0, free - 1)
        return at * CELL_PX

    def examine(self) -> str:
        """Return the peak signal-to-noise ratio of validation pictures."""
        every, solids = fidelity(self.averaged, self.recipe, self.recipe.validation_scenes)
        return f"PSNR {every:.1f} dB, on solids {solids:.1f} dB"

    def export(self) -> None:
        """Save the averaged autoencoder, whitened."""
        autoencoder = copy.deepcopy(self.averaged)
        whiten(autoencoder, self.table, self.options.device)
        save_autoencoder(autoencoder, self.options.output)


class Decoding(Autoencoding):
    """Train the decoder alone, for latents that are a little off, as a diffusion model's are."""

    NAME = "decoder"
    LOSSES: ClassVar[tuple[str, ...]] = ("picture_loss",)

    def __init__(self, options: AutoencoderOptions, autoencoder: AutoencoderKL) -> None:
        autoencoder.requires_grad_(False)
        autoencoder.decoder.requires_grad_(True)
        autoencoder.post_quant_conv.requires_grad_(True)
        super().__init__(options, autoencoder)

    def losses(self) -> tuple[Tensor, ...]:
        """Return the loss of a batch's pixels."""
        pixels, near, _ = self.draw()
        with torch.no_grad():
            latents = self.autoencoder.encode(pixels).latent_dist.mean.float()
            spread = torch.rand(len(latents), 1, 1, 1, device=latents.device) * self.recipe.noise
        off = self.autoencoder.decode(latents + spread * torch.randn_like(latents)).sample.float() - pixels
        return (pixel_loss(off, near),)

    def export(self) -> None:
        """Save the autoencoder with the averaged decoder; the encoder is what it was."""
        save_autoencoder(copy.deepcopy(self.averaged), self.options.output)


# --- Losses, whitening, fidelity --------------------------------------------------------------------------------------


def pixel_loss(off: Tensor, near: Tensor) -> Tensor:
    """Return the loss of errors (B, 3, S, S), of values and of their steps, where a solid is `near` above all."""
    weights = (1 + (SOLID_WEIGHT - 1) * near) / SOLID_WEIGHT
    values = (weights * (off.abs() + 4 * off.square())).mean()
    across, down = off[..., 1:] - off[..., :-1], off[..., 1:, :] - off[..., :-1, :]
    return values + (weights[..., 1:] * across.abs()).mean() + (weights[..., 1:, :] * down.abs()).mean()


def nearby(solids: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return the cells (32, 32) that show a solid or touch one that does."""
    near = np.pad(solids > 0, 1)
    near = near[:-2] | near[1:-1] | near[2:]
    return near[:, :-2] | near[:, 1:-1] | near[:, 2:]


def cell_names(table: Table, rows: NDArray[np.intp], solids: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Return (B, 3, 16, 16): shape, colour and size, counted from 1, of what each latent cell shows; 0 for none."""
    shown = patch_majority(solids, CELL_PX)
    kinds = np.stack([solid_labels(table.scene(int(row)))[0] for row in rows]).astype(np.int64)
    kind = np.where(shown > 0, np.take_along_axis(kinds, np.maximum(shown - 1, 0), 1), 0)
    rest, size = np.divmod(kind - 1, len(SIZES))
    shape, colour = np.divmod(rest, len(COLOURS))
    names = np.where(kind[:, None] > 0, np.stack([shape, colour, size], 1) + 1, 0)
    side = PICTURE_PX // CELL_PX
    return names.reshape(len(rows), len(ATTRIBUTES), side, side).astype(np.uint8)


def _cut(array: NDArray, at: NDArray[np.int64], crop: int) -> NDArray:
    """Cut a crop, given in pixels of 128, from an array (S, S, ...) of any side."""
    step = PICTURE_PX // len(array)
    (top, left), size = at // step, crop // step
    return array[top : top + size, left : left + size]


@torch.no_grad()
def whiten(autoencoder: AutoencoderKL, table: Table, device: str, scenes: int = 512) -> None:
    """Turn the latents so that their channels are uncorrelated and of unit variance, in place; pictures stay the same.

    ZCA over the channels. Cells that show solids count as much, together, as those that show none.
    """
    side = PICTURE_PX // CELL_PX
    rows = np.arange(min(scenes, table.rows))
    cells = table.cells(views(PICTURE_PX))[rows]
    latents = torch.cat(
        [autoencoder.encode(batch.to(device)).latent_dist.mean for batch in pixel_batches(cells["rgb"])]
    )
    points = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1]).double().cpu()
    solid = torch.from_numpy(patch_majority(cells["solids"], CELL_PX) > 0).reshape(len(rows) * side * side)
    weights = torch.where(solid, 0.5 / solid.sum().clamp(min=1), 0.5 / (~solid).sum().clamp(min=1)).double()
    weights /= weights.sum()
    mean = weights @ points
    variances, axes = torch.linalg.eigh((points - mean).T @ ((points - mean) * weights[:, None]))
    deviations = variances.clamp(min=1e-6).sqrt()
    narrow, widen = axes @ torch.diag(1 / deviations) @ axes.T, axes @ torch.diag(deviations) @ axes.T

    into, out = autoencoder.quant_conv, autoencoder.post_quant_conv
    count = len(mean)
    weight, bias = into.weight[:count, :, 0, 0].double().cpu(), into.bias[:count].double().cpu()
    into.weight[:count, :, 0, 0] = (narrow @ weight).to(into.weight)
    into.bias[:count] = (narrow @ (bias - mean)).to(into.bias)
    # Its spread was that of the old units, and had done its work: what is encoded from now on is the mean.
    into.weight[count:], into.bias[count:] = 0.0, NO_SPREAD
    weight = out.weight[:, :, 0, 0].double().cpu()
    out.bias += (weight @ mean).to(out.bias)
    out.weight[:, :, 0, 0] = (weight @ widen).to(out.weight)


def pixel_batches(pictures: NDArray[np.uint8]) -> Iterator[Tensor]:
    """Yield batches of pixels (B, 3, S, S) in -1 to 1."""
    for start in range(0, len(pictures), 32):
        yield torch.from_numpy(pictures[start : start + 32].transpose(0, 3, 1, 2).copy()).float() / 127.5 - 1


@torch.no_grad()
def fidelity(
    autoencoder: AutoencoderKL, options: AutoencoderOptions, scenes: int, split: str = "validation"
) -> tuple[float, float]:
    """Return the peak signal-to-noise ratio, dB, of a split's first pictures: of all pixels, and of those of solids.

    Pixels are rounded to 256 values, as in a saved picture; squared errors are averaged over all pictures.
    """
    table = Table(options.cache, split, scenes)
    table.fill(views(PICTURE_PX), np.arange(scenes))
    cells = table.cells(views(PICTURE_PX))
    squared = []
    for pixels in pixel_batches(cells["rgb"]):
        latents = autoencoder.encode(pixels.to(options.device)).latent_dist.mean
        seen = autoencoder.decode(latents).sample.float().cpu().clamp(-1, 1)
        squared.append(((((seen + 1) * 127.5).round() - (pixels + 1) * 127.5) / 255).square().mean(1))
    solid = torch.from_numpy(np.asarray(cells["solids"]) > 0).float()[:, None]
    weights = F.interpolate(solid, size=PICTURE_PX)[:, 0]
    errors = torch.cat(squared)
    every, solids = errors.mean(), (errors * weights).sum() / weights.sum()
    return float(-10 * every.log10()), float(-10 * solids.log10())


def save_autoencoder(autoencoder: AutoencoderKL, folder: Path) -> None:
    """Save an autoencoder to the `vae` folder of a pipeline, in half precision."""
    autoencoder.to("cpu").half().save_pretrained(folder / "vae")


def load_autoencoder(folder: Path) -> AutoencoderKL:
    """Load the autoencoder of a pipeline's folder, in single precision."""
    return AutoencoderKL.from_pretrained(folder / "vae", dtype=torch.float32, low_cpu_mem_usage=False)
