"""Reading a page: the words on it and where they stand, by optical character recognition (OCR) that needs no download.

RapidOCR runs PP-OCR networks, which ship inside its package: one finds pieces of text, one reads them, and a third
tells which stand on their head. The third errs on short numbers (it turns 97 into L6), so it is only asked where the
page reads badly without it. A piece is a run of text without a wide gap. What a person calls a line of a table is
several pieces side by side, so pieces that stand on the same height make a `Line` here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from demos.vqa.answers import Box
from hub.errors import InvalidInput
from hub.memo import Memo, fingerprint

if TYPE_CHECKING:
    from PIL import Image

# The networks in the wheel of rapidocr 3.10.0, named here so that nothing else is ever looked for (or downloaded).
NETWORKS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}
READ_PX = 2000  # the longer side that RapidOCR shrinks a larger picture to
THREADS = 4  # at most, and half the cores: the networks are small, and waiting threads spin
POOR = 0.9  # mean sureness of a page's pieces: upright print reads at 0.98 or more, turned print below 0.85
TURNED = 1.5  # RapidOCR turns a piece that is this much taller than wide
SAME_HEIGHT = 0.5  # pieces overlap by this share of the lower one to be one line
MEMO_BYTES = 4 * 2**20  # some hundred pages
WORD_BYTES = 300  # what one box takes in memory, about

NO_TEXT = ("No text was found on the page.", "Send a sharper or larger scan, upright and not cut off.")

HARD_TO_READ = "the page is hard to read: check the words marked on it, and send a sharper scan that stands upright"
SIDEWAYS = "most of the text runs up or down the picture: turn it upright, or lines are mixed up"


@dataclass(frozen=True)
class Line:
    """Words that stand side by side, from left to right; `confidence` (0 to 1) is the mean over the words."""

    words: tuple[Box, ...]

    @property
    def text(self) -> str:
        """The words, joined by blanks."""
        return " ".join(word.text for word in self.words)

    @property
    def confidence(self) -> float:
        """How sure the OCR is of the letters."""
        return sum(word.confidence for word in self.words) / len(self.words)


@dataclass(frozen=True)
class Page:
    """What was read: lines from top to bottom, at least one, and what the user should know of the reading."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[Box, ...]:
        """Every word, line by line. Columns of running text are read across: their lines alternate."""
        return tuple(word for line in self.lines for word in line.words)


class Reader:
    """Reads pages; the networks are loaded with the first one."""

    def __init__(self) -> None:
        self._engine: Any = None
        self._memo = Memo(MEMO_BYTES)

    def read(self, picture: Image.Image) -> Page:
        """Read an RGB picture; the same picture again costs nothing.

        Raises:
            InvalidInput: when there is no text on it.
        """
        page = self._memo.get(
            fingerprint(picture), lambda: self._read(picture), lambda read: WORD_BYTES * (1 + len(read.words))
        )
        if not page.lines:
            raise InvalidInput(*NO_TEXT)
        return page

    def _read(self, picture: Image.Image) -> Page:
        if self._engine is None:
            self._engine = engine()
        notes = []
        found = self._engine(picture, use_cls=False)
        if found.txts and sum(found.scores) < POOR * len(found.scores):
            found = self._engine(picture, use_cls=True)
            notes.append(HARD_TO_READ)
        if not found.txts:
            return Page(())
        pieces = [[_box(text, sure, box, picture.size) for text, sure, box in words] for words in found.word_results]
        if 2 * sum(_tall(corners) for corners in found.boxes) > len(found.boxes):
            notes.append(SIDEWAYS)
        if max(picture.size) > READ_PX:
            notes.append(f"the page was read at {READ_PX} pixels on its longer side")
        return Page(lines([piece for piece in pieces if piece]), tuple(notes))


def engine() -> Any:
    """Load RapidOCR with the networks of its package, on the CPU."""
    import onnxruntime
    import rapidocr

    onnxruntime.disable_telemetry_events()  # its Windows builds report their use to Microsoft unless told not to
    folder = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.return_word_box": True,
            "Global.max_side_len": READ_PX,
            "EngineConfig.onnxruntime.intra_op_num_threads": max(1, min(THREADS, (os.cpu_count() or 1) // 2)),
            **{f"{part}.model_path": str(folder / name) for part, name in NETWORKS.items()},
        }
    )


def lines(pieces: Sequence[Sequence[Box]]) -> tuple[Line, ...]:
    """Join pieces of text (each of at least one word) that stand on the same height into lines, top to bottom.

    A piece joins the line whose last piece it overlaps by `SAME_HEIGHT` of the lower of the two, so that lines may
    slope a little.
    """
    rows: list[list[Sequence[Box]]] = []
    for piece in sorted(pieces, key=lambda piece: (_top(piece) + _bottom(piece), piece[0].left)):
        row = next((row for row in rows if _same_height(_beside(row, piece), piece)), None)
        if row is None:
            rows.append([piece])
        else:
            row.append(piece)
    ordered = (sorted(row, key=lambda piece: piece[0].left) for row in rows)
    return tuple(Line(tuple(word for piece in row for word in piece)) for row in ordered)


def marked(words: Sequence[Box], chosen: set[int]) -> tuple[Box, ...]:
    """Return the words with those at the places `chosen` marked as in the answer."""
    return tuple(replace(word, in_answer=place in chosen) for place, word in enumerate(words))


def _box(text: str, confidence: float, corners: Sequence[Sequence[float]], size: tuple[int, int]) -> Box:
    """Return a word's upright box as shares of a picture, from its corners (x, y) in pixels."""
    across = [min(max(x / size[0], 0.0), 1.0) for x, _ in corners]
    down = [min(max(y / size[1], 0.0), 1.0) for _, y in corners]
    return Box(text, min(across), min(down), max(across), max(down), float(confidence))


def _tall(corners: NDArray[np.float32]) -> bool:
    """Whether a piece's four corners (4, 2) enclose a text that RapidOCR turned by a quarter before it read it."""
    across, down = np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[3] - corners[0])
    return bool(down >= TURNED * across)


def _top(piece: Sequence[Box]) -> float:
    return min(word.top for word in piece)


def _bottom(piece: Sequence[Box]) -> float:
    return max(word.bottom for word in piece)


def _beside(row: Sequence[Sequence[Box]], piece: Sequence[Box]) -> Sequence[Box]:
    """Return the piece of a row that stands nearest to `piece` from side to side."""
    return min(row, key=lambda other: abs(other[0].left - piece[0].left))


def _same_height(one: Sequence[Box], other: Sequence[Box]) -> bool:
    shared = min(_bottom(one), _bottom(other)) - max(_top(one), _top(other))
    return shared >= SAME_HEIGHT * min(_bottom(one) - _top(one), _bottom(other) - _top(other))
