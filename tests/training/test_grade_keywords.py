"""The keyword grader: resampling keeps a second a second, and a word that lasts is one detection."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("soundfile", reason="soundfile reads recordings")
pytest.importorskip("soxr", reason="soxr resamples them")

from training.grade_keywords import (
    HOP_S,
    SUPPRESSED_S,
    Listener,
    best_labels,
    confusions,
    detections,
    resampled,
    stream_scores,
)
from training.keywords import spot
from training.whisper import make_model
from training.words import LABELS, UNKNOWN, WORDS


@pytest.mark.parametrize("rate_hz", [8000, 22_050, 44_100])
def test_a_second_there_and_back_is_a_second_in_place(rate_hz: int) -> None:
    sound = np.sin(2 * np.pi * 500 * np.arange(16000) / 16000).astype(np.float32)
    back = resampled(resampled(sound, 16000, rate_hz), rate_hz, 16000)
    assert back.shape == (16000,)
    np.testing.assert_allclose(back[500:-500], sound[500:-500], atol=0.01)


def test_a_word_that_lasts_is_one_detection_and_a_later_one_another() -> None:
    scores = np.zeros((40, 2), dtype=np.float32)
    scores[5:8, 0] = 0.95
    assert detections(scores, 0.9) == 1
    scores[7 + round(SUPPRESSED_S / HOP_S) + 2 :][:3, 1] = 0.95
    assert detections(scores, 0.9) == 2
    assert detections(scores, 0.96) == 0


def test_a_stream_is_heard_in_windows_of_a_second() -> None:
    model = make_model().eval()
    sound = 0.1 * np.random.default_rng(0).standard_normal(40000, dtype=np.float32)
    scores = stream_scores(model, sound)
    assert scores.shape == (8, len(WORDS))
    np.testing.assert_allclose(scores[3], spot(model, sound[None, 9600:25600])[0, : len(WORDS)], atol=1e-5)


def test_each_fold_is_heard_by_its_own_model() -> None:
    models = (make_model().eval(), make_model().eval())
    sounds = 0.1 * np.random.default_rng(0).standard_normal((3, 16000), dtype=np.float32)
    scores = Listener("both", models).scores(sounds, np.array([1, 0, 1]))
    assert scores.shape == (3, len(LABELS))
    np.testing.assert_allclose(scores[1], spot(models[0], sounds[1:2])[0], atol=1e-5)
    np.testing.assert_allclose(scores[2], spot(models[1], sounds[2:])[0], atol=1e-5)


def test_a_word_under_the_threshold_is_none() -> None:
    scores = np.zeros((2, len(LABELS)), dtype=np.float32)
    scores[0, 3], scores[1, 4] = 0.6, 0.4
    assert best_labels(scores) == [WORDS[3], WORDS[4]]
    assert best_labels(scores, 0.5) == [WORDS[3], UNKNOWN]


def testconfusions_say_what_was_heard_instead() -> None:
    lines = confusions(["no", "yes", "no", "no"], ["no", "yes", "go", "go"])
    assert lines[2:] == ["| yes | 1 | 1 |  |", "| no | 3 | 1 | go 2 |"]
