"""Depth from a single picture, laid beside what stereo measures of the same one.

The one idea: a single picture cannot tell a small thing nearby from a large one far away. A network guesses from what
it has seen; stereo measures. So the guess is given the scale of the measurement where both speak, and what is left of
the difference is the network's own error.

Sources: Ranftl et al., Towards robust monocular depth estimation (MiDaS), PAMI 44(3), 2022, section 5 (scale and shift
of inverse depth by least squares, and trimming the worst fifth of the residuals); Yang et al., Depth Anything V2,
NeurIPS 2024; Bochkovskii et al., Depth Pro, ICLR 2025.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from demos.stereo.families.dense import OpenCvDense
from demos.stereo.families.holes import described
from demos.stereo.geometry import depth_from_disparity, disparity_from_depth
from demos.stereo.matching import F32, Matched, Pair
from demos.stereo.measurement import VALID
from demos.stereo.options import MatchOptions
from hub.batch import Watch
from hub.depth import DepthEstimator
from hub.errors import InvalidInput

LEAST_COMMON = 100  # pixels that both must have seen
KEPT = 0.8  # of the residuals, in each round of the fit
ROUNDS = 5
TO_SIGMA = 1.4826  # from median absolute deviation to standard deviation, for normal errors
UNKNOWN_SCALE = 0.2  # relative depth error assumed of a metric model alone: what its makers' own tables show at best


class DepthEstimation:
    """A depth model of the Hub, or the embedded one, through transformers' depth-estimation pipeline."""

    def __init__(self, estimator: DepthEstimator) -> None:
        self.estimator = estimator
        self.metric = self.estimator.metric
        self.stereo = OpenCvDense()

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return self.estimator.modules()

    def match(self, pair: Pair, chosen: MatchOptions, watch: Watch) -> Matched:
        """Estimate the left picture's depth and give it the scale of stereo, where there is a right picture.

        Raises:
            InvalidInput: for a model without a scale of its own where stereo gives it none.
        """
        if pair.right is None and not self.metric:
            raise InvalidInput(
                "This model says nearer and farther, in no unit.",
                "Send the right picture too, or choose a metric model.",
            )
        watch.progress("Estimating depth from the left picture")
        said = self.estimator(Image.fromarray(pair.left)).values
        watch.raise_if_all_cancelled()
        if pair.right is None:
            note = "Measured from a single picture, at the model's own scale: a guess, not a measurement."
            return self._as_matched(pair, disparity_from_depth(pair.calibration, said), UNKNOWN_SCALE, {}, (note,))
        stereo = self.stereo.match(pair, replace(chosen, preset="balanced", smoothing="none"), watch)
        assert stereo.disparity_px is not None
        return replace(self._aligned(pair, said, stereo.disparity_px), search=stereo.search)

    def _aligned(self, pair: Pair, said: F32, stereo_px: F32) -> Matched:
        """Fit what the model says to the stereo disparities (H, W), and report the fit."""
        calibration = pair.calibration
        shift = stereo_px.astype(np.float64) + calibration.doffs_px  # proportional to inverse depth
        common = np.isfinite(shift) & (shift > 0) & np.isfinite(said) & ((said > 0) | (not self.metric))
        if common.sum() < LEAST_COMMON:
            raise InvalidInput(
                f"Stereo found depth at only {int(common.sum())} pixels, too few to give this model its scale.",
                "Choose a pair with more texture, or another disparity range.",
            )
        if self.metric:
            ratio = depth_from_disparity(calibration, stereo_px[common]) / said[common]
            scale = float(np.median(ratio))
            facts = {"fitted scale": f"{scale:.4g} x the model's metres (1: it knew the scale)"}
            disparity = disparity_from_depth(calibration, said * scale)
        else:
            scale, offset = scale_and_shift(said[common], shift[common])
            facts = {"fitted scale": f"{scale:.4g} px", "fitted shift": f"{offset:.4g} px"}
            disparity = scale * said.astype(np.float64) + offset - calibration.doffs_px
        ours, theirs = (depth_from_disparity(calibration, values[common]) for values in (disparity, stereo_px))
        finite = np.isfinite(ours)
        relative = np.abs(ours[finite] / theirs[finite] - 1)
        facts |= {
            "mean relative difference to stereo": f"{100 * relative.mean():.1f} %",
            "pixels compared": f"{int(common.sum()):,}",
        }
        spread = TO_SIGMA * float(np.median(relative))
        note = "Depth of the left picture alone; stereo only gave it its scale."
        if not self.metric and scale <= 0:
            note += " The fit turned it inside out: what the model calls near is far for stereo."
        return self._as_matched(pair, disparity, spread, facts, (note,))

    def _as_matched(
        self, pair: Pair, disparity: Any, relative_error: float, facts: dict[str, str], notes: tuple[str, ...]
    ) -> Matched:
        found = np.asarray(disparity, np.float32)
        found[~np.isfinite(found) | (found + pair.calibration.doffs_px <= 0)] = np.nan
        invalid = np.where(np.isnan(found), np.uint8(1), np.uint8(VALID))
        error = (relative_error * (found + pair.calibration.doffs_px)).astype(np.float32)
        return Matched(found, invalid, error, facts={**facts, **described(invalid)}, notes=notes)


def scale_and_shift(said: F32, wanted: Any) -> tuple[float, float]:
    """Return (s, t) that make s `said` + t nearest to `wanted`, both (N,), without the worst fifth of the residuals.

    Source: Ranftl et al. 2022, section 5 (least squares for scale and shift, and trimming).
    """
    x, y = said.astype(np.float64), np.asarray(wanted, np.float64)
    kept = np.ones(len(x), bool)
    scale, shift = 0.0, float(y.mean())
    for _ in range(ROUNDS):
        matrix = np.stack([x[kept], np.ones(kept.sum())], axis=1)
        (scale, shift), *_ = np.linalg.lstsq(matrix, y[kept], rcond=None)
        residual = np.abs(scale * x + shift - y)
        kept = residual <= np.quantile(residual, KEPT)
    return float(scale), float(shift)
