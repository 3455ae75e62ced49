"""Keyword search: which lines of a text share words with a question. No model, and no understanding.

A line matches by the share of the question's content words that it has. Rare words weigh more than words of many lines
(inverse document frequency), a misspelt word counts by how alike it is, and a word that only the line above or below
has counts half: a heading names what stands under it.

Sources: inverse document frequency: Spärck Jones 1972, doi:10.1108/eb026526, in the smoothed form log(1 + lines / lines
with the word). Likeness: Ratcliff and Obershelp, as `difflib` has it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

ALIKE = 0.75  # words less alike than this are different words; below 4 letters only equal words are alike
NEIGHBOUR = 0.5  # what a word counts that only the line above or below has
SHARPNESS = 10.0  # a full match outweighs a line without any match by e to this power

# Words that a question is built of, and that say nothing of what is looked for.
STOP_WORDS = frozenset(
    """a about all am an and any are as at be been but by can could did do does document each find for from give had
    has have he her his how i if in into is it its long many me much my no not of on one or our out page please
    said say says she show so some stated tell than that the their them there these they this those to up us was
    we were what when where which who whom whose why will with would written you your""".split()  # noqa: SIM905 - a list of words reads best as a line of words
)


@dataclass(frozen=True)
class Match:
    """How a question matches the lines of a text.

    Attributes:
        scores: (L,) from 0 (no word of the question) to 1 (all of them), line by line.
        found: (W, L) how much of each content word each line has, 0 to 1.
        keywords: the W content words of the question, normalised.
        weights: (W,) how much each of them counts; they sum to 1.
    """

    scores: F64
    found: F64
    keywords: tuple[str, ...]
    weights: F64

    def shares(self) -> F64:
        """Return the share (L,) of the match that falls on each line, by a softmax: they sum to 1.

        A line with all of the question's words, among lines with none, has nearly all; lines that match alike share.
        """
        raised = np.exp(SHARPNESS * (self.scores - self.scores.max()))
        shares: F64 = raised / raised.sum()
        return shares


def tokens(text: str) -> list[str]:
    """Return the words and numbers of a text, in lower case, without accents, plural s and thousands marks.

    >>> tokens("The Sheets cost 1,250.50 €, café-style")
    ['the', 'sheet', 'cost', '1250.50', 'cafe', 'style']
    """
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(mark))
    found = re.findall(r"\d+(?:[.,:/-]\d+)*|[^\W\d_]+", plain)
    return [_number(token) if token[0].isdigit() else _singular(token) for token in found]


def keywords(question: str) -> tuple[str, ...]:
    """Return the words of a question that say what is looked for, each once, in order.

    >>> keywords("What is the total of the invoice?")
    ('total', 'invoice')
    """
    said = (token for word in re.split(r"\s+", question) for token in _content(word))
    return tuple(dict.fromkeys(said))


def match(question: str, lines: Sequence[str]) -> Match:
    """Compare a question with each of L lines of a text."""
    wanted = keywords(question)
    had = np.zeros((len(wanted), len(lines)))
    for column, line in enumerate(lines):
        there = set(tokens(line))
        for row, word in enumerate(wanted):
            had[row, column] = max((likeness(word, other) for other in there), default=0.0)
    above, below = (np.zeros_like(had) for _ in range(2))
    above[:, 1:], below[:, :-1] = had[:, :-1], had[:, 1:]
    found = np.maximum(had, NEIGHBOUR * np.maximum(above, below))
    weights = np.log1p(len(lines) / np.maximum(1, (had > 0).sum(1)))
    weights = weights / weights.sum() if len(wanted) else weights
    return Match(weights @ found, found, wanted, weights)


def question_weights(question: str, found: Match, line: int) -> list[float]:
    """Return how much each word of a question (what stands between blanks) mattered for `line`; the heaviest has 1."""
    mattered = dict(zip(found.keywords, found.weights * found.found[:, line], strict=True))
    weights = [max((float(mattered[token]) for token in _content(word)), default=0.0) for word in question.split()]
    heaviest = max(weights, default=0.0)
    return [weight / heaviest if heaviest else 0.0 for weight in weights]


def likeness(one: str, other: str) -> float:
    """Return how alike two normalised words are, 0 to 1; numbers and short words are alike only when equal.

    >>> likeness("total", "total"), likeness("invoice", "invioce") > 0.8, likeness("20", "21")
    (1.0, True, 0.0)
    """
    if one == other:
        return 1.0
    if min(len(one), len(other)) < 4 or not (one.isalpha() and other.isalpha()):
        return 0.0
    ratio = SequenceMatcher(None, one, other).ratio()
    return ratio if ratio >= ALIKE else 0.0


def _content(word: str) -> list[str]:
    """Return the tokens of one word of a question, unless the word only holds the question together."""
    if re.sub(r"\W", "", word.casefold()) in STOP_WORDS:
        return []
    return [token for token in tokens(word) if token not in STOP_WORDS]


def _number(token: str) -> str:
    return re.sub(r",(?=\d{3}(?:\D|$))", "", token)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
