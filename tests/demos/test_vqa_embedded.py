"""The question answering models that ship with Lectern, loaded as the hub loads them, on scenes of the test seeds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from demos.vqa import DEMO
from demos.vqa.answers import Answer, Answers
from demos.vqa.models import TABLETOP_MEANINGS
from demos.vqa.options import AnswerOptions, QuestionRequest
from demos.vqa.pipeline import Answerer
from hub import weights
from hub.batch import Item, Watch
from hub.demo import Loading
from hub.device import Device, resolve
from hub.errors import Cancelled, InvalidInput
from hub.pool import measured_bytes
from tabletop.questions import Question, question_of_type, questions
from tabletop.render import View, render
from tabletop.sampling import sample_scene
from tabletop.strangers import STRANGE_QUESTIONS
from tabletop.wording import reword
from tabletop.world import TEST_SEEDS, Scene
from tests.demos.test_captioning import StopsAfter

ROOT = Path(__file__).resolve().parents[2]
CPU = Device("cpu", "float32", "CPU")
GRID = 8  # patches along a side of the picture
SCENES = tuple(sample_scene(seed) for seed in TEST_SEEDS[300:326])


@dataclass(frozen=True)
class Exam:
    """A scene, its view, and questions about it."""

    scene: Scene
    view: View
    asked: tuple[Question, ...]

    @property
    def picture(self) -> Image.Image:
        return Image.fromarray(self.view.rgb)


@pytest.fixture(scope="module")
def exams() -> tuple[Exam, ...]:
    return tuple(
        Exam(scene, render(scene, 128), questions(scene, np.random.default_rng(place)))
        for place, scene in enumerate(SCENES)
    )


@pytest.fixture(scope="module")
def finished() -> Answerer:
    return load("blip-tabletop-vqa")


def load(key: str, device: Device = CPU) -> Answerer:
    card = DEMO.card(key)
    folder = weights.fetch(card, lambda *_: None)
    answerer = DEMO.load(Loading(card, folder, device, lambda *_: None, lambda _, build: build()))
    assert isinstance(answerer, Answerer)
    return answerer


def request(picture: Image.Image, question: str, **chosen: int | str) -> QuestionRequest:
    return QuestionRequest(picture, AnswerOptions(question=question, **chosen))  # type: ignore[arg-type]


def right(answerer: Answerer, exams: Sequence[Exam], wording: int | None = None) -> list[bool]:
    """Mark every question, in the canonical wording or in another."""
    rng = np.random.default_rng(wording)
    marks = []
    for exam in exams:
        texts = [question.text if wording is None else reword(question, rng) for question in exam.asked]
        results = answerer([request(exam.picture, text, answers=3) for text in texts])
        marks += [
            result.ranked[0].text == question.answer for result, question in zip(results, exam.asked, strict=True)
        ]
    return marks


# --- What it knows ----------------------------------------------------------------------------------------------------


def test_the_finished_model_answers_questions_about_scenes_it_never_saw(
    finished: Answerer, exams: tuple[Exam, ...]
) -> None:
    """A smoke test: the grade by type over thousands of test questions is in the model's card."""
    marks = right(finished, exams)
    assert len(marks) > 150
    assert np.mean(marks) >= 0.9


def test_it_understands_other_wordings_too(finished: Answerer, exams: tuple[Exam, ...]) -> None:
    assert np.mean(right(finished, exams[:12], wording=7)) >= 0.85


def test_the_model_stopped_early_answers_with_less_success(finished: Answerer, exams: tuple[Exam, ...]) -> None:
    early = np.mean(right(load("blip-tabletop-vqa-early"), exams[:12]))
    assert 0.2 < early < np.mean(right(finished, exams[:12]))


def test_of_things_the_tabletop_does_not_have_it_invents_nothing(finished: Answerer, exams: tuple[Exam, ...]) -> None:
    """Denied, or refused for words it does not know. The model's card grades all 200 questions without the refusals."""
    said = []
    for question in STRANGE_QUESTIONS[::10]:
        with suppress(InvalidInput):
            said += [result.ranked[0].text for result in finished([request(exams[0].picture, question)])]
    assert said
    assert set(said) <= {"no", "zero", "unknown", "nothing"}


@pytest.mark.parametrize("claim", ["yes", "two", "red"])
def test_a_claim_about_an_unknown_word_is_refused(finished: Answerer, exams: tuple[Exam, ...], claim: str) -> None:
    asked = request(exams[0].picture, "is there a zeppelin?")
    with pytest.raises(InvalidInput, match="does not know “zeppelin”"):
        finished.in_its_world(asked, Answers((Answer(claim, 0.9),)))
    assert finished.in_its_world(asked, Answers((Answer("no", 0.9),))).ranked[0].text == "no"


def test_answers_that_name_nothing_are_explained(finished: Answerer, exams: tuple[Exam, ...]) -> None:
    (result,) = finished([request(exams[0].picture, "what colour is the dog?")])
    assert result.ranked[0].text in TABLETOP_MEANINGS
    assert TABLETOP_MEANINGS[result.ranked[0].text] in result.notes
    assert any(note.endswith("does not know: dog") for note in result.notes)


def test_a_question_whose_unknown_words_fill_all_places_is_refused(finished: Answerer, exams: tuple[Exam, ...]) -> None:
    """It spells what it does not know letter by letter."""
    with pytest.raises(InvalidInput, match="this model reads at most 64"):
        finished([request(exams[0].picture, "is there a " + "hippopotamus " * 6)])


# --- Batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", ["attention", "occlusion"])
def test_a_question_gets_the_same_answers_in_a_batch_of_other_sizes(finished: Answerer, look: str) -> None:
    sizes = (128, 512, 64, 300, 200) if look == "attention" else (128, 300)
    drawn = [Image.fromarray(render(scene, size).rgb) for scene, size in zip(SCENES, sizes, strict=False)]
    drawn[1] = drawn[1].crop((0, 60, 300, 240))
    wordings = ("is there a cube?", "what is the colour of the table in this picture", "how many", "red?", "what")
    requests = [
        request(picture, question, look=look, answers=4) for picture, question in zip(drawn, wordings, strict=False)
    ]
    for mine, together in zip(requests, finished(requests), strict=True):
        (alone,) = finished([mine])
        assert [answer.text for answer in together.ranked] == [answer.text for answer in alone.ranked]
        assert [answer.probability for answer in together.ranked] == pytest.approx(
            [answer.probability for answer in alone.ranked], abs=1e-5
        )
        assert [word.weight for word in together.words] == pytest.approx(
            [word.weight for word in alone.words], abs=1e-3
        )
        if together.look is not None:
            assert together.look == pytest.approx(alone.look, abs=1e-4)


# --- What mattered ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", ["attention", "occlusion"])
def test_the_part_that_matters_is_the_solid_that_is_asked_about(
    finished: Answerer, exams: tuple[Exam, ...], look: str
) -> None:
    looks, shares = [], []
    for place, exam in enumerate(exams[:16] if look == "attention" else exams[:8]):
        asked = question_of_type(exam.scene, "colour", np.random.default_rng(place))
        if asked is None or len(exam.scene.solids) < 2:
            continue
        (result,) = finished([request(exam.picture, asked.text, look=look)])
        if result.ranked[0].text != asked.answer or result.look is None:
            continue
        subject = next(
            number
            for number, solid in enumerate(exam.scene.solids)
            if solid.colour == asked.answer and solid.shape in asked.text
        )
        cell = 128 // GRID
        shown = (exam.view.ids == subject + 1).reshape(GRID, cell, GRID, cell).mean((1, 3))
        looks.append(float(result.look[shown > 0.1].sum()))
        shares.append(float((shown > 0.1).mean()))
    assert len(looks) >= 3
    assert np.mean(looks) > 2 * np.mean(shares)


def test_the_words_that_matter_are_those_the_answer_hangs_on(finished: Answerer, exams: tuple[Exam, ...]) -> None:
    """Without "colour" it cannot know what is asked; without "the" it can."""
    asked = [
        question
        for place, exam in enumerate(exams[:4])
        if (question := question_of_type(exam.scene, "colour", np.random.default_rng(place)))
    ]
    results = finished([
        request(exam.picture, question.text, look="occlusion") for exam, question in zip(exams, asked, strict=False)
    ])  # fmt: skip
    weights_of = [{word.text: word.weight or 0.0 for word in result.words} for result in results]
    assert np.mean([mine["colour"] for mine in weights_of]) > np.mean([mine["the"] for mine in weights_of])


# --- What is declared -------------------------------------------------------------------------------------------------


def test_the_cards_of_the_embedded_models_state_their_true_size(finished: Answerer) -> None:
    for key in ("blip-tabletop-vqa", "blip-tabletop-vqa-early"):
        assert DEMO.card(key).memory_bytes == pytest.approx(measured_bytes([load(key)]), rel=0.05)


def test_every_answer_is_in_the_words_of_the_tabletop(finished: Answerer, exams: tuple[Exam, ...]) -> None:
    """What its card warns of: of a photo, too, it can only speak in the words it has."""
    with Image.open(ROOT / "assets/examples/captioning/cat.png") as cat:
        results = finished([request(cat.convert("RGB"), "what is the animal called?", answers=10)])
    known = set(finished.family.tokenizer.get_vocab())  # type: ignore[attr-defined]
    assert all(set(answer.text.split()) <= known for answer in results[0].ranked)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_model_answers_in_half_precision_and_stops_when_cancelled(exams: tuple[Exam, ...]) -> None:
    cuda = resolve("cuda")
    answerer = load("blip-tabletop-vqa", cuda)
    assert (answerer.device, answerer.dtype) == (cuda.name, cuda.dtype)
    assert {weight.device.type for weight in answerer.modules()[0].parameters()} == {"cuda"}
    assert np.mean(right(answerer, exams[:10])) >= 0.8
    asked = request(exams[0].picture, "is there a cube?")
    with pytest.raises(Cancelled):
        answerer([asked], Watch([Item(asked, StopsAfter(2))]))
    (after,) = answerer([replace(asked, options=replace(asked.options, look="occlusion"))])
    assert after.look is None or after.look.sum() == pytest.approx(1, abs=1e-3)
