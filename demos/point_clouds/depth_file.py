"""Reads the depth picture of an RGB-D pair as the numbers its camera wrote, which 8 bits could not hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.point_clouds.options import Source
from hub.errors import InvalidInput
from hub.guard import Limits

FORMATS = ("PNG", "TIFF")
ACCEPTED = "a 16-bit grey PNG, a 16-bit or 32-bit floating-point TIFF, or a NumPy file (.npy) of rows and columns"
WHOLE, REAL = ("I;16", "I;16B", "I;16L", "I", "L"), ("F",)
NPY_MAGIC = b"\x93NUMPY"
MIN_SIDE_PX = 8


def read_depth(source: Source, limits: Limits) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Read a depth picture.

    Returns:
        (H, W) float32 in the file's own units, 0 where nothing was measured; and what the user must know.

    Raises:
        InvalidInput: for what is no depth picture, or is too large.
    """
    with source.path.open("rb") as opened:
        head = opened.read(len(NPY_MAGIC))
    values, notes = _from_numpy(source, limits) if head == NPY_MAGIC else _from_picture(source, limits)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    values[values < 0] = 0.0
    if not values.any():
        raise InvalidInput("The depth picture has no depth anywhere: all of it is 0.", f"Send {ACCEPTED}.")
    return values, notes


def _from_numpy(source: Source, limits: Limits) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    try:
        values = np.load(source.path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InvalidInput("The depth picture is a damaged NumPy file.", f"Send {ACCEPTED}.") from error
    if values.ndim != 2 or values.dtype.kind not in "uif":
        raise InvalidInput(
            f"The depth picture holds an array of shape {values.shape} of {values.dtype}.", f"Send {ACCEPTED}."
        )
    _check_size((values.shape[1], values.shape[0]), limits)
    return np.array(values, dtype=np.float32), ()


def _from_picture(source: Source, limits: Limits) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    try:
        with Image.open(source.path, formats=FORMATS) as opened:
            _check_size(opened.size, limits)
            mode = opened.mode
            if mode not in (*WHOLE, *REAL):
                raise InvalidInput("The depth picture has colours, so its numbers are not depths.", f"Send {ACCEPTED}.")
            values = np.array(opened, dtype=np.float32)
    except InvalidInput:
        raise
    except Exception as error:  # decoders raise anything when the bytes are bad
        raise InvalidInput("The depth picture cannot be read.", f"Send {ACCEPTED}.") from error
    note = "the depth picture has only 8 bits, so depth comes in 255 steps at most" if mode == "L" else ""
    return values, (note,) if note else ()


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width * height > limits.megapixels * 1e6:
        raise InvalidInput(
            f"The depth picture has {width} x {height} pixels.", f"Send at most {limits.megapixels:g} megapixels."
        )
    if min(size) < MIN_SIDE_PX:
        raise InvalidInput(f"The depth picture has only {width} x {height} pixels.", f"Send {ACCEPTED}.")
