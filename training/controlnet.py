"""Train the small ControlNets that steer the small Stable Diffusion: by edges, by depth, and round a hole to be filled.

A ControlNet (Zhang et al., Adding conditional control to text-to-image diffusion models, ICCV 2023) is a copy of the
U-Net's first half that also sees a control picture, and adds what it makes of it to the features of the U-Net, which
itself stays as it is. The layers that add start at zero, so the first step changes nothing.

Of edges and depth, half of the prompts are left out: what the picture shows must then come from the control. The third
is for inpainting, as control_v11p_sd15_inpaint is: it is shown the picture with what is masked at -1, and half of its
prompts say only what belongs into the hole ("a red cube"; "an empty table" where nothing does).

    python -m training.controlnet canny
    python -m training.controlnet depth --start assets/models/tabletop-controlnet-canny
    python -m training.controlnet inpaint

All can be stopped at any time and taken up again.
"""

from __future__ import annotations

import argparse
from abc import abstractmethod
from dataclasses import fields

import cv2
import numpy as np
import torch
import torch.distributed as dist
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from numpy.typing import NDArray
from PIL import Image

from tabletop.controls import edges, nearness
from training.controlling import Controlling, ControlOptions, Shown
from training.dataset import Table, views
from training.depth import GEOMETRIES, UNITS_PER_M
from training.diffusion import UNPROMPTED
from training.filling import as_tensor, fill, filler, whole_cells, with_hole
from training.holes import draw_hole, inside
from training.latents import SIDE, Latents
from training.pictures import PICTURE_PX
from training.stages import prepare

CONTRAST = 8.0  # see `look_for_differences`
OUTSIDE = 0.1  # weight of the errors outside a hole, see `Holes`
SHEET_GUIDANCE = 3.0


class Drawings(Controlling):
    """Steered by a drawing of the whole picture."""

    UNPROMPTED = 0.5

    @abstractmethod
    def control(self, table: Table, row: int, rng: np.random.Generator | None) -> NDArray[np.uint8]:
        """Return the control picture (S, S) of a scene; drawn at random for training, as users get it without `rng`."""

    def shown(self, source: Latents, rows: NDArray[np.intp], rng: np.random.Generator | None) -> Shown:
        """Return the drawings of scenes."""
        grey = np.stack([self.control(source.table, int(row), rng) for row in rows])
        pictures = np.repeat(grey[..., None], 3, 3) / 255
        return Shown(pictures, [None] * len(rows), np.ones((len(rows), 1, SIDE, SIDE), np.float32))

    def draw(self, prompts: list[str], shown: Shown, generators: list[torch.Generator]) -> list[Image.Image]:
        """Draw pictures from drawings."""
        parts = {**self.base.components, "controlnet": self.averaged}
        pipeline = StableDiffusionControlNetPipeline(**parts, requires_safety_checker=False)
        pipeline.set_progress_bar_config(disable=True)
        images: list[Image.Image] = pipeline(
            prompts,
            image=as_tensor(shown.pictures),
            num_inference_steps=20,
            guidance_scale=SHEET_GUIDANCE,
            generator=generators,
        ).images
        return images


class Edges(Drawings):
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


class Depths(Drawings):
    """Steered by how near everything is."""

    NAME = "controlnet-depth"

    def __init__(self, options: ControlOptions) -> None:
        super().__init__(options)
        if not self.seen:
            for net in (self.model, self.averaged):
                look_for_differences(net)
        self.validation_table.fill(GEOMETRIES, np.arange(options.validation_scenes))
        self.latents.table.fill(GEOMETRIES, self.latents.ready)

    def control(self, table: Table, row: int, rng: np.random.Generator | None) -> NDArray[np.uint8]:
        """Return the nearness of a scene; in training, blurred at times as an estimate is."""
        near = nearness(np.asarray(table.cells(GEOMETRIES)[row]["depth"]) / UNITS_PER_M)
        if rng is not None and rng.random() < 0.5:
            near = np.asarray(cv2.GaussianBlur(near, (0, 0), rng.uniform(0.3, 1.5)), np.uint8)
        return near


@torch.no_grad()
def look_for_differences(net: ControlNetModel) -> None:
    """Let the first layer of a ControlNet see how a control differs from place to place, `CONTRAST` times as much.

    A solid is nearer than the table behind it by a tenth of the range. Beside the slope of the table that is little:
    without this, 8,000 samples were not enough to find it.
    """
    kernels = net.controlnet_cond_embedding.conv_in.weight
    kernels.copy_(CONTRAST * (kernels - kernels.mean((2, 3), keepdim=True)))


class Holes(Controlling):
    """Shown a picture with a hole in it, to be filled by what the prompt names.

    Errors in the hole count ten times as much as those outside: what is drawn there is never seen, since the pipeline
    puts the picture's own latents back after every step, and would otherwise be nearly all of the loss.
    """

    NAME = "controlnet-inpaint"
    UNPROMPTED = UNPROMPTED  # as few as the denoiser's: nothing but the prompt says what belongs into a hole

    def shown(self, source: Latents, rows: NDArray[np.intp], rng: np.random.Generator | None) -> Shown:
        """Return pictures with holes; half of the prompts name only what is in the hole, and of the sheet's all do."""
        drawing = rng or np.random.default_rng(0)
        cells = source.views[rows]
        pictures = np.empty(cells["rgb"].shape, np.float32)
        named: list[list[int] | None] = []
        weights = np.empty((len(rows), 1, SIDE, SIDE), np.float32)
        for place in range(len(rows)):
            solids, lender = cells["solids"][place], cells["solids"][place - 1]
            hole = draw_hole(solids, lender, drawing)
            pictures[place] = with_hole(cells["rgb"][place], hole)
            weights[place, 0] = np.where(whole_cells(hole), 1, OUTSIDE)
            weights[place] /= weights[place].mean()
            only = rng is None or drawing.random() < 0.5
            named.append(inside(solids, hole) if only else None)
        return Shown(pictures, named, weights)

    def draw(self, prompts: list[str], shown: Shown, generators: list[torch.Generator]) -> list[Image.Image]:
        """Fill the holes of pictures."""
        pipeline = filler(self.base, self.averaged)
        rows = np.arange(len(prompts))
        return fill(pipeline, prompts, self.validation.views[rows]["rgb"], shown.pictures.min(3) < 0, generators)


STAGES: dict[str, type[Controlling]] = {"canny": Edges, "depth": Depths, "inpaint": Holes}


def train(kind: str, options: ControlOptions) -> None:
    """Train a ControlNet, "canny", "depth" or "inpaint", to its end, or on from where it was stopped."""
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
