"""Teaching words: how well a few real recordings of a word are enough, next to simpler ways of learning from them.

    python -m bench.teaching --write

Needs the recordings that training.clips describes, in .cache/keywords. The way of learning was chosen on these very
recordings, among the few that are compared here, so its figures are a little too good. Numbers are learned from none of
them: what is learned besides the examples comes from the synthesised sounds that ship with Lectern.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.report import publish
from demos.keyword_spotting import DEMO, teach_bank
from demos.keyword_spotting.families.classifier import Classifier
from demos.keyword_spotting.spotting import F32
from demos.keyword_spotting.taught import margins, unit
from demos.keyword_spotting.teach import Bank, bank_of, learn
from demos.keyword_spotting.teach_examples import variants
from training.clips import Clip, read_clips, read_foreign_words, read_noises, read_other_words
from training.intervals import percent
from training.sounds import RATE_HZ, nonspeech

CACHE = Path(".cache/keywords")
THRESHOLDS = (0.5, 0.8)  # the tab's default, and a careful one
AT_ONCE = 3  # words that are taught together
ROUNDS = 60  # sets of words
FALSE_ACCEPTS = 0.01  # of other speech, at which ways of learning are compared
RIDGE = 1.0  # on the square of the weights, of the mean of squares
NOISE_S = 600
SEED = 71_000

Scores = Callable[[F32], F32]  # of features (n, D): (n, K), the higher the more like each word
Learner = Callable[[list[F32], Bank, F32], Scores]  # from examples (n, V, D) of each word


@dataclass(frozen=True)
class Heard:
    """What an encoder makes of all recordings: of `clips` also the variants, (n, V, D)."""

    words: NDArray[np.str_]
    speakers: NDArray[np.str_]
    clips: F32
    others: F32
    noise: F32
    bank: Bank
    bank_features: F32


def hear(folder: Path) -> Heard:
    """Listen to everything with the encoder of a model."""
    model = Classifier(folder, "cpu", torch.float32)

    def features(sounds: F32) -> F32:
        with torch.inference_mode():
            return np.concatenate(
                [model.hear(part, True).features for part in np.split(sounds, range(16, len(sounds), 16))]
            )

    clips = read_clips(CACHE / "clips")
    rng = np.random.default_rng(SEED)
    speech: list[Clip] = [*read_other_words(CACHE / "packages"), *read_foreign_words(CACHE / "packages")]
    speech = [speech[number] for number in rng.permutation(len(speech))[:600]]
    recorded = np.concatenate(read_noises(CACHE / "packages"))
    made = np.concatenate([nonspeech(rng, 10.0) for _ in range(NOISE_S // 10)])
    noise = np.concatenate([recorded[: len(recorded) // RATE_HZ * RATE_HZ], made]).reshape(-1, RATE_HZ)
    varied = np.stack([variants(clip.sound) for clip in clips])
    heard = features(varied.reshape(-1, RATE_HZ)).reshape(*varied.shape[:2], -1)
    bank = features(teach_bank.sounds())
    return Heard(
        np.array([clip.word for clip in clips]),
        np.array([clip.speaker for clip in clips]),
        heard,
        features(np.stack([clip.sound for clip in speech])),
        features(noise.astype(np.float32)),
        bank_of(bank, teach_bank.words()),
        bank,
    )


# --- Ways of learning -------------------------------------------------------------------------------------------------


def plain(examples: list[F32], bank: Bank, others: F32) -> Scores:
    """Compare with the mean of the examples, by the cosine of the features as they are."""
    means = np.stack([unit(unit(own[:, 0]).mean(axis=0)) for own in examples])
    return lambda features: unit(features) @ means.T


def levelled(examples: list[F32], bank: Bank, others: F32) -> Scores:
    """Compare likewise, where directions in which one word varies count less."""
    means = np.stack([unit(bank.space(own[:, 0]).mean(axis=0)) for own in examples])
    return lambda features: bank.space(features) @ means.T


def ridge(examples: list[F32], bank: Bank, others: F32) -> Scores:
    """Fit a linear map by least squares, the words against the other sounds, both of the same weight."""
    middle, spread = others.mean(axis=0), others.std(axis=0) + 1e-3
    own = np.concatenate([one[:, 0] for one in examples])
    inputs = np.concatenate(
        [(np.concatenate([own, others]) - middle) / spread, np.ones((len(own) + len(others), 1))], 1
    )
    targets = np.zeros((len(inputs), len(examples)))
    targets[np.arange(len(own)), np.repeat(np.arange(len(examples)), [len(one) for one in examples])] = 1
    weight = np.repeat([0.5 / len(own), 0.5 / len(others)], [len(own), len(others)])[:, None]
    penalty = np.diag([RIDGE] * (inputs.shape[1] - 1) + [0.0])
    found = np.linalg.solve(inputs.T @ (weight * inputs) + penalty, inputs.T @ (weight * targets))
    return lambda features: (((features - middle) / spread) @ found[:-1] + found[-1]).astype(np.float32)


def nearest(examples: list[F32], bank: Bank, others: F32, varied: bool = True) -> Scores:
    """Compare as the tab does: levelled, less the likeness to the nearest other sounds."""
    heard = [bank.space(own.reshape(-1, own.shape[2]) if varied else own[:, 0]) for own in examples]
    means = np.stack([unit(own.mean(axis=0)) for own in heard])
    cohort = bank.space(others)
    return lambda features: margins(bank.space(features), means, cohort)


LEARNERS: dict[str, Learner] = {
    "plain prototypes": plain,
    "ridge regression": ridge,
    "levelled prototypes": levelled,
    "... less the nearest other sounds": partial(nearest, varied=False),
    "... and variants of the examples (the tab)": nearest,
}


# --- Trials -----------------------------------------------------------------------------------------------------------


def trials(heard: Heard, count: int) -> Iterator[tuple[list[str], list[NDArray[np.int64]], NDArray[np.int64]]]:
    """Draw words, the clips they are taught with, and the clips of other speakers they are tried with."""
    rng = np.random.default_rng(SEED + count)
    for _ in range(ROUNDS):
        words = rng.choice(np.unique(heard.words), AT_ONCE, replace=False).tolist()
        chosen = [rng.permutation(np.flatnonzero(heard.words == word))[:count] for word in words]
        known = set(heard.speakers[np.concatenate(chosen)])
        tried = [number for number in range(len(heard.words)) if heard.speakers[number] not in known]
        yield words, chosen, np.array(tried)


def compared(heard: Heard, count: int, learner: Learner) -> str:
    """Return the share of words that are found where 1 % of other speech is taken for one."""
    found, total = 0, 0
    for words, chosen, tried in trials(heard, count):
        kept = ~np.isin(heard.bank.words, words)
        score = learner([heard.clips[own] for own in chosen], heard.bank, heard.bank_features[kept])
        own = tried[np.isin(heard.words[tried], words)]
        foreign = np.concatenate([heard.clips[tried[~np.isin(heard.words[tried], words)], 0], heard.others])
        least = np.quantile(score(foreign).max(axis=1), 1 - FALSE_ACCEPTS)
        scores = score(heard.clips[own, 0])
        named = np.array(words)[scores.argmax(axis=1)] == heard.words[own]
        found, total = found + int((named & (scores.max(axis=1) > least)).sum()), total + len(own)
    return percent(found, total)


def at_threshold(heard: Heard, count: int, threshold: float) -> list[tuple[str, str]]:
    """Return what is found with a threshold in one window, and what is taken for a word that is none."""
    told = {
        "found": [0, 0],
        "other words of the clips taken for one": [0, 0],
        "other real speech taken for one": [0, 0],
        "seconds of noise and music taken for one": [0, 0],
        "examples heard right when left out": [0, 0],
    }

    def add(what: str, wanted: NDArray[np.bool_]) -> None:
        told[what][0] += int(np.count_nonzero(wanted))
        told[what][1] += len(wanted)

    for words, chosen, tried in trials(heard, count):
        lesson = learn({word: heard.clips[own] for word, own in zip(words, chosen, strict=True)}, heard.bank, "", "")
        own = tried[np.isin(heard.words[tried], words)]
        foreign = tried[~np.isin(heard.words[tried], words)]
        truth = np.array([words.index(word) for word in heard.words[own]], dtype=int)
        found, *wrong = (
            lesson.taught.scores(features)[:, :-1] >= threshold
            for features in (heard.clips[own, 0], heard.clips[foreign, 0], heard.others, heard.noise)
        )
        add("found", found[np.arange(len(own)), truth])
        for what, detected in zip(list(told)[1:4], wrong, strict=True):
            add(what, detected.max(axis=1))
        asked = [one for one in lesson.verdicts if one.heard is not None]
        add("examples heard right when left out", np.array([one.heard == one.word for one in asked], dtype=bool))
    said = f"{count} example{'s' if count > 1 else ''} of each of {AT_ONCE} words, threshold {threshold:g}"
    return [(f"{said}: {what}", percent(*shares)) for what, shares in told.items() if shares[1]]


def main() -> None:
    """Measure with the encoder that ships, and with one that never heard the words."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--untouched", type=Path, default=CACHE / "head", help="a model on Whisper's encoder as it is")
    options = parser.parse_args()
    rows = []
    for name, folder in (("Whisper's encoder", options.untouched), ("The encoder that ships", DEMO.models[0].folder)):
        heard = hear(folder)
        for count in (1, 3, 5):
            for threshold in THRESHOLDS:
                rows += [(f"{name}, {said}", figure) for said, figure in at_threshold(heard, count, threshold)]
        for count in (3, 5):
            rows += [
                (f"{name}, {count} examples, at 1 % of other speech: {said}", compared(heard, count, learner))
                for said, learner in LEARNERS.items()
            ]
    publish(
        "teaching",
        "Words taught with a few examples",
        rows,
        f"205 real clips of 30 words by 30 speakers (Speech Commands v0.01); {ROUNDS} draws of {AT_ONCE} words, taught "
        "with clips of some speakers and tried on others, so clips count several times and the Wilson intervals, of "
        "the counts, are too narrow. Other real speech: 600 words of 30 languages. Whisper's encoder as it is never "
        "heard these words, so that they are truly new to it; the one that ships was trained to tell them apart, and "
        "its figures for them say how it fares at best. The way of learning was chosen on these clips. Found: the "
        "right word, in one window. One person's own word, tried by the same person, will be found more often; no "
        "recordings say how often.",
    )


if __name__ == "__main__":
    main()
