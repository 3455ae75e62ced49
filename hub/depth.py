"""Depth models of the Hub, through transformers' depth-estimation pipeline, without torchvision.

What becomes of the depth is the demo's own affair.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hub.cards import ModelCard
from hub.demo import Loading
from hub.weights import LOCAL, SAFE_WEIGHTS

if TYPE_CHECKING:
    import torch

METRIC_TYPES = ("depth_pro", "zoedepth")  # models that say metres without a setting for it


@dataclass(frozen=True, eq=False)
class Depth:
    """What a model says of a picture.

    Attributes:
        values: (H, W) float32: metres along the optical axis, or for a relative model something like inverse depth.
        field_of_view_deg: of the picture's width, where the model estimates it too.
    """

    values: NDArray[np.float32]
    field_of_view_deg: float | None = None


class DepthEstimator:
    """A depth model of the Hub, or an embedded one, through transformers' depth-estimation pipeline.

    Attributes:
        metric: whether it says metres; otherwise only what is nearer and what is farther.
        pipeline: transformers' own.
    """

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation, pipeline

        model = AutoModelForDepthEstimation.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS).to(device).eval()
        kind = model.config.model_type
        if kind == "depth_pro":
            processor = DepthProPictures(folder)
        elif kind == "zoedepth":
            processor = zoe_pictures(folder)
        else:
            processor = AutoImageProcessor.from_pretrained(folder, backend="pil", **LOCAL)
        self.metric: bool = kind in METRIC_TYPES or model.config.depth_estimation_type == "metric"
        self.pipeline = pipeline("depth-estimation", model=model, image_processor=processor, device=device)

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return [self.pipeline.model]

    def __call__(self, picture: Image.Image) -> Depth:
        """Estimate the depth of each pixel of a picture; the pipeline's steps one by one, to keep the field of view."""
        said = self.pipeline.forward(self.pipeline.preprocess(picture))
        finish = self.pipeline.image_processor.post_process_depth_estimation
        (full,) = finish(said, [said["target_size"]])
        values, field_of_view = full["predicted_depth"].detach().float().cpu().numpy(), said.get("field_of_view")
        return Depth(
            np.asarray(values, np.float32).reshape(picture.height, picture.width),
            None if field_of_view is None else float(field_of_view.flatten()[0]),
        )


def shared_estimator(loading: Loading, card: ModelCard, folder: Path) -> DepthEstimator:
    """Return the depth model of a card, from its folder: one in memory, however many demos hold it."""
    device = loading.device
    key = ("depth", card.source, card.revision, device.name, device.dtype)
    found: DepthEstimator = loading.share(key, lambda: DepthEstimator(folder, device.name, device.torch_dtype))
    return found


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


def zoe_pictures(folder: Path) -> Any:
    """Return ZoeDepth's image processor, whose second half transformers offers only where torchvision is installed."""
    import torch
    from transformers.models.zoedepth.image_processing_pil_zoedepth import ZoeDepthImageProcessorPil

    class ZoePictures(ZoeDepthImageProcessorPil):
        """The same, with torch's own resizing."""

        def post_process_depth_estimation(
            self, outputs: Any, source_sizes: list[tuple[int, int]]
        ) -> list[dict[str, Any]]:
            """Return the depth, metres, of each picture without the margin that it was given, at its own size.

            Source: transformers' ZoeDepthImageProcessor (the margin is 3 times the root of half of the side).
            """
            results = []
            for depth, (height, width) in zip(outputs.predicted_depth, source_sizes, strict=True):
                rows, columns = (int(3 * (side / 2) ** 0.5) if self.do_pad else 0 for side in (height, width))
                padded = (height + 2 * rows, width + 2 * columns)
                full = torch.nn.functional.interpolate(depth[None, None].float(), padded, mode="bicubic")[0, 0]
                results.append({"predicted_depth": full[rows : rows + height, columns : columns + width]})
            return results

    return ZoePictures.from_pretrained(folder, **LOCAL)
