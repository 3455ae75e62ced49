"""Reading a page offline, and searching what was read: pages drawn with known text, read as the app reads them."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from demos.vqa.answers import Answers, Box
from demos.vqa.documents.ocr_lines import NOTHING_SHARED, OcrLines, searched
from demos.vqa.documents.reading import HARD_TO_READ, SIDEWAYS, Page, Reader, lines
from demos.vqa.documents.search import keywords, likeness, match, tokens
from demos.vqa.options import AnswerOptions, QuestionRequest
from hub.batch import Item, Watch
from hub.errors import Cancelled, InvalidInput
from hub.jobs import CancelToken
from tests.demos import pages

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """A reader that can reach nothing."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("the network is off")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", unreachable)
        yield Reader()


@pytest.fixture(scope="module")
def invoice(reader: Reader) -> Page:
    return reader.read(example("invoice.png"))


def example(name: str) -> Image.Image:
    return Image.open(pages.EXAMPLES / name).convert("RGB")


def words_of(rows: tuple[pages.Row, ...]) -> Counter[str]:
    return Counter(word for row in rows for cell in row for word in cell.split())


def share_read(page: Page, expected: Counter[str]) -> float:
    """Return the share of the expected words that were read letter by letter."""
    read = Counter(word for line in page.lines for word in line.text.split())
    return (read & expected).total() / expected.total()


def ask(page: Page, question: str, answers: int = 3) -> Answers:
    return searched(page, QuestionRequest(Image.new("RGB", (8, 8)), AnswerOptions(question, answers=answers)))


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_the_examples_are_the_pages_that_the_tests_know() -> None:
    assert {file.name for file in pages.EXAMPLES.iterdir()} == set(pages.examples())


def test_nearly_every_word_of_a_printed_page_is_read(invoice: Page) -> None:
    assert share_read(invoice, words_of(pages.INVOICE)) >= 0.98


def test_the_rows_of_a_table_are_read_as_lines(invoice: Page) -> None:
    assert [line.text for line in invoice.lines] == [" ".join(row) for row in pages.INVOICE]
    assert all(line.confidence > 0.95 for line in invoice.lines)
    assert invoice.notes == ()


def test_words_are_found_where_they_stand(invoice: Page) -> None:
    """A row starts at 7 % of the page's width, its cells are evenly spread, and row n stands at (n + 0.6) / 14."""
    for number, (row, line) in enumerate(zip(pages.INVOICE, invoice.lines, strict=True)):
        starts = [0.07 + 0.86 * place / len(row) for place in range(len(row))]
        firsts = [sum(len(cell.split()) for cell in row[:place]) for place in range(len(row))]
        for start, first in zip(starts, firsts, strict=True):
            assert line.words[first].left == pytest.approx(start, abs=0.015)
        for word in line.words:
            assert word.top < (number + 0.6) / 14 + 0.012 < word.bottom
            assert 0 <= word.left < word.right <= 1


def test_the_numbers_in_a_chart_are_read(reader: Reader) -> None:
    page = reader.read(example("bar-chart.png"))
    expected = Counter([*pages.BORROWED, *map(str, pages.BORROWED.values())])
    assert share_read(page, expected) >= 0.9


def test_small_print_is_read(reader: Reader) -> None:
    page = reader.read(pages.page(pages.INVOICE[:4], (400, 160), letters_px=13))
    assert share_read(page, words_of(pages.INVOICE[:4])) >= 0.9


def test_a_large_scan_is_read_at_a_smaller_size_and_says_so(reader: Reader) -> None:
    page = reader.read(pages.page(pages.INVOICE[:2], (2400, 360), letters_px=60))
    assert share_read(page, words_of(pages.INVOICE[:2])) >= 0.9
    assert any("2000 pixels" in note for note in page.notes)


def test_a_page_on_its_side_is_read_and_the_user_told_to_turn_it(reader: Reader) -> None:
    turned = pages.page(pages.INVOICE[:4], (640, 280), letters_px=20).rotate(90, expand=True)
    page = reader.read(turned)
    assert share_read(page, words_of(pages.INVOICE[:4])) >= 0.8
    assert SIDEWAYS in page.notes


def test_a_page_on_its_head_is_read_and_the_user_told_that_it_is_hard(reader: Reader) -> None:
    turned = pages.page(pages.INVOICE[:4], (640, 280), letters_px=20).rotate(180)
    page = reader.read(turned)
    assert share_read(page, words_of(pages.INVOICE[:4])) >= 0.6
    assert HARD_TO_READ in page.notes


def test_a_page_without_text_is_refused_with_what_to_send_and_nothing_is_printed(
    reader: Reader, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidInput, match=r"No text was found on the page\. Send a sharper or larger scan"):
        reader.read(Image.new("RGB", (300, 200), "white"))
    assert capfd.readouterr() == ("", "")


def test_the_same_picture_is_read_once(reader: Reader, invoice: Page) -> None:
    assert reader.read(example("invoice.png").copy()) is invoice


def test_pieces_at_one_height_are_a_line_though_it_slopes() -> None:
    def piece(text: str, left: float, top: float) -> list[Box]:
        return [Box(text, left, top, left + 0.1, top + 0.04, 1.0)]

    found = lines([piece("c", 0.7, 0.13), piece("b", 0.4, 0.115), piece("d", 0.1, 0.2), piece("a", 0.1, 0.1)])
    assert [line.text for line in found] == ["a b c", "d"]


# --- Searching --------------------------------------------------------------------------------------------------------


QUESTIONS = (
    ("what is the total due?", "Total due"),
    ("how many pencils were ordered?", "Pencils"),
    ("What is the invoice number?", "Invoice number"),
    ("who is the customer", "Customer"),
    ("what is the price of the drawing pads?", "Drawing pads"),
    ("within how many days must it be paid?", "Please pay"),
    ("whom do I call with questions?", "Questions?"),
    ("what does the delivery cost?", "Delivery"),
    ("what is the adress in Harow?", "14 Mill Lane"),
    ("what was clerk ada's name", "Customer: Oakfield School Clerk"),
)


def test_the_line_that_shares_the_question_s_words_comes_first(invoice: Page) -> None:
    right = [ask(invoice, question).ranked[0].text.startswith(start) for question, start in QUESTIONS]
    assert sum(right) >= 9, right


def test_the_words_of_the_first_line_are_marked_on_the_page(invoice: Page) -> None:
    found = ask(invoice, "what is the total due?")
    assert [box.text for box in found.boxes if box.in_answer] == ["Total", "due", "206.50"]
    assert [box.text for box in found.boxes] == [word.text for word in invoice.words]


def test_the_shares_of_all_lines_make_up_no_more_than_one(invoice: Page) -> None:
    page = Page(invoice.lines[:10])
    found = ask(page, "what is the price of the pencils?", answers=10)
    chances = [answer.probability for answer in found.ranked]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) == pytest.approx(sum(line.confidence for line in page.lines) / 10, abs=0.02)


def test_a_word_matters_by_what_its_match_weighs(invoice: Page) -> None:
    found = ask(invoice, "what is the total of the zebra?")
    weights = {word.text: word.weight for word in found.words}
    assert weights == {"what": 0, "is": 0, "the": 0, "total": 1, "of": 0, "zebra?": 0}
    assert "not understanding" in found.words_note


def test_a_question_that_shares_no_word_with_the_page_says_so(invoice: Page) -> None:
    found = ask(invoice, "is there an elephant?")
    assert NOTHING_SHARED in found.notes
    assert not any(box.in_answer for box in found.boxes)
    assert found.ranked[0].probability <= 1 / len(invoice.lines)


def test_a_rare_word_counts_more_than_a_frequent_one() -> None:
    found = match("red lamp", ["red chair", "red table", "red stool", "blue lamp"])
    assert found.scores.argmax() == 3


def test_a_heading_lends_the_line_below_it_half_its_words() -> None:
    found = match("opening hours on monday", ["Opening hours", "Monday 9 to 5", "Tuesday closed"])
    assert found.scores.argmax() == 0 or found.scores.argmax() == 1
    assert found.found[:, 1].tolist() == [0.5, 0.5, 1.0]


def test_misspelt_words_are_alike_and_different_numbers_are_not() -> None:
    assert likeness("invoice", "invioce") > 0.75
    assert likeness("2024", "2025") == 0
    assert likeness("cat", "car") == 0
    assert tokens("Sept. 1,250.50 – Café") == ["sept", "1250.50", "cafe"]
    assert keywords("Where is the station?") == ("station",)


def test_a_question_of_filler_words_alone_finds_nothing(invoice: Page) -> None:
    assert NOTHING_SHARED in ask(invoice, "what is this?").notes


def test_a_question_without_words_is_refused() -> None:
    family = OcrLines(Path(), "cpu", None)
    with pytest.raises(InvalidInput, match="The question has no words"):
        family.answer([QuestionRequest(example("invoice.png"), AnswerOptions("???"))], Watch())


def test_a_cancelled_search_stops_before_it_reads() -> None:
    token = CancelToken()
    token.cancel()
    request = QuestionRequest(example("invoice.png"), AnswerOptions("what is due?"))
    family = OcrLines(Path(), "cpu", None)
    with pytest.raises(Cancelled):
        family.answer([request], Watch([Item(request, token)]))
    assert family.reader._engine is None


def test_importing_the_document_families_loads_no_model_library() -> None:
    code = "import sys, demos.vqa.documents; print(*(name for name in sys.argv[1:] if name in sys.modules))"
    heavy = ("torch", "transformers", "cv2", "onnxruntime", "rapidocr", "gradio")
    done = subprocess.run([sys.executable, "-c", code, *heavy], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
