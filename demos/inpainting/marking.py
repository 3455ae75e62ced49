"""The inputs that say what is to change: a picture, a canvas over it to draw and click on, and files of masks.

On the page the canvas has the last word. A mask that is uploaded or selected by a click is drawn onto it, where it can
be seen, corrected and undone, and the file's own input is emptied. A client of the endpoint may send a file, points and
a drawing together; what any of them marks is marked.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component

from demos.inpainting import masks
from demos.inpainting.masks import Mask
from demos.inpainting.scenes import new_scene
from demos.inpainting.segmenting import SEGMENTING, ClickRequest
from demos.inpainting.selecting import MOST_CHARS, points_in, selected
from hub import canvas, guard, inputs
from hub.diffusion.controls import QUIET
from hub.errors import InvalidInput, UserError
from hub.events import forget_on_leave, told_to_user
from hub.guard import Picture
from hub.options import checked_text
from hub.runtime import Reply
from hub.ui import Tab
from tabletop.pictures import scene_seed

WORDS = canvas.Words(
    empty="Choose a picture above: then mark here what is to change.",
    hint="What is red is drawn anew. Click selects a whole thing; all ways of marking add up.",
    label="mask",
)
BY_COLOURS = ""  # the picker's choice that needs no model
TOOLS = ("brush", "eraser", "rectangle", "lasso", "click")


@dataclass(frozen=True)
class Click:
    """A click that a model is asked about.

    Attributes:
        requests: one.
        drawing: the value of the canvas when it was clicked.
        key: names the click.
    """

    requests: tuple[ClickRequest, ...]
    drawing: str
    key: str


class Marking:
    """The inputs, drawn where it is made; `connect` joins them once the tab is laid out."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.clicks = itertools.count(1)
        self.settings, self.limits = tab.hub.settings, tab.hub.limits
        self.picture = inputs.picture_input(height=140, elem_id="inpainting-picture")
        self.below = gr.Column()
        with gr.Row():
            self.new_scene = gr.Button("New scene", size="sm", elem_id="inpainting-new-scene")
            self.shadows = gr.Checkbox(True, label="Click: with its shadow", elem_id="inpainting-shadows")
        side = [(card.label, card.key) for card in tab.hub.offered(SEGMENTING)]
        self.clicker = inputs.choice_input(
            [("the scene, or colours", BY_COLOURS), *side],
            value=BY_COLOURS,
            label="A click selects by",
            visible=bool(side),
            elem_id="inpainting-clicker",
        )
        self.canvas = canvas.canvas_input("inpainting", WORDS, tools=TOOLS)
        with gr.Accordion("Add a mask from a file", open=False, elem_id="inpainting-mask-box"):
            self.mask = inputs.picture_input("Mask: white is to change", height=160, elem_id="inpainting-mask")
        self.points = gr.Textbox("", label="points", visible=False)
        self.clicked = gr.Textbox("", visible="hidden")  # for a model: where, and a number that no click before it had
        self.told = gr.HTML(elem_id="inpainting-told")
        forget_on_leave(self.canvas)

    def inputs(self) -> dict[str, Component]:
        """Return the inputs by the names that the endpoint knows them by."""
        return {"picture": self.picture, "mask": self.mask, "points": self.points, "drawing": self.canvas}

    def of(self, picture: Picture, mask: Any, points: Any, drawing: Any) -> tuple[Mask, tuple[str, ...]]:
        """Return what is marked in a picture, which may be nothing, and notes.

        Args:
            picture: as `guard.picture` read it.
            mask: path of a file that was sent.
            points: in words, as `points_in` reads them.
            drawing: the value of the canvas, or the data URL of a PNG.

        Raises:
            InvalidInput: for what cannot be read.
        """
        size, marked, notes = picture.image.size, [], []
        if mask:
            read = guard.mask(mask, self.limits)
            fitted, said = masks.fitted(read.image, size)
            marked.append(fitted)
            notes += [*read.notes, *said]
        drawn = canvas.drawing(drawing, self.limits)
        if drawn is not None:
            marked.append(masks.fitted(drawn, size)[0])  # the page draws on a smaller copy of a large picture
        clicked = points_in(checked_text(points or "", MOST_CHARS, "Points"), size)
        if clicked:
            found, how = selected(picture.image, scene_seed(picture.text), clicked)
            marked.append(found)
            notes.append(f"{len(clicked)} points: {how}")
        return masks.union(marked) if marked else np.zeros(size[::-1], np.bool_), tuple(notes)

    def connect(self) -> None:
        """Connect the inputs with each other."""
        self.new_scene.click(new_scene, None, self.picture, **QUIET)
        # An example brings its mask along: it is on the canvas by the time anybody could draw.
        self.picture.change(self._fresh, [self.picture, self.mask], [self.canvas, self.mask], queue=False, **QUIET)
        self.mask.upload(
            self._with_mask, [self.picture, self.mask, self.canvas], [self.canvas, self.mask], queue=False, **QUIET
        )
        selects: Any = self.canvas.select
        given = [self.picture, self.canvas, self.shadows, self.clicker]
        selects(self._with_click, given, [self.canvas, self.clicked], **QUIET)
        self.tab.connect_many(
            self.clicked.change,
            {"picture": self.picture, "drawing": self.canvas, "clicked": self.clicked},
            plan=self._click_for_model,
            draw=self._with_model,
            outputs=[self.canvas],
            status=self.told,
            demo=SEGMENTING,
            picker=self.clicker,
        )

    def _fresh(self, path: str | None, mask: str | None) -> tuple[str, None]:
        """Return the canvas of another picture."""
        with told_to_user():
            if not path:
                return "", None
            picture = guard.picture(path, self.limits)
            marked, _ = self.of(picture, mask, "", "")
            return canvas.over(picture.image, self.settings, masks.picture_of(marked) if mask else None), None

    def _with_mask(self, path: str | None, mask: str | None, drawing: str) -> tuple[Any, None]:
        """Return the canvas with an uploaded mask drawn onto it."""
        with told_to_user():
            if not mask:
                return gr.skip(), None
            marked, notes = self.of(guard.picture(path, self.limits), mask, "", "")
            for note in notes:
                gr.Info(f"{note[0].upper()}{note[1:]}.")
            return canvas.added(drawing, masks.picture_of(marked), self.limits), None

    def _with_click(
        self, path: str | None, drawing: str, shadows: bool, clicker: str, event: gr.EventData
    ) -> tuple[Any, Any]:
        """Return the canvas with the thing that was clicked drawn onto it, or the point for a model to look at."""
        with told_to_user():
            picture = guard.picture(path, self.limits)
            point = clicked_point(event._data, picture.image.size)
            if clicker != BY_COLOURS:
                return gr.skip(), f"{point[0]},{point[1]};{next(self.clicks)}"
            found, how = selected(picture.image, scene_seed(picture.text), [point], shadows=bool(shadows))
            return canvas.added(drawing, masks.picture_of(found), self.limits, said=how), gr.skip()

    def _click_for_model(self, picture: str | None, drawing: str, clicked: str) -> Click:
        """Return what a model is to look at."""
        image = guard.picture(picture, self.limits).image
        (point,) = points_in(str(clicked).partition(";")[0], image.size)
        return Click((ClickRequest(point, image),), drawing, str(clicked))

    def _with_model(self, replies: Sequence[Reply], click: Click) -> tuple[Any]:
        """Return the canvas with what a model selected drawn onto it."""
        if not replies:
            return (gr.skip(),)
        (reply,) = replies
        if isinstance(reply, UserError):
            raise gr.Error(escape(str(reply), quote=False), title=reply.title, print_exception=False)
        found = masks.picture_of(reply.result)
        return (canvas.added(click.drawing, found, self.limits, f"selected by {reply.run.model}", click.key),)


def clicked_point(data: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Return the pixel that the browser says was clicked.

    Raises:
        InvalidInput: when what was sent is no place in the picture.
    """
    shares: Sequence[Any] = [data.get(name) for name in ("x", "y")] if isinstance(data, dict) else ()
    if len(shares) != 2 or not all(isinstance(share, int | float) and 0 <= share < 1 for share in shares):
        raise InvalidInput("The click was outside of the picture.", "Click into it.")
    return int(shares[0] * size[0]), int(shares[1] * size[1])
