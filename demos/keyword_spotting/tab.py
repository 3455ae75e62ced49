"""The keyword spotting tab: a recording, the live microphone, words of one's own, and a look at sound itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from demos.keyword_spotting import DEMO, EXAMPLES, lecture, live, teach_tab
from demos.keyword_spotting.asking import asked
from demos.keyword_spotting.draw import result_html
from demos.keyword_spotting.explain import explained_html
from demos.keyword_spotting.live_hint import microphone_hint
from demos.keyword_spotting.models import ANY
from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.player import SCRIPT
from demos.keyword_spotting.spotting import Spotting
from demos.keyword_spotting.teacher import LIMITS
from hub import inputs, ui
from hub.files import address
from hub.options import specs
from hub.runtime import Hub, Outcome

NOTHING_KEPT = (
    "What you record or upload goes to the computer that runs Lectern and nowhere else. Nothing of it is kept: it is "
    "deleted when you close or reload this page."
)
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
DIGITS = 4  # of the scores in the endpoint's answer


def build(hub: Hub) -> None:
    """Lay out the tab and connect it."""

    def request(**values: Any) -> SpottingRequest:
        return asked(hub.sound_limits, **values)

    with ui.tab(hub, DEMO) as tab:
        taught = gr.State(None)
        with tab.inputs(), gr.Column(elem_classes="keywords-of-a-clip"):
            audio = inputs.sound_input(elem_id="keyword_spotting-audio")
            microphone_hint()
            gr.HTML(f'<p class="keywords-hint">{NOTHING_KEPT}</p>')
            # Clients of the API may send the sound as text; the page has no use for it.
            audio_base64 = gr.Textbox(visible=False, label="The bytes of a sound file in base64, in place of audio")
        inputs.take_as_sent(audio_base64)
        with tab.choices():
            with gr.Column(elem_classes="keywords-of-a-clip"):
                tab.examples({"audio": audio}, "Examples: click one to hear what the model hears", list(EXAMPLES))
            words = draw_words(tab)
        with tab.options("Detection options"):
            options = inputs.controls(
                SpottingOptions, names=[name for name in specs(SpottingOptions) if name != "words"]
            )
            explain = gr.Checkbox(True, label="What mattered", info="Cover parts of the best window one by one.")
            inputs.take_as_sent(explain)
        options = {**words, **options}
        with tab.view("A recording", "clip"):
            tab.results(panel)
        with tab.view("Live", "live"):
            live.build(hub, DEMO, tab, taught, options)
        with tab.view("Teach it your word", "teach"):
            teach_tab.build(hub, DEMO, tab, taught, options)
        with tab.view("Time and frequency", "lecture"):
            lecture.build(hub, tab, audio)
        tab.connect(
            {"audio": audio, "audio_base64": audio_base64, **options, "explain": explain, "taught": taught},
            request=request,
            draw=draw,
            answer=answer,
            also_run_on=[audio.stop_recording, words["words"].submit],  # type: ignore[attr-defined]
            optional=True,
        )
        tab.forget_result_on(audio.change, by_user=[audio.clear, audio.upload])


def draw_words(tab: ui.Tab) -> dict[str, Component]:
    """Draw the box of words to listen for, where a model that takes any word is chosen."""
    with gr.Column(visible=takes_words(tab.model.value)) as column:
        words = inputs.controls(SpottingOptions, names=["words"])
    tab.model.change(lambda key: gr.Column(visible=takes_words(key)), tab.model, column, **QUIET)
    return words


def takes_words(key: Any) -> bool:
    """Tell whether the model `key` listens for any words that are typed."""
    return any(card.key == key and card.group == ANY for card in DEMO.models)


def panel() -> Sequence[Any]:
    """Draw one result, empty."""
    result = gr.HTML(js_on_load=SCRIPT, elem_classes="keywords-result")
    with gr.Accordion("Explain", open=False):
        explained = gr.HTML()
    return result, explained


def draw(outcome: Outcome, request: SpottingRequest) -> tuple[str, str]:
    """Turn an outcome into the values of the panel."""
    spotting: Spotting = outcome.result
    limits = LIMITS if request.taught else DEMO.card_of(outcome.run.source).limits
    source = None if request.played is None else address(Path(request.played))
    return result_html(spotting, request, limits, source), explained_html(spotting, request)


def answer(outcome: Outcome, request: SpottingRequest) -> dict[str, Any]:
    """Turn an outcome into the JSON answer of the endpoint."""
    spotting: Spotting = outcome.result
    window, word = spotting.best
    scores = spotting.scores[window]
    ranked = (-scores).argsort(kind="stable")[: request.options.top_k].tolist()
    importance = spotting.importance
    return {
        "word": spotting.labels[word],
        "score": float(scores[word]),
        "detections": [
            {"word": one.word, "score": one.score, "start_s": one.start_s, "end_s": one.end_s}
            for one in spotting.detections
        ],
        "top": [{"word": spotting.labels[label], "score": float(scores[label])} for label in ranked],
        "seconds": request.sound.seconds,
        "windows": {
            "seconds": spotting.window_s,
            "labels": list(spotting.labels),
            "starts_s": spotting.starts_s.round(DIGITS).tolist(),
            "scores": spotting.scores.round(DIGITS).tolist(),
            "smoothed": spotting.smoothed.round(DIGITS).tolist(),
        },
        "importance": None
        if importance is None
        else {
            "word": importance.word,
            "start_s": importance.start_s,
            "over_time": importance.over_time.round(DIGITS).tolist(),
            "over_frequency": importance.over_frequency.round(DIGITS).tolist(),
        },
        "notes": list(dict.fromkeys((*request.sound.notes, *spotting.notes))),
    }
