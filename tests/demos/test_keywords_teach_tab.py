"""The view in which words are taught, with the embedded model: from recordings to a file, and what it draws."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import soundfile

from demos.keyword_spotting import DEMO, teach_bank
from demos.keyword_spotting.models import ANY, MODELS
from demos.keyword_spotting.options import SpottingRequest
from demos.keyword_spotting.spotting import UNKNOWN, Spotting
from demos.keyword_spotting.teach import Lesson, Verdict, learn
from demos.keyword_spotting.teach_draw import advice, examples_html, lesson_html, read_html
from demos.keyword_spotting.teach_examples import Examples, added
from demos.keyword_spotting.teach_file import weights_of
from demos.keyword_spotting.teacher import Teacher, features_of
from hub.errors import InvalidInput, TooBusy
from hub.inputs import SentFile
from hub.runtime import Hub, Outcome
from hub.settings import Settings
from hub.sounds import RATE_HZ, Sound
from tests.demos.taught_words import bank, said

CARD = MODELS[0]
TYPED = next(card for card in MODELS if card.group == ANY)
ATTACK = "<img src=x onerror=alert(1)>"
TAUGHT_WITH, TRIED_WITH = (0, 1, 2), (3, 4)  # voices of the bank, in which five say each word


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    return Hub(Settings(models="embedded", temp_dir=tmp_path_factory.mktemp("uploads")))


@pytest.fixture(scope="module")
def teacher(hub: Hub) -> Teacher:
    return Teacher(hub, DEMO)


def spoken(word: str, voice: int) -> Any:
    """A second in which a synthesiser says a word, (16000,)."""
    places = [number for number, name in enumerate(teach_bank.words()) if name == word]
    return teach_bank.sounds()[places[voice]]


def recorded(folder: Path, word: str, voices: tuple[int, ...] = (0,)) -> str:
    """A recording, as the page sends it, in which voices say a word one after the other."""
    pause = np.zeros(RATE_HZ // 2, np.float32)
    path = folder / f"{word}-{'-'.join(map(str, voices))}.wav"
    soundfile.write(
        path, np.concatenate([part for voice in voices for part in (pause, spoken(word, voice), pause)]), RATE_HZ
    )
    return str(path)


def outcome_of(hub: Hub, request: SpottingRequest) -> Outcome:
    return hub.run("a session", DEMO, CARD, request)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    found: Examples = ()
    for word in ("happy", "marvin"):
        for voice in TAUGHT_WITH:
            found = added(found, word, Sound(spoken(word, voice)), f"voice {voice}")
    return found


@pytest.fixture(scope="module")
def drawn(hub: Hub, teacher: Teacher, examples: Examples) -> list[Any]:
    planned = teacher.plan(examples, CARD.key)
    return list(teacher.draw([outcome_of(hub, request) for request in planned.requests], planned))


def test_what_ships_of_the_other_sounds_was_made_with_the_weights_that_ship() -> None:
    # If this fails: python -m training.other_sounds --features-only
    found = teach_bank.shipped(CARD)
    assert found is not None
    assert len(found.words) == len(found.others) == len(teach_bank.sounds())


def test_other_sounds_sound_to_the_model_as_what_ships_of_them_says(hub: Hub) -> None:
    found = teach_bank.shipped(CARD)
    assert found is not None
    heard = outcome_of(hub, SpottingRequest(Sound(teach_bank.sounds()[7]))).result.features
    assert float(found.space(heard)[0] @ found.others[7]) > 0.99


def test_weights_of_another_version_leave_what_ships_unused() -> None:
    assert teach_bank.shipped(replace(CARD, source="blip-tabletop")) is None
    assert teach_bank.shipped(replace(CARD, source="owner/model")) is None


def test_taught_words_are_heard_from_other_voices(hub: Hub, drawn: list[Any]) -> None:
    taught = drawn[0]
    assert taught.words == ("happy", "marvin", UNKNOWN)
    for place, word in enumerate(("happy", "marvin")):
        for voice in TRIED_WITH:
            spotting: Spotting = outcome_of(hub, SpottingRequest(Sound(spoken(word, voice)), taught=taught)).result
            assert spotting.labels == taught.words
            assert int(spotting.scores[0].argmax()) == place


def test_other_words_and_silence_are_not_taken_for_taught_ones(hub: Hub, drawn: list[Any]) -> None:
    sounds = [spoken(word, 0) for word in ("sheila", "bird", "seven", "left")] + [np.zeros(RATE_HZ, np.float32)]
    for samples in sounds:
        spotting: Spotting = outcome_of(hub, SpottingRequest(Sound(samples), taught=drawn[0])).result
        assert spotting.labels[int(spotting.scores[0].argmax())] == UNKNOWN
        assert not spotting.detections


def test_teaching_gives_both_states_the_lesson_a_file_the_switch_and_the_list(drawn: list[Any], hub: Hub) -> None:
    own, taught, lesson, download, use, listed = drawn
    assert own is taught
    assert "heard right" in lesson
    assert Path(download.value["path"] if isinstance(download.value, dict) else download.value).stat().st_size > 100_000
    assert use is True
    assert listed.count("<li") == 6


def test_a_taught_file_is_opened_again_with_the_same_words(teacher: Teacher, drawn: list[Any]) -> None:
    download = drawn[3].value
    path = Path(download["path"] if isinstance(download, dict) else download)
    own, taught, shown, _, use, cleared = teacher.open_file((SentFile(path, "words.safetensors"),), CARD.key)
    assert own.words == drawn[0].words
    assert (own is taught, use, cleared) == (True, True, None)
    assert "happy (3 examples)" in shown


def test_words_taught_with_a_model_that_never_shipped_features_are_learned_from_the_sounds(teacher: Teacher) -> None:
    # As with a Hub model: the sounds of the bank come first in what must be heard.
    examples = added((), "happy", Sound(spoken("happy", 0)), "a")
    fresh = Teacher(teacher.hub, DEMO)
    planned = replace(fresh.plan(examples, CARD.key), bank=None)
    (request,) = planned.requests
    assert len(request.sound.samples) == (len(teach_bank.words()) + 5) * RATE_HZ
    fresh.banks.clear()
    known = teach_bank.shipped(CARD)
    assert known is not None
    random = np.random.default_rng(0).standard_normal((len(teach_bank.words()) + 5, 12)).astype(np.float32)
    lesson = fresh.learned(random, planned)
    assert lesson.taught.counts == (1,)
    assert fresh.bank(CARD) is not known


def test_a_recording_is_added_and_the_recorder_is_emptied(teacher: Teacher, tmp_path: Path) -> None:
    path = recorded(tmp_path, "happy", (0, 1))
    more, listed, emptied, told = teacher.record(path, "Freude", True, ())
    assert [one.word for one in more] == ["Freude", "Freude"]
    assert emptied is None
    assert "2 added to Freude" in told
    assert listed.count("<li") == 2


def test_the_word_must_have_a_name_unless_the_sound_is_none(teacher: Teacher, tmp_path: Path) -> None:
    path = recorded(tmp_path, "happy")
    with pytest.raises(gr.Error, match="no name"):
        teacher.record(path, " ", True, ())
    more, *_ = teacher.record(path, "", False, ())
    assert [one.word for one in more] == [UNKNOWN]
    with pytest.raises(InvalidInput, match="no example of a word"):
        teacher.plan(more, CARD.key)


def test_a_file_that_cannot_be_read_costs_no_other(teacher: Teacher, tmp_path: Path) -> None:
    bad = tmp_path / "notes.wav"
    bad.write_text("this is text")
    good = SentFile(Path(recorded(tmp_path, "happy")), "good.wav")
    more, _, _, told = teacher.send((SentFile(bad, ATTACK), good), "happy", True, ())
    assert len(more) == 1
    assert "1 added" in told
    assert "<img" not in told
    with pytest.raises(gr.Error, match="notes"):
        teacher.send((SentFile(bad, "notes.wav"),), "happy", True, ())


def test_a_model_without_features_is_refused_and_another_offered(teacher: Teacher, examples: Examples) -> None:
    with pytest.raises(InvalidInput, match=re.escape(CARD.label)):
        teacher.plan(examples, TYPED.key)
    nothing = np.zeros((1, 1), np.float32)
    outcome = Outcome(Spotting(("a",), 1.0, nothing[0], nothing, nothing, ()), None, "")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="no features"):
        features_of(outcome)
    with pytest.raises(TooBusy):
        features_of(TooBusy("Busy.", "Wait."))


def test_nothing_can_be_tried_before_something_was_taught(teacher: Teacher, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="taught yet"):
        teacher.try_plan(recorded(tmp_path, "happy"), None, CARD.key)


def test_a_trial_says_what_was_heard(hub: Hub, teacher: Teacher, drawn: list[Any], tmp_path: Path) -> None:
    trial = teacher.try_plan(recorded(tmp_path, "marvin", (3,)), drawn[0], CARD.key)
    (shown,) = teacher.try_draw([outcome_of(hub, request) for request in trial.requests], trial)
    assert "marvin" in shown
    assert "by their examples alone" in shown


# --- What is drawn ----------------------------------------------------------------------------------------------------


def lesson_of(*counts: int, names: tuple[str, ...] = ("banana", "pear", "left")) -> Lesson:
    words = ("banana", "pear", "left")
    examples = {name: said(word, count, 7) for name, word, count in zip(names, words, counts, strict=False)}
    return learn(examples, bank(), CARD.source, CARD.revision, weights=weights_of(CARD))


def test_names_of_words_and_files_are_shown_as_text(examples: Examples) -> None:
    named = tuple(replace(one, word=ATTACK, origin=ATTACK, notes=(ATTACK,)) for one in examples[:2])
    lesson = lesson_of(3, 3, names=(ATTACK, '"><b>'))
    for drawn in (examples_html(named), lesson_html(lesson), read_html(lesson.taught)):
        assert "<img" not in drawn
        assert '"><b>' not in drawn
        assert "&lt;img" in drawn


@pytest.fixture(params=[(3,), (1, 1), (2, 9), (5, 5, 5)])
def lesson(request: pytest.FixtureRequest) -> Lesson:
    return lesson_of(*request.param)


def test_every_lesson_can_be_drawn(lesson: Lesson) -> None:
    drawn = lesson_html(lesson)
    assert drawn.count("<circle") >= sum(lesson.taught.counts)
    assert "nan" not in re.sub("banana", "", drawn)


def test_too_few_examples_one_word_and_uneven_counts_are_told() -> None:
    assert "fewer than 3" in " ".join(advice(lesson_of(2, 3).taught))
    assert "One word alone" in " ".join(advice(lesson_of(4).taught))
    assert "many more examples" in " ".join(advice(lesson_of(3, 9).taught))
    assert advice(lesson_of(5, 5).taught) == []


def test_an_example_unlike_its_siblings_is_marked(examples: Examples) -> None:
    verdicts = [Verdict(one.word, one.word, 0.9, odd=number == 4) for number, one in enumerate(examples)]
    drawn = examples_html(examples, verdicts)
    assert drawn.count("listen again") == 1
    assert drawn.index("marvin") < drawn.index("listen again")
    assert "listen again" not in examples_html(examples)
