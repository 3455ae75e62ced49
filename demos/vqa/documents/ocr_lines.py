"""Read and search: the offline way to ask a page, by optical character recognition and keyword search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demos.vqa.answers import Answer, Answers, QuestionWord
from demos.vqa.documents.reading import Page, Reader, marked
from demos.vqa.documents.search import match, question_weights
from demos.vqa.families.face import refuse_wordless
from demos.vqa.options import QuestionRequest
from hub.batch import Watch

SEARCH_NOTE = (
    "This is keyword search, not understanding: a word weighs what its match in the first line weighs, more when few "
    "lines have it. A line's probability is its share of the match among all lines, times how sure the OCR is of its "
    "letters; it does not say how likely the line answers the question."
)
NOTHING_SHARED = (
    "no word of the question is on the page, so the search has nothing to go by and every line is as likely as the next"
)


class OcrLines:
    """Reads the page and ranks its lines by how many of the question's content words they have."""

    model: Any = None  # RapidOCR's networks are not torch modules

    def __init__(self, folder: Path, device: str, dtype: Any) -> None:
        self.reader = Reader()

    def answer(self, requests: Sequence[QuestionRequest], watch: Watch) -> list[Answers]:
        """Search each page for its question.

        Raises:
            InvalidInput: for a page without text, or a question without words.
            Cancelled: when nobody wants the answers any more.
        """
        for request in requests:
            refuse_wordless(request.options.question)
        results = []
        for request in requests:
            watch.raise_if_all_cancelled()
            watch.progress("Reading the page")
            results.append(searched(self.reader.read(request.image), request))
        return results


def searched(page: Page, request: QuestionRequest) -> Answers:
    """Rank the lines of a page by how well they match the question."""
    question = request.options.question
    found = match(question, [line.text for line in page.lines])
    shares = found.shares()
    probabilities = [float(share) * line.confidence for share, line in zip(shares, page.lines, strict=True)]
    order = sorted(range(len(probabilities)), key=lambda place: -probabilities[place])
    best = order[0]
    notes = page.notes
    in_answer: set[int] = set()
    if found.scores.any():
        first = sum(len(line.words) for line in page.lines[:best])
        in_answer = set(range(first, first + len(page.lines[best].words)))
    else:
        notes = (*notes, NOTHING_SHARED)
    weights = question_weights(question, found, best)
    return Answers(
        tuple(Answer(page.lines[place].text, probabilities[place]) for place in order[: request.options.answers]),
        words=tuple(QuestionWord(word, weight) for word, weight in zip(question.split(), weights, strict=True)),
        words_note=SEARCH_NOTE,
        look_note="No map is shown: the words of the first line are marked on the page instead.",
        boxes=marked(page.words, in_answer),
        notes=notes,
    )
