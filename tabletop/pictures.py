"""Pictures of scenes that carry their seed, so that the truth can be told of a picture that has been sent around."""

from __future__ import annotations

import random
from collections.abc import Mapping

from PIL import Image

from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS

SCENE_KEY = "tabletop-seed"  # PNG text chunk
SCENE_PX = 512  # as drawn for people; models resize it themselves


def new_seed() -> int:
    """Return a seed that no model was trained on."""
    return random.choice(TEST_SEEDS)


def scene_picture(seed: int, size: int = SCENE_PX) -> Image.Image:
    """Render the scene of `seed`, RGB, `size` x `size` pixels; once saved as PNG, the picture carries the seed."""
    return marked(Image.fromarray(render(sample_scene(seed), size).rgb), seed)


def marked(image: Image.Image, seed: int) -> Image.Image:
    """Write the seed of its scene on a picture, and return it."""
    image.info[SCENE_KEY] = str(seed)
    return image


def scene_seed(text: Mapping[str, str]) -> int | None:
    """Read the seed from a PNG's text chunks; None for a picture of anything else."""
    seed = text.get(SCENE_KEY, "")
    return int(seed) if seed.isdecimal() and len(seed) <= 9 else None
