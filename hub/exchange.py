"""Handing a result to another tab: a demo offers a file, and every demo that receives its kind gets a button for it.

Demos never import each other, so neither names the other: the page that holds them both joins them by the kind.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.components import Component

from hub.demo import Demo
from hub.inputs import SentFile


@dataclass(frozen=True)
class _Offer:
    kind: str
    to: Demo
    button: gr.Button
    file: Component


@dataclass(frozen=True)
class _Receiver:
    file: Component
    arrived: gr.State  # another number with every file that arrives


@dataclass
class Exchange:
    """The offers and the receivers of one page."""

    demos: Sequence[Demo]
    _offers: list[_Offer] = field(default_factory=list)
    _receivers: dict[tuple[str, str], _Receiver] = field(default_factory=dict)
    _arrivals: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def offer(self, sender: Demo, kind: str, file: Component) -> None:
        """Draw, here, a button for each other demo that receives `kind`; `file` holds what is handed over."""
        for demo in self.demos:
            if kind in demo.receives and demo.slug != sender.slug:
                button = gr.Button(f"Send to {demo.title}", size="sm", elem_id=f"{sender.slug}-to-{demo.slug}")
                self._offers.append(_Offer(kind, demo, button, file))

    def receive(self, receiver: Demo, kind: str, file: Component) -> Callable[..., Any]:
        """Let what other demos offer of `kind` come into the input `file`; return the listener to an arrival."""
        arrived = gr.State(0)
        self._receivers[receiver.slug, kind] = _Receiver(file, arrived)
        listener: Callable[..., Any] = arrived.change
        return listener

    def join(self, tabs: gr.Tabs) -> None:
        """Connect every button with its receiver, once all tabs are drawn; a click also opens the receiver's tab."""
        for offer in self._offers:
            target = self._receivers[offer.to.slug, offer.kind]

            def hand_over(file: Any, slug: str = offer.to.slug) -> tuple[Any, gr.Tabs, int]:
                if not file:
                    raise gr.Error("There is no result to send yet: run the demo first.", print_exception=False)
                return _path_of(file), gr.Tabs(selected=slug), next(self._arrivals)

            offer.button.click(
                hand_over,
                offer.file,
                [target.file, tabs, target.arrived],
                api_visibility="private",
                show_progress="hidden",
                concurrency_limit=None,  # (unqueued, Gradio would not tell the page that the state changed)
            )


def _path_of(file: Any) -> Any:
    if isinstance(file, tuple) and file and isinstance(file[0], SentFile):
        return str(file[0].path)
    return file


_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


@contextmanager
def exchange(demos: Sequence[Demo]) -> Iterator[Exchange]:
    """Open the exchange of the page that is being drawn."""
    opened = Exchange(demos)
    token = _current.set(opened)
    try:
        yield opened
    finally:
        _current.reset(token)


def current() -> Exchange:
    """Return the exchange of the page that is being drawn; one without demos for a tab that is drawn alone."""
    return _current.get() or Exchange(())
