"""Sound in time and in frequency: the Fourier transform with its window, and the log-mel picture that models see.

Three steps lead from a sound to what a speech model is given. The sound is cut into short overlapping frames; each is
faded in and out by a window and split into frequencies (the FFT); and the frequencies are gathered into bands that are
narrow where the ear is fine (the mel scale), on a logarithmic scale of power.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from hub.sounds import RATE_HZ, Samples

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Whisper's way, which nearly all tabs of this kind share (Radford et al. 2022, section 2.2; openai/whisper, audio.py).
FFT_LENGTH = 400  # samples in a frame: 25 ms at 16 kHz
HOP_LENGTH = 160  # samples from one frame to the next: 10 ms
MEL_BANDS = 80
NYQUIST_HZ = RATE_HZ / 2
RANGE_DECADES = 8.0  # of power: what lies further below the loudest is cut off
LEAST_POWER = 1e-10

# The mel scale of Slaney's Auditory Toolbox (1998), as in Whisper and librosa: linear below 1 kHz, then logarithmic.
LINEAR_HZ_PER_MEL = 200 / 3
BREAK_HZ = 1000.0
BREAK_MEL = BREAK_HZ / LINEAR_HZ_PER_MEL
LOG_STEP = np.log(6.4) / 27

LEAST_DB = -120.0  # what spectra are cut off at
FRAMES_AT_ONCE = 4096  # bounds the memory of a long sound

# Coefficients of the cosine series a0 - a1 cos + a2 cos 2 (Harris 1978, On the use of windows, Proc. IEEE 66(1)).
WINDOWS = {
    "Hann": (0.5, 0.5, 0.0),
    "Hamming": (0.54, 0.46, 0.0),
    "Blackman": (0.42, 0.5, 0.08),
    "rectangular": (1.0, 0.0, 0.0),
}


def window(name: str, length: int) -> F64:
    """Return a window (length,) of `WINDOWS`, periodic: as long as the FFT it is made for, without a doubled end."""
    turn = 2 * np.pi * np.arange(length) / length
    a0, a1, a2 = WINDOWS[name]
    weights: F64 = a0 - a1 * np.cos(turn) + a2 * np.cos(2 * turn)
    return weights


def spectrum_db(frame: F32, name: str) -> tuple[F64, F64]:
    """Split a frame into frequencies.

    Args:
        frame: (n,) samples, -1 to 1, at `RATE_HZ`.
        name: of the window it is multiplied by.

    Returns:
        Frequencies (n // 2 + 1,), Hz, and levels (n // 2 + 1,) in dB re full scale: a sine of amplitude 1 whose
        frequency is one of these has 0 dB, with any window, since its spectrum is divided by the window's sum.
    """
    weights = window(name, len(frame))
    amplitudes = np.abs(np.fft.rfft(frame.astype(np.float64) * weights)) / weights.sum()
    # All but the first (and the last, for an even length) stand for two frequencies, one of them negative.
    amplitudes[1 : (len(frame) + 1) // 2] *= 2
    levels = 20 * np.log10(np.maximum(amplitudes, 10 ** (LEAST_DB / 20)))
    return np.fft.rfftfreq(len(frame), 1 / RATE_HZ).astype(np.float64), levels.astype(np.float64)


def mel_of_hz(hz: F64) -> F64:
    """Turn Hz into mel."""
    mel: F64 = np.where(
        hz < BREAK_HZ, hz / LINEAR_HZ_PER_MEL, BREAK_MEL + np.log(np.maximum(hz, 1e-9) / BREAK_HZ) / LOG_STEP
    )
    return mel


def hz_of_mel(mel: F64) -> F64:
    """Turn mel into Hz."""
    hz: F64 = np.where(mel < BREAK_MEL, mel * LINEAR_HZ_PER_MEL, BREAK_HZ * np.exp(LOG_STEP * (mel - BREAK_MEL)))
    return hz


@cache
def mel_edges_hz(bands: int = MEL_BANDS) -> F64:
    """Return (bands + 2,) edges, Hz: band k rises from edge k to its peak at k + 1 and falls to edge k + 2."""
    return hz_of_mel(np.linspace(0.0, mel_of_hz(np.float64(NYQUIST_HZ)), bands + 2))  # type: ignore[arg-type]


@cache
def mel_filters(bands: int = MEL_BANDS, fft_length: int = FFT_LENGTH) -> F64:
    """Return (bands, fft_length // 2 + 1) triangular weights; each triangle has the same area (Slaney's scaling)."""
    edges = mel_edges_hz(bands)
    bins = np.fft.rfftfreq(fft_length, 1 / RATE_HZ)
    low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak))
    weights: F64 = np.maximum(triangles, 0.0) * 2 / (high - low)
    return weights


def frames_of(samples: Samples, length: int, hop: int) -> F32:
    """Return a view (frames, length) of a sound: frame k is centred on sample k * hop; the ends are mirrored."""
    half = length // 2
    padded = np.pad(samples, half, mode="reflect" if len(samples) > half else "symmetric")
    return np.lib.stride_tricks.sliding_window_view(padded, length)[::hop]


def power(frames: F32, name: str = "Hann") -> F64:
    """Return the power (length // 2 + 1, n) over frequency of frames (n, length)."""
    weighted = frames * window(name, frames.shape[1])
    found: F64 = (np.abs(np.fft.rfft(weighted)) ** 2).T
    return found


def log_mel(samples: Samples, hop: int = HOP_LENGTH) -> F32:
    """Return the log-mel picture (80, n // hop) of a sound of n samples as Whisper is given it: 100 frames a second.

    A step of 1 is four decades of power, 40 dB; the range ends 2 below the greatest value, and silence is -1.5. A sound
    shorter than a frame's hop has one frame.

    Source: Radford et al. 2022 (Whisper), section 2.2; openai/whisper, audio.py, log_mel_spectrogram.
    """
    frames = frames_of(samples, FFT_LENGTH, hop)[: max(1, len(samples) // hop)]
    filters = mel_filters()
    parts = [filters @ power(frames[start : start + FRAMES_AT_ONCE]) for start in range(0, len(frames), FRAMES_AT_ONCE)]
    levels = np.log10(np.maximum(np.concatenate(parts, axis=1), LEAST_POWER))
    levels = np.maximum(levels, levels.max() - RANGE_DECADES)
    return ((levels + 4.0) / 4.0).astype(np.float32)
