"""A small memory of what was computed from a user's data: the same picture asked about again costs nothing."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from PIL import Image

T = TypeVar("T")


class Memo:
    """The last results, up to a number of bytes; the least recently used go first.

    A pipeline keeps one of its own and is called by one thread at a time, so there is no lock.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return what was kept under `key`, or make it and keep it.

        Args:
            key: decides the result entirely; for a picture, its `fingerprint`.
            make: computes the result.
            size: how many bytes a result takes. One that is larger than the whole memo is not kept.
        """
        if key in self._kept:
            self._kept.move_to_end(key)
            kept: T = self._kept[key][0]
            return kept
        value = make()
        taken = size(value)
        if taken <= self.max_bytes:
            self._kept[key] = (value, taken)
            self.bytes += taken
        while self.bytes > self.max_bytes:
            _, (_, gone) = self._kept.popitem(last=False)
            self.bytes -= gone
        return value


def fingerprint(image: Image.Image) -> bytes:
    """Return what tells one picture's pixels from another's (SHA-256 of mode, size and pixels)."""
    digest = hashlib.sha256(f"{image.mode} {image.size}".encode())
    digest.update(image.tobytes())
    return digest.digest()
