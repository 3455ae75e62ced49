"""Sparse matching: a few hundred points whose partner is sure, by SIFT or by a learned matcher.

The one idea: in a rectified pair a point's partner lies on its own row. Matchers that look everywhere (all of these do)
are checked by that: what strays from its row is no match.

Sources: Lowe, Distinctive image features from scale-invariant keypoints, IJCV 60(2), 2004 (SIFT, and the ratio test of
section 7.1); Sarlin et al., SuperGlue, CVPR 2020; Lindenberger et al., LightGlue, ICCV 2023; Wang et al., Efficient
LoFTR, CVPR 2024.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.stereo.matching import F32, U8, Matched, Pair
from demos.stereo.options import MatchOptions
from demos.stereo.search_range import SearchRange, chosen_range
from hub.batch import Watch
from hub.weights import LOCAL, SAFE_WEIGHTS

if TYPE_CHECKING:
    import torch

RATIO = 0.8  # Lowe 2004, section 7.1: it rejects 90 % of the false matches and loses 5 % of the correct ones
MOST_KEYPOINTS = 4000
LEAST_CONTRAST = 0.02  # half of OpenCV's, for pale and plain pictures
EPIPOLAR_PX = 1.5  # how far off its row a partner may lie
LEAST_SCORE = 0.2  # of the learned matchers: the threshold of their makers' examples


class Sift:
    """SIFT keypoints, matched both ways, kept where the best partner is clearly better than the second."""

    def modules(self) -> list[Any]:
        """Return nothing: there are no weights."""
        return []

    def match(self, pair: Pair, chosen: MatchOptions, watch: Watch) -> Matched:
        """Match SIFT keypoints."""
        assert pair.right is not None
        watch.progress("Matching SIFT keypoints")
        return on_their_rows(*sift_matches(pair.left, pair.right), chosen_range(pair, chosen)[0])


class KeypointMatching:
    """A learned matcher of the Hub, through transformers' keypoint-matching pipeline."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import AutoImageProcessor, AutoModelForKeypointMatching, pipeline
        from transformers.pipelines.keypoint_matching import KeypointMatchingPipeline

        class SubPixelMatching(KeypointMatchingPipeline):
            """The pipeline with places between pixels, in pictures of any shape.

            transformers 5.23 rounds keypoints down to whole pixels and takes width for height, which only squares
            survive. The model's own places are shares of the picture's width and height.
            """

            def postprocess(self, forward_outputs: Any, threshold: float = 0.0) -> Any:
                outputs = forward_outputs["model_outputs"]
                places = outputs.keypoints[0].float().cpu().numpy()  # (2, N, 2)
                partners = outputs.matches[0].long().cpu().numpy()  # (2, N)
                scores = outputs.matching_scores[0].float().cpu().numpy()
                return _pairs(places, partners, scores, threshold, paired="loftr" in self.model.config.model_type)

        processor = AutoImageProcessor.from_pretrained(folder, backend="pil", **LOCAL)
        model = AutoModelForKeypointMatching.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        self.seen: tuple[int, int] = (processor.size["width"], processor.size["height"])
        self.pipeline = pipeline(
            "keypoint-matching",
            model=model.to(device).eval(),
            image_processor=processor,
            device=device,
            pipeline_class=SubPixelMatching,
        )

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return [self.pipeline.model]

    def match(self, pair: Pair, chosen: MatchOptions, watch: Watch) -> Matched:
        """Match keypoints."""
        assert pair.right is not None
        watch.progress("Matching keypoints")
        pictures = [Image.fromarray(pair.left), Image.fromarray(pair.right)]
        shares, scores = self.pipeline(pictures, threshold=LEAST_SCORE)
        size = np.array(pictures[0].size * 2, np.float32)
        # A place i of the picture that the model saw is a share i / width; pixel centres are half a pixel from edges.
        matches = shares * size + (size / np.array(self.seen * 2, np.float32) - 1) / 2
        return on_their_rows(matches.astype(np.float32), scores, chosen_range(pair, chosen)[0])


def _pairs(places: F32, partners: NDArray[np.int64], scores: F32, threshold: float, *, paired: bool) -> tuple[F32, F32]:
    """Return matches (M, 4), in shares of width and height, and their scores (M,).

    Args:
        places: (2, N, 2) of each picture.
        partners: (2, N): of each place of the left picture, its partner's number on the right; -1 for none.
        scores: (2, N).
        threshold: least score.
        paired: whether places of equal number are partners, as in LoFTR's answer.
    """
    kept = np.nonzero((scores[0] > threshold) & (partners[0] > -1) & (partners[0] < places.shape[1]))[0]
    there = kept if paired else partners[0][kept]
    return np.concatenate([places[0][kept], places[1][there]], axis=1), scores[0][kept]


def sift_matches(left: U8, right: U8) -> tuple[F32, F32]:
    """Match SIFT keypoints by ratio test and mutual check, wherever they lie.

    Returns:
        Matches (N, 4) float32, u, v left, u, v right, pixels, and scores (N,), 1 minus the ratio of the distances to
        the best and second-best partner.
    """
    cv2: Any = importlib.import_module("cv2")  # its stubs lack the factories

    sift = cv2.SIFT_create(nfeatures=MOST_KEYPOINTS, contrastThreshold=LEAST_CONTRAST)
    found = [sift.detectAndCompute(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), None) for picture in (left, right)]
    (here, described_here), (there, described_there) = found
    if min(len(here), len(there)) < 2:
        return np.empty((0, 4), np.float32), np.empty(0, np.float32)
    matcher = cv2.BFMatcher()
    back = {match.queryIdx: match.trainIdx for match in matcher.match(described_there, described_here)}
    kept: dict[tuple[float, ...], float] = {}
    for best, second in matcher.knnMatch(described_here, described_there, k=2):
        if best.distance < RATIO * second.distance and back[best.trainIdx] == best.queryIdx:
            # A keypoint with two orientations is there twice.
            kept[*here[best.queryIdx].pt, *there[best.trainIdx].pt] = 1 - best.distance / second.distance
    return np.array(list(kept), np.float32).reshape(-1, 4), np.array(list(kept.values()), np.float32)


def on_their_rows(matches: F32, scores: F32, searched: SearchRange) -> Matched:
    """Keep the matches whose two points lie on one row, to within `EPIPOLAR_PX`."""
    kept = np.abs(matches[:, 1] - matches[:, 3]) <= EPIPOLAR_PX
    facts = {"matches": f"{int(kept.sum()):,}", "left out, not on one row": f"{int((~kept).sum()):,}"}
    return Matched(matches=matches[kept], match_scores=scores[kept], search=searched.ends, facts=facts)
