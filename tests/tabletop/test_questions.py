"""Questions: every answer is what an independent reading of the question finds in the scene."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tabletop.camera import world_to_camera
from tabletop.captions import NUMBERS, vocabulary
from tabletop.questions import (
    NOTHING,
    PLURALS,
    QUESTION_TYPES,
    YES_OR_NO,
    Question,
    false_premise,
    further_question,
    offered,
    question_of_table,
    question_of_type,
    questions,
)
from tabletop.sampling import sample_scene
from tabletop.world import COLOURS, MAX_SOLIDS, SHAPES, SIZES, Scene, Solid

seeds = st.integers(0, 3_000_000)
counts = st.integers(1, MAX_SOLIDS)
SINGULAR = {plural: shape for shape, plural in PLURALS.items()}


def meant(scene: Scene, phrase: str) -> list[Solid]:
    """Find the solids that fit every word of a phrase."""
    words = [SINGULAR.get(word, word) for word in phrase.split() if word not in ("the", "a", "an", "solid", "solids")]
    return [solid for solid in scene.solids if all(word in (solid.size, solid.colour, solid.shape) for word in words)]


def the(scene: Scene, phrase: str) -> Solid:
    """Find the one solid that a phrase means."""
    (solid,) = meant(scene, phrase)
    return solid


def on_the_side(scene: Scene, side: str, reference: Solid) -> list[Solid]:
    """Find the solids on one side of another from their camera coordinates alone."""
    transform = world_to_camera(scene.camera)

    def seen(solid: Solid) -> np.ndarray:
        return transform[:3, :3] @ (solid.x_m, solid.y_m, 0.0)

    axis, sign = {"left": (0, -1), "right": (0, 1), "front": (2, -1), "behind": (2, 1)}[side]
    return [other for other in scene.solids if sign * (seen(other) - seen(reference))[axis] > 0]


def truth(scene: Scene, text: str) -> str:
    """Answer a question by reading it, word by word, against the scene."""
    if match := re.fullmatch(r"is there (an? .+)\?", text):
        return "yes" if meant(scene, match[1]) else "no"
    if match := re.fullmatch(r"how many (.+) are there\?", text):
        return NUMBERS[len(meant(scene, match[1]))]
    if match := re.fullmatch(r"what (colour|shape|size) is (the .+)\?", text):
        return str(getattr(the(scene, match[2]), match[1]))
    if match := re.fullmatch(r"what is (?:to the |in )?(left|right|front|behind)(?: of)? (the .+)\?", text):
        (found,) = on_the_side(scene, match[1], the(scene, match[2]))
        return f"{found.colour} {found.shape}"
    if match := re.fullmatch(r"is (the .+) (larger|smaller) than (the .+)\?", text):
        first, second = SIZES.index(the(scene, match[1]).size), SIZES.index(the(scene, match[3]).size)
        return "yes" if (first > second if match[2] == "larger" else first < second) else "no"
    if match := re.fullmatch(r"are there (more|fewer) (\w+) than (\w+)\?", text):
        first, second = len(meant(scene, match[2])), len(meant(scene, match[3]))
        return "yes" if (first > second if match[1] == "more" else first < second) else "no"
    if match := re.fullmatch(r"is (the .+?) (?:an? )?(\w+)\?", text):
        solid = the(scene, match[1])
        return "yes" if match[2] in (solid.size, solid.colour, solid.shape) else "no"
    raise AssertionError(f"not a canonical question: {text}")


@settings(max_examples=200, deadline=None)
@given(seeds, counts, seeds)
def test_every_answer_is_what_reading_the_question_against_the_scene_finds(seed: int, count: int, other: int) -> None:
    scene = sample_scene(seed, count)
    for question in questions(scene, np.random.default_rng(other)):
        assert truth(scene, question.text) == question.answer, question


@settings(max_examples=50, deadline=None)
@given(seeds, counts)
def test_questions_come_one_a_type_in_order_and_in_words_of_the_vocabulary(seed: int, count: int) -> None:
    asked = questions(sample_scene(seed, count), np.random.default_rng(seed))
    types = [question.type for question in asked]
    assert types == [kind for kind in QUESTION_TYPES if kind in types]
    assert {"exist", "count", "attribute"} <= set(types)
    for question in asked:
        assert set(f"{question.text} {question.answer}".replace("?", " ?").split()) <= set(vocabulary())


def test_the_same_generator_asks_the_same_questions() -> None:
    scene = sample_scene(7, 4)
    assert questions(scene, np.random.default_rng(1)) == questions(scene, np.random.default_rng(1))
    assert len({questions(scene, np.random.default_rng(seed)) for seed in range(10)}) > 1


def test_every_type_is_asked_and_yes_is_as_frequent_as_no() -> None:
    answers: dict[str, Counter[str]] = {kind: Counter() for kind in QUESTION_TYPES}
    for seed in range(400):
        for question in questions(sample_scene(seed), np.random.default_rng(seed)):
            answers[question.type][question.answer] += 1
    assert all(answers.values())
    for kind in YES_OR_NO:
        assert set(answers[kind]) == {"yes", "no"}
        assert 0.4 < answers[kind]["yes"] / answers[kind].total() < 0.6
    assert set(answers["colour"]) == set(COLOURS)
    assert set(answers["shape"]) == set(SHAPES)
    assert set(answers["size"]) == set(SIZES)


@settings(max_examples=200, deadline=None)
@given(seeds, counts, seeds)
def test_a_false_premise_is_false_and_answered_so(seed: int, count: int, other: int) -> None:
    scene = sample_scene(seed, count)
    question = false_premise(scene, np.random.default_rng(other))
    if match := re.fullmatch(r"what is (?:to the |in )?(left|right|front|behind)(?: of)? the (.+)\?", question.text):
        assert question.answer == NOTHING
        assert not meant(scene, match[2]) or not on_the_side(scene, match[1], the(scene, match[2]))
    elif match := re.fullmatch(r"what (colour|shape|size) is the (.+)\?", question.text):
        assert question.answer == NOTHING
        assert not meant(scene, match[2])
    elif match := re.fullmatch(r"is the (.+) (?:larger|smaller) than the (.+)\?", question.text):
        assert question.answer == "no"
        assert not (meant(scene, match[1]) and meant(scene, match[2]))
    else:
        match = re.fullmatch(r"is the (.+) (\w+)\?", question.text)
        assert match
        assert question.answer == "no"
        assert not meant(scene, match[1])


def test_false_premises_are_of_many_kinds() -> None:
    asked = Counter(false_premise(sample_scene(seed), np.random.default_rng(seed)).type for seed in range(300))
    assert set(asked) == {"colour", "shape", "size", "left", "right", "front", "behind", "attribute", "comparison"}


def test_the_colour_of_the_table_is_asked_for_and_is_its_tint() -> None:
    scene = sample_scene(3)
    assert question_of_table(scene) == Question("colour", "what colour is the table?", scene.tint)


def test_even_answers_are_about_equally_frequent() -> None:
    scene, rng = sample_scene(11, 4), np.random.default_rng(0)
    asked = [question_of_type(scene, "count", rng, even=True) for _ in range(600)]
    found = Counter(question.answer for question in asked if question)
    assert max(found.values()) < 1.5 * min(found.values())
    alone = sample_scene(11, 1)
    assert question_of_type(alone, "left", rng) is None


@settings(max_examples=30, deadline=None)
@given(seeds, counts, seeds)
def test_every_question_that_is_asked_is_among_those_offered_with_one_answer_each(
    seed: int, count: int, other: int
) -> None:
    scene, rng = sample_scene(seed, count), np.random.default_rng(other)
    every = offered(scene)
    assert {*questions(scene, rng), false_premise(scene, rng), question_of_table(scene)} <= set(every)
    assert further_question(scene, rng) in every
    answers: dict[str, set[str]] = {}
    for question in every:
        answers.setdefault(question.text, set()).add(question.answer)
    assert all(len(found) == 1 for found in answers.values())


@settings(max_examples=200, deadline=None)
@given(seeds, counts, seeds)
def test_every_further_answer_is_what_reading_the_question_finds(seed: int, count: int, other: int) -> None:
    scene = sample_scene(seed, count)
    question = further_question(scene, np.random.default_rng(other))
    assert question.answer == ("yes" if "table" in question.text else truth(scene, question.text))


def test_further_questions_are_answered_yes_as_often_as_no() -> None:
    asked = [further_question(sample_scene(seed), np.random.default_rng(seed)) for seed in range(400)]
    found = Counter(question.answer for question in asked if "table" not in question.text)
    assert 0.7 < found["yes"] / found["no"] < 1.4
    assert len({question.text for question in asked}) > 100
