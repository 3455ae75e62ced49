"""What mattered, found by trial: hide a part of the picture, or leave out a word, and see how the answer suffers.

It needs nothing but the answer's probability, so it works for every model alike, and unlike attention it shows what the
answer really hangs on. It costs a run of the model for every part.

Source: Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks, section 4.2, arXiv:1311.2901.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from demos.vqa.answers import QuestionWord
from demos.vqa.families.face import F32, unweighted, word_spans
from demos.vqa.options import QuestionRequest
from hub.batch import Watch

GREY = (128, 128, 128)
SMALL_PARAMETERS = 50_000_000  # models up to here are run in milliseconds, and afford a finer grid

# judge(place, pictures, questions): how probable the answer to request `place` is, given each picture and question.
Judge = Callable[[int, Sequence[Image.Image], Sequence[str]], list[float]]


@dataclass(frozen=True)
class Mattered:
    """What an answer hangs on; fields as in `demos.vqa.answers.Answers`."""

    look: F32 | None
    look_note: str
    words: tuple[QuestionWord, ...]
    words_note: str


@dataclass(frozen=True)
class Effort:
    """How fine the trial is: windows along a side of the picture, and how many variants run at once."""

    side: int
    batch: int


def effort(model: Any) -> Effort:
    """Return 8 x 8 windows for a small model, 4 x 4 for a large one."""
    small = sum(weight.numel() for weight in model.parameters()) <= SMALL_PARAMETERS
    return Effort(8, 16) if small else Effort(4, 4)


def occlusion(
    requests: Sequence[QuestionRequest], probabilities: Sequence[float], judge: Judge, trial: Effort, watch: Watch
) -> list[Mattered]:
    """Hide each window of each picture in turn, then leave out each word, and measure the drop of the probability.

    Args:
        requests: what was asked.
        probabilities: of the best answer to each, with everything there.
        judge: how probable that answer is for other pictures and questions.
        trial: how fine.
        watch: hears of progress, and stops between two batches of variants.

    Raises:
        Cancelled: when nobody wants the answers any more.
    """
    variants = [
        _hidden(request.image, trial.side, request.options.question) + _shortened(request) for request in requests
    ]
    total = sum(len(found) for found in variants)
    done, found = 0, []
    for place, (request, mine) in enumerate(zip(requests, variants, strict=True)):
        left: list[float] = []
        for start in range(0, len(mine), trial.batch):
            watch.progress("Hiding parts of the picture and of the question", done / total)
            watch.raise_if_all_cancelled()
            if watch.cancelled(place):
                left += [probabilities[place]] * len(mine[start:])  # nobody will see it
                break
            pictures, questions = zip(*mine[start : start + trial.batch], strict=True)
            left += judge(place, pictures, questions)
            done += len(pictures)
        drops = np.maximum(probabilities[place] - np.array(left, dtype=np.float32), 0)
        found.append(_mattered(request.options.question, drops, trial.side))
    return found


def _hidden(image: Image.Image, side: int, question: str) -> list[tuple[Image.Image, str]]:
    """Return the picture with each of `side` x `side` windows painted grey, row by row."""
    across, down = (np.linspace(0, length, side + 1).round().astype(int).tolist() for length in image.size)
    hidden = []
    for top, bottom in pairwise(down):
        for left, right in pairwise(across):
            copy = image.copy()
            copy.paste(GREY, (left, top, right, bottom))
            hidden.append((copy, question))
    return hidden


def _shortened(request: QuestionRequest) -> list[tuple[Image.Image, str]]:
    """Return the question without each of its words in turn; nothing where it has only one."""
    words = request.options.question.split()
    if len(words) == 1:
        return []
    return [(request.image, " ".join(words[:place] + words[place + 1 :])) for place in range(len(words))]


def _mattered(question: str, drops: F32, side: int) -> Mattered:
    windows, words = drops[: side**2].reshape(side, side), drops[side**2 :]
    shown = f"Occlusion: how far the answer's probability fell when each of {side} x {side} windows was painted grey"
    look, look_note = None, "Hiding any single window of the picture did not make the answer less probable."
    if windows.max() > 0:
        look = windows / windows.sum()
        look_note = (
            f"{shown}, as shares of all the falls; the largest is {windows.max():.3f}. A part that others can stand in "
            "for shows nothing."
        )
    if not words.size:
        return Mattered(look, look_note, unweighted(question), "A question of one word has nothing to leave out.")
    if words.max() == 0:
        return Mattered(
            look, look_note, unweighted(question), "Leaving out any single word did not make the answer less probable."
        )
    weighted = tuple(
        QuestionWord(question[start:end], float(drop / words.max()))
        for (start, end), drop in zip(word_spans(question), words, strict=True)
    )
    words_note = (
        "Occlusion: how far the answer's probability fell when the word was left out; the heaviest word, "
        f"{words.max():.3f}, counts 1."
    )
    return Mattered(look, look_note, weighted, words_note)
