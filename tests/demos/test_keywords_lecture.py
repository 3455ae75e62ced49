"""Time and frequency: the numbers of the lecture are those of signal theory, and of the model's own front end."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from demos.keyword_spotting import lecture, spectrum
from demos.keyword_spotting.lecture import energies_db, frame_at, lecture_html, loudest_s
from hub.errors import InvalidInput
from hub.sounds import RATE_HZ, Samples

WINDOWS = pytest.mark.parametrize("name", spectrum.WINDOWS)


def sine(hz: float, amplitude: float = 1.0, samples: int = RATE_HZ) -> Samples:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(samples) / RATE_HZ)).astype(np.float32)


def noise(samples: int, seed: int = 0) -> Samples:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@WINDOWS
@pytest.mark.parametrize(("amplitude", "level_db"), [(1.0, 0.0), (0.5, -6.0206), (0.01, -40.0)])
def test_a_sine_of_1_khz_peaks_at_1_khz_with_its_level_re_full_scale(
    name: str, amplitude: float, level_db: float
) -> None:
    hz, levels = spectrum.spectrum_db(sine(1000, amplitude, 512), name)
    assert hz[levels.argmax()] == 1000
    assert levels.max() == pytest.approx(level_db, abs=0.01)


def test_a_constant_of_full_scale_has_0_db_at_0_hz() -> None:
    hz, levels = spectrum.spectrum_db(np.ones(256, np.float32), "Hann")
    assert hz[levels.argmax()] == 0
    assert levels[0] == pytest.approx(0, abs=1e-6)


def test_silence_has_the_least_level_and_no_infinity() -> None:
    _, levels = spectrum.spectrum_db(np.zeros(256, np.float32), "Hann")
    assert (levels == spectrum.LEAST_DB).all()


@WINDOWS
def test_windows_are_those_of_scipys_formulas_and_periodic(name: str) -> None:
    weights = spectrum.window(name, 400)
    doubled = np.concatenate([weights, weights])
    assert doubled[1:400] == pytest.approx(doubled[1:400][::-1])  # symmetric about sample 200: periodic, not doubled
    assert weights[200] == pytest.approx(1.0)
    assert weights[0] == pytest.approx({"Hann": 0, "Hamming": 0.08, "Blackman": 0, "rectangular": 1}[name], abs=1e-9)


@WINDOWS
def test_the_hill_of_a_tone_is_as_wide_as_is_said(name: str) -> None:
    length = 1024
    _, levels = spectrum.spectrum_db(sine(2000, samples=length), name)
    hill = np.flatnonzero(levels > -100)
    zeros_apart = hill[-1] - hill[0] + 2  # the first zeros lie beside the hill
    assert zeros_apart == lecture.MAIN_LOBE_BINS[name]


@pytest.mark.parametrize("length", lecture.LENGTHS)
@WINDOWS
def test_energy_is_the_same_in_time_and_in_frequency(length: int, name: str) -> None:
    in_time, in_frequency = energies_db(noise(length), name)
    assert in_time == pytest.approx(in_frequency, abs=1e-6)


def test_a_long_fft_tells_two_close_tones_apart_and_a_short_one_two_clicks() -> None:
    tones = sine(1000, 0.25) + sine(1060, 0.25)
    clicks = np.zeros(RATE_HZ, np.float32)
    clicks[8000 - 80 : 8000 + 81 : 160] = 1.0  # 10 ms apart

    def hills(length: int) -> int:
        _, levels = spectrum.spectrum_db(frame_at(tones, 0.5, length), "Hann")
        inner = levels[1:-1]
        return int(((inner > levels[:-2]) & (inner > levels[2:]) & (inner > levels.max() - 20)).sum())

    def bursts(length: int) -> int:
        loud = spectrum.power(spectrum.frames_of(clicks, length, 8)).sum(axis=0) > 1e-3
        return int((np.diff(loud.astype(int)) == 1).sum())

    assert (hills(400), hills(2048)) == (1, 2)
    assert (bursts(400), bursts(64)) == (1, 2)


def test_log_mel_is_what_whispers_feature_extractor_computes() -> None:
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor(chunk_length=1)
    for samples in (noise(RATE_HZ), sine(440, 0.3), noise(RATE_HZ, 1) * sine(3, 1.0)):
        theirs = extractor(samples, sampling_rate=RATE_HZ, return_tensors="np").input_features[0]
        assert np.abs(spectrum.log_mel(samples) - theirs).max() < 1e-4


def test_the_mel_bands_cover_0_to_8_khz_each_wider_than_the_one_before() -> None:
    edges = spectrum.mel_edges_hz()
    assert edges[0] == 0
    assert edges[-1] == pytest.approx(8000)
    widths = np.diff(edges)
    assert (np.diff(widths) > -1e-6).all()
    assert spectrum.hz_of_mel(spectrum.mel_of_hz(edges)) == pytest.approx(edges)


def test_the_lecture_shows_the_frequency_the_level_and_what_the_length_trades() -> None:
    drawn = lecture_html(sine(1000, 0.5), 0.5, 512, "Hann")
    assert "Strongest: <b>1000 Hz, −6.0 dB</b>" in drawn
    assert "512 samples = 32 ms" in drawn
    assert "31.25 Hz apart" in drawn
    assert drawn.count('role="img"') == 6


@pytest.mark.parametrize("samples", [1, 100, 16_000, 200_000])
@pytest.mark.parametrize("length", [64, 4096])
def test_any_sound_and_moment_can_be_drawn(samples: int, length: int) -> None:
    for at_s in (0.0, samples / RATE_HZ, 1e5):
        drawn = lecture_html(noise(samples), at_s, length, "Blackman")
        assert not re.search(r"\bnan\b|\binf\b", drawn)


def test_a_frame_lies_around_its_moment_with_silence_beyond_the_ends() -> None:
    ramp = np.arange(1, 1001, dtype=np.float32)
    assert frame_at(ramp, 500 / RATE_HZ, 64).tolist() == ramp[468:532].tolist()
    assert frame_at(ramp, 0.0, 64).tolist() == [0.0] * 32 + ramp[:32].tolist()
    assert len(frame_at(ramp, 9.0, 4096)) == 4096


def test_the_view_opens_at_the_loudest_moment() -> None:
    samples = noise(RATE_HZ) * 0.01
    samples[12_000:12_400] += sine(500, 0.5, 400)
    assert loudest_s(samples) == pytest.approx(12_200 / RATE_HZ, abs=0.002)


def test_what_is_no_choice_is_refused_with_what_there_is() -> None:
    for values, said in (
        (("soon", 400, "Hann"), "Move the slider"),
        ((float("nan"), 400, "Hann"), "Move the slider"),
        ((0.5, 399, "Hann"), "Choose one of 64"),
        ((0.5, 400, "Welch"), "Choose Hann"),
    ):
        with pytest.raises(InvalidInput, match=said):
            lecture.checked_frame(*values)


def test_neighbouring_filters_overlap_and_all_have_the_same_area() -> None:
    filters = spectrum.mel_filters(fft_length=4096)
    areas = filters.sum(axis=1) * RATE_HZ / 4096
    assert areas == pytest.approx(np.ones(spectrum.MEL_BANDS), abs=0.02)
    assert all((low * high).any() for low, high in pairwise(filters))
