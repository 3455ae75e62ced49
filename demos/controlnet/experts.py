"""The models that make drawings of pictures, through transformers; what is drawn of their answers is in `sketches`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.controlnet.expert_cards import EXPERTS, PEOPLE, POSE, SEGMENTATION
from hub import weights
from hub.cards import ModelCard
from hub.demo import Loading
from hub.depth import DepthEstimator, shared_estimator
from hub.depth_cards import DEPTH_FAMILY
from hub.weights import LOCAL, SAFE_WEIGHTS

if TYPE_CHECKING:
    import torch

SURE_PERSON = 0.3  # least score of a person
CROP_PX = (192, 256)  # what ViTPose is shown of a person, width and height
ROOM = 1.25  # about a person, in shares of the box; Source: ViTPose's own preprocessing
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in RGB

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Experts:
    """The models that came with a card; None for what no drawing needs.

    Attributes:
        depth: estimates depth, and the card it was loaded from.
        pose: finds people and the points of their bodies.
        segmentation: says what each pixel belongs to.
    """

    depth: tuple[ModelCard, DepthEstimator] | None = None
    pose: PoseEstimator | None = None
    segmentation: Segmenter | None = None

    def modules(self) -> list[Any]:
        """Return the torch modules they hold."""
        held = ([self.depth[1]] if self.depth else []) + [each for each in (self.pose, self.segmentation) if each]
        return [module for each in held for module in each.modules()]


class Segmenter:
    """Says what each pixel belongs to."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

        model = AutoModelForSemanticSegmentation.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        self.model = model.to(device).eval()
        self.processor = AutoImageProcessor.from_pretrained(folder, backend="pil", **LOCAL)

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return [self.model]

    def __call__(self, picture: Image.Image) -> NDArray[np.uint8]:
        """Return (H, W): the class of ADE20K, from 0, of each pixel."""
        import torch

        shown = self.processor(images=picture, return_tensors="pt").to(self.model.device, self.model.dtype)
        with torch.inference_mode():
            scores = self.model(**shown).logits.float()
        size = (picture.height, picture.width)
        full = torch.nn.functional.interpolate(scores, size, mode="bilinear", align_corners=False)
        return np.asarray(full.argmax(1)[0].cpu(), np.uint8)


class PoseEstimator:
    """Finds people, and seventeen points of each body."""

    def __init__(self, folder: Path, people_folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import AutoImageProcessor, AutoModelForObjectDetection, VitPoseForPoseEstimation

        people = AutoModelForObjectDetection.from_pretrained(people_folder, dtype=dtype, **SAFE_WEIGHTS)
        self.people = people.to(device).eval()
        self.people_processor = AutoImageProcessor.from_pretrained(people_folder, backend="pil", **LOCAL)
        self.model = VitPoseForPoseEstimation.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS).to(device).eval()

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return [self.people, self.model]

    def __call__(self, picture: Image.Image) -> F32:
        """Return (N, 17, 3): for each person x and y, pixels, and score of each point, in COCO's order."""
        import torch

        boxes = self._people(picture)
        if not boxes:
            return np.zeros((0, 17, 3), np.float32)
        pixels = np.asarray(picture.convert("RGB"))
        corners = [_cut_out(*box) for box in boxes]
        crops = np.stack([_crop(pixels, *corner) for corner in corners])
        shown = torch.from_numpy(crops).permute(0, 3, 1, 2).to(self.model.device, self.model.dtype)
        with torch.inference_mode():
            maps = self.model(pixel_values=shown).heatmaps.float().cpu().numpy()
        return np.stack([_points(own, *corner) for own, corner in zip(maps, corners, strict=True)])

    def _people(self, picture: Image.Image) -> list[tuple[float, float, float, float]]:
        """Return left, top, right and bottom of each person, pixels."""
        import torch

        shown = self.people_processor(images=picture, return_tensors="pt").to(self.people.device, self.people.dtype)
        with torch.inference_mode():
            said = self.people(**shown)
        sizes = torch.tensor([[picture.height, picture.width]])
        (found,) = self.people_processor.post_process_object_detection(
            said, threshold=SURE_PERSON, target_sizes=sizes.to(self.people.device)
        )
        person = next(number for number, name in self.people.config.id2label.items() if name == "person")
        boxes = found["boxes"][found["labels"] == person].float().cpu().tolist()
        return [(left, top, right, bottom) for left, top, right, bottom in boxes]


def _cut_out(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float]:
    """Return left, top and the scale (pixels of the picture per pixel of the crop) of what is shown of a person."""
    width, height = CROP_PX
    scale = ROOM * max((right - left) / width, (bottom - top) / height, 1e-3)
    return (left + right - scale * width) / 2, (top + bottom - scale * height) / 2, scale


def _crop(pixels: NDArray[np.uint8], left: float, top: float, scale: float) -> F32:
    """Return what ViTPose is shown of a person, (256, 192, 3), normalised; black outside the picture."""
    import cv2

    to_picture = np.array([[scale, 0, left], [0, scale, top]], np.float32)
    crop = cv2.warpAffine(pixels, to_picture, CROP_PX, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray((crop.astype(np.float32) / 255 - MEAN) / SPREAD, np.float32)


def _points(maps: F32, left: float, top: float, scale: float) -> F32:
    """Return (17, 3): where each heat map (17, h, w) is highest, in pixels of the picture, and how high."""
    flat = maps.reshape(len(maps), -1)
    row, column = np.divmod(flat.argmax(1), maps.shape[2])
    step = scale * CROP_PX[0] / maps.shape[2]
    return np.stack([left + step * (column + 0.5), top + step * (row + 0.5), flat.max(1)], 1).astype(np.float32)


def load_experts(loading: Loading) -> Experts:
    """Load the models for drawings among a card and what it needs, each once for all pipelines."""
    sources = {card.source for card in (loading.card, *loading.card.needs)}  # the first may be composed
    cards = [card for card in EXPERTS if card.source in sources]
    device, dtype = loading.device, loading.device.torch_dtype

    def shared(card: ModelCard, build: Callable[[Path], Any]) -> Any:
        folder = weights.fetch(card, loading.report)
        return loading.share(("expert", card.source, card.revision, device.name, device.dtype), lambda: build(folder))

    def depth(card: ModelCard) -> tuple[ModelCard, DepthEstimator]:
        return card, shared_estimator(loading, card, weights.fetch(card, loading.report))

    def pose(card: ModelCard) -> PoseEstimator:
        people = weights.fetch(PEOPLE, loading.report)
        found: PoseEstimator = shared(card, lambda folder: PoseEstimator(folder, people, device.name, dtype))
        return found

    def segmentation(card: ModelCard) -> Segmenter:
        found: Segmenter = shared(card, lambda folder: Segmenter(folder, device.name, dtype))
        return found

    by_family: Mapping[str, ModelCard] = {card.family: card for card in cards}
    return Experts(
        depth(by_family[DEPTH_FAMILY]) if DEPTH_FAMILY in by_family else None,
        pose(POSE) if POSE in cards else None,
        segmentation(SEGMENTATION) if SEGMENTATION in cards else None,
    )
