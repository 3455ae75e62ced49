"""The device gate: one piece of work at a time on a device, first come, first served.

Gradio's queue limits how many events are admitted, but a cancelled event gives its place back while its thread still
computes. The gate is taken inside the work itself and given back only when the work has really ended. A place in the
line is a ticket, not a lock owned by a thread, so whichever thread ends the work may give it back.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from hub.jobs import CancelToken


class DeviceGate:
    """Serialises work on one device."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: deque[object] = deque()  # the first ticket is the holder's
        self._holders: set[object] = set()
        self.peak = 0  # most holders ever at once; anything but 1 is a bug, and tests read it

    @contextmanager
    def hold(self, token: CancelToken) -> Iterator[None]:
        """Wait for the device and hold it.

        Raises:
            Cancelled: when `token` is cancelled while waiting.
        """
        ticket = object()
        with self._changed:
            self._line.append(ticket)
        try:
            self._wait(ticket, token)
            yield
        finally:
            with self._changed:
                self._holders.discard(ticket)
                self._line.remove(ticket)
                self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """How many stand in line behind the holder."""
        with self._changed:
            return max(0, len(self._line) - 1)

    @property
    def free(self) -> bool:
        """Whether nobody holds the device or waits for it."""
        with self._changed:
            return not self._line

    def _wait(self, ticket: object, token: CancelToken) -> None:
        forget = token.listen(self._wake)
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._line[0] is ticket or token.cancelled)
                token.raise_if_cancelled()
                self._holders.add(ticket)
                self.peak = max(self.peak, len(self._holders))
        finally:
            forget()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
