"""The drawn result: what it says is what the run found, on one axis of time, and none of it is only in colours."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html import unescape
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demos.keyword_spotting.draw import answer_html, closest, percent, result_html
from demos.keyword_spotting.explain import explained_html, facts
from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.spotting import Detection, Importance, Spotting
from demos.keyword_spotting.style import DARK, LIGHT, TRACES
from demos.keyword_spotting.taught import Space, Taught
from demos.keyword_spotting.timeline import Span, stage_html, ticks_html, traced
from hub.sounds import RATE_HZ, Sound
from tests.e2e.contrast import luminance

LABELS = ("yes", "no", "up", "_unknown_", "_silence_")
LIMITS = "It knows three words."
OPTIONS = SpottingOptions(threshold=0.8)


def tone(seconds: float) -> Sound:
    return Sound((0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32))


def spotting(scores: list[list[float]], detections: tuple[Detection, ...] = (), hop_s: float = 0.2) -> Spotting:
    array = np.array(scores, dtype=np.float32)
    starts = (hop_s * np.arange(len(array))).astype(np.float32)
    return Spotting(LABELS, 1.0, starts, array, array, detections)


def request(seconds: float, **options: Any) -> SpottingRequest:
    return SpottingRequest(tone(seconds), SpottingOptions(**{"threshold": 0.8, **options}))


YES = spotting([[0.98, 0.01, 0.01, 0, 0]], (Detection("yes", 0.98, 0.0, 1.0),))
THREE = spotting(
    [[0.9, 0.1, 0, 0, 0], [0.1, 0.2, 0.6, 0.1, 0], [0, 0.95, 0, 0, 0.05]],
    (Detection("yes", 0.9, 0.0, 1.0), Detection("no", 0.95, 2.0, 3.0)),
    hop_s=1.0,
)


def test_a_detection_is_the_answer_in_large_letters() -> None:
    assert answer_html(YES, OPTIONS) == '<p class="keywords-answer">yes <span>98 %</span></p>'


def test_several_detections_come_in_order_with_their_times() -> None:
    drawn = answer_html(THREE, OPTIONS)
    assert re.findall(r"<li>(\w+)<small>([^<]*)</small>", drawn) == [("yes", "90 %, 0.0 s"), ("no", "95 %, 2.0 s")]


def test_the_large_number_is_the_highest_score_that_a_detected_word_reached() -> None:
    rising = spotting([[0.55, 0, 0, 0.45, 0], [0.93, 0, 0, 0.07, 0]], (Detection("yes", 0.55, 0.0, 1.0),))
    assert "yes <span>93 %</span>" in answer_html(rising, OPTIONS)


def test_where_nothing_passed_the_threshold_it_says_so_with_what_came_closest() -> None:
    found = spotting([[0.41, 0.2, 0.1, 0.29, 0]])
    drawn = answer_html(found, OPTIONS)
    assert "No keyword" in drawn
    assert "Closest: yes, 41 %; the threshold is 80 %." in drawn


def test_what_the_sound_is_taken_for_instead_is_said() -> None:
    said = closest(spotting([[0.02, 0.01, 0, 0.9, 0.07]]), OPTIONS)
    assert said.endswith("The model takes it for other speech (90 %).")


def test_a_score_just_below_the_threshold_does_not_read_as_if_it_had_passed() -> None:
    said = closest(spotting([[0.7996, 0.2, 0, 0, 0]]), OPTIONS)
    assert said.startswith("Closest: yes, 79.9 %; the threshold is 80 %.")


def test_a_single_window_that_smoothing_held_back_is_explained() -> None:
    found = spotting([[0.9, 0, 0, 0.1, 0], [0.1, 0, 0, 0.9, 0]])
    held_back = replace(found, smoothed=np.full_like(found.scores, 0.5))
    said = closest(held_back, SpottingOptions(threshold=0.8, smoothing=2))
    assert "One window alone gave it 90 %, the average of 2 did not." in said


@pytest.mark.parametrize("score", [0.9951, 0.9999, 0.99999])
def test_only_certainty_reads_as_100_per_cent(score: float) -> None:
    assert percent(score) == "99.9 %" if score > 0.999 else percent(score).startswith("99.")
    assert percent(1.0) == "100 %"


def test_all_lanes_share_one_axis_of_time() -> None:
    drawn = stage_html(THREE, request(3.0))
    first, second = re.findall(r'style="--row:\d;left:([\d.]+)%;width:([\d.]+)%"', drawn)
    assert [float(value) for value in (*first, *second)] == pytest.approx([0, 100 / 3, 200 / 3, 100 / 3], abs=0.01)
    places = [float(place) for place in re.findall(r'points="([\d.]+),', drawn)]
    assert places == pytest.approx([1000 / 6] * 3, abs=0.1)  # each trace begins in the middle of the first window
    assert '<span style="left:33.333%">1.0 s</span>' in ticks_html(Span(0.0, 3.0))


def test_the_threshold_is_drawn_where_the_detector_has_it() -> None:
    drawn = stage_html(THREE, request(3.0, threshold=0.65))
    assert '<line x1="0" x2="1000" y1="35.0" y2="35.0"/>' in drawn
    assert ">65%</span>" in drawn


def test_a_short_sound_has_no_traces_and_its_scores_as_bars() -> None:
    drawn = result_html(YES, request(0.7), LIMITS)
    assert "<polyline" not in drawn
    assert re.findall(r'<i style="width:([\d.]+)%"></i><u style="left:80%">', drawn)[0] == "98.0"


def test_a_result_says_when_it_listened_for_taught_words() -> None:
    some = np.zeros((1, 2), np.float32)
    taught = Taught(
        words=("<kiwi>", "_unknown_"),
        source="whisper-keywords",
        revision="main",
        weights="",
        counts=(3,),
        space=Space(some[0], np.eye(2, dtype=np.float32)),
        prototypes=some,
        others=some,
        slopes=some[0, :1],
        offsets=some[0, :1],
    )
    drawn = result_html(YES, replace(request(1.0), taught=taught), LIMITS)
    assert "it listened for the words you taught (&lt;kiwi&gt;)" in drawn


def test_labels_that_are_no_words_are_named_in_words() -> None:
    drawn = result_html(spotting([[0.1, 0, 0, 0.9, 0]]), request(1.0), LIMITS)
    assert "other speech (_unknown_)" in drawn


def test_what_mattered_lies_where_the_window_lay_also_in_a_sound_shorter_than_it() -> None:
    falls = np.zeros(20, np.float32)
    falls[10], falls[3] = 0.6, -0.2
    mattered = Importance("yes", 0.0, falls, np.linspace(0, 0.3, 16, dtype=np.float32), 0.98)
    drawn = stage_html(replace(YES, importance=mattered), request(0.5))
    # The window of 1 s reaches a quarter of a second beyond both ends: part 10 begins in the middle of the sound.
    assert 'left:50.000%;width:10.000%;height:100.0%" title="0.25 to 0.30 s covered: −60 points"' in drawn
    assert "most of all 0.25 to 0.30 s, without which its score changes by −60 points" in drawn
    assert drawn.count("Hz covered") == 16
    hindering = replace(mattered, start_s=2.0)
    assert "keywords-negative" in stage_html(replace(THREE, importance=hindering), request(3.0))


def test_the_spectrogram_is_a_small_picture_with_low_frequencies_below() -> None:
    drawn = stage_html(YES, request(1.0))
    encoded = re.search(r'src="data:image/png;base64,([^"]+)"', drawn)
    assert encoded is not None
    picture = Image.open(io.BytesIO(base64.b64decode(encoded[1])))
    assert picture.size == (100, 80)
    brightness = np.asarray(picture.convert("L"), dtype=float).mean(axis=1)
    assert int(brightness.argmax()) > 60  # 440 Hz lies in the lowest quarter


def test_a_long_sound_is_drawn_in_bounded_space() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((3000, 5)).astype(np.float32)
    found = Spotting(LABELS, 1.0, (0.2 * np.arange(3000)).astype(np.float32), scores, scores, ())
    short = SpottingRequest(Sound(rng.standard_normal(RATE_HZ * 601).astype(np.float32) * 0.1))
    assert len(result_html(found, short, LIMITS)) < 600_000


def test_the_cursor_is_told_the_scores_of_every_window() -> None:
    told = re.search(r"data-told='([^']*)'", stage_html(THREE, request(3.0)))
    assert told is not None
    known = json.loads(unescape(told[1]))
    assert known["middles"] == [0.5, 1.5, 2.5]
    assert [known["labels"][row[0]] for row in known["best"]] == ["yes", "up", "no"]
    assert [row[0] for row in known["scores"]] == [90, 60, 95]


def test_detected_words_are_traced_before_others() -> None:
    found = spotting([[0.1, 0.9, 0.5, 0, 0], [0.1, 0.9, 0.8, 0, 0]], (Detection("yes", 0.1, 0.0, 1.0),))
    assert [LABELS[place] for place in traced(found)] == ["yes", "no", "up"]


def test_every_picture_has_a_text_alternative_and_the_cursor_is_reachable_by_keyboard() -> None:
    drawn = result_html(THREE, request(3.0), LIMITS, "file=audio.wav")
    described = re.findall(r'role="img" aria-label="([^"]+)"', drawn)
    assert any("Detected: yes from 0.00 to 1.00 s; no from 2.00" in text for text in described)
    assert any("threshold at 80%" in text for text in described)
    assert len(described) == 4  # heard, waveform, spectrogram, scores
    assert 'tabindex="0" role="slider"' in drawn
    assert '<audio controls preload="metadata" src="file=audio.wav"' in drawn


def test_what_a_model_or_a_user_named_is_escaped() -> None:
    name = "<script>'\"&"
    heard = (Detection(name, 0.9, 0.0, 1.0), Detection(name, 0.95, 2.0, 3.0))
    nasty = replace(THREE, labels=(name, *LABELS[1:]), detections=heard)
    drawn = result_html(nasty, request(3.0), LIMITS)
    assert "<script" not in drawn
    assert drawn.count("&lt;script&gt;") > 6
    told = re.search(r"data-told='([^']*)'", drawn)
    assert told is not None
    assert json.loads(unescape(told[1]))["labels"][0] == name


def test_traces_differ_without_colour_and_stand_out_in_both_themes() -> None:
    assert len({dashes for _, dashes in TRACES}) == len(TRACES)
    for colours, ground in ((LIGHT, "#f8fafc"), (DARK, "#0f172a")):
        for colour in colours:
            lighter, darker = sorted((brightness(colour), brightness(ground)), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 3, colour


def brightness(colour: str) -> float:
    red, green, blue = (float(int(colour[place : place + 2], 16)) for place in (1, 3, 5))
    return luminance((red, green, blue, 1.0))


def test_the_explanation_has_the_figures_of_the_run() -> None:
    told = facts(THREE, request(3.0, smoothing=3, threshold=0.7))
    assert told["Windows"] == "3 of 1 s, one every 0.2 s"
    assert told["Detections"] == "2"
    assert told["Level"] == "peak −6.0 dB, effective (RMS) −9.0 dB re full scale"
    assert told["Best score"] == "no, 95 %, in the window from 2.00 s"
    drawn = explained_html(THREE, request(3.0))
    for subject in ("Scores", "Smoothing", "Threshold", "Suppression", "What mattered", "What it cannot do"):
        assert f"<b>{subject}.</b>" in drawn


def test_silence_is_drawn_as_silence() -> None:
    quiet = SpottingRequest(Sound(np.zeros(RATE_HZ, np.float32)))
    drawn = result_html(spotting([[0, 0, 0, 0, 1.0]]), quiet, LIMITS)
    assert "no speech" in drawn
    assert not re.search(r"\bnan\b|\binf\b", drawn)
    assert "−∞ dB" in explained_html(spotting([[0, 0, 0, 0, 1.0]]), quiet)
