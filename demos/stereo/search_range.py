"""Which disparities to search: the user's, or a range that the pair itself suggests.

A range that is too short loses what is near; one that is too long costs time and finds wrong partners.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.stereo.matching import U8, Pair
from demos.stereo.options import MatchOptions
from hub.errors import InvalidInput

STEP = 16  # OpenCV's matchers search multiples of it
GREATEST = 512
LEAST_MARGIN_PX = 4.0
MARGIN = 0.1  # of the span that was seen
COARSE = 4  # the coarse search runs on pictures this many times smaller
COARSE_SHARE = 0.4  # of the width: nearer things are seldom seen by both cameras
COARSE_PERCENTILES = (0.5, 99.5)
COARSE_BLIND = 0.25  # of the width, on the left: what is near there has no partner, and finds a wrong one farther off


@dataclass(frozen=True)
class SearchRange:
    """`count` disparities from `minimum_px` on; `count` is a multiple of 16."""

    minimum_px: int
    count: int

    @property
    def maximum_px(self) -> int:
        """The largest disparity searched."""
        return self.minimum_px + self.count - 1

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the greatest disparity."""
        return self.minimum_px, self.maximum_px

    @property
    def before(self) -> int:
        """Columns to add on the left, so that every column of the picture is searched."""
        return max(self.minimum_px + self.count, 0)

    @property
    def after(self) -> int:
        """Columns to add on the right, where disparities may be negative."""
        return max(-self.minimum_px, 0)

    def widened(self, picture: U8) -> U8:
        """Return the picture with its first and last column repeated, `before` and `after` times."""
        import cv2

        return np.asarray(cv2.copyMakeBorder(picture, 0, 0, self.before, self.after, cv2.BORDER_REPLICATE))

    def __str__(self) -> str:
        return f"{self.minimum_px} to {self.maximum_px} px"


def chosen_range(pair: Pair, chosen: MatchOptions) -> tuple[SearchRange, str]:
    """Return the range to search, and in words where it comes from.

    Raises:
        InvalidInput: when the range that was set is empty, or as wide as the picture.
    """
    assert pair.right is not None
    if chosen.max_disparity:
        if chosen.max_disparity <= chosen.min_disparity:
            raise InvalidInput(
                f"The disparity range ends at {chosen.max_disparity} and starts at {chosen.min_disparity} px.",
                "Choose a range above the smallest disparity, or 0 to have it suggested.",
            )
        reach, width = max(chosen.max_disparity, -chosen.min_disparity), pair.left.shape[1]
        if reach >= width:
            raise InvalidInput(
                f"The disparity range reaches {reach} px, and the picture is {width} px wide.",
                "Choose a smaller range, or 0 to have it suggested.",
            )
        return SearchRange(chosen.min_disparity, _multiple(chosen.max_disparity - chosen.min_disparity)), "as set"
    return suggest_range(pair.left, pair.right, -pair.calibration.doffs_px), "suggested from the pair"


def suggest_range(left: U8, right: U8, infinity_px: float = 0.0) -> SearchRange:
    """Return a range that holds nearly all disparities of a pair: those of a coarse dense match, with a margin.

    Args:
        left: (H, W, 3) uint8, RGB.
        right: likewise.
        infinity_px: the disparity of what is infinitely far away; none is less.
    """
    low, high = _coarse_bounds(left, right)
    margin = max(LEAST_MARGIN_PX, MARGIN * (high - low))
    width = left.shape[1]
    minimum = int(np.clip(np.floor(max(low - margin, infinity_px)), -width // 2, width // 2))
    return SearchRange(minimum, min(_multiple(high + margin - minimum), GREATEST))


def _coarse_bounds(left: U8, right: U8) -> tuple[float, float]:
    """Return the lowest and highest disparity, pixels, that a coarse match of the pair finds."""
    cv2: Any = importlib.import_module("cv2")  # its stubs lack the factories
    size = (max(left.shape[1] // COARSE, STEP), max(left.shape[0] // COARSE, STEP))
    small = [
        cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        for picture in (left, right)
    ]
    lowest = -STEP
    searched = SearchRange(lowest, _multiple(COARSE_SHARE * size[0] - lowest))
    matcher = cv2.StereoSGBM_create(
        lowest, searched.count, 5, 200, 800, 1, 63, 15, 20, 1, cv2.StereoSGBM_MODE_SGBM_3WAY
    )
    found = matcher.compute(*(searched.widened(picture) for picture in small))[:, searched.before :][:, : size[0]] / 16
    columns = np.arange(size[0])
    certain = (found >= lowest) & (found <= columns) & (found > columns - size[0])
    sighted = certain & (columns >= COARSE_BLIND * size[0])
    if not sighted.any():
        return 0.0, left.shape[1] / 8
    factor = left.shape[1] / size[0]
    low, high = (
        np.percentile(found[sighted], COARSE_PERCENTILES[0]),
        np.percentile(found[certain], COARSE_PERCENTILES[1]),
    )
    return float(low) * factor, float(high) * factor


def _multiple(count: float) -> int:
    """Return the least multiple of 16 that is at least `count`, and at least 16."""
    return max(STEP, int(np.ceil(count / STEP)) * STEP)
