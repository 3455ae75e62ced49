"""Grade a text-to-image model: draw what test scenes were said to show, and let the judge say what is to be seen.

Prompts are made from the scenes of the test seeds, which nothing was ever trained or tuned on. The judge
(`training.judge`) was trained on rendered training scenes alone; how often it is right about rendered test scenes is
part of the report.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from tabletop.captions import NamedSolid, parse
from tabletop.relations import holds
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS, Scene
from training.autoencoder import AutoencoderOptions, fidelity
from training.dataset import CACHE
from training.intervals import percent
from training.judge import Judge, JudgeOptions, Sight, agrees, load_judge, look, sights
from training.pictures import PICTURE_PX
from training.prompts import contents, prompt

MODEL = Path("assets/models/tabletop-diffusion")
JUDGE = Path(".cache/diffusion/judge.safetensors")
GUIDANCES = (1.0, 3.0, 5.0, 7.5)
DEFAULT_GUIDANCE = 3.0
STEPS = 20
VARIED_PROMPTS = ("a red cube", "a blue sphere", "a green cone", "a yellow torus")
VARIED_PICTURES = 16  # of each of these prompts


@dataclass(frozen=True)
class Asked:
    """A prompt, and what a picture has to show to answer it; relations are between its solids, in its order."""

    prompt: str
    solids: tuple[NamedSolid, ...]
    relation: str | None
    tint: str | None


@dataclass(frozen=True)
class Answer:
    """How one picture answers its prompt.

    Attributes:
        shown: how many of the asked solids are there, colour and shape right.
        exact: all are there, and nothing else.
        sizes: all are there, and every size that was asked for is right.
        relation: what was asked for is true; None where nothing was.
        tint: the table is the one asked for; None where none was.
    """

    shown: int
    exact: bool
    sizes: bool
    relation: bool | None
    tint: bool | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this grader."""
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--judge", type=Path, default=JUDGE)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--prompts", type=int, default=500, help="of each kind, at the default guidance")
    parser.add_argument("--curve-prompts", type=int, default=50, help="of each kind, at the other guidances")
    parser.add_argument("--scenes", type=int, default=1000, help="rendered test scenes, for the judge")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)


def evaluate(options: argparse.Namespace) -> str:
    """Draw and judge all pictures and return the report, in Markdown."""
    torch.set_num_threads(options.threads)
    pipeline = StableDiffusionPipeline.from_pretrained(options.model, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    judge = load_judge(options.judge)
    kinds = {
        "one solid": one_solid(options.prompts),
        "two solids": two_solids(options.prompts, related=False),
        "two solids in a relation": two_solids(options.prompts, related=True),
    }
    lines = _head(options, pipeline, judge)
    for guidance in GUIDANCES:
        count = options.prompts if guidance == DEFAULT_GUIDANCE else min(options.curve_prompts, options.prompts)
        for kind, asked in kinds.items():
            answers = judged(pipeline, judge, asked[:count], guidance, options.batch)
            lines.append(_row(f"{guidance:g} | {kind}", asked[:count], answers))
    lines += _variety(pipeline, judge, options)
    seconds = _duration_s(pipeline)
    lines += [
        "",
        f"One picture of {STEPS} steps with guidance takes {seconds:.2f} s (median of 5, {options.threads} threads, "
        f"{platform.machine()}).",
        "",
    ]
    return "\n".join(lines)


# --- What is asked for ------------------------------------------------------------------------------------------------


def one_solid(count: int) -> list[Asked]:
    """Return prompts for scenes of one solid."""
    rng, asked = np.random.default_rng(1), []
    for seed in TEST_SEEDS[:count]:
        claims = None
        while claims is None or claims.count is not None:
            words = prompt(contents(sample_scene(seed, 1)), rng)
            claims = parse(words)
        asked.append(Asked(words, claims.solids, None, claims.tint))
    return asked


def two_solids(count: int, related: bool) -> list[Asked]:
    """Return prompts for scenes of two solids of different colour or shape, with a relation or without."""
    rng, asked = np.random.default_rng(2 + related), []
    for seed in TEST_SEEDS:
        seen = contents(sample_scene(seed, 2))
        if len({solid[:2] for solid in seen.solids}) < 2:
            continue
        claims = None
        while claims is None or bool(claims.relations) != related or claims.count is not None:
            words = prompt(seen, rng)
            claims = parse(words)
        asked.append(Asked(words, claims.solids, claims.relations[0].relation if related else None, claims.tint))
        if len(asked) == count:
            break
    return asked


# --- What is answered -------------------------------------------------------------------------------------------------


def judged(
    pipeline: StableDiffusionPipeline, judge: Judge, asked: Sequence[Asked], guidance: float, batch: int
) -> list[Answer]:
    """Draw one picture a prompt and return how each answers; the seed is the prompt's place in the list."""
    pictures = draw(pipeline, [each.prompt for each in asked], guidance, batch)
    return [answer(each, sight) for each, sight in zip(asked, look(judge, pictures), strict=True)]


def draw(pipeline: StableDiffusionPipeline, prompts: Sequence[str], guidance: float, batch: int) -> NDArray[np.uint8]:
    """Return pictures (N, 128, 128, 3), sRGB, one a prompt, seeds from 0."""
    pictures = []
    for start in range(0, len(prompts), batch):
        some = list(prompts[start : start + batch])
        generators = [torch.Generator().manual_seed(start + place) for place in range(len(some))]
        drawn = pipeline(some, num_inference_steps=STEPS, guidance_scale=guidance, generator=generators).images
        pictures += [np.asarray(picture) for picture in drawn]
    return np.stack(pictures)


def answer(asked: Asked, sight: Sight) -> Answer:
    """Say how a picture in which the judge sees this answers a prompt."""
    free, found = list(range(len(sight.solids))), []
    for solid in asked.solids:
        same = [
            place
            for place in free
            if (sight.solids[place].colour, sight.solids[place].shape) == (solid.colour, solid.shape)
        ]
        best = max(same, key=lambda place: sight.solids[place].size == solid.size, default=None)
        found.append(best)
        if best is not None:
            free.remove(best)
    every = None not in found
    relation = None
    if asked.relation is not None:
        places = np.array([solid.place_m for solid in sight.solids])
        subject, reference = found[:2]
        relation = subject is not None and reference is not None and holds(places, subject, asked.relation, reference)
    sizes = every and all(
        solid.size in (None, sight.solids[place].size)
        for solid, place in zip(asked.solids, found, strict=True)
        if place is not None
    )
    return Answer(
        shown=sum(place is not None for place in found),
        exact=every and not free,
        sizes=sizes,
        relation=relation,
        tint=None if asked.tint is None else asked.tint == sight.tint,
    )


def spread(places_m: Sequence[tuple[float, float]]) -> float:
    """Return how widely places (right, away) lie about their mean: the root mean square distance, metres."""
    points = np.array(places_m)
    return float(np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean())) if len(points) > 1 else 0.0


# --- The report -------------------------------------------------------------------------------------------------------


def _head(options: argparse.Namespace, pipeline: StableDiffusionPipeline, judge: Judge) -> list[str]:
    seen = list(sights(judge, JudgeOptions(cache=options.cache, validation_scenes=options.scenes), "test"))
    right = {count: [agrees(s, scene) for s, scene in seen if len(scene.solids) == count] for count in (1, 2, 3, 4)}
    tints = sum(sight.tint == scene.tint for sight, scene in seen)
    named = sum(answer(_described(scene), sight).shown for sight, scene in seen)
    every, solids = fidelity(pipeline.vae, AutoencoderOptions(cache=options.cache, device="cpu"), 200, "test")
    return [
        f"# Pictures drawn by {options.model.name}",
        "",
        f"{options.prompts} prompts of each kind from the test seeds, {STEPS} steps of DDIM, one picture each, seed = "
        "place in the list. Made by `python -m training.evaluate diffusion --write`.",
        "",
        f"Autoencoder on 200 rendered test scenes: PSNR {every:.1f} dB, {solids:.1f} dB on the solids alone.",
        "",
        f"The judge on {len(seen)} rendered test scenes: of their solids it finds, with the right colour and shape, "
        f"{percent(named, sum(len(scene.solids) for _, scene in seen))}; it names the right table in "
        f"{percent(tints, len(seen))}. Whole scenes (every solid's shape, colour and size right, none more, none "
        f"missing): {percent(sum(sum(each) for each in right.values()), len(seen))}; by number of solids: "
        + "; ".join(f"{count}: {percent(sum(each), len(each))}" for count, each in right.items() if each)
        + ".",
        "",
        "Shown: every solid that was asked for is there, its colour and shape right. Exact: and nothing else. Sizes: "
        "all is shown, and every size that was asked for is right. Relation, table: right, of the pictures for which "
        "one was asked for.",
        "",
        "| guidance | prompts | shown | exact | each solid | sizes | relation | table |",
        "|---|---|---|---|---|---|---|---|",
    ]


def _described(scene: Scene) -> Asked:
    """Return a request for all that a scene shows."""
    return Asked("", tuple(NamedSolid(each.colour, each.shape, each.size) for each in scene.solids), None, scene.tint)


def _row(name: str, asked: Sequence[Asked], answers: Sequence[Answer]) -> str:
    whole = sum(each.shown == len(ask.solids) for each, ask in zip(answers, asked, strict=True))
    solids = sum(len(ask.solids) for ask in asked)
    cells = [
        percent(whole, len(asked)),
        percent(sum(each.exact for each in answers), len(asked)),
        percent(sum(each.shown for each in answers), solids),
        percent(sum(each.sizes for each in answers), len(asked)),
    ]
    for part in ("relation", "tint"):
        told = [getattr(each, part) for each in answers if getattr(each, part) is not None]
        cells.append(percent(sum(told), len(told)) if told else "")
    return f"| {name} | {' | '.join(cells)} |"


def _variety(pipeline: StableDiffusionPipeline, judge: Judge, options: argparse.Namespace) -> list[str]:
    """Compare where solids stand in many pictures of one prompt with where they stand in rendered scenes."""
    rendered = [sample_scene(seed, 1) for seed in TEST_SEEDS[:VARIED_PICTURES]]
    pictures = np.stack([_picture(scene) for scene in rendered])
    places = [solid.place_m for sight in look(judge, pictures) for solid in sight.solids]
    lines = [
        "",
        f"Variety: how widely the solid's place varies over {VARIED_PICTURES} seeds, in cm (root mean square distance "
        f"from the mean place). In as many rendered scenes of one solid: {100 * spread(places):.1f} cm.",
        "",
        "| prompt | " + " | ".join(f"guidance {guidance:g}" for guidance in GUIDANCES) + " |",
        "|---|" + "---|" * len(GUIDANCES),
    ]
    for words in VARIED_PROMPTS:
        cells = []
        for guidance in GUIDANCES:
            drawn = look(judge, draw(pipeline, [words] * VARIED_PICTURES, guidance, options.batch))
            cells.append(f"{100 * spread([solid.place_m for sight in drawn for solid in sight.solids[:1]]):.1f}")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return lines


def _picture(scene: Scene) -> NDArray[np.uint8]:
    return render(scene, PICTURE_PX).rgb


def _duration_s(pipeline: StableDiffusionPipeline) -> float:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        pipeline(VARIED_PROMPTS[0], num_inference_steps=STEPS, guidance_scale=DEFAULT_GUIDANCE)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))
