"""Keyword spotting: time per second of sound, a class of 32 at once, and the live microphone's latency."""

from __future__ import annotations

import asyncio
import base64
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soxr

from bench.report import in_turns, publish, spread
from bench.server import Server
from demos import discover
from demos.keyword_spotting import DEMO
from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.pipeline import SpottingPipeline
from hub.batch import Watch
from hub.jobs import CancelToken
from hub.runtime import Hub
from hub.settings import Settings
from hub.sounds import RATE_HZ, Samples, Sound, sound

ROOT = Path(__file__).resolve().parent.parent
SOUNDS = ROOT / "assets" / "examples" / DEMO.slug
WORD = SOUNDS / "seven.wav"  # shorter than a window
NUMBER = sound(SOUNDS / "number.flac").samples  # eight digits, one after the other
FILE_S = 30  # of sound that is scanned

ROUNDS = 40
FILE_ROUNDS = 5
HTTP_ROUNDS = 20
CLASS_ROUNDS = 5
STUDENTS = 32
LIVE_S = 30.0  # how long students speak into their microphones
CHUNK_S = 0.1  # how often the page sends what was recorded meanwhile, as soon as the last piece is answered
MICROPHONE_HZ = 48_000

FOLDER = DEMO.models[0].folder
PLAIN_APP = f"""
import sys, gradio as gr, soundfile, soxr
from transformers import pipeline
spot = pipeline("audio-classification", "{FOLDER}", device="cpu")
def spot_keyword(audio):
    samples, rate = soundfile.read(audio, dtype="float32")
    return spot(soxr.resample(samples, rate, {RATE_HZ}), top_k=5)
app = gr.Interface(spot_keyword, gr.Audio(type="filepath"), gr.JSON(), api_name="spot_keyword")
app.launch(server_port=int(sys.argv[1]), quiet=True)
"""


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def class_of_words() -> list[SpottingRequest]:
    """Return 32 words of a window's length, each a little different."""
    word = sound(WORD).samples
    louder = np.linspace(0.5, 1.0, STUDENTS, dtype=np.float32)
    return [SpottingRequest(Sound(word * gain), SpottingOptions()) for gain in louder]


def pipeline_alone() -> list[tuple[str, str]]:
    """Time one word and a file in the pipeline, bare and through the hub, and a class in one batch."""
    hub = Hub(Settings(models="embedded"))
    card, words = DEMO.models[0], class_of_words()
    file = SpottingRequest(Sound(np.resize(NUMBER, FILE_S * RATE_HZ)), SpottingOptions())
    hub.run("bench", DEMO, card, words[0])
    with hub.lease(DEMO, card, CancelToken(), lambda text, fraction: None) as lease:
        pipeline: SpottingPipeline = lease.value

        def through_hub() -> float:
            return seconds_of(lambda: hub.run("bench", DEMO, card, words[0]))

        def bare(requests: Sequence[SpottingRequest]) -> float:
            return seconds_of(lambda: pipeline(requests, Watch()))

        in_turns(through_hub, lambda: bare(words[:1]), 5)
        hubs, alone = in_turns(through_hub, lambda: bare(words[:1]), ROUNDS)
        together, singly = in_turns(lambda: bare(words), lambda: sum(bare([word]) for word in words), CLASS_ROUNDS)
        scanned = [bare([file]) / FILE_S for _ in range(FILE_ROUNDS)]
    extra_ms = (statistics.median(hubs) - statistics.median(alone)) * 1000
    gain = statistics.median(b / a for a, b in zip(together, singly, strict=True))
    return [
        (f"one word, a window of {pipeline.window_s:g} s, bare pipeline (target: at most 100 ms)", ms(alone)),
        ("one word, through the hub", ms(hubs)),
        ("the hub's cost", f"{extra_ms:.1f} ms, {extra_ms / 10 / statistics.median(alone):.1f} %"),
        (f"a second of a file of {FILE_S} s, a window every {file.options.hop_s:g} s", ms(scanned)),
        (f"{STUDENTS} words in one batch", ms(together)),
        (f"{STUDENTS} words one after the other", ms(singly)),
        ("one after the other, times the batch", f"{gain:.2f}"),
    ]


def class_at_once() -> list[tuple[str, str]]:
    """Let 32 students ask the hub at once: micro-batched, and one after the other, in turns."""
    batched, single = (Hub(Settings(models="embedded", batch_limit=limit)) for limit in (STUDENTS, 1))
    words = class_of_words()

    def lesson(hub: Hub) -> float:
        def ask(student: int) -> None:
            hub.run(f"student {student}", DEMO, DEMO.models[0], words[student])

        with ThreadPoolExecutor(STUDENTS) as students:
            return seconds_of(lambda: list(students.map(ask, range(STUDENTS))))

    in_turns(lambda: lesson(batched), lambda: lesson(single), 1)
    here, there = in_turns(lambda: lesson(batched), lambda: lesson(single), CLASS_ROUNDS)
    gain = statistics.median(b / a for a, b in zip(here, there, strict=True))
    return [
        (f"{STUDENTS} students at once in the hub, micro-batched", ms(here)),
        (f"{STUDENTS} students at once in the hub, one after the other", ms(there)),
        ("throughput, times that of one after the other", f"{gain:.2f}"),
    ]


def over_http() -> list[tuple[str, str]]:
    """Ask as one client, then as a class of 32, here and on a plain Gradio app with the same model, in turns."""
    with tempfile.TemporaryDirectory() as temp:
        ours = lectern(temp)
        theirs = Server([sys.executable, "-c", PLAIN_APP], DEMO.endpoint, WORD, name="audio")
        try:
            ours.class_of(2)
            theirs.class_of(2)
            our_one, their_one = in_turns(lambda: ours.class_of(1), lambda: theirs.class_of(1), HTTP_ROUNDS)
            here, there = in_turns(lambda: ours.class_of(STUDENTS), lambda: theirs.class_of(STUDENTS), CLASS_ROUNDS)
            ratio = statistics.median(b / a for a, b in zip(here, there, strict=True))
            return [
                ("one word over HTTP, one client, plain Gradio app", ms(their_one)),
                ("one word over HTTP, one client, Lectern", ms(our_one)),
                (f"{STUDENTS} words at once, plain Gradio app", spread(there)),
                (f"{STUDENTS} words at once, Lectern", spread(here)),
                ("throughput, times the plain app's", f"{ratio:.2f}"),
                ("peak memory, plain app", f"{theirs.peak_mb():.0f} MB"),
                ("peak memory, Lectern", f"{ours.peak_mb():.0f} MB"),
            ]
        finally:
            ours.close()
            theirs.close()


def lectern(temp: str) -> Server:
    """Start Lectern; what mattered in the sound is not asked for, as the plain app does not tell it either."""
    command = [sys.executable, "app.py", "--models", "embedded", "--no-warm", "--temp-dir", temp, "--port"]
    return Server(command, DEMO.endpoint, WORD, [{"explain": False}], "audio")


@dataclass
class Heard:
    """What all students at their microphones saw.

    Attributes:
        answers_s: from sending a piece to its answer.
        chunk_to_detection_s: the same, of pieces whose answer tells of a word.
        word_to_detection_s: from the end of a word, as it was spoken, to the answer that tells of it; below 0 where
            the word was known before it was over.
        windows, skipped_windows: that were heard, and that were left out to keep up.
        words_spoken: by all of them.
    """

    answers_s: list[float] = field(default_factory=list)
    chunk_to_detection_s: list[float] = field(default_factory=list)
    word_to_detection_s: list[float] = field(default_factory=list)
    windows: int = 0
    skipped_windows: int = 0
    words_spoken: int = 0


def live() -> list[tuple[str, str]]:
    """Let one student, and then 32, speak digits into live mode over HTTP, in real time."""
    with tempfile.TemporaryDirectory() as temp:
        server = lectern(temp)
        try:
            server.class_of(1)  # loads the model
            before_mb = server.peak_mb()
            one = asyncio.run(lesson(server.port, 1))
            many = asyncio.run(lesson(server.port, STUDENTS))
            return [
                *rows_of(one, "one student live"),
                *rows_of(many, f"{STUDENTS} students live at once"),
                (
                    f"peak memory, Lectern, before and after {STUDENTS} live",
                    f"{before_mb:.0f}, {server.peak_mb():.0f} MB",
                ),
            ]
        finally:
            server.close()


def rows_of(heard: Heard, who: str) -> list[tuple[str, str]]:
    """Put what students saw into rows."""
    detections = heard.word_to_detection_s
    return [
        (f"{who}: from sending a piece of sound to its answer", ms(heard.answers_s)),
        (f"{who}: from the piece that completes a word to its detection", ms(heard.chunk_to_detection_s)),
        (f"{who}: from the end of the spoken word to its detection (target: at most 0.5 s)", ms(detections)),
        (f"{who}: 95 of 100 detections within", f"{1000 * np.quantile(detections, 0.95):.0f} ms"),
        (f"{who}: words detected", f"{len(detections)} of {heard.words_spoken}"),
        (f"{who}: windows skipped to keep up", f"{heard.skipped_windows} of {heard.skipped_windows + heard.windows}"),
    ]


async def lesson(port: int, students: int) -> Heard:
    """Let students speak for `LIVE_S`, each beginning at another place of the digits."""
    heard = Heard()
    limits = httpx.Limits(max_connections=2 * students)
    async with httpx.AsyncClient(timeout=300, limits=limits, base_url=f"http://127.0.0.1:{port}/gradio_api") as client:
        described = (await client.get("/info")).json()["named_endpoints"]["/spot_keyword_stream"]
        inputs = {one["parameter_name"]: one["parameter_default"] for one in described["parameters"]}
        await asyncio.gather(*(speak(client, inputs, student, students, heard) for student in range(students)))
    return heard


async def speak(client: httpx.AsyncClient, inputs: dict[str, Any], student: int, students: int, heard: Heard) -> None:
    """Send one student's microphone in real time, as the page does, and note what comes back."""
    speech = np.roll(NUMBER, -round(len(NUMBER) * student / students))
    speech = np.resize(speech, round(LIVE_S * RATE_HZ))
    ends_s = word_ends_s(speech)
    recorded = (soxr.resample(speech, RATE_HZ, MICROPHONE_HZ) * 32767).astype("<i2")
    await asyncio.sleep(CHUNK_S * student / students)  # nobody presses the button at the same instant
    began_s = time.perf_counter()
    sent, action, told = 0, "restart", set[int]()
    while sent < len(recorded):
        await asyncio.sleep(max(0.0, began_s + sent / MICROPHONE_HZ + CHUNK_S - time.perf_counter()))
        until = min(len(recorded), round((time.perf_counter() - began_s) * MICROPHONE_HZ))
        chunk, sent = base64.b64encode(recorded[sent:until].tobytes()).decode(), until
        piece = inputs | {"chunk": chunk, "rate_hz": MICROPHONE_HZ, "action": action}
        asked_s = time.perf_counter()
        reply = await client.post(
            "/run/spot_keyword_stream", json={"data": list(piece.values()), "session_hash": f"student {student}"}
        )
        answered_s = time.perf_counter()
        answer = reply.raise_for_status().json()["data"][0]
        action = "continue"
        heard.answers_s.append(answered_s - asked_s)
        heard.windows += len(answer["windows"])
        heard.skipped_windows += answer["skipped_windows"]
        for detection in answer["detections"]:
            heard.chunk_to_detection_s.append(answered_s - asked_s)
            word = int(np.abs(ends_s - detection["end_s"]).argmin())
            if word not in told:
                told.add(word)
                heard.word_to_detection_s.append(answered_s - began_s - float(ends_s[word]))
    heard.words_spoken += len(ends_s)


def word_ends_s(speech: Samples, pause_s: float = 0.25, frame_s: float = 0.02) -> np.ndarray:
    """Return (words,) when each ends: where a frame above a tenth of the loudest is followed by a pause."""
    frame = round(frame_s * RATE_HZ)
    level = np.sqrt(np.square(speech[: len(speech) // frame * frame].reshape(-1, frame)).mean(axis=1))
    spoken = np.flatnonzero(level > 0.1 * level.max())
    return (spoken[np.append(np.diff(spoken) * frame_s > pause_s, True)] + 1) * frame_s


def ms(values: Sequence[float]) -> str:
    """Format median and range in milliseconds."""
    return spread(values, "ms", 1000)


def main() -> None:
    """Run all comparisons."""
    discover()
    publish(
        "keywords",
        "Keyword spotting: a second of sound, a class at once, and the live microphone",
        [*pipeline_alone(), *class_at_once(), *over_http(), *live()],
        f"Median and range; {ROUNDS} runs in the process ({FILE_ROUNDS} of the file), {HTTP_ROUNDS} over HTTP and "
        f"{CLASS_ROUNDS} classes of each kind, in turns. Over HTTP: from the request, the sound being uploaded "
        f"already, to the answer. Live: {LIVE_S:g} s of spoken digits at {MICROPHONE_HZ / 1000:g} kHz in real time, a "
        f"piece every {CHUNK_S:g} s or when the last is answered, default options; the class begins at different "
        "places of the digits. The clients run on the same machine. Accuracy: bench/results/keywords.md.",
        file="keywords-bench",
    )


if __name__ == "__main__":
    main()
