"""The micro-batcher: requests that arrive together for the same model run as one forward pass.

A batch opens with its first request, gathers neighbours while the model loads, the window passes and the device is
busy with others, and closes when it gets the device. It has a thread of its own, so nobody who waits on a result holds
the device, and a caller who leaves does not take neighbours along.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.errors import Cancelled, OutOfMemory
from hub.gate import DeviceGate
from hub.jobs import CancelToken
from hub.pool import Lease, Report, is_out_of_memory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """What a run is waiting for or doing; `fraction` is 0..1, or None where it is unknown."""

    text: str
    fraction: float | None = None


@dataclass(frozen=True)
class Step:
    """An intermediate result of the pipeline."""

    value: Any


@dataclass(frozen=True)
class Done:
    """The result of one request, and the parts of its timing."""

    value: Any
    queue_s: float
    load_s: float
    compute_s: float
    batch_size: int
    device: str
    dtype: str


@dataclass(frozen=True)
class Failed:
    """The run ended with `error`."""

    error: BaseException


Update = Progress | Step | Done | Failed


class Watch:
    """How a pipeline hears of cancelled requests and tells of its steps; requests are named by their place in it."""

    def __init__(self, items: Sequence[Item] = ()) -> None:
        self._items = items

    def cancelled(self, index: int) -> bool:
        """Whether request `index` is no longer wanted."""
        return bool(self._items) and self._items[index].token.cancelled

    def raise_if_all_cancelled(self) -> None:
        """Raise `Cancelled` when nobody wants the batch any more: call it between model steps."""
        if self._items and all(item.token.cancelled for item in self._items):
            raise Cancelled

    def step(self, index: int, value: Any) -> None:
        """Send an intermediate result of request `index` to its caller."""
        if self._items:
            self._items[index].updates.put(Step(value))

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Tell every caller in the batch what is going on."""
        for item in self._items:
            item.updates.put(Progress(text, fraction))


class Pipeline(Protocol):
    """What a demo loads from a card: a plain class, usable without Gradio and without the hub."""

    device: str
    dtype: str

    def modules(self) -> list[Any]:
        """Return the torch modules it holds, for the pool's bookkeeping."""

    def __call__(self, requests: Sequence[Any], watch: Watch) -> list[Any]:
        """Compute one result per request; requests of one call share a batch key."""


@dataclass(eq=False)
class Item:
    """One request in a batch, with its caller's token and the queue its updates go to."""

    request: Any
    token: CancelToken
    updates: queue.SimpleQueue[Update] = field(default_factory=queue.SimpleQueue)
    submitted_s: float = field(default_factory=time.monotonic)
    load_s: float = 0.0  # how long it waited for the model to be loaded


Answer = tuple[Item, Done | Failed]


@dataclass(eq=False)
class _Batch:
    items: list[Item]
    limit: int
    everyone_left: CancelToken = field(default_factory=CancelToken)
    closed: threading.Event = field(default_factory=threading.Event)  # set once nobody can join any more
    progress: Progress | None = None  # the latest, for those who join late


LeaseModel = Callable[[CancelToken, Report], AbstractContextManager[Lease]]


class Batcher:
    """Gathers requests into batches and runs each batch behind the gate."""

    def __init__(
        self,
        gate: DeviceGate,
        window_s: float,
        make_room: Callable[[], object] = lambda: None,
        crowded: Callable[[], bool] = lambda: True,
    ) -> None:
        self._gate = gate
        self._window_s = window_s
        self._crowded = crowded  # whether anybody else is about; a lone user need not wait for neighbours
        self._make_room = make_room  # what to do when a run is out of memory, before it is tried once more
        # All work on the device runs on one lasting thread: OpenMP makes a new team of threads for every new caller.
        self._device_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="device")
        self._lock = threading.RLock()  # re-entrant for the reason given in hub.jobs
        self._open: dict[Hashable | None, _Batch] = {}  # a batch can be joined as long as it is here

    def submit(
        self, request: Any, token: CancelToken, lease: LeaseModel, *, key: Hashable | None, limit: int = 1
    ) -> Item:
        """Add a request to the open batch of `key`, or open one; return at once.

        Args:
            request: what the pipeline is called with.
            token: the caller's; cancelling it takes this request out, not its neighbours.
            lease: gives the loaded pipeline, pinned.
            key: requests with equal keys may share a forward pass; None means that this one runs alone.
            limit: the largest batch.
        """
        item = Item(request, token)
        with self._lock:
            batch = self._open.get(key)
            if batch is not None:
                batch.items.append(item)
                if batch.progress is not None:
                    item.updates.put(batch.progress)
            else:
                batch = _Batch([item], limit)
                threading.Thread(target=self._run, args=(key, batch, lease), name="batch", daemon=True).start()
                self._open[key] = batch
            if key is None or len(batch.items) >= batch.limit:
                self._close(key, batch)
        token.listen(lambda: self._leave(key, batch, item))
        return item

    def together(self) -> AbstractContextManager[Any]:
        """Return a context in which no batch closes but by being full: what is submitted in it runs together."""
        return self._lock

    def _leave(self, key: Hashable | None, batch: _Batch, item: Item) -> None:
        """Let one caller go at once, and stop the batch when nobody is left."""
        item.updates.put(Failed(Cancelled()))
        with self._lock:
            deserted = all(other.token.cancelled for other in batch.items)
            if deserted:
                self._close(key, batch)  # before it is stopped, so that nobody joins it any more
        if deserted:
            batch.everyone_left.cancel()

    def _run(self, key: Hashable | None, batch: _Batch, lease: LeaseModel) -> None:
        def report(text: str, fraction: float | None) -> None:
            self._tell(batch, Progress(text, fraction))

        try:
            with lease(batch.everyone_left, report) as leased:
                loaded_s = time.monotonic()
                if self._crowded():
                    batch.closed.wait(self._window_s)
                if not self._gate.free:
                    report("Waiting for the device", None)
                with self._gate.hold(batch.everyone_left):
                    self._close(key, batch)
                    report("Running", None)
                    for item in batch.items:
                        # A load that was under way when the item came costs it only what was left of it.
                        item.load_s = min(leased.load_s, max(0.0, loaded_s - item.submitted_s))
                    answers = self._device_thread.submit(self._compute, leased.value, batch.items).result()
        except BaseException as error:  # noqa: BLE001 - whatever it is, everyone in the batch must hear of it
            self._close(key, batch)
            answers = [(item, Failed(error)) for item in batch.items]
        for item, answer in answers:  # only now: who has an answer finds the device free and the model unpinned
            item.updates.put(answer)

    def _compute(self, pipeline: Pipeline, items: list[Item]) -> list[Answer]:
        """Run `items` as one forward pass; if that fails, one by one, so that each caller gets only its own error."""
        wanted = [item for item in items if not item.token.cancelled]
        if not wanted:
            return []
        outcome = self._attempt(pipeline, wanted)
        if isinstance(outcome, Exception) and is_out_of_memory(outcome):
            del outcome  # and with it what its frames hold of the failed attempt
            self._make_room()
            outcome = self._attempt(pipeline, wanted)
        if isinstance(outcome, list):
            return outcome
        if len(wanted) > 1 and not isinstance(outcome, Cancelled):
            log.warning("a batch of %d failed (%s); running its requests one by one", len(wanted), outcome)
            del outcome
            return [answer for item in wanted for answer in self._compute(pipeline, [item])]
        if is_out_of_memory(outcome):
            outcome = OutOfMemory(
                "This run needs more memory than is free.", "Try smaller settings or a smaller model."
            )
        return [(item, Failed(outcome)) for item in wanted]

    def _attempt(self, pipeline: Pipeline, items: list[Item]) -> list[Answer] | Exception:
        started_s = time.monotonic()
        try:
            results = pipeline([item.request for item in items], Watch(items))
            pairs = list(zip(items, results, strict=True))
        except Exception as error:  # noqa: BLE001 - a pipeline may raise anything
            return error
        compute_s = time.monotonic() - started_s
        answers: list[Answer] = []
        for item, result in pairs:
            queue_s = max(0.0, started_s - item.submitted_s - item.load_s)
            done = Done(result, queue_s, item.load_s, compute_s, len(items), pipeline.device, pipeline.dtype)
            answers.append((item, done))
        return answers

    def _close(self, key: Hashable | None, batch: _Batch) -> None:
        with self._lock:
            if self._open.get(key) is batch:
                del self._open[key]
        batch.closed.set()

    def _tell(self, batch: _Batch, progress: Progress) -> None:
        with self._lock:
            batch.progress = progress
            for item in batch.items:
                item.updates.put(progress)
