"""The pictures that steer the embedded ControlNets, edges and nearness, in training and in use alike; how edges agree.

Both are what a user's preprocessor makes of a picture of any size, so nothing here may know the tabletop.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOW, HIGH = 100, 200  # Canny's thresholds, of gradients of grey levels 0 to 255
REACH_PX = 2  # how far an edge may be off


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


def edge_f1(found: NDArray[np.uint8], control: NDArray[np.uint8], reach_px: int = REACH_PX) -> float:
    """Return the harmonic mean of two shares: lines found near one of the control's, and the other way round.

    Near is within a square of `reach_px` about a line. Source: the boundary F-measure of Martin et al. 2004, Learning
    to detect natural image boundaries, PAMI 26(5), without its one-to-one matching.

    Args:
        found: (H, W), lines are above 0.
        control: (H, W), the same.
        reach_px: how far a line may be off.
    """
    import cv2

    square = np.ones((2 * reach_px + 1,) * 2, np.uint8)
    found_at, control_at = found > 0, control > 0
    if not found_at.any() or not control_at.any():
        return float(found_at.any() == control_at.any())
    precision = float((cv2.dilate(control, square) > 0)[found_at].mean())
    recall = float((cv2.dilate(found, square) > 0)[control_at].mean())
    return 2 * precision * recall / max(precision + recall, 1e-9)
