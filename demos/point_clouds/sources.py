"""Where a cloud comes from: a 3D file, a depth camera's pair, a single picture, another tab, or a New scene.

The kind of model that is chosen decides which of these are shown: a depth model takes a picture, Open3D the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from demos.point_clouds import EXAMPLES, PICTURE_EXAMPLES
from demos.point_clouds.controls import QUIET
from demos.point_clouds.formats import ENDINGS
from demos.point_clouds.models import FILES
from hub.depth_cards import SINGLE_PICTURE
from hub.files import result_path
from hub.inputs import file_input, picture_input
from hub.settings import Settings
from hub.ui import Tab

PICTURE_LABEL = "Picture"
PAIR_LABEL = "Instead of a file: a depth camera's pair"
DEPTH_ENDINGS = (".png", ".tif", ".tiff", ".npy")

# Of file, picture and depth, what the chosen kind of model takes; the others are emptied.
KEPT_INPUTS = (
    f"(group, file, picture, depth) => group === '{SINGLE_PICTURE}' ? [null, picture, null] : [file, null, depth]"
)


class Sources:
    """The inputs of a run but for its options and steps."""

    def __init__(self, tab: Tab) -> None:
        """Draw the inputs."""
        self.tab = tab
        with gr.Column() as self._file_place:
            self.file = file_input("3D file", ENDINGS, height=120, elem_id="clouds-file")
        self.new_scene = gr.Button("New scene", size="sm", elem_id="clouds-new-scene")
        with gr.Accordion(PAIR_LABEL, open=False) as self._pictures_place, gr.Row():
            self.picture = picture_input("Picture", height=190, elem_id="clouds-picture", min_width=150)
            with gr.Column(min_width=150) as self._depth_place:
                self.depth = file_input(
                    "Depth: 16-bit PNG, TIFF or .npy", DEPTH_ENDINGS, height=190, elem_id="clouds-depth"
                )
        self.other = file_input("Second 3D file", ENDINGS, render=False, height=120, elem_id="clouds-other")
        self.inputs: dict[str, Component] = {
            "file": self.file,
            "other": self.other,
            "picture": self.picture,
            "depth": self.depth,
        }
        assert tab.group is not None  # there are two kinds of models
        self.group = tab.group
        places: list[Any] = [self._file_place, self._pictures_place, self._depth_place]
        self.group.change(places_of, self.group, places, **QUIET)
        taken = [self.file, self.picture, self.depth]
        # In the browser: an update from the server would replace the component, and with it how its file is read.
        self.group.change(None, [self.group, *taken], taken, js=KEPT_INPUTS, **QUIET)
        rendered = self.new_scene.click(
            partial(fresh_scene, tab.hub.settings),
            self.group,
            [self.file, self.picture, self.depth, self.other],
            api_visibility="private",
            show_progress="minimal",
        )
        arrived = tab.receive("ply", self.file)(
            lambda: (FILES, tab.models_of(FILES), None, None),
            None,
            [self.group, tab.model, self.picture, self.depth],
            **QUIET,
        )
        pair: list[Any] = [self.picture, self.depth]
        uploaded = self.file.upload(None, None, pair, js="() => [null, null]", **QUIET)  # one source at a time
        for part in (self.picture, self.depth):
            part.upload(None, None, self.file, js="() => null", **QUIET)
        self.arrivals: list[Any] = [rendered.success, arrived.success, uploaded.then]

    def draw_second(self) -> None:
        """Draw the input of the second cloud, folded away."""
        with gr.Accordion("A second cloud, to register or compare with", open=False):
            self.other.render()

    def draw_examples(self, sent: dict[str, Component]) -> list[Callable[..., Any]]:
        """Draw the examples of the chosen kind; return the listeners of those that the scaffold does not know."""
        with gr.Column() as files:
            filled = {name: sent[name] for name in self.tab.demo.examples[0]}
            self.tab.examples(filled, "Examples: click one to open it", names=list(EXAMPLES))
        with gr.Column(visible=False) as pictures:
            drawn: Any = gr.Examples(
                [list(example) for example in PICTURE_EXAMPLES.values()],
                [self.picture, sent["field_of_view_deg"]],
                label="Pictures: click one to make it a cloud",
                example_labels=list(PICTURE_EXAMPLES),
                api_visibility="private",
                elem_id="clouds-picture-examples",
            )
        self.group.change(
            lambda group: (gr.Column(visible=group == FILES), gr.Column(visible=group == SINGLE_PICTURE)),
            self.group,
            [files, pictures],
            **QUIET,
        )
        return [drawn.load_input_event.then]

    def forget_result(self) -> None:
        """Let a result go when what it was made of goes."""
        self.tab.forget_result_on(self.file.change, by_user=[self.file.clear, self.new_scene.click])
        self.tab.forget_result_on(self.picture.change, by_user=[self.picture.clear, self.picture.upload])


def places_of(group: str) -> tuple[gr.Column, gr.Accordion, gr.Column]:
    """Show the inputs of a kind of model: where the file, the pictures and the depth picture stand."""
    single = group == SINGLE_PICTURE
    pictures = gr.Accordion(label=PICTURE_LABEL if single else PAIR_LABEL, open=single)
    # A file may arrive from another tab: what is hidden takes it, what is not on the page at all would not.
    return gr.Column(visible="hidden" if single else True), pictures, gr.Column(visible=not single)


def fresh_scene(settings: Settings, group: str) -> tuple[Any, ...]:
    """Make a scan, or a picture, of a scene that nobody has seen; what it shows is known."""
    from tabletop.pictures import new_seed, scene_picture

    seed = new_seed()
    if group == SINGLE_PICTURE:
        picture: Image.Image = scene_picture(seed)
        return None, picture, None, None
    from demos.point_clouds.scenes import new_scan, write_scan

    path = result_path(settings, f"scene-{seed}.ply")
    write_scan(path, new_scan(seed))
    return str(path), None, None, None
