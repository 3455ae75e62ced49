"""Latents of scenes, encoded when they are first asked for and kept on disk, with what can be said of them.

A row is a scene, or a scene's table with nothing on it; each has two sides, the picture and its mirror image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from tabletop.render import render
from tabletop.world import MAX_SOLIDS, Scene
from training.autoencoder import ATTRIBUTES, CELL_PX, cell_names
from training.dataset import Column, Table, views
from training.pictures import PICTURE_PX
from training.prompts import FACTS, Contents, contents_of, facts

SIDE = PICTURE_PX // CELL_PX  # cells


def _count(scene: Scene) -> np.uint8:
    return np.uint8(len(scene.solids))


COUNTS = Column("counts", np.dtype(np.uint8), _count)


@dataclass(frozen=True)
class Drawn:
    """Latents (B, C, 16, 16), names (B, 3, 16, 16) of what their cells show, and what can be said of each picture."""

    latents: Tensor
    names: Tensor
    contents: Sequence[Contents]


class Latents:
    """The latents of a table's first rows, and of a few of its tables emptied, for one autoencoder."""

    def __init__(self, autoencoder: AutoencoderKL, table: Table, folder: Path, empty: int, device: str) -> None:
        self.autoencoder, self.table, self.device = autoencoder, table, device
        self.views = table.cells(views(PICTURE_PX))
        self.ready = np.flatnonzero(table.done(views(PICTURE_PX)))
        channels = autoencoder.config.latent_channels
        dtype = np.dtype(
            [
                ("done", "?", (2,)),
                ("latents", "f2", (2, channels, SIDE, SIDE)),
                ("names", "u1", (len(ATTRIBUTES), SIDE, SIDE)),
                ("facts", FACTS),
            ]
        )
        folder.mkdir(parents=True, exist_ok=True)
        name = f"latents-{_digest(autoencoder)}-{table.split}"
        self.cells = _mapped(folder / name, dtype, table.rows)
        self.empty = _mapped(folder / f"{name}-empty", dtype, empty)
        table.fill(COUNTS, self.ready)
        counts = np.asarray(table.cells(COUNTS))[self.ready]
        self.rows = [self.ready[counts == count] for count in range(1, MAX_SOLIDS + 1)]

    def choose(self, rng: np.random.Generator, batch: int, shares: Sequence[float]) -> NDArray[np.intp]:
        """Draw rows (batch,): `shares` are of tables with none, one, two, ... solids; emptied ones are below 0."""
        rows = np.empty(batch, np.intp)
        for place, count in enumerate(rng.choice(len(shares), batch, p=np.asarray(shares) / sum(shares))):
            some = self.rows[count - 1] if count else ()
            rows[place] = some[rng.integers(len(some))] if len(some) else -1 - rng.integers(len(self.empty))
        return rows

    def draw(self, rows: NDArray[np.intp], flips: NDArray[np.bool_]) -> Drawn:
        """Return what is asked for; row -1 - k is the k-th emptied table."""
        self._encode(rows, flips)
        cells = np.stack([self.cells[row] if row >= 0 else self.empty[-1 - row] for row in rows])
        sides = flips.astype(np.int64)
        names = np.where(flips[:, None, None, None], cells["names"][..., ::-1], cells["names"])
        latents = cells["latents"][np.arange(len(rows)), sides].astype(np.float32)
        told = [contents_of(cell, bool(flip)) for cell, flip in zip(cells["facts"], flips, strict=True)]
        return Drawn(torch.from_numpy(latents), torch.from_numpy(names.astype(np.int64)), told)

    @torch.no_grad()
    def _encode(self, rows: NDArray[np.intp], flips: NDArray[np.bool_]) -> None:
        """Encode those that are not yet."""
        missing = [
            (int(row), int(flip))
            for row, flip in zip(rows, flips, strict=True)
            if not (self.cells[row] if row >= 0 else self.empty[-1 - row])["done"][int(flip)]
        ]
        if not missing:
            return
        pictures = []
        for row, flip in missing:
            cell, picture = self._filled(row)
            pictures.append(picture[:, ::-1] if flip else picture)
        pixels = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy()).float() / 127.5 - 1
        encoded = self.autoencoder.encode(pixels.to(self.device)).latent_dist.mean.float().cpu().numpy()
        for (row, flip), latents in zip(missing, encoded, strict=True):
            cell = self.cells[row] if row >= 0 else self.empty[-1 - row]
            cell["latents"][flip] = latents
            cell["done"][flip] = True

    def _filled(self, row: int) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
        """Return the cell of a row, its names and facts filled in, and the picture."""
        if row < 0:
            cell = self.empty[-1 - row]
            scene = replace(self.table.scene(-1 - row), solids=())
            cell["facts"] = facts(scene)
            return cell, render(scene, PICTURE_PX).rgb
        cell, view = self.cells[row], self.views[row]
        cell["facts"] = facts(self.table.scene(row))
        cell["names"] = cell_names(self.table, np.array([row]), view["solids"][None])[0]
        return cell, np.asarray(view["rgb"])


def _digest(autoencoder: AutoencoderKL) -> str:
    """Return a name for the means that the encoder makes of pictures; their spread and the decoder have no part."""
    means = [each[: autoencoder.config.latent_channels] for each in autoencoder.quant_conv.parameters()]
    encoder = (*autoencoder.encoder.parameters(), *means)
    return hashlib.sha256(b"".join(p.detach().cpu().half().numpy().tobytes() for p in encoder)).hexdigest()[:10]


def _mapped(path: Path, dtype: np.dtype, rows: int) -> NDArray[np.void]:
    """Map a file of `rows` cells; what is not written yet is zero and uses no disk."""
    with path.open("ab") as file:
        file.truncate(max(rows * dtype.itemsize, path.stat().st_size))
    return np.memmap(path, dtype, mode="r+", shape=(rows,))
