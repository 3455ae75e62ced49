"""The methods the point cloud tab offers: Open3D for 3D files, and depth models for single pictures.

Revisions are commits that public sources name, and `main` where we know of none.
"""

from __future__ import annotations

from hub.cards import ModelCard

FILES, SINGLE = "Files and scenes", "Single picture"
DEPTH_FAMILY = "depth-estimation"

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
    ModelCard(
        key="depth-anything-tabletop",
        label="Tabletop Depth Anything (embedded)",
        source="depth-anything-tabletop",
        task="depth-estimation",
        family=DEPTH_FAMILY,
        licence="Apache-2.0",
        download_bytes=0,
        memory_bytes=20_000_000,
        knows="Rendered tabletop scenes with one to four coloured solids; trained by this project on nothing else.",
        limits="It only knows tabletop scenes, in square pictures with a field of view of 34 degrees: of anything else "
        "it says depths as if solids stood on a table.",
        citation="This project (training/depth.py); architecture: Yang et al. 2024, Depth Anything, arXiv:2401.10891.",
        group=SINGLE,
    ),
    ModelCard(
        key="depth-anything-v2-indoor",
        label="Depth Anything V2 Small (metric, indoor)",
        source="depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf",
        task="depth-estimation",
        family=DEPTH_FAMILY,
        licence="Apache-2.0",
        download_bytes=99_000_000,
        memory_bytes=99_000_000,
        knows="Depth Anything V2, tuned on synthetic rooms (Hypersim) to say metres, up to 20.",
        limits="Its metres assume a camera like those of its rooms: another field of view shifts them all.",
        citation="Yang et al. 2024, Depth Anything V2, arXiv:2406.09414.",
        revision="8078d68a9c75a972131914f6afd0c1723be0da7f",
        group=SINGLE,
    ),
    ModelCard(
        key="depth-pro",
        label="Depth Pro",
        source="apple/DepthPro-hf",
        task="depth-estimation",
        family=DEPTH_FAMILY,
        licence="apple-amlr",
        download_bytes=1_904_000_000,
        memory_bytes=3_808_000_000,
        knows="A mix of real and synthetic scenes with depth; says metres and guesses the field of view itself.",
        limits="The licence allows research use only. Large: minutes a picture without a GPU. Sharp edges, but its "
        "scale is a guess. Not pinned to a commit: no public source we know names one.",
        citation="Bochkovskii et al. 2024, Depth Pro, arXiv:2410.02073.",
        batch_limit=1,
        group=SINGLE,
    ),
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
        group=SINGLE,
    ),
)
