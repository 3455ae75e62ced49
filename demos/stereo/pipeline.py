"""The stereo pipeline: a pair, its calibration and marked points in; positions and distances with their errors out.

A run, in order: make the pair small enough and check it, match it, find each point's partner, place the points in
space, measure between them. Matching is the slow part and depends on the pictures alone, so it is remembered: marking
another point costs milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from demos.stereo.checks import PairCheck
from demos.stereo.families import FAMILIES, METHODS
from demos.stereo.families.dense import OpenCvDense
from demos.stereo.families.monocular import DepthEstimation
from demos.stereo.matching import Family, Matched, Pair
from demos.stereo.measurement import Measurement, Truth
from demos.stereo.options import MeasureRequest
from demos.stereo.placing import Ground, measure_between, place
from demos.stereo.preparing import Prepared, check_by_keypoints, prepare
from demos.stereo.rows import FEW_CORNERS, confirmed
from demos.stereo.scenes import LEAST_PX, MOST_PX, ScenePair, new_scene
from hub.batch import Watch
from hub.demo import Loading
from hub.depth import shared_estimator
from hub.depth_cards import DEPTH_FAMILY
from hub.memo import Memo, fingerprint

T = TypeVar("T")
Fingerprints = tuple[bytes | None, ...]  # of the left and the right picture as sent

ROUNDED_SHARE = 1e-3
REMEMBERED_BYTES = 256 * 2**20  # matches of a dozen pairs of a megapixel


@dataclass
class Clock:
    """Compute seconds of each step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


class Stereo:
    """A stereo measurement with any family of matcher."""

    def __init__(self, family: Family, device: str, dtype: str) -> None:
        self.family = family
        self.device = device
        self.dtype = dtype
        self.memo = Memo(REMEMBERED_BYTES)

    @classmethod
    def from_folder(
        cls, family: str, folder: Path | None = None, device: str = "cpu", dtype: str = "float32"
    ) -> Stereo:
        """Load the model in `folder`, without any network; a library's method needs no folder."""
        if family in METHODS:
            return cls(METHODS[family](device), device, "float32")
        import torch

        return cls(FAMILIES[family](folder, device, getattr(torch, dtype)), device, dtype)

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return self.family.modules()

    def __call__(self, requests: Sequence[MeasureRequest], watch: Watch | None = None) -> list[Measurement]:
        """Measure; every request alone.

        Raises:
            InvalidInput: for a pair that cannot be measured, with what to do.
            Cancelled: when nobody wants the result any more.
        """
        watch = watch or Watch()
        return [self._measured(request, watch) for request in requests]

    def _measured(self, request: MeasureRequest, watch: Watch) -> Measurement:
        clock = Clock()
        with clock.step("check"):
            watch.progress("Checking the pair")
            sent = _fingerprints(request)
            prepared = prepare(
                request,
                lambda pair: self._checked(request, pair, sent, watch),
                lambda what, make: self._remembered(sent, what, make),
            )
        watch.raise_if_all_cancelled()
        matched = Matched()
        if prepared.pair is not None:
            with clock.step("match"):
                matched = self._matched(request, prepared.pair, sent, watch)
        watch.raise_if_all_cancelled()
        with clock.step("truth"):
            truth, truth_note = self._truth(request, prepared, sent)
        with clock.step("points"):
            watch.progress("Placing the points")
            ground = Ground(prepared.calibration, prepared.pair, matched, request.options.click_error_px, truth)
            points, beware = place(prepared.points, ground)
            dimensions = measure_between(request.dimensions, points)
        return Measurement(
            calibration=prepared.calibration,
            left=prepared.left,
            right=prepared.right,
            points=points,
            dimensions=dimensions,
            disparity_px=matched.disparity_px,
            reasons=matched.reasons,
            errors=matched.errors,
            matched_px=matched.matched_px,
            relative=prepared.relative,
            homographies=prepared.homographies,
            search=matched.search,
            matches=matched.matches,
            match_scores=matched.match_scores,
            facts=matched.facts,
            notes=(*request.notes, *prepared.notes, *matched.notes, *truth_note, *beware),
            seconds=clock.seconds,
            truth=truth,
        )

    def _checked(self, request: MeasureRequest, pair: Pair, sent: Fingerprints, watch: Watch) -> PairCheck:
        """Check the pair: by its dense match, where that comes before keypoints in time, and else by those."""
        # Of the calibration they know doffs alone. A pair that is confirmed stays so, whatever it was matched with.
        by_keypoints, by_match = (("keypoints", pair.calibration.doffs_px), ("confirmed", pair.calibration.doffs_px))
        if not isinstance(self.family, OpenCvDense):
            return self._remembered(sent, by_keypoints, lambda: check_by_keypoints(pair))
        if (sent, by_match) in self.memo:
            return self._remembered(sent, by_match, lambda: PairCheck((), np.empty((0, 4))))
        found = confirmed(pair, self._matched(request, pair, sent, watch))
        if found is None:
            return self._remembered(sent, by_keypoints, lambda: self._doubted(request, pair, sent, watch))
        kept = found
        return self._remembered(sent, by_match, lambda: kept)

    def _doubted(self, request: MeasureRequest, pair: Pair, sent: Fingerprints, watch: Watch) -> PairCheck:
        """Check a pair that its dense match did not confirm; where keypoints are too few, exchange its pictures."""
        check = check_by_keypoints(pair)
        if "textureless" not in check.problems or pair.right is None:
            return check
        exchanged = Pair(pair.right, pair.left, pair.calibration)
        if confirmed(pair, self._matched(request, pair, sent, watch), FEW_CORNERS):
            return check
        found = confirmed(exchanged, self.family.match(exchanged, request.options, watch), FEW_CORNERS)
        return check if found is None else replace(check, problems=("swapped",), negative_share=1.0)

    def _matched(self, request: MeasureRequest, pair: Pair, sent: Fingerprints, watch: Watch) -> Matched:
        """Match the pair, or remember how it matched."""
        chosen = replace(request.options, click_error_px=0.5, unit="cm")  # which matching does not depend on
        return self._remembered(sent, (chosen, pair.calibration), lambda: self.family.match(pair, chosen, watch))

    def _truth(
        self, request: MeasureRequest, prepared: Prepared, sent: Fingerprints
    ) -> tuple[Truth | None, tuple[str, ...]]:
        """Return what is true of the pair, where it is the unchanged pair of a New scene."""
        if request.scene_seed is None or request.left is None or prepared.relative:
            return None, ()
        seed, (width, height) = request.scene_seed, request.left.size
        if width == height and LEAST_PX <= width <= MOST_PX:
            scene: ScenePair = self.memo.get(
                ("scene", seed, width), lambda: new_scene(seed, width), lambda _: 11 * width * width
            )
            pairs = [(request.left, scene.left), *([] if request.right is None else [(request.right, scene.right)])]
            if self._remembered(sent, ("shows", seed), lambda: all(_alike(*pair) for pair in pairs)):
                return scene.truth, ()
        return None, ("These pictures are not the whole pair of their scene any more, so its truth is not shown.",)

    def _remembered(self, sent: Fingerprints, what: Hashable, make: Callable[[], T]) -> T:
        """Return what was computed from these pictures before, or compute it."""
        return self.memo.get((sent, what), make, lambda value: getattr(value, "nbytes", 10_000))


def _fingerprints(request: MeasureRequest) -> Fingerprints:
    """Return what tells these pictures from others; both at once, for it takes a while and frees the interpreter."""
    sides = (request.left, request.right)
    with ThreadPoolExecutor(len(sides)) as pool:
        return tuple(pool.map(lambda side: None if side is None else fingerprint(side), sides))


def _alike(picture: Image.Image, drawn: Image.Image) -> bool:
    """Tell whether a picture is what was drawn: another processor rounds a few values in a million differently."""
    return bool((np.asarray(picture) != np.asarray(drawn)).mean() < ROUNDED_SHARE)


def load(loading: Loading) -> Stereo:
    """Load the method or the model of a card; the hub fetched the model's folder."""
    if loading.card.family == DEPTH_FAMILY:
        estimator = shared_estimator(loading, loading.card, loading.folder)
        return Stereo(DepthEstimation(estimator), loading.device.name, loading.device.dtype)
    return Stereo.from_folder(loading.card.family, loading.folder, loading.device.name, loading.device.dtype)
