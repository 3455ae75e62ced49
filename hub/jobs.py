"""Jobs and their cancel tokens, keyed by session, so that nobody can stop another's run."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from hub.errors import Cancelled, TooBusy


class CancelToken:
    """A one-way switch: once cancelled, always cancelled. Any thread may set it, read it or listen to it.

    The locks of this module are re-entrant: a run that nobody reads any more may be closed by the garbage collector,
    at any moment, on a thread that holds one of them already.
    """

    def __init__(self) -> None:
        self._cancelled = False
        self.superseded = False  # cancelled because the same session asked for something newer, not by Stop
        self._lock = threading.RLock()
        self._listeners: dict[object, Callable[[], None]] = {}

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for the job to stop."""
        return self._cancelled

    def cancel(self) -> None:
        """Ask the job to stop; wakes everything that waits on its behalf."""
        with self._lock:
            self._cancelled = True
            listeners = list(self._listeners.values())
            self._listeners.clear()  # each is called once, and what it refers to is let go
        for listener in listeners:
            listener()

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` when the job should stop; pipelines call it between steps."""
        if self._cancelled:
            raise Cancelled

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` once the token is cancelled, or now if it is; return a function that takes it off again."""
        place = object()
        with self._lock:
            late = self._cancelled
            if not late:
                self._listeners[place] = listener
        if late:
            listener()

        def forget() -> None:
            with self._lock:
                self._listeners.pop(place, None)

        return forget


@dataclass(frozen=True)
class Job:
    """One run on behalf of one browser session (or API client)."""

    session: str
    demo: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    token: CancelToken = field(default_factory=CancelToken, compare=False)

    def part(self) -> Job:
        """Return a job for one of several runs that this one is made of; it is cancelled with this one."""
        part = Job(self.session, self.demo)
        self.token.listen(part.token.cancel)
        return part


class Jobs:
    """The jobs in flight. The cap is per session, not per address: a school is one address."""

    def __init__(self, per_session: int) -> None:
        self.per_session = per_session
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}

    def open(self, session: str, demo: str, *, instead: bool = False) -> Job:
        """Register a new job of `session`; `instead` of its older ones of the same demo, which are cancelled.

        Raises:
            TooBusy: when the session has its full share in flight.
        """
        job = Job(session=session, demo=demo)
        with self._lock:
            older = self._of(session, demo) if instead else []
            kept = [other for other in self._of(session) if other not in older and not other.token.cancelled]
            busy = len(kept) >= self.per_session
            if not busy:
                self._jobs[job.id] = job
        self._supersede(older)
        if busy:
            raise TooBusy(
                f"You already have {self.per_session} runs in flight.",
                "Wait for one to finish, or press Stop.",
            )
        return job

    def close(self, job: Job) -> None:
        """Take a job off the list; whatever still works for it stops at its next step."""
        job.token.cancel()
        with self._lock:
            self._jobs.pop(job.id, None)

    def cancel(self, session: str, demo: str | None = None) -> int:
        """Cancel the jobs of one session (of one demo, if given) and return how many there were."""
        mine = self._of(session, demo)
        for job in mine:
            job.token.cancel()
        return len(mine)

    def supersede(self, session: str, demo: str) -> None:
        """Cancel the session's jobs of one demo without a word, because what they were asked about is gone."""
        self._supersede(self._of(session, demo))

    def in_flight(self, session: str | None = None) -> int:
        """Return how many jobs run or wait, of one session or of all."""
        return len(self._of(session))

    def _of(self, session: str | None, demo: str | None = None) -> list[Job]:
        with self._lock:
            jobs = list(self._jobs.values())
        return [job for job in jobs if session in (None, job.session) and demo in (None, job.demo)]

    def _supersede(self, jobs: list[Job]) -> None:
        """Cancel `jobs`; never under the lock, for the listeners of a token take locks of their own."""
        for job in jobs:
            job.token.superseded = True
            job.token.cancel()
