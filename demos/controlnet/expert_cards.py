"""The models that make drawings of pictures: depth, people's poses, and what each pixel belongs to."""

from __future__ import annotations

from hub import depth_cards
from hub.cards import ModelCard

POSE_FAMILY, PEOPLE_FAMILY, SEGMENTATION_FAMILY = "keypoint-detection", "object-detection", "semantic-segmentation"
UNPINNED = "Not pinned to a commit: no public source we know names one."

PEOPLE = ModelCard(
    key="rt-detr",
    label="RT-DETR R50",
    source="PekingU/rtdetr_r50vd_coco_o365",
    task="object-detection",
    family=PEOPLE_FAMILY,
    licence="Apache-2.0",
    download_bytes=172_000_000,
    memory_bytes=172_000_000,
    knows="The 80 kinds of things of COCO, of which people are one, in photos.",
    limits=f"Finds people where a pose is to be found; misses some in a crowd. {UNPINNED}",
    citation="Zhao et al. 2023, DETRs beat YOLOs on real-time object detection, arXiv:2304.08069.",
)
POSE = ModelCard(
    key="vitpose",
    label="ViTPose base",
    source="usyd-community/vitpose-base-simple",
    task="keypoint-detection",
    family=POSE_FAMILY,
    licence="Apache-2.0",
    download_bytes=343_000_000 + PEOPLE.download_bytes,
    memory_bytes=343_000_000 + PEOPLE.memory_bytes,
    knows="Seventeen points of a person's body, in photos (COCO).",
    limits=f"Bodies without hands and faces; drawings of people are often missed. {UNPINNED}",
    citation="Xu et al. 2022, ViTPose, arXiv:2204.12484.",
    needs=(PEOPLE,),
)
SEGMENTATION = ModelCard(
    key="segformer",
    label="SegFormer B0 (ADE20K)",
    source="nvidia/segformer-b0-finetuned-ade-512-512",
    task="image-segmentation",
    family=SEGMENTATION_FAMILY,
    licence="other: NVIDIA Source Code License for SegFormer, non-commercial",
    download_bytes=15_000_000,
    memory_bytes=15_000_000,
    knows="The 150 kinds of things and surfaces of ADE20K, in photos of rooms and streets.",
    limits=f"For research and teaching, not for commercial use; small, so its borders are coarse. {UNPINNED}",
    citation="Xie et al. 2021, SegFormer, arXiv:2105.15203.",
)
DEPTHS = (depth_cards.TABLETOP, depth_cards.RELATIVE, depth_cards.INDOOR, depth_cards.DEPTH_PRO)
EXPERTS = (*DEPTHS, POSE, SEGMENTATION)
