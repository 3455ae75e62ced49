"""Draw the examples of the inpainting tab: `python -m tests.demos.example_masks`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, PngImagePlugin

from demos.inpainting.masks import picture_of
from demos.inpainting.selecting import selected
from tabletop.pictures import SCENE_KEY, scene_picture
from tabletop.render import render
from tabletop.sampling import sample_scene

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "examples" / "inpainting"
SIDE_PX = 128
SEEDS = {"one-solid": 2_000_029, "two-solids": 2_000_000, "three-solids": 2_000_046, "free-place": 2_000_030}
FREE = (46, 60, 84, 98)  # a place on the table of `free-place`, left, top, right, bottom


def main() -> None:
    """Write every picture and its mask."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, seed in SEEDS.items():
        picture = scene_picture(seed, SIDE_PX)
        text = PngImagePlugin.PngInfo()
        text.add_text(SCENE_KEY, str(seed))
        picture.save(FOLDER / f"{name}.png", pnginfo=text)
        mask(name, picture, seed).save(FOLDER / f"{name}-mask.png", bits=1)


def mask(name: str, picture: Image.Image, seed: int) -> Image.Image:
    """Return the mask of an example: its first solid with its shadow, or a free place."""
    if name == "free-place":
        drawn = Image.new("L", picture.size)
        ImageDraw.Draw(drawn).ellipse(FREE, fill=255)
        return drawn
    ids = render(sample_scene(seed), SIDE_PX).ids
    rows, columns = np.nonzero(ids == 1)
    middle = np.argmin(np.hypot(rows - rows.mean(), columns - columns.mean()))
    found, _ = selected(picture, seed, [(int(columns[middle]), int(rows[middle]))])
    return picture_of(found)


if __name__ == "__main__":
    main()
