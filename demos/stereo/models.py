"""The methods the stereo tab offers: dense and sparse matching of a pair, and depth from a single picture.

Methods of a library have no weights; their `source` names the class. Revisions are commits that public sources name,
and `main` where we know of none.
"""

from __future__ import annotations

from hub.cards import ModelCard
from hub.depth_cards import DEPTH_PRO, INDOOR, RELATIVE, TABLETOP

DENSE, SPARSE = "Dense matching", "Sparse matching"
OPENCV = "opencv-contrib-python-headless"
UNPINNED = "Not pinned to a commit: no public source we know names one."
NON_COMMERCIAL = "other: Magic Leap, non-commercial research use only"

MODELS = (
    ModelCard(
        key="sgbm",
        label="Semi-global block matching (OpenCV)",
        source="cv2.StereoSGBM",
        task="stereo-matching",
        family="sgbm",
        licence="Apache-2.0",
        download_bytes=0,
        memory_bytes=1,
        knows="Nothing: it compares small windows along each row and prefers smooth surfaces; no training.",
        limits="Guesses on plain, shiny and repeated surfaces, and smears edges by about half a window.",
        citation="Hirschmüller 2008, Stereo processing by semiglobal matching and mutual information, PAMI 30(2).",
        group=DENSE,
        package=OPENCV,
    ),
    ModelCard(
        key="block-matching",
        label="Block matching (OpenCV)",
        source="cv2.StereoBM",
        task="stereo-matching",
        family="block-matching",
        licence="Apache-2.0",
        download_bytes=0,
        memory_bytes=1,
        knows="Nothing: each window goes where its grey values differ least; no training, no smoothness.",
        limits="Finds only textured surfaces, and is here to compare: watch what smoothness adds.",
        citation="Konolige 1997, Small vision systems: hardware and implementation, ISRR.",
        group=DENSE,
        package=OPENCV,
    ),
    ModelCard(
        key="census-sgm",
        label="Census and semi-global matching (PyTorch)",
        source="torch",
        task="stereo-matching",
        family="census-sgm",
        licence="Apache-2.0",
        download_bytes=0,
        memory_bytes=1,
        knows="Nothing: it compares which neighbours are brighter, along four or eight paths; no training.",
        limits="Made for CUDA; on a CPU it is many times slower than OpenCV. Guesses on plain surfaces.",
        citation="Zabih & Woodfill 1994 (census transform); Hirschmüller 2008 (semi-global matching).",
        group=DENSE,
        package="torch",
    ),
    ModelCard(
        key="sift",
        label="SIFT with ratio test (OpenCV)",
        source="cv2.SIFT",
        task="keypoint-matching",
        family="sift",
        licence="Apache-2.0",
        download_bytes=0,
        memory_bytes=1,
        knows="Nothing: corners and blobs are described by the gradients round them; no training.",
        limits="A few hundred points at best, none on plain surfaces; a point between them is matched as a patch.",
        citation="Lowe 2004, Distinctive image features from scale-invariant keypoints, IJCV 60(2).",
        group=SPARSE,
        package=OPENCV,
    ),
    ModelCard(
        key="lightglue",
        label="SuperPoint + LightGlue",
        source="ETH-CVG/lightglue_superpoint",
        task="keypoint-matching",
        family="keypoint-matching",
        licence=f"{NON_COMMERCIAL} (SuperPoint); Apache-2.0 (LightGlue)",
        download_bytes=53_000_000,
        memory_bytes=53_000_000,
        knows="Corners of synthetic shapes and photos (SuperPoint), matched between photos of landmarks (MegaDepth).",
        limits="The SuperPoint weights are for non-commercial use. It sees the pair at 640 x 480 pixels, so partners "
        f"are good to about a pixel of that. {UNPINNED}",
        citation="Lindenberger et al. 2023, LightGlue, arXiv:2306.13643; DeTone et al. 2018, SuperPoint, "
        "arXiv:1712.07629.",
        group=SPARSE,
    ),
    ModelCard(
        key="efficientloftr",
        label="Efficient LoFTR",
        source="zju-community/efficientloftr",
        task="keypoint-matching",
        family="keypoint-matching",
        licence="Apache-2.0",
        download_bytes=64_000_000,
        memory_bytes=64_000_000,
        knows="Photos of landmarks from different places (MegaDepth), matched patch by patch without corners.",
        limits="It sees the pair at 640 x 480 pixels; on plain walls it is sure of matches that the rows then refute. "
        f"{UNPINNED}",
        citation="Wang et al. 2024, Efficient LoFTR, arXiv:2403.04765.",
        group=SPARSE,
    ),
    ModelCard(
        key="superglue",
        label="SuperPoint + SuperGlue (outdoor)",
        source="magic-leap-community/superglue_outdoor",
        task="keypoint-matching",
        family="keypoint-matching",
        licence=NON_COMMERCIAL,
        download_bytes=54_000_000,
        memory_bytes=54_000_000,
        knows="Corners of synthetic shapes and photos (SuperPoint), matched between photos of landmarks (MegaDepth).",
        limits="The SuperPoint and SuperGlue weights are for non-commercial use. It sees the pair at 640 x 480 pixels. "
        f"{UNPINNED}",
        citation="Sarlin et al. 2020, SuperGlue, arXiv:1911.11763; DeTone et al. 2018, SuperPoint, arXiv:1712.07629.",
        group=SPARSE,
    ),
    TABLETOP,
    RELATIVE,
    INDOOR,
    DEPTH_PRO,
)
