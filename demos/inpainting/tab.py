"""The inpainting tab: a picture and a mask in, the picture with something else in its hole out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from demos.inpainting.demo import DEMO
from demos.inpainting.draw import answer, compared_html, explained
from demos.inpainting.marking import Marking
from demos.inpainting.options import InpaintOptions, InpaintRequest, request_to_fill
from demos.inpainting.scenes import removing
from demos.inpainting.style import SCRIPT
from hub import guard, inputs, ui
from hub.diffusion.answers import streamed
from hub.diffusion.cards import abilities_of
from hub.diffusion.controls import FITTED, QUIET, TakeOver, follow_model, lora_controls, mark_unknown
from hub.diffusion.panel import PICTURE, Panel
from hub.diffusion.requests import chosen_lora, chosen_options
from hub.diffusion.result import step_html
from hub.inputs import SentFile
from hub.runtime import Hub, Outcome
from tabletop.prompts import taught

TYPED = ("prompt", "negative_prompt")
MASKED = ("grow", "feather", "region", "padding", "paste_back")
SAMPLED = tuple(name for name in FITTED if name not in ("width", "height"))  # those follow from the picture


def build(hub: Hub) -> None:
    """Lay out the tab and connect it."""

    def request(
        picture: str | None,
        mask: str | None,
        points: str | None,
        drawing: str | None,
        randomise: bool | None,
        previews: bool | None,
        lora_file: Sequence[SentFile] | None,
        **options: Any,
    ) -> InpaintRequest:
        chosen = chosen_options(InpaintOptions, options, randomise)
        shown = guard.picture(picture, hub.limits)
        marked, notes = marking.of(shown, mask, points, drawing)
        lora = chosen_lora(chosen.lora, lora_file)
        return request_to_fill(shown.image, marked, chosen, (*shown.notes, *notes), lora=lora, streams=bool(previews))

    with ui.tab(hub, DEMO) as tab:
        with tab.inputs():
            marking = Marking(tab)
            controls = inputs.controls(InpaintOptions, names=TYPED)
            typed: Any = controls["prompt"]
            mark_unknown(tab, typed, taught())
            with gr.Row():
                remove = gr.Button("Remove", size="sm", elem_id="inpainting-remove")
                randomise = gr.Checkbox(False, label="Randomise the seed", elem_id="inpainting-randomise")
        with tab.choices():
            tab.examples(
                {"picture": marking.picture, "mask": marking.mask, "prompt": typed}, "Examples: click one to fill it"
            )
            controls |= inputs.controls(InpaintOptions, names=("strength", "seed", "pictures"))
            with gr.Accordion("Mask: grow, feather, region, paste back", open=False, elem_id="inpainting-masking"):
                controls |= inputs.controls(InpaintOptions, names=MASKED)
            lora = lora_controls(DEMO.slug)
        with tab.options("Steps, guidance, scheduler"):
            controls |= inputs.controls(InpaintOptions, names=SAMPLED)
        previews = gr.Checkbox(False, label="previews", visible=False)
        given: dict[str, Component] = {**marking.inputs(), **controls, **lora}
        given |= {"randomise": randomise, "previews": previews}

        # What a PNG tells are settings; the picture and the mask stay as they are.
        settings = {name: part for name, part in given.items() if name not in marking.inputs()}
        restored = TakeOver(tab, InpaintOptions, settings, start="picture and mask")
        with tab.choices():
            restored.draw()
        with marking.below:
            restored.offer_from(marking.picture)
        panel = Panel(tab, controls["seed"], explain=explained)
        tab.results(partial(draw_panel, panel))
        tab.connect(
            given,
            request=request,
            draw=partial(values, panel),
            answer=lambda outcome, wanted: answer(outcome, wanted, hub.settings),
            draw_step=step_html,
            answer_step=streamed,
            also_run_on=[typed.submit],
            optional=True,
        )
        tab.receive(PICTURE, marking.picture)
        marking.connect()
        follow_model(tab, controls)
        connect_prompts(tab, remove, typed, controls["strength"])


def draw_panel(panel: Panel) -> list[Component]:
    """Draw one result: the slider between before and after, and what all tabs that draw show."""
    return [gr.HTML(js_on_load=SCRIPT), *panel.draw()]


def values(panel: Panel, outcome: Outcome, request: InpaintRequest) -> tuple[Any, ...]:
    """Return what the components of `draw_panel` show."""
    return (compared_html(outcome.result, request, panel.settings), *panel.values(outcome, request))


def connect_prompts(tab: ui.Tab, remove: gr.Button, prompt: Any, strength: Any) -> None:
    """Connect Remove, which fills in what the chosen model understands and runs; and the strength that suits it."""
    remove.click(lambda model: removing(DEMO.card(model).ships_weights), tab.model, prompt, queue=False, **QUIET)
    tab.model.input(
        lambda model: abilities_of(DEMO.card(model)).inpaint_strength, tab.model, strength, queue=False, **QUIET
    )
