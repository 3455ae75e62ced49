"""The declaration of the text-to-image demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.text_to_image.pipeline import load
from demos.text_to_image.snippet import snippet
from hub.demo import Demo
from hub.diffusion.cards import TEXT_TO_IMAGE
from hub.diffusion.requests import with_lora
from hub.diffusion.stage import CSS

if TYPE_CHECKING:
    from hub.runtime import Hub


def build(hub: Hub) -> None:
    """Lay out the tab; Gradio is imported only for that."""
    from demos.text_to_image.tab import build as lay_out

    lay_out(hub)


EXERCISES = (
    "Draw one prompt with seeds 0 to 7 (Pictures: 8). What is the same in all, and what did the prompt leave open?",
    "Move the scrubber from the first step to the last. When does the colour stand, when the place, when the shape?",
    "Open **What guidance does** with guidance 3, then 10. In which steps do the two answers differ most, and what "
    "does going too far in that direction do?",
    "Vary **steps** and **scheduler** in the grid. Which scheduler needs the fewest steps until nothing changes?",
    "Click the words of `a red cube and a blue sphere` one by one. Does each colour act where its solid is?",
    "Ask the embedded model for a dog. Which words does it not know, and what does it draw instead?",
)

EXAMPLES = (
    {"prompt": "a red cube"},
    {"prompt": "a red cube and a blue sphere"},
    {"prompt": "a large yellow cone on a mint table"},
    {"prompt": "a large green torus to the left of a small pink cone"},
    {"prompt": "a cyan cylinder behind a yellow cube on a sky table"},
    {"prompt": "an empty sand table"},
)

DEMO = Demo(
    slug="text_to_image",
    title="Text to image",
    purpose="Draw a picture from words, and watch how it comes out of the noise step by step.",
    order=30,
    models=TEXT_TO_IMAGE,
    endpoint="text_to_image",
    load=load,
    build=build,
    snippet=snippet,
    examples=EXAMPLES,
    exercises=EXERCISES,
    needs=("torch", "diffusers", "transformers"),
    css=CSS,
    receives=("picture",),
    completed=with_lora,
)
