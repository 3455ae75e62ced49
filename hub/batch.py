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
    """How a pipeline hears of cancelled requests and tells of its steps; index i is the request's place in the batch."""

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
    updates: queue.Queue[Update] = field(default_factory=queue.Queue)
    submitted_s: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class _Batch:
    items: list[Item]
    limit: int
    everyone_left: CancelToken = field(default_factory=CancelToken)

    def notice_leaver(self) -> None:
        if all(item.token.cancelled for item in self.items):
            self.everyone_left.cancel()


LeaseModel = Callable[[CancelToken, Report], AbstractContextManager[Lease]]


class Batcher:
    """Gathers requests into batches and runs each batch behind the gate."""

    def __init__(self, gate: DeviceGate, window_s: float, make_room: Callable[[], object] = lambda: None) -> None:
        self._gate = gate
        self._window_s = window_s
        self._make_room = make_room  # what to do when a run is out of memory, before it is tried once more
        self._lock = threading.Lock()
        self._open: dict[Hashable, _Batch] = {}

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
            batch = self._open.get(key) if key is not None else None
            if batch is not None and len(batch.items) < batch.limit and not batch.everyone_left.cancelled:
                batch.items.append(item)
                token.listen(batch.notice_leaver)
                return item
            batch = _Batch([item], limit)
            if key is not None:
                self._open[key] = batch
        token.listen(batch.notice_leaver)
        threading.Thread(target=self._run, args=(key, batch, lease), name="batch", daemon=True).start()
        return item

    def _run(self, key: Hashable | None, batch: _Batch, lease: LeaseModel) -> None:
        def report(text: str, fraction: float | None) -> None:
            self._tell(batch, Progress(text, fraction))

        try:
            with lease(batch.everyone_left, report) as leased:
                if key is not None and len(batch.items) < batch.limit and batch.limit > 1:
                    self._wait_for_neighbours(batch)
                if self._gate.waiting or not self._gate.free:
                    report("Waiting for the device", None)
                with self._gate.hold(batch.everyone_left):
                    self._close(key, batch)
                    self._compute(batch, leased)
        except BaseException as error:
            self._close(key, batch)
            for item in batch.items:
                item.updates.put(Failed(error))

    def _wait_for_neighbours(self, batch: _Batch) -> None:
        left = threading.Event()
        forget = batch.everyone_left.listen(left.set)
        left.wait(self._window_s)
        forget()

    def _compute(self, batch: _Batch, leased: Lease) -> None:
        pipeline: Pipeline = leased.value
        items = [item for item in batch.items if not item.token.cancelled]
        for item in batch.items:
            if item.token.cancelled:
                item.updates.put(Failed(Cancelled()))
        if items:
            self._attempt(pipeline, items, leased.load_s, retried=False)

    def _attempt(self, pipeline: Pipeline, items: list[Item], load_s: float, *, retried: bool) -> None:
        """Run `items` as one batch; on failure narrow it down, so that each caller gets only its own error."""
        started = time.monotonic()
        error: BaseException
        try:
            results = pipeline([item.request for item in items], Watch(items))
        except Cancelled as cancelled:
            error = cancelled
        except Exception as failure:
            error = failure
            if is_out_of_memory(failure):
                if not retried:
                    self._make_room()
                    return self._attempt(pipeline, items, load_s, retried=True)
                error = OutOfMemory(
                    "This run needs more memory than is free.", "Try smaller settings or a smaller model."
                )
        else:
            compute_s = time.monotonic() - started
            for item, result in zip(items, results, strict=True):
                queue_s = max(0.0, started - item.submitted_s - load_s)
                item.updates.put(Done(result, queue_s, load_s, compute_s, len(items), pipeline.device, pipeline.dtype))
            return None
        if len(items) > 1 and not isinstance(error, Cancelled):
            log.warning("a batch of %d failed (%s); running its requests one by one", len(items), error)
            for item in items:
                self._attempt(pipeline, [item], load_s, retried=False)
            return None
        for item in items:
            item.updates.put(Failed(error))
        return None

    def _close(self, key: Hashable | None, batch: _Batch) -> None:
        with self._lock:
            if key is not None and self._open.get(key) is batch:
                del self._open[key]

    def _tell(self, batch: _Batch, update: Update) -> None:
        with self._lock:
            items = list(batch.items)
        for item in items:
            item.updates.put(update)
