"""The families of matchers, behind one face: a rectified pair in, disparities or matches out.

Models come from local files only: safetensors, no remote code. Torchvision is not needed: pictures go through the
Pillow variants of the image processors.
"""

from __future__ import annotations

from collections.abc import Callable

from demos.stereo.families.dense import OpenCvDense
from demos.stereo.families.monocular import DepthEstimation
from demos.stereo.families.semi_global import CensusSemiGlobal
from demos.stereo.families.sparse import KeypointMatching, Sift
from demos.stereo.matching import Family
from hub.depth import DepthEstimator
from hub.depth_cards import DEPTH_FAMILY

# Methods of a library: built for a device.
METHODS: dict[str, Callable[[str], Family]] = {
    "sgbm": lambda device: OpenCvDense(),
    "block-matching": lambda device: OpenCvDense(block_matching=True),
    "census-sgm": CensusSemiGlobal,
    "sift": lambda device: Sift(),
}

# Models: built from a folder, a device and a torch.dtype.
FAMILIES: dict[str, Callable[..., Family]] = {
    "keypoint-matching": KeypointMatching,
    DEPTH_FAMILY: lambda folder, device, dtype: DepthEstimation(DepthEstimator(folder, device, dtype)),
}
