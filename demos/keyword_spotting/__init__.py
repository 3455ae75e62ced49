"""Keyword spotting: a sound in; out, which of its words the model heard, when, how surely, and in what of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.keyword_spotting import live_view, teach_style
from demos.keyword_spotting.folders import ASSETS
from demos.keyword_spotting.models import MODELS
from demos.keyword_spotting.pipeline import load
from demos.keyword_spotting.snippet import snippet
from demos.keyword_spotting.style import CSS
from hub.demo import Demo

if TYPE_CHECKING:
    from hub.runtime import Hub

PLACE = "assets/examples/keyword_spotting"


def build(hub: Hub) -> None:
    """Lay out the tab; Gradio is imported only for that."""
    from demos.keyword_spotting.tab import build as lay_out

    lay_out(hub)


EXERCISES = (
    "Run **go forward ten meters** with the threshold at 80 %, 50 % and 20 %. What is gained, what is lost? Which "
    "would you choose for a robot that starts moving, and which for one that stops?",
    "**five five** holds the word twice, and the model's window of a second holds both. How often is it detected? "
    "Record it yourself with longer and longer pauses: from which pause on is it twice? Then try **Suppression** and "
    "**Smoothing**. Which of the two would you change for a telephone, and why?",
    "Say half a word: `sev-`, `-ven`. Which half is enough? Compare with the bars of **What mattered** over the whole "
    "word: do they stand where you expect?",
    "Whisper `six`, then say it aloud. What is missing from the spectrogram, and which bands mattered now?",
    "Say `stop` beside a running tap, or with music. At which loudness does the score fall below the threshold? Does "
    "the model then say another word, or none?",
    "`marvin` and `sheila` have several syllables, `on` and `off` one. Say each ten times: which are missed? Why do "
    "makers of loudspeakers choose long names?",
    "Say words it cannot know: your name, `seventeen`, `bad`, `tree-house`. To which of its words does it give them, "
    "and how surely? Does its label for other speech save it?",
    "The **monkeys** are no speech. How high does the highest score of a single window get, and what do smoothing and "
    "threshold make of it?",
    "Teach it your name with three recordings, then with ten. What changes? Then teach it a clap: does it need to be "
    "speech?",
    "Compare two models on the same recording. Where do they disagree, and which one is surer when it is wrong?",
    "Under **Time and frequency**, take the example **tones**. How long must the FFT be to tell the two close tones "
    "apart, and how short to tell the clicks apart? Is there a length that does both?",
)

EXAMPLES = {
    "seven (a telephone's voice)": {"audio": f"{PLACE}/seven.wav"},
    "no": {"audio": f"{PLACE}/no.wav"},
    "five five": {"audio": f"{PLACE}/five-five.flac"},
    "go forward ten meters": {"audio": f"{PLACE}/go-forward.flac"},
    "a number, digit by digit": {"audio": f"{PLACE}/number.flac"},
    "playing cards": {"audio": f"{PLACE}/playing-cards.flac"},
    "hello: a word it does not know": {"audio": f"{PLACE}/hello.wav"},
    "a novel: no keyword in it": {"audio": f"{PLACE}/novel.mp3"},
    "monkeys": {"audio": f"{PLACE}/monkeys.ogg"},
    "tones, clicks and a sweep": {"audio": f"{PLACE}/tones.flac"},
}

DEMO = Demo(
    slug="keyword_spotting",
    title="Keyword spotting",
    purpose="Say a word and watch a model hear it: scores over time, and what in the sound mattered.",
    order=80,
    models=MODELS,
    endpoint="spot_keyword",
    more_endpoints=("spot_keyword_stream",),
    load=load,
    build=build,
    snippet=snippet,
    examples=tuple(EXAMPLES.values()),
    exercises=EXERCISES,
    needs=("torch", "transformers", "soundfile", "soxr"),
    css=CSS + live_view.CSS + teach_style.CSS,
    assets=ASSETS,
)
