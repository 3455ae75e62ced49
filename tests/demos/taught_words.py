"""Features as a model might make them: words are directions, voices push along others, noises lie apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from demos.keyword_spotting.teach import Bank, bank_of

WIDTH = 24
VOICE = 12  # of the directions, those along which voices differ, strongly
rng = np.random.default_rng(4)
WORDS = {name: rng.standard_normal(WIDTH) for name in ("yes", "no", "left", "right", "up", "down", "banana", "pear")}


def said(word: str, voices: int, seed: int, variants: int = 1) -> NDArray[np.float32]:
    """Return features (voices, variants, WIDTH) of a word said by so many voices."""
    drawn = np.random.default_rng((seed, len(word), ord(word[0])))
    voice = drawn.standard_normal((voices, 1, WIDTH)) * np.where(np.arange(WIDTH) < VOICE, 2.0, 0.1)
    return (WORDS[word] + voice + 0.05 * drawn.standard_normal((voices, variants, WIDTH))).astype(np.float32)


def noises(count: int, seed: int) -> NDArray[np.float32]:
    """Return features (count, WIDTH) of noises."""
    return (3 * np.random.default_rng(seed).standard_normal((count, WIDTH))).astype(np.float32)


def bank() -> Bank:
    """Six words by six voices each, and forty noises; neither "banana" nor "pear"."""
    known = [word for word in WORDS if word not in ("banana", "pear")]
    features = np.concatenate([*(said(word, 6, seed=1)[:, 0] for word in known), noises(40, seed=2)])
    return bank_of(features, [word for word in known for _ in range(6)] + ["_noise_"] * 40)
