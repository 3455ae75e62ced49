"""Examples as they come from a microphone: found in a recording, checked, merged and varied."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from demos.keyword_spotting.spotting import UNKNOWN
from demos.keyword_spotting.teach_examples import (
    MOST_CHARS,
    MOST_EXAMPLES,
    MOST_WORDS,
    SIZE,
    Example,
    added,
    checked_word,
    found_in,
    spans_of,
    variants,
    without,
    words_of,
)
from hub.errors import InvalidInput
from hub.sounds import RATE_HZ, Sound


def tone(seconds: float, level: float = 0.3, hertz: float = 300.0) -> NDArray[np.float32]:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * hertz * time_s)).astype(np.float32)


def room(seconds: float, level: float = 0.002, seed: int = 0) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))
    return (level * drawn).astype(np.float32)


def recording(*lengths_s: float, pause_s: float = 0.6) -> Sound:
    """Words of these lengths, with pauses around them, in a room."""
    parts = [room(pause_s)]
    for number, length_s in enumerate(lengths_s):
        parts += [tone(length_s, hertz=300.0 + 50 * number), room(pause_s, seed=number)]
    return Sound(np.concatenate(parts))


def test_a_recording_with_pauses_gives_an_example_for_each_word_in_it() -> None:
    found = found_in(recording(0.4, 0.5, 0.3, 0.6))
    assert len(found) == 4
    assert all(one.samples.shape == (SIZE,) for one in found)
    assert [one.origin for one in found] == ["1 of 4", "2 of 4", "3 of 4", "4 of 4"]
    for one in found:  # in the middle of its second
        loud = np.flatnonzero(np.abs(one.samples) > 0.1)
        assert abs((loud[0] + loud[-1]) / 2 - SIZE / 2) < 0.03 * RATE_HZ


def test_a_short_pause_is_part_of_the_word_and_a_click_is_none() -> None:
    stop = Sound(np.concatenate([room(0.5), tone(0.2), room(0.12), tone(0.2), room(1.0), tone(0.02), room(0.5)]))
    assert len(spans_of(stop.samples)) == 1


def test_a_recording_as_long_as_a_word_is_one_example_whatever_its_pauses() -> None:
    assert len(found_in(Sound(np.concatenate([tone(0.2), room(0.5), tone(0.3)])))) == 1


def test_of_a_long_noise_the_loudest_second_is_taken_and_that_is_told() -> None:
    (one,) = found_in(Sound(np.concatenate([tone(2.0, 0.4), tone(1.0, 0.5), tone(2.0, 0.4)])))
    assert np.abs(one.samples).max() == pytest.approx(0.5, abs=0.01)
    assert np.sqrt(np.square(one.samples).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    assert "loudest second" in one.notes[0]


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (np.concatenate([room(0.4, 1e-4), tone(0.4, 0.02), room(0.4, 1e-4)]), "quiet"),
        (np.concatenate([room(0.4), np.clip(tone(0.4, 3.0), -1, 1), room(0.4)]), "clipped"),
        (np.concatenate([tone(0.4), room(1.0)]), "beginning may be cut off"),
        (np.concatenate([room(1.0), tone(0.4)]), "end may be cut off"),
    ],
)
def test_what_spoils_an_example_is_told(samples: NDArray[np.float32], told: str) -> None:
    (one,) = found_in(Sound(samples.astype(np.float32)))
    assert any(told in note for note in one.notes)


def test_a_good_example_has_no_notes() -> None:
    assert found_in(recording(0.5))[0].notes == ()


@pytest.mark.parametrize("samples", [np.zeros(8000), np.zeros(1), 1e-5 * np.ones(40_000)])
def test_silence_is_refused(samples: NDArray[np.float64]) -> None:
    with pytest.raises(InvalidInput, match="Nothing can be heard"):
        found_in(Sound(samples.astype(np.float32)))


@pytest.mark.parametrize(
    "name", ["banana", "  ice   cream ", "été", "香蕉", "موز", "👏 clap", "<b>x</b>", "a" * MOST_CHARS]
)
def test_a_word_may_be_of_any_script(name: str) -> None:
    assert checked_word(name) == checked_word(checked_word(name))


@pytest.mark.parametrize(
    "name", ["", "   ", "a" * (MOST_CHARS + 1), "_unknown_", "_Silence_", "a\x00b", None, 7, ["x"]]
)
def test_a_name_that_cannot_be_used_is_refused(name: object) -> None:
    with pytest.raises(InvalidInput):
        checked_word(name)


def test_words_with_the_same_name_are_one_word() -> None:
    decomposed = "cafe\u0301"
    examples = added((), checked_word("Café"), recording(0.5), "a.wav")
    examples = added(examples, checked_word(decomposed), recording(0.4), "b.wav")
    assert words_of(examples) == ("Café",)
    assert len(examples) == 2


def test_the_same_recording_twice_is_refused() -> None:
    examples = added((), "banana", recording(0.5), "a.wav")
    with pytest.raises(InvalidInput, match="already"):
        added(examples, "pear", recording(0.5), "again.wav")


def test_there_is_a_limit_to_words_and_to_the_examples_of_each() -> None:
    def example(word: str, number: int) -> Example:
        return Example(word, np.full(SIZE, number / 1000, np.float32), "")

    words = tuple(example(f"word {number}", number) for number in range(MOST_WORDS))
    with pytest.raises(InvalidInput, match=str(MOST_WORDS)):
        added(words, "one more", recording(0.5), "a.wav")
    assert len(added(words, UNKNOWN, recording(0.5), "a.wav")) == MOST_WORDS + 1
    many = tuple(example("banana", number) for number in range(MOST_EXAMPLES))
    with pytest.raises(InvalidInput, match=str(MOST_EXAMPLES)):
        added(many, "banana", recording(0.5), "a.wav")


def test_examples_are_deleted_one_by_one_or_a_word_at_once() -> None:
    examples = added((), "banana", recording(0.5, 0.4), "a.wav")
    examples = added(examples, "pear", recording(0.3), "b.wav")
    fewer = without(examples, {"do": "delete", "key": examples[0].key})
    assert [one.key for one in fewer] == [one.key for one in examples[1:]]
    assert words_of(without(examples, {"do": "clear", "word": "banana"})) == ("pear",)


@pytest.mark.parametrize("wish", [None, "delete", {}, {"do": "delete"}, {"do": "delete", "key": 3}, {"do": "explode"}])
def test_a_wish_that_is_none_is_refused(wish: object) -> None:
    with pytest.raises(InvalidInput, match="unknown"):
        without((), wish)


def test_variants_are_the_example_and_what_it_might_have_been() -> None:
    example = found_in(recording(0.5))[0].samples
    drawn = variants(example)
    assert drawn.shape == (5, SIZE)
    assert drawn.dtype == np.float32
    assert (drawn[0] == example).all()
    assert len({one.tobytes() for one in drawn}) == 5
    assert np.abs(drawn).max() <= 1
    assert (drawn == variants(example)).all()
    middles = [np.flatnonzero(np.abs(one) > 0.1).mean() / RATE_HZ for one in drawn]
    np.testing.assert_allclose(middles, [0.5, 0.4, 0.6, 0.5, 0.5], atol=0.02)
    lengths = [np.ptp(np.flatnonzero(np.abs(one) > 0.1)) for one in drawn]
    assert lengths[3] > lengths[0] > lengths[4]
