"""How a picture came about, as files: all steps side by side, and an animation to take away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from hub.diffusion.sampler import Film, Frames

COLUMNS = 10  # of a sheet
STEP_MS = 120  # of the animation, for each step
END_MS = 2000  # for the finished picture
Kind = Literal["GIF", "WebP", "APNG"]
ENDINGS: dict[str, str] = {"GIF": "gif", "WebP": "webp", "APNG": "png"}


def sheet(film: Film) -> Image.Image:
    """Return all guesses in rows of `COLUMNS`, and below them, from a new row on, all that was seen."""
    return Image.fromarray(np.concatenate([_rows(film.guessed), _rows(film.seen)]))


def _rows(frames: Frames) -> Frames:
    """Return frames (N, H, W, 3) in rows of `COLUMNS`, the last filled with black."""
    count, height, width, _ = frames.shape
    rows = -(-count // COLUMNS)
    filled = np.zeros((rows * COLUMNS, height, width, 3), np.uint8)
    filled[:count] = frames
    grid = filled.reshape(rows, COLUMNS, height, width, 3).swapaxes(1, 2)
    return grid.reshape(rows * height, COLUMNS * width, 3)


def animated(frames: Frames, finished: Image.Image, kind: Kind, path: Path) -> Path:
    """Write the steps and the finished picture as an animation that repeats, and return where.

    Args:
        frames: (N, H, W, 3), enlarged to the finished picture's size where they are smaller.
        finished: shown for longer than a step.
        kind: GIF has 256 colours a frame, the others all.
        path: of the file.
    """
    steps = [Image.fromarray(frame).resize(finished.size, Image.Resampling.BICUBIC) for frame in frames]
    durations = [STEP_MS] * len(steps) + [END_MS]
    pictures: Sequence[Image.Image] = [*steps, finished.convert("RGB")]
    more = {"lossless": True} if kind == "WebP" else {}
    name = "PNG" if kind == "APNG" else kind
    pictures[0].save(path, name, save_all=True, append_images=list(pictures[1:]), duration=durations, loop=0, **more)
    return path
