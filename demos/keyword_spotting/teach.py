"""Learning words from a few examples, in pure NumPy: what is known of all words is learned from a bank of other sounds.

Three things are learned from the bank, in which many voices say many words: in which directions one word varies (the
`Space`), what else a sound may be near to (the others), and how sure a word a margin means (`_calibrated`). From
the user's examples only their means are taken, which is why three are enough to begin with. Nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demos.keyword_spotting.spotting import F32, UNKNOWN
from demos.keyword_spotting.taught import NEAREST, Space, Taught, margins, unit, word_scores

SHRINKAGE = 0.3  # of the covariance towards its diagonal: there are fewer sounds than it has entries
RIDGE = 1e-3  # on the slope of the calibration, which some banks tell apart without error
MOST_VOICES = 4  # of a prototype in the calibration: as many as the bank's words leave
FEW = 3  # examples; with fewer the score of a word is a guess


@dataclass(frozen=True, eq=False)
class Bank:
    """What is known of other sounds before anything is taught; the same for everyone who uses the model.

    Attributes:
        words: (M) what each sound is; a name that begins with "_" is no word.
        space: where sounds are compared.
        others: (M, D) the sounds in it, of length 1.
        levels: slope and offset of the log odds of a word that was taught with 1, 2, ... `MOST_VOICES` examples.
    """

    words: tuple[str, ...]
    space: Space
    others: F32
    levels: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Verdict:
    """How an example is heard by what was learned without it.

    Attributes:
        word: what it was given as.
        heard: the label with the highest score, or None where the word has no other example.
        score: of that label.
        odd: whether it is less like its siblings than like another word or other sounds.
    """

    word: str
    heard: str | None
    score: float
    odd: bool


@dataclass(frozen=True, eq=False)
class Lesson:
    """What was learned, and how far it can be trusted.

    Attributes:
        taught: the classifier.
        verdicts: one for each example, in the order of the words and their examples.
        places: (n, 2) the examples on a plane, in the same order.
        other_places: (M, 2) the other sounds on the same plane.
    """

    taught: Taught
    verdicts: tuple[Verdict, ...]
    places: F32
    other_places: F32

    @property
    def right(self) -> tuple[int, int]:
        """How many examples are heard as what they are, of how many that could be asked about."""
        asked = [one for one in self.verdicts if one.heard is not None]
        return sum(one.heard == one.word for one in asked), len(asked)


def learn(
    examples: Mapping[str, F32],
    bank: Bank,
    source: str,
    revision: str,
    *,
    weights: str = "",
    negatives: F32 | None = None,
) -> Lesson:
    """Learn words.

    Args:
        examples: by word, features (n, V, D) of V variants of each of n examples, the first as it was recorded.
        bank: heard by the same model.
        source: of that model.
        revision: of that model.
        weights: see `Taught`.
        negatives: (m, D) features of sounds that the user says are none of the words.
    """
    words = tuple(examples)
    known = {word.casefold() for word in words}
    others = bank.others[[word.casefold() not in known for word in bank.words]]
    if negatives is not None:
        others = np.concatenate([others, bank.space(negatives)])
    heard = {word: _units(bank.space, features) for word, features in examples.items()}
    counts = tuple(len(heard[word]) for word in words)
    slopes, offsets = _levels(bank, counts)
    taught = Taught(
        words=(*words, UNKNOWN),
        source=source,
        revision=revision,
        weights=weights,
        counts=counts,
        space=bank.space,
        prototypes=np.stack([prototype(heard[word]) for word in words]),
        others=others,
        slopes=slopes,
        offsets=offsets,
    )
    verdicts = tuple(
        _verdict(taught, bank, heard, word, number) for word in words for number in range(len(heard[word]))
    )
    recorded = np.concatenate([heard[word][:, 0] for word in words])
    places, other_places = plane(recorded, others)
    return Lesson(taught, verdicts, places, other_places)


def bank_of(features: F32, words: Sequence[str]) -> Bank:
    """Learn what can be learned before anything is taught, from features (M, D) of sounds and the word in each."""
    groups = _by_word(words)
    space = _space(features, groups)
    others = space(features)
    return Bank(tuple(words), space, others, _calibrated(others, groups))


def _space(features: F32, groups: Sequence[NDArray[np.int64]]) -> Space:
    """Learn from words that several voices say in which directions one word varies."""
    middle = features.mean(axis=0)
    spread = np.concatenate([features[own] - features[own].mean(axis=0) for own in groups]).astype(np.float64)
    covariance = spread.T @ spread / (len(spread) - len(groups))
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(np.diag(covariance))
    variances, directions = np.linalg.eigh(covariance)
    least = 1e-6 * variances[-1]
    levelling = directions / np.sqrt(np.maximum(variances, least)) @ directions.T
    return Space(middle.astype(np.float32), levelling.astype(np.float32))


def prototype(heard: F32) -> F32:
    """Return the mean direction (D,) of examples (n, V, D): every example counts the same."""
    return unit(heard.mean(axis=(0, 1)))


def _calibrated(heard: F32, groups: Sequence[NDArray[np.int64]]) -> tuple[tuple[float, float], ...]:
    """Return what turns margins into log odds, for words that were taught with 1 to `MOST_VOICES` examples.

    The words of the bank are taught with that many of their voices and tried with the others; a logistic regression
    then tells how sure a margin makes a word, right and wrong ones having the same weight.

    Source: Platt, Probabilistic outputs for support vector machines (1999), section 2.1.
    """
    likeness = heard @ heard.T
    np.fill_diagonal(likeness, -1)  # no sound is its own neighbour
    right: list[list[F32]] = [[] for _ in range(MOST_VOICES)]
    wrong: list[list[F32]] = [[] for _ in range(MOST_VOICES)]
    for own in groups:
        rest = np.setdiff1d(np.arange(len(heard)), own)
        nearest = np.sort(likeness[:, rest], axis=1)[:, -NEAREST:].mean(axis=1)
        for turn in range(len(own)):
            voices = np.roll(own, turn)
            for count in range(1, MOST_VOICES + 1):
                chosen, tried = np.split(voices, [min(count, len(own) - 1)])
                margin = heard @ unit(heard[chosen].mean(axis=0)) - nearest
                right[count - 1].append(margin[tried])
                wrong[count - 1].append(margin[rest])
    return tuple(_logistic(np.concatenate(yes), np.concatenate(no)) for yes, no in zip(right, wrong, strict=True))


def _logistic(right: F32, wrong: F32) -> tuple[float, float]:
    """Return slope and offset of the log odds that separate two sets of margins, by Newton's method."""
    margin = np.concatenate([right, wrong]).astype(np.float64)
    truth = np.repeat([1.0, 0.0], [len(right), len(wrong)])
    weight = np.repeat([0.5 / len(right), 0.5 / len(wrong)], [len(right), len(wrong)])
    middle, scale = margin.mean(), margin.std() + 1e-9
    inputs = np.stack([(margin - middle) / scale, np.ones(len(margin))], axis=1)
    found, ridge = np.array([1.0, 0.0]), np.array([RIDGE, 1e-9])
    for _ in range(30):
        said = 1 / (1 + np.exp(-inputs @ found))
        slope = inputs.T @ (weight * (said - truth)) + ridge * found
        curvature = (inputs * (weight * said * (1 - said))[:, None]).T @ inputs + np.diag(ridge)
        found = found - np.linalg.solve(curvature, slope)
    return float(found[0] / scale), float(found[1] - found[0] * middle / scale)


def plane(recorded: F32, others: F32) -> tuple[F32, F32]:
    """Return the plane in which the examples differ most, as places (n, 2) and those of other sounds (M, 2) in it.

    The two first principal components of the examples; of all sounds while there are fewer than three.
    """
    basis = recorded if len(recorded) >= FEW else np.concatenate([recorded, others])
    middle = basis.mean(axis=0)
    _, _, directions = np.linalg.svd(basis - middle, full_matrices=False)
    axes = directions[:2]
    # A direction has no sign of its own: take the one that is the same on every machine.
    axes = axes * np.sign(axes[np.arange(2), np.abs(axes).argmax(axis=1)])[:, None]
    return (recorded - middle) @ axes.T, (others - middle) @ axes.T


def _by_word(words: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return where the words stand that at least three voices say; noise is no word."""
    names = np.array(words)
    found = [np.flatnonzero(names == word) for word in dict.fromkeys(words) if not word.startswith("_")]
    return [index for index in found if len(index) >= FEW]


def _units(space: Space, features: F32) -> F32:
    count, variants, size = features.shape
    return space(features.reshape(-1, size)).reshape(count, variants, size)


def _levels(bank: Bank, counts: Sequence[int]) -> tuple[F32, F32]:
    """Return slopes and offsets (K,) of words that were taught with so many examples."""
    chosen = np.array([bank.levels[min(count, MOST_VOICES) - 1] for count in counts], dtype=np.float32)
    return chosen[:, 0], chosen[:, 1]


def _verdict(taught: Taught, bank: Bank, heard: Mapping[str, F32], word: str, number: int) -> Verdict:
    """Hear an example with what all the others teach."""
    own = heard[word]
    if len(own) < 2:
        return Verdict(word, None, 0.0, odd=False)
    place = taught.words.index(word)
    prototypes = taught.prototypes.copy()
    prototypes[place] = prototype(np.delete(own, number, axis=0))
    counts = [count - (index == place) for index, count in enumerate(taught.counts)]
    margin = margins(own[number, :1], prototypes, taught.others)
    scores = word_scores(margin, *_levels(bank, counts))[0]
    best = int(scores.argmax())
    another = best not in (place, len(counts))
    odd = len(own) >= FEW and (another or float(margin[0, place]) < 0)
    return Verdict(word, taught.words[best], float(scores[best]), odd)
