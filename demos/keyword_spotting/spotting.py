"""What comes out of a run: scores over time, and the keywords detected in them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

UNKNOWN, SILENCE = NOT_WORDS = ("_unknown_", "_silence_")  # labels that are no words: other sounds, and none


@dataclass(frozen=True)
class Detection:
    """One keyword that was heard.

    Attributes:
        score: the smoothed score, 0 to 1, when it was detected.
        start_s, end_s: the window (or windows) in which it was, in seconds from the start of the sound.
    """

    word: str
    score: float
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Importance:
    """Which part of a window mattered for a word: how much its score falls where that part is covered.

    Attributes:
        word: whose score.
        start_s: of the window, from the start of the sound.
        over_time: (k,) fall of the score when the k-th of equal parts of the window is covered, with those next to it;
            may be negative.
        over_frequency: (m,) the same for m bands of mel frequency, lowest first.
        score: of the word in the whole window.
    """

    word: str
    start_s: float
    over_time: F32
    over_frequency: F32
    score: float


@dataclass(frozen=True)
class Spotting:
    """What a model heard in one sound.

    Attributes:
        labels: (L) names of the columns of `scores`.
        starts_s: (W,) where each window begins; all are `window_s` long. A sound shorter than a window has one.
        scores: (W, L) of each window, in 0 to 1; they sum to 1 over the labels where the model makes them do so.
        smoothed: (W, L) averages over the last `smoothing` windows, which the threshold is put to.
        detections: in order of time.
        importance: where that was asked for.
        features: (W, D) the model's features, which taught words are told apart by; None where it has none.
        notes: for the user: what was odd about the sound, what the scores of this model mean.
    """

    labels: tuple[str, ...]
    window_s: float
    starts_s: F32
    scores: F32 = field(compare=False)
    smoothed: F32 = field(compare=False)
    detections: tuple[Detection, ...]
    importance: Importance | None = field(default=None, compare=False)
    features: F32 | None = field(default=None, compare=False)
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> tuple[int, int]:
        """The window and the label with the highest score among the labels that are words."""
        words = [index for index, label in enumerate(self.labels) if label not in NOT_WORDS]
        window, column = divmod(int(self.scores[:, words].argmax()), len(words))
        return window, words[column]
