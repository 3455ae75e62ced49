"""Ten questions about a scene whose truth is known: which are asked, how answers are marked, and what a class adds up.

The one idea: a battery is nothing but the seed of its scene. Whoever has the seed can ask and mark the same ten.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from demos.vqa.options import AnswerOptions, QuestionRequest
from tabletop.pictures import scene_picture
from tabletop.questions import QUESTION_TYPES, Question, offered, question_of_type, questions
from tabletop.sampling import sample_scene
from tabletop.wording import SYNONYMS, ask
from tabletop.world import TEST_SEEDS, Scene

SIZE = 10
FEWEST_TYPES = 9  # of the 11 that a scene must have something to ask of


@dataclass(frozen=True)
class Asked:
    """One question of a battery, in the words it is asked in."""

    text: str
    question: Question


@dataclass(frozen=True)
class Battery:
    """`SIZE` questions about the scene of `seed`."""

    seed: int
    asked: tuple[Asked, ...]

    @cached_property
    def image(self) -> Image.Image:
        """The picture of the scene."""
        return scene_picture(self.seed)

    @property
    def requests(self) -> tuple[QuestionRequest, ...]:
        """The questions as the pipeline takes them."""
        return tuple(QuestionRequest(self.image, AnswerOptions(each.text), (), self.seed) for each in self.asked)


@dataclass(frozen=True)
class Mark:
    """Whether an answer to a question of a type was right."""

    type: str
    right: bool


Tally = dict[str, dict[str, tuple[int, int]]]  # model -> type -> (right, asked)


def new_seed() -> int:
    """Return the seed of a scene that no model was trained on, with enough on it to ask about."""
    while True:
        seed = random.choice(TEST_SEEDS)
        if len(questions(sample_scene(seed), np.random.default_rng(seed))) >= FEWEST_TYPES:
            return seed


def battery(seed: int, reworded: bool = False) -> Battery:
    """Return the questions about the scene of `seed`: of as many types as it allows, no two the same.

    Args:
        seed: of a scene.
        reworded: ask as people type, in other words and with slips of the keyboard, instead of in the plain wording.
    """
    scene, rng = sample_scene(seed), np.random.default_rng(seed)
    chosen = list(questions(scene, rng))
    while len(chosen) > SIZE:
        chosen.pop(rng.integers(len(chosen)))
    while len(chosen) < SIZE:  # each type offers several questions
        more = question_of_type(scene, chosen[rng.integers(len(chosen))].type, rng)
        if more is not None and more not in chosen:
            chosen.append(more)
    chosen.sort(key=lambda question: QUESTION_TYPES.index(question.type))
    asked = tuple(Asked(ask(each, rng) if reworded else each.text, each) for each in chosen)
    return Battery(seed, asked)


def is_right(answer: str, question: Question) -> bool:
    """Mark an answer: the words of the truth, whatever their case; a digit counts as its word."""
    return _plain(answer) == _plain(question.answer)


def added(tally: Tally, model: str, marks: Sequence[Mark]) -> Tally:
    """Return a tally with the marks of one model added.

    >>> added({}, "early", [Mark("count", True), Mark("count", False)])
    {'early': {'count': (1, 2)}}
    """
    by_type = dict(tally.get(model, {}))
    for mark in marks:
        right, asked = by_type.get(mark.type, (0, 0))
        by_type[mark.type] = right + mark.right, asked + 1
    return {**tally, model: by_type}


def truth(text: str, scene: Scene) -> Question | None:
    """Return the question about `scene` that a typed text asks, with its true answer; None where that is not known.

    The plain wordings of `tabletop.questions` are recognised, with the usual synonyms, in any case, with or without a
    question mark.
    """
    wanted = _plain(text)
    return next((question for question in offered(scene) if _plain(question.text) == wanted), None)


_CANONICAL = {synonym: word for word, synonyms in SYNONYMS.items() for synonym in synonyms}
_DIGITS = dict(zip("0123456", ("zero", "one", "two", "three", "four", "five", "six"), strict=True))


def _plain(text: str) -> str:
    """Reduce a text to its canonical words, without articles and marks."""
    words = re.findall(r"[a-z]+|\d+", text.lower())
    words = [_DIGITS.get(word, _CANONICAL.get(word, word)) for word in words]
    return " ".join(word for word in words if word not in ("a", "an", "the"))
