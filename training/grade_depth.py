"""Grade a depth model on the test seeds: estimate every scene's depth, and compare it with the rays' lengths.

Nothing is fitted to the truth: the model's metres are taken as they are. The sky has no depth and is graded apart.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import pipeline

from tabletop.casting import SKY, TABLE, trace
from tabletop.render import View, render
from tabletop.sampling import sample_scene
from tabletop.stereo import move_right
from tabletop.world import TEST_SEEDS, VALIDATION_SEEDS, Scene
from training.depth import BASELINE_M, FAR_M, MAX_DEPTH_M
from training.intervals import Z_95

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

MODEL = Path("assets/models/depth-anything-tabletop")
EDGE_PX = 2  # a pixel this close to a solid's outline is at an edge
CLOSE = 1.25  # the usual threshold of "delta 1", the larger of the two ratios of depths
TYPICAL_SCENES = 100  # validation scenes whose median map is the yardstick


@dataclass(frozen=True)
class Errors:
    """What is wrong with some of the pixels of one scene: means over them.

    Attributes:
        relative: of the absolute error over the true depth.
        squared: of the squared error, square metres.
        close: share of pixels whose depth is right within a factor of `CLOSE`.
    """

    relative: float
    squared: float
    close: float


@dataclass(frozen=True)
class Graded:
    """One scene: errors of all but the sky, of solids, and at their edges; the sky's share found, and taken wrongly."""

    solids: int
    whole: Errors
    on_solids: Errors
    at_edges: Errors
    sky_found: float
    sky_invented: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this grader."""
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--right-scenes", type=int, default=200, help="of these, also from the right of a stereo pair")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures, pixels")
    parser.add_argument("--threads", type=int, default=2)


def evaluate(options: argparse.Namespace) -> str:
    """Measure the first `options.scenes` test scenes and return the report, in Markdown."""
    torch.set_num_threads(options.threads)
    estimator = pipeline("depth-estimation", model=str(options.model), dtype=torch.float32, device="cpu")
    typical_m = typical_depth(options.size)
    graded, yardstick, right, seconds = [], [], [], []
    for index in range(options.scenes):
        scene = sample_scene(TEST_SEEDS[index])
        view = render(scene, options.size)
        start = time.perf_counter()
        predicted_m = estimate(estimator, view.rgb)
        seconds.append(time.perf_counter() - start)
        graded.append(grade(scene, view, predicted_m))
        yardstick.append(grade(scene, view, typical_m))
        if index < options.right_scenes:
            moved = replace(scene, camera=move_right(scene.camera, BASELINE_M))
            view = render(moved, options.size)
            right.append(grade(moved, view, estimate(estimator, view.rgb)))
    return "\n".join(_report(options, graded, right, yardstick)) + (
        f"\nOne picture takes {np.median(seconds) * 1000:.0f} ms (median of {len(seconds)}, preparation and "
        f"scaling back included, {options.threads} threads, {platform.machine()}).\n"
    )


def estimate(estimator: Any, picture: NDArray[np.uint8]) -> F32:
    """Return the depth of a picture (S, S, 3), in metres, (S, S), as the pipeline gives it."""
    depth_m: F32 = estimator(Image.fromarray(picture))["predicted_depth"].numpy()
    return depth_m


def typical_depth(size: int) -> F32:
    """Return the median depth (`size`, `size`) of validation scenes: what is known without looking at the picture."""
    maps = [trace(sample_scene(VALIDATION_SEEDS[index]), size).depth_m for index in range(TYPICAL_SCENES)]
    depth_m: F32 = np.minimum(np.median(maps, axis=0), MAX_DEPTH_M).astype(np.float32)
    return depth_m


def grade(scene: Scene, view: View, predicted_m: F32) -> Graded:
    """Compare a depth map (S, S), metres, with what is true of the picture."""
    sky = view.ids == SKY
    beyond = predicted_m > FAR_M
    return Graded(
        solids=len(scene.solids),
        whole=errors(predicted_m, view.depth_m, ~sky),
        on_solids=errors(predicted_m, view.depth_m, view.ids > TABLE),
        at_edges=errors(predicted_m, view.depth_m, edges(view.ids) & ~sky),
        sky_found=float(beyond[sky].mean()) if sky.any() else 1.0,
        sky_invented=float(beyond[~sky].mean()),
    )


def errors(predicted_m: F32, depth_m: F32, where: Mask) -> Errors:
    """Return the errors of the pixels `where` (S, S), of which there must be one."""
    predicted, true = predicted_m[where].astype(np.float64), depth_m[where].astype(np.float64)
    off = np.abs(predicted - true)
    ratio = np.maximum(predicted / true, true / predicted)
    return Errors(float((off / true).mean()), float((off**2).mean()), float((ratio < CLOSE).mean()))


def edges(ids: NDArray[np.int16]) -> Mask:
    """Return the pixels (S, S) no further than `EDGE_PX`, along rows and columns, from where a solid's outline runs."""
    outline = np.zeros(ids.shape, dtype=bool)
    solid = ids > TABLE
    for near, far in (((slice(1, None),), (slice(None, -1),)), ((..., slice(1, None)), (..., slice(None, -1)))):
        change = (ids[near] != ids[far]) & (solid[near] | solid[far])
        outline[near] |= change
        outline[far] |= change
    wide = outline.copy()  # both pixels beside an outline are at distance 1
    for _ in range(EDGE_PX - 1):
        padded = np.pad(wide, 1)
        wide = padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return wide


# --- The report -------------------------------------------------------------------------------------------------------


def _report(
    options: argparse.Namespace, graded: Sequence[Graded], right: Sequence[Graded], yardstick: Sequence[Graded]
) -> list[str]:
    lines = [
        f"# Depth of {len(graded)} test scenes",
        "",
        f"{options.model.name}, test seeds {TEST_SEEDS[0]} to {TEST_SEEDS[len(graded) - 1]}, rendered at "
        f"{options.size} px, the model's metres taken as they are. Errors are means over scenes of "
        f"means over pixels, without the sky, with 95 % intervals. At edges: within {EDGE_PX} px of a solid's outline. "
        "Made by `python -m training.evaluate depth --write`.",
        "",
        "| pixels | absolute relative error | within a factor of 1.25 | root mean square error |",
        "|---|---|---|---|",
    ]
    for name, part in (("all but the sky", "whole"), ("of solids", "on_solids"), ("at edges", "at_edges")):
        lines.append(f"| {name} | {scores([getattr(one, part) for one in graded])} |")
    for name, part in (("all but the sky", "whole"), ("of solids", "on_solids")):
        if right:
            cells = scores([getattr(one, part) for one in right])
            lines.append(f"| {name}, seen by the right camera of a stereo pair ({len(right)} scenes) | {cells} |")
    for name, part in (("all but the sky", "whole"), ("of solids", "on_solids")):
        cells = scores([getattr(one, part) for one in yardstick])
        lines.append(f"| for comparison, {name}: the median depth map, without looking | {cells} |")
    lines += [
        "",
        "By number of solids:",
        "",
        "| solids | scenes | absolute relative error | of solids | at edges |",
        "|---|---|---|---|---|",
    ]
    for count in sorted({one.solids for one in graded}):
        some = [one for one in graded if one.solids == count]
        parts = ([one.whole for one in some], [one.on_solids for one in some], [one.at_edges for one in some])
        cells = " | ".join(share([each.relative for each in part]) for part in parts)
        lines.append(f"| {count} | {len(some)} | {cells} |")
    worst = max(graded, key=lambda one: one.whole.relative).whole.relative
    lines += [
        "",
        f"The worst scene is off by {worst:.2%}. Of the sky, {share([one.sky_found for one in graded])} is said to be "
        f"beyond {FAR_M} m, and so is {share([one.sky_invented for one in graded])} of the rest.",
    ]
    return [line.replace("%", " %").replace("  %", " %") for line in lines]


def scores(some: Sequence[Errors]) -> str:
    """Return the cells of a row: absolute relative error, share within `CLOSE`, root mean square error."""
    root = 100 * math.sqrt(float(np.mean([one.squared for one in some])))
    close = float(np.mean([one.close for one in some]))
    return f"{share([one.relative for one in some])} | {close:.2%} | {root:.2f} cm"


def share(values: Sequence[float]) -> str:
    """Write the mean of shares with its 95 % interval (normal approximation).

    >>> share([0.01, 0.02, 0.03])
    '2.00% (0.87 to 3.13)'
    """
    mean = float(np.mean(values))
    half = Z_95 * float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{mean:.2%} ({100 * (mean - half):.2f} to {100 * (mean + half):.2f})"
