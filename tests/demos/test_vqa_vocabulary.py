from __future__ import annotations

import pytest

from demos.vqa.vocabulary import one_slip, strange_words

KNOWN = ("what", "colour", "is", "the", "cube", "cubes", "sphere", "left", "of", "there", "a", "[PAD]", "##x")


@pytest.mark.parametrize("word", ["cbue", "cubbe", "cub", "cuve", "ucbe", "cube"])
def test_a_slip_of_the_keyboard_is_known(word: str) -> None:
    assert strange_words(f"what colour is the {word}?", KNOWN) == ()


@pytest.mark.parametrize("word", ["donkey", "canoe", "tube-lamp", "Größe", "猫猫"])
def test_a_word_of_another_world_is_strange(word: str) -> None:
    assert strange_words(f"is there a {word}", KNOWN) != ()


def test_strange_words_come_in_order_and_in_lower_case() -> None:
    assert strange_words("Is the Donkey left of the PIANO?", KNOWN) == ("donkey", "piano")


def test_two_slips_are_too_many_and_short_words_have_none() -> None:
    assert not one_slip("cebu", "cubes")
    assert not one_slip("os", "is")
    assert one_slip("shpere", "sphere")
