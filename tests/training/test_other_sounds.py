"""The bank of other sounds: what is drawn for it, and what ships of it."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.other_sounds import NOISE, NOISES, OTHER_WORDS, TABLE, VOICES_A_WORD, other_sounds, write
from training.sounds import RATE_HZ
from training.voices import Utterance
from training.words import WORDS

ASSETS = Path(__file__).resolve().parents[2] / "assets/keyword_spotting"
LENGTH = len(WORDS) * VOICES_A_WORD + OTHER_WORDS + NOISES


def said(rng: np.random.Generator, texts: list[str]) -> list[Utterance]:
    """Utterances of each text by every engine, as chirps."""
    time_s = np.arange(6000) / RATE_HZ
    return [
        Utterance(text, f"{engine}:{number}", (9000 * np.sin(rng.uniform(500, 3000) * time_s)).astype(np.int16))
        for text in texts
        for engine in ("espeak", "flite", "kokoro")
        for number in range(2)
    ]


def test_each_word_is_said_by_five_voices_of_several_engines() -> None:
    texts = [*WORDS, *(f"other{number}" for number in range(OTHER_WORDS))]
    drawn = list(other_sounds(said(np.random.default_rng(0), texts), np.random.default_rng(1)))
    assert len(drawn) == LENGTH
    for word in WORDS:
        voices = [one.voice for one in drawn if one.word == word]
        assert len(set(voices)) == VOICES_A_WORD
        assert len({voice.partition(":")[0] for voice in voices}) == 3
    assert Counter(one.word for one in drawn)[NOISE] == NOISES
    assert all(one.sound.shape == (RATE_HZ,) and 0 < np.abs(one.sound).max() <= 1 for one in drawn)


def test_a_word_that_too_few_voices_say_is_named() -> None:
    with pytest.raises(ValueError, match="yes"):
        list(other_sounds(said(np.random.default_rng(0), ["no"]), np.random.default_rng(1)))


def test_a_second_of_the_file_is_the_sound_that_the_table_names(tmp_path: Path) -> None:
    texts = [*WORDS, *(f"other{number}" for number in range(OTHER_WORDS))]
    drawn = list(islice(other_sounds(said(np.random.default_rng(0), texts), np.random.default_rng(1)), 20))
    write(drawn, tmp_path)
    heard, rate = soundfile.read(tmp_path / "other_sounds.ogg", dtype="float32")
    assert (len(heard), rate) == (20 * RATE_HZ, RATE_HZ)
    for one, second in zip(drawn, heard.reshape(20, RATE_HZ), strict=True):
        assert np.corrcoef(one.sound, second)[0, 1] > 0.8
    with (tmp_path / TABLE).open(encoding="utf-8") as table:
        assert [row["word"] for row in csv.DictReader(table)] == [one.word for one in drawn]


def test_what_ships_holds_a_second_for_each_line_of_its_table() -> None:
    with (ASSETS / TABLE).open(encoding="utf-8") as table:
        words = [row["word"] for row in csv.DictReader(table)]
    assert len(words) == LENGTH == soundfile.info(ASSETS / "other_sounds.ogg").duration
    assert all(words.count(word) == VOICES_A_WORD for word in WORDS)
