"""The keyword spotting tab apart from its drawing: what becomes of what was sent, and what a client is answered."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import soundfile

from demos.keyword_spotting import DEMO, EXAMPLES
from demos.keyword_spotting.asking import asked
from demos.keyword_spotting.models import ANY, FIXED
from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.spotting import Detection, Importance, Spotting
from demos.keyword_spotting.tab import answer, draw, takes_words
from hub.errors import InvalidInput
from hub.page import build
from hub.run import Timings, record
from hub.runtime import Hub, Outcome
from hub.settings import Settings
from hub.sounds import RATE_HZ, Sound, SoundLimits
from tests.demos import example_sounds

ROOT = Path(__file__).resolve().parents[2]
SEVEN = ROOT / EXAMPLES["seven (a telephone's voice)"]["audio"]
LIMITS = SoundLimits()


def outcome(found: Spotting, request: SpottingRequest) -> Outcome:
    run = record(
        job_id="job",
        demo=DEMO.slug,
        card=DEMO.models[0],
        device="cpu",
        dtype="float32",
        options=request.recorded(),
        timings=Timings(0.0, 0.0, 0.1),
        batch_size=1,
    )
    return Outcome(found, run, "")


def found() -> Spotting:
    scores = np.array([[0.5, 0.1, 0.4], [0.9, 0.05, 0.05]], np.float32)
    mattered = Importance("yes", 0.2, np.zeros(20, np.float32), np.zeros(16, np.float32), 0.9)
    return Spotting(
        ("yes", "no", "_unknown_"),
        1.0,
        np.array([0.0, 0.2], np.float32),
        scores,
        scores,
        (Detection("yes", 0.9, 0.2, 1.2),),
        mattered,
        notes=("odd",),
    )


def test_a_file_and_the_same_file_as_text_are_the_same_sound() -> None:
    text = base64.b64encode(SEVEN.read_bytes()).decode()
    from_file = asked(LIMITS, audio=str(SEVEN), audio_base64=None)
    for sent in (
        text,
        f"data:audio/wav;base64,{text}",
        "\n".join(text[at : at + 76] for at in range(0, len(text), 76)),
    ):
        from_text = asked(LIMITS, audio=None, audio_base64=sent)
        assert np.array_equal(from_text.sound.samples, from_file.sound.samples)
        assert from_text.played is None
    assert from_file.played == str(SEVEN)
    assert from_file.sound.rate_hz == 8000


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "Record one, upload one, or click an example"),
        ({"audio": str(SEVEN), "audio_base64": "UklGRg=="}, "Use at most one"),
        ({"audio_base64": "not base64!"}, "base64"),
        ({"audio_base64": 7}, "expected text, got int"),
        ({"audio_base64": "A" * 200}, "Send"),
        ({"audio": str(SEVEN), "explain": "maybe"}, "true or false"),
        ({"audio": str(SEVEN), "threshold": 2}, "from 0.05 to 1"),
        ({"audio": str(SEVEN), "loudness": 2}, "There is no option"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_what_can(sent: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        asked(LIMITS, **{"audio": None, "audio_base64": None, **sent})


def test_text_longer_than_the_largest_file_is_refused_unread() -> None:
    with pytest.raises(InvalidInput, match=r"Use at most 1[,.]?333"):
        asked(SoundLimits(megabytes=0.001), audio=None, audio_base64="A" * 2000)


def test_the_answer_has_words_with_scores_and_times_and_is_plain_json() -> None:
    request = SpottingRequest(Sound(np.zeros(round(1.2 * RATE_HZ), np.float32)), SpottingOptions(top_k=2))
    said = answer(outcome(found(), request), request)
    assert json.loads(json.dumps(said)) == said
    assert (said["word"], round(said["score"], 2)) == ("yes", 0.9)
    assert said["detections"] == [{"word": "yes", "score": pytest.approx(0.9), "start_s": 0.2, "end_s": 1.2}]
    assert [each["word"] for each in said["top"]] == ["yes", "no"]
    assert said["windows"]["starts_s"] == pytest.approx([0.0, 0.2])
    assert said["windows"]["scores"] == [pytest.approx([0.5, 0.1, 0.4]), pytest.approx([0.9, 0.05, 0.05])]
    assert said["seconds"] == 1.2
    assert said["notes"] == ["odd"]
    assert len(said["importance"]["over_time"]) == 20


def test_the_page_plays_what_was_uploaded_and_nothing_where_there_is_no_file() -> None:
    sound = Sound(np.zeros(RATE_HZ, np.float32))
    for played, players in ((str(SEVEN), 1), (None, 0)):
        request = SpottingRequest(sound, played=played)
        result, explained = draw(outcome(found(), request), request)
        assert result.count("<audio") == players
        assert "This run" in explained


def test_words_are_asked_for_only_where_a_model_takes_any() -> None:
    assert {takes_words(card.key) for card in DEMO.models if card.group == FIXED} == {False}
    assert {takes_words(card.key) for card in DEMO.models if card.group == ANY} == {True}
    assert not takes_words("no such model")


def test_every_sound_input_of_the_page_is_forgotten_with_it(tmp_path: Path) -> None:
    hub = Hub(Settings(models="embedded", temp_dir=tmp_path, warm=False))
    page = build(hub, [DEMO])
    inputs = [block for block in page.blocks.values() if isinstance(block, gr.Audio)]
    noted = {
        component
        for event in page.fns.values()
        if event.fn is not None and event.fn.__name__ == "recorded"
        for component in event.inputs
    }
    assert inputs
    assert noted == set(inputs)


def test_the_examples_are_short_and_together_small() -> None:
    folder = ROOT / "assets/examples/keyword_spotting"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 600_000
    rates = {soundfile.info(str(ROOT / example["audio"])).samplerate for example in DEMO.examples}
    formats = {soundfile.info(str(ROOT / example["audio"])).format for example in DEMO.examples}
    assert {8000, 16000} <= rates
    assert {"WAV", "FLAC", "OGG", "MP3"} <= formats


def test_the_tones_are_those_that_their_module_computes() -> None:
    samples, rate_hz = soundfile.read(str(example_sounds.FOLDER / "tones.flac"), dtype="float32")
    assert rate_hz == RATE_HZ
    assert np.abs(samples - example_sounds.tones()).max() < 1 / 2**14
