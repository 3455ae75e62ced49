"""Diffusion: one picture alone, eight students at once, the first preview after a click, and what three tabs hold."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gradio_client import Client, handle_file
from playwright.sync_api import sync_playwright

from bench.report import in_turns, publish, spread
from bench.server import ROOT, Server
from demos import discover
from demos.text_to_image import DEMO
from demos.text_to_image.options import TextToImageOptions, TextToImageRequest
from hub.batch import Watch
from hub.jobs import CancelToken
from hub.runtime import Hub
from hub.settings import Settings
from tests.e2e.chromium import DESKTOP, FLAGS, find_chromium, open_tab

ALONE_ROUNDS = 15
CLASS_ROUNDS = 5
CLICKS = 10
PROMPTS = (
    "a red cube",
    "a large blue sphere on a sand table",
    "a small green cylinder",
    "a yellow cone on a mint table",
    "a purple torus",
    "a red cube and a blue sphere",
    "a green torus to the left of a pink cone",
    "a cyan cylinder behind a yellow cube",
)
TABS = ("text_to_image", "inpainting", "controlnet")
PLAIN_APP = f"""
import sys, gradio as gr, torch
from diffusers import StableDiffusionPipeline
pipeline = StableDiffusionPipeline.from_pretrained("{DEMO.models[0].folder}", dtype=torch.float32)
pipeline.set_progress_bar_config(disable=True)
def draw(prompt):
    generator = torch.Generator().manual_seed(0)
    return pipeline(prompt, num_inference_steps=20, guidance_scale=3.0, generator=generator).images[0]
picture = gr.Image(format="png")
gr.Interface(draw, "text", picture, api_name="text_to_image").launch(server_port=int(sys.argv[1]), quiet=True)
"""
# The seconds from a click on Run until a preview is in the page.
FIRST_PREVIEW = """([run, results]) => new Promise(resolve => {
  const place = document.querySelector(results);
  const observer = new MutationObserver(() => {
    if (!place.querySelector(".drawn-preview img")) return;
    observer.disconnect();
    resolve((performance.now() - start) / 1000);
  });
  observer.observe(place, { childList: true, subtree: true });
  const start = performance.now();
  document.querySelector(run).click();
})"""


@contextmanager
def lectern(inputs: Sequence[dict[str, Any]] = ({},)) -> Iterator[Server]:
    """Start the app with its embedded models, and end it."""
    with tempfile.TemporaryDirectory() as temp:
        command = [sys.executable, "app.py", "--models", "embedded", "--temp-dir", temp, "--port"]
        server = Server(command, DEMO.endpoint, None, inputs)
        try:
            yield server
        finally:
            server.close()


def alone() -> list[tuple[str, str]]:
    """Time one picture through the hub, through the tab's pipeline, and with diffusers' own, in turns."""
    import torch
    from diffusers import StableDiffusionPipeline

    hub, card = Hub(Settings(models="embedded")), DEMO.models[0]
    request = TextToImageRequest(TextToImageOptions(prompt=PROMPTS[0]))
    hub.run("bench", DEMO, card, request)
    plain = StableDiffusionPipeline.from_pretrained(card.folder, dtype=torch.float32)
    plain.set_progress_bar_config(disable=True)

    def through_hub() -> float:
        started = time.perf_counter()
        hub.run("bench", DEMO, card, request)
        return time.perf_counter() - started

    def with_diffusers() -> float:
        started = time.perf_counter()
        generator = torch.Generator().manual_seed(0)
        plain(PROMPTS[0], num_inference_steps=20, guidance_scale=3.0, generator=generator)
        return time.perf_counter() - started

    with hub.lease(DEMO, card, CancelToken(), lambda text, fraction: None) as lease:

        def bare() -> float:
            started = time.perf_counter()
            lease.value([request], Watch())
            return time.perf_counter() - started

        in_turns(through_hub, with_diffusers, 2)
        ours, theirs = in_turns(through_hub, with_diffusers, ALONE_ROUNDS)
        again, ours_bare = in_turns(through_hub, bare, ALONE_ROUNDS)
    extra = statistics.median(a / b for a, b in zip(ours, theirs, strict=True)) - 1
    hub_ms = 1000 * (statistics.median(again) - statistics.median(ours_bare))
    return [
        ("one picture of 20 steps, diffusers alone", spread(theirs)),
        ("one picture through the hub, with previews, film and word maps (target: at most 2 s)", spread(ours)),
        ("what previews, film, word maps and the hub cost", f"{100 * extra:.0f} %"),
        ("what the hub alone costs", f"{hub_ms:.1f} ms"),
    ]


def at_once() -> list[tuple[str, str]]:
    """Let eight students ask at once and one after another, here and on a plain Gradio app, in turns."""
    inputs = [{"prompt": prompt} for prompt in PROMPTS]
    students = len(inputs)
    with lectern(inputs) as ours:
        plain = Server([sys.executable, "-c", PLAIN_APP], DEMO.endpoint, None, inputs)
        try:
            ours.class_of(2)
            plain.class_of(2)
            together, one_by_one = in_turns(
                lambda: ours.class_of(students), lambda: ours.in_a_row(students), CLASS_ROUNDS
            )
            _, theirs = in_turns(lambda: ours.class_of(1), lambda: plain.class_of(students), CLASS_ROUNDS)
        finally:
            plain.close()
    gain = statistics.median(b / a for a, b in zip(together, one_by_one, strict=True))
    against = statistics.median(theirs) / statistics.median(together)
    return [
        (f"{students} students one after another", spread(one_by_one)),
        (f"{students} students at once, different prompts", spread(together)),
        ("throughput at once, times one after another (target: at least 2)", f"{gain:.2f}"),
        (f"{students} students at once, plain Gradio app", spread(theirs)),
        ("throughput, times the plain app's", f"{against:.2f}"),
    ]


def first_preview() -> list[tuple[str, str]]:
    """Click Run in Chromium, on the same machine, and wait for the first preview."""
    with lectern() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(viewport=DESKTOP)
        page.goto(f"http://127.0.0.1:{server.port}")
        open_tab(page, DEMO.title)
        page.get_by_label("Prompt", exact=True).fill(PROMPTS[0])
        seconds = []
        for _ in range(CLICKS + 1):
            selectors = [f"#{DEMO.slug}-run", f"#{DEMO.slug}-views"]
            seconds.append(float(page.evaluate(FIRST_PREVIEW, selectors)))
            page.locator(f"#{DEMO.slug}-views .drawn-stage").first.wait_for()
        browser.close()
    return [("click to first preview in Chromium, warm (target: at most 0.5 s)", spread(seconds[1:]))]


def memory() -> list[tuple[str, str]]:
    """Measure a server after text-to-image alone, and another after all three tabs were used."""
    held = {}
    demos = {demo.slug: demo for demo in discover()[0]}
    for tabs in (TABS[:1], TABS):
        with lectern() as server:
            client = Client(f"http://127.0.0.1:{server.port}", verbose=False)
            for slug in tabs:
                sent = {name: _sent(value) for name, value in demos[slug].examples[0].items()}
                client.predict(**sent, api_name=f"/{demos[slug].endpoint}")
            held[tabs] = server.memory_mb()
    nets = sorted((ROOT / "assets/models").glob("tabletop-controlnet-*/*.safetensors"))
    nets_mb = sum(2 * net.stat().st_size for net in nets) / 1e6  # files hold halves, memory floats
    alone_mb, three_mb = held[TABS[:1]], held[TABS]
    return [
        ("memory of the server, text-to-image alone", f"{alone_mb:.0f} MB"),
        ("memory of the server, all three tabs", f"{three_mb:.0f} MB"),
        ("weights of the ControlNets", f"{nets_mb:.0f} MB"),
        (
            "three tabs without those weights, times text-to-image alone (target: at most 1.15)",
            f"{(three_mb - nets_mb) / alone_mb:.2f}",
        ),
    ]


def _sent(value: Any) -> Any:
    """Return an example's input as the client sends it: files of the examples are uploaded."""
    is_file = isinstance(value, str) and value.startswith("assets/")
    return handle_file(str(ROOT / value)) if is_file else value


def main() -> None:
    """Run all of it."""
    discover()
    publish(
        "diffusion",
        "Diffusion: alone, a class at once, the first preview, memory",
        [*alone(), *at_once(), *first_preview(), *memory()],
        f"Median and range; {ALONE_ROUNDS} pictures alone, {CLASS_ROUNDS} classes of each kind, {CLICKS} clicks, in "
        "turns. 128 x 128 pixels, 20 steps of DDIM, guidance 3. Over HTTP from the request to the answer; the browser "
        "shares the two cores with the server. Memory is what the process holds after the first example of each tab. "
        "Scores of the pictures: bench/results/diffusion.md.",
        file="diffusion-bench",
    )


if __name__ == "__main__":
    main()
