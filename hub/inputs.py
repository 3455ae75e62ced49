"""Inputs of tabs: files that come as they were sent, and controls drawn from declared options.

Nothing is decoded or checked here. `hub.guard` reads files and `hub.options` checks values, on the server, so that the
page and the API get the same clear messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from hub.options import Spec, specs

MOST_SLIDER_STEPS = 10_000  # a longer range, such as a seed's, gets a box to type in


def picture_input(label: str = "Picture", **kwargs: Any) -> gr.Image:
    """Draw a picture input that hands over the path of the uploaded file as it came.

    Gradio would open and convert it first; here `hub.guard.picture` is the only code that decodes what a user sent,
    so that every bad file gets the same clear message. (Set on the object: for a subclass Gradio writes a stub file
    beside the source.)
    """
    image = gr.Image(
        label=label,
        type="filepath",
        image_mode=None,
        format="png",  # keeps text chunks, where pictures carry how they were made
        sources=["upload", "webcam", "clipboard"],
        buttons=["fullscreen"],
        **kwargs,
    )
    refuse_links(image)

    def uploaded_path(payload: Any) -> Any:
        return None if payload is None else str(payload.path or "")

    image.preprocess = uploaded_path  # type: ignore[method-assign]
    # What "Use via API" shows; Gradio's own example is a link.
    image.example_payload = lambda: {"path": "picture.png", "meta": {"_type": "gradio.FileData"}}  # type: ignore[method-assign]
    return image


def refuse_links(component: Component) -> None:
    """Make a file component take uploads only: by default Gradio's server would fetch any address a client names."""
    keep_upload = component.async_move_resource_to_block_cache

    async def upload_only(place: Any) -> str | None:
        if str(place).strip().lower().startswith(("http://", "https://")):
            raise gr.Error("Upload the file itself; links are not followed.", print_exception=False)
        return await keep_upload(place)

    component.async_move_resource_to_block_cache = upload_only  # type: ignore[assignment,method-assign]


@dataclass(frozen=True)
class SentFile:
    """An uploaded file: where it lies now, and what the user called it (to show and to match, never to open)."""

    path: Path
    name: str


def file_input(label: str, file_types: Sequence[str], *, several: bool = False, **kwargs: Any) -> gr.File:
    """Draw an input for uploaded files of other kinds; hands over a tuple of `SentFile`, empty for none.

    Args:
        label: what the user reads.
        file_types: endings the browser's chooser offers, such as ".csv"; the content is what counts.
        several: whether more than one file may be sent.
        kwargs: passed on to `gr.File`.
    """
    file = gr.File(label=label, file_types=list(file_types), file_count="multiple" if several else "single", **kwargs)
    refuse_links(file)

    def sent_files(payload: Any) -> tuple[SentFile, ...]:
        listed = getattr(payload, "root", payload) or ()
        files = listed if isinstance(listed, list | tuple) else (listed,)
        return tuple(SentFile(Path(one.path), one.orig_name or Path(one.path).name) for one in files)

    file.preprocess = sent_files  # type: ignore[method-assign,assignment]
    return file


def controls(options: type[Any], *, names: Sequence[str] | None = None) -> dict[str, Component]:
    """Draw a control for each option (or those in `names`), with the declared range, label and help."""
    declared = specs(options)
    drawn = {name: _control(*declared[name]) for name in (names or declared)}
    for control in drawn.values():
        take_as_sent(control)
    return drawn


def take_as_sent(component: Component) -> None:
    """Hand over what a client sent as it came: `hub.options.checked` is the check, and says what is allowed."""
    component.preprocess = lambda payload: payload  # type: ignore[method-assign]


def _control(spec: Spec, default: Any) -> Component:
    common = {"value": default, "label": spec.label, "info": spec.info or None}
    if spec.choices:
        return gr.Radio(list(spec.choices), **common)
    if spec.minimum is not None and spec.maximum is not None:
        if spec.maximum - spec.minimum > MOST_SLIDER_STEPS * (spec.step or 1):
            return gr.Number(minimum=spec.minimum, maximum=spec.maximum, step=spec.step or 1, **common)
        return gr.Slider(spec.minimum, spec.maximum, step=spec.step, **common)
    return gr.Textbox(**common, placeholder=spec.placeholder or None, max_length=spec.max_chars, lines=1)
