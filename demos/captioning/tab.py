"""The captioning tab: a picture in, words out, each word with how sure the model was and where it looked."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from demos.captioning import DEMO
from demos.captioning.options import CaptionOptions, CaptionRequest
from demos.captioning.pipeline import Caption, Captions, Word
from hub import guard, inputs, ui
from hub.draw import notes_html
from hub.options import checked, specs
from hub.pictures import data_uri, shrunk, spotlight
from hub.runtime import Hub, Outcome
from tabletop.pictures import marked, new_seed, scene_picture, scene_seed

SHOWN_PX = 560  # the picture under the attention maps
STAMPED_PX = 1024  # the picture to download
SURE = 0.9  # words below are listed as hesitations
MOST_HESITATIONS = 6


def build(hub: Hub) -> None:
    """Lay out the tab and connect it."""

    def request(image: str | None, **options: Any) -> CaptionRequest:
        picture = guard.picture(image, hub.limits)
        return CaptionRequest(picture.image, checked(CaptionOptions, options), picture.notes, scene_seed(picture.text))

    with ui.tab(hub, DEMO) as tab:
        with tab.inputs():
            picture = inputs.picture_input(height=260, elem_id="captioning-picture")
            new_scene = gr.Button("New scene", size="sm", elem_id="captioning-new-scene")
        with tab.choices():
            tab.examples({"image": picture}, "Examples: click one to caption it")
            prompt = inputs.controls(CaptionOptions, names=["prompt"])
        with tab.options("Decoding options"):
            decoding = inputs.controls(
                CaptionOptions, names=[name for name in specs(CaptionOptions) if name != "prompt"]
            )
        tab.results(panel)
        tab.connect(
            {"image": picture, **prompt, **decoding},
            request=request,
            draw=draw,
            answer=answer,
            draw_step=draw_step,
            also_run_on=[prompt["prompt"].submit],  # type: ignore[attr-defined]
        )
        tab.forget_result_on(picture.change, by_user=[picture.clear, picture.upload, picture.input, new_scene.click])
        new_scene.click(
            lambda: scene_picture(new_seed()), None, picture, api_visibility="private", show_progress="minimal"
        )


def render_scene() -> Image.Image:
    """Draw a scene nobody has seen."""
    return scene_picture(new_seed())


def panel() -> Sequence[Any]:
    """Draw one result: the caption with its attention maps, the truth where it is known, and the candidates."""
    words = gr.HTML(elem_classes="captioning-words")
    truth = gr.HTML()
    with gr.Accordion("Explain", open=False):
        details = gr.HTML()
        stamped = gr.Image(label="picture.png", format="png", height=160, buttons=["download"], interactive=False)
        gr.HTML(f"The input of this run (at most {STAMPED_PX} pixels), with the record of the run inside.")
    return words, truth, details, stamped


def draw(outcome: Outcome, request: CaptionRequest) -> tuple[str, str, str, Image.Image]:
    """Turn an outcome into the values of the panel."""
    captions: Captions = outcome.result
    limits = DEMO.card_of(outcome.run.source).limits
    return (
        words_html(captions.candidates[0], shrunk(request.image, SHOWN_PX), outcome.run.id)
        + candidates_html(captions)
        + notes_html((*request.notes, *captions.notes), limits),
        truth_html(captions.candidates[0].text, request.scene_seed),
        details_html(captions),
        stamped_picture(outcome, request),
    )


def stamped_picture(outcome: Outcome, request: CaptionRequest) -> Image.Image:
    """Return the input with the record of the run, and the seed of a New scene, which still reveals its truth."""
    stamped = outcome.run.stamped(shrunk(request.image, STAMPED_PX))
    if request.scene_seed is None:
        return stamped
    return marked(stamped, request.scene_seed)


def draw_step(text: str) -> str:
    """Show the words so far."""
    return f'<div class="lectern-status">{escape(text)} …</div>'


def answer(outcome: Outcome, request: CaptionRequest) -> dict[str, Any]:
    """Turn an outcome into the JSON answer of the endpoint."""
    captions: Captions = outcome.result
    return {
        "caption": captions.candidates[0].text,
        "candidates": [
            {
                "caption": candidate.text,
                "log_probability": candidate.log_probability,
                "words": [
                    {
                        "word": word.text,
                        "probability": None if word.given else word.probability,
                        "instead": {other.text: other.probability for other in word.alternatives},
                    }
                    for word in candidate.words
                ],
            }
            for candidate in captions.candidates
        ],
        "notes": [*request.notes, *captions.notes],
    }


def words_html(caption: Caption, image: Image.Image, group: str) -> str:
    """Draw the caption's words, coloured by probability; choosing one shows where the model looked for it."""
    words: list[str] = []
    overlays: list[str] = []
    for number, word in enumerate(caption.words):
        percent = "prompt" if word.given else f"{word.probability:.0%}"
        style = "" if word.given else f' style="--p:{word.probability:.3f}"'
        words.append(
            f'<input type="radio" name="{group}" id="{group}-{number}">'
            f'<label for="{group}-{number}" title="{escape(instead(word))}"{style}>'
            f"{escape(word.text)}<small>{percent}</small></label>"
        )
        overlays.append(
            "<img alt='' />" if word.attention is None else f'<img alt="" src="{spotlight(word.attention)}" />'
        )
    stage = f'<img src="{data_uri(image, "JPEG")}" alt="the picture that was captioned" />' + "".join(overlays)
    return (
        f'<div class="captioning" role="group" aria-label="{escape(caption.text)}">'
        f'{"".join(words)}<p class="captioning-hint">Click a word to see where the model looked for it.</p>'
        f'<div class="captioning-stage">{stage}</div></div>'
    )


def instead(word: Word) -> str:
    """List what else might have stood in a word's place."""
    listed = ", ".join(f"{other.text} {other.probability:.1%}" for other in word.alternatives)
    return f"instead: {listed}" if listed else "given by the prompt"


def hesitations_html(caption: Caption) -> str:
    """List the words the model was least sure of, each with what it might have said instead."""
    unsure = [word for word in caption.words if not word.given and word.probability < SURE]
    if not unsure:
        return f"<p>It was at least {SURE:.0%} sure of every word.</p>"
    unsure.sort(key=lambda word: word.probability)
    rows = "".join(
        f"<tr><td>{escape(word.text)}</td><td>{word.probability:.0%}</td><td>{escape(instead(word))}</td></tr>"
        for word in unsure[:MOST_HESITATIONS]
    )
    return f'<table class="lectern-card"><tr><th>Where it hesitated</th><th></th><th></th></tr>{rows}</table>'


def truth_html(text: str, seed: int | None) -> str:
    """Reveal the true caption of a New scene, and what the model got right."""
    if seed is None:
        return ""
    from tabletop.captions import caption, check, parse
    from tabletop.sampling import sample_scene

    scene = sample_scene(seed)
    claims = parse(text)
    if claims is None:
        verdict = "The model's sentence is outside the tabletop grammar, so it cannot be marked."
    else:
        marked = check(claims, scene)
        verdict = f"{marked.named} of {marked.total} solids named with the right colour and shape; "
        verdict += (
            "every stated fact is true." if marked.true else "; ".join(wrong.text for wrong in marked.mistakes) + "."
        )
    return (
        f'<details class="captioning-truth"><summary>Reveal the truth</summary>'
        f"<p><b>{escape(caption(scene))}</b></p><p>{escape(verdict)}</p></details>"
    )


def candidates_html(captions: Captions) -> str:
    """List all candidates, when there is more than one."""
    if len(captions.candidates) < 2:
        return ""
    rows = "".join(
        f"<tr><td>{escape(candidate.text)}</td><td>{candidate.log_probability:.2f}</td>"
        f"<td>{np.exp(candidate.score):.0%}</td></tr>"
        for candidate in captions.candidates
    )
    head = "<tr><th>Candidates</th><th>log-probability</th><th>per token</th></tr>"
    return f'<table class="lectern-card captioning-candidates">{head}{rows}</table>'


def details_html(captions: Captions) -> str:
    """Say how sure the model was, where it hesitated, and what the numbers and the maps mean."""
    first = captions.candidates[0]
    return (
        f"<p>Log-probability of the caption: {first.log_probability:.2f}; per token {np.exp(first.score):.0%}.</p>"
        f"{hesitations_html(first)}"
        "<p>The small number under a word is the softmax probability the model gave it, given the words before it. "
        "The log-probability sums over the sentence, so longer ones score lower; per token it is averaged.</p>"
        f"<p>{escape(captions.attention_note)}</p>"
    )
