"""A quick look at latents: one convolution in place of the autoencoder's decoder, fitted to it when it is loaded.

Latents are nearly a small picture already. From the 3 x 3 cells around a cell, a linear map says well enough what the
pixels of that cell are; fitting it takes the autoencoder's own encoder and a few made-up pictures, so it is there for
every model without any table of constants.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

PICTURES = 24  # that the fit sees
PICTURE_PX = 128
SOLIDS = 5  # shapes in each of them
RIDGE = 1e-3  # keeps the fit calm where two channels say the same
FRAME_PX = 256  # longest side of a look; larger ones are averaged down


class QuickLook:
    """Latents to small pictures by one convolution."""

    def __init__(self, weights: Tensor, bias: Tensor, cell_px: int) -> None:
        self.weights = weights  # (3 * cell_px^2, C, 3, 3)
        self.bias = bias  # (3 * cell_px^2,)
        self.cell_px = cell_px

    @classmethod
    def fit(cls, decoder: Any) -> QuickLook:
        """Fit to an autoencoder of diffusers, on its device."""
        import torch
        import torch.nn.functional as F

        parameter = next(decoder.parameters())
        pictures = torch.from_numpy(made_up()).to(parameter.device, torch.float32)
        with torch.inference_mode(), in_float32(decoder):
            latents = to_latents(decoder, pictures).float()
        cell_px = PICTURE_PX // latents.shape[-1]
        features = F.unfold(F.pad(latents, (1, 1, 1, 1), mode="replicate"), 3)  # (B, 9 C, cells)
        features = features.transpose(1, 2).flatten(0, 1)
        features = torch.cat([features, torch.ones_like(features[:, :1])], 1)
        pixels = F.pixel_unshuffle(pictures, cell_px).flatten(2).transpose(1, 2).flatten(0, 1)
        kept = features.isfinite().all(1)
        features, pixels = features[kept].double(), pixels[kept].double()
        gram = features.T @ features
        ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        solved = torch.linalg.solve(gram + ridge, features.T @ pixels).float()
        weights = solved[:-1].T.unflatten(1, (latents.shape[1], 3, 3))
        return cls(weights.contiguous(), solved[-1].contiguous(), cell_px)

    def __call__(self, latents: Tensor) -> NDArray[np.uint8]:
        """Return (B, H, W, 3) uint8 pictures, at most `FRAME_PX` a side, of latents (B, C, h, w)."""
        import torch
        import torch.nn.functional as F

        with torch.inference_mode():
            padded = F.pad(latents.to(self.weights), (1, 1, 1, 1), mode="replicate")
            pixels = F.pixel_shuffle(F.conv2d(padded, self.weights, self.bias), self.cell_px)
            shrink = -(-max(pixels.shape[-2:]) // FRAME_PX)
            return to_bytes(F.avg_pool2d(pixels, shrink) if shrink > 1 else pixels)


def to_latents(decoder: Any, pictures: Tensor) -> Tensor:
    """Return what a pipeline would work on for pictures (B, 3, H, W) in -1..1: scaled latents (B, C, h, w)."""
    encoded = decoder.encode(pictures)
    if not hasattr(encoded, "latent_dist"):  # a VQModel has one code for each cell, and no scale
        codes: Tensor = encoded.latents
        return codes
    shift = getattr(decoder.config, "shift_factor", None) or 0.0
    latents: Tensor = (encoded.latent_dist.mode() - shift) * decoder.config.scaling_factor
    return latents


def to_pixels(decoder: Any, latents: Tensor) -> Tensor:
    """Return the pictures (B, 3, H, W), about -1..1, that latents of a pipeline (B, C, h, w) stand for."""
    import torch

    config = decoder.config
    shift = getattr(config, "shift_factor", None) or 0.0
    scaled = latents / getattr(config, "scaling_factor", 1.0) + shift
    with torch.inference_mode(), in_float32(decoder):
        rows = [decoder.decode(row[None].float()).sample for row in scaled]
        return torch.cat(rows)


def to_bytes(pixels: Tensor) -> NDArray[np.uint8]:
    """Return (B, H, W, 3) uint8 of pixels (B, 3, H, W) in -1..1."""
    scaled = pixels.float().div(2).add(0.5).clamp(0, 1).mul(255).round()
    bytes_: NDArray[np.uint8] = scaled.permute(0, 2, 3, 1).cpu().numpy().astype(np.uint8)
    return bytes_


def made_up(seed: int = 0) -> NDArray[np.float32]:
    """Draw pictures (B, 3, H, W) in -1..1 of overlapping shapes with soft shades: of everything a little.

    Source: the "dead leaves" model of natural pictures; Lee, Mumford & Huang, IJCV 41, 2001.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:PICTURE_PX, :PICTURE_PX].astype(np.float32) / PICTURE_PX
    pictures = np.empty((PICTURES, 3, PICTURE_PX, PICTURE_PX), np.float32)
    for picture in pictures:
        picture[:] = _shade(rng, rows, columns)
        for _ in range(SOLIDS):
            row, column, radius = rng.random(), rng.random(), rng.uniform(0.04, 0.3)
            across, down = np.abs(columns - column), np.abs(rows - row)
            inside = np.maximum(across, down) < radius if rng.random() < 0.5 else np.hypot(across, down) < radius
            picture[:, inside] = _shade(rng, rows, columns)[:, inside]
    return pictures


def _shade(rng: np.random.Generator, rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a colour (3, H, W) that gets lighter in some direction."""
    colour = rng.uniform(-0.6, 0.9, 3)[:, None, None]
    slope = rng.normal(0, 0.6, 2)
    shaded: NDArray[np.float32] = np.clip(colour + slope[0] * (rows - 0.5) + slope[1] * (columns - 0.5), -1, 1)
    return shaded.astype(np.float32)


@contextmanager
def in_float32(decoder: Any) -> Iterator[None]:
    """Lift a half-precision autoencoder to float32 for a while: some overflow in float16."""
    import torch

    before = next(decoder.parameters()).dtype
    if before == torch.float32:
        yield
        return
    decoder.to(torch.float32)
    try:
        yield
    finally:
        decoder.to(before)
