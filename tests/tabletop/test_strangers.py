"""Strangers: what is asked about them is refused, and what grades them shares no noun with what teaches them."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tabletop.captions import vocabulary as captions_vocabulary
from tabletop.sampling import sample_scene
from tabletop.strangers import (
    FOREIGN_COLOURS,
    FOREIGN_VALUES,
    NOUNS,
    OPEN,
    REFUSALS,
    STRANGE_QUESTIONS,
    UNKNOWN,
    plural,
    stranger,
    vocabulary,
)
from tabletop.wording import vocabulary as wordings_vocabulary
from tabletop.world import COLOURS

TAUGHT = {*NOUNS, *map(plural, NOUNS), *FOREIGN_COLOURS, *FOREIGN_VALUES}


def test_two_hundred_strange_questions_share_no_stranger_with_training() -> None:
    assert len(STRANGE_QUESTIONS) == len(set(STRANGE_QUESTIONS)) == 200
    asked = {word for text in STRANGE_QUESTIONS for word in re.findall("[a-z]+", text.lower())}
    assert not asked & TAUGHT
    assert len(asked - set(wordings_vocabulary()) - set(vocabulary())) > 140


def test_no_stranger_is_of_the_world_or_of_its_wordings() -> None:
    assert len(NOUNS) == len(set(NOUNS)) > 300
    assert not TAUGHT & {*captions_vocabulary(), *wordings_vocabulary(), *COLOURS}


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 3_000_000))
def test_a_stranger_is_refused_as_its_question_asks(seed: int) -> None:
    question = stranger(sample_scene(seed), np.random.default_rng(seed))
    assert question.answer in REFUSALS
    if re.match("(is|are) ", question.text):
        assert question.answer == "no"
    elif question.text.startswith("how many "):
        assert question.answer == "zero"
    else:
        assert question.answer == UNKNOWN


def test_every_kind_of_stranger_comes_and_half_of_the_words_are_made_up_or_rare() -> None:
    rng = np.random.default_rng(0)
    asked = [stranger(sample_scene(seed % 20), rng) for seed in range(2000)]
    assert set(Counter(question.answer for question in asked)) == {"no", "zero", UNKNOWN}
    known = {*wordings_vocabulary(), *vocabulary()}
    unseen = {word for question in asked for word in re.findall("[a-z]+", question.text)} - known - TAUGHT
    assert len(unseen) > 300  # made up
    only = [stranger(sample_scene(1), rng, ("unicorn",)).text for _ in range(200)]
    assert not any(noun in text.split() for text in only for noun in ("dog", "cow", "horse"))


def test_the_words_of_the_open_questions_are_listed() -> None:
    words = {word for text in OPEN for word in re.findall("[a-z]+", text.replace("{noun}", ""))}
    assert words | {UNKNOWN} == set(vocabulary())
