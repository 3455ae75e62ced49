"""The CSV of the question answering tab, the ways spreadsheets write it, and rows that are wrong in every way."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from demos.vqa import sheet
from demos.vqa.answers import Answer, Answers
from demos.vqa.models import MODELS
from demos.vqa.sheet import Row, Sheet, Verdict
from hub.errors import InvalidInput
from hub.guard import Limits
from hub.inputs import SentFile
from hub.run import Timings, record
from hub.runtime import Outcome

TWO_ROWS = (("red.png", "what is this?"), ("blue.png", "ist das größer?"))


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[SentFile, ...]:
    """Two pictures, as a browser sends them: each in a folder of its own."""
    sent = []
    for colour in ("red", "blue"):
        path = tmp_path / colour / f"{colour}.png"
        path.parent.mkdir()
        Image.new("RGB", (64, 64), colour).save(path)
        sent.append(SentFile(path, path.name))
    return tuple(sent)


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "questions.csv"
    path.write_bytes(content)
    return path


def asked(found: Sheet) -> tuple[tuple[str, str], ...]:
    return tuple((row.image, row.question) for row in found.rows)


def cells(written: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(written.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def reply(request: object, *answers: tuple[str, float]) -> Outcome:
    """Return what the hub hands over for a request that was answered so."""
    run = record(
        job_id="0",
        demo="vqa",
        card=MODELS[0],
        device="CPU",
        dtype="float32",
        options={},
        timings=Timings(0, 0, 1),
        batch_size=1,
    )
    return Outcome(Answers(tuple(Answer(*each) for each in answers)), run, "")


# Reading.


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_sheet_reads_the_same_in_every_encoding_and_with_every_separator(
    tmp_path: Path, delimiter: str, encoding: str, newline: str
) -> None:
    lines = [("Image", " question "), *TWO_ROWS]
    text = newline.join(delimiter.join(line) for line in lines)
    found = sheet.read(saved(tmp_path, text.encode(encoding)))
    assert asked(found) == TWO_ROWS
    assert found.delimiter == delimiter


def test_the_line_in_which_a_spreadsheet_states_its_separator_is_no_header() -> None:
    assert asked(sheet.parse("sep=;\nimage;question\nred.png;is it red, or blue?\n")) == (
        ("red.png", "is it red, or blue?"),
    )


def test_quoted_cells_may_hold_separators_quotes_and_line_breaks() -> None:
    found = sheet.parse('image,question\nred.png,"is ""it"" red,\nor blue?"\n')
    assert asked(found) == (("red.png", 'is "it" red,\nor blue?'),)


def test_blank_lines_are_no_rows_and_a_short_row_is_padded() -> None:
    found = sheet.parse("image,question,pupil\n\nred.png,why?,Ada\n,,\nblue.png\n")
    assert [row.cells for row in found.rows] == [("red.png", "why?", "Ada"), ("blue.png", "", "")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must name a column image and a column question"),
        (b"picture,question\na.png,why?\n", "must name a column image and a column question"),
        (b"image,image,question\na.png,b.png,why?\n", "once"),
        (b"image,question\n", "a header and no rows"),
        (b"image,question\n" + b"a.png,why?\n" * 201, "201 rows. Send at most 200"),
        (b"image,question\na.png," + b"why " * 300_000, "Send at most 1 MB"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not text"),
        (b"PK\x03\x04\x14\0\x06\0", "not text"),
        (b"\xff\xfe\x00", "not text"),
        (b'image,question\na.png,"' + b"x" * 140_000, "cannot be read as CSV"),
        (b"image,question," + b",".join(b"c%d" % number for number in range(40)) + b"\na.png,why?\n", "42 columns"),
    ],
)
def test_a_file_that_is_no_such_sheet_gets_a_message_that_says_what_to_send(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        sheet.read(saved(tmp_path, content))


def test_no_file_gets_a_message_that_names_the_columns() -> None:
    with pytest.raises(InvalidInput, match="columns image and question"):
        sheet.read(None)


# Rows, one by one.


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (",why?", "names no image"),
        ("green.png,why?", "no picture called “green.png”"),
        ("red.png,", "There is no question yet"),
        (f"red.png,{'why ' * 200}", "Use at most 300"),
        ("red.png,is it\x07red?", "control characters"),
        ("red.png,is it red, or blue?", "3 cells where the first line has 2"),
        ("broken.png,why?", "not a picture that can be read"),
    ],
)
def test_a_bad_row_gets_its_message_and_its_neighbours_are_asked(
    pictures: tuple[SentFile, ...], tmp_path: Path, line: str, message: str
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_text("not a picture")
    found = sheet.parse(f"image,question\nred.png,why?\n{line}\nblue.png,why?\n")
    planned = sheet.plan(found, (*pictures, SentFile(broken, "broken.png")), Limits())
    assert len(planned.requests) == 2
    said = sheet.verdicts(planned, [reply(request, ("red", 0.9), ("blue", 0.05)) for request in planned.requests])
    assert [verdict.answer for verdict in said] == ["red", "", "red"]
    assert message in said[1].error


def test_pictures_are_found_whatever_the_case_and_the_folder_before_the_name(pictures: tuple[SentFile, ...]) -> None:
    found = sheet.parse("image,question\nRED.PNG,why?\nC:\\pupils\\red.png,why?\nwork/blue.png,why?\n")
    planned = sheet.plan(found, pictures, Limits())
    colours = [request.image.getpixel((0, 0)) for request in planned.requests]
    assert colours == [(255, 0, 0), (255, 0, 0), (0, 0, 255)]


def test_a_picture_that_many_rows_name_is_opened_once(pictures: tuple[SentFile, ...]) -> None:
    found = sheet.parse("image,question\nred.png,why?\nred.png,how?\n")
    first, second = sheet.plan(found, pictures, Limits()).requests
    assert first.image is second.image


def test_two_pictures_of_one_name_are_not_mixed_up(pictures: tuple[SentFile, ...]) -> None:
    red, blue = pictures
    planned = sheet.plan(sheet.parse("image,question\nred.png,why?\n"), (red, replace(blue, name="red.png")), Limits())
    assert planned.requests == ()
    assert "Several pictures are called “red.png”" in str(planned.entries[0])


def test_a_path_of_the_server_is_only_a_name(pictures: tuple[SentFile, ...]) -> None:
    planned = sheet.plan(sheet.parse(f"image,question\n{pictures[0].path},why?\n{__file__},why?\n"), pictures, Limits())
    assert len(planned.requests) == 1
    assert "no picture called" in str(planned.entries[1])


def test_pictures_that_are_too_much_together_are_left_out(
    pictures: tuple[SentFile, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet, "MOST_MEGAPIXELS", 0.005)  # one picture of 64 x 64, and not two
    planned = sheet.plan(sheet.parse("image,question\nred.png,why?\nblue.png,why?\nred.png,how?\n"), pictures, Limits())
    assert [request.options.question for request in planned.requests] == ["why?", "how?"]
    assert "megapixels together" in str(planned.entries[1])


def test_rows_that_a_stopped_batch_did_not_reach_say_so(pictures: tuple[SentFile, ...]) -> None:
    planned = sheet.plan(sheet.parse("image,question\nred.png,why?\nblue.png,why?\n"), pictures, Limits())
    first, second = sheet.verdicts(planned, [reply(planned.requests[0], ("red", 0.5))])
    assert (first.answer, first.second, first.error) == ("red", "", "")
    assert "Not answered" in second.error


def test_a_row_the_model_refuses_gets_the_model_s_message(pictures: tuple[SentFile, ...]) -> None:
    planned = sheet.plan(sheet.parse("image,question\nred.png,why?\n"), pictures, Limits())
    (verdict,) = sheet.verdicts(planned, [InvalidInput("This model reads English only.", "Ask in English.")])
    assert verdict.error == "This model reads English only. Ask in English."


# Writing.


def test_the_sheet_comes_back_as_it_was_with_the_answers_added() -> None:
    text = "pupil;image;question\nÅsa;red.png;is it red, or blue?\n"
    verdict = Verdict("red", 0.91234, "blue", "", "Tabletop VQA")
    header, row = cells(sheet.write(sheet.parse(text), [verdict]), ";")
    assert header == ["pupil", "image", "question", "answer", "probability", "second answer", "error", "model"]
    assert row == ["Åsa", "red.png", "is it red, or blue?", "red", "0.9123", "blue", "", "Tabletop VQA"]


def test_no_cell_of_a_row_with_too_many_is_lost() -> None:
    found = sheet.parse("image,question\nred.png,is it red, or blue?\n")
    _, row = cells(sheet.write(found, [Verdict(error="?")]))
    assert row[:2] == ["red.png", "is it red, or blue?"]


def test_a_column_that_is_there_already_is_kept_beside_the_new_one() -> None:
    header, row = cells(sheet.write(sheet.parse("image,question,Answer\na.png,why?,42\n"), [Verdict("red", 0.5)]))
    assert header[2:4] == ["Answer", "answer 2"]
    assert row[2:4] == ["42", "red"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_no_cell_starts_what_a_spreadsheet_would_run(start: str) -> None:
    formula = f'{start}HYPERLINK("http://example.org";"x")'
    dangerous = Sheet(("image", "question", formula), (Row(("a.png", formula, formula), "a.png", formula),))
    for line in cells(sheet.write(dangerous, [Verdict(formula, 0.5, formula, formula, formula)])):
        assert not any(cell.startswith(sheet.FORMULA_STARTS) for cell in line)


def test_an_answer_stays_one_cell_for_a_spreadsheet_that_expects_semicolons() -> None:
    written = sheet.write(sheet.parse("image,question\na.png,why?\n"), [Verdict("a;=1+1", 0.5)])
    assert b'"a;=1+1"' in written
