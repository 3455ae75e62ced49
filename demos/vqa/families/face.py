"""The face of every family, and the little that all of them do alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.vqa.answers import Answers, QuestionWord
from demos.vqa.options import QuestionRequest
from hub.batch import Watch
from hub.errors import InvalidInput
from hub.memo import Memo, fingerprint

if TYPE_CHECKING:
    from torch import Tensor

F32 = NDArray[np.float32]


class Family(Protocol):
    """The face of every family."""

    model: Any  # the torch module it holds, or None

    def answer(self, requests: Sequence[QuestionRequest], watch: Watch) -> list[Answers]:
        """Answer each request; they share everything but picture and question, and torch is in inference mode.

        A family that writes its answer word by word sends the text so far with `watch.step(place, text)`, and calls
        `watch.raise_if_all_cancelled` between two tokens.

        Raises:
            InvalidInput: for a question that this model cannot take.
            Cancelled: when nobody wants the answers any more.
        """


def refuse_wordless(question: str) -> None:
    """Refuse a question without any letter or digit, such as "???".

    Raises:
        InvalidInput: says what a question needs.
    """
    if not any(character.isalnum() for character in question):
        raise InvalidInput("The question has no words.", "Ask in words: what colour is the cube?")


def refuse_other_scripts(question: str) -> None:
    """Refuse a question in a script that models of English do not read: Cyrillic, Greek, Arabic, Chinese, ...

    Raises:
        InvalidInput: names a letter that is not Latin, and a model that reads it.
    """
    for character in question:
        if unicodedata.category(character).startswith("L") and "LATIN" not in unicodedata.name(character, ""):
            raise InvalidInput(
                f"This model reads English only; the question has the letter {character}.",
                "Ask in English, or choose Qwen3-VL, which reads many languages.",
            )


def refuse_longer(tokens: int, longest: int) -> None:
    """Refuse a question of more tokens than the model has places for.

    Raises:
        InvalidInput: says how many there are and may be.
    """
    if tokens > longest:
        raise InvalidInput(
            f"The question has {tokens} tokens; this model reads at most {longest}.", "Ask a shorter question."
        )


def word_spans(question: str) -> list[tuple[int, int]]:
    """Return where the words of a question begin and end; a word is what stands between blanks.

    >>> word_spans("what colour?")
    [(0, 4), (5, 12)]
    """
    return [match.span() for match in re.finditer(r"\S+", question)]


def unweighted(question: str) -> tuple[QuestionWord, ...]:
    """Return the words of a question, without weights."""
    return tuple(QuestionWord(question[start:end], None) for start, end in word_spans(question))


def remembered(
    memo: Memo, images: Sequence[Image.Image], encode: Callable[[list[Image.Image]], Tensor]
) -> list[Tensor]:
    """Return what `encode` gives for each picture; equal pictures, and those that the memo holds, are encoded once.

    Args:
        memo: what is kept from run to run.
        images: N pictures.
        encode: returns a tensor with a row for each of its pictures.
    """
    keys = [fingerprint(image) for image in images]
    new = {key: image for key, image in zip(keys, images, strict=True) if key not in memo}
    rows = encode(list(new.values())) if new else ()
    made = {key: row.clone() for key, row in zip(new, rows, strict=True)}  # a view would keep the whole batch alive
    found = {
        key: memo.get(key, partial(made.__getitem__, key), lambda row: row.nbytes)
        for key in sorted(set(keys), key=made.__contains__)  # the kept ones first: the new ones may push them out
    }
    return [found[key] for key in keys]


def weighted(question: str, spans: Sequence[tuple[int, int]], weights: Sequence[float]) -> tuple[QuestionWord, ...]:
    """Return the words of a question, each as heavy as its tokens together; the heaviest word gets 1.

    Args:
        question: the question.
        spans: where each token begins and ends in it; empty for a token that stands for no part of it.
        weights: of each token, not negative.
    """
    words = word_spans(question)
    sums = [
        sum(weight for (first, last), weight in zip(spans, weights, strict=True) if start <= first < last <= end)
        for start, end in words
    ]
    heaviest = max(sums, default=0.0)
    if heaviest <= 0:
        return unweighted(question)
    return tuple(
        QuestionWord(question[start:end], total / heaviest) for (start, end), total in zip(words, sums, strict=True)
    )


def unknown_words(question: str, tokenizer: Any) -> tuple[str, ...]:
    """Return a note on the words that a WordPiece tokenizer does not know: it reads a mark or letters instead."""
    unknown = []
    for word in re.findall(r"[^\W_]+", question):
        pieces = tokenizer.tokenize(word)
        spelled = len(pieces) > 1 and all(len(piece.removeprefix("##")) == 1 for piece in pieces[1:])
        if tokenizer.unk_token in pieces or spelled:
            unknown.append(word)
    return (f"the question has words that this model does not know: {', '.join(unknown)}",) if unknown else ()
