"""Sound that is still being recorded: chunks of any size and rate go in, windows at 16 kHz come out.

The resampler keeps its state from chunk to chunk. Each chunk resampled on its own would begin and end with a click,
and its length would be rounded, so that time drifted: at 44.1 kHz by a sample with almost every chunk.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hub.errors import InvalidInput
from hub.sound_files import MAX_RATE_HZ, MIN_RATE_HZ, RATE_HZ, resampler
from hub.sounds import Samples

KEPT_S = 10.0  # of sound, to draw it


class Resampler:
    """Brings chunks to `RATE_HZ`: what comes out, joined, is what resampling all of it at once would give.

    The output lags 20 to 35 ms behind the input, which the filter needs to see ahead.
    """

    def __init__(self) -> None:
        self._rate_hz = 0
        self._stream: Any = None

    def __call__(self, mono: Samples, rate_hz: int) -> Samples:
        """Take the next chunk (n,); return the part (m,) of the output that is complete, which may be empty.

        When the rate changes, because another microphone was plugged in, the old rate's rest comes first.
        """
        rest = self.finish() if rate_hz != self._rate_hz else np.zeros(0, np.float32)
        if self._stream is None:
            self._rate_hz, self._stream = rate_hz, resampler(rate_hz)
        return np.concatenate([rest, self._stream.resample_chunk(mono)])

    def finish(self) -> Samples:
        """Return what was still held back; the next chunk begins anew."""
        stream, self._stream = self._stream, None
        empty = np.zeros(0, np.float32)
        return empty if stream is None else stream.resample_chunk(empty, last=True)


class Ring:
    """The last samples of a sound, in a place of fixed size."""

    def __init__(self, size: int) -> None:
        self._samples = np.zeros(size, np.float32)
        self.written = 0  # in all, since the beginning
        self._lost = 0  # of these, at the beginning, before the place was made larger

    @property
    def kept(self) -> int:
        """How many of the last samples are still there."""
        return min(self.written - self._lost, len(self._samples))

    def append(self, samples: Samples) -> None:
        """Write samples (n,) over the oldest ones."""
        newest = samples[-len(self._samples) :]
        self.written += len(samples)
        self._samples[self._places(len(newest))] = newest

    def last(self, count: int) -> Samples:
        """Return a copy of the last `count` samples, or of as many as there are."""
        return self._samples[self._places(min(count, self.kept))]

    def grow(self, size: int) -> None:
        """Make room for at least `size` samples."""
        if size > len(self._samples):
            kept = self.last(self.kept)
            self._lost = self.written - len(kept)
            self._samples = np.zeros(size, np.float32)
            self._samples[self._places(len(kept))] = kept

    def _places(self, count: int) -> NDArray[np.int64]:
        return np.arange(self.written - count, self.written) % len(self._samples)


class Listener:
    """Cuts a stream into windows of `window_s`, one every `hop_s`, each given out once, when it is complete."""

    def __init__(self, window_s: float, hop_s: float, kept_s: float = KEPT_S) -> None:
        self._window, self._hop = round(window_s * RATE_HZ), max(round(hop_s * RATE_HZ), 1)
        self._ring = Ring(max(self._window, round(kept_s * RATE_HZ)))
        self._resampler = Resampler()
        self._next_end = self._window  # where the next window ends, in samples from the beginning

    def retune(self, window_s: float, hop_s: float) -> None:
        """Cut other windows from now on, of another length or more or less often; time goes on, the sound is kept."""
        last_end = self._next_end - self._hop
        self._window, self._hop = round(window_s * RATE_HZ), max(round(hop_s * RATE_HZ), 1)
        self._ring.grow(self._window)
        lost = self._ring.written - self._ring.kept
        self._next_end = max(last_end + self._hop, self._ring.written, lost + self._window)

    @property
    def seconds(self) -> float:
        """How much was heard since the beginning."""
        return self._ring.written / RATE_HZ

    def push(self, chunk: ArrayLike, rate_hz: int) -> list[tuple[float, Samples]]:
        """Take the next chunk; return the windows that it completes: (when it begins, in seconds; samples at 16 kHz).

        Args:
            chunk: (n,) or (n, channels); whole numbers of 8, 16 or 32 bits, or floats in -1 to 1.
            rate_hz: of this chunk; it may change from one chunk to the next.

        Raises:
            InvalidInput: for a chunk of another shape or kind, or a rate that no microphone has.
        """
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            raise InvalidInput(f"A rate of {rate_hz} Hz was sent.", f"Send {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz.")
        return self._cut(self._resampler(one_channel(np.asarray(chunk)), rate_hz))

    def finish(self) -> list[tuple[float, Samples]]:
        """Take in what the resampler still holds, at the end of a recording; return the windows this completes."""
        return self._cut(self._resampler.finish())

    def recent(self, seconds: float) -> Samples:
        """Return a copy of the last `seconds`, or of as much as there is."""
        return self._ring.last(round(seconds * RATE_HZ))

    def _cut(self, samples: Samples) -> list[tuple[float, Samples]]:
        windows = []
        while len(samples) >= (missing := self._next_end - self._ring.written):
            self._ring.append(samples[:missing])
            samples = samples[missing:]
            windows.append(((self._next_end - self._window) / RATE_HZ, self._ring.last(self._window)))
            self._next_end += self._hop
        self._ring.append(samples)
        return windows


def one_channel(chunk: NDArray[Any]) -> Samples:
    """Average the channels of a chunk (n,) or (n, channels) of whole numbers or floats, as (n,) in -1 to 1.

    Floats that are no numbers become 0.

    Raises:
        InvalidInput: for another shape or kind.
    """
    if chunk.ndim not in (1, 2) or chunk.dtype.kind not in "iuf" or (chunk.ndim == 2 and not chunk.shape[1]):
        raise InvalidInput(
            f"A chunk of shape {chunk.shape} and kind {chunk.dtype} was sent.",
            "Send samples as (n,) or (n, channels), as whole numbers or as floats in -1 to 1.",
        )
    if chunk.dtype.kind == "f":
        values = np.nan_to_num(chunk.astype(np.float32), posinf=0, neginf=0)
    else:
        half = 2.0 ** (8 * chunk.dtype.itemsize - 1)
        middle = half if chunk.dtype.kind == "u" else 0.0  # 8-bit WAV counts from 0 to 255
        values = ((chunk.astype(np.float64) - middle) / half).astype(np.float32)
    mono = values if values.ndim == 1 else values.mean(axis=1)
    return np.clip(mono, -1, 1)
