"""The step editor: recipes, the controls of each operation, the list of steps, and the steps as text or from a file.

A run is given one text, the JSON that the API takes; everything else here is a way to write it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from demos.point_clouds.editor import LIST_SCRIPT, added, changed, listed_html, steps_text, without_last
from demos.point_clouds.operations.operation import Operation
from demos.point_clouds.operations.registry import REGISTRY
from demos.point_clouds.recipes import RECIPES
from demos.point_clouds.steps import parse_steps
from hub.errors import InvalidInput
from hub.events import told_to_user
from hub.inputs import SentFile, controls, file_input, take_as_sent

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
TITLES = {key: operation.title for key, operation in REGISTRY.items()}
NOTHING_CHOSEN = ""
MOST_FILE_BYTES = 100_000


class StepEditor:
    """The steps of the pipeline, and all ways to change them."""

    def __init__(self) -> None:
        self.text = gr.Textbox(
            "",
            render=False,
            lines=4,
            max_lines=14,
            label="Steps as JSON",
            info="A list of steps, run from the first to the last; the API takes the same text.",
            elem_id="clouds-steps-text",
        )
        take_as_sent(self.text)
        self._changes: list[Any] = []

    def draw(self) -> None:
        """Draw the list, the recipes, the operations with their options, and the steps as text."""
        steps = gr.HTML(listed_html("", TITLES), js_on_load=LIST_SCRIPT, elem_id="clouds-steps")
        with gr.Row():
            undo = gr.Button("Undo last step", size="sm", min_width=110, elem_id="clouds-undo")
            clear = gr.Button("Clear all", size="sm", min_width=110, elem_id="clouds-clear")
        recipe = gr.Dropdown(
            [("take a recipe ...", NOTHING_CHOSEN), *((name, name) for name in RECIPES)],
            value=NOTHING_CHOSEN,
            label="Recipe",
            info="A list of steps to start from; it takes the place of those above.",
            elem_id="clouds-recipe",
        )
        adders = self._draw_operations()
        with gr.Accordion("Steps as text or from a file", open=False):
            self.text.render()
            file = file_input(
                "Steps (steps.json of an earlier run)", [".json"], height=110, elem_id="clouds-steps-file"
            )
        take_as_sent(recipe)
        self._changes = [
            undo.click(told(without_last), self.text, self.text, **QUIET).success,
            clear.click(lambda: "", None, self.text, **QUIET).success,
            recipe.input(told(taken_recipe), recipe, [self.text, recipe], **QUIET).success,
            steps.click(asked_for, self.text, self.text, **QUIET).success,
            file.upload(loaded, file, self.text, **QUIET).success,
            self.text.submit,
            *adders,
        ]
        self.text.change(partial(listed_html, titles=TITLES), self.text, steps, **QUIET)

    def changes(self, viewers: Sequence[gr.HTML]) -> list[Any]:
        """Return the listeners to every change of the steps, those asked for in the viewers too."""
        kept = [viewer.click(asked_for, self.text, self.text, **QUIET).success for viewer in viewers]
        return [*self._changes, *kept]

    def _draw_operations(self) -> list[Any]:
        """Draw the choice of an operation, and of the chosen one its text, options and Add; return the listeners."""
        with gr.Group(elem_classes="clouds-operations"):
            chosen = gr.Dropdown(
                [
                    ("choose ...", NOTHING_CHOSEN),
                    *((f"{one.group}: {one.title}", one.key) for one in REGISTRY.values()),
                ],
                value=NOTHING_CHOSEN,
                label="Add a step",
                elem_id="clouds-operation",
            )
            take_as_sent(chosen)
            columns, adders = [], []
            for operation in REGISTRY.values():
                with gr.Column(visible=False, elem_classes="clouds-operation") as column:
                    adders.append(self._draw_operation(operation))
                columns.append(column)
        keys = list(REGISTRY)
        chosen.change(lambda key: [gr.Column(visible=key == each) for each in keys], chosen, columns, **QUIET)
        return adders

    def _draw_operation(self, operation: Operation) -> Any:
        gr.HTML(f'<p class="clouds-explanation">{escape(operation.explanation)}</p>')
        drawn = controls(operation.options)
        add = gr.Button(f"Add: {operation.title}", size="sm", elem_id=f"clouds-add-{operation.key}")
        names = list(drawn)

        def append(text: str, *values: Any) -> str:
            return added(text, {"op": operation.key, **dict(zip(names, values, strict=True))})

        inputs: list[Component] = [self.text, *drawn.values()]
        return add.click(told(append), inputs, self.text, **QUIET).success


def told(act: Callable[..., Any]) -> Callable[..., Any]:
    """Return `act` so that what it refuses is told to the user."""

    def acted(*values: Any) -> Any:
        with told_to_user():
            return act(*values)

    return acted


def taken_recipe(name: Any) -> tuple[str, str]:
    """Return the steps of a recipe, and the choice put back to none, so that it can be taken again."""
    if name not in RECIPES:
        raise InvalidInput("There is no such recipe.", f"Choose {' or '.join(RECIPES)}.")
    return steps_text(RECIPES[name]), NOTHING_CHOSEN


def asked_for(text: str, event: gr.EventData) -> str:
    """Do what was asked for in the list of steps or in a viewer."""
    with told_to_user():
        return changed(text, event._data if isinstance(event._data, dict) else {})


def loaded(sent: tuple[SentFile, ...]) -> str:
    """Return the steps of a file, once they are known to be steps.

    Raises:
        gr.Error: says what is wrong with the file.
    """
    with told_to_user():
        if not sent:
            return ""
        if sent[0].path.stat().st_size > MOST_FILE_BYTES:
            raise InvalidInput("A file of steps is not that large.", "Send the steps.json of an earlier run.")
        try:
            text = sent[0].path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidInput("That file is no text.", "Send the steps.json of an earlier run.") from error
        return steps_text(parse_steps(text))
