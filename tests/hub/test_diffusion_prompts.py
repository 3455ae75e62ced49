from __future__ import annotations

import pytest

from hub.diffusion.prompts import read
from training.prompts import make_tokenizer

KNOWN = frozenset(["a", "an", "red", "blue", "cube", "sphere", "and", "on", "table"])
TOKENIZER = make_tokenizer()
LIMIT = 48


def test_each_word_has_the_places_of_its_tokens_after_the_start() -> None:
    reading = read(TOKENIZER, "a red cube", LIMIT, KNOWN)
    assert [(word.text, word.places, word.known) for word in reading.words] == [
        ("a", (1,), True),
        ("red", (2,), True),
        ("cube", (3,), True),
    ]
    assert reading.tokens == len(TOKENIZER("a red cube").input_ids)
    assert not reading.lost
    assert not reading.notes()


def test_a_word_with_its_comma_is_one_word_of_two_tokens() -> None:
    reading = read(TOKENIZER, "a Red cube, a blue sphere", LIMIT, KNOWN)
    assert reading.words[2].text == "cube,"
    assert len(reading.words[2].places) == 2
    assert not reading.unknown


@pytest.mark.parametrize("prompt", ["a dog", "ein Würfel", "红色立方体", "куб", "🐈 on a table"])
def test_words_that_were_not_taught_are_named(prompt: str) -> None:
    reading = read(TOKENIZER, prompt, LIMIT, KNOWN)
    assert reading.unknown
    assert all(word in prompt for word in reading.unknown)
    assert any("not taught" in note for note in reading.notes())


def test_where_no_list_of_words_is_known_none_is_marked() -> None:
    assert not read(TOKENIZER, "a dog", LIMIT).unknown


def test_what_is_cut_off_is_what_the_encoder_does_not_get() -> None:
    prompt = "a red cube and " * 333  # about 5,000 characters
    reading = read(TOKENIZER, prompt, LIMIT, KNOWN)
    encoded = TOKENIZER(prompt, truncation=True, max_length=LIMIT).input_ids
    seen = [place for word in reading.words for place in word.places]
    assert seen == list(range(1, LIMIT - 1))
    assert len(encoded) == LIMIT
    kept = prompt.strip().removesuffix(reading.lost).split()
    assert TOKENIZER(" ".join(kept)).input_ids == encoded
    assert reading.words[len(kept)].cut
    (note,) = reading.notes()
    assert "48 are read" in note
    assert len(note) < 250


@pytest.mark.parametrize("prompt", ["", " \n\t "])
def test_an_empty_prompt_has_no_words_and_needs_no_note(prompt: str) -> None:
    reading = read(TOKENIZER, prompt, LIMIT, KNOWN)
    assert reading.words == ()
    assert reading.notes() == ()
