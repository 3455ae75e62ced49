"""Grade a captioner on the test seeds: caption every scene greedily, parse the words back, check each claim."""

from __future__ import annotations

import argparse
import platform
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipProcessor

from tabletop.captions import FORMS, PROMPTS, Claims, Form, Verdict, check, parse
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS, Scene
from training.intervals import percent

MODELS = [Path("assets/models/blip-tabletop"), Path("assets/models/blip-tabletop-early")]
MAX_NEW_TOKENS = 71  # the longest caption, of six solids
BATCH = 50


@dataclass(frozen=True)
class Graded:
    """One caption of one scene; `claims` and `verdict` are None where the caption is outside the grammar."""

    scene: Scene
    text: str
    claims: Claims | None
    verdict: Verdict | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this grader."""
    parser.add_argument("--model", type=Path, nargs="+", default=MODELS, help="one folder or more")
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=2)


def evaluate(options: argparse.Namespace) -> str:
    """Caption the first `options.scenes` test scenes in every form and return the report, in Markdown."""
    torch.set_num_threads(options.threads)
    scenes = [sample_scene(TEST_SEEDS[index]) for index in range(options.scenes)]
    pictures = [Image.fromarray(render(scene, 128).rgb) for scene in scenes]
    intro = (
        f"# Captions of {len(scenes)} test scenes\n\n"
        f"Test seeds {scenes[0].seed} to {scenes[-1].seed}, rendered at 128 px; greedy decoding; shares with their "
        "95 % Wilson interval and counts. Made by `python -m training.evaluate captioner --write`.\n\n"
    )
    return intro + "\n".join(_evaluate_model(folder, scenes, pictures, options.threads) for folder in options.model)


def _evaluate_model(folder: Path, scenes: Sequence[Scene], pictures: Sequence[Image.Image], threads: int) -> str:
    model = BlipForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = BlipProcessor.from_pretrained(folder)
    graded: dict[Form, list[Graded]] = {}
    for form in FORMS:
        texts = caption_pictures(model, processor, pictures, PROMPTS[form])
        graded[form] = [grade(scene, text) for scene, text in zip(scenes, texts, strict=True)]
    return _report(folder, graded, _seconds_per_caption(model, processor, pictures[:50]), threads)


def caption_pictures(
    model: BlipForConditionalGeneration, processor: BlipProcessor, pictures: Sequence[Image.Image], prompt: str = ""
) -> list[str]:
    """Caption pictures greedily, continuing the same prompt for each; the prompt is part of the captions."""
    texts: list[str] = []
    for start in range(0, len(pictures), BATCH):
        batch = list(pictures[start : start + BATCH])
        inputs = processor(images=batch, text=[prompt] * len(batch), return_tensors="pt")
        ids = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, num_beams=1, do_sample=False)
        texts += processor.batch_decode(ids, skip_special_tokens=True)
    return texts


def grade(scene: Scene, text: str) -> Graded:
    """Parse a caption and check it against its scene."""
    claims = parse(text)
    return Graded(scene, text, claims, None if claims is None else check(claims, scene))


def _seconds_per_caption(
    model: BlipForConditionalGeneration, processor: BlipProcessor, pictures: Sequence[Image.Image]
) -> float:
    """Return the median time of one caption, one picture at a time."""
    times = []
    for picture in pictures:
        start = time.perf_counter()
        caption_pictures(model, processor, [picture])
        times.append(time.perf_counter() - start)
    return float(np.median(times))


# --- The report -------------------------------------------------------------------------------------------------------


def _report(folder: Path, graded: dict[Form, list[Graded]], seconds: float, threads: int) -> str:
    default = graded["relational"]
    lines = [
        f"## {folder.name}",
        "",
        "| form | prompt | solids named, right colour and shape | captions with every stated fact true "
        "| true and every solid named | outside the grammar |",
        "|---|---|---|---|---|---|",
    ]
    lines += [f"| {form} | {PROMPTS[form] or '(none)'} | {scores(graded[form])} |" for form in FORMS]
    lines += [
        "",
        "Relational captions by number of solids:",
        "",
        "| solids | solids named | every stated fact true | true and complete | outside the grammar |",
        "|---|---|---|---|---|",
    ]
    for count in sorted({len(one.scene.solids) for one in default}):
        lines.append(f"| {count} | {scores([one for one in default if len(one.scene.solids) == count])} |")
    kinds = Counter(mistake.kind for one in default if one.verdict for mistake in one.verdict.mistakes)
    mistakes = ", ".join(f"{kind} {number}" for kind, number in kinds.most_common()) or "none"
    lines += ["", f"False claims in relational captions, by kind: {mistakes}.", ""]
    common = confusions(default).most_common(12)
    if common:
        lines += ["| the solid is | the caption says | times |", "|---|---|---|"]
        lines += [f"| {truth} | {said} | {number} |" for (truth, said), number in common]
        lines.append("")
    lines.append(
        f"One caption takes {seconds * 1000:.0f} ms (median of 50, picture preparation included, {threads} threads, "
        f"{platform.machine()})."
    )
    return "\n".join(lines) + "\n"


def scores(graded: Sequence[Graded]) -> str:
    """Return the cells of a row: solids named, captions true, true and complete, number outside the grammar."""
    verdicts = [one.verdict for one in graded if one.verdict is not None]
    cells = (
        percent(sum(verdict.named for verdict in verdicts), sum(len(one.scene.solids) for one in graded)),
        percent(sum(verdict.true for verdict in verdicts), len(graded)),
        percent(sum(verdict.true and verdict.complete for verdict in verdicts), len(graded)),
        str(len(graded) - len(verdicts)),
    )
    return " | ".join(cells)


def confusions(graded: Sequence[Graded]) -> Counter[tuple[str, str]]:
    """Count (true word, word said) where a caption names the right number of solids and one of them wrongly."""
    pairs: Counter[tuple[str, str]] = Counter()
    for one in graded:
        if one.claims is None or len(one.claims.solids) != len(one.scene.solids):
            continue
        truth = Counter((solid.colour, solid.shape) for solid in one.scene.solids)
        said = Counter((solid.colour, solid.shape) for solid in one.claims.solids)
        missing, invented = list((truth - said).elements()), list((said - truth).elements())
        if len(missing) == 1:
            for is_, says in zip(missing[0], invented[0], strict=True):
                if is_ != says:
                    pairs[is_, says] += 1
    return pairs
