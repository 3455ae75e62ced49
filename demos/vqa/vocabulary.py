"""The words a model with a small vocabulary knows, so that it can refuse a question about anything else."""

from __future__ import annotations

import re
from collections.abc import Iterable

SHORTEST_SLIP = 3  # letters: shorter words have too many neighbours


def strange_words(question: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the words of a question that are neither known nor one slip of the keyboard away from one that is.

    >>> strange_words("Is the cubse beside a donkey?", ["is", "the", "cubes", "beside"])
    ('donkey',)
    """
    words = {word for word in known if word.isalpha() and len(word) > 1}
    asked = (word for word in re.findall(r"[^\W\d_]+", question.lower()) if len(word) > 1)
    return tuple(word for word in asked if word not in words and not any(one_slip(word, other) for other in words))


def one_slip(word: str, meant: str) -> bool:
    """Tell whether one letter too many, missing, wrong or swapped with the next turns one word into the other.

    >>> one_slip("cbue", "cube"), one_slip("cub", "cube"), one_slip("cone", "cube")
    (True, True, False)
    """
    if min(len(word), len(meant)) < SHORTEST_SLIP:
        return False
    for _ in range(2):  # take off what both begin with, then what both end with
        same = _shared(word, meant)
        word, meant = word[same:][::-1], meant[same:][::-1]
    return max(len(word), len(meant)) <= 1 or (len(word) == 2 and word == meant[::-1])


def _shared(word: str, other: str) -> int:
    """Return how many letters two words have in common from their beginning."""
    pairs = enumerate(zip(word, other, strict=False))
    return next((place for place, (mine, its) in pairs if mine != its), min(len(word), len(other)))
