"""The pictures that steer the embedded ControlNets: edges, and nearness, in training and in use alike.

Both are what a user's preprocessor makes of a picture of any size, so nothing here may know the tabletop.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOW, HIGH = 100, 200  # Canny's thresholds, of gradients of grey levels 0 to 255


def edges(picture: NDArray[np.uint8], low: float = LOW, high: float = HIGH) -> NDArray[np.uint8]:
    """Return the edges (H, W), 255 on 0, of a picture (H, W, 3), sRGB.

    Source: Canny, A computational approach to edge detection, 1986, as OpenCV has it.
    """
    import cv2

    return np.asarray(cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), low, high), np.uint8)


def nearness(depth_m: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the inverse depth (H, W) of a picture, 255 where it is nearest; the sky (0 or infinite depth) is 0."""
    seen = np.isfinite(depth_m) & (depth_m > 0)
    inverse = np.where(seen, 1 / np.where(seen, depth_m, 1), 0)
    return np.rint(255 * inverse / max(inverse.max(), 1e-9)).astype(np.uint8)
