"""Maps that are made only where somebody looks at them: a measurement needs a few of their pixels, a page draws all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class Later(Generic[T]):
    """A map that is made when it is first asked for, and kept: one that nobody draws costs nothing.

    Attributes:
        nbytes: of the map, and of what it is made from.
        part: makes the map of some rows and columns alone; None where only the whole can be made.
    """

    def __init__(self, make: Callable[[], T], nbytes: int, part: Callable[[slice, slice], T] | None = None) -> None:
        self.nbytes = nbytes
        self.part = part
        self._make: Callable[[], T] | None = make
        self._made: T | None = None
        self._lock = threading.Lock()

    def __call__(self) -> T:
        """Return the map."""
        with self._lock:
            if self._make is not None:
                self._made = self._make()
                self._make = None
        return cast("T", self._made)


def made(value: T | Later[T] | None) -> T | None:
    """Return a map, making it now where it was left for later."""
    return value() if isinstance(value, Later) else value
