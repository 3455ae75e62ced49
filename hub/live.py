"""Runs on what is still coming in: a page or a client sends piece after piece, and each is answered at once.

A stream keeps something between its pieces (what was heard last, say). `Streams` holds that, one for each browser
session, and forgets it at the stream's end. `Runs` starts the stream's runs, one after the other, and asks how they
are getting on without waiting long: so a stream goes on while its model loads or the device is busy.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from hub.batch import Progress
from hub.cards import ModelCard
from hub.demo import Demo, Request
from hub.errors import InvalidInput, TooBusy
from hub.events import admitted, model_event
from hub.jobs import Job
from hub.runtime import Hub, Reply

IDLE_S = 60.0  # a stream from which nothing has come for this long is forgotten
MOST_STREAMS = 1000  # at once, of one demo
MOST_WAITING = 8  # streams that wait for a place at once


def live_event(hub: Hub, listener: Callable[..., Any], handler: Callable[..., Any], **kwargs: Any) -> Any:
    """Connect an event that comes several times a second, past Gradio's queue.

    Gradio's queue costs such an event more than all the rest: 19 ms of the server's time a piece, against 9 to 12 ms
    without it, and on a busy laptop 155 ms until the answer, against 60 ms. `Runs` limits how many wait for the device
    instead.
    """
    return model_event(hub, listener, handler, queue=False, trigger_mode="multiple", show_progress="hidden", **kwargs)


class Places:
    """How many streams may wait for the device at once; each keeps a thread busy."""

    def __init__(self, hub: Hub) -> None:
        self.free = threading.BoundedSemaphore(admitted(hub))
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)

    def take(self, patient: bool) -> bool:
        """Take a place and return True; when none is free, wait for one if `patient`, else return False.

        Raises:
            TooBusy: when too many wait already: they keep threads busy as well, which the page needs.
        """
        if self.free.acquire(blocking=False):
            return True
        if not patient:
            return False
        if not self._waiting.acquire(blocking=False):
            raise TooBusy("Too many are listening at once.", "Try again in a minute.")
        try:
            return self.free.acquire()
        finally:
            self._waiting.release()


class Runs:
    """The runs of one stream: at most one is under way."""

    def __init__(self, hub: Hub, demo: Demo, session: str, places: Places) -> None:
        self._hub = hub
        self._demo = demo
        self._session = session
        self._places = places
        self._job: Job | None = None
        self._updates: Iterator[Any] | None = None
        self._replies: list[Reply] = []

    @property
    def under_way(self) -> bool:
        """Whether a run was started whose replies have not been handed out."""
        return self._updates is not None

    def start(self, card: ModelCard, requests: Sequence[Request]) -> None:
        """Start a run of requests on one model, as one batch.

        Raises:
            TooBusy: when the session has its full share of runs in flight.
            UserError: when the card is not offered.
        """
        # Under a name of its own: Run and Stop of the same tab are about another run.
        self._job = self._hub.jobs.open(self._session, f"{self._demo.slug} live")
        updates = self._hub.stream_all(self._job, self._demo, card, requests)
        next(updates)  # that none of them is done yet; only the next step sends them off
        self._updates, self._replies = updates, []

    def follow(self, patience_s: float | None) -> list[Reply] | Progress:
        """Return the replies in the order of the requests, or, when patience ends, what the run is waiting for.

        Args:
            patience_s: how long to wait, to within the hub's heartbeat of a second; None waits for the replies.

        Raises:
            TooBusy: when too many wait for a place; the run can be asked about again.
            UserError: when the model cannot be had.
            Cancelled: when the stream was closed.
        """
        assert self._updates is not None
        until_s = time.monotonic() + (float("inf") if patience_s is None else patience_s)
        if not self._places.take(patient=patience_s is None):
            return Progress("Many are listening; waiting for a place")
        try:
            for update in self._updates:
                if not isinstance(update, Progress):
                    self._replies.append(update)
                elif time.monotonic() >= until_s:
                    return update
        except BaseException:
            self._updates = None
            raise
        finally:
            self._places.free.release()
        self._updates = None
        return self._replies

    def close(self) -> None:
        """Stop the run that is under way."""
        if self._job is not None:
            self._hub.jobs.close(self._job)


class Closing(Protocol):
    """What is kept of a stream."""

    def close(self) -> None:
        """Stop what is under way, and let go of everything that came in."""


S = TypeVar("S", bound=Closing)


@dataclass(eq=False)
class _Stream(Generic[S]):
    kept: S
    used_s: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Streams(Generic[S]):
    """What is kept of each stream while it lasts; one for each browser session, which is one tab of a browser."""

    def __init__(self, begin: Callable[[str], S]) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._streams: dict[str, _Stream[S]] = {}
        self._sweeping = False
        weakref.finalize(self, self._streams.clear)  # also when Python ends: libraries complain of what is left then

    def __len__(self) -> int:
        return len(self._streams)

    @contextmanager
    def of(self, session: str) -> Iterator[S]:
        """Open what is kept of a session's stream, which begins with its first piece; one piece at a time.

        Raises:
            TooBusy: while the piece before is being answered, or when there are too many streams.
        """
        with self._lock:
            stream = self._streams.get(session)
            if stream is None:
                if len(self._streams) >= MOST_STREAMS:
                    raise TooBusy("Too many are listening at once.", "Try again in a minute.")
                stream = self._streams[session] = _Stream(self._begin(session))
            self._sweep_later()
        if not stream.lock.acquire(blocking=False):
            raise TooBusy("The piece before is still being answered.", "Send one piece after the other.")
        try:
            stream.used_s = time.monotonic()
            yield stream.kept
        finally:
            stream.lock.release()

    def end(self, session: str) -> None:
        """Forget a session's stream, and stop what is under way for it."""
        with self._lock:
            stream = self._streams.pop(session, None)
        if stream is not None:
            stream.kept.close()

    def sweep(self, idle_s: float = IDLE_S) -> None:
        """Forget the streams from which nothing has come for a while."""
        before_s = time.monotonic() - idle_s
        for session, stream in list(self._streams.items()):
            if stream.used_s <= before_s and not stream.lock.locked():
                self.end(session)

    def _sweep_later(self) -> None:
        """Sweep once in a while, as long as there is something to sweep; called under the lock."""
        if self._sweeping:
            return
        self._sweeping = True
        timer = threading.Timer(IDLE_S, self._sweep_and_go_on)
        timer.daemon = True
        timer.start()

    def _sweep_and_go_on(self) -> None:
        self.sweep()
        with self._lock:
            self._sweeping = False
            if self._streams:
                self._sweep_later()


def stream_session(browser: Any) -> str:
    """Name the session a piece belongs to.

    Raises:
        InvalidInput: for a call without one, for its stream would be everybody's.
    """
    session = getattr(browser, "session_hash", None)
    if not session:
        raise InvalidInput("A stream needs a session.", "Send a session_hash of your own, the same with every piece.")
    return str(session)
