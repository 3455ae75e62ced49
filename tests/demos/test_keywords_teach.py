"""Learning words from a few examples: on features whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from demos.keyword_spotting.spotting import UNKNOWN
from demos.keyword_spotting.taught import unit
from demos.keyword_spotting.teach import MOST_VOICES, learn
from tests.demos.taught_words import WIDTH, bank, noises, said

BANK = bank()


def test_a_word_is_known_from_voices_it_was_not_taught_with() -> None:
    lesson = learn({"banana": said("banana", 5, 7), "pear": said("pear", 5, 7)}, BANK, "model", "main")
    for place, word in enumerate(("banana", "pear")):
        scores = lesson.taught.scores(said(word, 40, 8)[:, 0])
        assert (scores.argmax(axis=1) == place).mean() > 0.9


def test_other_words_and_noises_are_none_of_the_words() -> None:
    taught = learn({"banana": said("banana", 5, 7)}, BANK, "model", "main").taught
    others = np.concatenate([said("left", 40, 8)[:, 0], said("pear", 40, 8)[:, 0], noises(200, 9)])
    assert (taught.scores(others)[:, 0] >= 0.8).mean() < 0.05


def test_levelling_what_voices_do_beats_plain_prototypes() -> None:
    examples = {"banana": said("banana", 3, 7)[:, 0], "pear": said("pear", 3, 7)[:, 0]}
    prototypes = np.stack([unit(unit(one).mean(axis=0)) for one in examples.values()])
    taught = learn({word: one[:, None] for word, one in examples.items()}, BANK, "model", "main").taught
    tried = np.concatenate([said("banana", 100, 8)[:, 0], said("pear", 100, 8)[:, 0]])
    truth = np.repeat([0, 1], 100)
    plain = (unit(tried) @ prototypes.T).argmax(axis=1) == truth
    levelled = taught.scores(tried)[:, :2].argmax(axis=1) == truth
    assert levelled.mean() > plain.mean() + 0.05


def test_scores_sum_to_one_and_the_last_label_is_no_word() -> None:
    taught = learn({"banana": said("banana", 3, 7), "pear": said("pear", 2, 7)}, BANK, "model", "main").taught
    assert taught.words == ("banana", "pear", UNKNOWN)
    assert taught.counts == (3, 2)
    scores = taught.scores(noises(50, 1))
    assert scores.shape == (50, 3)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_learning_twice_gives_the_same_to_the_last_bit() -> None:
    first, again = (learn({"banana": said("banana", 4, 7)}, bank(), "model", "main") for _ in range(2))
    assert (first.taught.scores(noises(20, 3)) == again.taught.scores(noises(20, 3))).all()
    assert (first.places == again.places).all()


def test_more_examples_need_a_greater_likeness() -> None:
    # The mean of several voices is nearer to a new voice than one voice is: the same margin then means less.
    assert len(BANK.levels) == MOST_VOICES
    middles = [-offset / slope for slope, offset in BANK.levels]
    assert middles == sorted(middles)
    assert all(slope > 0 for slope, _ in BANK.levels)


def test_every_example_is_tried_with_what_the_others_teach() -> None:
    examples = {"banana": said("banana", 4, 7), "pear": said("pear", 4, 7)}
    examples["banana"][2] = said("pear", 1, 11)  # a slip: the other word, under the wrong name
    lesson = learn(examples, BANK, "model", "main")
    slip = lesson.verdicts[2]
    assert (slip.word, slip.heard, slip.odd) == ("banana", "pear", True)
    right, asked = lesson.right
    assert asked == 8
    assert right == sum(one.heard == one.word for one in lesson.verdicts) < asked
    assert sum(one.odd for one in lesson.verdicts) == 1


def test_a_single_example_of_a_word_teaches_but_cannot_be_tried() -> None:
    lesson = learn({"banana": said("banana", 1, 7)}, BANK, "model", "main")
    assert lesson.right == (0, 0)
    assert lesson.verdicts[0].heard is None
    assert lesson.taught.scores(said("banana", 1, 7)[0])[0, 0] > 0.5
    assert np.isfinite(lesson.places).all()


def test_a_word_of_the_bank_can_be_taught_anew_under_its_name() -> None:
    taught = learn({"LEFT": said("left", 3, 7)}, BANK, "model", "main").taught
    assert len(taught.others) == len(BANK.others) - 6
    assert (taught.scores(said("left", 20, 8)[:, 0])[:, 0] > 0.5).mean() > 0.8


def test_a_sound_that_the_user_says_is_none_of_the_words_is_no_longer_taken_for_one() -> None:
    examples = {"banana": said("banana", 5, 7)}
    alike = said("banana", 1, 8, variants=6)[0]
    before = learn(examples, BANK, "model", "main").taught.scores(alike)
    after = learn(examples, BANK, "model", "main", negatives=alike[1:]).taught.scores(alike)
    assert before[0, 0] > 0.5 > after[0, 0]


def test_variants_of_an_example_leave_the_weight_of_each_example_alike() -> None:
    lesson = learn({"banana": said("banana", 3, 7, variants=5)}, BANK, "model", "main")
    assert len(lesson.verdicts) == 3
    assert lesson.places.shape == (3, 2)
    assert lesson.taught.prototypes.shape == (1, WIDTH)
    assert np.linalg.norm(lesson.taught.prototypes[0]) == pytest.approx(1, abs=1e-5)


def test_the_same_word_is_nearer_to_its_own_kind_on_the_map() -> None:
    lesson = learn({"banana": said("banana", 6, 7), "pear": said("pear", 6, 7)}, BANK, "model", "main")
    banana, pear = lesson.places[:6], lesson.places[6:]
    within = np.linalg.norm(banana - banana.mean(axis=0), axis=1).mean()
    assert np.linalg.norm(banana.mean(axis=0) - pear.mean(axis=0)) > 2 * within
