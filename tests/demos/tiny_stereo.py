"""Tiny checkpoints with random weights of the stereo tab's models, laid out in files as the Hub lays them out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DepthProConfig,
    DepthProForDepthEstimation,
    EfficientLoFTRConfig,
    EfficientLoFTRForKeypointMatching,
    LightGlueConfig,
    LightGlueForKeypointMatching,
    SuperGlueConfig,
    SuperGlueForKeypointMatching,
)
from transformers.image_processing_utils import BaseImageProcessor
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil
from transformers.models.efficientloftr.image_processing_pil_efficientloftr import EfficientLoFTRImageProcessorPil
from transformers.models.lightglue.image_processing_pil_lightglue import LightGlueImageProcessorPil
from transformers.models.superglue.image_processing_pil_superglue import SuperGlueImageProcessorPil

PICTURE_FILE = "preprocessor_config.json"
SEEN = {"height": 96, "width": 128}  # what the matchers resize their pictures to
SUPERPOINT = {
    "model_type": "superpoint",
    "encoder_hidden_sizes": [8, 8, 16, 16],
    "decoder_hidden_size": 32,
    "descriptor_decoder_dim": 32,
    "keypoint_threshold": 0.0,
    "max_keypoints": 64,
}


def save(name: str, folder: Path) -> Path:
    """Save the checkpoint `name` of `CHECKPOINTS` to `folder`; the same bytes every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        CHECKPOINTS[name](folder)
    return folder


def superglue(folder: Path) -> None:
    """Save a SuperPoint with a SuperGlue."""
    config = SuperGlueConfig(
        keypoint_detector_config=SUPERPOINT,
        hidden_size=32,
        keypoint_encoder_sizes=[8, 16],
        gnn_layers_types=["self", "cross"],
        num_attention_heads=2,
        sinkhorn_iterations=10,
    )
    SuperGlueForKeypointMatching(config).save_pretrained(folder)
    _save_pictures(folder, SuperGlueImageProcessorPil(size=SEEN), "SuperGlueImageProcessor")


def lightglue(folder: Path) -> None:
    """Save a SuperPoint with a LightGlue."""
    config = LightGlueConfig(
        keypoint_detector_config=SUPERPOINT,
        descriptor_dim=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        filter_threshold=0.0,
    )
    LightGlueForKeypointMatching(config).save_pretrained(folder)
    _save_pictures(folder, LightGlueImageProcessorPil(size=SEEN), "LightGlueImageProcessor")


def efficientloftr(folder: Path) -> None:
    """Save an Efficient LoFTR."""
    config = EfficientLoFTRConfig(
        stage_num_blocks=[1, 1, 1, 1],
        out_features=[16, 16, 16, 32],
        hidden_size=32,
        num_attention_layers=1,
        num_attention_heads=8,
        coarse_matching_threshold=0.0,
    )
    EfficientLoFTRForKeypointMatching(config).save_pretrained(folder)
    _save_pictures(folder, EfficientLoFTRImageProcessorPil(size=SEEN), "EfficientLoFTRImageProcessor")


def depth_anything(folder: Path, kind: str = "relative") -> None:
    """Save a Depth Anything, relative or metric."""
    backbone = {
        "model_type": "dinov2",
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "image_size": 56,
        "patch_size": 14,
        "out_indices": [1, 2, 3, 4],
        "reshape_hidden_states": False,
    }
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=20 if kind == "metric" else 1,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    pictures = DPTImageProcessorPil(
        size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14, do_pad=False
    )
    _save_pictures(folder, pictures, "DPTImageProcessor")


def depth_anything_metric(folder: Path) -> None:
    """Save a metric Depth Anything."""
    depth_anything(folder, "metric")


def depth_pro(folder: Path) -> None:
    """Save a Depth Pro, whose image processor transformers has for torchvision only."""
    encoder = {
        "model_type": "dinov2",
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
    }
    config = DepthProConfig(
        image_model_config=encoder,
        patch_model_config=dict(encoder),
        fov_model_config=dict(encoder),
        patch_size=32,
        fusion_hidden_size=8,
        intermediate_hook_ids=[3, 1],
        intermediate_feature_dims=[8, 8],
        scaled_images_feature_dims=[8, 8, 8],
        use_fov_model=True,
        num_fov_head_layers=1,
    )
    DepthProForDepthEstimation(config).save_pretrained(folder)
    settings = {
        "image_processor_type": "DepthProImageProcessorFast",
        "size": {"height": 128, "width": 128},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    _write(folder / PICTURE_FILE, settings)


CHECKPOINTS: dict[str, Callable[[Path], None]] = {
    "superglue": superglue,
    "lightglue": lightglue,
    "efficientloftr": efficientloftr,
    "depth-anything-v2-small": depth_anything,
    "depth-anything-v2-indoor": depth_anything_metric,
    "depth-pro": depth_pro,
}


def _save_pictures(folder: Path, pictures: BaseImageProcessor, name: str) -> None:
    """Save an image processor under the class name that the Hub's file has, which says nothing of Pillow."""
    pictures.save_pretrained(folder)
    settings = json.loads((folder / PICTURE_FILE).read_text(encoding="utf-8"))
    _write(folder / PICTURE_FILE, {**settings, "image_processor_type": name})


def _write(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=2), encoding="utf-8")
