"""What the buttons of the step editor do: each takes the steps as text and gives the text that follows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from demos.point_clouds.options import Step
from demos.point_clouds.steps import parse_steps, spell_steps
from hub.errors import InvalidInput
from hub.options import specs

HEAD = '<h3 class="clouds-head">Steps</h3>'
LEAST_WITHOUT_EXPONENT = 1e-4  # below it Python writes one
PICKED_DIGITS = 5  # of the distance between two picked points: more than any scanner measures


def steps_text(steps: Sequence[Mapping[str, Any] | Step]) -> str:
    """Check steps and write them as JSON with all their options, one a line; no steps are no text.

    >>> print(steps_text([{"op": "voxel", "size": 0.01}]))
    [
      {"op": "voxel", "size": 0.01}
    ]

    Raises:
        InvalidInput: names the first step that is wrong.
    """
    taken = parse_steps(list(steps))
    return spell_steps(taken) if taken else ""


def added(text: str, step: Mapping[str, Any]) -> str:
    """Append a step.

    Raises:
        InvalidInput: for a step, or a text, that is none, and for one step too many.
    """
    return steps_text([*parse_steps(text), step])


def without_last(text: str) -> str:
    """Take the last step away."""
    return steps_text(parse_steps(text)[:-1])


def changed(text: str, wish: Mapping[str, Any]) -> str:
    """Do what was asked for in the list of steps or in the viewer.

    Args:
        text: the steps.
        wish: {"do": "delete", "step": place} or {"do": "up", "step": place}, places from 0, or {"do": "keep", "a":
            [x, y, z], "b": [x, y, z]} for the distance between two picked points.

    Raises:
        InvalidInput: for any other wish.
    """
    match wish:
        case {"do": "delete", "step": int(place)} if place >= 0:
            return steps_text([step for number, step in enumerate(parse_steps(text)) if number != place])
        case {"do": "up", "step": int(place)} if place > 0:
            steps = list(parse_steps(text))
            if place < len(steps):
                steps[place - 1], steps[place] = steps[place], steps[place - 1]
            return steps_text(steps)
        case {"do": "keep", "a": [*a], "b": [*b]} if len(a) == len(b) == 3:
            names = [f"{end}{axis}" for end in "ab" for axis in "xyz"]
            return added(text, {"op": "distance", **dict(zip(names, rounded(a, b), strict=True))})
    raise InvalidInput("The page asked for something that there is not.", "Reload the page.")


def rounded(a: Sequence[Any], b: Sequence[Any]) -> list[float]:
    """Round the coordinates of two picked points to what their distance gives a meaning.

    Raises:
        InvalidInput: for what are no points.
    """
    coordinates = [*a, *b]
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in coordinates):
        raise InvalidInput("The picked points are no points.", "Pick them again.")
    distance = math.dist(a, b) or 1.0
    decimals = PICKED_DIGITS - 1 - math.floor(math.log10(distance))
    return [round(float(number), decimals) for number in coordinates]


def listed_html(text: str, titles: Mapping[str, str]) -> str:
    """Draw the steps as a numbered list with a button to take each away; text that is no steps yet says so."""
    try:
        steps = parse_steps(text)
    except InvalidInput as error:
        return f'{HEAD}<p class="clouds-empty">{escape(error.cause)} {escape(error.action)}</p>'
    if not steps:
        return f'{HEAD}<p class="clouds-empty">None yet: the cloud is shown as it is. Add one, or take a recipe.</p>'
    rows = "".join(
        f"<li><b>{escape(titles[step.op])}</b> <small>{escape(options_line(step))}</small>"
        f"{button('up', number, 'Move up', '↑') if number else ''}{button('delete', number, 'Remove', '✕')}</li>"
        for number, step in enumerate(steps)
    )
    return f'{HEAD}<ol class="clouds-steps">{rows}</ol>'


def button(do: str, place: int, title: str, sign: str) -> str:
    """Draw a small button of the list."""
    return (
        f'<button type="button" data-do="{do}" data-step="{place}" title="{title}" '
        f'aria-label="{title} step {place + 1}">{sign}</button>'
    )


def options_line(step: Step) -> str:
    """Spell those of a step's options that were chosen, in one line; names are those of the JSON."""
    defaults = {name: default for name, (_, default) in specs(type(step.options)).items()}
    chosen = {name: value for name, value in step.recorded().items() if defaults.get(name, step.op) != value}
    return ", ".join(f"{name.replace('_', ' ')} {spelled(value)}" for name, value in chosen.items())


def spelled(value: Any) -> str:
    """Spell an option's value.

    >>> spelled(-1e-05), spelled(0.25), spelled("Poisson disk")
    ('-0.00001', '0.25', 'Poisson disk')
    """
    if isinstance(value, float) and 0 < abs(value) < LEAST_WITHOUT_EXPONENT:
        return f"{value:.9f}".rstrip("0")
    return f"{value:g}" if isinstance(value, float) else str(value)


# In the browser: a click on a button of the list becomes an event.
LIST_SCRIPT = """
element.addEventListener("click", event => {
  const button = event.target.closest("button[data-do]");
  if (button) trigger("click", {do: button.dataset.do, step: Number(button.dataset.step)});
});
"""
