"""Inputs that tabs which draw have in common: the LoRA, marks in the prompt, a model's defaults, restored settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from hub import guard, inputs
from hub.cards import ModelCard
from hub.diffusion.cards import LORAS, abilities_of
from hub.diffusion.options import SamplingOptions
from hub.diffusion.pictures import Restored, restored
from hub.diffusion.prompts import known_to, knows
from hub.errors import InvalidInput
from hub.events import told_to_user
from hub.inputs import SentFile
from hub.options import specs
from hub.ui import Tab

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
FITTED = ("steps", "guidance", "scheduler", "width", "height")  # what another model sets to its own defaults
MARKED_CHARS = 2000  # of a prompt, while it is typed
MOST_MARKED = 12
TAKE_OVER = "Take over the settings of a picture made here"


def lora_controls(slug: str) -> dict[str, Component]:
    """Draw the controls of a LoRA: those of `SamplingOptions`, and `lora_file` for `chosen_lora`."""
    spec, none = specs(SamplingOptions)["lora"]
    with gr.Accordion("LoRA", open=False, elem_id=f"{slug}-lora"):
        drawn: dict[str, Component] = {
            "lora": inputs.choice_input(
                [("none", none), *((card.label, card.key) for card in LORAS)],
                value=none,
                allow_custom_value=True,
                label=spec.label,
                info=spec.info,
                elem_id=f"{slug}-lora-name",
            ),
            "lora_file": inputs.file_input("or a file", [".safetensors"], height=120, elem_id=f"{slug}-lora-file"),
        }
        return drawn | inputs.controls(SamplingOptions, names=("lora_scale", "lora_use"))


def mark_unknown(tab: Tab, prompt: Component, taught: Collection[str]) -> None:
    """Draw, here, which words of the prompt the chosen model was not taught or will not read, as they are typed.

    Args:
        tab: whose model it is.
        prompt: the textbox.
        taught: the words that this project's own models know.
    """
    marked = gr.HTML(elem_id=f"{tab.demo.slug}-marked")
    typed: Any = prompt

    def marks(text: str, model: str) -> str:
        card = tab.demo.card(model)
        return marks_html(text, known_to(card, taught)) + length_html(text, abilities_of(card).prompt_tokens)

    gr.on([typed.change, tab.model.change], marks, [typed, tab.model], marked, queue=False, **QUIET)


def marks_html(prompt: str, known: Collection[str] | None) -> str:
    """Say which words of the prompt a model was not taught, where that is known."""
    words = str(prompt)[:MARKED_CHARS].split()
    unknown = list(dict.fromkeys(word for word in words if not knows(word, known)))
    if not unknown:
        return ""
    shown = " ".join(f'<span class="drawn-word drawn-unknown">{escape(word)}</span>' for word in unknown[:MOST_MARKED])
    more = " …" if len(unknown) > MOST_MARKED else ""
    return f'<p class="drawn-hint">Words this model was not taught: {shown}{more}</p>'


def length_html(prompt: str, limit: int) -> str:
    """Say of a prompt that is certainly too long that it is: every word takes at least one token."""
    words = len(str(prompt).split())
    if words <= limit - 2:  # its start and its end take one each
        return ""
    return f'<p class="drawn-hint">{words} words: this model reads {limit} tokens, and the rest is cut off.</p>'


def draw_limits(tab: Tab) -> None:
    """Draw, here, what the chosen model can be asked for: the controls offer all that any model can."""
    told = gr.HTML(elem_id=f"{tab.demo.slug}-limits")
    tab.model.change(lambda key: limits_html(tab.demo.card(key)), tab.model, told, queue=False, **QUIET)
    gr.on(None, lambda: limits_html(tab.hub.default_card(tab.demo)), None, told, queue=False, **QUIET)


def limits_html(card: ModelCard) -> str:
    """Say which settings a model can follow; what it cannot is rounded, and noted with the result."""
    able = abilities_of(card)
    guided = "" if able.guided else ", no guidance"
    return (
        f'<p class="drawn-hint">This model: {able.smallest_px} to {able.largest_px} pixels a side in steps of '
        f"{able.step_px}, trained at {able.native_px}; at most {able.most_steps} steps{guided}; "
        f"{escape(', '.join(able.schedulers))}.</p>"
    )


def follow_model(tab: Tab, controls: Mapping[str, Component]) -> None:
    """Set steps, guidance, scheduler and size to a model's own whenever it is chosen, and on a fresh page."""
    names = [name for name in FITTED if name in controls]
    fitted = [controls[name] for name in names]

    def values(card: ModelCard) -> list[Any]:
        return [defaults(card)[name] for name in names]

    # Not by `change`, which would undo what is restored.
    tab.model.input(lambda key: values(tab.demo.card(key)), tab.model, fitted, queue=False, **QUIET)
    gr.on(None, lambda: values(tab.hub.default_card(tab.demo)), None, fitted, queue=False, **QUIET)


def defaults(card: ModelCard) -> dict[str, Any]:
    """Return the settings that suit a model."""
    able = abilities_of(card)
    return {
        "steps": able.steps,
        "guidance": able.guidance,
        "scheduler": able.schedulers[0],
        "width": able.native_px,
        "height": able.native_px,
    }


class TakeOver:
    """Settings restored from PNG files that were made here."""

    def __init__(
        self,
        tab: Tab,
        kind: type[SamplingOptions],
        given: Mapping[str, Component],
        more: Callable[[Restored], Mapping[str, Any]] = lambda found: {},
        start: str = "start picture",
    ) -> None:
        """Prepare it.

        Args:
            tab: whose settings they are.
            kind: its options.
            given: the tab's inputs, by name. Besides those of the options, "randomise" is switched off; "start" and
                "lora_file" are emptied where the file says that there was none.
            more: tells the values of further inputs, by name; those that it does not name stay as they are.
            start: what a picture of this tab starts from, which its file does not hold.
        """
        self.tab = tab
        self.kind = kind
        self.controls = {name: control for name, control in given.items() if name in specs(kind)}
        self.also = {name: given[name] for name in ("randomise", "start", "lora_file") if name in given}
        self.others = {name: each for name, each in given.items() if name not in {**self.controls, **self.also}}
        self.more = more
        self.start = start

    def draw(self) -> None:
        """Draw the box that takes such a file."""
        slug = self.tab.demo.slug
        with gr.Accordion(TAKE_OVER, open=False, elem_id=f"{slug}-take-over"):
            made = inputs.file_input("A PNG made here", [".png"], height=120, elem_id=f"{slug}-made")
            told = gr.HTML(elem_id=f"{slug}-restored")

        def restore(files: tuple[SentFile, ...]) -> dict[Any, Any]:
            with told_to_user():
                return {told: ""} if not files else self._taken_over(str(files[0].path), told, start=True)

        made.upload(restore, made, [told, *self._filled()], **QUIET)

    def offer_from(self, picture: Any, name: str = "start") -> None:
        """Below an input that takes any picture, offer the settings of one that was made here.

        Args:
            picture: an input of `hub.inputs.picture_input`.
            name: tells it from others on the same tab.
        """
        slug = self.tab.demo.slug
        said = "<p>This picture was made here, and says how.</p>"
        with gr.Row(visible=False) as row:
            told = gr.HTML(said)
            take = gr.Button("Take over its settings", size="sm", elem_id=f"{slug}-take-over-{name}")

        def offered(path: str | None) -> tuple[gr.Row, str]:
            return gr.Row(visible=self._read(path) is not None), said

        def restore(path: str | None) -> dict[Any, Any]:
            with told_to_user():
                return self._taken_over(path, told, start=False)

        picture.change(offered, picture, [row, told], queue=False, **QUIET)
        take.click(restore, picture, [told, *self._filled()], **QUIET)

    def _read(self, path: str | None) -> Restored | None:
        try:
            return restored(guard.picture(path, self.tab.hub.limits).text, self.kind)
        except InvalidInput:
            return None

    def _filled(self) -> list[Component]:
        return [self.tab.model, *self.controls.values(), *self.also.values(), *self.others.values()]

    def _taken_over(self, path: str | None, told: gr.HTML, *, start: bool) -> dict[Any, Any]:
        """Return the values of all settings that a file tells; `start`: whether a start picture may be emptied."""
        found = restored(guard.picture(path, self.tab.hub.limits).text, self.kind)
        cards = [card for card in self.tab.hub.offered(self.tab.demo) if card.source == found.source]
        lacking = [] if cards else [f"Its model, {found.source[:80]}, is not offered here."]
        if found.demo != self.tab.demo.slug:
            lacking.append(f"It was made on another tab ({found.demo[:40]}), whose own settings have no place here.")
        if found.started and start:
            lacking.append(f"Not in the file: its {self.start}; send that, too.")
        if found.lora_file:
            lacking.append(f"Its LoRA, {found.lora_file[:80]}, is not in the file: send it, too.")
        values: dict[Any, Any] = {control: found.values[name] for name, control in self.controls.items()}
        if cards:
            values[self.tab.model] = cards[0].key
        emptied = {"randomise": True, "start": start and not found.started, "lora_file": not found.lora_file}
        values |= {
            control: False if name == "randomise" else None for name, control in self.also.items() if emptied.get(name)
        }
        values |= {self.others[name]: value for name, value in self.more(found).items()}
        return {told: f"<p>Settings taken over. {escape(' '.join(lacking))}</p>", **values}
