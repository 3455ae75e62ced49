"""Scores of taught words: from likeness to the words and to other sounds."""

from __future__ import annotations

import numpy as np

from demos.keyword_spotting.taught import Space, Taught, margins, unit, word_scores

AXES = np.eye(8, dtype=np.float32)


def taught(slope: float = 20.0) -> Taught:
    """Two words, along the first two axes, and other sounds along the third."""
    return Taught(
        words=("banana", "pear", "_unknown_"),
        source="model",
        revision="main",
        weights="",
        counts=(3, 3),
        space=Space(np.zeros(8, np.float32), AXES),
        prototypes=AXES[:2],
        others=np.repeat(AXES[2:3], 6, axis=0),
        slopes=np.full(2, slope, np.float32),
        offsets=np.full(2, -5.0, np.float32),
    )


def test_a_sound_like_a_word_is_that_word_and_one_like_other_sounds_is_none() -> None:
    scores = taught().scores(3 * AXES[:3])
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]
    assert (scores.max(axis=1) > 0.99).all()


def test_loudness_does_not_count_only_direction_does() -> None:
    features = np.random.default_rng(0).standard_normal((9, 8)).astype(np.float32)
    np.testing.assert_allclose(taught().scores(features), taught().scores(100 * features), atol=1e-5)


def test_scores_of_one_window_do_not_depend_on_the_others() -> None:
    features = np.random.default_rng(0).standard_normal((9, 8)).astype(np.float32)
    alone = np.concatenate([taught().scores(features[[index]]) for index in range(9)])
    np.testing.assert_allclose(taught().scores(features), alone, atol=1e-6)


def test_features_of_nothing_and_of_great_size_give_scores() -> None:
    scores = taught(slope=1e4).scores(np.stack([np.zeros(8), np.full(8, 1e15)]).astype(np.float32))
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_a_margin_is_likeness_to_the_word_less_that_to_the_nearest_other_sounds() -> None:
    others = np.repeat(AXES[1:2], 5, axis=0)
    sounds = unit(np.stack([AXES[0], AXES[1], AXES[0] + AXES[1]]))
    np.testing.assert_allclose(margins(sounds, AXES[:1], others)[:, 0], [1, -1, 0], atol=1e-6)


def test_the_odds_of_no_word_are_even_where_a_word_is_undecided() -> None:
    scores = word_scores(np.zeros((1, 1), np.float32), np.ones(1, np.float32), np.zeros(1, np.float32))
    np.testing.assert_allclose(scores, [[0.5, 0.5]])
