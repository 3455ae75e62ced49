"""For the lecture: a grid that varies one or two settings, and what guidance does at each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from gradio.components import Component
from PIL import Image, ImageDraw, ImageFont

from demos.text_to_image.options import TextToImageOptions, TextToImageRequest
from hub.diffusion.options import SamplingOptions
from hub.errors import InvalidInput, UserError
from hub.events import forget_on_leave
from hub.files import result_path
from hub.options import checked, specs
from hub.pictures import data_uri, shrunk
from hub.runtime import Reply
from hub.settings import Settings
from hub.ui import Tab

if TYPE_CHECKING:
    from hub.diffusion.painting import Pictures
    from hub.diffusion.sampler import Compared

NOTHING = "nothing"
VARIED = ("guidance", "steps", "scheduler", "seed", "strength")
VALUES = {
    "guidance": "1, 3, 5, 7.5",
    "steps": "2, 5, 10, 20",
    "scheduler": "ddim, dpm++, euler, unipc",
    "seed": "0, 1, 2, 3",
    "strength": "0.3, 0.5, 0.7, 0.9",
    NOTHING: "",
}
MOST_CELLS = 36
CELL_PX = 256  # of a picture in the grid
LABEL_PX = 28

Asked = Callable[..., TextToImageRequest]


@dataclass(frozen=True)
class Grid:
    """Requests that differ in one or two settings, row by row."""

    requests: tuple[TextToImageRequest, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Single:
    """One request, to be looked at closely."""

    requests: tuple[TextToImageRequest, ...]


def grid(base: TextToImageRequest, across: str, across_values: str, down: str, down_values: str) -> Grid:
    """Return the requests of a grid: `base` with the values of `across` in columns and of `down` in rows.

    Raises:
        InvalidInput: for a value that the setting does not take, or too many of them.
    """
    columns, rows = varied(across, across_values), varied(down, down_values)
    if across == down and across != NOTHING:
        raise InvalidInput("Rows and columns vary the same setting.", "Choose another one for the rows, or nothing.")
    if len(columns) * len(rows) > MOST_CELLS:
        raise InvalidInput(
            f"The grid would have {len(columns)} x {len(rows)} pictures.", f"At most {MOST_CELLS} are drawn at once."
        )
    requests = [
        replace(base, options=replace(base.options, **row, **column, pictures=1)) for row in rows for column in columns
    ]
    return Grid(tuple(requests), _labels(rows), _labels(columns))


def varied(name: str, values: str) -> list[dict[str, Any]]:
    """Read the values of a setting, separated by commas, into changes of the options; one empty change for nothing.

    >>> varied("steps", "5, 10")
    [{'steps': 5}, {'steps': 10}]
    """
    if name == NOTHING:
        return [{}]
    declared = specs(TextToImageOptions)
    if name not in VARIED:
        raise InvalidInput("There is no such setting to vary.", f"Choose {' or '.join(VARIED)}.")
    found = []
    for word in str(values)[:500].replace(";", ",").split(","):
        if word.strip():
            value: Any = word.strip().lower()
            if not declared[name][0].choices:
                try:
                    value = float(value)
                except ValueError:
                    raise InvalidInput(
                        f"{declared[name][0].label}: {word.strip()[:20]!r} is no number.", "Write numbers and commas."
                    ) from None
            found.append({name: getattr(checked(TextToImageOptions, {name: value}), name)})
    if not found:
        raise InvalidInput(f"There are no values for {name}.", f"Write some, for example {VALUES[name]}.")
    return found


def _labels(changes: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(" ".join(f"{name} {value}" for name, value in change.items()) for change in changes)


def draw_grid(tab: Tab, settings: Settings, asked: Asked, controls: Mapping[str, Component]) -> None:
    """Draw the grid's controls and its pictures."""
    with gr.Accordion("Grid: vary one or two settings", open=False, elem_id="text_to_image-grid"):
        gr.HTML("<p>Draws the prompt above with every combination of the values, all else being equal.</p>")
        with gr.Row():
            across = gr.Dropdown(list(VARIED), value="guidance", label="Columns vary")
            across_values = gr.Textbox(VALUES["guidance"], label="Values", max_length=500)
            down = gr.Dropdown([NOTHING, *VARIED], value="seed", label="Rows vary")
            down_values = gr.Textbox("0, 1", label="Values", max_length=500)
        run = gr.Button("Draw the grid", variant="primary", size="md", elem_id="text_to_image-grid-run")
        status = gr.HTML(elem_id="text_to_image-grid-status")
        shown = gr.HTML(elem_id="text_to_image-grid-pictures")
        file = gr.File(label="The grid as one picture", visible=False)
        forget_on_leave(shown)
    for setting, values in ((across, across_values), (down, down_values)):
        setting.input(
            lambda name: VALUES.get(name, ""),
            setting,
            values,
            queue=False,
            api_visibility="private",
            show_progress="hidden",
        )

    def plan(across: str, across_values: str, down: str, down_values: str, **given: Any) -> Grid:
        return grid(asked(**given), across, across_values, down, down_values)

    def draw(replies: Sequence[Reply], planned: Grid) -> tuple[str, Any]:
        if len(replies) < len(planned.requests) or any(isinstance(each, UserError) for each in replies):
            return grid_html(replies, planned), gr.skip()
        path = result_path(settings, "grid.png")
        grid_picture(replies, planned).save(path)
        return grid_html(replies, planned), gr.File(str(path), visible=True)

    tab.connect_many(
        run.click,
        {"across": across, "across_values": across_values, "down": down, "down_values": down_values, **controls},
        plan=plan,
        draw=draw,
        outputs=[shown, file],
        status=status,
    )


def grid_html(replies: Sequence[Reply], planned: Grid) -> str:
    """Draw the pictures so far as a table."""
    head = "".join(f"<th>{escape(label)}</th>" for label in planned.columns)
    width = len(planned.columns)
    body = ""
    for number, label in enumerate(planned.rows):
        own = replies[number * width : (number + 1) * width]
        cells = "".join(f"<td>{_cell_html(reply)}</td>" for reply in own)
        body += f"<tr><th>{escape(label)}</th>{cells}{'<td></td>' * (width - len(own))}</tr>"
    return f'<div class="drawn-scroll"><table class="drawn-table"><tr><th></th>{head}</tr>{body}</table></div>'


def _cell_html(reply: Reply) -> str:
    if isinstance(reply, UserError):
        return escape(reply.cause)
    return f'<img src="{data_uri(shrunk(_first(reply), CELL_PX), "PNG")}" alt="" />'


def _first(reply: Any) -> Image.Image:
    pictures: Pictures = reply.result
    return pictures.drawn[0].image


def grid_picture(replies: Sequence[Any], planned: Grid) -> Image.Image:
    """Return the whole grid as one picture with its labels, for slides."""
    cells = [shrunk(_first(reply), CELL_PX) for reply in replies]
    width, height = cells[0].size
    columns, rows = len(planned.columns), len(planned.rows)
    whole = Image.new("RGB", (columns * width, rows * (height + LABEL_PX)), "white")
    pen = ImageDraw.Draw(whole)
    font = ImageFont.load_default(11 if width < 200 else 16)
    for place, cell in enumerate(cells):
        left, top = place % columns * width, place // columns * (height + LABEL_PX)
        label = "\n".join(part for part in (planned.rows[place // columns], planned.columns[place % columns]) if part)
        pen.multiline_text((left + 3, top + 1), label, fill="black", font=font, spacing=1)
        whole.paste(cell, (left, top + LABEL_PX))
    return whole


def draw_guidance(tab: Tab, asked: Asked, controls: Mapping[str, Component]) -> None:
    """Draw the button that compares what the model draws with and without the prompt, and the comparison."""
    with gr.Accordion("What guidance does", open=False, elem_id="text_to_image-guidance"):
        gr.HTML(
            "<p>At every step the model is asked twice what the finished picture is: without the prompt (or with the "
            "negative one) and with it. Guidance goes on in the direction from the first answer to the second: "
            "guided = without + guidance × (with − without).</p>"
        )
        run = gr.Button("Draw once more, and compare", variant="primary", size="md", elem_id="text_to_image-compare")
        status = gr.HTML(elem_id="text_to_image-compare-status")
        shown = gr.HTML(elem_id="text_to_image-compared")
        forget_on_leave(shown)

    def plan(**given: Any) -> Single:
        request = asked(**given)
        if not request.options.guided:
            raise InvalidInput(
                f"With guidance {request.options.guidance:g} the model is not asked without the prompt.",
                "Set the guidance above 1.",
            )
        return Single((replace(request, options=replace(request.options, pictures=1), compares=True),))

    def draw(replies: Sequence[Reply], planned: Single) -> tuple[str]:
        if not replies:
            return ("",)
        if isinstance(replies[0], UserError):
            return (f"<p>{escape(str(replies[0]))}</p>",)
        pictures: Pictures = replies[0].result
        return (compared_html(pictures.drawn[0].compared, pictures.options),)

    tab.connect_many(run.click, dict(controls), plan=plan, draw=draw, outputs=[shown], status=status)


def compared_html(compared: Sequence[Compared], options: SamplingOptions) -> str:
    """Draw the guesses without and with the prompt, their difference, and the guided guess, step by step."""
    if not compared:
        return "<p>This model draws without guidance: there is nothing to compare.</p>"
    without = "with the negative prompt" if options.negative_prompt else "without the prompt"
    heads = ("", without, "with the prompt", "difference", f"guided, {options.guidance:g}")
    rows = ""
    for each in compared:
        parts = (each.without, each.given, difference(each), each.guided)
        cells = "".join(
            f'<td><img src="{data_uri(shrunk(Image.fromarray(part), CELL_PX), "PNG")}" alt="" /></td>' for part in parts
        )
        rows += f"<tr><th>step {each.step}</th>{cells}</tr>"
    head = "".join(f"<th>{escape(label)}</th>" for label in heads)
    return (
        f'<div class="drawn-scroll"><table class="drawn-table"><tr>{head}</tr>{rows}</table></div>'
        '<p class="drawn-hint">The difference is with minus without, on grey: grey is where the prompt changes '
        "nothing.</p>"
    )


def difference(compared: Compared) -> Any:
    """Return (H, W, 3) uint8: what the prompt adds, around middle grey."""
    shift = compared.given.astype(np.int16) - compared.without.astype(np.int16)
    return np.clip(128 + shift, 0, 255).astype(np.uint8)
