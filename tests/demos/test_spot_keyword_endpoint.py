"""`/spot_keyword` over HTTP, with the sounds people really send, and with those that nobody should."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from numpy.typing import NDArray

from demos.keyword_spotting import PLACE
from hub.sounds import sound
from tests.app import PATIENCE_S, RunningApp

ROOT = Path(__file__).resolve().parents[2]
WORD = "five"
NUMBER = ["three", "nine", "zero", "six", "four", "one", "seven", "two"]
RATE_HZ = 16_000


@pytest.fixture(scope="module")
def word() -> NDArray[np.float32]:
    """Return (n,) someone saying `WORD`, at 16 kHz."""
    samples: NDArray[np.float32]
    samples, _ = soundfile.read(ROOT / PLACE / "five-five.flac", dtype="float32")
    return samples


def file_of(samples: NDArray[Any], rate_hz: int = RATE_HZ, **kind: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **{"format": "WAV", **kind})
    return file.getvalue()


Spot = Callable[..., dict[str, Any]]


@pytest.fixture
def spot(client: Client, tmp_path: Path) -> Spot:
    """Return a function that sends the bytes of a file and gives the answer."""

    def spot(content: bytes, name: str = "word.wav", **options: Any) -> dict[str, Any]:
        path = tmp_path / name
        path.write_bytes(content)
        answer: dict[str, Any] = client.predict(
            audio=handle_file(str(path)), api_name="/spot_keyword", **{"explain": False, "hop_s": 0.5, **options}
        )
        return answer

    return spot


def refusal(spot: Spot, content: bytes, **options: Any) -> str:
    with pytest.raises(AppError) as caught:
        spot(content, **options)
    return str(caught.value)


def detected(answer: dict[str, Any]) -> list[str]:
    return [one["word"] for one in answer["detections"]]


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "PCM_U8"),
        ("WAV", "FLOAT"),
        ("FLAC", "PCM_24"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
        ("AIFF", "PCM_16"),
    ],
)
def test_each_format_gives_the_same_word(spot: Spot, word: NDArray[np.float32], kind: str, subtype: str) -> None:
    answer = spot(file_of(word, format=kind, subtype=subtype), f"word.{kind.lower()}")
    assert answer["word"] == WORD
    assert detected(answer) == [WORD]
    assert answer["notes"] == []


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_each_rate_gives_the_same_word(spot: Spot, word: NDArray[np.float32], rate_hz: int) -> None:
    answer = spot(file_of(soxr.resample(word, RATE_HZ, rate_hz), rate_hz))
    assert answer["word"] == WORD
    assert answer["score"] > 0.9
    assert answer["seconds"] == pytest.approx(len(word) / RATE_HZ, abs=1e-3)
    assert any("nothing above 4000 Hz" in note for note in answer["notes"]) == (rate_hz == 8_000)


@pytest.mark.parametrize("head", ["", "data:audio/wav;base64,"])
def test_a_sound_may_be_sent_as_text(client: Client, word: NDArray[np.float32], head: str) -> None:
    text = head + base64.b64encode(file_of(word)).decode()
    answer = client.predict(audio=None, audio_base64=text, explain=False, api_name="/spot_keyword")
    assert answer["word"] == WORD


def test_text_that_is_no_base64_and_two_sounds_at_once_are_refused(client: Client) -> None:
    with pytest.raises(AppError, match="not a file in base64"):
        client.predict(audio=None, audio_base64="five!", api_name="/spot_keyword")
    with pytest.raises(AppError, match="Two sounds were sent"):
        client.predict(audio=handle_file(str(ROOT / PLACE / "no.wav")), audio_base64="AAAA", api_name="/spot_keyword")


def test_nothing_is_refused_with_what_to_do(client: Client) -> None:
    with pytest.raises(AppError, match="There is no sound yet"):
        client.predict(audio=None, api_name="/spot_keyword")


def flac_of_ten_hours() -> bytes:
    """Return a small file whose header says that it has ten hours."""
    content = bytearray(file_of(np.zeros(RATE_HZ), format="FLAC"))
    frames = 10 * 3600 * RATE_HZ
    content[21] = (content[21] & 0xF0) | frames >> 32  # 36 bits
    content[22:26] = struct.pack(">I", frames & 0xFFFFFFFF)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "The file is empty", id="empty"),
        pytest.param(file_of(np.zeros(0)), "holds no sound that can be read", id="0 samples"),
        pytest.param(b"five\nsix\nseven\n" * 50, "holds text, not sound, whatever its name says", id="text renamed"),
        pytest.param(flac_of_ten_hours(), "The sound is 10 h long. Send at most 10 min", id="10 hours"),
        pytest.param(file_of(np.full(RATE_HZ, np.nan), subtype="FLOAT"), "are no numbers", id="NaN"),
        pytest.param(b"\x00\x00\x00\x20ftypM4A " + bytes(99), "M4A and MP4 recordings.*Save it as WAV", id="M4A"),
        pytest.param(b"\x1a\x45\xdf\xa3" + bytes(99), "WebM.*Save it as WAV", id="WebM"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(99), "not a sound that can be read", id="picture"),
        pytest.param(file_of(np.ones(RATE_HZ))[:30], "damaged or cut off", id="cut off"),
        pytest.param(file_of(np.ones(5)), "only 0.31 ms long", id="a click"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_to_do(spot: Spot, content: bytes, message: str) -> None:
    with pytest.raises(AppError, match=message):
        spot(content)


def test_a_clipped_recording_is_heard_and_told(spot: Spot, word: NDArray[np.float32]) -> None:
    answer = spot(file_of(np.clip(word * 4 / np.abs(word).max(), -1, 1)))
    assert answer["word"] == WORD
    assert any("at full scale: it was recorded too loud" in note for note in answer["notes"])


def test_a_few_samples_that_are_no_numbers_do_not_matter(spot: Spot, word: NDArray[np.float32]) -> None:
    holes = word.copy()
    holes[::97] = np.nan
    holes[::201] = np.inf
    answer = spot(file_of(holes, subtype="FLOAT"))
    assert any("were silenced" in note for note in answer["notes"])
    assert np.isfinite(answer["windows"]["scores"]).all()


def test_eight_channels_are_heard_as_one(spot: Spot, word: NDArray[np.float32]) -> None:
    several = np.stack([word * gain for gain in (1, 0.9, 0, 0.8, 1, 0, 0.5, 1)], axis=1)
    answer = spot(file_of(several, subtype="PCM_24"))
    assert answer["word"] == WORD
    assert answer["notes"] == ["channels 3, 6 are silent and were left out"]


@pytest.mark.parametrize("content", [file_of(np.zeros(RATE_HZ)), file_of(np.full(RATE_HZ, 0.5))])
def test_silence_holds_no_word_and_is_told(spot: Spot, content: bytes) -> None:
    answer = spot(content, threshold=0.05)
    assert detected(answer) == []
    assert any("it is silent" in note for note in answer["notes"])


def test_a_long_file_is_looked_through_in_windows(spot: Spot) -> None:
    number = sound(ROOT / PLACE / "number.flac").samples
    hop = RATE_HZ // 5
    padded = np.pad(number, (RATE_HZ, RATE_HZ + -len(number) % hop))  # so that both are cut into the same windows
    answer = spot(file_of(np.tile(padded, 2), format="FLAC"), hop_s=0.2)
    assert detected(answer) == NUMBER * 2
    starts_s = [one["start_s"] for one in answer["detections"]]
    assert np.subtract(starts_s[8:], starts_s[:8]) == pytest.approx(len(padded) / RATE_HZ, abs=0.001)
    windows = answer["windows"]
    assert np.diff(windows["starts_s"]) == pytest.approx(0.2, abs=0.2)
    assert windows["starts_s"][-1] + windows["seconds"] >= answer["seconds"] - 0.2
    assert np.shape(windows["scores"]) == np.shape(windows["smoothed"])
    assert np.shape(windows["scores"]) == (len(windows["starts_s"]), len(windows["labels"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 2}, "out of range. Choose a number from 0.05 to 1"),
        ({"smoothing": "3"}, "expected a number from 1 to 10, got .*3"),
        ({"hop_s": 0}, "out of range. Choose a number from 0.05 to 1"),
        ({"suppression_s": "NaN"}, "expected a number"),
        ({"words": "x" * 10_000}, "Use at most 400"),
        ({"model": "hubert"}, "Choose whisper-keywords"),
    ],
)
def test_options_out_of_range_are_refused(
    spot: Spot, word: NDArray[np.float32], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(AppError, match=message):
        spot(file_of(word), **options)


def test_the_run_says_what_was_heard_and_how(spot: Spot, word: NDArray[np.float32]) -> None:
    run = spot(file_of(word), threshold=0.7)["run"]
    assert run["options"]["threshold"] == 0.7
    assert run["options"]["seconds"] == pytest.approx(len(word) / RATE_HZ, abs=1e-3)
    assert run["options"]["rate_hz"] == RATE_HZ


def test_a_whole_class_at_once_gets_the_word_each_would_get_alone(
    client: Client, app: RunningApp, word: NDArray[np.float32], tmp_path: Path
) -> None:
    paths = []
    for index, samples in enumerate((word, word[:RATE_HZ], sound(ROOT / PLACE / "no.wav").samples)):
        paths.append(tmp_path / f"{index}.wav")
        paths[-1].write_bytes(file_of(samples))

    def heard(client: Client, path: Path) -> dict[str, Any]:
        answer: dict[str, Any] = client.predict(
            audio=handle_file(str(path)), explain=False, hop_s=0.5, api_name="/spot_keyword"
        )
        return answer

    alone = [heard(client, path) for path in paths]
    with ThreadPoolExecutor(12) as pool:
        clients = [Client(app.url, verbose=False, httpx_kwargs={"timeout": PATIENCE_S}) for _ in range(12)]
        answers = list(pool.map(heard, clients, paths * 4))
    for answer, expected in zip(answers, alone * 4, strict=True):
        assert answer["word"] == expected["word"]
        assert np.abs(np.subtract(answer["windows"]["scores"], expected["windows"]["scores"])).max() < 2e-3
    assert max(answer["run"]["batch_size"] for answer in answers) > 1
    assert app.hub.gate.peak == 1


def test_a_path_of_the_server_is_not_read_and_a_link_is_not_followed(client: Client, app: RunningApp) -> None:
    stolen = {"path": str(Path(__file__).resolve()), "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError):
        client.predict(audio=stolen, api_name="/spot_keyword")
    linked = {"path": f"{app.url}config", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError, match="links are not followed"):
        client.predict(audio=linked, api_name="/spot_keyword")
