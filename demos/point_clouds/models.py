"""The methods the point cloud tab offers: Open3D for 3D files, and depth models for single pictures.

Revisions are commits that public sources name, and `main` where we know of none.
"""

from __future__ import annotations

from hub.cards import ModelCard
from hub.depth_cards import DEPTH_FAMILY, DEPTH_PRO, INDOOR, SINGLE_PICTURE, TABLETOP

FILES = "Files and scenes"

MODELS = (
    ModelCard(
        key="open3d",
        label="Open3D",
        source="open3d.t.geometry",
        task="point-cloud-processing",
        family="open3d",
        licence="MIT",
        download_bytes=0,
        memory_bytes=1,
        knows="Nothing: it computes with the points it is given; no training. What it computes is told at each step.",
        limits="It takes every point for true: what a scanner got wrong stays until a step takes it out.",
        citation="Zhou, Park & Koltun 2018, Open3D: a modern library for 3D data processing, arXiv:1801.09847.",
        group=FILES,
        package="open3d",
    ),
    TABLETOP,
    INDOOR,
    DEPTH_PRO,
    ModelCard(
        key="zoedepth",
        label="ZoeDepth (rooms and streets)",
        source="Intel/zoedepth-nyu-kitti",
        task="depth-estimation",
        family=DEPTH_FAMILY,
        licence="MIT",
        download_bytes=1_380_000_000,
        memory_bytes=1_380_000_000,
        knows="MiDaS's mix of scenes, then metres in rooms (NYU Depth v2) and in streets (KITTI); it decides which "
        "of the two a picture shows.",
        limits="Its metres assume the cameras of those two sets. Large: many seconds a picture without a GPU. Edges "
        "are soft: things trail off into what is behind them.",
        citation="Bhat et al. 2023, ZoeDepth: zero-shot transfer by combining relative and metric depth, "
        "arXiv:2302.12288.",
        revision="f364d4c7936e91f465abba182208dd68142bf0ca",
        batch_limit=1,
        group=SINGLE_PICTURE,
    ),
)
