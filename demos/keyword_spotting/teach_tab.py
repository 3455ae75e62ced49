"""Teach it your word: record a few examples, learn from them in seconds, try it, take it home.

The recordings live in the session alone, as `examples`; what was learned from them is a `Taught`, which the other views
listen for while `taught` holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from demos.keyword_spotting import teach_file
from demos.keyword_spotting.live_hint import microphone_hint
from demos.keyword_spotting.models import FIXED
from demos.keyword_spotting.player import SCRIPT as PLAYER
from demos.keyword_spotting.teach_draw import NOTHING
from demos.keyword_spotting.teach_examples import MOST_CHARS
from demos.keyword_spotting.teach_style import SCRIPT
from demos.keyword_spotting.teacher import SOUNDS, Teacher
from hub import inputs
from hub.demo import Demo
from hub.draw import hint_html
from hub.events import forget_on_leave
from hub.runtime import Hub
from hub.ui import Tab

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
PURPOSE = (
    "<p>Type a word of your own, in any language, or name a noise; record it three to ten times, as it will be said. "
    "Several words are told apart. A recording may hold the word several times, with pauses. Nothing of them is "
    "kept: they are deleted when you close or reload this page.</p>"
)


def build(hub: Hub, demo: Demo, tab: Tab, taught: gr.State, options: Mapping[str, Component]) -> None:
    """Lay out the view; while `taught` holds words, the other views listen for them instead of the model's own."""
    teacher = Teacher(hub, demo)
    examples, own = gr.State(()), gr.State(None)
    gr.HTML(PURPOSE)
    _offer_first(teacher, tab)
    with gr.Row():
        word = gr.Textbox(
            label="Word",
            max_length=MOST_CHARS,
            placeholder="banana",
            lines=1,
            scale=3,
            min_width=220,
            elem_id="keyword_spotting-teach-word",
        )
        is_word = gr.Checkbox(
            True,
            label="A word to spot",
            info="Off: a sound that must not be taken for one.",
            scale=2,
            min_width=220,
            elem_id="keyword_spotting-teach-is-word",
        )
    inputs.take_as_sent(word)
    with gr.Row(equal_height=True):
        audio = inputs.sound_input("Record", elem_id="keyword_spotting-teach-audio", min_width=240)
        files = inputs.file_input(
            "Or send files", SOUNDS, several=True, height=190, elem_id="keyword_spotting-teach-files"
        )
    microphone_hint()
    happened = gr.HTML(elem_id="keyword_spotting-teach-happened")
    listed = gr.HTML(NOTHING, js_on_load=SCRIPT, elem_id="keyword_spotting-teach-examples")
    with gr.Row():
        teach = gr.Button("Teach", variant="primary", min_width=120, elem_id="keyword_spotting-teach-run")
        stop = gr.Button("Stop", min_width=90)
        clear = gr.Button("Clear all", min_width=90, elem_id="keyword_spotting-teach-clear")
    status = gr.HTML(elem_id="keyword_spotting-teach-status")
    shown = gr.HTML(elem_id="keyword_spotting-teach-lesson")
    use = gr.Checkbox(
        True,
        label="Listen for the taught words",
        info="In A recording and Live, in place of the model's own words.",
        elem_id="keyword_spotting-teach-use",
    )
    with gr.Row():
        download = gr.DownloadButton(
            "Download the taught words",
            interactive=False,
            min_width=200,
            elem_id="keyword_spotting-teach-download",
        )
        opened = inputs.file_input(
            "Taught words from a file", [teach_file.ENDING], height=190, elem_id="keyword_spotting-teach-open"
        )
    with gr.Accordion("Try it on a sound", open=True):
        tried = inputs.sound_input(
            "Say one of the words, or something else", elem_id="keyword_spotting-teach-try-audio"
        )
        attempt = gr.Button("Try", variant="primary", min_width=120, elem_id="keyword_spotting-teach-try")
        try_status = gr.HTML()
        heard = gr.HTML(js_on_load=PLAYER, elem_id="keyword_spotting-teach-heard")

    forget_on_leave(examples, listed)
    given = [word, is_word, examples]
    changed = [examples, listed]
    learned = [own, taught, shown, download, use]
    audio.change(teacher.record, [audio, *given], [*changed, audio, happened], **QUIET)
    # What was recorded before it had a name waits in the recorder, and is taken when it has one.
    gr.on([word.blur, word.submit], teacher.record, [audio, *given], [*changed, audio, happened], **QUIET)
    sent = files.upload(teacher.send, [files, *given], [*changed, files, happened], **QUIET)
    sent.failure(lambda: None, None, files, queue=False, **QUIET)  # else the next files would join those refused
    listed.click(teacher.change, [examples], changed, queue=False, **QUIET)
    clear.click(
        lambda: ((), NOTHING, None, None, "", gr.DownloadButton(value=None, interactive=False), True, "", ""),
        None,
        [*changed, *learned, heard, happened],
        queue=False,
        **QUIET,
    )
    tab.connect_many(
        teach.click,
        {"examples": examples, "model": tab.model},
        plan=teacher.plan,
        draw=teacher.draw,
        outputs=[*learned, listed],
        status=status,
    )
    stop.click(teacher.stop, None, status, queue=False, **QUIET)
    tab.connect_many(
        attempt.click,
        {"audio": tried, "own": own, "model": tab.model, **options},
        plan=teacher.try_plan,
        draw=teacher.try_draw,
        outputs=[heard],
        status=try_status,
    )
    read = opened.upload(teacher.open_file, [opened, tab.model], [*learned, opened], **QUIET)
    read.failure(lambda: None, None, opened, queue=False, **QUIET)  # else there is no room for the right file
    use.input(lambda use, own: own if use else None, [use, own], taught, queue=False, **QUIET)


def _offer_first(teacher: Teacher, tab: Tab) -> None:
    """Say of models without features that they cannot be taught, and offer the first one."""
    with gr.Column(visible=False) as column:
        gr.HTML(hint_html("The chosen model takes any word you type, and has no features to learn from examples with."))
        choose = gr.Button(f"Choose {teacher.first.label}", size="md")
    tab.model.change(
        lambda model: gr.Column(visible=teacher.demo.card(model).group != FIXED),
        tab.model,
        column,
        queue=False,
        **QUIET,
    )
    if tab.group is not None:
        choose.click(lambda: (FIXED, tab.models_of(FIXED)), None, [tab.group, tab.model], queue=False, **QUIET)
