"""The judge of the diffusion models' pictures: a small network that finds the solids of a picture and names them.

It is independent of what it judges: trained on rendered training scenes alone, never on a drawn picture, and it shares
no weights with any other model. Every solid is found by its centre (Zhou et al., Objects as points, 2019): of 32 x 32
cells each says whether the centre of a solid is in it, and what that solid is and where it stands.

    python -m training.judge --samples 200000
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tabletop.mirror import mirrored
from tabletop.relations import centres_px, viewer_positions
from tabletop.world import COLOURS, MAX_SOLIDS, SHAPES, SIZES, TINTS, Scene
from training.autoencoder import pixel_batches
from training.dataset import CACHE, MAP_CELLS, Column, Table, views
from training.pictures import PICTURE_PX, POSITION_M, VIEWER_DISTANCE_M, augment
from training.stages import Stage, StageOptions, prepare

CELL_PX = PICTURE_PX // MAP_CELLS
WORDS = (SHAPES, COLOURS, SIZES)
THRESHOLD = 0.4  # of the confidence that a centre is in a cell
NEIGHBOURS = 2  # cells: of two centres nearer than this, along both axes, only the surer is believed


@dataclass(frozen=True)
class Found:
    """A solid that the judge sees.

    Attributes:
        shape: one of the world's, as are colour and size.
        place_m: where it stands: right and away, metres from below the camera.
        centre_px: x and y of its centre in the picture, to the middle of a cell of 4 x 4 pixels.
        confidence: of there being a solid, 0 to 1.
    """

    shape: str
    colour: str
    size: str
    place_m: tuple[float, float]
    centre_px: tuple[float, float]
    confidence: float


@dataclass(frozen=True)
class Sight:
    """All that the judge sees in a picture."""

    solids: tuple[Found, ...]
    tint: str


class Judge(nn.Module):
    """From pixels (B, 3, 128, 128) in -1 to 1 to what every cell and every picture shows."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.stem = nn.Sequential(_step(3, width // 2, 2), _step(width // 2, width, 2), _step(width, width, 1))
        self.down = nn.Sequential(_step(width, 2 * width, 2), _step(2 * width, 2 * width, 1))
        self.deep = nn.Sequential(
            _step(2 * width, 2 * width, 2), _step(2 * width, 2 * width, 1), _step(2 * width, 2 * width, 1)
        )
        self.back = _step(2 * width, 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1)
        self.up = _step(width, width, 1)
        self.centre = nn.Conv2d(width, 1, 1)
        self.words = nn.ModuleList(nn.Conv2d(width, len(words), 1) for words in WORDS)
        self.place = nn.Conv2d(width, 2, 1)
        self.tint = nn.Linear(2 * width, len(TINTS))
        self.centre.bias = nn.Parameter(torch.full((1,), -4.0))  # centres are rare

    def forward(self, pixels: Tensor) -> tuple[Tensor, list[Tensor], Tensor, Tensor]:
        """Return logits of centres (B, 32, 32), of words, places (B, 2, 32, 32), and logits of tints (B, 6)."""
        near = self.stem(pixels)
        middle = self.down(near)
        deep = self.deep(middle)
        middle = self.back(middle + F.interpolate(deep, scale_factor=2))
        cells = self.up(near + F.interpolate(self.narrow(middle), scale_factor=2))
        words = [head(cells) for head in self.words]
        return self.centre(cells)[:, 0], words, self.place(cells), self.tint(deep.mean((2, 3)))


def _step(channels: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1), nn.GroupNorm(8, out), nn.SiLU())


@torch.no_grad()
def look(judge: Judge, pictures: NDArray[np.uint8]) -> list[Sight]:
    """Return what is seen in pictures (B, 128, 128, 3), sRGB."""
    sights = []
    device = next(judge.parameters()).device
    for pixels in pixel_batches(pictures):
        centres, words, places, tints = judge(pixels.to(device))
        sure = centres.float().sigmoid()
        reach = 2 * NEIGHBOURS - 1
        peaks = (sure == F.max_pool2d(sure[:, None], reach, 1, NEIGHBOURS - 1)[:, 0]) & (sure > THRESHOLD)
        kinds = [each.argmax(1) for each in words]
        for index, tint in enumerate(tints.argmax(1).tolist()):
            solids = []
            for row, column in peaks[index].nonzero().tolist():
                shape, colour, size = (
                    options[kind[index, row, column]] for options, kind in zip(WORDS, kinds, strict=True)
                )
                right, away = (places[index, :, row, column].float() * POSITION_M).tolist()
                place = (right, away + VIEWER_DISTANCE_M)
                centre = ((column + 0.5) * CELL_PX, (row + 0.5) * CELL_PX)
                solids.append(Found(shape, colour, size, place, centre, float(sure[index, row, column])))
            sights.append(Sight(tuple(solids), TINTS[tint]))
    return sights


# --- Training ---------------------------------------------------------------------------------------------------------

LESSON = np.dtype(
    [
        ("cells", "i1", (2, MAX_SOLIDS, 2)),  # row and column of each centre, of the scene and of its mirror image
        ("kinds", "i1", (MAX_SOLIDS, 3)),  # -1 where there is no solid
        ("places", "f4", (2, MAX_SOLIDS, 2)),
        ("tint", "i1"),
    ]
)


def lesson(scene: Scene) -> NDArray[np.void]:
    """Return what is to be seen in the picture of a scene, as a cell of a table."""
    cell = np.zeros((), LESSON)
    cell["kinds"], cell["tint"] = -1, TINTS.index(scene.tint)
    for side, seen in enumerate((scene, mirrored(scene))):
        centres = np.clip((centres_px(seen, PICTURE_PX) + 0.5) // CELL_PX, 0, MAP_CELLS - 1)
        cell["cells"][side, : len(seen.solids)] = centres[:, ::-1]
        cell["places"][side, : len(seen.solids)] = (viewer_positions(seen) - (0.0, VIEWER_DISTANCE_M)) / POSITION_M
    for index, solid in enumerate(scene.solids):
        words = (solid.shape, solid.colour, solid.size)
        cell["kinds"][index] = [options.index(word) for options, word in zip(WORDS, words, strict=True)]
    return cell


LESSONS = Column("judge-lessons", LESSON, lesson)


@dataclass(frozen=True)
class JudgeOptions(StageOptions):
    """How to train the judge."""

    output: Path = Path(".cache/diffusion/judge.safetensors")
    cache: Path = CACHE
    scenes: int = 60_000
    validation_scenes: int = 256
    samples: int = 200_000
    width: int = 48


class Judging(Stage):
    """Learn to find and name the solids of rendered scenes."""

    NAME = "judge"
    LOSSES = ("centre_loss", "words_loss", "place_loss", "tint_loss")

    def __init__(self, options: JudgeOptions) -> None:
        torch.manual_seed(options.seed)
        self.recipe = options
        super().__init__(options, Judge(options.width))
        table = Table(options.cache, "training", options.scenes)
        self.ready = np.flatnonzero(table.done(views(PICTURE_PX)))
        table.fill(LESSONS, self.ready)
        self.views, self.lessons = table.cells(views(PICTURE_PX)), table.cells(LESSONS)

    def losses(self) -> tuple[Tensor, ...]:
        """Return the losses of a batch: of centres, words, places and tints."""
        device = self.options.device
        rows = np.sort(self.rng.choice(self.ready, self.recipe.batch))
        sides = self.rng.integers(0, 2, len(rows))
        pictures = self.views[rows]["rgb"]
        pictures = np.where(sides[:, None, None, None] == 1, pictures[:, :, ::-1], pictures)
        told = self.lessons[rows]
        centres, words, places, tints = self.model(augment(pictures).to(device))

        each, solid = np.nonzero(told["kinds"][..., 0] >= 0)
        spots = told["cells"][each, sides[each], solid]
        at = tuple(torch.from_numpy(index.astype(np.int64)).to(device) for index in (each, spots[:, 0], spots[:, 1]))
        true = torch.zeros_like(centres, dtype=torch.float32)
        true[at] = 1.0
        around = F.max_pool2d(true[:, None], 3, 1, 1)[:, 0] - true  # neither here nor there: left out
        centre = F.binary_cross_entropy_with_logits(centres.float(), true, reduction="none")
        hard = (true - centres.detach().float().sigmoid()).square()  # few cells have anything to teach
        count = max(len(each), 1)
        kinds = torch.from_numpy(told["kinds"][each, solid].astype(np.int64)).to(device)
        batch, row, column = at
        named = [
            F.cross_entropy(head[batch, :, row, column].float(), kinds[:, index], reduction="sum")
            for index, head in enumerate(words)
        ]
        stands = torch.from_numpy(told["places"][each, sides[each], solid]).to(device)
        off = F.smooth_l1_loss(places[batch, :, row, column].float(), stands, reduction="sum")
        tint = F.cross_entropy(tints.float(), torch.from_numpy(told["tint"].astype(np.int64)).to(device))
        return (centre * hard * (1 - around)).sum() / count, torch.stack(named).sum() / count, off / count, 0.2 * tint

    def examine(self) -> str:
        """Return the share of validation scenes seen exactly as they are."""
        right = sum(
            agrees(sight, scene) for sight, scene in sights(cast(Judge, self.average.module), self.recipe, "validation")
        )
        return f"scenes seen right {right / self.recipe.validation_scenes:.1%}"

    def export(self) -> None:
        """Save the averaged weights."""
        self.options.output.parent.mkdir(parents=True, exist_ok=True)
        save_file(self.average.module.state_dict(), self.options.output)


def sights(judge: Judge, options: JudgeOptions, split: str) -> Iterator[tuple[Sight, Scene]]:
    """Yield what the judge sees in the first scenes of a split, as many as validation has, and the scenes."""
    scenes = options.validation_scenes
    table = Table(options.cache, split, scenes)
    table.fill(views(PICTURE_PX), np.arange(scenes))
    pictures = table.cells(views(PICTURE_PX))["rgb"]
    yield from zip(look(judge, pictures), (table.scene(row) for row in range(scenes)), strict=True)


def agrees(sight: Sight, scene: Scene) -> bool:
    """Say whether the solids that are seen are those of the scene: shape, colour and size, none more, none missing."""
    seen = sorted((solid.shape, solid.colour, solid.size) for solid in sight.solids)
    return seen == sorted((solid.shape, solid.colour, solid.size) for solid in scene.solids)


def load_judge(path: Path) -> Judge:
    """Load a judge as `Judging` saved it."""
    weights = load_file(path)
    judge = Judge(weights["centre.weight"].shape[1])
    judge.load_state_dict(weights)
    return judge.eval()


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the judge with the options given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for field in fields(JudgeOptions):
        kind = Path if isinstance(field.default, Path) else type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    options = JudgeOptions(**vars(parser.parse_args(arguments)))
    prepare(options.threads)
    Judging(options).run()


if __name__ == "__main__":
    main()
