"""The ControlNet tab: drawings that say where things go, words that say what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.components import Component

from demos.controlnet import live
from demos.controlnet.asking import PICTURES, named, request
from demos.controlnet.controls import DECISIVE, Controls, restored_controls
from demos.controlnet.demo import DEMO
from demos.controlnet.draw import answered, beside_html, steered_html
from demos.controlnet.options import MOST_CONTROLS, ControlNetOptions, ControlNetRequest
from demos.controlnet.style import SCRIPT
from hub import inputs, ui
from hub.canvas import Words, canvas_input, paper
from hub.diffusion.answers import streamed
from hub.diffusion.controls import FITTED, QUIET, TakeOver, draw_limits, follow_model, lora_controls, mark_unknown
from hub.diffusion.panel import PICTURE, Panel
from hub.diffusion.result import step_html
from hub.draw import hint_html
from hub.errors import UserError
from hub.events import forget_on_leave
from hub.runtime import Hub, Outcome
from tabletop.pictures import new_seed, scene_picture
from tabletop.prompts import taught

TYPED = ("prompt", "negative_prompt")
PAPER_PX = (512, 512)
WORDS = Words(
    empty="The paper is on its way.",
    hint="Draw the outlines of what you want, then choose “a drawing by hand” for a control.",
    label="Scribble",
)


def build(hub: Hub) -> None:
    """Lay out the tab and connect it."""

    def asked(start: str | None, lora_file: Any, randomise: Any, previews: Any, measures: Any, **values: Any) -> Any:
        return request(
            values,
            hub.limits,
            start=start,
            lora_file=lora_file,
            randomise=randomise,
            previews=previews,
            measures=measures,
        )

    with ui.tab(hub, DEMO) as tab:
        controls = Controls(tab)
        with tab.inputs():
            options = inputs.controls(ControlNetOptions, names=TYPED)
            typed: Any = options["prompt"]
            mark_unknown(tab, typed, taught())
            controls.draw_first()
            below_picture = gr.Column()
            with gr.Row():
                new_scene = gr.Button("New scene", size="sm", elem_id="controlnet-new-scene")
                make = gr.Button("Make the drawings", size="sm", elem_id="controlnet-make")
            sketches = gr.HTML(elem_id="controlnet-sketches")
            forget_on_leave(sketches)
        with tab.choices():
            tab.examples(
                {"prompt": typed, **{name: controls.given[name] for name in ("picture", "shows", "made")}},
                "Examples: click one to draw it",
            )
            with gr.Accordion("Draw by hand", open=False, elem_id="controlnet-hand"):
                hand = canvas_input(DEMO.slug, WORDS, tools=("brush", "eraser"), colour="#000000")
                fresh = gr.Button("New paper", size="sm", elem_id="controlnet-paper")
            controls.draw_others()
            with gr.Row():
                options |= inputs.controls(ControlNetOptions, names=("seed", "pictures"))
            randomise = gr.Checkbox(False, label="Randomise the seed", elem_id="controlnet-randomise")
            measures = gr.Checkbox(False, label="Measure the result's depth, too", elem_id="controlnet-measures")
            with gr.Accordion("Start from a picture", open=False, elem_id="controlnet-start-box") as start_box:
                start = inputs.picture_input("Start picture", height=220, elem_id="controlnet-start")
                options |= inputs.controls(ControlNetOptions, names=("strength",))
            lora = lora_controls(DEMO.slug)
        with tab.options("Steps, guidance, scheduler, size, networks"):
            options |= inputs.controls(ControlNetOptions, names=(*FITTED, "networks", "depth_model"))
            draw_limits(tab)
        previews = gr.Checkbox(False, label="previews", visible=False)
        given: dict[str, Component] = {**options, **controls.given, "hand": hand, **lora, "start": start}
        given |= {"randomise": randomise, "previews": previews, "measures": measures}

        restored = TakeOver(tab, ControlNetOptions, given, restored_controls)
        with tab.choices():
            restored.draw()
        with start_box:
            restored.offer_from(start)
        with below_picture:
            restored.offer_from(controls.given["picture"], "picture")
        panel = Panel(tab, options["seed"], steered_html)

        def draw_panel() -> Sequence[Component]:
            beside = gr.HTML(js_on_load=SCRIPT)
            return [beside, *panel.draw()]

        def values(outcome: Outcome, wanted: ControlNetRequest) -> tuple[Any, ...]:
            return beside_html(outcome, hub.settings), *panel.values(outcome, wanted)

        tab.results(draw_panel)
        tab.connect(
            given,
            request=asked,
            draw=values,
            answer=lambda outcome, wanted: answered(outcome, wanted, hub.settings),
            draw_step=step_html,
            answer_step=streamed,
            also_run_on=[typed.submit],
            optional=True,
        )
        tab.receive(PICTURE, controls.given["picture"])
        follow_model(tab, options)
        controls.connect()
        connect_drawings(tab, given, sketches, make)
        new_scene.click(scene, None, [controls.given["picture"], typed], **QUIET)
        for listener in (fresh.click, None):  # also once the page is up
            gr.on(listener, lambda: paper(PAPER_PX), None, hand, queue=False, **QUIET)
        controls.use_drawing(hand)


def connect_drawings(tab: ui.Tab, given: dict[str, Component], sketches: gr.HTML, make: gr.Button) -> None:
    """Connect the drawings below the controls to all that decides them."""
    decisive = [named(name, place) for place in range(MOST_CONTROLS) for name in DECISIVE]
    names = [*decisive, *PICTURES, "hand", "width", "height"]
    looked_at: dict[str, Component] = {name: given[name] for name in names}

    def look(model: str, *sent: Any) -> str:
        try:
            return live.live(dict(zip(names, sent, strict=True)), tab.demo.card(model), tab.hub.limits)
        except UserError as error:
            return hint_html(str(error))

    gr.on(
        [tab.model.change, *live.listeners(given, names)],
        look,
        [tab.model, *looked_at.values()],
        sketches,
        queue=False,
        trigger_mode="always_last",
        **QUIET,
    )
    tab.connect_many(
        make.click,
        {"model": tab.model, "depth_model": given["depth_model"], **looked_at},
        plan=lambda model, **sent: live.plan(sent, tab.demo.card(model), tab.hub.limits),
        draw=live.drawn,
        outputs=[sketches],
    )


def scene() -> tuple[Any, str]:
    """Return the picture of a scene that no model was trained on, and a prompt that asks for it in other colours."""
    from tabletop.captions import caption
    from tabletop.sampling import sample_scene
    from tabletop.world import COLOURS

    seed = new_seed()
    drawn = sample_scene(seed)
    others = [COLOURS[(COLOURS.index(solid.colour) + 3) % len(COLOURS)] for solid in drawn.solids]
    solids = tuple(replace(solid, colour=colour) for solid, colour in zip(drawn.solids, others, strict=True))
    return scene_picture(seed), caption(replace(drawn, solids=solids))
