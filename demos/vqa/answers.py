"""What a run of the pipeline says: ranked answers, how sure the model is, and what mattered for the first of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """One answer: its text, and its probability (0 to 1), the product over all its tokens and the one that ends it."""

    text: str
    probability: float


@dataclass(frozen=True)
class QuestionWord:
    """One word of the question; `weight` (0 to 1, the heaviest word 1) says how much it mattered, None: not known."""

    text: str
    weight: float | None


@dataclass(frozen=True)
class Box:
    """A word that was read on a page: its text, and left, top, right, bottom as shares (0 to 1) of the picture."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    confidence: float
    in_answer: bool = False


@dataclass(frozen=True)
class Answers:
    """The answers to one question.

    Attributes:
        ranked: likeliest first, at least one.
        words: the question's words and their weights, in order.
        words_note: what the weights are, or why there are none.
        look: (h, w) shares of the whole picture, summing to 1; None where the model offers none.
        look_note: what the map is and what it cannot say.
        boxes: words read on a page, for the models that read it first.
        markdown: the answer as Markdown, where it is a table or a page.
        notes: what else the user should know of this run.
    """

    ranked: tuple[Answer, ...]
    words: tuple[QuestionWord, ...] = ()
    words_note: str = ""
    look: F32 | None = field(default=None, compare=False)
    look_note: str = ""
    boxes: tuple[Box, ...] = ()
    markdown: str = ""
    notes: tuple[str, ...] = ()
