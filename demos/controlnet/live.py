"""Drawings below the controls: at once where a formula makes them, on a click where a model does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demos.controlnet.asking import Sent, guides
from demos.controlnet.draw import live_html
from demos.controlnet.options import ControlNetOptions, Guide, SketchRequest
from demos.controlnet.sketches import Size, Sketch, sketch
from hub.cards import ModelCard
from hub.diffusion.cards import abilities_of
from hub.errors import UserError
from hub.guard import Limits
from hub.options import checked
from hub.runtime import Reply

BY_CLICK = "A model makes this drawing: press “Make the drawings”, or Run."


@dataclass(frozen=True)
class SketchPlan:
    """Drawings to look at: those of models as one request, and the others."""

    requests: tuple[SketchRequest, ...]
    guides: tuple[Guide, ...]
    size: Size


def size_of(card: ModelCard, width: Any, height: Any) -> Size:
    """Return the width and height of what a model draws of a size that is asked for."""
    able = abilities_of(card)
    asked = checked(ControlNetOptions, {"width": width, "height": height})
    return able.rounded(asked.width), able.rounded(asked.height)


def live(values: Mapping[str, Any], card: ModelCard, limits: Limits) -> str:
    """Draw what formulas make of the controls as they are set.

    Raises:
        InvalidInput: says what is missing or wrong.
    """
    size = size_of(card, values.get("width"), values.get("height"))
    asked, _ = guides(Sent.of(values), limits)
    return live_html([(each.options, BY_CLICK if each.options.by_model else sketch(each, size)) for each in asked])


def plan(values: Mapping[str, Any], card: ModelCard, limits: Limits) -> SketchPlan:
    """Return what is to be drawn.

    Raises:
        InvalidInput: says what is missing or wrong.
    """
    size = size_of(card, values.get("width"), values.get("height"))
    asked, _ = guides(Sent.of(values), limits)
    own = tuple(guide for guide in asked if guide.options.by_model)
    chosen = checked(ControlNetOptions, {"depth_model": values.get("depth_model")})
    return SketchPlan((SketchRequest(own, size, chosen),) if own else (), asked, size)


def drawn(replies: Sequence[Reply], planned: SketchPlan) -> tuple[Any]:
    """Return all drawings as far as they are made."""
    shown: list[tuple[Any, Sketch | str]] = []
    made: list[Sketch] = []
    failed = ""
    for reply in replies:
        if isinstance(reply, UserError):
            failed = str(reply)
        else:
            made += reply.result
    for guide in planned.guides:
        if not guide.options.by_model:
            shown.append((guide.options, sketch(guide, planned.size)))
        else:
            shown.append((guide.options, made.pop(0) if made else failed or "…"))
    return (live_html(shown),)


def listeners(given: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """Return the listeners to any change of some inputs."""
    found = []
    for name in names:
        component = given[name]
        found.append(component.change if isinstance(component, gr.Image | gr.HTML | gr.Dropdown) else component.input)
    return found
