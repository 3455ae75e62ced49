"""Jobs and their cancel tokens, keyed by session, so that nobody can stop another's run."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from hub.errors import Cancelled, TooBusy


class CancelToken:
    """A one-way switch: once cancelled, always cancelled. Any thread may set, read or wait on it."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._listeners: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for the job to stop."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Ask the job to stop; wakes everything that waits on its behalf."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            listeners = list(self._listeners.values())
        for listener in listeners:
            listener()

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` when the job should stop; pipelines call it between steps."""
        if self._event.is_set():
            raise Cancelled

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` when the token is cancelled; return a function that takes the listener off again."""
        with self._lock:
            number = next(self._numbers)
            self._listeners[number] = listener

        def forget() -> None:
            with self._lock:
                self._listeners.pop(number, None)

        return forget


@dataclass(frozen=True)
class Job:
    """One run on behalf of one browser session (or API client)."""

    session: str
    demo: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    token: CancelToken = field(default_factory=CancelToken, compare=False)


class Jobs:
    """The jobs in flight. The cap is per session, not per address: a school is one address."""

    def __init__(self, per_session: int) -> None:
        self.per_session = per_session
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def open(self, session: str, demo: str) -> Job:
        """Register a new job of `session`.

        Raises:
            TooBusy: when the session has its full share in flight.
        """
        job = Job(session=session, demo=demo)
        with self._lock:
            if sum(other.session == session for other in self._jobs.values()) >= self.per_session:
                raise TooBusy(
                    f"You already have {self.per_session} runs in flight.",
                    "Wait for one to finish, or press Stop.",
                )
            self._jobs[job.id] = job
        return job

    def close(self, job: Job) -> None:
        """Take a job off the list; whatever still works for it stops at its next step."""
        job.token.cancel()
        with self._lock:
            self._jobs.pop(job.id, None)

    def cancel(self, session: str, demo: str | None = None) -> int:
        """Cancel the jobs of one session (of one demo, if given) and return how many there were."""
        with self._lock:
            mine = [job for job in self._jobs.values() if job.session == session and demo in (None, job.demo)]
        for job in mine:
            job.token.cancel()
        return len(mine)

    def in_flight(self, session: str | None = None) -> int:
        """Return how many jobs run or wait, of one session or of all."""
        with self._lock:
            return sum(session in (None, job.session) for job in self._jobs.values())
