"""A canvas to draw on in two colours, over a picture or on blank paper: a component of its own, and its server side.

Gradio's ImageEditor is not used: it has lost strokes when another tool was chosen, when a hidden tab was opened again
and when an event changed its picture (gradio-app/gradio 13587, 7522, 10614). This one keeps the drawing in the
component's value after every stroke, so whatever the page does with it, it is still there. What happens in the browser
is in `assets/canvas/canvas.js`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from hub import guard
from hub.errors import InvalidInput
from hub.files import address, result_path
from hub.guard import Limits
from hub.pictures import data_uri, shrunk
from hub.settings import Settings

SCRIPT = Path(__file__).resolve().parents[1] / "assets" / "canvas" / "canvas.js"
TOOLS: Mapping[str, tuple[str, str]] = {
    "brush": ("Brush", "draw"),
    "eraser": ("Eraser", "take drawing away"),
    "rectangle": ("Rectangle", "fill a rectangle"),
    "lasso": ("Lasso", "fill what you draw around"),
    "click": ("Click", "click a thing"),
}
DEEDS = {"undo": "Undo", "redo": "Redo", "invert": "Invert", "clear": "Clear"}
DRAWN_PX = 1024  # the longer side of what is drawn on; what is drawn is enlarged to the picture's own size
PNG_START = "data:image/png;base64,"


@dataclass(frozen=True)
class Words:
    """What a canvas says.

    Attributes:
        empty: in place of a picture.
        hint: below.
        clicked: while the server answers a click.
        label: what is drawn, for screen readers.
    """

    empty: str
    hint: str
    label: str
    clicked: str = "Looking at what is there …"


def canvas_input(
    slug: str,
    words: Words,
    *,
    tools: Sequence[str] = ("brush", "eraser", "rectangle", "lasso"),
    colour: str = "#e11d48",
) -> gr.HTML:
    """Draw a canvas; its value is read by `drawing` and written by `over` and `paper`.

    With the tool "click" it has the event `select`, whose data are x and y, shares of the width and the height.
    """
    chosen = tools[0]
    choices = "".join(
        f'<button type="button" data-choose="{tool}" title="{TOOLS[tool][1]}" aria-pressed="false">'
        f"{TOOLS[tool][0]}</button>"
        for tool in tools
    )
    deeds = "".join(f'<button type="button" data-do="{deed}" disabled>{name}</button>' for deed, name in DEEDS.items())
    canvas: gr.HTML = gr.HTML(
        value="",
        html_template=(
            f'<div class="canvas" data-state="empty" data-tool="{chosen}" data-colour="{colour}" '
            f'data-clicked="{escape(words.clicked)}"><div class="canvas-tools" role="toolbar" '
            f'aria-label="{escape(words.label)}">{choices}<label>Size <input class="canvas-size" type="range" min="1" '
            f'max="30" value="8" aria-label="size of the brush" /></label>{deeds}</div>'
            f'<p class="canvas-empty">{escape(words.empty)}</p><div class="canvas-stage">'
            f'<img class="canvas-back" alt="" hidden draggable="false" />'
            '<canvas class="canvas-ink" tabindex="0" role="application" '
            f'aria-label="{escape(words.label)}: arrow keys move, Enter draws"></canvas>'
            '<i class="canvas-ring"></i></div>'
            f'<p class="canvas-hint">{escape(words.hint)}</p><p class="canvas-said" role="status"></p></div>'
        ),
        js_on_load=SCRIPT.read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id=f"{slug}-canvas",
    )
    return canvas


def over(picture: Image.Image, settings: Settings, drawn: Image.Image | None = None) -> str:
    """Return the value of a canvas over a picture, with what may already be drawn on it (mode L, of any size)."""
    small = shrunk(picture, DRAWN_PX)
    path = result_path(settings, "picture.png")
    small.save(path)
    return _value(address(path), small.size, drawn)


def paper(size: tuple[int, int], drawn: Image.Image | None = None) -> str:
    """Return the value of a canvas of blank paper."""
    return _value("", size, drawn)


def _value(picture: str, size: tuple[int, int], drawn: Image.Image | None) -> str:
    drawing = "" if drawn is None else data_uri(drawn.resize(size, Image.Resampling.NEAREST), "PNG")
    return json.dumps({"picture": picture, "width": size[0], "height": size[1], "drawing": drawing})


def added(value: str, more: Image.Image, limits: Limits, said: str = "", key: str = "") -> str:
    """Return the value of a canvas on which something is drawn, too.

    The browser adds it to what it shows by then; what was drawn while the server was at work is kept.

    Args:
        value: of the canvas before.
        more: mode L, bright is drawn.
        limits: of pictures that are taken.
        said: of it, shown below the canvas.
        key: names what is added: sent twice, it is added once.

    Raises:
        InvalidInput: when the value is not one of a canvas.
    """
    read = _read(value)
    size = _size(read)
    more = more.resize(size, Image.Resampling.NEAREST)
    before = drawing(value, limits)
    both = more.copy()
    if before is not None:
        both.paste(255, mask=before.resize(size, Image.Resampling.NEAREST))
    return json.dumps(
        {**read, "drawing": data_uri(both, "PNG"), "add": data_uri(more, "PNG"), "said": said, "key": key}
    )


def drawing(value: str | None, limits: Limits) -> Image.Image | None:
    """Return what was drawn, mode L, white on black; None for nothing.

    Args:
        value: of a canvas; a client of an endpoint may send the data URL of a PNG.
        limits: of pictures that are taken.

    Raises:
        InvalidInput: for anything else.
    """
    if not value:
        return None
    if not isinstance(value, str):
        raise _unreadable()
    if len(value) > limits.megabytes * 1.5e6:
        raise InvalidInput(f"The drawing has {len(value) / 1e6:.1f} MB.", f"Send at most {limits.megabytes:g} MB.")
    url = value if value.startswith("data:") else str(_read(value).get("drawing") or "")
    if not url:
        return None
    if not url.startswith(PNG_START):
        raise _unreadable()
    try:
        content = base64.b64decode(url[len(PNG_START) :], validate=True)
    except binascii.Error as error:
        raise _unreadable() from error
    return guard.mask(content, limits).image


def _read(value: str) -> dict[str, Any]:
    try:
        read = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise _unreadable() from error
    if not isinstance(read, dict):
        raise _unreadable()
    return read


def _size(read: Mapping[str, Any]) -> tuple[int, int]:
    """Return the width and height of a canvas; clients may send any."""
    width, height = read.get("width"), read.get("height")
    if not (isinstance(width, int) and 0 < width <= DRAWN_PX and isinstance(height, int) and 0 < height <= DRAWN_PX):
        raise _unreadable()
    return width, height


def _unreadable() -> InvalidInput:
    return InvalidInput("The drawing could not be read.", f'Send a PNG as a data URL, "{PNG_START}…", or a file.')
