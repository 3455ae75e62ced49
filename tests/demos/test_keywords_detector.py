"""The detector: one detection for each utterance, none for what is no word, and memory of a few windows only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.keyword_spotting.detector import Detector
from demos.keyword_spotting.options import SpottingOptions
from demos.keyword_spotting.spotting import NOT_WORDS, Detection
from tests.hub.toys import PATIENT

LABELS = ("yes", "no", "_unknown_", "_silence_")
WINDOW_S = 1.0
HOP_S = 0.2


def detector(**options: Any) -> Detector:
    return Detector(LABELS, WINDOW_S, SpottingOptions(**{"smoothing": 1, "suppression_s": 0.0} | options))


def scores(**words: float) -> np.ndarray:
    return np.array([words.get(label, 0.0) for label in LABELS], np.float32)


def heard(detect: Detector, windows: Sequence[np.ndarray], start_s: float = 0.0) -> list[Detection]:
    found = [detect(start_s + index * HOP_S, one)[1] for index, one in enumerate(windows)]
    return [one for one in found if one is not None]


QUIET = scores(_silence_=1.0)


def test_a_word_is_detected_in_the_first_window_that_reaches_the_threshold() -> None:
    (found,) = heard(detector(threshold=0.8), [QUIET, scores(yes=0.79), scores(yes=0.8), scores(yes=0.95)])
    assert found.word == "yes"
    assert [found.start_s, found.end_s, found.score] == pytest.approx([0.4, 1.4, 0.8])


@pytest.mark.parametrize("label", NOT_WORDS)
def test_what_is_no_word_is_never_detected(label: str) -> None:
    assert heard(detector(threshold=0.05), [scores(**{label: 1.0})] * 20) == []


def test_the_best_of_several_words_is_detected() -> None:
    (found,) = heard(detector(threshold=0.3), [scores(yes=0.4, no=0.45, _unknown_=0.5)])
    assert found.word == "no"


def test_smoothing_averages_the_last_windows_and_fewer_at_the_beginning() -> None:
    detect = detector(smoothing=3)
    smoothed = [float(detect(index * HOP_S, scores(yes=one))[0][0]) for index, one in enumerate((0.9, 0.3, 0.6, 0.0))]
    assert smoothed == pytest.approx([0.9, 0.6, 0.6, 0.3])


def test_smoothing_lets_a_single_window_pass_by_and_tells_of_all_windows_it_looked_at() -> None:
    detect = detector(smoothing=2, threshold=0.8)
    (found,) = heard(detect, [QUIET, scores(yes=1.0), QUIET, QUIET, scores(yes=0.8), scores(yes=0.9)])
    assert [found.start_s, found.end_s, found.score] == pytest.approx([0.8, 2.0, 0.85])


@pytest.mark.parametrize("suppression_s", [0.0, 0.4])
def test_an_utterance_that_stays_in_the_window_is_detected_once(suppression_s: float) -> None:
    detect = detector(suppression_s=suppression_s)
    assert len(heard(detect, [QUIET, *[scores(yes=0.95)] * 5, QUIET, QUIET])) == 1


def test_a_word_that_is_said_again_is_detected_again() -> None:
    word = [scores(yes=0.95)] * 3
    assert len(heard(detector(), [*word, QUIET, *word, QUIET, *word])) == 3


def test_a_word_that_is_said_on_and_on_is_detected_once_in_each_window_length() -> None:
    found = heard(detector(), [scores(yes=0.95)] * 16)  # 16 windows, 3 s apart from first to last
    assert [round(one.start_s, 3) for one in found] == [0.0, 1.0, 2.0, 3.0]


def test_within_the_pause_nothing_is_detected_and_after_it_the_next_word_is() -> None:
    windows = [scores(yes=0.95), QUIET, scores(no=0.95), QUIET, QUIET, scores(no=0.95)]
    assert [one.word for one in heard(detector(suppression_s=1.0), windows)] == ["yes", "no"]
    assert [round(one.end_s, 3) for one in heard(detector(suppression_s=1.0), windows)] == [1.0, 2.0]
    assert len(heard(detector(suppression_s=0.0), windows)) == 3
    assert len(heard(detector(suppression_s=5.0), windows)) == 1


def test_options_may_change_while_it_listens_without_a_second_detection() -> None:
    detect = detector(smoothing=1, threshold=0.8)
    assert len(heard(detect, [scores(yes=0.9)])) == 1
    detect.retune(SpottingOptions(smoothing=3, threshold=0.6, suppression_s=0.0))
    smoothed, again = detect(HOP_S, scores(yes=0.7))
    assert again is None
    assert smoothed[0] == pytest.approx(0.8)


def test_windows_without_numbers_are_no_words_and_spoil_nothing() -> None:
    nothing = np.full(len(LABELS), np.nan, np.float32)
    detect = detector(smoothing=2, threshold=0.5)
    (found,) = heard(detect, [nothing, nothing, QUIET, scores(yes=1.0)])
    assert found.score == pytest.approx(0.5)


def test_after_a_gap_the_past_is_not_averaged_in() -> None:
    detect = detector(smoothing=4)
    heard(detect, [QUIET] * 4)
    assert len(heard(detect, [scores(yes=0.9)], start_s=10.0)) == 1


def test_a_recording_that_begins_anew_is_not_held_back_by_the_pause_of_the_last() -> None:
    detect = detector(suppression_s=5.0)
    assert len(heard(detect, [scores(yes=0.9)], start_s=100.0)) == 1
    assert len(heard(detect, [scores(yes=0.9)], start_s=0.0)) == 1


@PATIENT
@given(
    values=st.lists(st.tuples(*[st.floats(0, 1, width=32)] * len(LABELS)), max_size=40),
    threshold=st.floats(0.05, 1.0),
    smoothing=st.integers(1, 10),
    suppression_s=st.floats(0.0, 5.0),
)
def test_every_detection_is_of_a_word_at_the_threshold_and_no_two_are_within_the_pause(
    values: list[tuple[float, ...]], threshold: float, smoothing: int, suppression_s: float
) -> None:
    detect = detector(threshold=threshold, smoothing=smoothing, suppression_s=suppression_s)
    found = heard(detect, [np.array(one, np.float32) for one in values])
    assert all(one.word not in NOT_WORDS and one.score >= np.float32(threshold) for one in found)
    assert all(later.end_s - one.end_s >= suppression_s for one, later in pairwise(found))
    assert all(one.end_s - one.start_s <= WINDOW_S + (smoothing - 1) * HOP_S + 1e-6 for one in found)
