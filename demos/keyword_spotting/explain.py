"""What a result means, in words, with the figures of the run."""

from __future__ import annotations

from html import escape

import numpy as np

from demos.keyword_spotting.draw import percent
from demos.keyword_spotting.options import SpottingRequest
from demos.keyword_spotting.spotting import Spotting


def explained_html(spotting: Spotting, request: SpottingRequest) -> str:
    """Explain scores, smoothing, threshold and suppression, and tabulate this run."""
    return (
        "<p><b>Scores.</b> The model hears one window at a time and shares out 100 % among the words it knows, and "
        "where it has them two labels that are no words: other speech and no speech. So a score says which of "
        "<i>these</i> fits best. It is not the probability that the word was said: a sound the model never learned "
        "still has to go somewhere.</p>"
        "<p><b>Smoothing.</b> A word lasts longer than a hop, so neighbouring windows hear it together, and a click or "
        "half a word is heard by one of them only. Averaging some windows in a row takes such peaks away, and every "
        "window more makes the answer later by a hop.</p>"
        "<p><b>Threshold.</b> A word counts when its smoothed score gets this high. Lower: fewer words are missed, "
        "more is detected that was never said. Every use chooses its own point between the two: a lamp may fail to "
        "hear, an alarm may not, and a door should not open by itself. The word is told as soon as the threshold is "
        "passed; the large number is the highest score that it then reached.</p>"
        "<p><b>Suppression.</b> After a detection nothing is reported for a while, since the next windows hear the "
        "same word again. A word that is really said twice within this time counts once.</p>"
        "<p><b>What mattered.</b> Part after part of the best window, each with its neighbours, is lowered to its "
        "background, and the model hears it again: the taller a bar, the further the word's score fell. Hatched: it "
        "rose, so that part spoke against the word. Parts that only matter together do not show.</p>"
        "<p><b>What it cannot do.</b> It does not understand: it knows no other words, no sentences, and not who "
        "speaks. Words that sound alike, far microphones, noise and accents it seldom heard make it err, and it may "
        "do so with a high score.</p>"
        f"{facts_html(facts(spotting, request))}"
    )


def facts(spotting: Spotting, request: SpottingRequest) -> dict[str, str]:
    """Return the figures of a run by name."""
    sound, options = request.sound, request.options
    window, word = spotting.best
    rms = float(np.sqrt(np.mean(np.square(sound.samples, dtype=np.float64))))
    peak = float(np.abs(sound.samples).max())
    sent = f"{sound.rate_hz:,} Hz, {sound.channels} channel{'s' * (sound.channels > 1)}"
    return {
        "Sound": f"{sound.seconds:.2f} s; sent at {sent}; the model hears 16,000 Hz, 1 channel",
        "Level": f"peak {decibels(peak)}, effective (RMS) {decibels(rms)} re full scale",
        "Windows": f"{len(spotting.starts_s):,} of {spotting.window_s:g} s, one every {options.hop_s:g} s",
        "Labels": f"{len(spotting.labels)}",
        "Detector": f"average of {options.smoothing}, threshold {percent(options.threshold)}, "
        f"{options.suppression_s:g} s of suppression",
        "Detections": f"{len(spotting.detections)}",
        "Best score": f"{spotting.labels[word]}, {percent(float(spotting.scores[window, word]))}, in the window from "
        f"{float(spotting.starts_s[window]):.2f} s",
    }


def decibels(amplitude: float) -> str:
    """Spell an amplitude (1: full scale) in decibels.

    >>> decibels(0.5)
    '−6.0 dB'
    """
    return f"{20 * np.log10(amplitude):.1f} dB".replace("-", "−") if amplitude > 0 else "−∞ dB"


def facts_html(named: dict[str, str]) -> str:
    """Draw figures by name."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in named.items())
    return f'<table class="keywords-table"><caption>This run</caption>{rows}</table>'
