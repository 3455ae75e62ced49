"""The pool of loaded models: each is loaded once however many ask, kept while memory allows, and evicted by age.

An entry is loading, resident or gone. A lease pins it: what is pinned is never evicted. Bytes are measured on the
loaded tensors, shared storages counted once, so pipelines that share components share their cost.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.errors import Cancelled, OutOfMemory
from hub.jobs import CancelToken

log = logging.getLogger(__name__)

Report = Callable[[str, float | None], None]  # (what is happening, fraction done or None)


class Loaded(Protocol):
    """What the pool keeps: anything that can name its torch modules."""

    def modules(self) -> list[Any]:
        """Return the torch modules whose parameters and buffers are held in memory."""


@dataclass(frozen=True)
class Freed:
    """What "free memory" did, in bytes of resident models."""

    before: int
    after: int
    evicted: tuple[str, ...]


@dataclass(eq=False)
class _Entry:
    label: str
    estimate: int
    value: Loaded | None = None
    error: BaseException | None = None
    pins: int = 0
    last_used: float = 0.0
    load_s: float = 0.0
    note: tuple[str, float | None] = ("Loading", None)
    reports: list[Report] = field(default_factory=list)


@dataclass(frozen=True)
class Lease:
    """A pinned, loaded model, and how long this caller waited for it."""

    value: Any
    load_s: float


class Pool:
    """Loaded models of one device under a byte budget.

    `budget` is asked for at every load, because free memory is only known once the device is.
    """

    def __init__(self, budget: Callable[[], int], idle_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._idle_s = idle_s
        self._clock = clock
        self._changed = threading.Condition()
        self._entries: dict[Hashable, _Entry] = {}
        self._components: weakref.WeakValueDictionary[Hashable, Any] = weakref.WeakValueDictionary()
        self._component_lock = threading.RLock()  # a component may be built of others; held on the loading thread only
        self.loads = 0  # loads started; tests read it

    @contextmanager
    def lease(
        self,
        key: Hashable,
        load: Callable[[Report], Loaded],
        *,
        label: str,
        estimate: int,
        token: CancelToken,
        report: Report = lambda text, fraction: None,
    ) -> Iterator[Lease]:
        """Hand over the model `key`, loading it when it is not resident, and pin it for the body of the `with`.

        Args:
            key: what identifies the loaded model (source, revision, device, dtype).
            load: builds it; called on a thread of its own, at most once however many ask.
            label: its name in messages.
            estimate: bytes it is expected to need, used until it can be measured.
            token: cancelling it ends the wait, not the load: others may want the model.
            report: called with what the load is doing.

        Raises:
            Cancelled: when `token` is cancelled while waiting.
            OutOfMemory: when it cannot fit even alone.
        """
        started = self._clock()
        entry, loaded_here = self._pin(key, load, label, estimate, report)
        forget = token.listen(self._wake)
        try:
            with self._changed:
                self._changed.wait_for(lambda: entry.value is not None or entry.error is not None or token.cancelled)
                if entry.error is not None:
                    raise entry.error
                if entry.value is None:
                    raise Cancelled
            yield Lease(entry.value, self._clock() - started if loaded_here else 0.0)
        finally:
            forget()
            with self._changed:
                entry.pins -= 1
                entry.last_used = self._clock()
                if report in entry.reports:
                    entry.reports.remove(report)

    def component(self, key: Hashable, build: Callable[[], Any]) -> Any:
        """Return the one live copy of a component, building it when no pipeline holds it any more."""
        with self._component_lock:
            component = self._components.get(key)
            if component is None:
                component = build()
                self._components[key] = component
            return component

    def free(self) -> Freed:
        """Evict every model that is not running, now."""
        freed = self._evict(lambda: True)
        if not freed.evicted:
            release_device_memory()  # a failed attempt may have left something behind
        return freed

    def sweep(self) -> Freed:
        """Evict what nobody has used for the idle time, and what went over the budget while it was running."""
        limit = self._clock() - self._idle_s
        idle = self._evict(lambda: True, older_than=limit)
        over = self._evict(self._over_budget)
        return Freed(idle.before, over.after, idle.evicted + over.evicted)

    def resident_bytes(self) -> int:
        """Return the bytes of all resident models, shared storages counted once."""
        with self._changed:
            values = [entry.value for entry in self._entries.values() if entry.value is not None]
        return measured_bytes(values)

    def resident(self) -> tuple[str, ...]:
        """Return the labels of the resident models, least recently used first."""
        with self._changed:
            held = [entry for entry in self._entries.values() if entry.value is not None]
        return tuple(entry.label for entry in sorted(held, key=lambda entry: entry.last_used))

    def _pin(
        self, key: Hashable, load: Callable[[Report], Loaded], label: str, estimate: int, report: Report
    ) -> tuple[_Entry, bool]:
        with self._changed:
            entry = self._entries.get(key)
            joins = entry is not None and entry.value is None
            if entry is None:
                entry = _Entry(label, estimate)
                # Started before it is known: a thread that cannot start must not leave an entry that nobody loads.
                threading.Thread(target=self._load, args=(key, entry, load), name=f"load {label}", daemon=True).start()
                self._entries[key] = entry
                self.loads += 1
            entry.pins += 1
            entry.last_used = self._clock()
            loading = entry.value is None
            if loading:
                entry.reports.append(report)
        if joins:
            report(*entry.note)  # outside the lock: a listener may take locks of its own
        return entry, loading

    def _load(self, key: Hashable, entry: _Entry, load: Callable[[Report], Loaded]) -> None:
        def report(text: str, fraction: float | None) -> None:
            with self._changed:
                entry.note = (text, fraction)
                listeners = list(entry.reports)
            for listener in listeners:
                try:
                    listener(text, fraction)
                except Exception:
                    log.exception("a listener to the load of %s failed; the load goes on", entry.label)

        started = self._clock()
        report(*entry.note)  # here, so that it comes before what the load itself tells
        try:
            self._make_room(entry)
            value = self._load_twice_if_needed(load, report)
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits for this model must hear of it
            if is_out_of_memory(error):
                error = OutOfMemory(f"{entry.label} did not fit into memory.", "Choose a smaller model in the picker.")
            with self._changed:
                entry.error = error
                del self._entries[key]
                self._changed.notify_all()
            return
        with self._changed:
            entry.value = value
            entry.load_s = self._clock() - started
            self._changed.notify_all()
        log.info("loaded %s in %.1f s", entry.label, entry.load_s)
        self._evict(self._over_budget)

    def _load_twice_if_needed(self, load: Callable[[Report], Loaded], report: Report) -> Loaded:
        try:
            return load(report)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Past the `except`, so that the error and what its frames held of the failed attempt are gone.
        self.free()
        report("Trying again after freeing memory", None)
        return load(report)

    def _over_budget(self) -> bool:
        held = self.resident_bytes()
        return held > 0 and held > self._budget()  # who holds nothing need not ask, which would import torch

    def _make_room(self, entry: _Entry) -> None:
        budget = self._budget()
        if entry.estimate > budget:
            raise OutOfMemory(
                f"{entry.label} needs about {gigabytes(entry.estimate)}; models may use {gigabytes(budget)} here.",
                "Choose a smaller model, or raise LECTERN_MEMORY_GB.",
            )
        self._evict(lambda: self.resident_bytes() + self._expected_bytes() > budget)

    def _expected_bytes(self) -> int:
        with self._changed:
            return sum(entry.estimate for entry in self._entries.values() if entry.value is None)

    def _evict(self, needed: Callable[[], bool], older_than: float | None = None) -> Freed:
        """Drop unpinned models, least recently used first, for as long as `needed` says so."""
        before = self.resident_bytes()
        evicted: list[str] = []
        while needed():
            with self._changed:
                idle = [
                    (entry.last_used, key)
                    for key, entry in self._entries.items()
                    if entry.value is not None
                    and entry.pins == 0
                    and (older_than is None or entry.last_used <= older_than)
                ]
                if not idle:
                    break
                _, key = min(idle, key=lambda pair: pair[0])
                evicted.append(self._entries.pop(key).label)
            release_device_memory()
        if evicted:
            log.info("evicted %s", ", ".join(evicted))
        return Freed(before, self.resident_bytes(), tuple(evicted))

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def measured_bytes(values: list[Loaded]) -> int:
    """Return the bytes of all parameters and buffers of `values`; a storage that several share counts once."""
    storages: dict[int, int] = {}
    for value in values:
        for module in value.modules():
            for tensor in [*module.parameters(), *module.buffers()]:
                storage = tensor.untyped_storage()
                storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether `error` means that the device or the machine ran out of memory.

    >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."))
    True
    """
    # torch.OutOfMemoryError is a RuntimeError; the CPU allocator, the CUDA runtime and cuBLAS raise it or a bare one.
    signs = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and (type(error).__name__ == "OutOfMemoryError" or any(sign in str(error) for sign in signs))
    )


def release_device_memory() -> None:
    """Give freed blocks back to the device; does not import torch, without which there are none."""
    gc.collect()
    if "torch" in sys.modules:
        import torch

        torch.cuda.empty_cache()


def gigabytes(count: int) -> str:
    """Format a byte count for people.

    >>> gigabytes(3_000_000)
    '3 MB'
    >>> gigabytes(8_250_000_000)
    '8.2 GB'
    """
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
