"""The text-to-image tab: words in, pictures out, with every step of the way to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from demos.text_to_image.demo import DEMO
from demos.text_to_image.draw import answered, explained_html, result_html, saved, step_html, streamed
from demos.text_to_image.lessons import draw_grid, draw_guidance
from demos.text_to_image.options import TextToImageOptions, TextToImageRequest
from demos.text_to_image.words import known_to, taught
from hub import guard, inputs, ui
from hub.diffusion.cards import abilities_of
from hub.diffusion.film import ENDINGS, Kind, animated
from hub.diffusion.options import new_seed
from hub.diffusion.pictures import restored
from hub.diffusion.prompts import knows
from hub.diffusion.stage import SCRIPT
from hub.events import told_to_user
from hub.files import result_path
from hub.inputs import SentFile
from hub.options import checked
from hub.runtime import Hub, Outcome
from tabletop.pictures import new_seed as new_scene_seed

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
FITTED = ("steps", "guidance", "scheduler", "width", "height")  # what another model sets to its own defaults
TYPED = ("prompt", "negative_prompt")


def build(hub: Hub) -> None:
    """Lay out the tab and connect it."""
    settings = hub.settings

    def request(start: str | None, randomise: bool | None, previews: bool | None, **options: Any) -> TextToImageRequest:
        if randomise:
            options["seed"] = new_seed()
        chosen = checked(TextToImageOptions, options)
        if not start:
            return TextToImageRequest(chosen, streams=bool(previews))
        picture = guard.picture(start, hub.limits)
        return TextToImageRequest(chosen, picture.image, picture.notes, streams=bool(previews))

    def panel() -> Sequence[Any]:
        """Draw one result: pictures with scrubber and maps, the explanation, and the animation."""
        stage = gr.HTML(js_on_load=SCRIPT)
        used = gr.Number(visible="hidden")
        with gr.Accordion("Explain", open=False):
            details = gr.HTML()
        film = gr.State()
        with gr.Accordion("Animation of the steps", open=False), gr.Row():
            kind = gr.Radio(list(ENDINGS), value="GIF", label="File", info="GIF has 256 colours; the others have all.")
            make = gr.Button("Make it", size="md", min_width=90, elem_classes="drawn-animate")
            file = gr.File(label="Animation", interactive=False)
        make.click(animation, [film, kind], file, **QUIET)
        used.change(lambda seed: gr.skip() if seed is None else seed, used, controls["seed"], queue=False, **QUIET)
        return stage, used, details, film, file

    def animation(film: Any, kind: Kind) -> str:
        with told_to_user():
            if not film or kind not in ENDINGS:
                raise gr.Error("There is no picture yet: press Run first.", print_exception=False)
            frames, finished = film
            return str(animated(frames, finished, kind, result_path(settings, f"steps.{ENDINGS[kind]}")))

    def draw(outcome: Outcome, wanted: TextToImageRequest) -> tuple[Any, ...]:
        files = saved(outcome, settings)
        card = DEMO.card_of(outcome.run.source)
        first = outcome.result.drawn[0]
        return (
            result_html(outcome, wanted, files, card, settings),
            wanted.options.seed,
            explained_html(outcome.result),
            (first.film.guessed, first.image),
            None,
        )

    with ui.tab(hub, DEMO) as tab:
        with tab.inputs():
            controls = inputs.controls(TextToImageOptions, names=TYPED)
            marked = gr.HTML(elem_id="text_to_image-marked")
            with gr.Row():
                new_scene = gr.Button("New scene", size="sm", elem_id="text_to_image-new-scene")
                randomise = gr.Checkbox(False, label="Randomise the seed", elem_id="text_to_image-randomise")
        with tab.choices():
            tab.examples({"prompt": controls["prompt"]}, "Examples: click one to draw it")
            controls |= inputs.controls(TextToImageOptions, names=("seed", "pictures"))
            with gr.Accordion("Start from a picture", open=False):
                start = inputs.picture_input("Start picture", height=220, elem_id="text_to_image-start")
                controls |= inputs.controls(TextToImageOptions, names=("strength",))
            with gr.Accordion("Take over the settings of a picture made here", open=False):
                made = inputs.file_input("A PNG that was downloaded here", [".png"], elem_id="text_to_image-made")
                told = gr.HTML(elem_id="text_to_image-restored")
        with tab.options("Steps, guidance, scheduler, size"):
            controls |= inputs.controls(TextToImageOptions, names=FITTED)
        previews = gr.Checkbox(False, label="previews", visible=False)
        given: dict[str, Component] = {**controls, "start": start, "randomise": randomise, "previews": previews}
        tab.results(panel)
        typed: Any = controls["prompt"]
        tab.connect(
            given,
            request=request,
            draw=draw,
            answer=lambda outcome, wanted: answered(outcome, settings),
            draw_step=lambda preview: step_html(preview, preview.looks.shape[2:0:-1]),
            answer_step=streamed,
            also_run_on=[typed.submit],
            optional=True,
        )
        connect_inputs(tab, controls, marked, new_scene, made, told)
        draw_guidance(tab, request, given)
        draw_grid(tab, settings, request, given)
        with gr.Accordion("The words that the embedded model knows", open=False):
            gr.HTML(f"<p>{escape(', '.join(sorted(taught())))}</p>")


def connect_inputs(
    tab: ui.Tab, controls: Mapping[str, Any], marked: gr.HTML, new_scene: gr.Button, made: gr.File, told: gr.HTML
) -> None:
    """Connect what needs no model: marks in the prompt, New scene, a model's defaults, and restored settings."""
    quick: dict[str, Any] = {**QUIET, "queue": False}
    gr.on([controls["prompt"].change, tab.model.change], marks, [controls["prompt"], tab.model], marked, **quick)
    new_scene.click(true_caption, None, controls["prompt"], **QUIET)
    fitted = [controls[name] for name in FITTED]
    tab.model.input(defaults, tab.model, fitted, **quick)  # not by `change`, which would undo what is restored
    gr.on(None, lambda: defaults(tab.hub.default_card(DEMO).key), None, fitted, **quick)

    def restore(files: tuple[SentFile, ...]) -> dict[Any, Any]:
        with told_to_user():
            if not files:
                return {told: ""}
            found = restored(guard.picture(files[0].path, tab.hub.limits).text, TextToImageOptions)
            cards = [card for card in tab.hub.offered(DEMO) if card.source == found.source]
            missing = "" if cards else f" Its model, {escape(found.source[:80])}, is not offered here."
            missing += " Its start picture is not in the file: send it, too." if found.started else ""
            values = {controls[name]: found.values[name] for name in controls}
            chosen = {tab.model: cards[0].key} if cards else {}
            return {told: f"<p>Settings taken over.{missing}</p>", **chosen, **values}

    made.upload(restore, made, [told, tab.model, *controls.values()], **QUIET)


def true_caption() -> str:
    """Return what a scene that no model was trained on shows."""
    from tabletop.captions import caption
    from tabletop.sampling import sample_scene

    return caption(sample_scene(new_scene_seed()))


def marks(prompt: str, model: str) -> str:
    """Say which words of the prompt a model was not taught, where that is known."""
    known = known_to(DEMO.card(model))
    unknown = list(dict.fromkeys(word for word in str(prompt)[:2000].split() if not knows(word, known)))
    if not unknown:
        return ""
    shown = " ".join(f'<span class="drawn-word drawn-unknown">{escape(word)}</span>' for word in unknown[:12])
    return f'<p class="drawn-hint">Words this model was not taught: {shown}{" …" if len(unknown) > 12 else ""}</p>'


def defaults(model: str) -> tuple[Any, ...]:
    """Return the settings that suit a model."""
    able = abilities_of(DEMO.card(model))
    return able.steps, able.guidance, able.schedulers[0], able.native_px, able.native_px
