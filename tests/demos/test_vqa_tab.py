"""What the question answering tab draws: nothing that was typed, read or answered runs or loads anything."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from demos.vqa.answers import Answer, Answers, Box, QuestionWord
from demos.vqa.conversation import MOST_REMEMBERED, Record, with_record
from demos.vqa.draw import details_html, harmless_markdown, percent, result_html, truth_html
from demos.vqa.draw_many import sheet_html, tally_html
from demos.vqa.models import MODELS
from demos.vqa.options import AnswerOptions, QuestionRequest
from demos.vqa.sheet import Row, Sheet, Verdict
from demos.vqa.tab import answer
from hub.run import Timings, record
from hub.runtime import Outcome

ATTACK = "<img src=http://example.org/x.png onerror=alert(1)>"
PICTURE = Image.new("RGB", (40, 30), "white")
SEED = 2_000_112  # a red sphere, a cyan and a yellow cylinder, a green torus
EMBEDDED = MODELS[0]
BIG = next(card for card in MODELS if not card.embedded)


def asked(question: str, scene_seed: int | None = None) -> QuestionRequest:
    return QuestionRequest(PICTURE, AnswerOptions(question), (), scene_seed)


def outcome(answers: Answers) -> Outcome:
    timings = Timings(0, 0, 1)
    run = record(
        job_id="7",
        demo="vqa",
        card=EMBEDDED,
        device="CPU",
        dtype="float32",
        options={},
        timings=timings,
        batch_size=1,
    )
    return Outcome(answers, run, "")


def remembered(question: str, picture: str = "a", model: str = "m") -> Record:
    return {"question": question, "answer": "yes", "probability": 0.5, "model": model, "picture": picture}


def test_whatever_was_typed_read_or_answered_is_shown_as_text() -> None:
    answers = Answers(
        (Answer(ATTACK, 0.6),),
        words=(QuestionWord(ATTACK, 1.0), QuestionWord(ATTACK, None)),
        words_note=ATTACK,
        look_note=ATTACK,
        boxes=(Box(ATTACK, 0.1, 0.1, 0.2, 0.2, 0.9),),
        notes=(ATTACK,),
    )
    drawn = result_html(answers, asked(ATTACK), "7", ATTACK) + details_html(answers, BIG)
    drawn += truth_html(ATTACK, asked(ATTACK, SEED)) + tally_html({ATTACK: {"count": (1, 2)}})
    sheet = Sheet(("image", "question"), (Row((ATTACK, ATTACK), ATTACK, ATTACK),) * 2)
    drawn += sheet_html(sheet, [Verdict(ATTACK, 0.5, ATTACK), Verdict(error=ATTACK)])
    assert "<img src=http" not in drawn
    assert drawn.count("&lt;img src=http") >= 10


@pytest.mark.parametrize(
    "written",
    [
        ATTACK,
        "</table><script>alert(1)</script>",
        "![a](http://example.org/x.png)",
        "![a][b]\n\n[b]: http://example.org/x.png",
        "<!-- x --><?php ?>",
    ],
)
def test_markdown_of_a_model_loads_nothing_and_runs_nothing(written: str) -> None:
    shown = harmless_markdown(written)
    assert "![" not in shown
    for start in ("<i", "</", "<s", "<!", "<?"):
        assert start not in shown


def test_markdown_keeps_its_tables_and_formulas() -> None:
    written = "| a | b |\n|---|---|\n| 1 | \\(x < 2\\) |"
    assert harmless_markdown(written) == written


def test_answers_are_bars_in_their_order_with_their_probabilities() -> None:
    drawn = result_html(Answers((Answer("red", 0.75), Answer("blue", 0.0002))), asked("why?"), "7", "")
    assert drawn.index("red") < drawn.index("75.0%") < drawn.index("blue") < drawn.index("under 0.1%")
    assert "width:75.0%" in drawn


def test_the_words_of_an_answer_stand_out_on_its_page() -> None:
    boxes = (Box("total", 0.1, 0.2, 0.3, 0.25, 0.9), Box("42", 0.4, 0.2, 0.5, 0.25, 0.8, in_answer=True))
    drawn = result_html(Answers((Answer("42", 0.9),), boxes=boxes), asked("total?"), "7", "")
    assert drawn.count("<rect") == 2
    assert '<rect class=found x="0.4000" y="0.2000" width="0.1000" height="0.0500"><title>42 (80%)' in drawn


@pytest.mark.parametrize(
    ("question", "said", "told"),
    [
        ("how many cylinders are there?", "two", "The model is right."),
        ("how many cylinders are there?", "three", "The model is wrong."),
        ("is there a dog?", "no", "outside what can be marked"),
    ],
)
def test_the_truth_of_a_scene_marks_the_answer(question: str, said: str, told: str) -> None:
    drawn = truth_html(said, asked(question, SEED))
    assert told in drawn
    assert "large green torus" in drawn  # the scene in words


def test_there_is_no_truth_to_reveal_of_any_other_picture() -> None:
    assert truth_html("two", asked("how many cylinders are there?")) == ""


def test_only_the_embedded_models_explain_why_they_say_unknown() -> None:
    answers = Answers((Answer("unknown", 0.9),), look=np.full((2, 2), 0.25, np.float32))
    assert "Why <b>unknown</b>" in details_html(answers, EMBEDDED)
    assert "Why <b>unknown</b>" not in details_html(answers, BIG)
    assert "nobody has measured it" in details_html(answers, BIG)


def test_the_calibration_on_the_page_is_that_of_the_model_card() -> None:
    card = (EMBEDDED.folder / "README.md").read_text(encoding="utf-8")
    stated = re.search(r"Expected calibration error: (0\.\d+)", card)
    assert stated is not None
    assert f"differ by {float(stated[1]):.1%}" in details_html(Answers((Answer("red", 0.9),)), EMBEDDED)


def test_the_endpoint_tells_what_the_page_shows() -> None:
    look = np.array([[0.5, 0.5]], np.float32)
    boxes = (Box("42", 0.4, 0.2, 0.5, 0.25, 0.8, in_answer=True),)
    answers = Answers(
        (Answer("42", 0.9),), (QuestionWord("total?", 1.0),), "", look, "a map", boxes, "| 42 |", ("noted",)
    )
    assert answer(outcome(answers), asked("total?")) == {
        "answer": "42",
        "answers": [{"answer": "42", "probability": 0.9}],
        "words": [{"word": "total?", "weight": 1.0}],
        "look": {"shares": [[0.5, 0.5]], "note": "a map"},
        "notes": ["noted"],
        "boxes": [{"text": "42", "box": [0.4, 0.2, 0.5, 0.25], "confidence": 0.8, "in_answer": True}],
        "markdown": "| 42 |",
    }


@pytest.mark.parametrize(
    ("probability", "shown"), [(1.0, "100.0%"), (0.12345, "12.3%"), (0.001, "0.1%"), (0.0009, "under 0.1%")]
)
def test_probabilities_are_spelled_alike_everywhere(probability: float, shown: str) -> None:
    assert percent(probability) == shown


# The conversation.


def test_a_conversation_is_about_one_picture() -> None:
    history = with_record(with_record([], remembered("a?")), remembered("b?"))
    assert [past["question"] for past in history] == ["a?", "b?"]
    assert with_record(history, remembered("c?", picture="b")) == [remembered("c?", picture="b")]


def test_a_question_asked_again_moves_to_the_end_and_another_model_s_answer_stays() -> None:
    history = [remembered("a?"), remembered("a?", model="n"), remembered("b?")]
    assert with_record(history, remembered("a?")) == [history[1], history[2], remembered("a?")]


def test_a_conversation_forgets_its_oldest_questions() -> None:
    history: list[Record] = []
    for number in range(MOST_REMEMBERED + 5):
        history = with_record(history, remembered(f"{number}?"))
    assert len(history) == MOST_REMEMBERED
    assert history[0]["question"] == "5?"
