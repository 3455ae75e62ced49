"""The example sounds that this project makes itself: run this module to write them anew.

    python -m tests.demos.example_sounds DIGITS

DIGITS is the folder `digits` of Debian's asterisk-core-sounds-en-wav (CC BY-SA 3.0), from which the number is put
together; without it only the tones are made.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from hub.sounds import RATE_HZ, Samples

FOLDER = Path(__file__).resolve().parents[2] / "assets/examples/keyword_spotting"
NUMBER = "3 9 0 6 4 1 7 2"
PAUSE_S = 0.35


def tones() -> Samples:
    """Make four lessons of a second each, with a gap between: one tone, two close tones, clicks, and a sweep."""
    second = np.arange(RATE_HZ) / RATE_HZ
    one = 0.5 * np.sin(2 * np.pi * 1000 * second)
    two = 0.25 * (np.sin(2 * np.pi * 1000 * second) + np.sin(2 * np.pi * 1060 * second))
    clicks = np.zeros(RATE_HZ)
    clicks[400 :: RATE_HZ // 100] = 0.5  # every 10 ms
    sweep = 0.5 * np.sin(2 * np.pi * (200 * second + (7000 - 200) / 2 * second**2))
    fade = np.minimum(1, np.minimum(second, second[::-1]) / 0.02)
    gap = np.zeros(RATE_HZ // 10)
    parts = [part for lesson in (one * fade, two * fade, clicks, sweep * fade) for part in (lesson, gap)]
    return np.concatenate(parts).astype(np.float32)


def number(digits: Path) -> tuple[Samples, int]:
    """Put spoken digits together, with pauses between; return the samples and their rate, Hz."""
    import soundfile

    parts = []
    for digit in NUMBER.split():
        spoken, rate_hz = soundfile.read(digits / f"{digit}.wav", dtype="float32")
        parts += [spoken, np.zeros(round(PAUSE_S * rate_hz), np.float32)]
    return np.concatenate(parts), rate_hz


if __name__ == "__main__":
    import soundfile

    soundfile.write(FOLDER / "tones.flac", tones(), RATE_HZ, subtype="PCM_16")
    if len(sys.argv) > 1:
        soundfile.write(FOLDER / "number.flac", *number(Path(sys.argv[1])), subtype="PCM_16")
