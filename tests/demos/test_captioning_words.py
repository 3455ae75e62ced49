from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from demos.captioning.words import tokens_of_words

PIECES = st.lists(st.text("ab ,", min_size=1, max_size=4), min_size=1, max_size=12)


def joined(pieces: list[str]) -> list[list[int]]:
    """Words of a tokenizer whose decoding is joining pieces."""
    return tokens_of_words(
        range(len(pieces)), lambda parts: ["".join(pieces[token] for token in part) for part in parts]
    )


def test_punctuation_belongs_to_the_word_it_touches() -> None:
    assert joined(["a", " red", " cube", ",", " which"]) == [[0], [1], [2, 3], [4]]


def test_pieces_of_a_word_belong_together() -> None:
    assert joined([" pho", "togra", "phy", " of"]) == [[0, 1, 2], [3]]


def test_blanks_before_the_first_word_belong_to_it() -> None:
    assert joined([" ", "\n", "a", " cat"]) == [[0, 1, 2], [3]]


def test_a_token_that_ends_one_word_and_holds_the_next_counts_for_both() -> None:
    assert joined(["ca", "t on", " it"]) == [[0], [1], [2]]
    assert joined(["a b", " c"]) == [[0], [0], [1]]


def test_decoding_that_closes_up_what_came_before_keeps_every_token() -> None:
    """A word-piece decoder writes "don ' t" as "don't" once the last piece is there."""
    texts = ["don", "don '", "don't", "don't go"]
    assert tokens_of_words(range(4), lambda parts: [texts[len(part) - 1] for part in parts]) == [[0, 1, 2], [3]]


def test_an_empty_caption_has_no_words() -> None:
    assert tokens_of_words([], lambda parts: []) == []


@given(PIECES)
def test_there_is_one_list_of_tokens_for_each_word_in_order(pieces: list[str]) -> None:
    words = joined(pieces)
    assert len(words) == len("".join(pieces).split())
    assert all(words)
    flat = [place for word in words for place in word]
    assert flat == sorted(flat)
