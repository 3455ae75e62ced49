"""Noises, rooms and telephones: how loud they are, what they keep, and that seeds repeat."""

from __future__ import annotations

import numpy as np
import pytest

from training.sounds import (
    KINDS,
    RATE_HZ,
    Sound,
    band,
    coloured_noise,
    mix,
    nonspeech,
    place,
    room,
    root_mean_square,
    speech_level,
    stretch,
    telephone,
)


def tone(hertz: float, seconds: float = 1.0) -> Sound:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ).astype(np.float32)


def power_between(sound: Sound, low_hz: float, high_hz: float) -> float:
    power = np.square(np.abs(np.fft.rfft(sound)))
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    return float(power[(frequencies >= low_hz) & (frequencies < high_hz)].sum() / power.sum())


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_every_kind_of_noise_is_finite_and_repeats_with_its_seed(number: int) -> None:
    first = KINDS[number](np.random.default_rng(3), 2 * RATE_HZ)
    again = KINDS[number](np.random.default_rng(3), 2 * RATE_HZ)
    assert first.shape == (2 * RATE_HZ,)
    assert np.isfinite(first).all()
    assert root_mean_square(first) > 0
    np.testing.assert_array_equal(first, again)


def test_noises_have_one_level() -> None:
    rng = np.random.default_rng(0)
    assert [root_mean_square(nonspeech(rng, 1.0)) for _ in range(20)] == pytest.approx([0.1] * 20, rel=1e-3)


def test_brown_noise_is_lower_than_white() -> None:
    white, brown = (coloured_noise(np.random.default_rng(0), RATE_HZ, slope) for slope in (0.0, 2.0))
    assert power_between(brown, 0, 500) > 0.9
    assert power_between(white, 0, 500) == pytest.approx(500 / 8000, abs=0.02)


@pytest.mark.parametrize("snr_db", [-5, 0, 20])
def test_noise_is_mixed_in_at_the_ratio_asked_for(snr_db: float) -> None:
    speech, noise = place(tone(300, 0.4), RATE_HZ, 4000), coloured_noise(np.random.default_rng(1), RATE_HZ, 0.0)
    added = mix(speech, noise, snr_db) - speech
    assert 20 * np.log10(speech_level(speech) / root_mean_square(added)) == pytest.approx(snr_db, abs=0.1)


def test_a_telephone_keeps_the_middle_frequencies_alone() -> None:
    heard = telephone(tone(100) + tone(1000) + tone(6000))
    assert power_between(heard, 900, 1100) > 0.95


def test_a_band_takes_away_what_is_outside() -> None:
    assert power_between(band(tone(500) + tone(3000), 0, 1000), 400, 600) > 0.999


def test_a_room_goes_on_sounding_after_the_word() -> None:
    word = place(tone(400, 0.3), RATE_HZ, 0)
    after = room(word, np.random.default_rng(0))[round(0.32 * RATE_HZ) : round(0.36 * RATE_HZ)]
    assert root_mean_square(after) > 0.001


def test_stretching_lengthens_and_lowers() -> None:
    slow = stretch(tone(1000), 1.25)
    assert len(slow) == pytest.approx(1.25 * RATE_HZ, abs=2)
    assert power_between(slow, 780, 820) > 0.99


def test_speech_may_begin_before_the_window_and_end_after_it() -> None:
    np.testing.assert_array_equal(place(np.arange(1, 7, dtype=np.float32), 4, -1), [2, 3, 4, 5])
