"""The rolling log-mel picture of a stream: the columns that each chunk adds, small enough to send them at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from demos.keyword_spotting import spectrum
from hub.sounds import RATE_HZ, Samples

COLUMNS_A_SECOND = RATE_HZ // spectrum.HOP_LENGTH
LONGEST_S = 5.0  # of sound in one answer: what the page shows

# The decades of mel power that the shades 0 to 255 stand for; the same for every column, so that all fit together. A
# sine of full scale is near 2, a laptop microphone in a quiet room near -5.
LEAST_DECADE, GREATEST_DECADE = -8.0, 2.5


class RollingMel:
    """Remembers which columns were handed out."""

    def __init__(self) -> None:
        self.next = 0  # number of the next column; column k is centred on sample k * HOP_LENGTH

    def __call__(self, recent: Callable[[float], Samples], heard_s: float) -> NDArray[np.uint8]:
        """Return the new columns (80, n) as shades; lowest band first.

        Args:
            recent: gives the last so many seconds of sound, as `stream.Listener.recent` does.
            heard_s: how much sound there was since the stream began.
        """
        heard, half = round(heard_s * RATE_HZ), spectrum.FFT_LENGTH // 2
        end = max(self.next, (heard - half) // spectrum.HOP_LENGTH + 1)
        first = max(self.next, end - round(LONGEST_S * COLUMNS_A_SECOND))
        self.next = end
        if end == first:
            return np.zeros((spectrum.MEL_BANDS, 0), np.uint8)
        begin, length = first * spectrum.HOP_LENGTH - half, (end - first - 1) * spectrum.HOP_LENGTH + 2 * half
        samples = recent((heard - max(begin, 0)) / RATE_HZ)
        samples = np.pad(samples, (max(0, -begin), 0))[:length]
        if len(samples) < length:  # the stream has just been closed
            return np.zeros((spectrum.MEL_BANDS, 0), np.uint8)
        frames = np.lib.stride_tricks.sliding_window_view(samples, spectrum.FFT_LENGTH)[:: spectrum.HOP_LENGTH]
        return shades(spectrum.mel_filters() @ spectrum.power(frames))


def shades(powers: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Turn mel powers into shades from 0 (`LEAST_DECADE` or less) to 255."""
    decades = np.log10(np.maximum(powers, 10**LEAST_DECADE))
    share = (decades - LEAST_DECADE) / (GREATEST_DECADE - LEAST_DECADE)
    return (np.clip(share, 0, 1) * 255).round().astype(np.uint8)
