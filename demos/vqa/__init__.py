"""Visual question answering: a picture and a question in, ranked answers out, with how sure the model is and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.vqa.models import MODELS
from demos.vqa.pipeline import load
from demos.vqa.snippet import snippet
from demos.vqa.style import CSS
from hub.demo import Demo

if TYPE_CHECKING:
    from hub.runtime import Hub


def build(hub: Hub) -> None:
    """Lay out the tab; Gradio is imported only for that."""
    from demos.vqa.tab import build as lay_out

    lay_out(hub)


EXERCISES = (
    "Ask the same thing three ways: `how many cubes are there?`, `count the boxes`, `hwo many cubes`. Does the answer "
    "change? Does its probability?",
    "Ask about what is not there: `is there a dog?`, `what colour is the dog?`, `what colour is the torus?` where "
    "there is none. Which of these does the model refuse, and in which words?",
    "Press **Ask ten questions about a new scene** five times. Which type of question is hardest? Switch the model "
    "and ask again: in which types does training pay most?",
    "Collect the answers it gave with 60 % to 80 %. How many of them are right? How many should be, if the "
    "probability means what it says?",
    "Choose **occlusion** and compare its map with the one of **attention**, for `what colour is the cone?` and for "
    "`how many solids are there?`. What does each hide?",
    "Leave out words of the question, one after the other. Which can go without any change? Are those the pale ones?",
)

EXAMPLES = (
    {"image": "assets/examples/vqa/lilac-table.png", "question": "what colour is the cone?"},
    {"image": "assets/examples/vqa/two-cubes.png", "question": "how many cubes are there?"},
    {"image": "assets/examples/vqa/four-colours.png", "question": "What's left of the donut?"},
    {"image": "assets/examples/vqa/orange-tori.png", "question": "is the blue cone larger than the orange cylinder?"},
    {"image": "assets/examples/vqa/three-spheres.png", "question": "is there a dog?"},
    {"image": "assets/examples/captioning/cat.png", "question": "what is the animal called?"},
)

# Shown while document models are chosen; the first embedded one of those answers them.
DOCUMENT_EXAMPLES = (
    {"image": "assets/examples/vqa/documents/invoice.png", "question": "what is the invoice number?"},
    {"image": "assets/examples/vqa/documents/timetable.png", "question": "when does the bus leave the hospital?"},
    {"image": "assets/examples/vqa/documents/bar-chart.png", "question": "which month has the most books?"},
)

DEMO = Demo(
    slug="vqa",
    title="Ask a picture",
    purpose="Ask a picture anything in words, and see how sure the model is and what in the picture mattered.",
    order=20,
    models=MODELS,
    endpoint="answer",
    load=load,
    build=build,
    snippet=snippet,
    examples=EXAMPLES,
    exercises=EXERCISES,
    needs=("torch", "transformers"),
    css=CSS,
)
