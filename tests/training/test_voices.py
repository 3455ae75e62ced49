"""The synthesisers: what they say depends on the number alone, and their cache is added to and read back."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("soundfile", reason="soundfile reads what the synthesisers write")
pytest.importorskip("soxr", reason="soxr resamples it")

from training import voices
from training.voices import RATE_HZ, cut, fill, read, utter
from training.words import DICTIONARY, NEIGHBOURS, WORDS, sounds_known

PROGRAMS = {"espeak": "espeak-ng", "flite": "flite"}


@pytest.fixture(params=PROGRAMS)
def engine(request: pytest.FixtureRequest) -> str:
    if shutil.which(PROGRAMS[request.param]) is None:
        pytest.skip(f"{PROGRAMS[request.param]} is not installed")
    return str(request.param)


def test_an_utterance_is_cut_speech_of_the_word_that_its_number_names(engine: str) -> None:
    said = utter(engine, 4)
    assert said.text == WORDS[2]
    assert said.voice.startswith(f"{engine}:")
    assert 0.1 * RATE_HZ < len(said.sound) < 2 * RATE_HZ
    assert np.abs(said.sound).max() == pytest.approx(0.9 * 32767, rel=0.02)


def test_the_same_number_is_said_the_same_way_and_another_differently(engine: str) -> None:
    first, again, other = utter(engine, 0), utter(engine, 0), utter(engine, 2 * len(WORDS))
    np.testing.assert_array_equal(first.sound, again.sound)
    assert first.text == other.text
    assert len(first.sound) != len(other.sound) or (first.sound != other.sound).any()


def test_a_cache_is_added_to_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    if not DICTIONARY.exists():
        pytest.skip("wamerican-small is not installed")
    monkeypatch.setattr(voices, "CHUNK", 4)
    fill("flite", 4, tmp_path)
    before = (tmp_path / "flite-000000.npz").stat().st_mtime_ns
    fill("flite", 8, tmp_path)
    assert (tmp_path / "flite-000000.npz").stat().st_mtime_ns == before
    said = list(read(tmp_path))
    assert len(said) == 8
    assert [one.text for one in said[::2]] == list(WORDS[:4])
    np.testing.assert_array_equal(said[4].sound, utter("flite", 4).sound)


def test_cutting_resamples_and_leaves_no_long_quiet_ends() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000).astype(np.float32)
    sound = cut(np.concatenate([np.zeros(4000, np.float32), tone, np.zeros(4000, np.float32)]), 8000)
    assert len(sound) == pytest.approx(RATE_HZ, abs=0.06 * RATE_HZ)


def test_no_neighbour_is_a_keyword_and_words_spoken_like_one_are_known() -> None:
    assert not [word for word in NEIGHBOURS if word in WORDS]
    assert sounds_known("know")
    assert sounds_known("birds")
    assert not sounds_known("third")
