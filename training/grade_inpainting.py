"""Grade inpainting: put new solids into test scenes, take others away, and let the judge say what is to be seen.

Holes are what the inpainting tab makes of a click on a rendered solid: its pixels and its shadow's. New solids go into
such a hole, in place of what was there, or into an ellipse on the bare table; what a hole's outline tells is of no use
to either. Afterwards all but the hole is pasted back, as the tab does.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetInpaintPipeline, StableDiffusionPipeline
from numpy.typing import NDArray

from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import COLOURS, SHAPES, TEST_SEEDS, Scene
from training.filling import fill, filler
from training.grade_diffusion import DEFAULT_GUIDANCE, JUDGE, MODEL, STEPS
from training.intervals import percent
from training.judge import Judge, Sight, load_judge, look
from training.pictures import PICTURE_PX

NET = Path("assets/models/tabletop-controlnet-inpaint")
GROW_PX, FEATHER_PX = 2, 2  # the tab's defaults
SHADOW_LEVELS = 8  # of 256: a pixel that differs by more without the solid shows its shadow, as in the tab
AROUND = 1.25  # an ellipse for a new solid is wider than one that was there by this factor
NOTHING = "an empty table"
U8 = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Task:
    """A picture with a hole in it, and what is to be in the hole afterwards.

    Attributes:
        picture: (128, 128, 3), sRGB.
        hole: (128, 128), as it is filled: grown already.
        prompt: what the model is told.
        wanted: (colour, shape) that must be in the hole; None where nothing may be.
        truth: for a removal, the picture rendered without the solid.
    """

    picture: U8
    hole: Mask
    prompt: str
    wanted: tuple[str, str] | None
    truth: U8 | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this grader."""
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--net", type=Path, default=NET)
    parser.add_argument("--judge", type=Path, default=JUDGE)
    parser.add_argument("--cases", type=int, default=300, help="of each kind: insertions, removals")
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--threads", type=int, default=2)


def evaluate(options: argparse.Namespace) -> str:
    """Fill all holes, judge what is in them and return the report, in Markdown."""
    torch.set_num_threads(options.threads)
    base = StableDiffusionPipeline.from_pretrained(options.model, dtype=torch.float32, low_cpu_mem_usage=False)
    net = ControlNetModel.from_pretrained(options.net, dtype=torch.float32, low_cpu_mem_usage=False)
    pipeline, judge = filler(base, net), load_judge(options.judge)
    tasks = {
        "a new solid on the bare table": insertions(options.cases, replacing=False),
        "a new solid in place of another": insertions(options.cases, replacing=True),
        "a solid taken away": removals(options.cases),
    }
    lines = [
        f"# Inpainting by {options.net.name} with {options.model.name}",
        "",
        f"{options.cases} insertions, every other one in place of a solid, and {options.cases} removals, in scenes of "
        f"one to three solids of the test seeds. {STEPS} steps, guidance {DEFAULT_GUIDANCE:g}, strength 1; holes grown "
        f"by {GROW_PX} px, feathered by {FEATHER_PX} px. Made by `python -m training.evaluate inpainting --write`.",
        "",
        "An insertion is right when the judge sees a solid of the colour and shape that were asked for with its centre "
        f'in the hole; a removal (prompt "{NOTHING}") when it sees no centre of a solid there.',
        "",
        "| task | right |",
        "|---|---|",
    ]
    right: dict[str, list[bool]] = {}
    changes = []
    for name, some in tasks.items():
        pictures = filled(pipeline, some, options.batch)
        right[name] = [succeeded(*pair) for pair in zip(some, look(judge, pictures), strict=True)]
        lines.append(f"| {name} | {percent(sum(right[name]), len(some))} |")
        changes += [change_outside(*pair) for pair in zip(some, pictures, strict=True)]
    both = [one for name in list(tasks)[:2] for one in right[name]]
    lines += [
        f"| all insertions | {percent(sum(both), len(both))} |",
        "",
        f"The largest change of a pixel outside hole and feather, after the paste-back: {max(changes)}/255.",
        "",
        f"What the judge can tell: of the scenes rendered without the solid it sees nothing in the hole in "
        f"{_believed(judge, tasks['a solid taken away'])}.",
        "",
    ]
    return "\n".join(lines)


# --- What is asked for ------------------------------------------------------------------------------------------------


def insertions(count: int, *, replacing: bool) -> list[Task]:
    """Return every other of `count` insertions: those that replace a solid, or those on the bare table."""
    tasks = []
    for place, seed in enumerate(TEST_SEEDS[:count]):
        rng = np.random.default_rng((4, seed))
        scene, index = _chosen(seed, rng)
        if replacing != bool(place % 2):
            continue
        solid, others = scene.solids[index], _without(scene, index)
        # Neither colour nor shape is that of what was there, and no other solid of the scene is of that colour.
        taken = {each.colour for each in scene.solids}
        colour = str(rng.choice([each for each in COLOURS if each not in taken]))
        shape = str(rng.choice([each for each in SHAPES if each != solid.shape]))
        prompt = f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {shape}"
        picture, bare = render(scene, PICTURE_PX).rgb, render(others, PICTURE_PX).rgb
        if replacing:
            tasks.append(Task(picture, grown(footprint(scene, index)), prompt, (colour, shape)))
        else:
            tasks.append(Task(bare, grown(ellipse_around(footprint(scene, index))), prompt, (colour, shape)))
    return tasks


def removals(count: int) -> list[Task]:
    """Return pictures of which a solid is to be taken away with its shadow."""
    tasks = []
    for seed in TEST_SEEDS[:count]:
        scene, index = _chosen(seed, np.random.default_rng((5, seed)))
        truth = render(_without(scene, index), PICTURE_PX).rgb
        tasks.append(
            Task(render(scene, PICTURE_PX).rgb, grown(footprint(scene, index)), NOTHING, wanted=None, truth=truth)
        )
    return tasks


def footprint(scene: Scene, index: int) -> Mask:
    """Return the pixels (128, 128) that show a solid or its shadow."""
    view, without = render(scene, PICTURE_PX), render(_without(scene, index), PICTURE_PX).rgb
    return np.asarray((view.ids == index + 1) | (np.abs(view.rgb.astype(int) - without).max(2) > SHADOW_LEVELS))


def ellipse_around(mask: Mask) -> Mask:
    """Return an upright ellipse over the middle of a mask, wider and higher than its box by `AROUND`."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    drawn = np.zeros(mask.shape, np.uint8)
    cv2.ellipse(drawn, ((x + width / 2, y + height / 2), (AROUND * width, AROUND * height), 0.0), 1, -1)
    return np.asarray(drawn > 0)


def _chosen(seed: int, rng: np.random.Generator) -> tuple[Scene, int]:
    """Return a scene of one to three solids, and which of them is meant."""
    scene = sample_scene(seed, int(rng.integers(1, 4)))
    return scene, int(rng.integers(len(scene.solids)))


def _without(scene: Scene, index: int) -> Scene:
    return replace(scene, solids=(*scene.solids[:index], *scene.solids[index + 1 :]))


# --- Filled and pasted back -------------------------------------------------------------------------------------------


def filled(pipeline: StableDiffusionControlNetInpaintPipeline, tasks: Sequence[Task], batch: int) -> U8:
    """Return the pictures (N, 128, 128, 3), filled and pasted back; the seed is the task's place in the list."""
    results = []
    for start in range(0, len(tasks), batch):
        some = tasks[start : start + batch]
        drawn = fill(
            pipeline,
            [task.prompt for task in some],
            np.stack([task.picture for task in some]),
            np.stack([task.hole for task in some]),
            [torch.Generator().manual_seed(start + place) for place in range(len(some))],
            STEPS,
            DEFAULT_GUIDANCE,
        )
        results += [pasted(task, np.asarray(each)) for task, each in zip(some, drawn, strict=True)]
    return np.stack(results)


def grown(mask: Mask) -> Mask:
    """Return a mask whose edge has moved outwards by `GROW_PX`."""
    return np.asarray(_outside_px(mask) <= GROW_PX)


def weights(hole: Mask) -> NDArray[np.float32]:
    """Return how much of each pixel is what was drawn: 1 in a hole, falling evenly to 0 over `FEATHER_PX` around it."""
    return np.clip(1 - _outside_px(hole) / (FEATHER_PX + 1), 0, 1).astype(np.float32)


def pasted(task: Task, drawn: U8) -> U8:
    """Return what was drawn in the hole, mixed over the feather's width with the picture around it."""
    picture, share = task.picture.astype(np.float32), weights(task.hole)[..., None]
    return np.round(picture + share * (drawn - picture)).astype(np.uint8)


def _outside_px(mask: Mask) -> NDArray[np.float32]:
    """Return how far each pixel is from a mask; 0 inside. Everything is inside of a mask that is everywhere."""
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


# --- What is judged ---------------------------------------------------------------------------------------------------


def succeeded(task: Task, sight: Sight) -> bool:
    """Say whether a picture in which the judge sees this is what the task asked for."""
    there = [
        (solid.colour, solid.shape)
        for solid in sight.solids
        if task.hole[int(solid.centre_px[1]), int(solid.centre_px[0])]
    ]
    return task.wanted in there if task.wanted else not there


def change_outside(task: Task, picture: U8) -> int:
    """Return the largest difference, of 255, of a pixel that is neither in the hole nor in the feather."""
    kept = weights(task.hole) == 0
    return int(np.abs(picture[kept].astype(int) - task.picture[kept]).max(initial=0))


def _believed(judge: Judge, tasks: Sequence[Task]) -> str:
    truths = np.stack([task.truth for task in tasks if task.truth is not None])
    right = [succeeded(*pair) for pair in zip(tasks, look(judge, truths), strict=True)]
    return percent(sum(right), len(right))
