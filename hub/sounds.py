"""Sound that a user sends: checked, as one channel at 16 kHz, with notes on what is odd about it.

As `hub.guard` for pictures: the one way in, so that every bad file gets the same clear message. `hub.sound_files`
decodes; here it is decided what may be used, and what the user is told.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hub.errors import InvalidInput
from hub.sound_files import ACCEPTED, RATE_HZ, Reading, SoundLimits, duration, read

LEAST_S = 0.01  # shorter is a click
BRIEF_S = 0.1  # shorter than any word
MOST_NOT_NUMBERS = 0.1  # share of the samples that may be NaN or infinite
CLIPPED = 0.001  # share of the samples at full scale from which on it is told
OVERSHOOT = 2.0  # decoders of MP3 and OGG go beyond 1 by less; above, the numbers have another scale
SILENT = 1e-4  # largest sample of a channel without sound: -80 dB, below the noise of microphones
QUIET = 0.01  # the same of a sound that is told to be quiet: -40 dB
OFFSET = 0.01  # a mean beyond this is the recorder's fault
LEAST_READ = 0.98  # share of the promised length; less was cut off (lossy formats round to blocks)
CANCELLED = 0.01  # share of the channels' energy in their average that is left of channels of opposite sign

USUAL_LIMITS = SoundLimits()

Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sound:
    """A checked sound.

    Attributes:
        samples: (n,), -1 to 1, one channel at `RATE_HZ`; n >= 1, all finite.
        rate_hz: of the file.
        channels: of the file; they were averaged.
        notes: what was done to the file, or is odd about it (clipped, silent, very short), for the user.
    """

    samples: Samples
    rate_hz: int = RATE_HZ
    channels: int = 1
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / RATE_HZ


def sound(source: str | Path | bytes | None, limits: SoundLimits = USUAL_LIMITS) -> Sound:
    """Read and check a sound: the path of an uploaded file, or the bytes of one.

    Channels are averaged, silent ones left out; samples that are no numbers are silenced; a constant offset, and a
    scale far beyond full scale, are taken away. The notes say so.

    Raises:
        InvalidInput: for nothing, no sound, a format or a length that is not taken, or a damaged file.
    """
    if source is None or source == "":
        raise InvalidInput("There is no sound yet.", "Record one, upload one, or click an example.")
    if isinstance(source, bytes):
        return _checked(io.BytesIO(source), limits)
    path = Path(source)
    if not path.is_file():
        raise InvalidInput("The sound is no longer on the server.", "Send it again.")
    # Opened by its number: soundfile would believe the ending of a name.
    with path.open("rb") as named, open(named.fileno(), "rb", closefd=False) as file:
        return _checked(file, limits)


def sent_as_text(text: str) -> bytes:
    """Return the bytes of a sound file that came as base64, with or without "data:audio/wav;base64," before it.

    Raises:
        InvalidInput: when it is no base64.
    """
    try:
        return base64.b64decode("".join(text.rpartition(",")[2].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(
            "The text is not a file in base64.", f"Send the bytes of a sound ({ACCEPTED}), encoded in base64."
        ) from error


def _checked(file: BinaryIO, limits: SoundLimits) -> Sound:
    reading = read(file, limits)
    _refuse_too_little(reading)
    notes = list(_oddities(reading))
    mono = reading.mono
    sounding = reading.peaks > SILENT
    if sounding.any() and reading.mono_energy < CANCELLED * reading.energy.mean():
        loudest = int(np.argmax(reading.energy))
        mono = read(file, limits, only=loudest).mono
        notes.append(f"the channels cancel each other out: only channel {loudest + 1} was used")
    elif sounding.any() and not sounding.all():
        mono = mono * np.float32(reading.channels / sounding.sum())
        silent = [str(channel + 1) for channel in np.flatnonzero(~sounding)]
        notes.append(
            f"channel {silent[0]} is silent and was left out"
            if len(silent) == 1
            else f"channels {', '.join(silent)} are silent and were left out"
        )
    mono, more = _in_range(mono, float(reading.peaks.max()))
    return Sound(mono, reading.rate_hz, reading.channels, (*notes, *more))


def _refuse_too_little(reading: Reading) -> None:
    if not reading.frames:
        raise InvalidInput(
            "The file holds no sound that can be read: it is empty, damaged or cut off.",
            f"Record it again, or save it again as {ACCEPTED}.",
        )
    seconds = reading.frames / reading.rate_hz
    if seconds < LEAST_S:
        raise InvalidInput(f"The sound is only {1000 * seconds:.2g} ms long.", "Record at least a whole word.")
    if reading.not_numbers > MOST_NOT_NUMBERS * reading.samples:
        raise InvalidInput(
            f"{_percent(reading.not_numbers, reading)} of the samples are no numbers (NaN or infinite).",
            "Write the file again, and see what made them: often it is a division by zero.",
        )


def _oddities(reading: Reading) -> Iterator[str]:
    """Tell what is odd about a file as it came."""
    seconds = reading.frames / reading.rate_hz
    if reading.promised is not None and reading.frames < LEAST_READ * reading.promised:
        promised = duration(reading.promised / reading.rate_hz)
        yield f"the file is damaged or cut off: {duration(seconds)} of {promised} could be read"
    if seconds < BRIEF_S:
        yield f"it is only {1000 * seconds:.0f} ms long, shorter than any word"
    if reading.not_numbers:
        share = _percent(reading.not_numbers, reading)
        yield f"{share} of the samples are no numbers (NaN or infinite) and were silenced"
    if reading.at_full_scale >= CLIPPED * reading.samples and reading.peaks.max() <= OVERSHOOT:
        share = _percent(reading.at_full_scale, reading)
        yield f"{share} of the samples are at full scale: it was recorded too loud and is clipped, which distorts it"
    if reading.rate_hz < RATE_HZ:
        top = f"{reading.rate_hz / 2:g} Hz"
        yield f"at {reading.rate_hz} samples a second it holds nothing above {top}, where s and f are strongest"


def _in_range(mono: Samples, peak: float) -> tuple[Samples, list[str]]:
    """Bring samples into -1 to 1 around 0; `peak` is the largest of the file."""
    notes = []
    if peak > OVERSHOOT:
        mono = mono / np.float32(peak)
        notes.append(f"its numbers reach {peak:,.0f} where full scale is 1: they were divided by that")
    offset = float(mono.mean(dtype=np.float64))
    if abs(offset) > OFFSET:
        mono = mono - np.float32(offset)
        notes.append(f"a constant offset of {100 * offset:.0f} % of full scale was removed")
    loudest = float(np.abs(mono).max())
    if loudest <= SILENT:
        notes.append("it is silent: was the microphone muted?")
    elif loudest < QUIET:
        notes.append(f"it is very quiet: {20 * np.log10(loudest):.0f} dB of full scale where it is loudest")
    return np.clip(mono, -1, 1, dtype=np.float32), notes


def _percent(samples: int, reading: Reading) -> str:
    percent = 100 * samples / reading.samples
    return f"{percent:.2g} %" if percent < 10 else f"{percent:.0f} %"
