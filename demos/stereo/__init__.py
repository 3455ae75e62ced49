"""Stereo 3D measurement: two pictures in, distances in centimetres out, with honest error bars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.stereo.models import MODELS
from demos.stereo.pipeline import load
from demos.stereo.snippet import snippet
from demos.stereo.style import CSS
from hub.demo import Demo

if TYPE_CHECKING:
    from hub.runtime import Hub

PLACE = "assets/examples/stereo"
FOLDER = Path(__file__).resolve().parents[2] / PLACE


def build(hub: Hub) -> None:
    """Lay out the tab; Gradio is imported only for that."""
    from demos.stereo.tab import build as lay_out

    lay_out(hub)


EXERCISES = (
    "Halve the baseline in your head: what happens to every depth's error bar? Then halve it under **Calibration**, "
    "run, and see which numbers changed and which did not.",
    "Open the **OAK-D Lite table** and move `pt9` by one pixel in the right picture. How far does it move in z? Do the "
    "same with `pt5`, which is farther away. Is the ratio that of the squares of the depths?",
    "A tape measure says 31.2, 21.3, 16.7, 24.0, 16.7 and 24.0 cm for the six distances of that table. Which of them "
    "are within one error bar, and which within two? How many would you expect?",
    "In the **bedroom**, mark a point on the blank wall and look at its score curve. Why is it not sharp? What does "
    "the expected error say there?",
    "Press **Swap left and right**, then Run. How can the page know?",
    "Draw a **New scene**, mark two corners of a cube and compare with the truth. Where is the error map bright, and "
    "why there?",
    "Compare with a model of the group **Single picture** on the desk and on a New scene. What does stereo know that "
    "one picture cannot say?",
)


def example(pair: str, calibration: str, points: str = "", dimensions: str = "none") -> dict[str, Any]:
    """Return the inputs of a shipped pair, or of a table of points alone where `pair` is empty."""
    return {
        "left": f"{PLACE}/{pair}-left.png" if pair else None,
        "right": f"{PLACE}/{pair}-right.png" if pair else None,
        "calibration": (FOLDER / calibration).read_text(encoding="utf-8"),
        "points": points,
        "dimensions": dimensions,
    }


OAK_D = "oak-d-calibration.json"
EXAMPLES = {
    "New scene: the top of a cube": example(
        "scene", "scene-calibration.json", "name,u,v\npt1,199,441\npt2,357,420", "pt1-pt2"
    ),
    "Hall with a scooter": example("cycles", OAK_D, "name,u,v\npt1,197,267\npt2,316,264", "pt1-pt2"),
    "Rocking donkey": example("donkey-toy", OAK_D, "name,u,v\npt1,180,237\npt2,300,330", "pt1-pt2"),
    "Desk": example("desk", OAK_D, "name,u,v\npt1,285,158\npt2,285,215", "pt1-pt2"),
    "Bedroom with a blank wall": example(
        "bedroom-chair", OAK_D, "name,u,v\npt1,150,300\npt2,320,300\nwall,150,200", "pt1-pt2"
    ),
    "OAK-D Lite table: twelve points": example(
        "",
        "oak-d-lite-calibration.json",
        (FOLDER / "oak_d_lite.csv").read_text(encoding="utf-8"),
        "pt1-pt2, pt1-pt3, pt5-pt6, pt5-pt7, pt9-pt10, pt9-pt11",
    ),
}

DEMO = Demo(
    slug="stereo",
    title="Stereo 3D",
    purpose="Measure in space with two pictures: mark points, read distances, and see how sure they are and why.",
    order=60,
    models=MODELS,
    endpoint="measure_stereo",
    load=load,
    build=build,
    snippet=snippet,
    examples=tuple(EXAMPLES.values()),
    exercises=EXERCISES,
    needs=("cv2", "torch", "transformers"),
    css=CSS,
)
