"""Captioning: a picture in, a sentence out, with how sure the model was of each word and where it looked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.captioning.models import MODELS
from demos.captioning.pipeline import load
from demos.captioning.snippet import snippet
from demos.captioning.style import CSS
from hub.demo import Demo

if TYPE_CHECKING:
    from hub.runtime import Hub


def build(hub: Hub) -> None:
    """Lay out the tab; Gradio is imported only for that."""
    from demos.captioning.tab import build as lay_out

    lay_out(hub)


EXERCISES = (
    "Choose **beam**, 5 beams and 5 captions. Which words do all five share, and where do they part? Compare the "
    "probability of that word with its neighbours'.",
    "Choose **sample** and change only the seed, then only the temperature. What does each of them change?",
    "Click the words of a caption one by one. Does the look go to the thing the word names? Which words look nowhere?",
    "Begin the caption yourself with `i see`, `there` or `a picture of`. What changes besides the opening?",
    "Show the embedded model the cat. How sure is it of its nonsense, and what does that say about probabilities?",
)

EXAMPLES = (
    {"image": "assets/examples/captioning/four-solids.png", "prompt": ""},
    {"image": "assets/examples/captioning/two-solids.png", "prompt": "i see"},
    {"image": "assets/examples/captioning/three-solids.png", "prompt": "a picture of"},
    {"image": "assets/examples/captioning/four-apart.png", "prompt": "there"},
    {"image": "assets/examples/captioning/one-solid.png", "prompt": ""},
    {"image": "assets/examples/captioning/cat.png", "prompt": ""},
)

DEMO = Demo(
    slug="captioning",
    title="Captioning",
    purpose="Describe a picture in words, and see how sure the model is of each word and where it looked.",
    order=10,
    models=MODELS,
    endpoint="caption",
    load=load,
    build=build,
    snippet=snippet,
    examples=EXAMPLES,
    exercises=EXERCISES,
    needs=("torch", "transformers"),
    css=CSS,
)
