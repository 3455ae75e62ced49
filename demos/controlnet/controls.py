"""The inputs of the controls, up to three, and what follows when the model or a choice changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from demos.controlnet.asking import EACH, PICTURES, named
from demos.controlnet.networks import conditions_for
from demos.controlnet.options import CONDITIONS, HAND, MOST_CONTROLS, NOTHING, PICTURE, WAYS, ControlOptions
from hub import inputs
from hub.canvas import drawing
from hub.cards import ModelCard
from hub.diffusion.cards import abilities_of
from hub.diffusion.controls import QUIET
from hub.diffusion.pictures import Restored
from hub.errors import InvalidInput
from hub.options import checked, specs
from hub.ui import Tab

ACTING = ("weight", "begin", "end")
DECISIVE = tuple(name for name in EACH if name not in ACTING)  # of the drawing itself
EDGES = ("canny", "scribble")  # that Canny's thresholds decide
BLURRED = ("canny", "scribble", "softedge", "lineart", "mlsd")


class Controls:
    """The inputs of all controls, by the names that `asking` knows them by."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.slug = tab.demo.slug
        self.card = tab.hub.default_card(tab.demo)
        self.given: dict[str, Component] = {}
        self._boxes: list[tuple[gr.Row, gr.Row, gr.Row]] = []  # of each: thresholds, blur, field of view

    def draw_first(self) -> None:
        """Draw the first control, and the picture that all drawings are made from."""
        self.given["picture"] = inputs.picture_input(height=230, elem_id=f"{self.slug}-picture")
        self._draw(0)

    def draw_others(self) -> None:
        """Draw the other controls, folded away."""
        for place in range(1, MOST_CONTROLS):
            with gr.Accordion(f"Control {place + 1}", open=False, elem_id=f"{self.slug}-control-{place + 1}"):
                self._draw(place)
                self.given[PICTURES[place]] = inputs.picture_input(
                    "Its own picture", height=160, elem_id=f"{self.slug}-picture-{place + 1}"
                )

    def _draw(self, place: int) -> None:
        shows = "canny" if place == 0 else NOTHING
        declared = specs(ControlOptions)
        own: dict[str, Component] = {}
        with gr.Row():
            for name, choices, value in (
                ("shows", shown_by(self.card, place), shows),
                ("made", made_for(shows), PICTURE),
            ):
                own[name] = inputs.choice_input(
                    choices,
                    value=value,
                    label=declared[name][0].label,
                    info=declared[name][0].info,
                    min_width=190,
                    elem_id=f"{self.slug}-{named(name, place)}",
                )
        with gr.Row(visible=shows in EDGES) as thresholds:
            own |= inputs.controls(ControlOptions, names=("low", "high"))
        with gr.Row(visible=shows in BLURRED) as blur:
            own |= inputs.controls(ControlOptions, names=("blur_px",))
        with gr.Row(visible=False) as view:
            own |= inputs.controls(ControlOptions, names=("field_of_view_deg",))
        with gr.Accordion("Weight, start and end", open=place > 0), gr.Row():
            own |= inputs.controls(ControlOptions, names=ACTING)
        for name in (*ACTING, "low", "high", "blur_px", "field_of_view_deg"):
            own[name].elem_id = f"{self.slug}-{named(name, place)}"
        self._boxes.append((thresholds, blur, view))
        self.given |= {named(name, place): control for name, control in own.items()}

    def connect(self) -> None:
        """Let choices follow the model, and what else is shown follow the choices."""
        quick: dict[str, Any] = {**QUIET, "queue": False}
        tab = self.tab
        chosen: list[Any] = [self.given[named("shows", place)] for place in range(MOST_CONTROLS)]
        ways: list[Any] = [self.given[named("made", place)] for place in range(MOST_CONTROLS)]

        def follow(key: str, *values: str) -> list[gr.Dropdown]:
            card = tab.demo.card(key)
            return [
                gr.Dropdown(choices=shown_by(card, place), value=kept(card, value, place))
                for place, value in enumerate(values)
            ]

        tab.model.change(follow, [tab.model, *chosen], chosen, **quick)
        weights = [self.given[named("weight", place)] for place in range(MOST_CONTROLS)]
        tab.model.input(
            lambda key: [abilities_of(tab.demo.card(key)).control_weight] * MOST_CONTROLS, tab.model, weights, **quick
        )

        def narrow(shows: str, made: str) -> list[Any]:
            choices = made_for(shows)
            keeps = made if made in [way for _, way in choices] else choices[0][1]
            drawn = keeps == PICTURE
            return [
                gr.Dropdown(choices=choices, value=keeps),
                gr.Row(visible=drawn and shows in EDGES),
                gr.Row(visible=drawn and shows in BLURRED),
                gr.Row(visible=drawn and shows == "normalbae"),
            ]

        for place in range(MOST_CONTROLS):
            gr.on(
                [chosen[place].change, ways[place].input],
                narrow,
                [chosen[place], ways[place]],
                [ways[place], *self._boxes[place]],
                **quick,
            )

    def use_drawing(self, hand: gr.HTML) -> None:
        """Let the first control follow what is drawn by hand as soon as something is, where it can."""
        made, shows = self.given["made"], self.given["shows"]

        def use(value: str, shows: str) -> Any:
            drawn = drawing(value, self.tab.hub.limits) is not None
            return HAND if drawn and HAND in [way for _, way in made_for(shows)] else gr.skip()

        hand.change(use, [hand, shows], made, queue=False, **QUIET)


def shown_by(card: ModelCard, place: int) -> list[tuple[str, str]]:
    """Return the choices of what a control shows to a model's ControlNets; the first control shows something."""
    offered = [(CONDITIONS[name][0], name) for name in conditions_for(card)]
    return offered if place == 0 else [("nothing", NOTHING), *offered]


def kept(card: ModelCard, shows: str, place: int) -> str:
    """Return what a control shows once another model is chosen: the same, where that has a ControlNet for it."""
    offered = [name for _, name in shown_by(card, place)]
    return shows if shows in offered else offered[0]


def made_for(shows: str) -> list[tuple[str, str]]:
    """Return the choices of how a drawing is made."""
    return [(WAYS[way], way) for way in (CONDITIONS[shows][1] if shows in CONDITIONS else (PICTURE,))]


def restored_controls(found: Restored) -> Mapping[str, Any]:
    """Return the values of the controls' inputs that a picture was made with; a truth's scene is not in the file.

    Raises:
        InvalidInput: when what it says makes no sense.
    """
    said = found.record.get("controls")
    if not isinstance(said, list) or not all(isinstance(each, dict) for each in said) or len(said) > MOST_CONTROLS:
        raise InvalidInput("The picture does not say what steered it.", "Send one that the ControlNet tab drew.")
    values: dict[str, Any] = {}
    for place in range(MOST_CONTROLS):
        known = {name: said[place].get(name) for name in EACH} if place < len(said) else {}
        chosen = checked(ControlOptions, known)
        values |= {named(name, place): getattr(chosen, name) for name in EACH}
    return values
