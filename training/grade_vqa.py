"""Grade a question answerer on the test seeds: by type and wording, on false premises, on strangers; its candour."""

from __future__ import annotations

import argparse
import platform
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import BertTokenizer, BlipForQuestionAnswering, BlipProcessor

from tabletop import wording
from tabletop.questions import QUESTION_TYPES, Question, false_premise, further_question, question_of_table, questions
from tabletop.strangers import REFUSALS, STRANGE_QUESTIONS
from tabletop.world import Scene
from training.dataset import CACHE, Table, views
from training.intervals import percent
from training.reliability import Bin, calibration_error, plot_svg, reliability
from training.vqa import PICTURE_PX, Answer, answer

MODELS = [Path("assets/models/blip-tabletop-vqa"), Path("assets/models/blip-tabletop-vqa-early")]
PLOT = Path("bench/results/vqa-reliability.svg")
WORDINGS = ("canonical", "other words", "other words, mistyped")
FALSE, TABLE, FURTHER = "false premise", "colour of the table", "further questions"
STRANGE_SCENES = 5  # about which each strange question is asked
SURE = 0.5  # the probability from which an invention counts as a confident one
BATCH = 25  # pictures


@dataclass(frozen=True)
class Asked:
    """One question as it was asked about the scene of a row, and its true answer."""

    row: int
    group: str  # its type, or FALSE, TABLE or FURTHER
    wording: str
    text: str
    truth: str


@dataclass(frozen=True)
class Graded:
    """A question and what the model said to it."""

    asked: Asked
    said: Answer

    @property
    def right(self) -> bool:
        """The answer is the true one, word for word."""
        return self.said.text == self.asked.truth


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this grader."""
    parser.add_argument("--model", type=Path, nargs="+", default=MODELS, help="one folder or more")
    parser.add_argument("--scenes", type=int, default=3000)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the pictures of the test scenes are kept")
    parser.add_argument("--plot", type=Path, default=PLOT, help="where the reliability plot is written")
    parser.add_argument("--threads", type=int, default=2)


def evaluate(options: argparse.Namespace) -> str:
    """Ask about the first `options.scenes` test scenes, write the reliability plot, and return the report."""
    torch.set_num_threads(options.threads)
    table = Table(options.cache, "test", options.scenes)
    table.fill(views(PICTURE_PX), np.arange(options.scenes))
    scenes = [table.scene(row) for row in range(options.scenes)]
    pictures = np.asarray(table.cells(views(PICTURE_PX))["rgb"])
    asked = ask_about(scenes)
    intro = (
        f"# Answers about {len(scenes)} test scenes\n\n"
        f"Test seeds {scenes[0].seed} to {scenes[-1].seed}, rendered at {PICTURE_PX} px, and one question of every "
        "type that the scene allows, each asked once, in a wording drawn for it. Greedy decoding; an answer is right "
        "if it is the true one word for word. Shares with their 95 % Wilson interval and counts. Made by "
        "`python -m training.evaluate vqa --write`.\n\n"
        f"![Reliability]({options.plot.name})\n\n"
    )
    reports, curves = [], {}
    for folder in options.model:
        model = BlipForQuestionAnswering.from_pretrained(folder, dtype=torch.float32).eval()
        processor = BlipProcessor.from_pretrained(folder)
        pixels = processor.image_processor(list(pictures), return_tensors="pt").pixel_values
        graded = grade(model, processor.tokenizer, pixels, asked)
        curves[folder.name] = reliability_of(graded)
        strange = grade(model, processor.tokenizer, pixels, strange_about(len(scenes)))
        seconds = _seconds_per_answer(model, processor, pictures[:50])
        reports.append(report(folder.name, graded, strange, seconds, options.threads))
    options.plot.write_text(plot_svg(curves), encoding="utf-8")
    return intro + "\n".join(reports)


def ask_about(scenes: Sequence[Scene]) -> list[Asked]:
    """Return the questions about each scene, each in one of the `WORDINGS`: one of every type, and some beside them."""
    asked = []
    for row, scene in enumerate(scenes):
        rng = np.random.default_rng((scene.seed, 1))
        named: list[tuple[str, Question]] = [(question.type, question) for question in questions(scene, rng)]
        named += [(FALSE, false_premise(scene, rng)), (TABLE, question_of_table(scene))]
        named += [(FURTHER, further_question(scene, rng))]
        for group, question in named:
            kind = WORDINGS[rng.integers(len(WORDINGS))]
            asked.append(Asked(row, group, kind, worded(question, kind, rng), question.answer))
    return asked


def worded(question: Question, kind: str, rng: np.random.Generator) -> str:
    """Return a question in one of the `WORDINGS`; half of all reworded ones have lost their question mark."""
    if kind == "canonical":
        return question.text
    text = wording.reword(question, rng)
    text = text.rstrip("?.") if rng.random() < 0.5 else text
    return wording.mistype(text, rng) if kind.endswith("mistyped") else text


def strange_about(scenes: int) -> list[Asked]:
    """Return the strange questions, each about `STRANGE_SCENES` scenes; their truth is any of `REFUSALS`."""
    count = len(STRANGE_QUESTIONS)
    return [
        Asked((place + turn * count) % scenes, "stranger", "canonical", text, "")
        for turn in range(STRANGE_SCENES)
        for place, text in enumerate(STRANGE_QUESTIONS)
    ]


def grade(
    model: BlipForQuestionAnswering, tokenizer: BertTokenizer, pixels: Tensor, asked: Sequence[Asked]
) -> list[Graded]:
    """Ask every question about its picture, out of pixels (N, 3, 128, 128); the pictures are looked at in batches."""
    of_row: dict[int, list[Asked]] = defaultdict(list)
    for one in asked:
        of_row[one.row].append(one)
    rows, graded = sorted(of_row), []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        said = answer(model, tokenizer, pixels[batch], [[one.text for one in of_row[row]] for row in batch])
        for row, answers in zip(batch, said, strict=True):
            graded += [Graded(*pair) for pair in zip(of_row[row], answers, strict=True)]
    return graded


def reliability_of(graded: Sequence[Graded]) -> list[Bin]:
    """Return the bins of graded answers."""
    return reliability([one.said.probability for one in graded], [one.right for one in graded])


def _seconds_per_answer(model: BlipForQuestionAnswering, processor: BlipProcessor, pictures: np.ndarray) -> float:
    """Return the median time of one answer, one picture and one question at a time."""
    times = []
    for picture in pictures:
        start = time.perf_counter()
        pixels = processor.image_processor([picture], return_tensors="pt").pixel_values
        answer(model, processor.tokenizer, pixels, [["what colour is the cube?"]])
        times.append(time.perf_counter() - start)
    return float(np.median(times))


# --- The report -------------------------------------------------------------------------------------------------------


def report(name: str, graded: Sequence[Graded], strange: Sequence[Graded], seconds: float, threads: int) -> str:
    """Return a model's part of the report, in Markdown."""
    typed = [one for one in graded if one.asked.group in QUESTION_TYPES]
    lines = [
        f"## {name}",
        "",
        "| type | all wordings | " + " | ".join(WORDINGS) + " |",
        "|---|---|" + "---|" * len(WORDINGS),
        _row("**all types**", typed),
        *(_row(kind, [one for one in typed if one.asked.group == kind]) for kind in QUESTION_TYPES),
        *(_row(group, [one for one in graded if one.asked.group == group]) for group in (FALSE, TABLE, FURTHER)),
        "",
        f"Expected calibration error over all types: {calibration_error(reliability_of(typed)):.3f}; with false "
        f"premises, the table and further questions: {calibration_error(reliability_of(graded)):.3f}.",
        "",
        "| probability shown | answers | mean probability | right |",
        "|---|---|---|---|",
    ]
    for one in reliability_of(graded):
        shown = f"{one.low:.0%} to {one.high:.0%}".replace("%", " %")
        lines.append(f"| {shown} | {one.count} | {one.probability:.3f} | {one.right:.3f} |")
    lines += ["", *_strange_lines(strange), "", *_mistake_lines(typed)]
    lines.append(
        f"One answer takes {seconds * 1000:.0f} ms (median of 50, picture preparation included, {threads} threads, "
        f"{platform.machine()})."
    )
    return "\n".join(lines) + "\n"


def _row(title: str, graded: Sequence[Graded]) -> str:
    cells = [_share(graded), *(_share([one for one in graded if one.asked.wording == kind]) for kind in WORDINGS)]
    return f"| {title} | {' | '.join(cells)} |"


def _share(graded: Sequence[Graded]) -> str:
    return percent(sum(one.right for one in graded), len(graded)) if graded else "none asked"


def invented(one: Graded) -> bool:
    """Say whether an answer to a strange question is a confident invention."""
    return one.said.text not in REFUSALS and one.said.probability >= SURE


def _strange_lines(strange: Sequence[Graded]) -> list[str]:
    refused = sum(one.said.text in REFUSALS for one in strange)
    inventions = [one for one in strange if invented(one)]
    lines = [
        f"Strange questions, {len(STRANGE_QUESTIONS)} about {STRANGE_SCENES} scenes each: answered {_or(REFUSALS)} "
        f"{percent(refused, len(strange))}; confident inventions (any other answer, at {SURE:.0%} or more) "
        f"{percent(len(inventions), len(strange))}.".replace("50%", "50 %")
    ]
    texts = list(dict.fromkeys(f'"{one.asked.text}" {one.said.text}' for one in inventions))
    return [*lines, "", f"Invented: {'; '.join(texts[:12])}."] if texts else lines


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _mistake_lines(typed: Sequence[Graded]) -> list[str]:
    wrong: dict[tuple[str, str, str], int] = defaultdict(int)
    for one in typed:
        if not one.right:
            wrong[one.asked.group, one.asked.truth, one.said.text] += 1
    if not wrong:
        return []
    common = sorted(wrong.items(), key=lambda item: -item[1])[:12]
    rows = [f"| {group} | {truth} | {said} | {count} |" for (group, truth, said), count in common]
    return ["| type | the answer is | the model says | times |", "|---|---|---|---|", *rows, ""]
