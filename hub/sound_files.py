"""Reads one sound file: a block at a time, as one channel at 16 kHz, counting what is odd on the way.

libsndfile decodes and soxr resamples; ffmpeg is not needed. Of each block only the average of its channels is kept, so
memory is bounded by the longest sound that is taken, whatever a header claims or a file unpacks to.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hub.errors import InvalidInput

RATE_HZ = 16_000  # of every sound inside Lectern; what speech models hear
QUALITY = "HQ"  # of soxr: errors below those of 20 bits, a pass band up to 91 % of what the lower rate can hold

FORMATS = ("WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF")  # as libsndfile calls them
ACCEPTED = "WAV, FLAC, OGG (Vorbis or Opus) or MP3"
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 768_000
MAX_CHANNELS = 64
HEAD_BYTES = 512
NOT_READ = (  # where in the file, what stands there, what that is
    (4, b"ftyp", "M4A and MP4 recordings (AAC)"),
    (0, b"ADIF", "AAC recordings"),
    (0, b"\xff\xf1", "AAC recordings"),
    (0, b"\xff\xf9", "AAC recordings"),
    (0, b"\x1a\x45\xdf\xa3", "WebM and Matroska files"),
    (0, b"\x30\x26\xb2\x75", "WMA and WMV files"),
    (8, b"AVI ", "AVI videos"),
    (0, b"#!AMR", "AMR recordings"),
    (0, b"MThd", "MIDI files (notes, without sound)"),
)
CONVERT = f"Save it as {ACCEPTED}: in Audacity with File, Export, or with `ffmpeg -i recording.m4a recording.wav`."
MARKS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"FORM", b".snd", b"caff")

BLOCK_VALUES = 2**17  # decoded at a time, over all channels
UNKNOWN_FRAMES = 2**48  # a length from here on is none: so libsndfile says that the header does not know
UNKNOWN_BYTES = 0x7FFF_0000  # the same in WAV headers of programs that write to a pipe
LENGTHS_LOGGED = re.compile(
    r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE
)  # in libsndfile's log
LARGEST_VALUE = 2.0**31  # of a sample in a file of floating-point numbers; beyond it, and NaN, are no samples
FULL_SCALE = 0.999  # a sample as large as this is at the end of its range


@dataclass(frozen=True)
class SoundLimits:
    """The longest and largest sound that is taken."""

    minutes: float = 10.0
    megabytes: float = 100.0


@dataclass(eq=False)
class Reading:
    """What one pass over a file gave.

    Attributes:
        rate_hz, channels: of the file.
        promised: frames (one sample of each channel) that its header speaks of, None where it does not say.
        frames: that could be read.
        mono: (n,) the average of the channels at `RATE_HZ`, or the one that was asked for.
        peaks, energy: (channels,) largest absolute sample, and sum of squares, of each channel.
        mono_energy: sum of squares of their average.
        at_full_scale, not_numbers: samples at the end of their range, and those that are NaN or infinite.
    """

    rate_hz: int
    channels: int
    promised: int | None
    frames: int = 0
    mono: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    peaks: NDArray[np.float64] = field(init=False)
    energy: NDArray[np.float64] = field(init=False)
    mono_energy: float = 0.0
    at_full_scale: int = 0
    not_numbers: int = 0

    def __post_init__(self) -> None:
        self.peaks, self.energy = np.zeros(self.channels), np.zeros(self.channels)

    @property
    def samples(self) -> int:
        """How many were read, over all channels."""
        return self.frames * self.channels


def refuse_by_content(head: bytes) -> None:
    """Refuse a file whose first bytes (n,) tell that it is not a sound that can be read.

    Raises:
        InvalidInput: says what it is, and how to convert it.
    """
    if not head:
        raise InvalidInput("The file is empty.", f"Send {ACCEPTED}, or record it again.")
    for start, mark, kind in NOT_READ:
        if head[start : start + len(mark)] == mark:
            raise InvalidInput(f"{kind} are not read here.", CONVERT)
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut in two
    except UnicodeDecodeError:
        return
    if all(character.isprintable() or character.isspace() for character in text):
        raise InvalidInput("The file holds text, not sound, whatever its name says.", f"Send {ACCEPTED}.")


def read(file: BinaryIO, limits: SoundLimits, only: int | None = None) -> Reading:
    """Read a file once, from its beginning.

    Args:
        file: without a name of its own: soundfile would believe its ending.
        limits: the length is held against the header, before anything is decoded, and again while it is.
        only: a channel to read instead of the average of all, counted from 0.

    Raises:
        InvalidInput: for no sound, one of a format or length that is not taken, or one of which nothing can be read.
    """
    import soundfile

    file.seek(0)
    head = file.read(HEAD_BYTES)
    refuse_by_content(head)
    megabytes = file.seek(0, io.SEEK_END) / 1e6
    file.seek(0)
    if _length_was_never_written(head) and megabytes <= limits.megabytes:
        file = io.BytesIO(file.read().replace(b"data\0\0\0\0", b"data\xff\xff\xff\xff", 1))
    try:
        opened = soundfile.SoundFile(file)
    except soundfile.SoundFileError as error:
        if head.startswith(MARKS):
            raise InvalidInput("The sound is damaged or cut off.", f"Save it again as {ACCEPTED}.") from error
        raise InvalidInput("The file is not a sound that can be read.", f"Send {ACCEPTED}.") from error
    with opened:
        _refuse_by_header(opened, megabytes, limits)
        reading = Reading(opened.samplerate, opened.channels, _promised(opened))
        reading.mono = np.concatenate(list(_resampled(_averaged(opened, reading, only), reading, limits)))
    return reading


def resampler(rate_hz: int) -> Any:
    """Return a `soxr.ResampleStream` of one channel of 32-bit numbers, from `rate_hz` to `RATE_HZ`."""
    import soxr

    return soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32", quality=QUALITY)


def duration(seconds: float) -> str:
    """Write a length of time for people.

    >>> [duration(seconds) for seconds in (0.25, 90, 600, 36_000)]
    ['0.25 s', '1 min 30 s', '10 min', '10 h']
    """
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest if not hours else 0, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _length_was_never_written(head: bytes) -> bool:
    """Tell whether a WAV recorder was stopped before it wrote how much sound follows; more follows than a chunk."""
    before, found, after = head.partition(b"data\0\0\0\0")
    return before.startswith(b"RIFF") and bool(found) and len(after) > 8 and not after[:4].strip().isalnum()


def _refuse_by_header(opened: Any, megabytes: float, limits: SoundLimits) -> None:
    if opened.format not in FORMATS:
        raise InvalidInput(f"Sound in the format {opened.format} is not taken.", f"Save it as {ACCEPTED}.")
    if not MIN_RATE_HZ <= opened.samplerate <= MAX_RATE_HZ:
        raise InvalidInput(
            f"The sound has {opened.samplerate} samples a second.",
            f"Send {MIN_RATE_HZ} to {MAX_RATE_HZ} a second; 16000 are enough for speech.",
        )
    if opened.channels > MAX_CHANNELS:
        raise InvalidInput(f"The sound has {opened.channels} channels.", f"Send at most {MAX_CHANNELS}; best is one.")
    if opened.frames < UNKNOWN_FRAMES:
        _refuse_length(opened.frames / opened.samplerate, limits)
    if megabytes > limits.megabytes:
        raise InvalidInput(
            f"The file has {megabytes:.1f} MB.", f"Send at most {limits.megabytes:g} MB: save it as FLAC, OGG or MP3."
        )


def _refuse_length(seconds: float, limits: SoundLimits, at_least: str = "") -> None:
    if seconds > limits.minutes * 60:
        raise InvalidInput(
            f"The sound is {at_least}{duration(seconds)} long.",
            f"Send at most {duration(limits.minutes * 60)}: cut out the part you want.",
        )


def _promised(opened: Any) -> int | None:
    if opened.frames >= UNKNOWN_FRAMES:
        return None
    # Of WAV, AIFF and AU, libsndfile gives the frames that are there, and notes in its log what the header says.
    claimed, there = map(int, found.groups()) if (found := LENGTHS_LOGGED.search(opened.extra_info)) else (0, 0)
    return int(opened.frames * claimed / there) if 0 < there < claimed < UNKNOWN_BYTES else int(opened.frames)


def _averaged(opened: Any, reading: Reading, only: int | None) -> Iterator[NDArray[np.float32]]:
    """Yield a file as blocks (n,) of one channel at its own rate; count in `reading`."""
    import soundfile

    # Else soundfile seeks after each block, which is slow in MP3, and in a FLAC file that is cut off loses the block.
    opened.seekable = lambda: False
    while True:
        block = np.full((BLOCK_VALUES // opened.channels, opened.channels), np.nan, np.float32)
        try:
            block = opened.read(out=block)
        except soundfile.SoundFileError:  # damaged from here on: take what was decoded before
            block = block[~np.isnan(block).all(axis=1)]
        if not len(block):
            return
        reading.frames += len(block)
        heard = np.ascontiguousarray(block.T)  # (channels, n): sums along a row are several times as fast
        numbers = np.abs(heard) <= LARGEST_VALUE  # False for NaN
        heard[~numbers] = 0
        size = np.abs(heard)
        mono = heard.mean(axis=0) if only is None else heard[only]
        reading.not_numbers += int(np.count_nonzero(~numbers))
        reading.at_full_scale += int(np.count_nonzero(size >= FULL_SCALE))
        reading.peaks = np.maximum(reading.peaks, size.max(axis=1))
        reading.energy += np.square(heard, dtype=np.float64).sum(axis=1)
        reading.mono_energy += float(np.square(mono, dtype=np.float64).sum())
        yield mono


def _resampled(
    blocks: Iterator[NDArray[np.float32]], reading: Reading, limits: SoundLimits
) -> Iterator[NDArray[np.float32]]:
    stream = resampler(reading.rate_hz)
    for block in blocks:
        _refuse_length(reading.frames / reading.rate_hz, limits, "at least ")  # a header may lie, or not know
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
