"""A CSV of (image, question) in, the same CSV with answers out, read and written the way spreadsheets do it.

The one idea: a sheet is never refused for one bad row. Its own cells come back as they were, and what is wrong with a
row stands in its `error` column.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from demos.vqa.answers import Answers
from demos.vqa.options import AnswerOptions, QuestionRequest
from hub import guard
from hub.errors import InvalidInput, UserError
from hub.inputs import SentFile
from hub.options import checked
from hub.runtime import Outcome

MOST_ROWS = 200
MOST_BYTES = 1_000_000
MOST_COLUMNS = 30
DELIMITERS = (",", ";", "\t")  # spreadsheets use the semicolon where the comma is the decimal mark
NEEDED = ("image", "question")
ADDED = ("answer", "probability", "second answer", "error", "model")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
PLAIN_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
ANSWERS = 2  # ranked, for each row
MOST_MEGAPIXELS = 200  # of all pictures together, which are held at once: 0.6 GB
NOT_YET = InvalidInput("Not answered: the batch was stopped before this row.", "Run it again.")


@dataclass(frozen=True)
class Row:
    """One row as it came, padded to the header's length; `fault` says what is wrong with its form, if anything."""

    cells: tuple[str, ...]
    image: str
    question: str
    fault: str = ""


@dataclass(frozen=True)
class Sheet:
    """A CSV with an image and a question in each row."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    delimiter: str = ","


@dataclass(frozen=True)
class Verdict:
    """What became of one row: an answer, or an error that says what to do."""

    answer: str = ""
    probability: float | None = None
    second: str = ""
    error: str = ""
    model: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the values of the columns `ADDED`."""
        probability = "" if self.probability is None else f"{self.probability:.4f}"
        return self.answer, probability, self.second, self.error, self.model


def read(path: Path | None) -> Sheet:
    """Read a CSV file: UTF-8 with or without a byte order mark, UTF-16 or Windows-1252; commas, semicolons or tabs.

    Blank lines are skipped. A row of too many cells keeps them all, in its last one, and gets a `fault`.

    Raises:
        InvalidInput: no file, too large, no CSV, no row, too many rows, or a header without `NEEDED`.
    """
    if path is None:
        raise InvalidInput("There is no CSV yet.", "Send one with the columns image and question.")
    if not path.is_file():
        raise InvalidInput("The CSV is no longer on the server.", "Send it again.")
    if path.stat().st_size > MOST_BYTES:
        raise InvalidInput(
            f"The CSV has {path.stat().st_size / 1e6:.1f} MB.", f"Send at most {MOST_BYTES / 1e6:g} MB of text."
        )
    return parse(_decoded(path.read_bytes()))


def parse(text: str) -> Sheet:
    """Read the text of a CSV (see `read`)."""
    said = re.match(r"sep=([,;\t|])\r?\n", text)  # a line some spreadsheets put first
    text = text[said.end() :] if said else text
    delimiter = said[1] if said else _delimiter(text)
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(line)]
    except csv.Error as error:
        raise InvalidInput("The file cannot be read as CSV.", "Save the sheet again, as CSV in UTF-8.") from error
    header = tuple(cell.strip() for cell in lines[0]) if lines else ()
    names = [cell.lower() for cell in header]
    if any(names.count(needed) != 1 for needed in NEEDED):
        raise InvalidInput(
            f"The first line of the CSV is {_shown(header)}.",
            "It must name a column image and a column question, once.",
        )
    if len(header) > MOST_COLUMNS:
        raise InvalidInput(f"The CSV has {len(header)} columns.", f"Send at most {MOST_COLUMNS}.")
    if len(lines) == 1:
        raise InvalidInput("The CSV has a header and no rows.", "Write an image and a question in each row.")
    if len(lines) - 1 > MOST_ROWS:
        raise InvalidInput(f"The CSV has {len(lines) - 1:,} rows.", f"Send at most {MOST_ROWS} at a time.")
    places = names.index("image"), names.index("question")
    return Sheet(header, tuple(_row(line, len(header), places, delimiter) for line in lines[1:]), delimiter)


def write(sheet: Sheet, verdicts: Sequence[Verdict]) -> bytes:
    """Return the sheet with the columns `ADDED`, in its own delimiter, in UTF-8 with a byte order mark for Excel.

    A cell that a spreadsheet would run as a formula gets an apostrophe before it, and every cell is quoted, so that it
    stays one cell whatever delimiter the spreadsheet expects.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=sheet.delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(map(harmless, (*sheet.header, *_free_names(sheet.header))))
    for row, verdict in zip(sheet.rows, verdicts, strict=True):
        writer.writerow(map(harmless, (*row.cells, *verdict.cells())))
    return text.getvalue().encode("utf-8-sig")


def harmless(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula; plain numbers stay.

    >>> harmless("=1+1"), harmless("-0.5"), harmless("red")
    ("'=1+1", '-0.5', 'red')

    Source: OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) and not PLAIN_NUMBER.fullmatch(cell) else cell


@dataclass(frozen=True)
class Plan:
    """A sheet whose rows were checked one by one: each is a request, or the error that its row gets."""

    sheet: Sheet
    entries: tuple[QuestionRequest | UserError, ...]

    @property
    def requests(self) -> tuple[QuestionRequest, ...]:
        """The rows that can be asked."""
        return tuple(entry for entry in self.entries if isinstance(entry, QuestionRequest))


def plan(sheet: Sheet, pictures: Sequence[SentFile], limits: guard.Limits) -> Plan:
    """Find each row's picture among those sent, and check picture and question.

    A picture that many rows name is opened once. All of them together may hold `MOST_MEGAPIXELS`.
    """
    album = _Album(pictures, limits)
    return Plan(sheet, tuple(_entry(row, album) for row in sheet.rows))


def verdicts(planned: Plan, replies: Sequence[Outcome | UserError]) -> list[Verdict]:
    """Return what became of every row, in order; `replies` are those to `planned.requests`, or the first of them."""
    left, found = iter(replies), []
    for entry in planned.entries:
        reply = next(left, NOT_YET) if isinstance(entry, QuestionRequest) else entry
        found.append(Verdict(error=str(reply)) if isinstance(reply, UserError) else _verdict(reply))
    return found


def _verdict(outcome: Outcome) -> Verdict:
    answers: Answers = outcome.result
    first, second = answers.ranked[0], answers.ranked[1].text if len(answers.ranked) > 1 else ""
    return Verdict(first.text, first.probability, second, model=outcome.run.model)


def _entry(row: Row, album: _Album) -> QuestionRequest | UserError:
    try:
        if row.fault:
            raise InvalidInput(row.fault, 'Put "quotes" around a text with the separator in it.')
        picture = album.picture(row.image)
        options = checked(AnswerOptions, {"question": row.question, "answers": ANSWERS})
        return QuestionRequest(picture.image, options, picture.notes)
    except UserError as error:
        return error


class _Album:
    """The pictures that were sent, by the names that a sheet gives them."""

    def __init__(self, sent: Sequence[SentFile], limits: guard.Limits) -> None:
        self._paths: dict[str, list[Path]] = {}
        for file in sent:
            self._paths.setdefault(_plain(file.name), []).append(file.path)
        self._limits = limits
        self._opened: dict[str, guard.Picture | UserError] = {}
        self._pixels = 0

    def picture(self, name: str) -> guard.Picture:
        """Return the picture that a row calls `name`; folders before it and its case do not count.

        Raises:
            InvalidInput: no name, no such picture or several, one that cannot be read, or too much in all.
        """
        plain = _plain(PureWindowsPath(name).name)  # knows / and \\ alike
        if not plain:
            raise InvalidInput("The row names no image.", "Write the picture's file name.")
        if plain not in self._paths:
            raise InvalidInput(f"There is no picture called “{name[:80]}”.", "Send it along with the CSV.")
        if len(self._paths[plain]) > 1:
            raise InvalidInput(f"Several pictures are called “{name[:80]}”.", "Give each its own name.")
        if plain not in self._opened:
            self._opened[plain] = self._open(self._paths[plain][0])
        opened = self._opened[plain]
        if isinstance(opened, UserError):
            raise opened
        return opened

    def _open(self, path: Path) -> guard.Picture | UserError:
        try:
            picture = guard.picture(path, self._limits)
        except UserError as error:
            return error
        self._pixels += picture.image.width * picture.image.height
        if self._pixels > MOST_MEGAPIXELS * 1e6:
            return InvalidInput(
                f"The pictures up to this one hold more than {MOST_MEGAPIXELS} megapixels together.",
                "Send smaller ones, or several batches.",
            )
        return picture


def _plain(name: str) -> str:
    """Fold case and spelling of a file name."""
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InvalidInput("The file is not text.", "Send a CSV in UTF-8, as a spreadsheet saves it.")


def _delimiter(text: str) -> str:
    """Return the delimiter that is most frequent in the first line."""
    first = text.lstrip().partition("\n")[0]
    return max(DELIMITERS, key=first.count)


def _row(line: list[str], columns: int, places: tuple[int, int], delimiter: str) -> Row:
    fault = ""
    if len(line) > columns:
        fault = f"The row has {len(line)} cells where the first line has {columns}."
        line = [*line[: columns - 1], delimiter.join(line[columns - 1 :])]
    cells = (*line, *[""] * (columns - len(line)))
    return Row(cells, cells[places[0]].strip(), cells[places[1]], fault)


def _free_names(header: Sequence[str]) -> list[str]:
    """Return `ADDED`, numbered where the sheet has a column of that name already."""
    taken, names = {name.lower() for name in header}, []
    for name in ADDED:
        free, number = name, 2
        while free in taken:
            free, number = f"{name} {number}", number + 1
        names.append(free)
    return names


def _shown(header: Sequence[str]) -> str:
    return f"“{', '.join(header)[:80]}”" if header else "empty"
