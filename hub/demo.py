"""What a demo declares. `demos.discover()` finds every module that defines one as `DEMO`."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hub.batch import Pipeline
from hub.cards import ModelCard
from hub.device import Device
from hub.errors import InvalidInput
from hub.pool import Report

if TYPE_CHECKING:
    from hub.runtime import Hub


class Request(Protocol):
    """One checked request of a demo; the demo's own frozen dataclass."""

    def batch_key(self) -> Hashable | None:
        """Return what requests must share to run as one forward pass, or None to run alone."""

    def recorded(self) -> dict[str, Any]:
        """Return the options as plain JSON values, for the run record."""


@dataclass(frozen=True)
class Loading:
    """What a demo's `load` is given: everything to build a pipeline from local files."""

    card: ModelCard
    folder: Path  # the model's files; nothing needs the network any more
    device: Device
    report: Report
    share: Callable[[Hashable, Callable[[], Any]], Any]  # share(key, build): one copy of a component for all pipelines
    offload: bool = False  # the device is too small: weights wait in the machine's memory, and come over in turn


@dataclass(frozen=True)
class Demo:
    """One tab and one API endpoint."""

    slug: str  # also the name of the demo's folder of examples
    title: str
    purpose: str  # one line, for people
    order: int  # place among the tabs
    models: tuple[ModelCard, ...]  # the embedded ones first
    endpoint: str  # name of the API endpoint, without the slash
    load: Callable[[Loading], Pipeline]
    build: Callable[[Hub], None]  # lays out the tab and connects its events
    snippet: Callable[[ModelCard, Any, Any], str]  # (card, request, result) to plain library code that repeats the run
    examples: tuple[dict[str, Any], ...]  # inputs of the endpoint; files as paths
    exercises: tuple[str, ...]  # "Try this", in Markdown
    more_endpoints: tuple[str, ...] = ()  # names of further ones, which the demo connects itself
    needs: tuple[str, ...] = ()  # modules that must be installed
    libraries: tuple[str, ...] = ()  # shared libraries of the system that these modules load, on Linux
    css: str = ""  # rules for the demo's own HTML
    assets: Path | None = None  # a folder of scripts and the like that browsers fetch (see hub.files.address)
    warm: Callable[[], None] | None = None  # called once in the background after a start: slow imports, processes
    receives: tuple[str, ...] = ()  # kinds of files other tabs may send here (see hub.exchange), e.g. "ply"
    # (card, request) to the card that the run is leased for: what the request needs besides the picker's model, such as
    # ControlNets, is composed into it. Its `source` stays that of one of `models`.
    completed: Callable[[ModelCard, Any], ModelCard] = lambda card, request: card

    def card_of(self, source: str) -> ModelCard:
        """Return the card whose weights are `source`, as a run record names them."""
        return next(card for card in self.models if card.source == source)

    def card(self, key: str) -> ModelCard:
        """Return the card `key`.

        Raises:
            InvalidInput: when this demo offers no such model.
        """
        for card in self.models:
            if card.key == key:
                return card
        raise InvalidInput(
            f"{self.title} has no model {str(key)[:40]!r}.", f"Choose {' or '.join(card.key for card in self.models)}."
        )
