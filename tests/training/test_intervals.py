"""How sure a measured share is."""

from __future__ import annotations

import pytest

from training.intervals import percent, wilson_interval


def test_the_interval_holds_the_share_and_narrows_with_more_trials() -> None:
    few, many = wilson_interval(9, 10), wilson_interval(900, 1000)
    assert few[0] < many[0] < 0.9 < many[1] < few[1]


def test_all_right_is_not_certainty() -> None:
    low, high = wilson_interval(1000, 1000)
    assert 0.995 < low < 0.9975
    assert high == pytest.approx(1.0)


def test_no_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        wilson_interval(0, 0)


def test_a_share_is_written_with_its_interval_and_counts() -> None:
    assert percent(95, 100) == "95.0 % (88.8 to 97.8; 95 of 100)"
