"""Live listening: the ear, its rolling picture, and `/spot_keyword_stream` with the chunks that microphones send."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from numpy.typing import NDArray

from demos.keyword_spotting import DEMO, PLACE
from demos.keyword_spotting.live_ear import MOST_WINDOWS, Ear, Question
from demos.keyword_spotting.live_mel import RollingMel
from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.spectrum import MEL_BANDS
from demos.keyword_spotting.stream import Listener
from demos.keyword_spotting.taught import Space, Taught, margins, unit
from hub.live import Places, Runs
from hub.sounds import Sound
from tests.app import RunningApp

ROOT = Path(__file__).resolve().parents[2]
NUMBER = ROOT / PLACE / "number.flac"  # three nine zero six ..., with pauses between
UNEVEN_S = (0.02, 0.71, 0.005, 1.1, 0.0, 0.3)  # how long chunks are, in turn

F32 = NDArray[np.float32]


@pytest.fixture(scope="module")
def number() -> F32:
    """Return (n,) the first four digits, at 16 kHz."""
    samples, rate_hz = soundfile.read(NUMBER, dtype="float32")
    return np.asarray(soxr.resample(samples, rate_hz, 16_000)[: 5 * 16_000], np.float32)


@pytest.fixture
def ear(app: RunningApp) -> Iterator[Ear]:
    ear = Ear(Runs(app.hub, DEMO, "a test", Places(app.hub)))
    yield ear
    ear.close()


def question(keep_up: bool = False, **options: Any) -> Question:
    return Question(DEMO.models[0], SpottingOptions(**options), keep_up=keep_up)


def chunks_of(samples: F32, rate_hz: int) -> Iterator[F32]:
    at = 0
    for seconds in cycle(UNEVEN_S):
        if at >= len(samples):
            return
        yield samples[at : at + round(seconds * rate_hz)]
        at += round(seconds * rate_hz)


def sent(samples: F32) -> str:
    return base64.b64encode((samples * 32767).round().astype("<i2").tobytes()).decode()


Push = Callable[..., dict[str, Any]]


@pytest.fixture
def push(app: RunningApp) -> Push:
    """Return a function that sends a chunk, in a session of its own."""
    client = Client(app.url, verbose=False)

    def push(samples: F32 | None = None, rate_hz: int = 16_000, **more: Any) -> dict[str, Any]:
        chunk = "" if samples is None else sent(samples)
        answer: dict[str, Any] = client.predict(
            **{"chunk": chunk, "rate_hz": rate_hz, "keep_up": False, **more}, api_name="/spot_keyword_stream"
        )
        return answer

    return push


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
def test_uneven_chunks_give_the_words_and_times_of_the_whole_file(
    push: Push, client: Client, number: F32, tmp_path: Path, rate_hz: int
) -> None:
    path = tmp_path / "number.wav"
    soundfile.write(path, number, 16_000)
    whole = client.predict(audio=handle_file(str(path)), explain=False, api_name="/spot_keyword")["detections"]
    assert len(whole) >= 3

    microphone = np.asarray(soxr.resample(number, 16_000, rate_hz), np.float32)
    answers = [push(chunk, rate_hz) for chunk in chunks_of(microphone, rate_hz)]
    answers.append(push(action="end"))
    spotted = [one for answer in answers for one in answer["detections"]]
    assert [one["word"] for one in spotted] == [one["word"] for one in whole]
    assert [one["end_s"] for one in spotted] == pytest.approx([one["end_s"] for one in whole], abs=0.201)  # one hop
    assert answers[-1]["heard_s"] == pytest.approx(5, abs=0.001)
    assert sum(answer["skipped_windows"] for answer in answers) == 0
    assert all(answer["latency_ms"] > 0 for answer in answers)
    run = next(answer["run"] for answer in answers if answer["run"])
    assert run["source"] == DEMO.models[0].source


def test_two_sessions_do_not_hear_each_other(app: RunningApp, number: F32) -> None:
    clients = [Client(app.url, verbose=False) for _ in range(2)]
    sounds = [number[:24_000], np.zeros(24_000, np.float32)]
    heard: list[list[str]] = [[], []]
    for start in range(0, 24_000, 8_000):
        for client, samples, words in zip(clients, sounds, heard, strict=True):
            answer = client.predict(
                chunk=sent(samples[start : start + 8_000]), keep_up=False, api_name="/spot_keyword_stream"
            )
            words += [one["word"] for one in answer["detections"]]
    assert heard == [["three"], []]


def test_after_end_and_after_restart_a_stream_begins_anew(push: Push, number: F32) -> None:
    second = number[:16_000]
    assert push(second)["heard_s"] == pytest.approx(1, abs=0.1)
    assert push(second, action="restart")["heard_s"] == pytest.approx(1, abs=0.1)
    assert push(second)["heard_s"] == pytest.approx(2, abs=0.1)
    assert push(action="end")["heard_s"] == 2
    assert push(second)["heard_s"] == pytest.approx(1, abs=0.1)


def test_nothing_of_a_stream_is_written_to_the_disk(app: RunningApp, push: Push, number: F32) -> None:
    before = sorted(app.hub.settings.temp_dir.rglob("*"))
    push(number)
    push(action="end")
    assert sorted(app.hub.settings.temp_dir.rglob("*")) == before


@pytest.mark.parametrize(
    ("sending", "message"),
    [
        ({"chunk": "no base64!"}, "base64"),
        ({"chunk": base64.b64encode(b"odd").decode()}, "half a sample"),
        ({"chunk": "A" * 500_000}, "at most 10 s"),
        ({"chunk": 7}, "at most 10 s"),
        ({"rate_hz": 0}, "no rate"),
        ({"rate_hz": 0.3}, "no rate"),
        ({"rate_hz": 10**9}, "no rate"),
        ({"rate_hz": "fast"}, "no rate"),
        ({"action": "dance"}, "continue, restart or end"),
        ({"threshold": 7}, "Threshold"),
        ({"model": "no-such-model"}, "whisper-keywords"),
    ],
)
def test_what_is_no_chunk_gets_a_message_that_says_what_to_send(
    push: Push, sending: dict[str, Any], message: str
) -> None:
    with pytest.raises(AppError, match=message):
        push(**sending)


def test_a_bare_post_needs_a_session_and_no_queue(app: RunningApp, client: Client, number: F32) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/spot_keyword_stream"]
    data = [parameter["parameter_default"] for parameter in named["parameters"]]
    data[0] = sent(number[:24_000])
    data[3] = False
    assert post(app, {"data": data, "session_hash": "my lesson"})["heard_s"] == pytest.approx(1.5, abs=0.1)
    assert post(app, {"data": data, "session_hash": "my lesson"})["heard_s"] == pytest.approx(3, abs=0.1)
    with pytest.raises(urllib.error.HTTPError):
        post(app, {"data": data})


def post(app: RunningApp, body: dict[str, Any]) -> dict[str, Any]:
    address = f"{app.url}gradio_api/run/spot_keyword_stream"
    asked = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked) as reply:
        answer: dict[str, Any] = json.load(reply)["data"][0]
    return answer


def test_an_ear_that_falls_behind_hears_the_newest_windows_and_counts_the_others(ear: Ear, number: F32) -> None:
    answer = ear.hear(number, 16_000, question(keep_up=True))
    while answer.waiting:
        answer = ear.hear(number[:0], 16_000, question(keep_up=True))
    assert [window.end_s for window in answer.windows] == pytest.approx([4.8, 5])  # as many as are averaged
    everything = ear.hear(number, 16_000, question())
    assert len(everything.windows) == 25
    assert everything.skipped == 0


def test_an_ear_skips_what_it_cannot_keep_while_its_model_is_awaited(ear: Ear, number: F32) -> None:
    answers = [ear.hear(number, 16_000, question(keep_up=True, hop_s=0.05)) for _ in range(2)]
    while answers[-1].waiting:
        answers.append(ear.hear(number[:0], 16_000, question(keep_up=True, hop_s=0.05)))
    heard, skipped = (sum(counts) for counts in zip(*[(len(one.windows), one.skipped) for one in answers], strict=True))
    assert heard + skipped == 181  # one every 0.05 s, the first after one second of ten
    assert heard <= 2 * MOST_WINDOWS


def test_hop_threshold_and_smoothing_change_while_an_ear_listens(ear: Ear, number: F32) -> None:
    first = ear.hear(number[:32_000], 16_000, question(threshold=1.0, smoothing=10))
    assert len(first.windows) == 6
    assert not first.detections
    then = ear.hear(number[32_000:], 16_000, question(hop_s=0.5, threshold=0.5, smoothing=1))
    starts = [window.start_s for window in then.windows]
    assert np.diff(starts) == pytest.approx([0.5] * (len(starts) - 1))
    assert then.detections
    assert then.heard_s == 5


def test_taught_words_take_the_place_of_the_models_and_give_it_back_while_an_ear_listens(
    app: RunningApp, ear: Ear, number: F32
) -> None:
    card, model = DEMO.models[0], question()
    heard = app.hub.run("a test", DEMO, card, SpottingRequest(Sound(number))).result
    assert heard.features is not None
    vectors = unit(heard.features)
    three = int(heard.scores[:, heard.labels.index("three")].argmax())
    far = np.abs(heard.starts_s - heard.starts_s[three]) >= heard.window_s
    nearest = float(margins(vectors, vectors[three : three + 1], vectors[far])[three, 0])
    width = vectors.shape[1]
    mine = Taught(
        words=("mine", "_unknown_"),
        source=card.source,
        revision=card.revision,
        weights="",
        counts=(1,),
        space=Space(np.zeros(width, np.float32), np.eye(width, dtype=np.float32)),
        prototypes=vectors[three : three + 1],
        others=vectors[far],
        slopes=np.array([40 / nearest], np.float32),
        offsets=np.array([-20], np.float32),
    )
    listened = ear.hear(number, 16_000, replace(model, taught=mine, options=SpottingOptions(smoothing=1)))
    assert listened.labels == mine.words
    assert [one.word for one in listened.detections] == ["mine"]
    again = ear.hear(number, 16_000, model)
    assert again.labels == heard.labels
    assert "three" in [one.word for one in again.detections]


def test_a_closed_ear_has_forgotten_what_it_heard(ear: Ear, number: F32) -> None:
    ear.hear(number[:16_000], 16_000, question())
    assert len(ear.recent(1)) == 16_000
    ear.close()
    assert len(ear.recent(1)) == 0


def test_the_rolling_picture_is_the_same_however_the_sound_is_cut(number: F32) -> None:
    def picture(pieces: Iterator[F32]) -> NDArray[np.uint8]:
        listener, mel = Listener(1.0, 0.2), RollingMel()
        parts = []
        for piece in pieces:
            listener.push(piece, 16_000)
            parts.append(mel(listener.recent, listener.seconds))
        return np.concatenate(parts, axis=1)

    whole, cut = picture(iter([number])), picture(chunks_of(number, 16_000))
    assert whole.shape == (MEL_BANDS, 499)
    assert (whole == cut).all()
    assert whole.max() > whole.min() + 100


def test_a_long_pause_adds_the_newest_five_seconds_to_the_picture() -> None:
    listener, mel = Listener(1.0, 0.2), RollingMel()
    listener.push(np.ones(12 * 16_000, np.float32), 16_000)
    assert mel(listener.recent, listener.seconds).shape == (MEL_BANDS, 500)
    assert mel.next == 1199
