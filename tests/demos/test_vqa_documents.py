"""The document and chart families: tiny random checkpoints of the real classes, loaded as the app loads them."""

from __future__ import annotations

import contextlib
import io
import math
import os
import socket
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from demos.vqa.answers import Answers
from demos.vqa.documents import DOCUMENT_FAMILIES, DOCUMENT_MODELS, document_snippet
from demos.vqa.documents.chart import HEADER, table, with_header
from demos.vqa.documents.layout import GRID, LONGEST_ANSWER, shares, spans
from demos.vqa.documents.nougat import marked
from demos.vqa.documents.reading import Line, Page
from demos.vqa.options import AnswerOptions, QuestionRequest
from demos.vqa.pipeline import Answerer
from hub.batch import Item, Step, Watch
from hub.cards import ModelCard
from hub.errors import Cancelled, InvalidInput
from hub.jobs import CancelToken
from tests.demos import pages, tiny

FAMILIES = tuple(tiny.DOCUMENT_CHECKPOINTS)
WRITING = ("donut", "deplot", "nougat")
each_family = pytest.mark.parametrize("family", FAMILIES)
each_writer = pytest.mark.parametrize("family", WRITING)

PAGE = pages.page(pages.INVOICE[:3], (400, 120), letters_px=14)
CHART = pages.chart({"a": 30, "b": 70}, "two bars", "n", (240, 320))
SHORT = AnswerOptions("what is the invoice number?", answers=3, max_tokens=12)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("documents")
    return {name: tiny.save_document(name, root / name) for name in FAMILIES}


@pytest.fixture(scope="module")
def answerers(folders: dict[str, Path]) -> dict[str, Answerer]:
    """Every family, loaded while nothing can be reached."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("the network is off")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", unreachable)
        return {name: Answerer.from_folder(name, folder) for name, folder in folders.items()}


def ask(answerer: Answerer, chosen: AnswerOptions = SHORT, picture: Image.Image = PAGE) -> Answers:
    (answers,) = answerer([QuestionRequest(picture, chosen)])
    return answers


def card_of(family: str) -> ModelCard:
    return next(card for card in DOCUMENT_MODELS if card.family == family)


class StopsAfter(CancelToken):
    """A token that its user cancels while the model writes: at the `count`-th time somebody asks."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = count

    @property
    def cancelled(self) -> bool:
        self.left -= 1
        if self.left < 0:
            self.cancel()
        return super().cancelled


# --- All of them ------------------------------------------------------------------------------------------------------


def test_every_family_has_a_card_and_the_first_needs_no_download() -> None:
    assert {card.family for card in DOCUMENT_MODELS} == set(DOCUMENT_FAMILIES) == {"ocr-lines", *FAMILIES}
    assert {card.group for card in DOCUMENT_MODELS} == {"Documents"}
    assert DOCUMENT_MODELS[0].embedded
    assert not any(card.embedded for card in DOCUMENT_MODELS[1:])
    assert "on-commercial" in card_of("nougat").limits


@each_family
def test_every_family_gives_ranked_answers_with_probabilities(answerers: dict[str, Answerer], family: str) -> None:
    answers = ask(answerers[family])
    chances = [answer.probability for answer in answers.ranked]
    assert chances == sorted(chances, reverse=True)
    assert all(0 < chance < 1 for chance in chances)
    assert sum(chances) <= 1 + 1e-9
    assert [word.text for word in answers.words] == SHORT.question.split()
    assert all([answers.words_note, answers.look_note])
    assert answers.look is None


@each_family
def test_an_answer_does_not_depend_on_the_questions_beside_it(answerers: dict[str, Answerer], family: str) -> None:
    requests = [
        QuestionRequest(PAGE, SHORT),
        QuestionRequest(PAGE, replace(SHORT, question="who?")),
        QuestionRequest(CHART, replace(SHORT, question="which bar is the tallest?")),
    ]
    if family == "layoutlm":
        requests.pop()  # there is hardly any text on the chart
    together = answerers[family](requests)
    for request, answers in zip(requests, together, strict=True):
        assert answerers[family]([request]) == [answers]


@each_family
def test_a_model_also_runs_in_the_half_precision_that_a_gpu_holds_it_in(
    answerers: dict[str, Answerer], folders: dict[str, Path], family: str
) -> None:
    half = Answerer.from_folder(family, folders[family], dtype="bfloat16")
    if family == "layoutlm":
        half.family.reader = answerers[family].family.reader  # type: ignore[attr-defined]
    answers = ask(half)
    assert all(math.isfinite(answer.probability) for answer in answers.ranked)


@each_family
def test_a_question_without_words_is_refused(answerers: dict[str, Answerer], family: str) -> None:
    with pytest.raises(InvalidInput, match="The question has no words"):
        ask(answerers[family], replace(SHORT, question="?!"))


@pytest.mark.parametrize("family", ["layoutlm", "donut"])
def test_models_of_english_refuse_what_they_cannot_read(answerers: dict[str, Answerer], family: str) -> None:
    for question, why in (
        ("сколько это стоит?", "reads English only"),
        (f"what is {answerers[family].family.tokenizer.eos_token}?", "command to this model"),  # type: ignore[attr-defined]
        (" ".join(["7"] * 140), "reads at most"),
    ):
        with pytest.raises(InvalidInput, match=why):
            ask(answerers[family], replace(SHORT, question=question))


@each_family
def test_the_code_of_a_run_prints_its_answers_best_first(
    answerers: dict[str, Answerer], folders: dict[str, Path], family: str, tmp_path: Path
) -> None:
    picture = CHART if family == "deplot" else PAGE
    card = card_of(family)
    code = document_snippet(card, QuestionRequest(picture, SHORT))
    assert card.revision in code
    printed = run_code(code.replace(repr(card.source), repr(str(folders[family]))), picture, tmp_path)
    answers = ask(answerers[family], picture=picture)
    if family in ("deplot", "nougat"):
        assert printed == [line for line in answers.ranked[0].text.split("\n") if line]
    else:
        assert printed == [f"{answer.probability:.3f} {answer.text}" for answer in answers.ranked]


def test_the_code_of_a_search_prints_its_lines_best_first(tmp_path: Path) -> None:
    card = card_of("ocr-lines")
    request = QuestionRequest(PAGE, replace(SHORT, question="what is the adress, in Harow, and what date?"))
    (answers,) = Answerer(DOCUMENT_FAMILIES["ocr-lines"](Path(), "cpu", None), "cpu", "float32")([request])
    printed = run_code(document_snippet(card, request), PAGE, tmp_path)
    assert printed == [f"{answer.probability:.3f} {answer.text}" for answer in answers.ranked]


def run_code(code: str, picture: Image.Image, folder: Path) -> list[str]:
    """Run shown code in a folder that holds picture.png; return the lines it prints, blanks closed up."""
    picture.save(folder / "picture.png")
    printed = io.StringIO()
    here = Path.cwd()
    with contextlib.redirect_stdout(printed):
        os.chdir(folder)
        try:
            exec(compile(code, "shown code", "exec"), {"__name__": "shown"})
        finally:
            os.chdir(here)
    return [" ".join(line.split()) for line in printed.getvalue().splitlines() if line.strip()]


# --- Marking words on a page ------------------------------------------------------------------------------------------


def test_the_marked_words_are_the_first_answer(answerers: dict[str, Answerer]) -> None:
    answers = ask(answerers["layoutlm"])
    assert " ".join(box.text for box in answers.boxes if box.in_answer) == answers.ranked[0].text
    assert len({answer.text for answer in answers.ranked}) == 3


def test_the_answers_are_those_that_transformers_own_pipeline_ranks(
    answerers: dict[str, Answerer], folders: dict[str, Path]
) -> None:
    """For a page of one window: the pipeline too takes the spans with the largest sums of the two logits."""
    from transformers import AutoTokenizer, LayoutLMForQuestionAnswering, pipeline

    family: Any = answerers["layoutlm"].family
    page = Page((Line(family.reader.read(PAGE).words[:7]),))
    places = [[int(GRID * side) for side in (box.left, box.top, box.right, box.bottom)] for box in page.words]
    theirs = pipeline(
        "document-question-answering",
        model=LayoutLMForQuestionAnswering.from_pretrained(folders["layoutlm"]),
        tokenizer=AutoTokenizer.from_pretrained(folders["layoutlm"], add_prefix_space=True),
    )
    chosen = replace(SHORT, question="who?", answers=10)
    with torch.inference_mode():
        mine = family._answer(page, QuestionRequest(PAGE, chosen), Watch())
    words = [box.text for box in page.words]
    ranked = theirs(
        image=None, question="who?", word_boxes=list(zip(words, places, strict=True)), top_k=40, doc_stride=16
    )
    expected = list(dict.fromkeys(answer["answer"] for answer in ranked))
    assert [answer.text for answer in mine.ranked[:5]] == expected[:5]


def test_spans_are_short_stay_on_the_page_and_count_once() -> None:
    owners = [None, 0, 0, 1, None]
    start, end = np.array([9.0, 1, 3, 0, 9]), np.array([9.0, 0, 2, 5, 9])
    assert spans(owners, start, end) == {(0, 0): 5.0, (0, 1): 8.0, (1, 1): 5.0}
    many = spans(list(range(40)), np.zeros(40), np.zeros(40))
    assert max(last - first for first, last in many) == LONGEST_ANSWER - 1
    assert shares(np.array([0.0, math.log(3)])).tolist() == pytest.approx([0.25, 0.75])


def test_a_page_longer_than_the_model_is_read_in_windows(answerers: dict[str, Answerer]) -> None:
    family: Any = answerers["layoutlm"].family
    words = family.reader.read(PAGE).words * 6
    with torch.inference_mode():
        windows = family._windows("who is it?", words, Watch())
    assert len(windows) > 1
    assert all(len(owners) <= family.longest for owners, _, _ in windows)
    assert {owner for owners, _, _ in windows for owner in owners if owner is not None} == set(range(len(words)))


# --- Writing ----------------------------------------------------------------------------------------------------------


@each_writer
def test_a_cut_text_says_where_and_a_longer_one_goes_on(answerers: dict[str, Answerer], family: str) -> None:
    shorter, longer = (ask(answerers[family], replace(SHORT, answers=1, max_tokens=count)) for count in (4, 12))
    assert any("cut at 4 tokens" in note for note in shorter.notes)
    assert longer.ranked[0].text.startswith(shorter.ranked[0].text)
    assert longer.ranked[0].probability < shorter.ranked[0].probability


@each_writer
def test_a_text_depends_on_the_picture(answerers: dict[str, Answerer], family: str) -> None:
    first, second = (ask(answerers[family], replace(SHORT, answers=1), picture) for picture in (PAGE, CHART))
    assert first.ranked[0].probability != pytest.approx(second.ranked[0].probability, rel=1e-3)


def test_a_text_that_the_model_ends_itself_is_complete(answerers: dict[str, Answerer]) -> None:
    family: Any = answerers["nougat"].family
    with torch.inference_mode():
        seen = family._seen(PAGE)
        asked = {"texts": 1, "max_tokens": 8}
        (cut,) = family.scribe.write(seen, [family.start], Watch(), 0, **asked)
        ended = replace(family.scribe, end=cut.tokens[3]).write(seen, [family.start], Watch(), 0, **asked)[0]
    assert not cut.complete
    assert ended.complete
    assert ended.tokens == cut.tokens[: cut.tokens.index(cut.tokens[3])]
    assert ended.cut_notes == ()
    assert ended.probability == pytest.approx(ended.mean_probability ** (len(ended.tokens) + 1))


@each_writer
def test_the_text_grows_on_the_page_while_it_is_written(
    answerers: dict[str, Answerer], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.writing.STEP_S", 0.0)
    request = QuestionRequest(PAGE, replace(SHORT, answers=1))
    item = Item(request, CancelToken())
    (answers,) = answerers[family]([request], Watch([item]))
    steps = [item.updates.get_nowait() for _ in range(item.updates.qsize())]
    texts = [step.value for step in steps if isinstance(step, Step)]
    assert texts
    assert all(len(before) <= len(after) for before, after in pairwise(texts))
    assert answers.ranked[0].text.startswith(texts[0].strip())


@each_writer
def test_a_cancelled_text_stops_at_the_next_token(answerers: dict[str, Answerer], family: str) -> None:
    request = QuestionRequest(PAGE, replace(SHORT, answers=1, max_tokens=60))
    token = StopsAfter(4)
    with pytest.raises(Cancelled):
        answerers[family]([request], Watch([Item(request, token)]))
    assert token.left >= -2


def test_the_probability_of_a_text_is_the_product_over_its_tokens(answerers: dict[str, Answerer]) -> None:
    """Checked against the scores that beam search itself keeps, without a length penalty."""
    family: Any = answerers["donut"].family
    request = QuestionRequest(PAGE, SHORT)
    opening = family._opening(SHORT.question)
    with torch.inference_mode():
        found = family.model.generate(
            family.processor.image_processor(PAGE, return_tensors="pt").pixel_values,
            decoder_input_ids=torch.tensor([opening]),
            max_new_tokens=SHORT.max_tokens,
            num_beams=3,
            num_return_sequences=3,
            length_penalty=0.0,
            early_stopping=False,
            do_sample=False,
            bad_words_ids=[[3]],
            forced_eos_token_id=None,
            eos_token_id=2,
            pad_token_id=1,
            return_dict_in_generate=True,
            output_scores=True,
        )
    (answers,) = answerers["donut"]([request])
    scores = sorted(found.sequences_scores.exp().tolist(), reverse=True)
    assert answers.ranked[0].probability == pytest.approx(scores[0], rel=1e-3)


def test_an_encoded_page_is_kept_for_the_next_question(answerers: dict[str, Answerer]) -> None:
    family: Any = answerers["donut"].family
    ask(answerers["donut"])
    kept = family._memo.bytes
    ask(answerers["donut"], replace(SHORT, question="what is the date?"), PAGE.copy())
    assert family._memo.bytes == kept > 0


def test_donut_s_marks_are_no_part_of_its_answer(answerers: dict[str, Answerer]) -> None:
    family: Any = answerers["donut"].family
    spelt = family.tokenizer("red cube</s_answer> dog</s>", add_special_tokens=False).input_ids
    assert family._text(spelt) == "red cube"
    assert family._text(family.tokenizer("</s_answer></s>", add_special_tokens=False).input_ids) == ""


# --- Charts and pages as Markdown -------------------------------------------------------------------------------------


def test_the_header_stands_above_the_chart(answerers: dict[str, Answerer]) -> None:
    family: Any = answerers["deplot"].family
    images = family.processor.image_processor
    assert images.is_vqa
    patches = with_header(images, CHART)
    assert patches["flattened_patches"].shape == (1, images.max_patches, 2 + 16 * 16 * 3)
    bare = images(CHART, is_vqa=False, return_tensors="pt")
    assert not torch.equal(bare["flattened_patches"], patches["flattened_patches"])
    assert HEADER.startswith("Generate underlying data table")


def test_a_line_break_of_deplot_begins_a_row(answerers: dict[str, Answerer]) -> None:
    family: Any = answerers["deplot"].family
    ids = family.tokenizer.convert_tokens_to_ids(["▁TITLE", "▁|", "▁total", "<0x0A>", "▁page", "▁|", "▁7"])
    assert family._text(ids) == "TITLE | total\npage | 7"


def test_a_table_is_markdown_with_the_question_s_words_in_bold() -> None:
    shown = table("TITLE | Books\nMonth | Count\nMarch | 165\nApril | 97 | 3", "how many in March?")
    assert shown.split("\n") == [
        "**Books**",
        "",
        "| Month | Count |  |",
        "| --- | --- | --- |",
        "| **March** | 165 |  |",
        "| April | 97 | 3 |",
    ]
    assert table("", "what?") == ""
    assert r"\<b\>" in table("<b> | *", "what?")


def test_a_page_s_lines_that_share_words_with_the_question_are_bold() -> None:
    text = "# Light speed\n\nThe speed of light is known.\n\nLight is $c$.\n\nNothing else."
    assert marked(text, "what is the speed of light?") == text.replace(
        "The speed of light is known.", "**The speed of light is known.**"
    )
    assert marked(text, "is there a dog?") == text
