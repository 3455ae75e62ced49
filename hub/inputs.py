"""Inputs of tabs: files that come as they were sent, and controls drawn from declared options.

Nothing is decoded or checked here. `hub.guard` reads files and `hub.options` checks values, on the server, so that the
page and the API get the same clear messages.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from hub.options import Spec, specs

MOST_SLIDER_STEPS = 10_000  # a longer range, such as a seed's, gets a box to type in


def _kind_of(component: type[Component], **methods: Any) -> type[Any]:
    """Return a class of component with some methods of our own.

    A class and not methods set on an object: whenever an event updates a component, also the click on an example,
    Gradio makes it anew from its class and arguments for that browser session. It is made past Gradio's metaclass,
    which would write a stub file beside this source.
    """
    methods |= {"__module__": component.__module__, "__doc__": component.__doc__}
    return ABCMeta.__new__(type(component), component.__name__, (component,), methods)


async def _upload_only(self: Component, place: Any) -> str | None:
    """Take uploads only: by default Gradio's server would fetch any address that a client names."""
    if str(place).strip().lower().startswith(("http://", "https://")):
        raise gr.Error("Upload the file itself; links are not followed.", print_exception=False)
    return await Component.async_move_resource_to_block_cache(self, place)


@dataclass(frozen=True)
class SentFile:
    """An uploaded file: where it lies now, and what the user called it (to show and to match, never to open)."""

    path: Path
    name: str


def _uploaded_path(self: Component, payload: Any) -> Any:
    return None if payload is None else str(payload.path or "")


def _sent_files(self: Component, payload: Any) -> tuple[SentFile, ...]:
    listed = getattr(payload, "root", payload) or ()
    files = listed if isinstance(listed, list | tuple) else (listed,)
    return tuple(SentFile(Path(one.path), one.orig_name or Path(one.path).name) for one in files)


_Picture = _kind_of(
    gr.Image,
    preprocess=_uploaded_path,
    async_move_resource_to_block_cache=_upload_only,
    # What "Use via API" shows; Gradio's own example is a link.
    example_payload=lambda self: {"path": "picture.png", "meta": {"_type": "gradio.FileData"}},
)
_Sound = _kind_of(
    gr.Audio,
    preprocess=_uploaded_path,
    async_move_resource_to_block_cache=_upload_only,
    example_payload=lambda self: {"path": "word.wav", "meta": {"_type": "gradio.FileData"}},
)
# Its choices may change while a page still sends the value from before. Gradio would answer that with a bare HTTP 500;
# whoever looks the value up says what is wrong with it.
_Choice = _kind_of(gr.Dropdown, preprocess=lambda self, payload: payload)
_Files = _kind_of(gr.File, preprocess=_sent_files, async_move_resource_to_block_cache=_upload_only)


def picture_input(label: str = "Picture", **kwargs: Any) -> gr.Image:
    """Draw a picture input that hands over the path of the uploaded file as it came.

    Gradio would open and convert it first; here `hub.guard.picture` is the only code that decodes what a user sent,
    so that every bad file gets the same clear message.
    """
    image: gr.Image = _Picture(
        label=label,
        type="filepath",
        image_mode=None,
        format="png",  # keeps text chunks, where pictures carry how they were made
        sources=["upload", "webcam", "clipboard"],
        buttons=["fullscreen"],
        **kwargs,
    )
    return image


def sound_input(label: str = "Sound", **kwargs: Any) -> gr.Audio:
    """Draw a microphone and an upload; hands over the path of the recorded or uploaded file as it came.

    `hub.sounds.sound` decodes it. Gradio's page turns a recording into WAV in the browser before it is sent, so that
    no ffmpeg is needed on the server.
    """
    audio: gr.Audio = _Sound(
        label=label,
        type="filepath",
        format=None,  # else Gradio would convert, with ffmpeg
        sources=["microphone", "upload"],
        buttons=[],
        **kwargs,
    )
    return audio


def file_input(label: str, file_types: Sequence[str], *, several: bool = False, **kwargs: Any) -> gr.File:
    """Draw an input for uploaded files of other kinds; hands over a tuple of `SentFile`, empty for none.

    Args:
        label: what the user reads.
        file_types: endings the browser's chooser offers, such as ".csv"; the content is what counts.
        several: whether more than one file may be sent.
        kwargs: passed on to `gr.File`.
    """
    count = "multiple" if several else "single"
    file: gr.File = _Files(label=label, file_types=list(file_types), file_count=count, **kwargs)
    return file


def choice_input(choices: Sequence[tuple[str, str]], **kwargs: Any) -> gr.Dropdown:
    """Draw a picker of (label, value) whose choices an event may change; hands over what was sent as it came."""
    choice: gr.Dropdown = _Choice(choices, **kwargs)
    return choice


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
