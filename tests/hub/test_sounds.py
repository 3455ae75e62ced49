"""Every sound a person may send is taken, with a word on what is odd about it, or refused with what to do."""

from __future__ import annotations

import base64
import io
import resource
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hub.errors import InvalidInput
from hub.sounds import RATE_HZ, Sound, SoundLimits, sent_as_text, sound
from tests.hub.toys import PATIENT

KINDS = [  # format and subtype, as libsndfile names them, and how far a sample may come back from what it was
    ("WAV", "PCM_U8", 2 / 128),
    ("WAV", "PCM_16", 1 / 2**14),
    ("WAV", "PCM_24", 1 / 2**22),
    ("WAV", "PCM_32", 1e-6),
    ("WAV", "FLOAT", 1e-6),
    ("WAV", "DOUBLE", 1e-6),
    ("WAV", "ULAW", 0.05),
    ("WAVEX", "PCM_16", 1 / 2**14),
    ("RF64", "PCM_16", 1 / 2**14),
    ("W64", "PCM_16", 1 / 2**14),
    ("AIFF", "PCM_16", 1 / 2**14),
    ("AU", "PCM_16", 1 / 2**14),
    ("CAF", "ALAC_16", 1 / 2**14),
    ("FLAC", "PCM_16", 1 / 2**14),
    ("FLAC", "PCM_24", 1 / 2**22),
    ("OGG", "VORBIS", 0.05),
    ("OGG", "OPUS", 0.2),
    ("MP3", "MPEG_LAYER_III", 0.05),
]


def tones(seconds: float = 1.0, rate_hz: int = RATE_HZ, peak: float = 0.5) -> NDArray[np.float32]:
    """Return (n,) three tones of a voice's range, faded in and out."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = sum(np.sin(2 * np.pi * hertz * time_s) for hertz in (220, 710, 1730))
    return (peak / 3 * wave * np.sin(np.pi * time_s / seconds)).astype(np.float32)


def file_of(
    samples: NDArray[Any],
    rate_hz: int = RATE_HZ,
    kind: str = "WAV",
    subtype: str | None = None,
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=kind, subtype=subtype)
    return file.getvalue()


def floats(samples: NDArray[Any]) -> bytes:
    return file_of(samples, subtype="FLOAT")


def refusal(source: bytes | str | Path | None, **limits: float) -> str:
    with pytest.raises(InvalidInput) as caught:
        sound(source, SoundLimits(**limits))
    return str(caught.value)


def note(content: bytes) -> str:
    (only,) = sound(content).notes
    return only


@pytest.mark.parametrize(("kind", "subtype", "tolerance"), KINDS)
def test_every_format_gives_the_same_sound(kind: str, subtype: str, tolerance: float) -> None:
    heard = sound(file_of(tones(), kind=kind, subtype=subtype))
    assert heard.notes == ()
    assert (heard.rate_hz, heard.channels, heard.seconds) == (RATE_HZ, 1, 1.0)
    assert heard.samples.dtype == np.float32
    assert np.abs(heard.samples - tones()).max() <= tolerance


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 24_000, 44_100, 48_000, 96_000, 192_000])
def test_every_rate_gives_the_same_sound_at_16_khz(rate_hz: int) -> None:
    heard = sound(file_of(tones(rate_hz=rate_hz), rate_hz, subtype="PCM_24"))
    assert heard.notes == ()
    assert heard.rate_hz == rate_hz
    assert np.abs(heard.samples - tones()).max() < 1e-4


def test_at_a_low_rate_it_is_said_what_is_missing() -> None:
    heard = sound(file_of(tones(rate_hz=8_000), 8_000, subtype="PCM_24"))
    assert np.abs(heard.samples - tones()).max() < 1e-4
    assert heard.notes == ("at 8000 samples a second it holds nothing above 4000 Hz, where s and f are strongest",)


def test_a_long_file_is_resampled_as_if_in_one_go() -> None:
    long = np.random.default_rng(0).normal(0, 0.1, 44_100 * 15).astype(np.float32)  # several blocks
    whole = soxr.resample(long, 44_100, RATE_HZ)
    assert np.abs(sound(file_of(long, 44_100, subtype="FLOAT")).samples - whole).max() < 1e-6


@pytest.mark.parametrize("channels", [2, 8, 64])
def test_channels_are_averaged(channels: int) -> None:
    several = np.stack([tones(peak=0.2 + 0.01 * channel) for channel in range(channels)], axis=1)
    heard = sound(floats(several))
    assert (heard.channels, heard.notes) == (channels, ())
    assert np.abs(heard.samples - several.mean(axis=1)).max() < 1e-6


def test_silent_channels_are_left_out_and_named() -> None:
    two = floats(np.stack([tones(), 0 * tones()], axis=1))
    assert np.abs(sound(two).samples - tones()).max() < 1e-6
    assert note(two) == "channel 2 is silent and was left out"
    eight = floats(np.stack([tones() * (channel not in (2, 7)) for channel in range(8)], axis=1))
    assert np.abs(sound(eight).samples - tones()).max() < 1e-6
    assert note(eight) == "channels 3, 8 are silent and were left out"


def test_channels_of_opposite_sign_do_not_silence_each_other() -> None:
    content = floats(np.stack([tones(), -0.99 * tones()], axis=1))
    assert np.abs(sound(content).samples - tones()).max() < 1e-6
    assert note(content) == "the channels cancel each other out: only channel 1 was used"


def test_too_many_channels_are_refused() -> None:
    assert "65 channels. Send at most 64" in refusal(floats(np.zeros((1000, 65), np.float32)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_numbers_are_silenced_and_counted(bad: float) -> None:
    samples = tones()
    samples[4000:4160] = bad
    heard = sound(floats(samples))
    assert heard.notes == ("1 % of the samples are no numbers (NaN or infinite) and were silenced",)
    samples[4000:4160] = 0
    assert np.abs(heard.samples - samples).max() < 1e-6


def test_a_file_of_nan_is_refused() -> None:
    assert "100 % of the samples are no numbers" in refusal(floats(np.full(16_000, np.nan, np.float32)))


def test_a_clipped_recording_is_told_by_the_share_of_samples_at_full_scale() -> None:
    loud = np.clip(tones(peak=4.0), -1, 1)
    share = np.mean(np.abs(loud) == 1)
    assert note(file_of(loud)).startswith(f"{100 * share:.0f} % of the samples are at full scale")


def test_a_recording_that_only_touches_full_scale_is_not_called_clipped() -> None:
    assert sound(file_of(tones() / np.abs(tones()).max())).notes == ()


def test_numbers_of_another_scale_are_brought_to_full_scale() -> None:
    heard = sound(floats(tones() * 32_768))
    assert np.abs(heard.samples).max() == pytest.approx(1)
    assert np.corrcoef(heard.samples, tones())[0, 1] > 0.9999
    assert "where full scale is 1" in note(floats(tones() * 32_768))


def test_an_overshoot_of_a_decoder_is_cut_without_a_word() -> None:
    samples = tones()
    samples[5000] = 1.5
    heard = sound(floats(samples))
    assert heard.notes == ()
    assert heard.samples[5000] == 1


def test_a_constant_offset_is_removed() -> None:
    content = floats(tones(peak=0.3) + np.float32(0.25))
    assert np.abs(sound(content).samples - tones(peak=0.3)).max() < 1e-3
    assert note(content) == "a constant offset of 25 % of full scale was removed"


def test_silence_and_quiet_sounds_are_told() -> None:
    assert note(file_of(np.zeros(16_000))) == "it is silent: was the microphone muted?"
    assert note(floats(tones(peak=0.002))).startswith("it is very quiet: -5")
    assert sound(floats(np.full(16_000, 0.5, np.float32))).notes[-1].startswith("it is silent")


@pytest.mark.parametrize("source", [None, ""])
def test_a_sound_is_asked_for(source: str | None) -> None:
    assert "no sound yet" in refusal(source)


def test_a_file_that_is_gone_is_asked_for_again(tmp_path: Path) -> None:
    assert "Send it again" in refusal(tmp_path / "deleted.wav")
    assert "Send it again" in refusal(tmp_path)
    assert "Send it again" in refusal("https://example.com/word.wav")


@pytest.mark.parametrize("name", ["word.wav", "word.raw", "word.mp3", "word", "wörd .txt"])
def test_the_name_of_a_file_is_not_believed(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(file_of(tones(), kind="FLAC"))
    assert np.abs(sound(tmp_path / name).samples - tones()).max() < 1e-3
    assert sound(str(tmp_path / name)).notes == ()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "The file is empty"),
        (b"these are lecture notes, not a sound", "holds text, not sound"),
        ("größer und schöner, ".encode() * 100, "holds text, not sound"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a sound that can be read"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "not a sound that can be read"),
        (bytes(5000), "not a sound that can be read"),
        (b"\x00\x00\x00\x20ftypM4A " + bytes(100), "M4A and MP4 recordings (AAC) are not read here. Save it as WAV"),
        (b"\x00\x00\x00\x20ftypisom" + bytes(100), "M4A and MP4"),
        (b"\x1a\x45\xdf\xa3" + bytes(100), "WebM and Matroska files are not read here"),
        (b"\x30\x26\xb2\x75" + bytes(100), "WMA"),
        (b"\xff\xf1\x50\x80" + bytes(100), "AAC"),
        (b"RIFF\x00\x00\x00\x00AVI LIST" + bytes(100), "AVI videos"),
        (b"#!AMR\n" + bytes(100), "AMR"),
        (b"MThd" + bytes(100), "MIDI files (notes, without sound)"),
        (b"RIFF\x00\x00\x00\x00WAVE", "damaged or cut off"),
        (b"OggS" + bytes(100), "damaged or cut off"),
        (b"fLaC" + bytes(100), "damaged or cut off"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_what_is_not_a_sound_is_refused_with_what_to_send(content: bytes, expected: str) -> None:
    assert expected in refusal(content)


def test_a_format_nobody_needs_is_refused() -> None:
    assert "Sound in the format MAT4 is not taken. Save it as WAV" in refusal(file_of(tones(), kind="MAT4"))


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "RF64"])
def test_a_file_without_samples_is_refused(kind: str) -> None:
    assert "no sound that can be read" in refusal(file_of(tones(0), kind=kind))


def test_a_click_is_refused_and_a_brief_sound_is_told() -> None:
    assert "only 0.062 ms long" in refusal(file_of(tones()[:1]))
    assert note(floats(tones()[4000:4800])) == "it is only 50 ms long, shorter than any word"


@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", None), ("AIFF", None)])
def test_of_a_file_that_was_cut_off_the_rest_is_used(kind: str, subtype: str | None) -> None:
    whole = file_of(tones(2), kind=kind, subtype=subtype)
    cut = whole[: len(whole) * 2 // 3]
    heard = sound(cut)
    assert 0.4 < heard.seconds < 1.4
    assert np.abs(heard.samples - tones(2)[: len(heard.samples)]).mean() < 0.01
    assert note(cut).startswith("the file is damaged or cut off: ")
    assert note(cut).endswith("of 2 s could be read")


@pytest.mark.parametrize("length", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_wav_whose_recorder_did_not_write_its_length_is_read_to_the_end(length: int) -> None:
    """As recorders leave it that write to a pipe, or that were stopped by force."""
    content = bytearray(file_of(tones()))
    place = content.index(b"data") + 4
    content[place : place + 4] = struct.pack("<I", length)
    heard = sound(bytes(content))
    assert heard.notes == ()
    assert np.abs(heard.samples - tones()).max() < 1e-3


def test_a_wav_that_holds_a_title_and_no_samples_is_not_read_as_sound() -> None:
    title = b"LIST" + struct.pack("<I", 400) + b"INFO" + bytes(396)
    assert "no sound that can be read" in refusal(file_of(tones(0)) + title)


def flac_of_length(frames: int, seconds: float = 1.0) -> bytes:
    """Return a FLAC file whose header says that it has so many samples; 0 is for unknown."""
    content = bytearray(file_of(tones(seconds), kind="FLAC"))
    content[21] = (content[21] & 0xF0) | frames >> 32  # 36 bits
    content[22:26] = struct.pack(">I", frames & 0xFFFFFFFF)
    return bytes(content)


def test_a_flac_whose_header_does_not_know_its_length_is_read_to_the_end() -> None:
    heard = sound(flac_of_length(0))
    assert heard.notes == ()
    assert heard.seconds == 1.0


def test_a_file_of_ten_hours_is_refused_at_once_by_its_header() -> None:
    """A FLAC file of silence has a few bytes for each second; decoded it has gigabytes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "The sound is 10 h long. Send at most 10 min" in refusal(flac_of_length(10 * 3600 * RATE_HZ))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


@pytest.mark.parametrize(("kind", "subtype"), [("MP3", None), ("OGG", "VORBIS"), ("OGG", "OPUS")])
def test_the_length_of_a_lossy_file_is_known_before_it_is_decoded(kind: str, subtype: str | None) -> None:
    content = file_of(tones(20), kind=kind, subtype=subtype)
    assert refusal(content, minutes=0.1).startswith("The sound is 20 s long")  # and not "at least"


def test_a_wav_of_ten_hours_is_told_by_its_length_and_not_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "lecture.wav"
    header = bytearray(file_of(tones(0.1)))
    place = header.index(b"data") + 4
    header[place : place + 4] = struct.pack("<I", 10 * 3600 * 2 * RATE_HZ)
    with path.open("wb") as file:
        file.write(header[: place + 4])
        file.truncate(place + 4 + 10 * 3600 * 2 * RATE_HZ)  # a hole: takes no room on the disk
    assert "The sound is 10 h long. Send at most 10 min: cut out the part you want." in refusal(path)


def test_a_file_that_hides_its_length_is_refused_while_it_is_read() -> None:
    hidden = flac_of_length(0, seconds=100)
    assert "The sound is at least 32.8 s long. Send at most 30 s" in refusal(hidden, minutes=0.5)


def test_the_limits_are_those_that_were_set() -> None:
    assert sound(file_of(tones(3)), SoundLimits(minutes=0.05)).seconds == 3
    assert "The sound is 3.1 s long. Send at most 3 s" in refusal(file_of(tones(3.1)), minutes=0.05)
    assert "The file has 0.1 MB. Send at most 0.05 MB: save it as FLAC, OGG or MP3." in refusal(
        file_of(tones(3)), megabytes=0.05
    )


def test_a_rate_that_no_recorder_has_is_refused() -> None:
    assert "1000 samples a second. Send 4000 to 768000" in refusal(file_of(tones(), 1000))


@pytest.mark.parametrize("head", ["", "data:audio/wav;base64,"])
def test_a_sound_may_come_as_text(head: str) -> None:
    content = file_of(tones())
    text = base64.encodebytes(content).decode()  # with a line end after each 76 characters
    assert sent_as_text(head + text) == content


@pytest.mark.parametrize("text", ["hello, world!", "=", "QUJ", "größe"])
def test_text_that_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a file in base64"):
        sent_as_text(text)


def assert_taken_or_refused(content: bytes) -> None:
    try:
        heard = sound(content)
    except InvalidInput:
        return
    assert isinstance(heard, Sound)
    assert len(heard.samples)
    assert np.abs(heard.samples).max() <= 1  # not so for NaN


@PATIENT
@given(content=st.binary(max_size=2000))
def test_any_bytes_are_taken_or_refused(content: bytes) -> None:
    assert_taken_or_refused(content)


@PATIENT
@given(
    file=st.sampled_from([file_of(tones(0.2), kind=kind, subtype=subtype) for kind, subtype, _ in KINDS]),
    damage=st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.floats(0.1, 1.0),
)
def test_any_damage_to_a_good_file_is_taken_or_refused(file: bytes, damage: list[tuple[int, int]], kept: float) -> None:
    content = bytearray(file[: max(1, round(len(file) * kept))])
    for place, value in damage:
        content[place % len(content)] = value
    assert_taken_or_refused(bytes(content))
