"""What the families that write their answers token by token have in common.

Beam search finds the likeliest answers. Then every one of them is read once more by the model that wrote it ("teacher
forcing"), all in one pass, which says how probable it is as a whole: the product over its tokens and the one that ends
it. Without a length penalty beam search ranks by the same product.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from demos.vqa.answers import Answer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Ranking:
    """The answers to one question, likeliest first.

    Attributes:
        answers: different texts, at least one.
        best: the place of the first one among the candidates.
        complete: whether the model ended the first one itself, rather than being cut off.
        tokens: how many the first one has, its end not counted.
    """

    answers: tuple[Answer, ...]
    best: int
    complete: bool
    tokens: int


def search(answers: int, max_new_tokens: int) -> dict[str, Any]:
    """Return the arguments of transformers' `generate` that find as many answers, as likely as can be."""
    arguments = {"max_new_tokens": max_new_tokens, "do_sample": False, "num_beams": answers}
    if answers == 1:
        return arguments
    return {**arguments, "num_return_sequences": answers, "length_penalty": 0.0, "early_stopping": False}


def lengths(tokens: Tensor, ends: Collection[int]) -> tuple[list[int], list[bool]]:
    """Return how many tokens each answer has, with the one that ends it, and whether there is one.

    Args:
        tokens: (N, T), padded on the right.
        ends: tokens that end an answer.
    """
    counts, complete = [], []
    for row in tokens.tolist():
        end = next((place for place, token in enumerate(row) if token in ends), None)
        counts.append(len(row) if end is None else end + 1)
        complete.append(end is not None)
    return counts, complete


def probabilities(logits: Tensor, tokens: Tensor, counts: Sequence[int]) -> list[float]:
    """Return how probable each answer is: the product over its first `counts` tokens.

    Args:
        logits: (N, T, V), those each token was chosen from.
        tokens: (N, T).
        counts: as `lengths` gives them.
    """
    found = []
    for mine, row, count in zip(logits, tokens, counts, strict=True):  # one by one: logits in float32 are large
        mine = mine[:count].float()
        chosen = mine.gather(-1, row[:count, None])[:, 0] - mine.logsumexp(-1)
        found.append(float(chosen.sum().exp()))
    return found


def ranked(texts: Sequence[str], found: Sequence[float], counts: Sequence[int], complete: Sequence[bool]) -> Ranking:
    """Sort candidates by probability; of those that read the same, the likeliest stands for all.

    An empty candidate counts only where there is no other.
    """
    order = sorted(range(len(texts)), key=lambda place: -found[place])
    order = [place for place in order if texts[place]] or order
    firsts = {texts[place]: place for place in reversed(order)}
    places = sorted(firsts.values(), key=order.index)
    best = places[0]
    answers = tuple(Answer(texts[place], found[place]) for place in places)
    return Ranking(answers, best, complete[best], counts[best] - complete[best])


def notes(ranking: Ranking) -> tuple[str, ...]:
    """Return what the user should know of how the answer ended."""
    told = []
    if not ranking.answers[0].text:
        told.append("the model gave no words")
    if not ranking.complete:
        told.append(f"the answer was cut at {ranking.tokens} tokens")
    return tuple(told)
