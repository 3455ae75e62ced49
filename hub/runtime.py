"""The hub itself: takes a request, and sees it through to a result and a record of how it came about.

A run, always this way: the request joins (or opens) a batch; the pool hands over the pipeline, loaded and pinned; the
batch gathers neighbours; the gate is held; the pipeline computes; result and record go back to whoever asked.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hub import weights
from hub.batch import Batcher, Done, Failed, Item, Pipeline, Progress, Step
from hub.cards import ModelCard
from hub.demo import Demo, Loading, Request
from hub.device import Device, memory_budget, resolve
from hub.errors import Cancelled, InternalError, InvalidInput, OutOfMemory, UserError
from hub.gate import DeviceGate
from hub.guard import Limits
from hub.jobs import CancelToken, Job, Jobs
from hub.kept import Recordings, sweep
from hub.pool import Pool, Report, gigabytes
from hub.run import Run, Timings, record
from hub.settings import Settings
from hub.sounds import SoundLimits

log = logging.getLogger(__name__)

HEARTBEAT_S = 1.0  # how often a waiting run says that it is alive; also bounds how long a dropped client is noticed
SWEEP_S = 30.0  # how often idle models and old files are looked for


@dataclass(frozen=True)
class Outcome:
    """A demo's result and the record of the run that made it."""

    result: Any
    run: Run
    code: str  # "Show code"


Reply = Outcome | UserError  # what became of one of many requests


class Hub:
    """What all tabs share. One per process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.limits = Limits(settings.max_megapixels, settings.max_upload_mb)
        self.sound_limits = SoundLimits(settings.max_sound_minutes, settings.max_upload_mb)
        self.recordings = Recordings(settings.temp_dir)
        self.jobs = Jobs(settings.runs_per_session)
        self.gate = DeviceGate()
        self.pool = Pool(self._budget, idle_s=settings.idle_minutes * 60)
        self.batcher = Batcher(
            self.gate,
            settings.batch_window_ms / 1000,
            make_room=self.pool.free,
            crowded=lambda: self.jobs.in_flight() > 1,
        )
        self._device_lock = threading.Lock()
        # transformers builds models on a "meta" device that is set for the whole process: two at once spoil each other.
        self._building = threading.Lock()
        self._hub_ready = False  # set by `prepare`: whether Hub models can be the default

    @cached_property
    def device(self) -> Device:
        """The device of this process; the first call imports torch."""
        with self._device_lock:
            return resolve(self.settings.device)

    def offered(self, demo: Demo) -> tuple[ModelCard, ...]:
        """Return the models the picker shows under the present settings."""
        if self.settings.models == "embedded":
            return tuple(card for card in demo.models if card.embedded)
        return demo.models

    def default_card(self, demo: Demo) -> ModelCard:
        """Return the model a fresh page starts with, of the demo's first group; never waits for torch or the network.

        A library's method that comes first stays the default: a Hub model is no larger version of it.
        """
        first = demo.models[0]
        hub_cards = [card for card in demo.models if not card.embedded and card.group == first.group]
        if first.package:
            return first
        if hub_cards and (self.settings.models == "hub" or (self.settings.models == "auto" and self._hub_ready)):
            return hub_cards[0]
        return first

    def stream(self, job: Job, demo: Demo, card: ModelCard, request: Request) -> Iterator[Progress | Step | Outcome]:
        """Run `request`, telling what happens; the last item is the `Outcome`.

        Closing the iterator cancels the job.

        Raises:
            UserError: something the user can mend.
            Cancelled: when the job was stopped.
        """
        try:
            yield Progress("Waiting for a place")
            card = demo.completed(card, request)
            item = self._submit(job, demo, card, request)
            yield from self._follow(item, job, demo, card, request)
        except (GeneratorExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a model library raises, the user gets one sentence
            raise self._explained(error, demo, card, job) from None
        finally:
            self.jobs.close(job)

    def stream_all(
        self, job: Job, demo: Demo, card: ModelCard, requests: Sequence[Request]
    ) -> Iterator[Progress | Reply]:
        """Run many requests, as full batches where they may share one; tell of each in turn as it ends.

        A request that cannot be answered gives its error, and the others go on. Closing the iterator cancels the job.

        Raises:
            UserError: when the card is not offered.
            Cancelled: when the job was stopped.
        """
        try:
            self._refuse_what_is_not_offered(demo, card)
            for start in range(0, len(requests), self.settings.batch_limit):
                chunk = requests[start : start + self.settings.batch_limit]
                yield Progress(f"{start} of {len(requests)} done", start / len(requests))
                parts = [job.part() for _ in chunk]
                with self.batcher.together():
                    begun = [self._begun(part, demo, card, one) for part, one in zip(parts, chunk, strict=True)]
                for item, part, one in zip(begun, parts, chunk, strict=True):
                    if isinstance(item, UserError):
                        yield item
                    else:
                        yield from self._each(*item, part, demo, one)
        finally:
            self.jobs.close(job)

    def _begun(self, part: Job, demo: Demo, card: ModelCard, request: Request) -> tuple[Item, ModelCard] | UserError:
        try:
            card = demo.completed(card, request)
            return self._submit(part, demo, card, request), card
        except UserError as error:
            return error

    def _each(self, item: Item, card: ModelCard, part: Job, demo: Demo, request: Request) -> Iterator[Progress | Reply]:
        try:
            for update in self._follow(item, part, demo, card, request):
                if not isinstance(update, Step):
                    yield update
        except (GeneratorExit, KeyboardInterrupt, Cancelled):
            raise
        except BaseException as error:  # noqa: BLE001 - as in `stream`
            explained = self._explained(error, demo, card, part)
            if not isinstance(explained, UserError):
                raise explained from None
            yield explained

    def _submit(self, job: Job, demo: Demo, card: ModelCard, request: Request) -> Item:
        self._refuse_what_is_not_offered(demo, card)
        key = request.batch_key()
        return self.batcher.submit(
            request,
            job.token,
            lambda token, report: self.lease(demo, card, token, report),
            key=None if key is None else (demo.slug, card.key, key),
            limit=min(self.settings.batch_limit, card.batch_limit),
        )

    def _follow(
        self, item: Item, job: Job, demo: Demo, card: ModelCard, request: Request
    ) -> Iterator[Progress | Step | Outcome]:
        """Tell what happens to a request that has joined a batch; the last item is the `Outcome`."""
        last: Progress | Step = Progress("Waiting for the device")
        while True:
            try:
                update = item.updates.get(timeout=HEARTBEAT_S)
            except queue.Empty:
                update = last
            job.token.raise_if_cancelled()
            if isinstance(update, Failed):
                raise update.error
            if isinstance(update, Done):
                yield self._outcome(job, demo, card, request, update)
                return
            last = update
            yield update

    def _refuse_what_is_not_offered(self, demo: Demo, card: ModelCard) -> None:
        if self.settings.models == "embedded" and not all(part.embedded for part in (card, *card.needs)):
            raise InvalidInput(
                f"{card.label} is not offered while LECTERN_MODELS={self.settings.models}.",
                f"Choose {demo.models[0].key}.",
            )

    def run(self, session: str, demo: Demo, card: ModelCard, request: Request) -> Outcome:
        """Run `request` and wait for its outcome; raises what `stream` raises."""
        for update in self.stream(self.jobs.open(session, demo.slug), demo, card, request):
            if isinstance(update, Outcome):
                return update
        raise AssertionError("a run ended without an outcome")

    def prepare(self, first: Demo | None, others: Sequence[Callable[[], None]] = ()) -> None:
        """In the background: import torch, find out what this machine can do, and load the first tab's model.

        Args:
            first: the demo of the first tab.
            others: what other demos want done before their first run, one after the other.
        """
        threading.Thread(target=self._prepare, args=(first, others), name="prepare", daemon=True).start()

    def tidy(self) -> None:
        """In the background, for as long as the process lasts: unload idle models, and delete old files."""
        threading.Thread(target=self._sweep_forever, name="sweep", daemon=True).start()

    def _prepare(self, first: Demo | None, others: Sequence[Callable[[], None]]) -> None:
        for warm in (lambda: self._load_first(first), *others):
            try:
                warm()
            except UserError as error:
                log.warning("warm-up: %s", error)
            except Exception:
                log.exception("warm-up failed; the first run will try again")

    def _load_first(self, first: Demo | None) -> None:
        on_cuda = self.device.name != "cpu"
        if first is None:
            return
        hub_cards = [card for card in first.models if not card.embedded]
        if self.settings.models == "auto" and on_cuda and hub_cards:
            self._hub_ready = weights.is_cached(hub_cards[0]) or weights.hub_reachable()
        card = self.default_card(first)
        if card.embedded or weights.is_cached(card):  # a download is started by a person, never by a start-up
            with self.lease(first, card, CancelToken(), lambda text, fraction: None):
                log.info("%s is ready on %s", card.label, self.device.label)

    def _sweep_forever(self) -> None:
        ticker = threading.Event()
        while not ticker.wait(SWEEP_S):
            self.pool.sweep()
            sweep(self.settings.temp_dir)

    def _budget(self) -> int:
        return memory_budget(self.device, self.settings.memory_gb, self.pool.resident_bytes())

    def _estimate(self, card: ModelCard) -> int:
        """Return the bytes the weights of `card` will take on this device."""
        return card.least_bytes if self._offloads(card) else self._whole(card)

    def _whole(self, card: ModelCard) -> int:
        return card.memory_bytes if self.device.dtype == "float32" else card.memory_bytes // 2

    def _offloads(self, card: ModelCard) -> bool:
        """Tell whether the weights of `card` must wait in the machine's own memory."""
        return card.least_bytes > 0 and self.device.name != "cpu" and self._whole(card) > self._budget()

    def lease(self, demo: Demo, card: ModelCard, token: CancelToken, report: Report) -> Any:
        """Return a context manager that pins the loaded pipeline of `card` (see `Pool.lease`)."""

        def load(report: Report) -> Pipeline:
            folder = weights.fetch(card, report)
            report(f"Loading {card.label}", None)
            with self._building:
                loading = Loading(card, folder, self.device, report, self.pool.component, self._offloads(card))
                return demo.load(loading)

        return self.pool.lease(
            (demo.slug, card.key), load, label=card.label, estimate=self._estimate(card), token=token, report=report
        )

    def _outcome(self, job: Job, demo: Demo, card: ModelCard, request: Request, done: Done) -> Outcome:
        run = record(
            job_id=job.id,
            demo=demo.slug,
            card=card,
            device=self.device.label,
            dtype=done.dtype,
            options=request.recorded(),
            timings=Timings(done.queue_s, done.load_s, done.compute_s),
            batch_size=done.batch_size,
        )
        return Outcome(done.value, run, demo.snippet(card, request, done.value))

    def _explained(self, error: BaseException, demo: Demo, card: ModelCard, job: Job) -> BaseException:
        """Say what would fit when memory is short; log a bug with its job id and hide its traceback."""
        if isinstance(error, OutOfMemory):
            most = min(self._budget(), self._estimate(card) - 1)  # a model that has just failed is no advice
            fitting = [other for other in self.offered(demo) if self._estimate(other) <= most]
            names = ", ".join(f"{other.label} ({gigabytes(self._estimate(other))})" for other in fitting[:3])
            return OutOfMemory(error.cause, f"{error.action} These fit: {names}." if names else error.action)
        if isinstance(error, UserError | Cancelled):
            return error
        log.error("job %s of %s failed", job.id, demo.slug, exc_info=error)
        return InternalError(job.id)
