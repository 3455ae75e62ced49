"""Questions: every answer is what an independent reading of the question finds in the scene."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tabletop.camera import world_to_camera
from tabletop.captions import NUMBERS, vocabulary
from tabletop.questions import PLURALS, QUESTION_TYPES, YES_OR_NO, questions
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
