"""The declaration of the inpainting demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.inpainting.models import MODELS
from demos.inpainting.pipeline import load
from demos.inpainting.snippet import snippet
from demos.inpainting.style import CSS
from hub.demo import Demo
from hub.diffusion.requests import with_lora

if TYPE_CHECKING:
    from hub.runtime import Hub


def build(hub: Hub) -> None:
    """Lay out the tab; Gradio is imported only for that."""
    from demos.inpainting.tab import build as lay_out

    lay_out(hub)


EXERCISES = (
    "Press **New scene**, choose **Click** and click a solid: it is selected with its shadow, since the scene is "
    "known. Turn **With its shadow** off, press **Remove**: what gives away that something stood there?",
    "Draw the same hole with strength 1, 0.7 and 0.4. What of the old thing survives, and from which step on?",
    "Set **Grow** to -4, 0, 4 and 12. When does a rim of the old thing stay, and when does the new one get more room?",
    "Set **Paste back** to off and move the slider between before and after: everything has changed a little. Why? "
    "(Explain shows what the model drew: all of it went through the autoencoder.)",
    "Move the scrubber: from which step on does what is drawn fit its surroundings, and what in the loop sees to that?",
    "Ask for a solid that is larger than the hole. What does the model do, and what would help it?",
)

FOLDER = "assets/examples/inpainting"
EXAMPLES = (
    {"picture": f"{FOLDER}/two-solids.png", "mask": f"{FOLDER}/two-solids-mask.png", "prompt": "a red cube"},
    {"picture": f"{FOLDER}/three-solids.png", "mask": f"{FOLDER}/three-solids-mask.png", "prompt": "an empty table"},
    {"picture": f"{FOLDER}/free-place.png", "mask": f"{FOLDER}/free-place-mask.png", "prompt": "a large blue sphere"},
    {"picture": f"{FOLDER}/one-solid.png", "mask": f"{FOLDER}/one-solid-mask.png", "prompt": "a small yellow cone"},
)

DEMO = Demo(
    slug="inpainting",
    title="Inpainting",
    purpose="Mark a part of a picture, say what is to be there, and watch the model fill the hole.",
    order=40,
    models=MODELS,
    endpoint="inpaint",
    load=load,
    build=build,
    snippet=snippet,
    examples=EXAMPLES,
    exercises=EXERCISES,
    needs=("torch", "diffusers", "transformers", "cv2"),
    css=CSS,
    receives=("picture",),
    completed=with_lora,
)
