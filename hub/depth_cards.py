"""The cards of depth models that several demos offer, for `hub.depth`."""

from __future__ import annotations

from hub.cards import ModelCard

SINGLE_PICTURE = "Single picture"
DEPTH_FAMILY = "depth-estimation"

TABLETOP = ModelCard(
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
    group=SINGLE_PICTURE,
)
SKY_FROM_M = 1.6  # what TABLETOP says of the sky is beyond; no point of a table is (its model card)
RELATIVE = ModelCard(
    key="depth-anything-v2-small",
    label="Depth Anything V2 Small (relative)",
    source="depth-anything/Depth-Anything-V2-Small-hf",
    task="depth-estimation",
    family=DEPTH_FAMILY,
    licence="Apache-2.0",
    download_bytes=99_000_000,
    memory_bytes=99_000_000,
    knows="Synthetic pictures with exact depth, then 62 million photos labelled by a larger model.",
    limits="Says nearer and farther, in no unit: only a stereo pair, or one known length, gives it a scale.",
    citation="Yang et al. 2024, Depth Anything V2, arXiv:2406.09414.",
    revision="5426e4f0f36572d16453bbda7a8389317b1bef99",
    group=SINGLE_PICTURE,
)
INDOOR = ModelCard(
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
    group=SINGLE_PICTURE,
)
DEPTH_PRO = ModelCard(
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
    group=SINGLE_PICTURE,
)
