"""The declaration of the ControlNet demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.controlnet import style
from demos.controlnet.networks import completed
from demos.controlnet.pipeline import load
from demos.controlnet.snippet import snippet
from hub import canvas_style
from hub.demo import Demo
from hub.diffusion import stage
from hub.diffusion.cards import CONTROLLED

if TYPE_CHECKING:
    from hub.runtime import Hub


def build(hub: Hub) -> None:
    """Lay out the tab; Gradio is imported only for that."""
    from demos.controlnet.tab import build as lay_out

    lay_out(hub)


EXERCISES = (
    "Press **New scene** and Run. What came from the drawing, and what from the words? Ask for other colours.",
    "Move Canny's two thresholds until only the outlines of the solids are left. Which shadows go first, and why?",
    "Draw with weight 0, 0.5, 1 and 2 and the same seed. At which weight do the edges agree best, and what does more "
    "of it cost?",
    "Let the control act from 0 to 30 % of the steps, then from 30 to 100 %. Which of the two decides where things "
    "are?",
    "Use depth instead of edges. Which drawing leaves the model more freedom, and what can each not say?",
    "Compare the estimated depth with **the truth of a New scene**. Where is the depth model wrong, and does the "
    "result show it?",
    "Open **Draw by hand**, draw a circle and a box, and ask for a red sphere and a blue cube.",
)

EXAMPLES = (
    {
        "picture": "assets/examples/controlnet/two-solids.png",
        "prompt": "a red cube to the left of a large pink sphere on a mint table",
        "shows": "canny",
        "made": "picture",
    },
    {
        "picture": "assets/examples/controlnet/three-solids.png",
        "prompt": "a green torus to the left of a small blue cube, which is to the left of a large yellow sphere",
        "shows": "depth",
        "made": "picture",
    },
    {
        "picture": "assets/examples/controlnet/cube.png",
        "prompt": "a large purple cube on a rose table",
        "shows": "depth",
        "made": "truth",
    },
    {
        "picture": "assets/examples/controlnet/scribble.png",
        "prompt": "a red sphere to the left of a blue cube",
        "shows": "canny",
        "made": "hand",
    },
)

DEMO = Demo(
    slug="controlnet",
    title="ControlNet",
    purpose="Steer a picture by a drawing: edges, depth or a scribble say where things go, words say what they are.",
    order=50,
    models=CONTROLLED,
    endpoint="controlnet",
    load=load,
    build=build,
    snippet=snippet,
    examples=EXAMPLES,
    exercises=EXERCISES,
    needs=("torch", "diffusers", "transformers", "cv2"),
    css=stage.CSS + canvas_style.CSS + style.CSS,
    receives=("picture",),
    completed=completed,
)
