"""Wordings: other words, the same truth, and slips from which the word that was meant can still be told."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabletop.captions import vocabulary as captions_vocabulary
from tabletop.questions import (
    PLURALS,
    QUESTION_TYPES,
    Question,
    false_premise,
    further_question,
    question_of_table,
    questions,
)
from tabletop.sampling import sample_scene
from tabletop.strangers import NOUNS, plural
from tabletop.wording import ask, is_canonical, mistype, reword, slips, vocabulary
from tabletop.world import COLOURS, SHAPES, SIZES

seeds = st.integers(0, 3_000_000)
counts = st.integers(1, 6)

# What each word means, written down here a second time, from a dictionary and not from the module that is tested.
MEANS = {
    "block": "cube", "blocks": "cube", "box": "cube", "boxes": "cube", "ball": "sphere", "balls": "sphere",
    "ring": "torus", "rings": "torus", "donut": "torus", "donuts": "torus", "doughnut": "torus", "doughnuts": "torus",
    "toruses": "torus", "big": "large", "little": "small", "tiny": "small", "color": "colour", "bigger": "larger",
    "littler": "smaller", "tinier": "smaller", "less": "fewer",
    **{plural: shape for shape, plural in PLURALS.items()},
}  # fmt: skip
SIDE_PATTERNS = {
    "left": r"\bleft( side)? of\b",
    "right": r"\bright( side)? of\b",
    "front": r"\bin front of\b|\b(nearer|closer)( to us)? than\b|\bbefore\b",
    "behind": r"\bbehind\b|\bback of\b|\b(further|farther) (away|back) than\b",
}
OPPOSITE = {"larger": "smaller", "smaller": "larger", "more": "fewer", "fewer": "more"}


def meant(text: str) -> list[str]:
    """Return the words of a text, each as the word that it means."""
    return [MEANS.get(word, word) for word in re.findall(r"[a-z]+", text.lower())]


def named(text: str) -> Counter[str]:
    """Count the colours, shapes and sizes that a text names."""
    return Counter(word for word in meant(text) if word in (*COLOURS, *SHAPES, *SIZES))


def compared(text: str) -> tuple[frozenset[str], str, frozenset[str]]:
    """Read a comparison: what is more, the word, and than what; always as "larger" or as "more"."""
    words = [word for word in meant(text) if word in (*COLOURS, *SHAPES, *SIZES, *OPPOSITE, "compared", "than")]
    (comparison,) = (word for word in words if word in OPPOSITE)
    plain = " ".join(word for word in words if word != comparison)
    if plain.startswith("compared"):  # "compared to the second, is the first larger?"
        text_of = re.sub(r".*compared to the (.+), is the (.+) \w+\W*(please|do you know)?\W*$", r"\2 than \1", text)
        plain = " ".join(word for word in meant(text_of) if word in (*COLOURS, *SHAPES, *SIZES, "than"))
    first, second = (frozenset(side.split()) for side in re.split("compared|than", plain))
    return (first, comparison, second) if comparison in ("larger", "more") else (second, OPPOSITE[comparison], first)


def all_questions(seed: int, count: int) -> list[Question]:
    scene, rng = sample_scene(seed, count), np.random.default_rng(seed)
    return [*questions(scene, rng), false_premise(scene, rng), further_question(scene, rng), question_of_table(scene)]


@settings(max_examples=300, deadline=None)
@given(seeds, counts, seeds)
def test_a_reworded_question_names_the_same_things_and_asks_the_same(seed: int, count: int, other: int) -> None:
    rng = np.random.default_rng(other)
    for question in all_questions(seed, count):
        text = reword(question, rng)
        assert text == text.lower()
        if re.match("how many|what colour|what shape|what size", question.text):
            asked = question.text.split()[1]
            alike = {"many": ("many", "number", "count")}.get(asked, (asked,))
            assert set(alike) & set(meant(text)), text
        if question.type == "size" or "size of" not in text:
            assert named(text) == named(question.text), (question.text, text)
        if question.type in SIDE_PATTERNS:
            spoken = text.replace("right to say", "")
            found = [side for side, pattern in SIDE_PATTERNS.items() if re.search(pattern, spoken)]
            assert found == [question.type], text
        if question.type == "comparison":
            assert compared(text.replace(" this ", " the ")) == compared(question.text), (question.text, text)


def test_each_type_is_worded_in_many_ways() -> None:
    worded: dict[str, set[str]] = {kind: set() for kind in QUESTION_TYPES}
    for question in (
        asked for seed in range(60) for asked in questions(sample_scene(seed, 3), np.random.default_rng(seed))
    ):
        rng = np.random.default_rng(0)
        worded[question.type] |= {reword(question, rng) for _ in range(20)}
        assert len({reword(question, rng) for _ in range(20)}) > 8
    assert all(len(texts) > 50 for texts in worded.values())


def test_a_question_in_no_canonical_form_is_refused() -> None:
    assert not is_canonical("who are you?")
    with pytest.raises(ValueError, match="canonical"):
        reword(Question("exist", "who are you?", "unknown"), np.random.default_rng(0))
    assert ask(Question("exist", "who?", "unknown"), np.random.default_rng(0)).lower().startswith("who")


def test_questions_are_asked_in_canonical_and_other_words_with_and_without_their_mark() -> None:
    question, rng = Question("colour", "what colour is the small cube?", "red"), np.random.default_rng(0)
    texts = [ask(question, rng) for _ in range(400)]
    assert 0.15 < np.mean([text.rstrip("?").lower() == question.text.rstrip("?") for text in texts]) < 0.4
    assert 0.15 < np.mean([not text.endswith(("?", ".")) for text in texts]) < 0.45
    assert 0.15 < np.mean([text[0].isupper() for text in texts]) < 0.45
    assert len(set(texts)) > 250


@settings(max_examples=200, deadline=None)
@given(seeds, counts)
def test_a_slip_changes_one_word_by_one_stroke_into_no_other_word(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    for question in all_questions(seed, count):
        before, after = question.text.rstrip("?").split(), mistype(question.text, rng).rstrip("?").split()
        (pair,) = (pair for pair in zip(before, after, strict=True) if pair[0] != pair[1])
        assert len(pair[0]) >= 4
        assert abs(len(pair[0]) - len(pair[1])) <= 1
        assert pair[1] not in {*vocabulary(), *NOUNS, *map(plural, NOUNS)}


def test_no_slip_could_be_meant_for_two_words() -> None:
    known = [word for word in vocabulary() if word.isalpha()]
    made = Counter(slip for word in known for slip in slips(word))
    assert len(made) > 5000
    assert set(made.values()) == {1}
    assert not slips("cat")  # too short, and not of this world
    assert not {"bell", "bone", "tube"} & set(made)


def test_the_vocabulary_holds_every_word_that_a_wording_may_use() -> None:
    known, rng = set(vocabulary()), np.random.default_rng(0)
    assert set(captions_vocabulary()) <= known
    for seed in range(300):
        for question in all_questions(seed, 1 + seed % 6):
            assert set(re.findall(r"[a-z]+|[^a-z\s]", reword(question, rng))) <= known
