"""The text-to-image tab: words in, pictures out, with every step of the way to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from demos.text_to_image.demo import DEMO
from demos.text_to_image.lessons import draw_grid, draw_guidance
from demos.text_to_image.options import TextToImageOptions, TextToImageRequest
from hub import guard, inputs, ui
from hub.diffusion.answers import answered, streamed
from hub.diffusion.controls import FITTED, QUIET, TakeOver, draw_limits, follow_model, lora_controls, mark_unknown
from hub.diffusion.panel import PICTURE, Panel
from hub.diffusion.requests import chosen_lora, chosen_options
from hub.diffusion.result import step_html
from hub.inputs import SentFile
from hub.runtime import Hub
from tabletop.pictures import new_seed as new_scene_seed
from tabletop.prompts import taught

TYPED = ("prompt", "negative_prompt")


def build(hub: Hub) -> None:
    """Lay out the tab and connect it."""

    def request(
        start: str | None,
        randomise: bool | None,
        previews: bool | None,
        lora_file: Sequence[SentFile] | None,
        **options: Any,
    ) -> TextToImageRequest:
        chosen = chosen_options(TextToImageOptions, options, randomise)
        asked = TextToImageRequest(chosen, chosen_lora(chosen.lora, lora_file), streams=bool(previews))
        if not start:
            return asked
        picture = guard.picture(start, hub.limits)
        return replace(asked, start=picture.image, notes=picture.notes)

    with ui.tab(hub, DEMO) as tab:
        with tab.inputs():
            controls = inputs.controls(TextToImageOptions, names=TYPED)
            typed: Any = controls["prompt"]
            mark_unknown(tab, typed, taught())
            with gr.Row():
                new_scene = gr.Button("New scene", size="sm", elem_id="text_to_image-new-scene")
                randomise = gr.Checkbox(False, label="Randomise the seed", elem_id="text_to_image-randomise")
        with tab.choices():
            tab.examples({"prompt": typed}, "Examples: click one to draw it")
            controls |= inputs.controls(TextToImageOptions, names=("seed", "pictures"))
            with gr.Accordion("Start from a picture", open=False, elem_id="text_to_image-start-box") as start_box:
                start = inputs.picture_input("Start picture", height=220, elem_id="text_to_image-start")
                controls |= inputs.controls(TextToImageOptions, names=("strength",))
            lora = lora_controls(DEMO.slug)
        with tab.options("Steps, guidance, scheduler, size"):
            controls |= inputs.controls(TextToImageOptions, names=FITTED)
            draw_limits(tab)
        previews = gr.Checkbox(False, label="previews", visible=False)
        given: dict[str, Component] = {**controls, **lora, "start": start}
        given |= {"randomise": randomise, "previews": previews}

        restored = TakeOver(tab, TextToImageOptions, given)
        with tab.choices():
            restored.draw()
        with start_box:
            restored.offer_from(start)
        panel = Panel(tab, controls["seed"])
        tab.results(panel.draw)
        tab.connect(
            given,
            request=request,
            draw=panel.values,
            answer=lambda outcome, wanted: answered(outcome, wanted, hub.settings),
            draw_step=step_html,
            answer_step=streamed,
            also_run_on=[typed.submit],
            optional=True,
        )
        arrived = tab.receive(PICTURE, start)
        arrived(lambda: gr.Accordion(open=True), None, start_box, **QUIET)  # else nobody sees what came
        follow_model(tab, controls)
        new_scene.click(true_caption, None, typed, **QUIET)
        draw_guidance(tab, request, given)
        draw_grid(tab, hub.settings, request, given)
        with gr.Accordion("The words that the embedded model knows", open=False):
            gr.HTML(f"<p>{escape(', '.join(sorted(taught())))}</p>")


def true_caption() -> str:
    """Return what a scene that no model was trained on shows."""
    from tabletop.captions import caption
    from tabletop.sampling import sample_scene

    return caption(sample_scene(new_scene_seed()))
