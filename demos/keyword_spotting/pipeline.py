"""The keyword spotting pipeline: sounds in; scores of words over time, and the words that were detected, out.

A model hears windows of one length. So every sound is cut into overlapping windows, the windows of all requests are
heard in chunks, and the scores go, in order of time, through the detector that the live microphone uses too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from demos.keyword_spotting import windows
from demos.keyword_spotting.convert import converted
from demos.keyword_spotting.detector import Detector
from demos.keyword_spotting.families import FAMILIES, Family, Heard
from demos.keyword_spotting.importance import importance
from demos.keyword_spotting.options import SpottingRequest
from demos.keyword_spotting.spotting import F32, SILENCE, UNKNOWN, Importance, Spotting
from demos.keyword_spotting.taught import Taught
from hub.batch import Watch
from hub.demo import Loading
from hub.errors import InvalidInput
from hub.sounds import RATE_HZ

ON_CUDA = 8  # times as many windows at once as on a CPU


class SpottingPipeline:
    """A keyword spotter of any family.

    Args:
        family: the loaded model.
        device: as torch spells it.
        dtype: the precision its weights are held in.
        source: of the model, as its card names it; words taught with another are refused.
        revision: of the model, likewise.
    """

    def __init__(self, family: Family, device: str, dtype: str, source: str = "", revision: str = "") -> None:
        self.family = family
        self.device = device
        self.dtype = dtype
        self.source = source
        self.revision = revision

    @property
    def window_s(self) -> float:
        """How many seconds the model hears at once."""
        return self.family.window_s

    @property
    def _at_once(self) -> int:
        """How many windows one forward pass takes."""
        return self.family.at_once * (ON_CUDA if self.device.startswith("cuda") else 1)

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return [self.family.model]

    def labels(self, words: str = "") -> tuple[str, ...]:
        """Return the names of the scores; `words` are the typed ones, which only some models take.

        Raises:
            InvalidInput: for words that this model cannot listen for.
        """
        return self.family.labels(words)

    def __call__(self, requests: Sequence[SpottingRequest], watch: Watch | None = None) -> list[Spotting]:
        """Listen to one sound per request; requests of one call share the typed words.

        Raises:
            InvalidInput: for words that this model cannot listen for, or that were taught with another one.
            Cancelled: when nobody wants the results any more.
        """
        import torch

        watch = watch or Watch()
        for request in requests:
            self._refuse_foreign(request.taught)
        typed = [request.options.words for request in requests if request.taught is None]
        labels = self.labels(typed[0]) if typed else ()
        places = [
            windows.places(len(request.sound.samples), self.window_s, request.options.hop_s) for request in requests
        ]
        with torch.inference_mode():
            prepared = self.family.prepare(labels) if typed else None
            results = []
            for request, own, heard in zip(
                requests, places, self._hear(requests, places, prepared, watch), strict=True
            ):
                found = self._spotting(request, labels, own, heard)
                if request.explain:
                    watch.progress("Covering parts of the best window")
                    found = replace(found, importance=self._importance(request, found, own, prepared, watch))
                results.append(found)
        return results

    def _hear(
        self, requests: Sequence[SpottingRequest], places: Sequence[Sequence[int]], prepared: Any, watch: Watch
    ) -> list[Heard]:
        """Hear the windows of all requests; they are cut chunk by chunk, for those of a long sound fill the memory."""
        everything = [(number, place) for number, own in enumerate(places) for place in own]
        chunks = []
        for start in range(0, len(everything), self._at_once):
            watch.raise_if_all_cancelled()
            if len(everything) > self._at_once:
                watch.progress(f"Window {start + 1:,} of {len(everything):,}", start / len(everything))
            cuts = [
                windows.cut(requests[number].sound.samples, place, self.window_s)
                for number, place in everything[start : start + self._at_once]
            ]
            chunks.append(self.family.hear(np.stack(cuts), prepared))
        ends = np.cumsum([len(own) for own in places])[:-1]
        features = np.split(np.concatenate([chunk.features for chunk in chunks]), ends)
        if prepared is None:
            return [Heard(None, own) for own in features]
        scores = np.split(np.concatenate([chunk.scores for chunk in chunks if chunk.scores is not None]), ends)
        return [Heard(*pair) for pair in zip(scores, features, strict=True)]

    def _spotting(
        self, request: SpottingRequest, labels: tuple[str, ...], places: Sequence[int], heard: Heard
    ) -> Spotting:
        """Put the result of one sound together: its scores, the same smoothed, and what is detected in them."""
        labels = labels if request.taught is None else request.taught.words
        scores = _scores(request.taught, heard)
        for row, place in enumerate(places):
            if windows.is_silent(windows.cut(request.sound.samples, place, self.window_s)):
                scores[row] = _nothing(labels)
        detector = Detector(labels, self.window_s, request.options)
        passed = [detector(place / RATE_HZ, row) for place, row in zip(places, scores, strict=True)]
        end_s = request.sound.seconds
        return Spotting(
            labels=labels,
            window_s=self.window_s,
            starts_s=(np.array(places) / RATE_HZ).astype(np.float32),
            scores=scores,
            smoothed=np.stack([smoothed for smoothed, _ in passed]),
            detections=tuple(replace(one, end_s=min(one.end_s, end_s)) for _, one in passed if one is not None),
            features=heard.features,
            notes=(*request.sound.notes, *(self.family.notes if request.taught is None else ())),
        )

    def _importance(
        self, request: SpottingRequest, found: Spotting, places: Sequence[int], prepared: Any, watch: Watch
    ) -> Importance:
        """Find out which parts of the best window mattered for the best word."""
        window, label = found.best

        def score(covered: F32) -> F32:
            chunks = []
            for start in range(0, len(covered), self._at_once):
                watch.raise_if_all_cancelled()
                heard = self.family.hear(covered[start : start + self._at_once], prepared)
                chunks.append(_scores(request.taught, heard)[:, label])
            return np.concatenate(chunks)

        best = windows.cut(request.sound.samples, places[window], self.window_s)
        return importance(best, score, word=found.labels[label], start_s=places[window] / RATE_HZ)

    def _refuse_foreign(self, taught: Taught | None) -> None:
        if taught is not None and (taught.source, taught.revision) != (self.source, self.revision):
            raise InvalidInput(
                f"These words were taught with {taught.source}, whose features are not those of {self.source}.",
                "Choose the model they were taught with, or teach them again.",
            )


def _scores(taught: Taught | None, heard: Heard) -> F32:
    """Return the scores (W, L) of taught words, or the model's own."""
    if taught is not None:
        return taught.scores(heard.features)
    assert heard.scores is not None  # the pipeline prepared labels, for somebody did not bring any
    return heard.scores


def _nothing(labels: tuple[str, ...]) -> F32:
    """Return the scores (L,) of a window in which there is nothing to hear."""
    index = labels.index(SILENCE if SILENCE in labels else UNKNOWN)
    return np.eye(len(labels), dtype=np.float32)[index]


def load(loading: Loading) -> SpottingPipeline:
    """Load the model of a card, from the folder the hub fetched or from what a package brought."""
    card, device = loading.card, loading.device
    folder = converted(loading.report) if card.package else loading.folder
    family = FAMILIES[card.family](folder, device.name, device.torch_dtype)
    return SpottingPipeline(family, device.name, device.dtype, card.source, card.revision)
