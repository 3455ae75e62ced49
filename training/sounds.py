"""Noises, music, rooms and telephones: what lies between a speaker and a microphone, made with arithmetic alone.

Sounds are float32 arrays at 16 kHz. `nonspeech` makes what holds no speech at all; the rest changes speech.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
Sound = NDArray[np.float32]


# --- What is not speech -----------------------------------------------------------------------------------------------


def nonspeech(rng: np.random.Generator, seconds: float) -> Sound:
    """Make one kind of noise, tones or music, (seconds * 16000,), of root mean square 0.1."""
    samples = round(seconds * RATE_HZ)
    sound = KINDS[rng.integers(len(KINDS))](rng, samples)
    return (0.1 * sound / (root_mean_square(sound) + 1e-9)).astype(np.float32)


def coloured_noise(rng: np.random.Generator, samples: int, slope: float | None = None) -> Sound:
    """Make noise whose power falls with frequency to the power of `slope` (0 white, 1 pink, 2 brown)."""
    slope = rng.uniform(0, 2.2) if slope is None else slope
    frequencies = np.fft.rfftfreq(samples, 1 / RATE_HZ)
    spectrum = rng.standard_normal((2, len(frequencies)))
    shape = np.maximum(frequencies, 20.0) ** (-slope / 2)
    return np.fft.irfft((spectrum[0] + 1j * spectrum[1]) * shape, samples).astype(np.float32)


def _fan(rng: np.random.Generator, samples: int) -> Sound:
    """Make noise in a band, with a hum that wavers, as of fans, engines and traffic."""
    low, high = np.sort(rng.uniform(60, 6000, 2))
    noise = band(coloured_noise(rng, samples), low, high + 200)
    time_s = np.arange(samples) / RATE_HZ
    wavering = 1 + 0.02 * np.sin(2 * np.pi * rng.uniform(0.1, 2) * time_s)
    phase = 2 * np.pi * np.cumsum(rng.uniform(40, 240) * wavering) / RATE_HZ
    hum = sum(rng.uniform(0, 1) / k * np.sin(k * phase + rng.uniform(0, 6)) for k in range(1, 9))
    return _levelled(noise) + rng.uniform(0, 1.5) * _levelled(np.asarray(hum))


def _gusts(rng: np.random.Generator, samples: int) -> Sound:
    """Make noise that swells and fades, as of wind, waves, passing cars."""
    swell = np.interp(
        np.arange(samples), np.linspace(0, samples, samples // 6000 + 2), rng.exponential(1, samples // 6000 + 2)
    )
    return (coloured_noise(rng, samples) * swell).astype(np.float32)


def _knocks(rng: np.random.Generator, samples: int) -> Sound:
    """Make short noises and ringing taps at random times, as of keys, steps, dishes, doors, claps."""
    sound = 0.01 * _levelled(coloured_noise(rng, samples))
    for start in rng.integers(0, samples, max(1, round(samples / RATE_HZ * rng.uniform(1, 8)))):
        length = min(rng.integers(160, 6400), samples - start)
        time_s = np.arange(length) / RATE_HZ
        body = rng.standard_normal(length) * rng.uniform(0, 1) + np.sin(2 * np.pi * rng.uniform(100, 5000) * time_s)
        sound[start : start + length] += rng.uniform(0.1, 1) * body * np.exp(-time_s * rng.uniform(10, 150))
    return sound


def _signals(rng: np.random.Generator, samples: int) -> Sound:
    """Make beeps, sirens and chirps."""
    sound = 0.003 * _levelled(coloured_noise(rng, samples))
    position = 0
    while position < samples:
        length = min(int(rng.integers(800, 16000)), samples - position)
        start_hz = rng.uniform(200, 4000)
        pitch = np.geomspace(start_hz, start_hz * rng.choice([1, 1, rng.uniform(0.5, 2)]), length)
        tone = np.sin(2 * np.pi * np.cumsum(pitch) / RATE_HZ)
        sound[position : position + length] += np.tanh(tone * rng.uniform(0.5, 6)) * rng.uniform(0.1, 1)
        position += length + int(rng.integers(0, 12000))
    return sound


def _music(rng: np.random.Generator, samples: int) -> Sound:
    """Make chords, a melody, a bass and drums in a random scale and tempo, with plucked or held notes."""
    sound = np.zeros(samples, dtype=np.float32)
    beat = round(RATE_HZ * rng.uniform(0.25, 0.7))
    scale = np.array([[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10]][rng.integers(2)])
    root_hz, partials = rng.uniform(110, 220), rng.uniform(0, 1, 8) / np.arange(1, 9) ** rng.uniform(0.3, 2)
    decay, drums, vibrato = rng.uniform(0.3, 6), rng.uniform(0, 1.5), rng.choice([0, rng.uniform(0, 0.01)])
    for number, start in enumerate(range(0, samples, beat)):
        degree = int(rng.integers(7))
        notes = [(degree + step, int(rng.integers(2)), beat * 2) for step in (0, 2, 4)] if number % 4 == 0 else []
        notes += [(int(rng.integers(7)), 1 + int(rng.integers(2)), beat), (degree, -1, beat)]
        for step, octave, length in notes:
            pitch = root_hz * 2.0 ** (octave + step // 7 + scale[step % 7] / 12)
            time_s = np.arange(min(length, samples - start)) / RATE_HZ
            phase = 2 * np.pi * pitch * (time_s + vibrato * np.sin(2 * np.pi * 5 * time_s) / (2 * np.pi * 5))
            audible = [k for k in range(1, 9) if k * pitch < RATE_HZ / 2]
            note = sum(partials[k - 1] * np.sin(k * phase) for k in audible)
            sound[start : start + len(time_s)] += note * np.exp(-decay * time_s) * np.minimum(time_s * 200, 1)
        hit = min(2000, samples - start)
        time_s = np.arange(hit) / RATE_HZ
        kick = np.sin(2 * np.pi * 60 * time_s) if number % 2 == 0 else rng.standard_normal(hit)
        sound[start : start + hit] += drums * kick * np.exp(-30 * time_s)
    return sound


KINDS: tuple[Callable[[np.random.Generator, int], Sound], ...] = (
    *(coloured_noise, _fan, _gusts, _knocks, _signals, _music, _music),
)


# --- What happens to speech -------------------------------------------------------------------------------------------


def place(speech: Sound, samples: int, start: int) -> Sound:
    """Return silence of a length with the speech in it, which may begin before 0 or end after it.

    >>> place(np.ones(2, dtype=np.float32), 4, -1)
    array([1., 0., 0., 0.], dtype=float32)
    """
    window = np.zeros(samples, dtype=np.float32)
    first, last = max(start, 0), min(start + len(speech), samples)
    window[first:last] = speech[first - start : last - start]
    return window


def stretch(speech: Sound, factor: float) -> Sound:
    """Play a sound `factor` times as long, and as much lower: another pace, and another size of mouth."""
    return np.interp(np.arange(0, len(speech) - 1, 1 / factor), np.arange(len(speech)), speech).astype(np.float32)


def room(speech: Sound, rng: np.random.Generator) -> Sound:
    """Add the echoes of a room whose sound dies away (by 60 dB) within 0.1 to 0.6 seconds."""
    length = round(RATE_HZ * rng.uniform(0.1, 0.6))
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail *= rng.uniform(0.1, 0.9) / np.sqrt(np.square(tail).sum())
    tail[: rng.integers(1, 80)] = 0  # until the first wall's echo
    tail[0] = 1
    size = len(speech) + length
    return np.fft.irfft(np.fft.rfft(speech, size) * np.fft.rfft(tail, size), size)[: len(speech)].astype(np.float32)


def colour(speech: Sound, rng: np.random.Generator, depth_db: float = 8.0) -> Sound:
    """Raise and lower frequencies smoothly, as a microphone of its own does."""
    frequencies = np.fft.rfftfreq(len(speech), 1 / RATE_HZ)
    points_hz = np.array([50, 200, 500, 1000, 2000, 4000, 8000])
    gain_db = np.interp(frequencies, points_hz, rng.normal(0, depth_db / 2, len(points_hz)))
    return np.fft.irfft(np.fft.rfft(speech) * 10 ** (gain_db / 20), len(speech)).astype(np.float32)


def band(sound: Sound, low_hz: float, high_hz: float) -> Sound:
    """Keep the frequencies between two, falling off within 10 % of them."""
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    rise = np.clip((frequencies / low_hz - 0.9) * 10, 0, 1) if low_hz > 0 else 1.0
    fall = np.clip((1.1 - frequencies / high_hz) * 10, 0, 1)
    return np.fft.irfft(np.fft.rfft(sound) * rise * fall, len(sound)).astype(np.float32)


def telephone(speech: Sound) -> Sound:
    """Keep 300 to 3400 Hz, in 8 bits of the mu-law.

    Source: ITU-T G.711 (1988), the continuous mu-law with mu = 255.
    """
    narrow = band(speech, 300, 3400)
    peak = np.abs(narrow).max() + 1e-9
    squeezed = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow) / peak) / np.log(256) * 127) / 127
    return (np.sign(squeezed) * np.expm1(np.abs(squeezed) * np.log(256)) / 255 * peak).astype(np.float32)


def mix(speech: Sound, noise: Sound, snr_db: float) -> Sound:
    """Add noise (n,) to speech (n,) so that the loud half of the speech is `snr_db` above the noise."""
    ratio = speech_level(speech) / (root_mean_square(noise) + 1e-9)
    return speech + noise * np.float32(ratio * 10 ** (-snr_db / 20))


def speech_level(speech: Sound) -> float:
    """Return the root mean square of the louder half of a sound's 20 ms pieces that hold anything."""
    pieces = speech[: len(speech) // 320 * 320].reshape(-1, 320)
    power = np.square(pieces).mean(axis=1)
    heard = np.sort(power[power > power.max(initial=0.0) * 1e-4])
    return float(np.sqrt(heard[len(heard) // 2 :].mean())) if len(heard) else 0.0


def root_mean_square(sound: Sound) -> float:
    """Return the root mean square of a sound."""
    return float(np.sqrt(np.square(sound, dtype=np.float64).mean()))


def _levelled(sound: NDArray) -> Sound:
    return (sound / (root_mean_square(sound) + 1e-9)).astype(np.float32)
