"""Select a thing by a click with a Segment Anything model of the Hub, in place of colours.

It is a side model: it runs through the hub as any other, but it prepares an input and is no model of the tab's picker.
The `mask-generation` pipeline of transformers asks such a model at a grid of 1,024 points, and keeps all masks that are
sure enough. A click is one point: the same model is asked there only, which takes one pass of its decoder.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from demos.inpainting.masks import Mask
from hub.batch import Watch
from hub.cards import ModelCard
from hub.demo import Demo, Loading
from hub.weights import LOCAL, SAFE_WEIGHTS

SAM = ModelCard(
    key="sam-vit-base",
    label="Segment Anything, ViT-B",
    source="facebook/sam-vit-base",
    task="mask-generation",
    family="sam",
    licence="Apache-2.0",
    download_bytes=375_000_000,
    memory_bytes=750_000_000,
    knows="Eleven million photos with a billion masks: what hangs together, not what it is called.",
    limits="A click may mean a part or the whole: it takes the mask it is surest of.",
    citation="Kirillov et al. 2023, Segment Anything, arXiv:2304.02643.",
    batch_limit=1,
    revision="70c1a07f894ebb5b307fd9eaaee97b9dfc16068f",
    files=("config.json", "preprocessor_config.json", "model.safetensors"),
)


@dataclass(frozen=True)
class ClickRequest:
    """A click into a picture, at x and y in pixels."""

    point: tuple[int, int]
    picture: Image.Image = field(compare=False)

    def batch_key(self) -> Hashable | None:
        """Return None: a picture is looked at alone."""
        return None

    def recorded(self) -> dict[str, Any]:
        """Return the point."""
        return {"point": list(self.point)}


class Segmenter:
    """A SAM model of transformers, with its image processor."""

    def __init__(self, loading: Loading) -> None:
        import torch
        from transformers import SamModel
        from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

        self.device, self.dtype = loading.device.name, loading.device.dtype
        dtype = getattr(torch, self.dtype)
        model = SamModel.from_pretrained(loading.folder, dtype=dtype, **SAFE_WEIGHTS)
        self.model = model.to(self.device).eval()
        self.processor = SamImageProcessorPil.from_pretrained(loading.folder, **LOCAL)

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return [self.model]

    def __call__(self, requests: Sequence[ClickRequest], watch: Watch | None = None) -> list[Mask]:
        """Return what was clicked in each picture, (H, W): of the three masks that SAM offers the one it is surest of.

        Source: Kirillov et al. 2023, Segment Anything, section 3.
        """
        return [self._one(request) for request in requests]

    def _one(self, request: ClickRequest) -> Mask:
        import torch

        seen = self.processor(request.picture, return_tensors="pt")
        reshaped = seen["reshaped_input_sizes"].tolist()[0]
        scale = reshaped[1] / request.picture.width
        point = torch.tensor([[[[place * scale for place in request.point]]]])
        with torch.inference_mode():
            said = self.model(
                pixel_values=seen["pixel_values"].to(self.device, self.model.dtype),
                input_points=point.to(self.device, self.model.dtype),
            )
        (found,) = self.processor.post_process_masks(
            said.pred_masks.float().cpu(), seen["original_sizes"].tolist(), [reshaped]
        )
        surest = int(said.iou_scores[0, 0].argmax())
        mask: Mask = np.asarray(found[0, surest], np.bool_)
        return mask


SEGMENTING = Demo(
    slug="inpainting_click",
    title="Select a thing",
    purpose="Select what was clicked in a picture.",
    order=40,
    models=(SAM,),
    endpoint="",
    load=Segmenter,
    build=lambda hub: None,
    snippet=lambda card, request, result: "",
    examples=(),
    exercises=(),
)
