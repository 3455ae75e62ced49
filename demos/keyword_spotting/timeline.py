"""One axis of time, and over it all that a run knows: detections, what mattered, the waveform, log-mel, and scores.

Plots are SVG that stretches with the page; letters and numbers stand beside them as text, so that they stay sharp and
readable on a phone and on a projector.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np

from demos.keyword_spotting import spectrum
from demos.keyword_spotting.importance import band_edges_hz
from demos.keyword_spotting.options import SpottingRequest
from demos.keyword_spotting.shades import MEL_COLUMNS, height, hertz, mel_picture
from demos.keyword_spotting.spotting import NOT_WORDS, SILENCE, UNKNOWN, Detection, Importance, Spotting
from demos.keyword_spotting.style import TRACES
from hub.sounds import Samples

MEANINGS = {UNKNOWN: "other speech", SILENCE: "no speech"}  # of the labels that are no words

WAVE_COLUMNS = 800  # of the waveform at most; more than a screen shows are joined, the least and greatest counting
MOST_FRAMES = 4 * MEL_COLUMNS  # of the spectrogram: those of a long sound are computed further apart
TRACE_POINTS = 800  # of a trace at most; more are joined, the highest score counting
MOST_TICKS = 6
TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000)
ROWS = 3  # of detections that overlap
LETTER = 0.02  # of the width of a plot, roughly
MOST_NAMED = 12  # detections whose words are written on their marks; more would run into each other ...
MOST_NARROW = 4  # ... and on a phone these
LEAST_FALL = 0.05  # of a score: bars of what mattered are drawn against this at least
LEAST_TRACED = 0.05  # lower, a trace is a line at the bottom
TOLD = 3  # scores that are told at the place of the cursor
LOUDEST_SHOWN = 0.05  # a quieter sound is not enlarged any further: its silence should look silent


@dataclass(frozen=True)
class Span:
    """The part of time that is drawn, seconds."""

    start_s: float
    end_s: float

    def share(self, at_s: float) -> float:
        """Return where a moment lies, 0 to 1."""
        return (at_s - self.start_s) / (self.end_s - self.start_s)

    def box(self, start_s: float, end_s: float) -> str:
        """Return the CSS that places a box over a stretch of time."""
        left, right = (min(max(self.share(at_s), 0.0), 1.0) for at_s in (start_s, end_s))
        return f"left:{left:.3%};width:{right - left:.3%}"


def stage_html(spotting: Spotting, request: SpottingRequest) -> str:
    """Draw all lanes of a run, the cursor, and the line that tells the scores at its place."""
    sound = request.sound
    # A sound shorter than a window is heard in the middle of silence.
    lead_s = max(0.0, (spotting.window_s - sound.seconds) / 2)
    span = Span(0.0, sound.seconds)
    words = traced(spotting)
    lanes = [
        lane("heard", "heard", heard_html(spotting.detections, span), said_of(spotting.detections)),
        mattered_html(spotting.importance, spotting.window_s, span, lead_s),
        wave_html(sound.samples),
        mel_html(sound.samples, spotting.importance),
        traces_html(spotting, words, request.options.threshold, span) if len(spotting.starts_s) > 1 else "",
    ]
    return (
        f"<div class='keywords-stage' data-told='{escape(json.dumps(told(spotting)), quote=True)}' "
        f'data-seconds="{sound.seconds:.4f}">{"".join(lanes)}'
        '<div class="keywords-time" tabindex="0" role="slider" aria-label="Moment" aria-valuemin="0" '
        f'aria-valuemax="{sound.seconds:.2f}" aria-valuenow="0"><i></i></div>'
        f'<div class="keywords-axis" aria-hidden="true">{ticks_html(span)}</div></div>'
        '<p class="keywords-readout" role="status"></p>'
        + (key_html(spotting, words) if len(spotting.starts_s) > 1 else "")
    )


def lane(kind: str, name: str, inside: str, described: str, side: str = "") -> str:
    """Draw one lane: its name, its plot, and what stands beside it."""
    return (
        f'<div class="keywords-name" aria-hidden="true">{name}</div>'
        f'<div class="keywords-plot keywords-{kind}" role="img" aria-label="{escape(described)}">{inside}</div>'
        f'<div class="keywords-side">{side}</div>'
    )


def heard_html(detections: Sequence[Detection], span: Span) -> str:
    """Mark the detections, those that overlap one below the other; a word may be longer than its mark."""
    if not detections:
        return '<div class="keywords-rows" style="--rows:1"><small>nothing</small></div>'
    ends = [-math.inf] * ROWS
    boxes = []
    for one in detections:
        word = escape(one.word) if len(detections) <= MOST_NAMED else ""
        needed_s = LETTER * (len(one.word) + 1) * (span.end_s - span.start_s) if word else 0.0
        row = next((row for row, end_s in enumerate(ends) if end_s <= one.start_s), int(np.argmin(ends)))
        ends[row] = max(one.end_s, one.start_s + needed_s)
        label = f"{one.word}, {one.score:.0%}, {one.start_s:.2f} to {one.end_s:.2f} s"
        boxes.append(
            f"<span{' class=keywords-late' if ends[row] > span.end_s else ''} "
            f'style="--row:{row};{span.box(one.start_s, one.end_s)}" title="{escape(label)}"><em>{word}</em></span>'
        )
    rows = max(sum(end_s > -math.inf for end_s in ends), 1)
    many = " keywords-many" if len(detections) > MOST_NARROW else ""
    return f'<div class="keywords-rows{many}" style="--rows:{rows}">{"".join(boxes)}</div>'


def said_of(detections: Sequence[Detection]) -> str:
    """Put the detections into words."""
    if not detections:
        return "No keyword was detected."
    return "Detected: " + "; ".join(f"{one.word} from {one.start_s:.2f} to {one.end_s:.2f} s" for one in detections)


def mattered_html(importance: Importance | None, window_s: float, span: Span, lead_s: float) -> str:
    """Draw how far the score falls where each part of the best window is covered; empty where that is not known."""
    if importance is None:
        return ""
    falls = importance.over_time
    start_s = importance.start_s - lead_s
    edges = start_s + np.linspace(0.0, window_s, len(falls) + 1)
    largest = max(float(np.abs(falls).max()), LEAST_FALL)
    bars = "".join(
        f'<i{" class=keywords-negative" if fall < 0 else ""} style="{span.box(left, right)};'
        f'height:{abs(fall) / largest:.1%}" title="{left:.2f} to {right:.2f} s covered: {points(fall)}"></i>'
        for (left, right), fall in zip(pairwise(edges), falls.tolist(), strict=True)
        if right > span.start_s and left < span.end_s
    )
    most = int(falls.argmax())
    described = (
        f"What mattered for {importance.word}: most of all {edges[most]:.2f} to {edges[most + 1]:.2f} s, without "
        f"which its score changes by {points(float(falls[most]))}."
    )
    frame = f'<b style="{span.box(start_s, start_s + window_s)}"></b>'
    return lane("mattered", "mattered", bars + frame, described)


def points(fall: float) -> str:
    """Spell the fall of a score as percentage points.

    >>> points(0.62), points(-0.04)
    ('−62 points', '+4 points')
    """
    return f"{'−' if fall >= 0 else '+'}{abs(fall) * 100:.0f} points"


def wave_html(samples: Samples) -> str:
    """Draw the waveform: in each column from the least to the greatest sample."""
    columns = min(WAVE_COLUMNS, len(samples))
    edges = np.linspace(0, len(samples), columns, endpoint=False).astype(int)
    high, low = np.maximum.reduceat(samples, edges), np.minimum.reduceat(samples, edges)
    peak = float(np.abs(samples).max())
    scale = 1 / max(peak, LOUDEST_SHOWN)
    x = np.linspace(0, 1000, columns)
    upper = [f"{at:.1f},{50 - 49 * value * scale - 0.3:.1f}" for at, value in zip(x, high.tolist(), strict=True)]
    lower = [f"{at:.1f},{50 - 49 * value * scale + 0.3:.1f}" for at, value in zip(x, low.tolist(), strict=True)]
    path = f'<path d="M{" L".join([*upper, *reversed(lower)])}Z"/>'
    peak_db = 20 * np.log10(peak) if peak > 0 else spectrum.LEAST_DB
    return lane(
        "wave",
        f"±{1 / scale:.2f}",
        f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">{path}</svg>',
        f"Waveform; its peak is {peak_db:.0f} dB re full scale.",
        f"peak {peak_db:.0f} dB".replace("-", "−"),
    )


def mel_html(samples: Samples, importance: Importance | None) -> str:
    """Draw the log-mel spectrogram, with how much each band of frequency mattered beside it."""
    hop = spectrum.HOP_LENGTH * max(1, len(samples) // (spectrum.HOP_LENGTH * MOST_FRAMES))
    levels = spectrum.log_mel(samples, hop)
    loudest = np.unravel_index(int(levels.argmax()), levels.shape)
    loud_hz = spectrum.mel_edges_hz()[1 + int(loudest[0])]
    ticks = "".join(f'<span style="bottom:{height(hz):.2%}">{hertz(hz)}</span>' for hz in TICKS_HZ[:-1])
    side = "" if importance is None else bands_html(importance)
    return lane(
        "mel",
        f'<div class="keywords-hz">{ticks}</div>',
        f'<img alt="" src="{mel_picture(levels)}">',
        f"Log-mel spectrogram from 0 to 8 kHz; strongest near {loud_hz:.0f} Hz.",
        side,
    )


def bands_html(importance: Importance) -> str:
    """Draw how far the score falls where each band of frequency is covered."""
    falls = importance.over_frequency.tolist()
    largest = max(*map(abs, falls), LEAST_FALL)
    bars = "".join(
        f'<i{" class=keywords-negative" if fall < 0 else ""} style="bottom:{height(low):.2%};'
        f'height:{height(high) - height(low):.2%};width:{abs(fall) / largest:.1%}" '
        f'title="{low:.0f} to {high:.0f} Hz covered: {points(fall)}"></i>'
        for (low, high), fall in zip(pairwise(band_edges_hz().tolist()), falls, strict=True)
    )
    return f'<div class="keywords-bands">{bars}</div>'


def traced(spotting: Spotting) -> list[int]:
    """Return the columns of the words whose scores are drawn over time: the highest, those detected first."""
    detected = {one.word for one in spotting.detections}
    peaks = spotting.smoothed.max(axis=0)
    words = [place for place, label in enumerate(spotting.labels) if label not in NOT_WORDS]
    words.sort(key=lambda place: (spotting.labels[place] not in detected, -peaks[place]))
    visible = sum(spotting.labels[place] in detected or peaks[place] >= LEAST_TRACED for place in words)
    return words[: min(max(visible, 2), len(TRACES))]


def traces_html(spotting: Spotting, words: Sequence[int], threshold: float, span: Span) -> str:
    """Draw the smoothed scores of words over time, each at the middle of its window, and the threshold."""
    at = spotting.starts_s + spotting.window_s / 2
    scores = spotting.smoothed
    if len(at) > TRACE_POINTS:
        edges = np.linspace(0, len(at), TRACE_POINTS, endpoint=False).astype(int)
        at, scores = at[edges], np.maximum.reduceat(scores, edges, axis=0)
    x = [1000 * span.share(float(moment)) for moment in at]
    lines = "".join(
        f'<polyline style="stroke:var(--keywords-{colour})" stroke-dasharray="{dashes}" points="'
        + " ".join(f"{left:.1f},{100 - 100 * score:.1f}" for left, score in zip(x, scores[:, word], strict=True))
        + '"/>'
        for word, (colour, dashes) in reversed(list(zip(words, TRACES, strict=False)))
    )
    level = 100 - 100 * threshold
    line = f'<line x1="0" x2="1000" y1="{level:.1f}" y2="{level:.1f}"/>'
    highest = ", ".join(f"{spotting.labels[word]} {spotting.smoothed[:, word].max():.0%}" for word in words)
    return lane(
        "traces",
        "score",
        f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">{lines}{line}</svg>',
        f"Smoothed scores over time, with the threshold at {threshold:.0%}. Highest: {highest}.",
        f'<span style="position:absolute;transform:translateY(-50%);top:{level:.1f}%">{threshold:.0%}</span>',
    )


def key_html(spotting: Spotting, words: Sequence[int]) -> str:
    """Say which trace is which word's."""
    items = "".join(
        '<li><svg viewBox="0 0 40 10" aria-hidden="true"><line x1="0" x2="40" y1="5" y2="5" '
        f'style="stroke:var(--keywords-{colour})" stroke-dasharray="{dashes}"/></svg>'
        f"{escape(spotting.labels[word])}</li>"
        for word, (colour, dashes) in zip(words, TRACES, strict=False)
    )
    return f'<ul class="keywords-key" aria-label="Traces">{items}</ul>'


def ticks_html(span: Span) -> str:
    """Write the axis of time."""
    length = span.end_s - span.start_s
    step = next((step for step in TICKS_S if length / step <= MOST_TICKS), TICKS_S[-1])
    moments = np.arange(np.ceil(span.start_s / step), np.floor(span.end_s / step) + 1) * step
    return "".join(f'<span style="left:{span.share(at):.3%}">{clock(at, step)}</span>' for at in moments.tolist())


def clock(at_s: float, step_s: float = 0.1) -> str:
    """Spell a moment, as finely as ticks so far apart need.

    >>> clock(0.4), clock(75.0, 15)
    ('0.4 s', '1:15')
    """
    if step_s >= 15:
        return f"{int(at_s) // 60}:{int(at_s) % 60:02d}"
    return f"{at_s:.1f} s" if step_s < 1 else f"{at_s:.0f} s"


def told(spotting: Spotting) -> dict[str, object]:
    """Return what the page's script tells at the cursor: the highest scores of each window, as whole per cent."""
    order = np.argsort(-spotting.scores, axis=1)[:, :TOLD]
    return {
        "labels": [MEANINGS.get(label, label) for label in spotting.labels],
        "middles": [round(float(start) + spotting.window_s / 2, 3) for start in spotting.starts_s],
        "best": order.tolist(),
        "scores": np.take_along_axis(spotting.scores * 100, order, axis=1).round().astype(int).tolist(),
    }
