"""Questions: how long one takes alone and in a batch, what a shared picture saves, and a class of 32 at once."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from bench.report import in_turns, publish, spread
from bench.server import Server
from demos import discover
from demos.vqa import DEMO
from demos.vqa.families.blip import ANSWER_TOKENS
from demos.vqa.options import AnswerOptions, QuestionRequest
from demos.vqa.pipeline import Answerer
from hub.batch import Watch
from hub.jobs import CancelToken
from hub.memo import Memo
from hub.runtime import Hub
from hub.settings import Settings
from tabletop.questions import questions
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / DEMO.examples[0]["image"]
QUESTIONS = (
    "how many solids are there?",
    "what colour is the cone?",
    "is there a cube?",
    "what shape is the red solid?",
    "is the sphere large?",
    "what is left of the cone?",
    "how many cubes are there?",
    "what size is the cylinder?",
    "is there a dog?",
    "what colour is the table?",
)
ROUNDS = 40
TEN_ROUNDS = 20
HTTP_ROUNDS = 20
CLASS_ROUNDS = 5
STUDENTS = 32
FOLDER = DEMO.models[0].folder
PLAIN_APP = f"""
import sys, gradio as gr, torch
from transformers import BlipForQuestionAnswering, BlipProcessor
processor = BlipProcessor.from_pretrained("{FOLDER}")
model = BlipForQuestionAnswering.from_pretrained("{FOLDER}", dtype=torch.float32).eval()
def answer(image, question):
    inputs = processor(images=image, text=question, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.generate(**inputs, num_beams=5, num_return_sequences=5, max_new_tokens={ANSWER_TOKENS})
    return processor.batch_decode(tokens, skip_special_tokens=True)
inputs = [gr.Image(type="pil"), gr.Textbox()]
gr.Interface(answer, inputs, gr.JSON(), api_name="answer").launch(server_port=int(sys.argv[1]), quiet=True)
"""


def requests_about(picture: Image.Image) -> list[QuestionRequest]:
    """Return ten questions about one picture."""
    return [QuestionRequest(picture, AnswerOptions(question=question)) for question in QUESTIONS]


def timed(answerer: Answerer, batches: list[list[QuestionRequest]], *, forget: bool) -> float:
    """Return the seconds for `batches` one after the other.

    Args:
        answerer: the pipeline.
        batches: what each of its calls gets.
        forget: whether each batch finds the memory of pictures empty, as in a run of its own.
    """
    spent = 0.0
    for batch in batches:
        if forget:
            answerer.family.memo = Memo(answerer.family.memo.max_bytes)  # type: ignore[attr-defined]
        started = time.perf_counter()
        answerer(batch, Watch())
        spent += time.perf_counter() - started
    return spent


def in_process() -> list[tuple[str, str]]:
    """Time the pipeline bare and through the hub, alone, in a batch of 32, and ten questions about one picture."""
    hub = Hub(Settings(models="embedded"))
    card = DEMO.models[0]
    ten = requests_about(Image.open(PICTURE).convert("RGB"))
    one, singly = ten[:1], [[request] for request in ten]
    hub.run("bench", DEMO, card, one[0])
    with hub.lease(DEMO, card, CancelToken(), lambda text, fraction: None) as lease:
        answerer: Answerer = lease.value

        def through_hub() -> float:
            answerer.family.memo = Memo(answerer.family.memo.max_bytes)  # type: ignore[attr-defined]
            started = time.perf_counter()
            hub.run("bench", DEMO, card, one[0])
            return time.perf_counter() - started

        def bare() -> float:
            return timed(answerer, [one], forget=True)

        class_batch = class_of_pictures()
        in_turns(through_hub, bare, 5)
        ours, theirs = in_turns(through_hub, bare, ROUNDS)
        full, again = in_turns(
            lambda: timed(answerer, [class_batch], forget=True),
            lambda: timed(answerer, [one], forget=False),
            TEN_ROUNDS,
        )
        together, separate = in_turns(
            lambda: timed(answerer, [ten], forget=True), lambda: timed(answerer, singly, forget=True), TEN_ROUNDS
        )
        _, remembered = in_turns(bare, lambda: timed(answerer, singly, forget=False), TEN_ROUNDS)
        trial = [QuestionRequest(one[0].image, AnswerOptions(question=QUESTIONS[1], look="occlusion"))]
        _, occluded = in_turns(bare, lambda: timed(answerer, [trial], forget=True), CLASS_ROUNDS)
    extra_ms = (statistics.median(ours) - statistics.median(theirs)) * 1000
    return [
        ("one question, bare pipeline (target: about 1 s)", spread(theirs, "ms", 1000)),
        ("one question, through the hub", spread(ours, "ms", 1000)),
        ("the hub's cost", f"{extra_ms:.1f} ms, {extra_ms / 10 / statistics.median(theirs):.1f} %"),
        ("one more question about the same picture", spread(again, "ms", 1000)),
        (f"{STUDENTS} questions about {STUDENTS} pictures in one batch", spread(full, "ms", 1000)),
        ("... each", spread([value / STUDENTS for value in full], "ms", 1000)),
        ("ten questions about one picture, ten separate runs", spread(separate, "ms", 1000)),
        ("... one after the other, the picture remembered", spread(remembered, "ms", 1000)),
        ("... at once", spread(together, "ms", 1000)),
        (
            "at once, share of ten separate runs (target: at most a third)",
            f"{statistics.median(a / b for a, b in zip(together, separate, strict=True)):.2f}",
        ),
        ("one question with the occlusion map", spread(occluded, "ms", 1000)),
    ]


def class_of_pictures() -> list[QuestionRequest]:
    """Return a question about each of 32 scenes."""
    found = []
    for seed in TEST_SEEDS[:STUDENTS]:
        scene = sample_scene(seed)
        asked = questions(scene, np.random.default_rng(seed))[seed % 5]
        found.append(QuestionRequest(Image.fromarray(render(scene, 256).rgb), AnswerOptions(question=asked.text)))
    return found


def over_http() -> list[tuple[str, str]]:
    """Ask as one client, then as a class of 32, here and on a plain Gradio app with the same model, in turns."""
    inputs = [{"question": question} for question in QUESTIONS]
    with tempfile.TemporaryDirectory() as temp:
        app = [sys.executable, "app.py", "--models", "embedded", "--temp-dir", temp, "--port"]
        ours = Server(app, DEMO.endpoint, PICTURE, inputs)
        theirs = Server([sys.executable, "-c", PLAIN_APP], DEMO.endpoint, PICTURE, inputs)
        try:
            ours.class_of(2)
            theirs.class_of(2)
            our_one, their_one = in_turns(lambda: ours.class_of(1), lambda: theirs.class_of(1), HTTP_ROUNDS)
            here, there = in_turns(lambda: ours.class_of(STUDENTS), lambda: theirs.class_of(STUDENTS), CLASS_ROUNDS)
            ratio = statistics.median(b / a for a, b in zip(here, there, strict=True))
            return [
                ("one question over HTTP, one client, plain Gradio app", spread(their_one, "ms", 1000)),
                ("one question over HTTP, one client, Lectern", spread(our_one, "ms", 1000)),
                (f"{STUDENTS} questions at once, plain Gradio app", spread(there)),
                (f"{STUDENTS} questions at once, Lectern", spread(here)),
                ("throughput, times the plain app's (target: at least 3)", f"{ratio:.2f}"),
                ("peak memory, plain app", f"{theirs.peak_mb():.0f} MB"),
                ("peak memory, Lectern", f"{ours.peak_mb():.0f} MB"),
            ]
        finally:
            ours.close()
            theirs.close()


def main() -> None:
    """Run both comparisons."""
    discover()
    publish(
        "vqa",
        "Questions: alone, in a batch, and a class at once",
        [*over_http(), *in_process()],
        f"Median and range; {ROUNDS} runs in the process ({TEN_ROUNDS} for batches), {HTTP_ROUNDS} over HTTP and "
        f"{CLASS_ROUNDS} classes of each kind, in turns. Five ranked answers by beam search. Over HTTP: from the "
        "request, the picture being uploaded already, to the answer; the class asks ten different questions about one "
        "picture. Lectern's endpoint also returns probabilities and what mattered; the plain app returns texts only. "
        "A separate run encodes its picture anew. Scores by type and calibration: bench/results/vqa.md.",
        file="vqa-bench",
    )


if __name__ == "__main__":
    main()
