"""Train the tiny Depth Anything that measures tabletop scenes, and save it as a genuine Hugging Face folder.

The model looks at 128 x 128 pixels and says how far each of them is, in metres. Three ideas carry the recipe:

1. The scale of one picture is knowable here: the camera's field of view is always 34 degrees, solids come in two sizes
   and the table is round and 62 cm in radius. So the model is a metric one, and no scale is fitted when it is graded.
2. The sky has no depth. It is taught as `SKY_M`, further than any table, so that a reader of the map drops all that is
   beyond `FAR_M` and needs no second output. Left out of the loss, it would be some depth like the table's.
3. What a class looks at is the solids, 5 % of the pixels, and their edges. So the error is that of the logarithm, four
   times heavier on solids, plus that of its differences over 1, 2 and 4 pixels, which a blurred edge gets wrong.

    python -m training.dataset --scenes 24000
    python -m training.depth --minutes 40
"""

from __future__ import annotations

import argparse
import copy
import csv
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

from tabletop.casting import SKY, TABLE, trace
from tabletop.render import render
from tabletop.stereo import move_right
from tabletop.world import Scene
from training.checkpoints import save_checkpoint
from training.dataset import CACHE, Column, Table, views
from training.loop import bfloat16_is_quick
from training.muon import Muon

PICTURE_PX = 128
MAX_DEPTH_M = 2  # of the model's last sigmoid; the configuration wants a whole number
SKY_M = 1.8  # what the sky is taught as
FAR_M = 1.6  # beyond this is sky: no point of a table is further than 1.44 m
BASELINE_M = 0.075  # from the left to the right camera of a stereo pair
UNITS_PER_M = 10_000  # of a stored depth: tenths of a millimetre

SOLID_WEIGHT = 4.0  # of a pixel's error, where the table's is 1
SKY_WEIGHT = 0.3
STEPS_PX = (1, 2, 4)  # over which differences of neighbours are compared


@dataclass(frozen=True)
class Options:
    """How to train. `samples` caps the run where `minutes` would not; the learning rate decays to zero by whichever."""

    cache: Path = CACHE
    work: Path = Path(".cache/depth")
    output: Path = Path("assets/models/depth-anything-tabletop")
    scenes: int = 24_000  # rows of the training table; those that are rendered are used
    right_scenes: int = 4_800  # of these, also as the right camera of a stereo pair sees them
    right_share: float = 0.2  # of the pictures of a batch
    validation_scenes: int = 128
    minutes: float = 40.0
    samples: int = 0
    batch: int = 8
    learning_rate: float = 1e-3  # of AdamW
    muon_learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: float = 0.02  # share of the run
    patch: int = 8
    width: int = 128
    layers: int = 4
    fusion_width: int = 32
    threads: int = 1
    seed: int = 0
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


# --- The model and its processor --------------------------------------------------------------------------------------


def make_processor() -> DPTImageProcessorPil:
    """Return a processor that scales any picture to 128 x 128, whatever its shape, and to -1 to 1."""
    side = {"height": PICTURE_PX, "width": PICTURE_PX}
    return DPTImageProcessorPil(size=side, image_mean=[0.5] * 3, image_std=[0.5] * 3)


def make_model(options: Options) -> DepthAnythingForDepthEstimation:
    """Return an untrained model whose neck reads the last four layers, at 4, 2, 1 and 1/2 times the patches' grid."""
    backbone = Dinov2Config(
        image_size=PICTURE_PX,
        patch_size=options.patch,
        hidden_size=options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=max(1, options.width // 32),
        out_indices=list(range(options.layers - 3, options.layers + 1)),
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=options.patch,
        reassemble_hidden_size=options.width,
        neck_hidden_sizes=[options.fusion_width * times // 2 for times in (2, 3, 4, 6)],
        fusion_hidden_size=options.fusion_width,
        head_hidden_size=options.fusion_width // 2,
        depth_estimation_type="metric",
        max_depth=MAX_DEPTH_M,
    )
    return DepthAnythingForDepthEstimation(config)


# --- What is learned from: pictures and their depth -------------------------------------------------------------------

GEOMETRY = np.dtype([("depth", "u2", (PICTURE_PX, PICTURE_PX)), ("solid", "?", (PICTURE_PX, PICTURE_PX))])
RIGHT_VIEW = np.dtype([("rgb", "u1", (PICTURE_PX, PICTURE_PX, 3)), ("geometry", GEOMETRY)])


def geometry(scene: Scene) -> NDArray[Any]:
    """Return, for each pixel, its depth in tenths of a millimetre (0 for the sky) and whether it shows a solid."""
    hits = trace(scene, PICTURE_PX)
    cell = np.zeros((), GEOMETRY)
    cell["depth"] = np.rint(np.where(hits.ids == SKY, 0, hits.depth_m) * UNITS_PER_M)
    cell["solid"] = hits.ids > TABLE
    return cell


def right_view(scene: Scene) -> NDArray[Any]:
    """Return what the right camera of a stereo pair sees, rendered larger and reduced as the processor reduces it."""
    moved = replace(scene, camera=move_right(scene.camera, BASELINE_M))
    picture = Image.fromarray(render(moved, 2 * PICTURE_PX).rgb)
    cell = np.zeros((), RIGHT_VIEW)
    cell["rgb"] = np.asarray(picture.resize((PICTURE_PX, PICTURE_PX), Image.Resampling.BICUBIC))
    cell["geometry"] = geometry(moved)
    return cell


GEOMETRIES = Column("geometry-128", GEOMETRY, geometry)
RIGHT_VIEWS = Column("right-views-128", RIGHT_VIEW, right_view)


@dataclass(frozen=True)
class Batch:
    """Pixels (B, 3, 128, 128) in about -1 to 1; depth_m and weights (B, 128, 128), the sky at `SKY_M`."""

    pixels: Tensor
    depth_m: Tensor
    weights: Tensor


class Batches:
    """An endless stream of batches from the rows of a table that are rendered."""

    def __init__(self, table: Table, options: Options, rng: np.random.Generator) -> None:
        self.options, self.rng = options, rng
        self.ready = np.flatnonzero(table.done(views(PICTURE_PX)))
        self.right = np.arange(min(options.right_scenes, table.rows))
        table.fill(GEOMETRIES, self.ready)
        table.fill(RIGHT_VIEWS, self.right)
        self.views, self.geometries = table.cells(views(PICTURE_PX)), table.cells(GEOMETRIES)
        self.right_views = table.cells(RIGHT_VIEWS)

    def draw(self) -> Batch:
        """Return the next batch: left and right views, half of them mirrored, with changed light and noise."""
        rights = round(self.options.batch * self.options.right_share)
        left = self.rng.choice(self.ready, self.options.batch - rights)
        right = self.right_views[self.rng.choice(self.right, rights)]
        pictures = np.concatenate([self.views["rgb"][left], right["rgb"]])
        truth = np.concatenate([self.geometries[left], right["geometry"]])
        # A mirrored picture has the mirrored depth. A shifted or scaled one has no known depth: the camera is another.
        flip = self.rng.random(len(pictures)) < 0.5
        pictures[flip] = pictures[flip, :, ::-1]
        truth["depth"][flip], truth["solid"][flip] = truth["depth"][flip, :, ::-1], truth["solid"][flip, :, ::-1]
        return Batch(self.augment(pictures), *targets(truth))

    def augment(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Return pixels with some change of brightness and contrast, a little noise, and more or less softness.

        Softness, because pictures come in any size: what is scaled down is softer or harder than what was rendered so.
        """
        pixels = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 127.5 - 1
        shape = (len(pixels), 1, 1, 1)
        soft = F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        pixels = pixels.lerp(soft, torch.empty(shape).uniform_(-0.15, 0.5))
        contrast, brightness = torch.empty(shape).uniform_(0.9, 1.1), torch.empty(shape).uniform_(-0.08, 0.08)
        noise = torch.empty_like(pixels).uniform_(-1, 1) * torch.empty(shape).uniform_(0, 0.04)
        return pixels * contrast + brightness + noise


def targets(truth: NDArray[Any]) -> tuple[Tensor, Tensor]:
    """Return depth in metres and weights, each (B, 128, 128), of cells of `GEOMETRIES`."""
    depth_m = torch.from_numpy(truth["depth"].astype(np.float32) / UNITS_PER_M)
    sky, solid = depth_m == 0, torch.from_numpy(truth["solid"])
    weights = torch.ones_like(depth_m).masked_fill(solid, SOLID_WEIGHT).masked_fill(sky, SKY_WEIGHT)
    return depth_m.masked_fill(sky, SKY_M), weights


def losses(predicted_m: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the error of log depth, and that of its differences between neighbours; (B, 128, 128) metres each.

    Source: Li & Snavely, MegaDepth, CVPR 2018, section 4.2 (multi-scale gradient matching term).
    """
    error = predicted_m.log() - batch.depth_m.log()
    level = (error.abs() * batch.weights).sum() / batch.weights.sum()
    slopes = [
        (error[:, step:] - error[:, :-step]).abs().mean() + (error[..., step:] - error[..., :-step]).abs().mean()
        for step in STEPS_PX
    ]
    return level, torch.stack(slopes).mean()


# --- Training ---------------------------------------------------------------------------------------------------------


def train(options: Options) -> None:
    """Train to the end of the budget, or on from the last checkpoint of `options.work`."""
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # AdamW's averages get below 1e-38, where a CPU takes many times longer
    Trainer(options).run()


class Trainer:
    """Everything that a run is made of, and the loop."""

    def __init__(self, options: Options) -> None:
        torch.manual_seed(options.seed)
        self.options = options
        # Channels last: the neck's convolutions over few channels then run half as long again on a CPU.
        self.model = make_model(options).to(options.device, memory_format=torch.channels_last)
        self.model.head.conv3.register_forward_hook(_in_single_precision)
        self.optimizers = make_optimizers(self.model, options)
        self.seen, self.seconds = 0, 0.0  # of training, pauses not counted
        options.work.mkdir(parents=True, exist_ok=True)
        self.checkpoint = options.work / "latest.pt"
        if self.checkpoint.exists():
            self._restore()
        # The seed counts what was seen, so that a run taken up again does not draw the same batches twice.
        rng = np.random.default_rng((options.seed, self.seen))
        self.batches = Batches(Table(options.cache, "training", options.scenes), options, rng)
        self.validation = Validation(options)

    @property
    def progress(self) -> float:
        """The share of the budget that is used, 0 to 1."""
        options = self.options
        share = self.seen / options.samples if options.samples else self.seconds / (60 * options.minutes)
        return min(share, 1.0)

    def run(self) -> None:
        """Train until the budget is used, saving the state, the model and the log on the way."""
        saved = examined = self.seconds
        recent: list[tuple[float, float]] = []
        while self.progress < 1:
            start = time.monotonic()
            self._set_learning_rates()
            recent.append(self._step(self.batches.draw()))
            self.seen += self.options.batch
            self.seconds += time.monotonic() - start

            finished = self.progress == 1
            if len(recent) >= 50 or finished:
                self._log(recent)
                recent = []
            if self.seconds - saved >= 120 or finished:
                saved = self.seconds
                self._save()
            if self.seconds - examined >= 200 or finished:
                examined = self.seconds
                self._export()

    def _step(self, batch: Batch) -> tuple[float, float]:
        """Learn from one batch; return its losses, of levels and of slopes."""
        device = self.options.device
        batch = Batch(batch.pixels.to(device), batch.depth_m.to(device), batch.weights.to(device))
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16_is_quick(device)):
            pixels = batch.pixels.to(memory_format=torch.channels_last)
            predicted_m = self.model(pixel_values=pixels).predicted_depth
        level, slope = losses(predicted_m.float(), batch)
        self.model.zero_grad()
        (level + slope).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        return level.item(), slope.item()

    def _set_learning_rates(self) -> None:
        """Rise during the warm-up, then fall to nothing in a straight line: the end of the fall is what sharpens it."""
        warm_up = self.options.warm_up
        rate = min(self.progress / warm_up + 1e-3, (1 - self.progress) / (1 - warm_up))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * rate

    def _log(self, recent: list[tuple[float, float]]) -> None:
        level, slope = np.mean(recent, axis=0)
        row = (self.seen, round(self.seconds), f"{self.progress:.3f}", f"{level:.4f}", f"{slope:.4f}")
        with (self.options.work / "log.csv").open("a", newline="") as file:
            if not file.tell():
                csv.writer(file).writerow(("samples", "seconds", "progress", "level_loss", "slope_loss"))
            csv.writer(file).writerow(row)
        print(*row, flush=True)

    def _export(self) -> None:
        plain = copy.deepcopy(self.model).to(memory_format=torch.contiguous_format)
        save_checkpoint(plain, make_processor(), self.options.output)
        print(f"exported after {self.seen} samples: {self.validation.scores(self.model)}", flush=True)

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "state": {"seen": self.seen, "seconds": self.seconds},
        }
        part = self.checkpoint.with_suffix(".part")  # a crash while writing must not cost the last good one
        torch.save(state, part)
        part.rename(self.checkpoint)

    def _restore(self) -> None:
        saved = torch.load(self.checkpoint, map_location=self.options.device, weights_only=True)
        self.model.load_state_dict(saved["model"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.seen, self.seconds = saved["state"]["seen"], saved["state"]["seconds"]


def _in_single_precision(layer: nn.Conv2d, inputs: tuple[Tensor], _output: Tensor) -> Tensor:
    """Give the last layer's output in float32: steps of bfloat16 are 0.4 % of a depth, and edges are differences."""
    with torch.autocast(inputs[0].device.type, enabled=False):
        return F.conv2d(inputs[0].float(), layer.weight, layer.bias)


def make_optimizers(model: nn.Module, options: Options) -> list[torch.optim.Optimizer]:
    """Give the matrices of the transformer's layers to Muon, and all the rest to AdamW, without decay."""
    named = list(model.named_parameters())
    hidden = [p for name, p in named if ".layer." in name and p.ndim == 2]
    others = [p for p in model.parameters() if not any(p is q for q in hidden)]
    optimizers = [
        torch.optim.AdamW(others, options.learning_rate, (0.9, 0.98), weight_decay=0.0, fused=True),
        Muon(hidden, options.muon_learning_rate, options.weight_decay),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


# --- Validation -------------------------------------------------------------------------------------------------------


class Validation:
    """A hundred scenes of the validation seeds, measured during training to see how it goes."""

    def __init__(self, options: Options) -> None:
        rows = np.arange(options.validation_scenes)
        table = Table(options.cache, "validation", len(rows))
        table.fill(views(PICTURE_PX), rows)
        table.fill(GEOMETRIES, rows)
        pictures = np.array(table.cells(views(PICTURE_PX))["rgb"])
        self.pixels = make_processor()(list(pictures), return_tensors="pt").pixel_values
        truth = np.array(table.cells(GEOMETRIES))
        self.depth_m, _ = targets(truth)
        self.sky, self.solid = torch.from_numpy(truth["depth"] == 0), torch.from_numpy(truth["solid"])
        self.device = options.device

    @torch.no_grad()
    def scores(self, model: DepthAnythingForDepthEstimation) -> str:
        """Return, in words, the absolute relative error of all but the sky and of solids, and the sky found."""
        model.eval()
        maps = [model(pixel_values=pixels.to(self.device)).predicted_depth.cpu() for pixels in self.pixels.split(16)]
        model.train()
        predicted_m = torch.cat(maps)
        errors = (predicted_m - self.depth_m).abs() / self.depth_m
        found = ((predicted_m > FAR_M) == self.sky).float().mean()
        return (
            f"absolute relative error {errors[~self.sky].mean():.2%}, of solids {errors[self.solid].mean():.2%}, "
            f"sky told from the rest in {found:.2%} of pixels"
        )


def main() -> None:
    """Train with the options given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in vars(Options()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    train(Options(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
