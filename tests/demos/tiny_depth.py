"""A tiny ZoeDepth with random weights, laid out in files as the Hub lays it out; its others are in `tiny_stereo`."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import ZoeDepthConfig, ZoeDepthForDepthEstimation
from transformers.models.zoedepth.image_processing_pil_zoedepth import ZoeDepthImageProcessorPil

PICTURE_FILE = "preprocessor_config.json"


def save_zoedepth(folder: Path) -> Path:
    """Save a ZoeDepth of two metric heads, as the one for rooms and streets; the same bytes every time."""
    backbone = {
        "model_type": "beit",
        "image_size": 64,
        "patch_size": 16,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "use_relative_position_bias": True,
        "reshape_hidden_states": False,
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    }
    config = ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
        bottleneck_features=16,
        num_relative_features=8,
        bin_embedding_dim=16,
        bin_configurations=[
            {"name": "nyu", "n_bins": 16, "min_depth": 0.001, "max_depth": 10.0},
            {"name": "kitti", "n_bins": 16, "min_depth": 0.001, "max_depth": 80.0},
        ],
        num_patch_transformer_layers=4,
        patch_transformer_hidden_size=128,  # the classifier after it has no other width
        patch_transformer_intermediate_size=32,
        patch_transformer_num_attention_heads=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ZoeDepthForDepthEstimation(config).save_pretrained(folder)
    ZoeDepthImageProcessorPil(size={"height": 64, "width": 96}, ensure_multiple_of=32).save_pretrained(folder)
    settings = json.loads((folder / PICTURE_FILE).read_text(encoding="utf-8"))
    settings["image_processor_type"] = "ZoeDepthImageProcessor"  # as the Hub's file says, which knows no Pillow
    (folder / PICTURE_FILE).write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return folder
