"""An ear: what is kept of one stream of sound, from the chunks that come in to the words that were heard.

Chunk by chunk, the sound is cut into windows (`stream`), the windows go to the model, one request each, and their
scores through the detector that files go through too. A model that is slower than the sound must not make the answers
come later and later: then the newest windows are heard, the others are skipped, and the answer says how many.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from demos.keyword_spotting.detector import Detector
from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.spotting import F32, Detection, Spotting
from demos.keyword_spotting.stream import Listener
from demos.keyword_spotting.taught import Taught
from hub.batch import Progress
from hub.cards import ModelCard
from hub.errors import TooBusy, UserError
from hub.live import Runs
from hub.run import Run
from hub.runtime import Reply
from hub.sounds import Samples, Sound

FIRST_WINDOW_S = 1.0  # until the model's first answer tells how long its windows are
PATIENCE_S = 1.0  # how long a chunk waits for its answer before it is told what it waits for
# How long a run may take: half a second, or, to catch up after a pause, most of the time that the new sound lasts. It
# must be less than all of it: what comes meanwhile is heard by the next run, and runs would become longer and longer.
SPENT_S = 0.5
SPENT_SHARE = 0.75
LEAST_WINDOWS = 3  # that a run hears in a row, if so many are averaged: with gaps a word would be averaged away
MOST_WINDOWS = 16  # in one run


@dataclass(frozen=True)
class Question:
    """How a chunk is listened to; it may change from one to the next.

    Attributes:
        taught: words of the user's own, in place of the model's.
        keep_up: whether windows are skipped when the model is too slow, and a long wait ends with what it is for. If
            not, the answer comes when all windows were heard, however long that takes, or when too many wait already.
    """

    card: ModelCard
    options: SpottingOptions
    taught: Taught | None = None
    keep_up: bool = True


@dataclass(frozen=True, eq=False)
class Window:
    """One window that was heard: where it lies in the stream, and the smoothed scores (L,) at its end."""

    start_s: float
    end_s: float
    scores: F32


@dataclass(frozen=True, eq=False)
class Answer:
    """What became of a chunk.

    Attributes:
        heard_s: how much sound came in since the stream began.
        labels: names of the scores; empty before the first window was heard.
        windows: that were heard since the last answer.
        detections: likewise.
        skipped: windows that were not heard since the last answer, because newer ones came.
        waiting: what the run is waiting for, when there is no result yet.
        run: record of the last run, if one ended.
        notes: for the user: what the scores of this model mean.
    """

    heard_s: float
    labels: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    detections: tuple[Detection, ...] = ()
    skipped: int = 0
    waiting: str = ""
    run: Run | None = None
    notes: tuple[str, ...] = ()


class Ear:
    """Listens to one stream. Nothing of it is written to a disk, and `close` forgets it all."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._window_s = FIRST_WINDOW_S
        self._listener: Listener | None = None
        self._due: list[tuple[float, Samples]] = []  # windows to be heard by the next run
        self._skipped = 0  # windows that never will be, since the last answer
        self._asked: list[float] = []  # where the windows of the run under way begin
        self._begun_s = 0.0
        self._fresh_s = 0.0  # how much sound has come since it began
        self._took_s = 0.0  # how long the last run took for each window
        self._heard_by: tuple[object, ...] = ()  # the model and the labels of the scores in the detector
        self._detector: Detector | None = None

    def hear(self, chunk: NDArray[np.generic], rate_hz: int, question: Question, *, last: bool = False) -> Answer:
        """Take in the next chunk.

        Args:
            chunk: (n,) or (n, channels) samples, as `stream.Listener.push` takes them; may be empty.
            rate_hz: of the chunk.
            question: how to listen.
            last: whether the stream ends here, so that nothing is held back for a next chunk.

        Raises:
            UserError: when the model cannot be had, or cannot listen for these words.
            Cancelled: when the ear was closed meanwhile.
        """
        listener = self._tuned(question.options.hop_s)
        self._fresh_s += len(chunk) / rate_hz
        self._due += listener.push(chunk, rate_hz) + (listener.finish() if last else [])
        if question.keep_up:
            self._skip_all_but(MOST_WINDOWS)
        until_s = time.monotonic() + PATIENCE_S
        answer = Answer(listener.seconds)
        while self._runs.under_way or self._due:
            try:
                if not self._runs.under_way:
                    self._start(question)
                found = self._runs.follow(max(0.0, until_s - time.monotonic()) if question.keep_up else None)
            except TooBusy as busy:
                found = Progress(busy.cause)
            if isinstance(found, Progress):
                answer = replace(answer, waiting=found.text)
                break
            answer = self._taken(answer, found, question.options)
        skipped, self._skipped = self._skipped, 0
        return replace(answer, skipped=skipped)

    def recent(self, seconds: float) -> Samples:
        """Return the last seconds of sound at 16 kHz, or as much as there is."""
        return np.zeros(0, np.float32) if self._listener is None else self._listener.recent(seconds)

    def close(self) -> None:
        """Stop what is under way and forget what was heard."""
        self._runs.close()
        self._listener, self._due = None, []

    def _tuned(self, hop_s: float) -> Listener:
        if self._listener is None:
            self._listener = Listener(self._window_s, hop_s)
        self._listener.retune(self._window_s, hop_s)
        return self._listener

    def _start(self, question: Question) -> None:
        """Have the due windows heard: all of them, or the newest that there is time for."""
        if question.keep_up:
            spent_s = max(SPENT_S, SPENT_SHARE * self._fresh_s)
            count = int(spent_s / self._took_s) if self._took_s else 1
            self._skip_all_but(max(count, min(question.options.smoothing, LEAST_WINDOWS)))
        requests = [SpottingRequest(Sound(window), question.options, taught=question.taught) for _, window in self._due]
        self._runs.start(question.card, requests)
        self._asked, self._begun_s = [start_s for start_s, _ in self._due], time.monotonic()
        self._due, self._fresh_s = [], 0.0

    def _skip_all_but(self, newest: int) -> None:
        self._skipped += max(0, len(self._due) - newest)
        self._due = self._due[-newest:]

    def _taken(self, answer: Answer, replies: Sequence[Reply], options: SpottingOptions) -> Answer:
        """Put the scores of the run that has just ended through the detector."""
        windows, detections = [], []
        run, found = answer.run, None
        for start_s, reply in zip(self._asked, replies, strict=True):
            if isinstance(reply, UserError):
                raise reply
            run, found = reply.run, reply.result
            smoothed, detection = self._detecting(found, run, options)(start_s, found.scores[0])
            windows.append(Window(start_s, start_s + found.window_s, smoothed))
            detections += [detection] if detection is not None else []
        if run is None or found is None:
            return answer
        self._took_s = (time.monotonic() - self._begun_s - run.timings.load_s) / len(replies)
        self._window_s = found.window_s
        return replace(
            answer,
            labels=found.labels,
            windows=(*answer.windows, *windows),
            detections=(*answer.detections, *detections),
            run=run,
            notes=found.notes,
        )

    def _detecting(self, found: Spotting, run: Run, options: SpottingOptions) -> Detector:
        """Return the detector; a new one where other scores come than before."""
        heard_by = (run.source, found.labels, found.window_s)
        if self._detector is None or heard_by != self._heard_by:
            self._detector, self._heard_by = Detector(found.labels, found.window_s, options), heard_by
        self._detector.retune(options)
        return self._detector
