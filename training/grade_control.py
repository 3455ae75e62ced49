"""Grade the ControlNets: draw test scenes again from their edges or depth, in other colours, and look at the result.

A control is made from a scene of the test seeds; the prompt names its solids with other colours. So the places and
shapes can only come from the control, and the colours only from the prompt. The judge (`training.judge`) says whether
every solid has the colour it was asked in.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from numpy.typing import NDArray
from PIL import Image
from transformers import pipeline as make_pipeline

from tabletop.captions import parse
from tabletop.casting import TABLE
from tabletop.controls import edge_f1, edges, nearness
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import COLOURS, TEST_SEEDS, Scene
from training.grade_diffusion import DEFAULT_GUIDANCE, JUDGE, MODEL, STEPS, Asked, answer
from training.intervals import percent
from training.judge import Judge, load_judge, look
from training.pictures import PICTURE_PX
from training.prompts import contents, prompt

NETS = {kind: Path(f"assets/models/tabletop-controlnet-{kind}") for kind in ("canny", "depth")}
DEPTH_MODEL = Path("assets/models/depth-anything-tabletop")
REACHES_PX = (1, 2)  # how far an edge may be off
U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Task:
    """A scene with other colours, how it is asked for, and the picture it was."""

    scene: Scene
    asked: Asked
    picture: U8


@dataclass(frozen=True)
class Result:
    """What was drawn for a task, from a control."""

    task: Task
    control: U8
    picture: U8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this grader."""
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--canny", type=Path, default=NETS["canny"])
    parser.add_argument("--depth", type=Path, default=NETS["depth"])
    parser.add_argument("--depth-model", type=Path, default=DEPTH_MODEL)
    parser.add_argument("--judge", type=Path, default=JUDGE)
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--batch", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)


def evaluate(options: argparse.Namespace) -> str:
    """Draw and look at everything and return the report, in Markdown."""
    torch.set_num_threads(options.threads)
    judge, tasks = load_judge(options.judge), recoloured(options.scenes)
    by_edges = drawn(load(options.model, options.canny), tasks, lambda task: edges(task.picture), options.batch)
    by_depth = drawn(load(options.model, options.depth), tasks, _true_nearness, options.batch)
    lines = [
        f"# ControlNets of {options.model.name}",
        "",
        f"{len(tasks)} scenes of the test seeds with one to three solids; the control is made from the rendered scene, "
        f"the prompt names the solids in other colours. {STEPS} steps, guidance {DEFAULT_GUIDANCE:g}, control "
        "weight 1. Made by `python -m training.evaluate control --write`.",
        "",
        "| control | all solids in the colours asked for | each solid |",
        "|---|---|---|",
    ]
    lines += [_colours(name, judge, each) for name, each in (("edges", by_edges), ("depth", by_depth))]
    lines += ["", "Edges of the result against the control, mean over pictures:", ""]
    for reach in REACHES_PX:
        scores = [edge_f1(edges(each.picture), each.control, reach) for each in by_edges]
        floor = [edge_f1(edges(each.picture), one.control, reach) for each, one in _shifted(by_edges)]
        lines.append(
            f"- within {reach} px: F1 {np.mean(scores):.3f} (median {np.median(scores):.3f}); against another "
            f"scene's control {np.mean(floor):.3f}"
        )
    errors = depth_errors(options.depth_model, by_depth)
    lines += [
        "",
        f"Depth of the result, as {options.depth_model.name} sees it, against the scene's: mean absolute relative "
        f"error {np.mean(errors[:, 0]):.1%} (median {np.median(errors[:, 0]):.1%}), on solids alone "
        f"{np.mean(errors[:, 1]):.1%}. The same model on the rendered scenes themselves: {np.mean(errors[:, 2]):.1%}, "
        f"on solids {np.mean(errors[:, 3]):.1%}.",
        "",
    ]
    return "\n".join(lines)


def recoloured(count: int) -> list[Task]:
    """Return scenes of one to three solids and prompts that name them in colours of which none is as it was."""
    rng, tasks = np.random.default_rng(3), []
    for seed in TEST_SEEDS[:count]:
        scene = sample_scene(seed, int(rng.integers(1, 4)))
        picture = render(scene, PICTURE_PX).rgb
        others = [[colour for colour in COLOURS if colour != solid.colour] for solid in scene.solids]
        solids = tuple(
            replace(solid, colour=str(rng.choice(colours))) for solid, colours in zip(scene.solids, others, strict=True)
        )
        wished = replace(scene, solids=solids)
        claims = None
        while claims is None:
            words = prompt(contents(wished), rng)
            claims = parse(words)
        tasks.append(Task(wished, Asked(words, claims.solids, None, claims.tint), picture))
    return tasks


def load(model: Path, net: Path) -> StableDiffusionControlNetPipeline:
    """Return the pipeline of a base and a ControlNet."""
    controlnet = ControlNetModel.from_pretrained(net, dtype=torch.float32, low_cpu_mem_usage=False)
    made = StableDiffusionControlNetPipeline.from_pretrained(
        model, controlnet=controlnet, dtype=torch.float32, low_cpu_mem_usage=False
    )
    made.set_progress_bar_config(disable=True)
    return made


def drawn(
    made: StableDiffusionControlNetPipeline, tasks: Sequence[Task], control: Callable[[Task], U8], batch: int
) -> list[Result]:
    """Draw every task from its control; the seed is its place in the list."""
    results: list[Result] = []
    for start in range(0, len(tasks), batch):
        some = tasks[start : start + batch]
        controls = [control(task) for task in some]
        pictures = made(
            [task.asked.prompt for task in some],
            image=[Image.fromarray(each).convert("RGB") for each in controls],
            num_inference_steps=STEPS,
            guidance_scale=DEFAULT_GUIDANCE,
            generator=[torch.Generator().manual_seed(start + place) for place in range(len(some))],
        ).images
        results += [
            Result(task, each, np.asarray(picture))
            for task, each, picture in zip(some, controls, pictures, strict=True)
        ]
    return results


def depth_errors(model: Path, results: Sequence[Result]) -> NDArray[np.float64]:
    """Return mean |estimate - true| / true depth, (N, 4): of the result, on its solids; of the rendered scene, same."""
    estimate = make_pipeline("depth-estimation", model=str(model), dtype=torch.float32)
    rows = []
    for each in results:
        view = render(each.task.scene, PICTURE_PX)
        seen, solid = np.isfinite(view.depth_m), view.ids > TABLE
        row = []
        for picture in (each.picture, each.task.picture):
            said = estimate(Image.fromarray(picture))["predicted_depth"].squeeze().numpy()
            off = np.abs(said - view.depth_m)[seen] / view.depth_m[seen]
            row += [off.mean(), off[solid[seen]].mean()]
        rows.append(row)
    return np.array(rows)


def _true_nearness(task: Task) -> U8:
    return nearness(render(task.scene, PICTURE_PX).depth_m)


def _shifted(results: Sequence[Result]) -> list[tuple[Result, Result]]:
    return list(zip(results, [*results[1:], results[0]], strict=True))


def _colours(name: str, judge: Judge, results: Sequence[Result]) -> str:
    sights = look(judge, np.stack([each.picture for each in results]))
    answers = [answer(each.task.asked, sight) for each, sight in zip(results, sights, strict=True)]
    asked = [len(each.task.asked.solids) for each in results]
    whole = sum(one.shown == count for one, count in zip(answers, asked, strict=True))
    return f"| {name} | {percent(whole, len(asked))} | {percent(sum(one.shown for one in answers), sum(asked))} |"
