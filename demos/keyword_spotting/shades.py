"""Spectrograms as pictures: levels become shades, and frequencies places on the mel axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.keyword_spotting import spectrum
from demos.keyword_spotting.spotting import F32
from hub.pictures import data_uri

MEL_COLUMNS = 1000  # a longer sound's frames are joined, the loudest counting

# Nine points of matplotlib's map "magma" (CC0), which grows evenly brighter.
MAGMA = np.array(
    [
        (0, 0, 4),
        (28, 16, 68),
        (79, 18, 123),
        (129, 37, 129),
        (181, 54, 122),
        (229, 80, 100),
        (251, 135, 97),
        (254, 194, 135),
        (252, 253, 191),
    ]
)


def mel_picture(levels: F32) -> str:
    """Turn a log-mel picture (bands, frames) into a data URL; the whole range that the model sees is shown."""
    frames = levels.shape[1]
    if frames > MEL_COLUMNS:
        edges = np.linspace(0, frames, MEL_COLUMNS, endpoint=False).astype(int)
        levels = np.maximum.reduceat(levels, edges, axis=1)
    range_ = spectrum.RANGE_DECADES / 4
    shades = np.clip((levels - levels.max() + range_) / range_, 0, 1)[::-1]
    return coloured((shades * 255).round().astype(np.uint8))


def coloured(shades: NDArray[np.uint8]) -> str:
    """Turn shades (rows, columns), 0 to 255, into a small PNG as a data URL."""
    image = Image.fromarray(shades, "P")
    places = np.linspace(0, len(MAGMA) - 1, 256)
    palette = np.stack([np.interp(places, np.arange(len(MAGMA)), MAGMA[:, channel]) for channel in range(3)], axis=1)
    image.putpalette(palette.round().astype(np.uint8).tobytes())
    return data_uri(image, "PNG")


def height(hz: float) -> float:
    """Return how high a frequency lies in the log-mel picture, 0 to 1."""
    top = spectrum.mel_of_hz(np.float64(spectrum.NYQUIST_HZ))  # type: ignore[arg-type]
    return float(spectrum.mel_of_hz(np.float64(hz)) / top)  # type: ignore[arg-type]


def hertz(hz: float) -> str:
    """Spell a frequency.

    >>> hertz(250), hertz(4000)
    ('250 Hz', '4 kHz')
    """
    return f"{hz / 1000:g} kHz" if hz >= 1000 else f"{hz:g} Hz"
