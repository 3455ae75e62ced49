"""New scenes to change, small enough for the embedded model to draw pixel for pixel, and its words for removing."""

from __future__ import annotations

from PIL import Image

from tabletop.pictures import new_seed, scene_picture

SCENE_PX = 128  # what the embedded model draws: nothing is enlarged
EMPTY = "an empty table"  # what the embedded model was taught to draw where there is nothing
NOTHING = "empty background, nothing there"  # what other models understand best


def new_scene() -> Image.Image:
    """Return a scene that no model was trained on; its seed is with it, so that clicks find its solids exactly."""
    return scene_picture(new_seed(), SCENE_PX)


def removing(ships_weights: bool) -> str:
    """Return the prompt that removes what is masked, for a model of this project or any other."""
    return EMPTY if ships_weights else NOTHING
