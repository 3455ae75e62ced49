"""The endpoint for live clients: a chunk of sound in; out, what was heard since the last one."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from numpy.typing import NDArray

from demos.keyword_spotting.live_ear import Answer, Ear, Question
from demos.keyword_spotting.options import SpottingOptions
from hub import inputs
from hub.demo import Demo
from hub.errors import InvalidInput
from hub.events import name_parameters, on_leave, told_to_user
from hub.live import Places, Runs, Streams, live_event, stream_session
from hub.options import checked
from hub.runtime import Hub
from hub.sound_files import MAX_RATE_HZ, MIN_RATE_HZ
from hub.ui import Tab

ENDPOINT = "spot_keyword_stream"
CONTINUE, RESTART, END = "continue", "restart", "end"
LONGEST_CHUNK_S = 10.0

DESCRIPTION = (
    "Spot words while they are spoken. Send the sound in chunks of any length up to 10 s, one after the other and in "
    "one session (gradio_client keeps one; a bare POST sends session_hash). chunk: 16-bit little-endian samples of one "
    "channel in base64. rate_hz: theirs; it may change. action: continue; restart (forget what was heard, then take "
    "the chunk); end (take the chunk, answer, forget everything). keep_up: when the model is slower than the sound, "
    "skip windows instead of falling behind. The other parameters may change from chunk to chunk. Returns JSON: "
    "detections and windows since the last answer (times in seconds from the start of the stream), scores (the best "
    "words of the newest window), heard_s, skipped_windows, waiting (what for, while the model loads), latency_ms "
    "(from the chunk's arrival to the answer) and the record of the run. Nothing is kept: a stream is forgotten at its "
    "end, with its session, or a minute after the last chunk."
)


def build(hub: Hub, demo: Demo, tab: Tab, options: Mapping[str, Component], places: Places) -> None:
    """Connect the endpoint.

    Args:
        hub: sees the runs through.
        demo: this one.
        tab: the scaffold, whose model picker names the model.
        options: the controls of `SpottingOptions` by name.
        places: how many streams may wait for the device at once.
    """
    streams = Streams(lambda session: Ear(Runs(hub, demo, session, places)))

    def endpoint(browser: gr.Request, *sent: Any) -> dict[str, Any]:
        arrived_s = time.perf_counter()
        with told_to_user():
            chunk, rate_hz, action, keep_up, model, *values = sent
            session = stream_session(browser)
            if action not in (CONTINUE, RESTART, END):
                raise InvalidInput(f"The action {str(action)[:40]!r} is not known.", "Send continue, restart or end.")
            chosen = checked(SpottingOptions, dict(zip(options, values, strict=True)))
            question = Question(demo.card(model), chosen, keep_up=keep_up is not False)
            samples, rate = chunk_of(chunk, rate_hz)
            if action == RESTART:
                streams.end(session)
            with streams.of(session) as ear:
                heard = ear.hear(samples, rate, question, last=action == END)
            if action == END:
                streams.end(session)
            return {**answer(heard, chosen.top_k), "latency_ms": 1000 * (time.perf_counter() - arrived_s)}

    sent = {
        "chunk": gr.Textbox("", visible=False, label="16-bit little-endian samples of one channel, in base64"),
        "rate_hz": gr.Number(16_000, visible=False, label="Samples a second in the chunk"),
        "action": gr.Radio([CONTINUE, RESTART, END], value=CONTINUE, visible=False, label="What becomes of the stream"),
        "keep_up": gr.Checkbox(True, visible=False, label="Skip windows instead of falling behind"),
    }
    for component in sent.values():
        inputs.take_as_sent(component)
    name_parameters(endpoint, [*sent, "model", *options])
    live_event(
        hub,
        gr.Button(visible=False).click,
        endpoint,
        inputs=[*sent.values(), tab.model, *options.values()],
        outputs=gr.JSON(visible=False, label="answer"),
        api_name=ENDPOINT,
        api_description=DESCRIPTION,
    )
    on_leave(streams.end)


def chunk_of(text: Any, rate_hz: Any) -> tuple[NDArray[np.int16], int]:
    """Decode a chunk: (n,) samples, which may be none, and their rate.

    Raises:
        InvalidInput: for what is no such text or no such rate, or for a chunk that is too long.
    """
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int | float) or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise InvalidInput(f"{str(rate_hz)[:40]} is no rate of samples.", "Send rate_hz, such as 16000 or 48000.")
    longest = LONGEST_CHUNK_S * rate_hz * 2
    if not isinstance(text, str | None) or len(text or "") > longest * 4 / 3 + 4:
        raise InvalidInput(f"A chunk is at most {LONGEST_CHUNK_S:g} s of sound.", "Send shorter ones, in base64.")
    try:
        sent = base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("The chunk is not in base64.", "Send the samples as base64 text.") from None
    if len(sent) % 2:
        raise InvalidInput("The chunk ends in half a sample.", "Send 16-bit samples: two bytes each.")
    return np.frombuffer(sent, "<i2"), round(rate_hz)


def answer(heard: Answer, top_k: int) -> dict[str, Any]:
    """Turn an answer into the JSON of the endpoint."""
    newest = heard.windows[-1].scores if heard.windows else np.zeros(0, np.float32)
    return {
        "detections": [
            {"word": one.word, "score": one.score, "start_s": one.start_s, "end_s": one.end_s}
            for one in heard.detections
        ],
        "scores": [
            {"word": heard.labels[label], "score": float(newest[label])}
            for label in (-newest).argsort(kind="stable")[:top_k].tolist()
        ],
        "windows": [
            {
                "start_s": one.start_s,
                "end_s": one.end_s,
                "word": heard.labels[int(one.scores.argmax())],
                "score": float(one.scores.max()),
            }
            for one in heard.windows
        ],
        "heard_s": heard.heard_s,
        "skipped_windows": heard.skipped,
        "waiting": heard.waiting,
        "notes": list(heard.notes),
        "run": heard.run.as_dict() if heard.run else None,
    }
