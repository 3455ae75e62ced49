"""Sound in chunks: whatever their sizes and rate, what comes out is what resampling all at once would give."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from demos.keyword_spotting.stream import Listener, Resampler, Ring, one_channel
from hub.errors import InvalidInput
from hub.sound_files import RATE_HZ
from tests.hub.toys import PATIENT

RATES_HZ = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000]
WINDOW_S, HOP_S = 0.5, 0.2


def noise(seconds: float, rate_hz: int) -> NDArray[np.float32]:
    return np.random.default_rng(rate_hz).normal(0, 0.1, round(seconds * rate_hz)).astype(np.float32)


def chunks(samples: NDArray[np.float32], sizes: list[int]) -> list[NDArray[np.float32]]:
    """Cut `samples` into chunks of `sizes`, over and over."""
    ends = np.cumsum(np.tile(sizes, 1 + len(samples) // sum(sizes)))
    return np.split(samples, ends[ends < len(samples)])


SIZES = st.lists(st.integers(0, 5_000), min_size=1, max_size=8).filter(lambda sizes: sum(sizes) > 100)


@PATIENT
@given(rate_hz=st.sampled_from(RATES_HZ), sizes=SIZES)
def test_chunks_of_any_size_are_resampled_as_if_in_one_go(rate_hz: int, sizes: list[int]) -> None:
    whole = noise(0.7, rate_hz)
    resample = Resampler()
    parts = [resample(chunk, rate_hz) for chunk in chunks(whole, sizes)]
    joined = np.concatenate([*parts, resample.finish()])
    expected = soxr.resample(whole, rate_hz, RATE_HZ)
    assert joined.shape == expected.shape
    assert np.abs(joined - expected).max() < 1e-6


@PATIENT
@given(rate_hz=st.sampled_from(RATES_HZ), sizes=SIZES)
def test_every_window_comes_once_in_order_and_holds_what_was_said_then(rate_hz: int, sizes: list[int]) -> None:
    whole = noise(2.0, rate_hz)
    listener = Listener(WINDOW_S, HOP_S)
    windows = [one for chunk in chunks(whole, sizes) for one in listener.push(chunk, rate_hz)]
    windows += listener.finish()
    expected = soxr.resample(whole, rate_hz, RATE_HZ)
    assert [start_s for start_s, _ in windows] == pytest.approx(np.arange(8) * HOP_S)
    for start_s, window in windows:
        first = round(start_s * RATE_HZ)
        assert np.abs(window - expected[first : first + len(window)]).max() < 1e-6
        assert len(window) == WINDOW_S * RATE_HZ


def test_a_window_comes_with_the_chunk_that_completes_it_at_most_40_ms_late() -> None:
    listener = Listener(WINDOW_S, HOP_S)
    chunk = noise(0.01, 44_100)
    sent = [count for count in range(1, 101) for _ in listener.push(chunk, 44_100)]
    late_s = [count * 0.01 - (WINDOW_S + index * HOP_S) for index, count in enumerate(sent)]
    assert len(sent) == 3
    assert 0 <= min(late_s) <= max(late_s) <= 0.04


def test_a_change_of_rate_loses_nothing_and_moves_nothing() -> None:
    first, second = noise(0.6, 44_100), noise(0.6, 48_000)
    listener = Listener(WINDOW_S, HOP_S)
    for chunk in np.split(first, 7 * np.arange(1, 300)):
        listener.push(chunk, 44_100)
    for chunk in np.split(second, 11 * np.arange(1, 300)):
        listener.push(chunk, 48_000)
    listener.finish()
    expected = np.concatenate([soxr.resample(first, 44_100, RATE_HZ), soxr.resample(second, 48_000, RATE_HZ)])
    assert np.abs(listener.recent(10) - expected).max() < 1e-6


def test_windows_may_change_while_it_listens_and_each_holds_what_was_said_then() -> None:
    """The hop is a slider, and another model hears other windows."""
    whole = noise(6.0, RATE_HZ)
    listener, windows = Listener(0.5, 0.2, kept_s=0.5), []
    for chunk in np.split(whole[: 2 * RATE_HZ], 777 * np.arange(1, 42)):
        windows += listener.push(chunk, RATE_HZ)
    listener.retune(0.25, 0.3)
    listener.retune(0.25, 0.1)
    for chunk in np.split(whole[2 * RATE_HZ :], 777 * np.arange(1, 83)):
        windows += listener.push(chunk, RATE_HZ)
    windows += listener.finish()
    for start_s, window in windows:
        first = round(start_s * RATE_HZ)
        assert np.array_equal(window, whole[first : first + len(window)])
    ends_s = [start_s + len(window) / RATE_HZ for start_s, window in windows]
    assert np.diff([end_s for end_s in ends_s if end_s < 1.9]) == pytest.approx(0.2)
    assert np.diff([end_s for end_s in ends_s if end_s > 2.1]) == pytest.approx(0.1)
    assert max(np.diff(ends_s)) < 0.3
    assert listener.seconds == 6.0


@pytest.mark.parametrize(("kept_s", "first_s"), [(10.0, 0.0), (0.5, 0.5)])
def test_a_longer_window_waits_until_so_much_is_there(kept_s: float, first_s: float) -> None:
    """The first may begin with the sound that was kept, and not before it."""
    whole = noise(4.0, RATE_HZ)
    listener = Listener(0.5, 0.25, kept_s=kept_s)
    listener.push(whole[:RATE_HZ], RATE_HZ)
    listener.retune(2.0, 0.25)
    windows = listener.push(whole[RATE_HZ:], RATE_HZ) + listener.finish()
    assert [start_s for start_s, _ in windows] == pytest.approx(np.arange(first_s, 2.01, 0.25))
    for start_s, window in windows:
        first = round(start_s * RATE_HZ)
        assert np.array_equal(window, whole[first : first + 2 * RATE_HZ])


def test_a_hop_longer_than_the_window_leaves_out_what_is_between() -> None:
    listener = Listener(0.1, 0.3)
    windows = listener.push(np.arange(RATE_HZ, dtype=np.float32) / RATE_HZ, RATE_HZ)
    windows += listener.finish()
    assert [start_s for start_s, _ in windows] == pytest.approx([0.0, 0.3, 0.6, 0.9])
    assert [float(window[0]) for _, window in windows] == pytest.approx([0.0, 0.3, 0.6, 0.9])


def test_a_minute_sent_at_once_gives_all_its_windows() -> None:
    """As a browser does whose tab was asleep; longer than what is kept for drawing."""
    listener = Listener(WINDOW_S, HOP_S, kept_s=2.0)
    windows = listener.push(noise(60, 48_000), 48_000) + listener.finish()
    assert len(windows) == 1 + round((60 - WINDOW_S) / HOP_S - 0.5)
    assert listener.seconds == 60


def test_the_last_seconds_are_kept_and_no_more() -> None:
    listener = Listener(WINDOW_S, HOP_S, kept_s=1.0)
    assert listener.recent(5).shape == (0,)
    ramp = np.arange(RATE_HZ * 3, dtype=np.float32) / (RATE_HZ * 3)
    for chunk in np.split(ramp, 1234 * np.arange(1, 38)):
        listener.push(chunk, RATE_HZ)
    listener.finish()
    assert listener.seconds == 3.0
    assert np.array_equal(listener.recent(0.5), ramp[-RATE_HZ // 2 :])
    assert np.array_equal(listener.recent(5), ramp[-RATE_HZ:])


@PATIENT
@given(lengths=st.lists(st.integers(0, 25), max_size=12), count=st.integers(0, 15))
def test_a_ring_keeps_the_newest_samples(lengths: list[int], count: int) -> None:
    ring, everything = Ring(10), np.arange(sum(lengths), dtype=np.float32)
    for part in np.split(everything, np.cumsum(lengths)[:-1]) if lengths else []:
        ring.append(part)
    kept = min(count, 10, len(everything))
    assert np.array_equal(ring.last(count), everything[len(everything) - kept :])


def test_what_a_ring_gives_out_does_not_change_later() -> None:
    ring = Ring(4)
    ring.append(np.ones(4, np.float32))
    kept = ring.last(4)
    ring.append(np.zeros(4, np.float32))
    assert np.array_equal(kept, np.ones(4))


@pytest.mark.parametrize(
    ("kind", "lowest", "middle", "highest"),
    [
        (np.int16, -32768, 0, 32767),
        (np.int32, -(2**31), 0, 2**31 - 1),
        (np.int8, -128, 0, 127),
        (np.uint8, 0, 128, 255),
        (np.float32, -1.0, 0.0, 1.0),
        (np.float64, -1.0, 0.0, 1.0),
        (np.float16, -1.0, 0.0, 1.0),
    ],
)
def test_every_kind_of_number_is_brought_to_the_same_range(
    kind: type, lowest: float, middle: float, highest: float
) -> None:
    samples = one_channel(np.array([lowest, middle, highest], kind))
    assert samples.dtype == np.float32
    assert samples == pytest.approx([-1, 0, 1], abs=1 / 100)


def test_channels_are_averaged_and_bad_numbers_are_silent() -> None:
    assert one_channel(np.array([[0.2, 0.4], [np.nan, 1.0], [np.inf, 0.0]])) == pytest.approx([0.3, 0.5, 0.0])
    assert one_channel(np.array([1e30, -7.0])) == pytest.approx([1, -1])


@pytest.mark.parametrize(
    "chunk", [np.zeros((2, 2, 2)), np.array(["a"]), np.zeros((5, 0)), np.array([1j]), np.array(1.0), np.array([True])]
)
def test_a_chunk_that_is_no_sound_is_refused(chunk: NDArray) -> None:
    with pytest.raises(InvalidInput, match="Send samples as"):
        Listener(WINDOW_S, HOP_S).push(chunk, RATE_HZ)


@pytest.mark.parametrize("rate_hz", [0, -16_000, 100, 10**9])
def test_a_rate_that_no_microphone_has_is_refused(rate_hz: int) -> None:
    with pytest.raises(InvalidInput, match="Send 4000 to 768000 Hz"):
        Listener(WINDOW_S, HOP_S).push(np.zeros(10), rate_hz)
