"""Captioning: how long one caption takes, what the hub adds to it, and what batching wins with a class of 32."""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from bench.report import in_turns, publish, spread
from bench.server import Server
from demos import discover
from demos.captioning import DEMO
from demos.captioning.options import CaptionOptions, CaptionRequest
from hub.batch import Watch
from hub.jobs import CancelToken
from hub.runtime import Hub
from hub.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / DEMO.examples[0]["image"]
ALONE_ROUNDS = 40
HTTP_ROUNDS = 20
CLASS_ROUNDS = 5
STUDENTS = 32
PLAIN_APP = f"""
import sys, gradio as gr, torch
from transformers import BlipForConditionalGeneration, BlipProcessor
processor = BlipProcessor.from_pretrained("{DEMO.models[0].folder}")
model = BlipForConditionalGeneration.from_pretrained("{DEMO.models[0].folder}", dtype=torch.float32).eval()
def caption(image):
    inputs = processor(images=image, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.generate(**inputs, max_new_tokens=40)
    return processor.decode(tokens[0], skip_special_tokens=True)
gr.Interface(caption, gr.Image(type="pil"), "text", api_name="caption").launch(server_port=int(sys.argv[1]), quiet=True)
"""


def overhead() -> list[tuple[str, str]]:
    """Time one request through the hub and through the bare pipeline, in turns."""
    hub = Hub(Settings(models="embedded"))
    card = DEMO.models[0]
    request = CaptionRequest(Image.open(PICTURE).convert("RGB"), CaptionOptions())
    hub.run("bench", DEMO, card, request)
    with hub.lease(DEMO, card, CancelToken(), lambda text, fraction: None) as lease:
        pipeline = lease.value

        def through_hub() -> float:
            started = time.perf_counter()
            hub.run("bench", DEMO, card, request)
            return time.perf_counter() - started

        def bare() -> float:
            started = time.perf_counter()
            pipeline([request], Watch())
            return time.perf_counter() - started

        in_turns(through_hub, bare, 5)
        ours, theirs = in_turns(through_hub, bare, ALONE_ROUNDS)
    extra_ms = (statistics.median(ours) - statistics.median(theirs)) * 1000
    return [
        ("one caption, bare pipeline", spread(theirs, "ms", 1000)),
        ("one caption, through the hub (target: at most 0.5 s)", spread(ours, "ms", 1000)),
        (
            "the hub's cost (target: at most 10 % or 15 ms)",
            f"{extra_ms:.1f} ms, {extra_ms / 10 / statistics.median(theirs):.1f} %",
        ),
    ]


def over_http() -> list[tuple[str, str]]:
    """Caption for one client, then for a class of 32, here and on a plain Gradio app with the same model, in turns."""
    with tempfile.TemporaryDirectory() as temp:
        app = [sys.executable, "app.py", "--models", "embedded", "--temp-dir", temp, "--port"]
        ours = Server(app, DEMO.endpoint, PICTURE)
        theirs = Server([sys.executable, "-c", PLAIN_APP], DEMO.endpoint, PICTURE)
        try:
            ours.class_of(2)
            theirs.class_of(2)
            our_one, their_one = in_turns(lambda: ours.class_of(1), lambda: theirs.class_of(1), HTTP_ROUNDS)
            here, there = in_turns(lambda: ours.class_of(STUDENTS), lambda: theirs.class_of(STUDENTS), CLASS_ROUNDS)
            ratio = statistics.median(b / a for a, b in zip(here, there, strict=True))
            return [
                ("one caption over HTTP, one client, plain Gradio app", spread(their_one, "ms", 1000)),
                (
                    "one caption over HTTP, one client, Lectern (target: at most 0.5 s)",
                    spread(our_one, "ms", 1000),
                ),
                (f"{STUDENTS} captions at once, plain Gradio app", spread(there)),
                (f"{STUDENTS} captions at once, Lectern", spread(here)),
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
    rows = [*over_http(), *overhead()]
    rows.append(
        (
            "peak memory of the hub with captioning alone",
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB",
        )
    )
    publish(
        "captioning",
        "Captioning: the hub's cost and a class at once",
        rows,
        f"Median and range; {ALONE_ROUNDS} runs in the process, {HTTP_ROUNDS} over HTTP and {CLASS_ROUNDS} classes of "
        "each kind, in turns. Over HTTP: from the request, the picture being uploaded already, to the answer. "
        "Greedy decoding. Lectern's endpoint also returns per-word probabilities; the plain app returns text only.",
    )


if __name__ == "__main__":
    main()
