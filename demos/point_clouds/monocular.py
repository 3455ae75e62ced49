"""From a single picture to a cloud, with a depth model's guess of how far each pixel is.

A picture alone cannot tell a small thing nearby from a large one far away: lengths in such a cloud are the model's
guess, and the field of view decides how wide things are for their distance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from demos.point_clouds.options import ReadOptions
from demos.point_clouds.rgbd import Intrinsics, Pictured, intrinsics_of, resized, resizing_code, unproject
from hub.cards import ModelCard
from hub.depth import Depth, DepthEstimator
from hub.depth_cards import SKY_FROM_M, TABLETOP
from hub.errors import InvalidInput
from hub.snippet import model_path, revision_argument
from tabletop.pictures import scene_seed
from tabletop.sampling import FOV_DEG

MOST_PIXELS = 1_000_000  # of a cloud: the models themselves see less than that
SQUARE = 0.02  # sides that differ by less are a square's


class PictureDepth:
    """A depth model, and the clouds it makes of pictures."""

    def __init__(self, card: ModelCard, estimator: DepthEstimator) -> None:
        self.card = card
        self.estimator = estimator

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return self.estimator.modules()

    def __call__(
        self, picture: Image.Image, options: ReadOptions, check: Callable[[], None] = lambda: None
    ) -> Pictured:
        """Make a cloud of a picture, with its colours, and normals of the pixel grid.

        Args:
            picture: RGB.
            options: intrinsics or field of view, and the farthest depth kept.
            check: raises when nobody wants the cloud any more.

        Raises:
            InvalidInput: for a model that says no metres, or when nothing is near enough.
        """
        if not self.estimator.metric:
            raise InvalidInput("This model says nearer and farther, in no unit.", "Choose a metric model.")
        width, height = working_size(picture)
        seen = resized(picture, width, height)
        said = self.estimator(seen)
        check()
        camera, because = self._camera(picture, options, said, (width, height))
        farthest_m = min(options.farthest_m, SKY_FROM_M) if self.card.key == TABLETOP.key else options.farthest_m
        made = unproject(
            said.values.astype(np.float64), np.asarray(seen), camera, farthest_m=farthest_m, with_normals=True
        )
        facts = {"camera": because, **made.facts}
        notes = self._notes(picture, (width, height), options.farthest_m)
        code = (*self._code(picture, (width, height)), *made.code)
        return replace(made, facts=facts, notes=(*notes, *made.notes), code=code)

    def _camera(
        self, picture: Image.Image, options: ReadOptions, said: Depth, size: tuple[int, int]
    ) -> tuple[Intrinsics, str]:
        """Return the camera of a picture worked on at `size`, and in words how it is known."""
        if options.intrinsics:
            whole = intrinsics_of(options, *picture.size)
            return whole.scaled(size[0] / picture.width, size[1] / picture.height), "its intrinsics"
        degrees, because = options.field_of_view_deg, ""
        if said.field_of_view_deg is not None:
            degrees, because = said.field_of_view_deg, ", as the model says"
        elif self.card.key == TABLETOP.key or scene_seed(_texts(picture)) is not None:
            degrees, because = FOV_DEG, ", as all tabletop pictures"
        if not 0 < degrees < 180:
            raise InvalidInput(f"The model says the picture spans {degrees:.0f} degrees.", "Send its intrinsics.")
        return Intrinsics.from_field_of_view(degrees, *size), f"{degrees:.3g} degrees across{because}"

    def _notes(self, picture: Image.Image, size: tuple[int, int], farthest_m: float) -> list[str]:
        notes = ["Lengths are the model's guess from a single picture, not a measurement."]
        if size != picture.size:
            notes.append(f"The picture was reduced to {size[0]} x {size[1]} pixels, one point each.")
        if self.card.key == TABLETOP.key:
            if abs(picture.width / picture.height - 1) > SQUARE:
                notes.append("This model knows square pictures only: it squeezes others, and its metres suffer.")
            if farthest_m > SKY_FROM_M:
                notes.append(f"Depth beyond {SKY_FROM_M:g} m is this model's word for sky.")
        return notes

    def _code(self, picture: Image.Image, size: tuple[int, int]) -> list[str]:
        """Return the lines of a script that end with `depth_m` (H, W) float64 and `colours` (H, W, 3) uint8."""
        kind = self.estimator.pipeline.model.config.model_type
        where = model_path(self.card) + revision_argument(self.card)
        backend = "" if kind in ("depth_pro", "zoedepth") else ', backend="pil"'
        remark = "  # needs torchvision" if not backend else ""
        return [
            "import torch",
            "from PIL import Image",
            "from transformers import AutoImageProcessor, AutoModelForDepthEstimation, pipeline",
            "",
            *resizing_code(picture, *size),
            "colours = np.asarray(picture)",
            "# float32, on the CPU; a GPU run is in half precision.",
            f"model = AutoModelForDepthEstimation.from_pretrained({where}, dtype=torch.float32).eval()",
            f"processor = AutoImageProcessor.from_pretrained({where}{backend}){remark}",
            'estimator = pipeline("depth-estimation", model=model, image_processor=processor)',
            'depth_m = estimator(picture)["predicted_depth"].detach().float().numpy()',
            f"depth_m = depth_m.reshape({size[1]}, {size[0]}).astype(np.float64)",
        ]


def working_size(picture: Image.Image) -> tuple[int, int]:
    """Return the width and height a picture is worked on at: its own, or the largest of `MOST_PIXELS`."""
    scale = min(1.0, math.sqrt(MOST_PIXELS / (picture.width * picture.height)))
    return max(1, int(picture.width * scale)), max(1, int(picture.height * scale))


def _texts(picture: Image.Image) -> dict[str, str]:
    return {str(name): value for name, value in picture.info.items() if isinstance(value, str)}
