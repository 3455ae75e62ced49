"""Windows: the equally long pieces of a sound that a model hears one by one.

Places are counted in samples, not seconds, so that a window is the same whoever cuts it.
"""

from __future__ import annotations

import numpy as np

from demos.keyword_spotting.spotting import F32
from hub.sounds import RATE_HZ, SILENT


def places(samples: int, window_s: float, hop_s: float) -> list[int]:
    """Return the first sample of each window of a sound of so many samples.

    One every `hop_s`, and a last one that ends with the sound; a sound no longer than a window has one.
    """
    last = samples - length(window_s)
    if last <= 0:
        return [0]
    return [*range(0, last, max(1, round(hop_s * RATE_HZ))), last]


def cut(sound: F32, place: int, window_s: float) -> F32:
    """Return the window of a sound (n,) that begins at a sample; a shorter sound stands in the middle of silence."""
    size = length(window_s)
    missing = max(0, size - len(sound))
    padded = np.pad(sound, (missing // 2, missing - missing // 2)) if missing else sound
    return padded[place : place + size].astype(np.float32, copy=False)


def is_silent(window: F32) -> bool:
    """Tell whether a window (n,) holds nothing to hear: digital silence, or what are no numbers."""
    return not np.abs(window).max() >= SILENT  # no comparison with NaN is true


def length(window_s: float) -> int:
    """Return how many samples a window has."""
    return round(window_s * RATE_HZ)
