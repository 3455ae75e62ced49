"""Which part of a window mattered: cover a part, hear it again, and see how far the score falls (occlusion).

What stands in place of a covered part decides what the answer means. Digital silence would be a strange sound of its
own: a hole of a kind that is in no recording. So a covered part is lowered to the background of the window itself: in
each frequency, the level that a fifth of the window stays below. The room goes on, the word does not.

A good model guesses what is missing from what stands beside it: without 50 ms the score of a word hardly falls. So each
part is covered together with the one before and the one after it.

Source: Zeiler and Fergus 2014, Visualizing and understanding convolutional networks, section 3.1 (arXiv:1311.2901).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from demos.keyword_spotting.spectrum import mel_edges_hz
from demos.keyword_spotting.spotting import F32, Importance
from hub.sounds import RATE_HZ

TIME_PARTS = 20  # of a second 50 ms each; three are a vowel
BANDS = 16  # of mel frequency, from 0 to 8 kHz: the lowest 190 Hz wide, the highest 1.4 kHz
BACKGROUND = 0.2  # share of the frames that are quieter than the background
FRAME, STEP = 512, 128  # samples of an analysis frame and between two: 32 ms and 8 ms


def importance(window: F32, score: Callable[[F32], F32], *, word: str, start_s: float) -> Importance:
    """Return how far the score of a word falls where a part of a window (n,) is covered.

    Args:
        window: the sound, at 16 kHz.
        score: gives the word's score (N,) in each of N windows (N, n); called once.
        word: whose score it is.
        start_s: where the window begins in its sound.
    """
    scores = score(np.concatenate([window[None], covered(window)]))
    falls = (scores[0] - scores[1:]).astype(np.float32)
    return Importance(word, start_s, falls[:TIME_PARTS], falls[TIME_PARTS:], float(scores[0]))


def covered(window: F32) -> F32:
    """Return the window (n,) with each part of time and its neighbours covered in turn, then each band and its own.

    The result is (TIME_PARTS + BANDS, n).
    """
    import torch

    sound = torch.from_numpy(window)
    hann = torch.hann_window(FRAME)
    spectrum = torch.stft(sound, FRAME, STEP, window=hann, return_complex=True)  # (257, frames)
    level = spectrum.abs()
    background = level.quantile(BACKGROUND, dim=1, keepdim=True)
    lowered = spectrum * (background / level.clamp(min=1e-12)).clamp(max=1)
    masks = torch.from_numpy(np.concatenate([_time_masks(spectrum.shape), _band_masks(spectrum.shape)]))
    mixed = torch.where(masks, lowered, spectrum)
    return torch.istft(mixed, FRAME, STEP, window=hann, length=len(window)).numpy()


def band_edges_hz() -> F32:
    """Return the edges of the bands in Hz, (BANDS + 1,), equally far apart in mel."""
    return mel_edges_hz(BANDS - 1).astype(np.float32)  # of triangles, each of which spans two bands


def _time_masks(shape: tuple[int, ...]) -> np.ndarray:
    """Return which bins and frames are covered with each part of time, (TIME_PARTS, bins, frames)."""
    bins, frames = shape
    part = np.arange(frames) * TIME_PARTS // frames
    return np.repeat(_near(part, TIME_PARTS)[:, None], bins, axis=1)


def _band_masks(shape: tuple[int, ...]) -> np.ndarray:
    """Return which bins and frames are covered with each band, (BANDS, bins, frames)."""
    bins, frames = shape
    hz = np.arange(bins) * RATE_HZ / FRAME
    band = np.searchsorted(band_edges_hz()[1:-1], hz, side="right")
    return np.repeat(_near(band, BANDS)[:, :, None], frames, axis=2)


def _near(number: np.ndarray, count: int) -> np.ndarray:
    """Return which of `number` (k,) are i or next to it, for each i below `count`: (count, k)."""
    return np.abs(number[None] - np.arange(count)[:, None]) <= 1
