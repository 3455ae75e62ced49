"""Ten questions about a scene: which are asked, how they are marked, and how a class adds them up."""

from __future__ import annotations

from collections import Counter

import pytest

from demos.vqa import battery
from demos.vqa.battery import Mark, Tally
from tabletop.questions import QUESTION_TYPES, Question, offered
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS

SEEDS = [seed for seed in TEST_SEEDS[:60] if len(sample_scene(seed).solids) >= 3]
LONE = next(seed for seed in TEST_SEEDS if len(sample_scene(seed).solids) == 1)
SCENE = sample_scene(2_000_112)  # red sphere, cyan cylinder, green torus, yellow cylinder; all large


def test_a_new_scene_is_never_a_training_scene_and_has_enough_to_ask_about() -> None:
    for seed in [battery.new_seed() for _ in range(5)]:
        assert seed in TEST_SEEDS
        assert len({each.question.type for each in battery.battery(seed).asked}) >= battery.FEWEST_TYPES


@pytest.mark.parametrize("seed", [*SEEDS[:4], LONE])
def test_a_battery_asks_ten_different_questions_whose_truth_the_scene_knows(seed: int) -> None:
    asked = battery.battery(seed).asked
    assert len({each.text for each in asked}) == battery.SIZE
    for each in asked:
        assert battery.truth(each.text, sample_scene(seed)) == each.question


def test_batteries_together_ask_every_type() -> None:
    kinds = Counter(each.question.type for seed in SEEDS for each in battery.battery(seed).asked)
    assert set(kinds) == set(QUESTION_TYPES)


def test_the_same_seed_asks_the_same_questions() -> None:
    assert battery.battery(SEEDS[0], reworded=True) == battery.battery(SEEDS[0], reworded=True)


def test_questions_in_other_words_keep_their_truth() -> None:
    plain, reworded = battery.battery(SEEDS[1]).asked, battery.battery(SEEDS[1], reworded=True).asked
    assert [each.question for each in plain] == [each.question for each in reworded]
    assert sum(a.text != b.text for a, b in zip(plain, reworded, strict=True)) >= 3


def test_the_requests_share_one_picture_and_can_run_as_one_batch() -> None:
    requests = battery.battery(SEEDS[2]).requests
    assert len(requests) == battery.SIZE
    assert len({id(request.image) for request in requests}) == 1
    assert len({request.batch_key() for request in requests}) == 1


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("red cube", "red cube", True),
        ("Red cube.", "red cube", True),
        ("a red box", "red cube", True),
        ("2", "two", True),
        ("red", "red cube", False),
        ("cube", "red cube", False),
        ("yes", "no", False),
        ("twenty", "two", False),
        ("", "two", False),
    ],
)
def test_an_answer_is_marked_by_its_words(answer: str, truth: str, right: bool) -> None:
    assert battery.is_right(answer, Question("exist", "?", truth)) == right


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("what colour is the torus?", "green"),
        ("What color is the DONUT", "green"),
        ("how many cylinders are there?", "two"),
        ("how many things are there", "four"),
        ("is there a red ball?", "yes"),
        ("what colour is the table?", "sand"),
        ("what shape is the red solid?", "sphere"),
    ],
)
def test_a_typed_question_is_recognised_in_the_plain_wordings(typed: str, answer: str) -> None:
    known = battery.truth(typed, SCENE)
    assert known is not None
    assert known.answer == answer


@pytest.mark.parametrize("typed", ["is there a dog?", "what colour is the cylinder?", "", "why?", "is there a"])
def test_what_the_scene_cannot_tell_is_not_marked(typed: str) -> None:
    assert battery.truth(typed, SCENE) is None


def test_two_questions_that_read_alike_have_one_truth() -> None:
    for question in offered(SCENE)[::7]:
        known = battery.truth(question.text, SCENE)
        assert known is not None
        assert known.answer == question.answer


def test_marks_add_up_by_model_and_type() -> None:
    tally: Tally = {}
    for model, kind, right in (("a", "count", True), ("a", "count", False), ("b", "count", True), ("a", "exist", True)):
        tally = battery.added(tally, model, [Mark(kind, right)])
    assert tally == {"a": {"count": (1, 2), "exist": (1, 1)}, "b": {"count": (1, 1)}}
