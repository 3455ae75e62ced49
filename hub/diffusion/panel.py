"""The result panel of tabs that draw: the pictures with their steps and words, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from hub.diffusion.answers import saved
from hub.diffusion.film import ENDINGS, Kind, animated
from hub.diffusion.painting import Pictures
from hub.diffusion.requests import DrawingRequest
from hub.diffusion.result import explained_html, result_html
from hub.diffusion.sampler import Frames
from hub.diffusion.stage import SCRIPT
from hub.events import forget_on_leave, told_to_user
from hub.files import result_path
from hub.runtime import Outcome
from hub.ui import Tab

PICTURE = "picture"  # the kind of file that tabs send each other (hub.exchange)
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True)
class Films:
    """The pictures of one run.

    Attributes:
        each: its file, its steps (N, H, W, 3), and the finished picture.
        chosen: the place of the one that is sent on and animated.
    """

    each: tuple[tuple[str, Frames, Image.Image], ...]
    chosen: int = 0

    @property
    def path(self) -> str:
        """The file of the chosen one."""
        return self.each[self.chosen][0]


class Panel:
    """A result panel: `Tab.results` draws it with `draw`, and `Tab.connect` fills it with `values`.

    A demo that shows more than this draws and fills the rest itself, before or after.
    """

    def __init__(self, tab: Tab, seed: Component, explain: Callable[[Pictures], str] = explained_html) -> None:
        """Prepare a panel.

        Args:
            tab: whose results it shows.
            seed: the input that the seed that was used is written back to.
            explain: says in HTML what the parts of a result mean.
        """
        self.tab = tab
        self.seed = seed
        self.explain = explain
        self.settings = tab.hub.settings

    def draw(self) -> list[Component]:
        """Draw it, and return the components that `values` fills."""
        stage: Any = gr.HTML(js_on_load=SCRIPT)
        picture, films, used = gr.State(), gr.State(), gr.Number(visible="hidden")
        with gr.Row():
            self.tab.offer(PICTURE, picture)
        with gr.Accordion("Explain", open=False):
            details = gr.HTML()
        with gr.Accordion("Animation of the steps", open=False), gr.Row():
            kind = gr.Radio(list(ENDINGS), value="GIF", label="File", info="GIF has 256 colours; the others have all.")
            make = gr.Button("Make it", size="md", min_width=90, elem_classes="drawn-animate")
            file = gr.File(label="Animation", interactive=False)
        stage.select(choose, films, [picture, films], queue=False, **QUIET)
        make.click(self._animation, [films, kind], file, **QUIET)
        used.change(lambda seed: gr.skip() if seed is None else seed, used, self.seed, queue=False, **QUIET)
        forget_on_leave(picture, films, stage, details)  # the last two hold small pictures in their HTML
        return [stage, picture, films, used, details, file]

    def values(self, outcome: Outcome, request: DrawingRequest) -> tuple[Any, ...]:
        """Return what the components of `draw` show of a run whose result is `Pictures`."""
        pictures: Pictures = outcome.result
        files = saved(outcome, self.settings)
        card = self.tab.demo.card_of(outcome.run.source)
        films = Films(
            tuple(
                (str(path), drawn.film.guessed, drawn.image) for path, drawn in zip(files, pictures.drawn, strict=True)
            )
        )
        return (
            result_html(outcome, request, files, card, self.settings),
            films.path,
            films,
            request.options.seed,
            self.explain(pictures),
            None,
        )

    def _animation(self, films: Films | None, kind: Kind) -> str:
        with told_to_user():
            if not films or kind not in ENDINGS:
                raise gr.Error("There is no picture yet: press Run first.", print_exception=False)
            _, frames, finished = films.each[films.chosen]
            return str(animated(frames, finished, kind, result_path(self.settings, f"steps.{ENDINGS[kind]}")))


def choose(films: Films | None, event: gr.EventData) -> tuple[Any, Any]:
    """Take the picture that was clicked, of several, for what is done with one: it is sent on, and animated."""
    place = event._data.get("place") if isinstance(event._data, dict) else None
    if films is None or not isinstance(place, int) or not 0 <= place < len(films.each):
        return gr.skip(), gr.skip()
    chosen = replace(films, chosen=place)
    return chosen.path, chosen
