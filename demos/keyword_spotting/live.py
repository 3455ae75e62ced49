"""The live view: the microphone is listened to, and words are spotted while they are spoken.

The page sends a chunk of sound about ten times a second, the next one when the last is answered; each answer brings
what is new: columns of the spectrogram, scores, and words. Gradio's own streaming recorder was tried first: it uploads
every chunk as a file, and a chunk that comes before the last is answered takes the other's place. So it lost 5 % of the
sound on an idle core, and half to nine tenths of it on a busy machine, where this one loses nothing.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from html import unescape
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component

from demos.keyword_spotting import live_stream, live_view
from demos.keyword_spotting.live_ear import Answer, Ear, Question
from demos.keyword_spotting.live_mel import RollingMel
from demos.keyword_spotting.live_stream import chunk_of
from demos.keyword_spotting.options import SpottingOptions
from demos.keyword_spotting.taught import Taught
from hub.demo import Demo
from hub.errors import Cancelled
from hub.events import on_leave, session_of, told_to_user
from hub.live import Places, Runs, Streams, live_event
from hub.options import checked
from hub.runtime import Hub
from hub.ui import Tab

DIGITS = 3  # of the scores that are sent to the page


class Shown:
    """What is kept of the stream that a page shows."""

    def __init__(self, runs: Runs) -> None:
        self.ear = Ear(runs)
        self.mel = RollingMel()

    def close(self) -> None:
        """Forget it."""
        self.ear.close()


def build(hub: Hub, demo: Demo, tab: Tab, taught: gr.State, options: Mapping[str, Component]) -> None:
    """Lay out the live view and connect it, with the endpoint for live clients.

    Args:
        hub: sees the runs through.
        demo: this one.
        tab: the scaffold, whose model picker is listened with.
        taught: `Taught | None`, words of the user's own to listen for in place of the model's.
        options: the controls of `SpottingOptions` by name.
    """
    places = Places(hub)
    streams = Streams(lambda session: Shown(Runs(hub, demo, session, places)))
    view = gr.HTML(
        "",
        html_template=live_view.view_template(),
        js_on_load=live_view.SCRIPT,
        elem_id=f"{demo.slug}-live",
    )

    def hear(browser: gr.Request, event: gr.EventData, model: str, taught: Taught | None, *values: Any) -> str:
        """Answer one piece of the page's stream, as JSON; an error is part of the answer, and ends the stream."""
        arrived_s = time.perf_counter()
        session, piece = session_of(browser), event._data if isinstance(event._data, dict) else {}
        answer: dict[str, Any] = {"stream": piece.get("stream"), "piece": piece.get("piece")}
        try:
            with told_to_user():
                if piece.get("begin") or piece.get("end"):
                    streams.end(session)
                if not piece.get("end"):
                    chosen = checked(SpottingOptions, dict(zip(options, values, strict=True)))
                    question = Question(demo.card(model), chosen, taught)
                    with streams.of(session) as shown:
                        answer |= listened(shown, piece, question)
                else:
                    answer["ended"] = True
        except gr.Error as error:
            streams.end(session)
            stopped = isinstance(error.__context__, Cancelled)
            answer |= {"ended": True} if stopped else {"ended": True, "error": unescape(str(error.message))}
        answer["server_ms"] = 1000 * (time.perf_counter() - arrived_s)
        return json.dumps(answer)

    live_event(
        hub,
        view.input,
        hear,
        inputs=[tab.model, taught, *options.values()],
        outputs=view,
        api_visibility="private",
    )
    on_leave(streams.end)
    live_stream.build(hub, demo, tab, options, places)


def listened(shown: Shown, piece: dict[str, Any], question: Question) -> dict[str, Any]:
    """Listen to one piece, and return what is new, as plain JSON values."""
    samples, rate_hz = chunk_of(piece.get("chunk"), piece.get("rate_hz"))
    heard = shown.ear.hear(samples, rate_hz, question)
    columns = shown.mel(shown.ear.recent, heard.heard_s)
    return {
        "heard_s": heard.heard_s,
        "mel_end": shown.mel.next,
        "mel": base64.b64encode(columns.T.tobytes()).decode(),
        **scores_of(heard),
        "threshold": question.options.threshold,
        "taught": question.taught.words[:-1] if question.taught else (),
        "skipped": heard.skipped,
        "waiting": heard.waiting,
    }


def scores_of(heard: Answer) -> dict[str, Any]:
    """Return the new windows and detections as plain JSON values."""
    return {
        "labels": heard.labels,
        "windows": [
            {"end_s": one.end_s, "scores": np.round(one.scores.astype(float), DIGITS).tolist()} for one in heard.windows
        ],
        "detections": [{"word": one.word, "score": one.score, "end_s": one.end_s} for one in heard.detections],
        "model": heard.run.model if heard.run else "",
        "batch": heard.run.batch_size if heard.run else 0,
        "notes": heard.notes,
    }
