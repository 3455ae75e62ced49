"""The examples of the words that are taught, and what was learned from them, as HTML."""

from __future__ import annotations

import base64
import io
import math
import wave
from collections.abc import Sequence
from html import escape

import numpy as np

from demos.keyword_spotting.draw import percent
from demos.keyword_spotting.spotting import F32, UNKNOWN
from demos.keyword_spotting.style import LIGHT
from demos.keyword_spotting.taught import Taught
from demos.keyword_spotting.teach import FEW, Lesson, Verdict
from demos.keyword_spotting.teach_examples import Examples, words_of
from hub.sounds import RATE_HZ

ENOUGH = 5  # examples, from which on more change little (bench/results/teaching.md)
UNEVEN = 3  # times as many examples of one word as of another
COLUMNS = 100  # of a waveform
Z_95 = 1.959964  # of the normal distribution, two-sided 95 %
NO_WORD = "none of them"
NOTHING = '<p class="keywords-hint">No examples yet. Type a word, then record it three to ten times.</p>'
PANE = (1000, 600)  # of the map, in its own units
MARGIN = 80
LOW_ENOUGH = 0.3  # of the map's height: above, a name stands below its word's examples


def examples_html(examples: Examples, verdicts: Sequence[Verdict] = ()) -> str:
    """Draw the examples of each word with what is odd about them.

    Args:
        examples: in the order in which they came.
        verdicts: of what was learned from just these, in the order of the words; or none.
    """
    if not examples:
        return NOTHING
    parts, number = [], 0
    for word in (*words_of(examples), UNKNOWN):
        own = [one for one in examples if one.word == word]
        items = []
        for one in own:
            verdict = verdicts[number] if word != UNKNOWN and number < len(verdicts) else None
            number += word != UNKNOWN
            odd = verdict is not None and verdict.odd
            notes = "".join(f"<p><b>{escape(note)}</b></p>" for note in one.notes)
            if odd:
                notes += "<p><b>this one sounds different: listen again</b></p>"
            items.append(
                f"<li{' class=keywords-odd' if odd else ''}>{_wave_svg(one.samples)}<div>"
                f'<button type="button" data-do="play" data-sound="{wav_uri(one.samples)}" '
                f'aria-label="Play">▶</button><span>{escape(one.origin)}</span>'
                f'<button type="button" data-do="delete" data-key="{one.key}" aria-label="Delete">✕</button></div>'
                f"{notes}</li>"
            )
        if own:
            title = "Sounds that are none of the words" if word == UNKNOWN else escape(word)
            parts.append(
                f'<section><h4>{title} <small>{_count(len(own), "example")}</small><button type="button" '
                f'data-do="clear" data-word="{escape(word)}">Clear</button></h4>'
                f'<ol class="keywords-examples">{"".join(items)}</ol></section>'
            )
    return f'<div class="keywords keywords-lesson">{"".join(parts)}</div>'


def lesson_html(lesson: Lesson) -> str:
    """Draw what was learned: how good it is, what is taken for what, and where the examples lie."""
    right, asked = lesson.right
    if asked:
        low, high = wilson_interval(right, asked)
        said = (
            f'<p class="keywords-large">{right} of {_count(asked, "example")} heard right</p>'
            f"<p>Each was tried with what all the others teach: {right / asked:.0%} right, and with as few as these, "
            f"anything from {low:.0%} to {high:.0%} may be the truth. Other people will do worse than the voices it "
            "was taught with.</p>"
        )
    else:
        said = '<p class="keywords-large">Learned</p><p>How good it is shows with a second example of a word.</p>'
    notes = "".join(f"<p>Note: {escape(note)}</p>" for note in advice(lesson.taught))
    return (
        f'<div class="keywords keywords-lesson">{said}{notes}{_confusion_html(lesson) if asked else ""}'
        f"{_map_html(lesson)}</div>"
    )


def read_html(taught: Taught) -> str:
    """Say which words came from a file."""
    words = ", ".join(
        f"{escape(word)} ({_count(count, 'example')})" for word, count in zip(taught.words, taught.counts, strict=False)
    )
    return (
        f'<div class="keywords keywords-lesson"><p class="keywords-large">Read: {words}</p>'
        "<p>The file holds what was learned, not the recordings: to add to it, teach anew.</p></div>"
    )


def advice(taught: Taught) -> list[str]:
    """Say what would make it better."""
    counts = dict(zip(taught.words, taught.counts, strict=False))
    few = [word for word, count in counts.items() if count < FEW]
    said = []
    if few:
        said.append(
            f"{', '.join(few)}: with fewer than {FEW} examples it is a guess; record up to {ENOUGH}, as different as "
            "they will be said."
        )
    if len(counts) == 1:
        said.append("One word alone is told from other sounds only; what sounds like it may be taken for it.")
    elif max(counts.values()) >= UNEVEN * min(counts.values()):
        said.append("One word has many more examples than another: the score of the other means less.")
    return said


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    >>> low, high = wilson_interval(9, 10)
    >>> round(low, 2), round(high, 2)
    (0.6, 0.98)

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927), p. 209-212.
    """
    share, spread = successes / trials, Z_95**2 / trials
    middle = (share + spread / 2) / (1 + spread)
    half = Z_95 / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def wav_uri(samples: F32) -> str:
    """Return a sound (n,) as the address of a WAV that is written out in it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(RATE_HZ)
        written.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return f"data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode()}"


def _wave_svg(samples: F32) -> str:
    """Draw the envelope of a second, as tall as it is loud; soft ones are drawn at a fifth of the height at least."""
    peaks = np.abs(samples).reshape(COLUMNS, -1).max(axis=1)
    peaks = 48 * peaks / max(float(peaks.max()), 1e-9) * min(1.0, max(float(peaks.max()) / 0.5, 0.2))
    path = "".join(f"M{column} {50 - peak:.0f}h1V{50 + peak:.0f}h-1z" for column, peak in enumerate(peaks + 1))
    return f'<svg viewBox="0 0 {COLUMNS} 100" preserveAspectRatio="none" aria-hidden="true"><path d="{path}"/></svg>'


def _confusion_html(lesson: Lesson) -> str:
    """Draw how often each word was heard as which."""
    words = lesson.taught.words
    head = "".join(f'<th scope="col">{escape(_named(word))}</th>' for word in words)
    rows = []
    for word in words[:-1]:
        heard = [one.heard for one in lesson.verdicts if one.word == word and one.heard is not None]
        cells = "".join(
            f'<td class="keywords-{"right" if other == word else "wrong"}">{heard.count(other)}</td>'
            if heard.count(other) or other == word
            else "<td>·</td>"
            for other in words
        )
        rows.append(f'<tr><th scope="row">{escape(word)}</th>{cells}</tr>')
    return (
        '<table class="keywords-table keywords-confusion"><caption>What each word (row) was heard as (column)</caption>'
        f"<tr><td></td>{head}</tr>{''.join(rows)}</table>"
    )


def _named(word: str) -> str:
    return NO_WORD if word == UNKNOWN else word


def _map_html(lesson: Lesson) -> str:
    """Draw the examples and other sounds on a plane, each word in a colour and a shape of its own."""
    low, high = lesson.places.min(axis=0), lesson.places.max(axis=0)
    span = np.maximum(high - low, 0.2)
    middle = (low + high) / 2
    size = np.array(PANE) - 2 * MARGIN

    def placed(places: F32) -> F32:
        shown = (places - middle) / span * size
        return np.stack([PANE[0] / 2 + shown[:, 0], PANE[1] / 2 - shown[:, 1]], axis=1)

    marks = [
        f'<circle class="keywords-other" cx="{x:.0f}" cy="{y:.0f}" r="5"/>'
        for x, y in placed(lesson.other_places)
        if 0 <= x <= PANE[0] and 0 <= y <= PANE[1]
    ]
    names, places = [], placed(lesson.places)
    for number, word in enumerate(lesson.taught.words[:-1]):
        own = [index for index, one in enumerate(lesson.verdicts) if one.word == word]
        colour = f"var(--keywords-{number % len(LIGHT)})"
        marks += [_mark(places[index], number // len(LIGHT), colour, _told(lesson.verdicts[index])) for index in own]
        across, down = places[own].T
        top, bottom = float(down.min()), float(down.max())
        x, below = min(max(float(across.mean()) / PANE[0], 0.12), 0.88), top < LOW_ENOUGH * PANE[1]
        names.append(
            f'<b{" class=keywords-below" if below else ""} style="left:{x:.1%};'
            f'top:{(bottom if below else top) / PANE[1]:.1%};border-bottom:3px solid {colour}">{escape(word)}</b>'
        )
    described = f"Map of {_count(len(lesson.verdicts), 'example')} of {', '.join(lesson.taught.words[:-1])}"
    return (
        f'<div class="keywords-map" role="img" aria-label="{escape(described)}"><svg viewBox="0 0 {PANE[0]} {PANE[1]}" '
        f'preserveAspectRatio="xMidYMid meet">{"".join(marks)}</svg>{"".join(names)}</div>'
        '<p class="keywords-hint">Where the model puts the examples: the plane in which they differ most (two '
        "principal components of its features). Near means alike. Grey: other words and noises.</p>"
    )


def _mark(place: F32, shape: int, colour: str, told: str) -> str:
    """Draw a circle, or a square for the words for which no colour is left."""
    x, y = place.tolist()
    title = f"<title>{escape(told)}</title>"
    if shape == 0:
        return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="13" style="fill:{colour}">{title}</circle>'
    return f'<rect x="{x - 12:.0f}" y="{y - 12:.0f}" width="24" height="24" style="fill:{colour}">{title}</rect>'


def _told(verdict: Verdict) -> str:
    if verdict.heard is None:
        return f"{verdict.word}, its only example"
    return f"{verdict.word}, heard as {_named(verdict.heard)} ({percent(verdict.score)})"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
