"""From what a page or a client sent to a checked request: which pictures the drawings of the controls are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from PIL import Image

from demos.controlnet.options import (
    HAND,
    MOST_CONTROLS,
    NOTHING,
    TRUTH,
    ControlNetOptions,
    ControlNetRequest,
    ControlOptions,
    Guide,
    checked_guides,
)
from hub import guard
from hub.canvas import drawing
from hub.diffusion.requests import chosen_lora, chosen_options
from hub.guard import Limits, Picture
from hub.inputs import SentFile
from hub.options import checked
from tabletop.pictures import scene_seed

EACH = tuple(item.name for item in fields(ControlOptions))
PICTURES = ("picture", "picture_2", "picture_3")


@dataclass(frozen=True)
class Sent:
    """What was sent for the controls, unchecked.

    Attributes:
        controls: for each control the values of `ControlOptions`, by name.
        pictures: for each control the path of its own picture; None for the first one's.
        hand: what was drawn by hand, as `hub.canvas` holds it.
    """

    controls: tuple[Mapping[str, Any], ...]
    pictures: tuple[str | None, ...]
    hand: str | None

    @staticmethod
    def of(values: Mapping[str, Any]) -> Sent:
        """Return it from the values of the tab's inputs, by the names of `named`."""
        controls = [{name: values.get(named(name, place)) for name in EACH} for place in range(MOST_CONTROLS)]
        if controls[0]["shows"] is None:
            controls[0] |= {"shows": "canny"}
        return Sent(tuple(controls), tuple(values.get(name) or None for name in PICTURES), values.get("hand"))


def named(name: str, place: int) -> str:
    """Return what an option of the control at `place` is called among the inputs.

    >>> named("weight", 0), named("weight", 2)
    ('weight', 'weight_3')
    """
    return name if place == 0 else f"{name}_{place + 1}"


def guides(sent: Sent, limits: Limits) -> tuple[tuple[Guide, ...], tuple[str, ...]]:
    """Return the checked controls, and notes of what was done to their pictures.

    Raises:
        InvalidInput: says what is missing or wrong.
    """
    opened = [None if path is None else guard.picture(path, limits) for path in sent.pictures]
    hand = drawing(sent.hand, limits) if sent.hand else None
    found = []
    for place, values in enumerate(sent.controls):
        chosen = checked(ControlOptions, values)
        if chosen.shows == NOTHING:
            continue
        own = place if opened[place] is not None else 0
        found.append(_guide(chosen, opened[own], hand, PICTURES[own]))
    notes = tuple(dict.fromkeys(note for each in opened if each is not None for note in each.notes))
    return checked_guides(found), notes


def _guide(chosen: ControlOptions, sent: Picture | None, hand: Image.Image | None, name: str) -> Guide:
    seed = None if sent is None else scene_seed(sent.text)
    if chosen.made == HAND and hand is not None:
        return Guide(chosen, hand.convert("RGB"), name="hand")
    picture = None if sent is None else sent.image
    return Guide(chosen, picture, seed if chosen.made == TRUTH else None, name)


def request(
    values: Mapping[str, Any],
    limits: Limits,
    *,
    start: str | None,
    lora_file: Sequence[SentFile] | None,
    randomise: object,
    previews: object,
    measures: object,
) -> ControlNetRequest:
    """Return the checked request of a run.

    Args:
        values: of the options, of the controls (see `named`), of their pictures and of what was drawn by hand.
        limits: of pictures.
        start: path of the picture to start from.
        lora_file: at most one.
        randomise: whether the seed is drawn.
        previews: whether the client wants the steps.
        measures: whether the result's depth is measured.
    """
    own = {item.name for item in fields(ControlNetOptions)}
    chosen = chosen_options(
        ControlNetOptions, {name: value for name, value in values.items() if name in own}, randomise
    )
    asked, notes = guides(Sent.of(values), limits)
    lora = chosen_lora(chosen.lora, lora_file)
    begun = guard.picture(start, limits) if start else None
    return ControlNetRequest(
        chosen,
        lora,
        notes if begun is None else (*notes, *begun.notes),
        bool(previews),
        guides=asked,
        start=None if begun is None else begun.image,
        measures=bool(measures),
    )
