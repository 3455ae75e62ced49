"""Tiny models that make drawings of pictures, with random weights, laid out in files as the Hub lays them out."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    RTDetrConfig,
    RTDetrForObjectDetection,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    VitPoseBackboneConfig,
    VitPoseConfig,
    VitPoseForPoseEstimation,
)
from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil
from transformers.models.segformer.image_processing_pil_segformer import SegformerImageProcessorPil

from demos.controlnet.expert_cards import EXPERTS, PEOPLE, POSE, SEGMENTATION
from hub.cards import ModelCard
from tests.demos import tiny_stereo
from tests.hub.diffusion_cache import Cache, write_checksums

SIDE_PX = 64
DEPTHS = {"depth-anything-tabletop": "depth-anything-v2-indoor"}  # which checkpoint stands for another


def place(cache: Cache, card: ModelCard) -> None:
    """Put the tiny checkpoints of the experts among what a card needs where the cache has them."""
    sources = {each.source for each in (card, *card.needs, *(part for each in card.needs for part in each.needs))}
    for each in (*EXPERTS, PEOPLE):
        folder = cache.folder(each)
        if each.source in sources and not folder.exists():
            save(each, folder)
            if each.embedded:
                write_checksums(folder)


def save(card: ModelCard, folder: Path) -> None:
    """Save the checkpoint that stands for a card; the same bytes every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if card == PEOPLE:
            _save_people(folder)
        elif card == POSE:
            _save_pose(folder)
        elif card == SEGMENTATION:
            _save_segmentation(folder)
        else:
            tiny_stereo.save(DEPTHS.get(card.key, card.key), folder)


def _save_segmentation(folder: Path) -> None:
    config = SegformerConfig(
        depths=[1] * 4,
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        num_labels=150,
    )
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessorPil(size={"height": SIDE_PX, "width": SIDE_PX}).save_pretrained(folder)


def _save_pose(folder: Path) -> None:
    backbone = VitPoseBackboneConfig(
        image_size=[256, 192],
        patch_size=[16, 16],
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        out_features=["stage1"],
    )
    VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=17)).save_pretrained(folder)


def _save_people(folder: Path) -> None:
    config = RTDetrConfig(
        backbone_config={
            "model_type": "rt_detr_resnet",
            "embedding_size": 16,
            "hidden_sizes": [16, 16, 32, 32],
            "depths": [1, 1, 1, 1],
            "layer_type": "basic",
            "out_features": ["stage2", "stage3", "stage4"],
        },
        encoder_in_channels=[16, 32, 32],
        encoder_hidden_dim=16,
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        d_model=16,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=32,
        decoder_layers=1,
        decoder_attention_heads=2,
        num_queries=5,
        num_denoising=0,
        id2label={0: "person"},
        label2id={"person": 0},
    )
    RTDetrForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessorPil(size={"height": SIDE_PX, "width": SIDE_PX}).save_pretrained(folder)
