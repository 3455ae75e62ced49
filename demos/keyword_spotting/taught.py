"""Words a user teaches with a few recordings: a classifier on the features of a model that itself stays as it is.

A sound is compared with the words, each the mean of its examples, and with many other sounds. It is taken for a word
when it is nearer to that word than to the other sounds that are nearest to it, by a margin whose meaning was learned
from words that many voices say (`demos.keyword_spotting.teach`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.keyword_spotting.spotting import F32

NEAREST = 5  # other sounds, whose mean likeness a word must exceed; 1 and 20 measured within a point of it


@dataclass(frozen=True, eq=False)
class Space:
    """Where sounds are compared by the angle between them.

    A model's features also tell voices, rooms and noises apart. Those directions are shortened, by how much one word
    varies along them from voice to voice, so that what is left tells words.

    Attributes:
        middle: (D,) mean of the features of many sounds.
        levelling: (D, D) the inverse square root of the covariance within words.

    Source: Hatch, Kajarekar, Stolcke, Within-class covariance normalization for SVM-based speaker recognition,
    Interspeech 2006, equation 9.
    """

    middle: F32
    levelling: F32

    def __call__(self, features: F32) -> F32:
        """Return features (n, D) as vectors (n, D) of length 1 in this space."""
        return unit((features.astype(np.float32) - self.middle) @ self.levelling)


@dataclass(frozen=True, eq=False)
class Taught:
    """A few-shot classifier.

    Attributes:
        words: (K + 1) names of its labels, the last of which is "_unknown_".
        source, revision: of the model whose features it reads.
        weights: SHA-256 that names the weights of that model, "" where its revision does.
        counts: (K) how many examples each word was taught with.
        space: where sounds are compared.
        prototypes: (K, D) of the words, of length 1.
        others: (M, D) other sounds, of length 1.
        slopes, offsets: (K,) of the log odds of each word, as functions of its margin.
    """

    words: tuple[str, ...]
    source: str
    revision: str
    weights: str
    counts: tuple[int, ...]
    space: Space
    prototypes: F32
    others: F32
    slopes: F32
    offsets: F32

    def scores(self, features: F32) -> F32:
        """Return (W, K + 1) scores that sum to 1, of windows with features (W, D)."""
        return word_scores(margins(self.space(features), self.prototypes, self.others), self.slopes, self.offsets)


def margins(sounds: F32, prototypes: F32, others: F32) -> F32:
    """Return how much nearer each sound is to each word than to the nearest other sounds: (n, K), -2 to 2.

    Args:
        sounds: (n, D), of length 1 as all here.
        prototypes: (K, D) of words.
        others: (M, D), of which the `NEAREST` to a sound count.

    Source: the cohort of speaker verification; Sturim, Reynolds, Speaker adaptive cohort selection for Tnorm in
    text-independent speaker verification, ICASSP 2005.
    """
    nearest = np.sort(sounds @ others.T, axis=1)[:, -NEAREST:].mean(axis=1)
    return sounds @ prototypes.T - nearest[:, None]


def word_scores(margins: F32, slopes: F32, offsets: F32) -> F32:
    """Turn margins (n, K) into scores (n, K + 1) that sum to 1; the last is that of no word, whose log odds are 0.

    >>> word_scores(np.array([[0.1, -0.3]]), np.array([20.0, 20.0]), np.array([0.0, 0.0])).round(2)
    array([[0.88, 0.  , 0.12]], dtype=float32)
    """
    odds = np.concatenate([margins * slopes + offsets, np.zeros((len(margins), 1))], axis=1)
    shares = np.exp(odds - odds.max(axis=1, keepdims=True))
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def unit(vectors: NDArray[np.floating[Any]]) -> F32:
    """Return vectors (n, D) scaled to length 1."""
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)).astype(np.float32)
