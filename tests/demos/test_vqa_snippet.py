"""Show code: plain transformers code that gives the same answers, for every family and for the embedded models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from demos.vqa import DEMO
from demos.vqa.answers import Answers
from demos.vqa.options import AnswerOptions, QuestionRequest
from demos.vqa.pipeline import Answerer
from hub import weights
from hub.batch import Watch
from hub.demo import Loading
from hub.device import Device
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS
from tests.demos import tiny
from tests.demos.test_captioning import run_code
from tests.demos.test_vqa import PICTURES, QUESTIONS, card_of

ROOT = Path(__file__).resolve().parents[2]
SHORT = AnswerOptions(question=QUESTIONS[1], answers=3, max_tokens=6)


def assert_printed(printed: list[str], answers: Answers) -> None:
    """Check lines such as "0.731 red cube", likeliest first; the code prints what reads the same as often as found."""
    told: dict[str, float] = {}
    for line in printed:
        share, _, text = line.partition(" ")
        told.setdefault(text, float(share))
    if len(told) > 1:
        told.pop("", None)
    assert list(told) == [" ".join(answer.text.split()) for answer in answers.ranked]
    assert list(told.values()) == pytest.approx([answer.probability for answer in answers.ranked], abs=1e-3)


@pytest.mark.parametrize("family", tuple(tiny.ANSWERERS))
@pytest.mark.parametrize("answers", [1, 3])
def test_the_code_shown_prints_the_same_answers(tmp_path: Path, family: str, answers: int) -> None:
    card = card_of(family)
    folder = tiny.save_answerer(family, tmp_path / "model")
    request = QuestionRequest(PICTURES[1], replace(SHORT, answers=answers))
    code = DEMO.snippet(card, request, None)
    assert f"{card.source!r}, revision={card.revision!r}" in code
    printed = run_code(code.replace(repr(card.source), repr(str(folder))), request.image, tmp_path)
    (found,) = Answerer.from_folder(family, folder)([request])
    assert_printed(printed, found)


@pytest.mark.parametrize(
    "question", ["what colour is the table?", 'How many "solids"\nare there\\?', "what's left of the donut"]
)
def test_the_code_shown_for_the_embedded_model_prints_the_same_answers(tmp_path: Path, question: str) -> None:
    """Quotes, line breaks and backslashes included."""
    card = DEMO.models[0]
    folder = weights.fetch(card, lambda *_: None)
    answerer = DEMO.load(
        Loading(card, folder, Device("cpu", "float32", "CPU"), lambda *_: None, lambda _, build: build())
    )
    picture = Image.fromarray(render(sample_scene(TEST_SEEDS[321]), 128).rgb)
    for answers in (1, 5):
        request = QuestionRequest(picture, AnswerOptions(question=question, answers=answers))
        code = DEMO.snippet(card, request, None)
        printed = run_code(code.replace("assets/models", str(ROOT / "assets/models")), picture, tmp_path)
        (found,) = answerer([request], Watch())
        assert_printed(printed, found)
