"""Lines of numbers in a text file, read block by block with numpy: the part that all text formats share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 1 << 25  # of text at once: a reader's memory beyond the numbers themselves stays near 100 MB
NEWLINE, SPACE = 10, 32  # ASCII; whatever is below a space separates, too

I64 = NDArray[np.int64]


class NotNumbers(ValueError):
    """A line that holds something else; its text is quoted to the user."""


class NumberLines:
    """The lines of a file that are not blank, as numbers; `clean` is applied to each block of text before."""

    def __init__(self, file: BinaryIO, clean: Callable[[bytes], bytes] = lambda block: block) -> None:
        self._blocks = _blocks(file, clean)
        self._text = b""
        self._starts: I64 = np.empty(0, np.int64)  # of the lines left in the block, and its end
        self._counts: I64 = np.empty(0, np.int64)

    def take(self, most: int) -> tuple[NDArray[np.float64], I64]:
        """Return the numbers of the next lines, one after the other, and how many each line has.

        Fewer lines than `most` may come, but none only at the end of the file.

        Raises:
            NotNumbers: for a line that holds something else.
        """
        while not len(self._counts):
            block = next(self._blocks, None)
            if block is None:
                return np.empty(0), np.empty(0, np.int64)
            self._text = block
            self._starts, self._counts = text_lines(block)
        lines = min(most, len(self._counts))
        counts, self._counts = self._counts[:lines], self._counts[lines:]
        text = self._text[int(self._starts[0]) : int(self._starts[lines])]
        self._starts = self._starts[lines:]
        return numbers(text, counts), counts

    def rows(self, count: int) -> Iterator[NDArray[np.float64]]:
        """Yield the next `count` lines, or as many as there are, as (N, K) arrays; every line needs K numbers.

        Raises:
            NotNumbers: for a line that holds something else, or more or fewer numbers than the first.
        """
        width = 0
        while count > 0:
            values, counts = self.take(count)
            if not len(counts):
                return
            width = width or int(counts[0])
            if not (counts == width).all():
                other = int(counts[counts != width][0])
                raise NotNumbers(f"one has {width} numbers, another {other}")
            yield values.reshape(-1, width)
            count -= len(counts)


def _blocks(file: BinaryIO, clean: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """Yield the file in blocks that end with a line."""
    left = b""
    while block := file.read(BLOCK_BYTES):
        if b"\r" in block:
            block = block.replace(b"\r", b"\n")
        whole, newline, rest = (left + block).rpartition(b"\n")
        left = rest
        if newline:
            yield clean(whole + newline)
    if left:
        yield clean(left)


def text_lines(text: bytes) -> tuple[I64, I64]:
    """Return where the lines that are not blank start, then the end of the text, and their numbers of words."""
    codes = np.frombuffer(text, np.uint8)
    is_space = codes <= SPACE
    is_start = ~is_space
    is_start[1:] &= is_space[:-1]
    starts = np.concatenate([[0], np.flatnonzero(codes == NEWLINE) + 1])
    starts = starts[starts < len(codes)]
    if not len(starts):
        return np.zeros(1, np.int64), np.empty(0, np.int64)
    counts = np.add.reduceat(is_start, starts, dtype=np.int64)
    filled = counts > 0
    return np.append(starts[filled], len(codes)), counts[filled]


def numbers(text: bytes, counts: I64) -> NDArray[np.float64]:
    """Return the words of a text as numbers.

    Args:
        text: words between spaces and newlines.
        counts: how many words its lines have.

    Raises:
        NotNumbers: when a word is none.
    """
    try:
        values = np.fromstring(text, sep=" ")
    except ValueError:
        values = np.empty(0)
    if len(values) != counts.sum():  # "1-2" is read as two numbers
        raise NotNumbers(f"“{_first_wrong(text)}” is no number")
    return values


def _first_wrong(text: bytes) -> str:
    for word in text.decode("utf-8", "replace").split():
        try:
            float(word)
        except ValueError:
            return word[:40]
    return text[:40].decode("utf-8", "replace")


def fans_of(corners: I64, counts: I64) -> I64:
    """Split polygons into triangles that share the polygon's first corner.

    Args:
        corners: of all polygons, one after the other.
        counts: (F,) how many each has.

    Returns:
        (M, 3) corners of the triangles.
    """
    each = np.maximum(counts - 2, 0)
    first = np.repeat(np.cumsum(counts) - counts, each)
    step = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    return np.stack([corners[first], corners[first + step + 1], corners[first + step + 2]], axis=1)


def listed(values: NDArray[np.float64], counts: I64, before: int = 0) -> tuple[I64, I64]:
    """Return the lists that lines hold after `before` other numbers, each led by its length, and those lengths.

    Raises:
        NotNumbers: when a line is shorter than its list.
    """
    line_starts = np.cumsum(counts) - counts
    if (counts <= before).any():
        raise NotNumbers("one has too few numbers")
    lengths = values[line_starts + before].astype(np.int64)
    if (lengths < 0).any() or (lengths > counts - before - 1).any():
        raise NotNumbers("one is shorter than it says")
    each_start = np.repeat(line_starts + before + 1, lengths)
    step = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return values[each_start + step].astype(np.int64), lengths
