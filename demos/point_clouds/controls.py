"""The step editor: recipes, the controls of each operation, the list of steps, and the steps as text or from a file.

A run is given one text, the JSON that the API takes; everything else here is a way to write it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from demos.point_clouds.editor import LIST_SCRIPT, added, changed, listed_html, steps_text, without_last
from demos.point_clouds.operations.crop import UNBOUNDED
from demos.point_clouds.operations.operation import Operation
from demos.point_clouds.operations.registry import REGISTRY
from demos.point_clouds.recipes import RECIPES
from demos.point_clouds.steps import parse_steps
from hub.errors import InvalidInput
from hub.events import told_to_user
from hub.inputs import SentFile, controls, file_input, take_as_sent
from hub.options import specs

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
TITLES = {key: operation.title for key, operation in REGISTRY.items()}
NOTHING_CHOSEN = ""
MOST_FILE_BYTES = 100_000
SENTENCE_END = re.compile(r"(?<=\.) (?<!al\. )(?=[A-Z])")  # "et al. 1997" ends none
CONTROL_PX, BOUND_PX = 220, 110  # least widths: two controls side by side, or three bounds
# Where the result has been scrolled away, show what comes of the new step. Hands the inputs on as they are.
SHOW_RESULT = """(...inputs) => {
  const result = document.getElementById("point_clouds-status"), top = result.getBoundingClientRect().top;
  if (top < 0 || top > window.innerHeight * 0.6) result.scrollIntoView({behavior: "smooth"});
  return inputs;
}"""


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
        with gr.Row():
            chosen = gr.Dropdown(
                [
                    ("choose ...", NOTHING_CHOSEN),
                    *((f"{one.group}: {one.title}", one.key) for one in REGISTRY.values()),
                ],
                value=NOTHING_CHOSEN,
                label="Add a step",
                min_width=200,
                elem_id="clouds-operation",
            )
            recipe = gr.Dropdown(
                [("choose ...", NOTHING_CHOSEN), *((name, name) for name in RECIPES)],
                value=NOTHING_CHOSEN,
                label="Or take a recipe",
                interactive=True,
                min_width=200,
                elem_id="clouds-recipe",
            )
        adders = draw_operations(chosen, self.text)
        with gr.Accordion("Steps as text or from a file", open=False):
            self.text.render()
            file = file_input(
                "Steps (steps.json of an earlier run)", [".json"], height=110, elem_id="clouds-steps-file"
            )
        take_as_sent(recipe)
        take_as_sent(chosen)
        self._changes = [
            undo.click(told(without_last), self.text, self.text, **QUIET).success,
            clear.click(lambda: "", None, self.text, **QUIET).success,
            # `input` would tell of one choice twice.
            recipe.select(recipe_selected, None, [self.text, recipe], js=SHOW_RESULT, **QUIET).success,
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


def draw_operations(chosen: gr.Dropdown, text: gr.Textbox) -> list[Any]:
    """Draw, of the chosen operation, what it does, its options and Add, which appends it to the steps in `text`.

    Returns:
        The listeners to what was added.
    """
    columns, adders = [], []
    for operation in REGISTRY.values():
        with gr.Column(visible=False, elem_classes="clouds-operation") as column:
            adders.append(draw_operation(operation, text))
        columns.append(column)
    chosen.change(lambda key: [gr.Column(visible=key == each) for each in REGISTRY], chosen, columns, **QUIET)
    return adders


def draw_operation(operation: Operation, text: gr.Textbox) -> Any:
    """Draw one operation's text, options and Add; return the listener to what was added."""
    first, *rest = SENTENCE_END.split(operation.explanation, maxsplit=1)
    more = f"<p>{escape(rest[0])}</p>" if rest else ""
    gr.HTML(f'<details class="clouds-explanation"><summary>{escape(first)}</summary>{more}</details>')
    with gr.Row():
        drawn = {name: control_of(operation, name) for name in specs(operation.options)}
    add = gr.Button(f"Add: {operation.title}", elem_id=f"clouds-add-{operation.key}")
    names = list(drawn)

    def append(steps: str, *values: Any) -> str:
        chosen = {name: number_typed(value) for name, value in zip(names, values, strict=True) if value != ""}
        return added(steps, {"op": operation.key, **chosen})

    inputs: list[Component] = [text, *drawn.values()]
    return add.click(told(append), inputs, text, js=SHOW_RESULT, **QUIET).success


def control_of(operation: Operation, name: str) -> Component:
    """Draw an option's control; for a bound that may be left out a box that starts empty, as Gradio's Number cannot."""
    spec, default = specs(operation.options)[name]
    if default in (-UNBOUNDED, UNBOUNDED):
        box = gr.Textbox("", label=spec.label, placeholder="no bound", min_width=BOUND_PX, max_length=40)
        take_as_sent(box)
        return box
    (control,) = controls(operation.options, names=[name]).values()
    control.min_width = CONTROL_PX
    return control


def number_typed(value: Any) -> Any:
    """Return a text that is a number as that; everything else as it is, for the check of options to judge."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def told(act: Callable[..., Any]) -> Callable[..., Any]:
    """Return `act` so that what it refuses is told to the user."""

    def acted(*values: Any) -> Any:
        with told_to_user():
            return act(*values)

    return acted


def recipe_selected(event: gr.SelectData) -> tuple[str, str]:
    """Take the recipe that was chosen."""
    with told_to_user():
        return taken_recipe(event.value)


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
