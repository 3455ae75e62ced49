"""Depth from a single picture, laid beside what stereo measures of the same one.

The one idea: a single picture cannot tell a small thing nearby from a large one far away. A network guesses from what
it has seen; stereo measures. So the guess is given the scale of the measurement where both speak, and what is left of
the difference is the network's own error.

Sources: Ranftl et al., Towards robust monocular depth estimation (MiDaS), PAMI 44(3), 2022, section 5 (scale and shift
of inverse depth by least squares, and trimming the worst fifth of the residuals); Yang et al., Depth Anything V2,
NeurIPS 2024; Bochkovskii et al., Depth Pro, ICLR 2025.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from demos.stereo.families.dense import OpenCvDense
from demos.stereo.families.holes import described
from demos.stereo.geometry import depth_from_disparity, disparity_from_depth
from demos.stereo.matching import F32, Matched, Pair
from demos.stereo.measurement import VALID
from demos.stereo.options import MatchOptions
from hub.batch import Watch
from hub.errors import InvalidInput
from hub.weights import LOCAL, SAFE_WEIGHTS

if TYPE_CHECKING:
    import torch

LEAST_COMMON = 100  # pixels that both must have seen
KEPT = 0.8  # of the residuals, in each round of the fit
ROUNDS = 5
TO_SIGMA = 1.4826  # from median absolute deviation to standard deviation, for normal errors
UNKNOWN_SCALE = 0.2  # relative depth error assumed of a metric model alone: what its makers' own tables show at best


class DepthEstimation:
    """A depth model of the Hub, or the embedded one, through transformers' depth-estimation pipeline."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation, pipeline

        model = AutoModelForDepthEstimation.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS).to(device).eval()
        depth_pro = model.config.model_type == "depth_pro"
        processor = (
            DepthProPictures(folder)
            if depth_pro
            else AutoImageProcessor.from_pretrained(folder, backend="pil", **LOCAL)
        )
        self.metric: bool = depth_pro or model.config.depth_estimation_type == "metric"
        self.pipeline = pipeline("depth-estimation", model=model, image_processor=processor, device=device)
        self.stereo = OpenCvDense()

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return [self.pipeline.model]

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
        said = self.depth(Image.fromarray(pair.left))
        watch.raise_if_all_cancelled()
        if pair.right is None:
            note = "Measured from a single picture, at the model's own scale: a guess, not a measurement."
            return self._as_matched(pair, disparity_from_depth(pair.calibration, said), UNKNOWN_SCALE, {}, (note,))
        stereo = self.stereo.match(pair, replace(chosen, preset="balanced", smoothing="none"), watch)
        assert stereo.disparity_px is not None
        return replace(self._aligned(pair, said, stereo.disparity_px), search=stereo.search)

    def depth(self, picture: Image.Image) -> F32:
        """Return what the model says, (H, W) float32: metres, or for a relative model something like inverse depth."""
        said = self.pipeline(picture)["predicted_depth"]
        return np.asarray(said.detach().float().cpu().numpy(), np.float32).reshape(picture.height, picture.width)

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


class DepthProPictures:
    """What Depth Pro's image processor does, which transformers offers only where torchvision is installed."""

    def __init__(self, folder: Path) -> None:
        settings = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
        size = settings.get("size", {"height": 1536, "width": 1536})
        self.size = (int(size["height"]), int(size["width"]))
        self.mean = settings.get("image_mean", [0.5, 0.5, 0.5])
        self.std = settings.get("image_std", [0.5, 0.5, 0.5])

    def __call__(self, images: Image.Image, return_tensors: str = "pt", **unused: Any) -> Any:
        """Return pixel_values (1, 3, h, w): normalised first, then resized without smoothing, as it was trained."""
        import torch
        from transformers import BatchFeature

        pixels = torch.from_numpy(np.asarray(images.convert("RGB"), np.float32) / 255)
        pixels = (pixels - torch.tensor(self.mean)) / torch.tensor(self.std)
        resized = torch.nn.functional.interpolate(pixels.permute(2, 0, 1)[None], self.size, mode="bilinear")
        return BatchFeature({"pixel_values": resized})

    def post_process_depth_estimation(self, outputs: Any, target_sizes: list[tuple[int, int]]) -> list[dict[str, Any]]:
        """Return the depth, metres, at the picture's own size; the model says inverse depth for a field of view.

        Source: Bochkovskii et al. 2025, section 3.1: depth = focal length in pixels / (picture width x canonical
        inverse depth); as transformers' DepthProImageProcessor.
        """
        import torch

        (inverse,) = outputs.predicted_depth
        ((height, width),) = target_sizes
        if outputs.field_of_view is not None:
            half = 0.5 * torch.deg2rad(outputs.field_of_view[0])
            inverse = inverse * 2 * torch.tan(half)  # width / focal length
        full = torch.nn.functional.interpolate(inverse[None, None].float(), (height, width), mode="bilinear")[0, 0]
        return [{"predicted_depth": 1 / full.clamp(1e-4, 1e4)}]
