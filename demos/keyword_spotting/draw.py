"""The result of a run as HTML: the answer in large letters, the lanes over time, the highest scores, and the player."""

from __future__ import annotations

import math
from html import escape

from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.player import player_html
from demos.keyword_spotting.spotting import NOT_WORDS, Detection, Spotting
from demos.keyword_spotting.timeline import MEANINGS, clock, stage_html
from hub.draw import notes_html

SAME_S = 1e-3  # times are 32-bit numbers
MOST_IN_LARGE = 12  # detections that are shown in large letters; all are in the table
LANES_HINT = "Click the picture, or use the arrow keys on it, to read the scores at a moment; Space plays."


def result_html(spotting: Spotting, request: SpottingRequest, limits: str, source: str | None = None) -> str:
    """Draw one result; `source` is the address of the sound, for the player."""
    notes = tuple(dict.fromkeys((*request.sound.notes, *spotting.notes, *taught_notes(request))))
    return (
        f'<div class="keywords">{answer_html(spotting, request.options)}{player_html(source)}'
        f'{stage_html(spotting, request)}<p class="keywords-hint">{LANES_HINT}</p>'
        f"{bars_html(spotting, request.options)}{detections_html(spotting)}{notes_html(notes, limits)}</div>"
    )


def taught_notes(request: SpottingRequest) -> tuple[str, ...]:
    """Say that a user's own words took the place of the model's."""
    if request.taught is None:
        return ()
    words = ", ".join(word for word in request.taught.words if word not in NOT_WORDS)
    return (f"it listened for the words you taught ({words}); switch them off under Teach it your word",)


def answer_html(spotting: Spotting, options: SpottingOptions) -> str:
    """Say in large letters what was detected, or that nothing was, and what came closest."""
    found = spotting.detections
    if len(found) == 1:
        (one,) = found
        return (
            f'<p class="keywords-answer">{escape(one.word)} <span>{escape(percent(highest(spotting, one)))}</span></p>'
        )
    if found:
        items = "".join(
            f"<li>{escape(one.word)}<small>{escape(percent(highest(spotting, one)))}, {clock(one.start_s)}</small></li>"
            for one in found[:MOST_IN_LARGE]
        )
        more = f"<li>and {len(found) - MOST_IN_LARGE} more</li>" if len(found) > MOST_IN_LARGE else ""
        return f'<ol class="keywords-several" aria-label="{len(found)} detections">{items}{more}</ol>'
    return (
        f'<p class="keywords-answer">No keyword</p><p class="keywords-closest">{escape(closest(spotting, options))}</p>'
    )


def closest(spotting: Spotting, options: SpottingOptions) -> str:
    """Say which word came closest to the threshold, and what the sound was taken for instead."""
    window, word = spotting.best
    smoothed, score = float(spotting.smoothed[:, word].max()), float(spotting.scores[window, word])
    near = percent(smoothed)
    if near == percent(options.threshold):  # it did not reach what it seems to
        near = f"{math.floor(1000 * smoothed) / 10:.1f} %"
    said = f"Closest: {spotting.labels[word]}, {near}; the threshold is {percent(options.threshold)}."
    if score >= options.threshold > smoothed:
        said += f" One window alone gave it {percent(score)}, the average of {options.smoothing} did not."
    top = spotting.labels[int(spotting.scores[window].argmax())]
    if top in MEANINGS:
        said += f" The model takes it for {MEANINGS[top]} ({percent(float(spotting.scores[window].max()))})."
    return said


def percent(score: float) -> str:
    """Spell a score; one that is not quite 1 never reads as 100 %.

    >>> percent(0.984), percent(0.9996), percent(0.0004)
    ('98 %', '99.9 %', '< 0.1 %')
    """
    if score < 0.001:
        return "< 0.1 %"
    if 0.995 <= score < 1:
        return f"{min(score, 0.999):.1%}".replace("%", " %")
    return f"{score:.0%}".replace("%", " %") if score >= 0.1 else f"{score:.1%}".replace("%", " %")


def named(label: str) -> str:
    """Return what the page calls a label."""
    return f"{MEANINGS[label]} ({label})" if label in NOT_WORDS else label


def bars_html(spotting: Spotting, options: SpottingOptions) -> str:
    """Draw the highest scores of the best window as bars, with the threshold across them."""
    window, _ = spotting.best
    scores = spotting.scores[window]
    rows = "".join(
        f'<li><span>{escape(named(spotting.labels[label]))}</span><span class="keywords-bar">'
        f'<i style="width:{scores[label]:.1%}"></i><u style="left:{options.threshold:.0%}"></u></span>'
        f"<b>{escape(percent(float(scores[label])))}</b></li>"
        for label in (-scores).argsort(kind="stable")[: options.top_k].tolist()
    )
    if len(spotting.starts_s) > 1:
        start = float(spotting.starts_s[window])
        where = f"Highest scores of the window from {start:.2f} to {start + spotting.window_s:.2f} s"
    else:
        where = "Highest scores"
    if options.smoothing > 1 and len(spotting.starts_s) > 1:
        where += ", before smoothing"
    return (
        f'<p class="keywords-hint">{where}; dashed: the threshold.</p>'
        f'<ol class="keywords-bars" aria-label="{where}">{rows}</ol>'
    )


def highest(spotting: Spotting, one: Detection) -> float:
    """Return the highest smoothed score of a detected word within its time.

    The detector tells a word as soon as it passes the threshold, when its score is still rising.
    """
    within = (spotting.starts_s >= one.start_s - SAME_S) & (spotting.starts_s <= one.end_s)
    scores = spotting.smoothed[within, spotting.labels.index(one.word)]
    return max(one.score, float(scores.max(initial=0.0)))


def detections_html(spotting: Spotting) -> str:
    """List all detections, where there are several."""
    if len(spotting.detections) < 2:
        return ""
    rows = "".join(
        f"<tr><td>{escape(one.word)}</td><td>{escape(percent(one.score))}</td>"
        f"<td>{escape(percent(highest(spotting, one)))}</td><td>{one.start_s:.2f} to {one.end_s:.2f} s</td></tr>"
        for one in spotting.detections
    )
    return (
        f"<details><summary>All {len(spotting.detections)} detections</summary><table class='keywords-table'>"
        f"<tr><th>word</th><th>score when detected</th><th>highest</th><th>time</th></tr>{rows}</table></details>"
    )
