"""Pictures inside the page's own HTML: made small, laid over each other, and written into the page itself."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DIMMED = 0.72  # how dark the map lays over what the model did not look at
SPOTLIGHT_PX = 24  # attention maps are tiny; the browser enlarges them smoothly


def shrunk(image: Image.Image, side_px: int) -> Image.Image:
    """Return a copy that fits into a square of `side_px`."""
    copy = image.copy()
    copy.thumbnail((side_px, side_px))
    return copy


def spotlight(attention: NDArray[np.float32]) -> str:
    """Turn an attention map (h, w) into a data URI: dark where the model did not look, clear where it looked most."""
    relative = attention / max(float(attention.max()), 1e-9)
    alpha = Image.fromarray(((1 - relative) * DIMMED * 255).astype(np.uint8))
    dark = Image.new("RGBA", (SPOTLIGHT_PX, SPOTLIGHT_PX))
    dark.putalpha(alpha.resize(dark.size, Image.Resampling.BILINEAR))
    return data_uri(dark, "PNG")


def data_uri(image: Image.Image, kind: str, **how: Any) -> str:
    """Encode a picture into the page itself; `kind` and `how` are those of PIL's `save`."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
