"""`/answer` over HTTP: what it says, and what it says to questions and pictures that cannot be taken."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from demos.vqa import DEMO, DOCUMENT_EXAMPLES
from tabletop.pictures import scene_picture
from tests.app import RunningApp

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "what colour is the cone?"
SEED = 2_000_120


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "scene.png"
    scene_picture(SEED, 256).save(path)
    return path


def ask(client: Client, path: Path, question: str = QUESTION, **options: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.predict(
        image=handle_file(str(path)), question=question, api_name="/answer", **options
    )
    return answer


def test_the_answers_come_ranked_with_their_probabilities(client: Client, picture: Path) -> None:
    answer = ask(client, picture, answers=4)
    probabilities = [each["probability"] for each in answer["answers"]]
    assert answer["answer"] == answer["answers"][0]["answer"]
    assert len(probabilities) == 4
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) <= 1 + 1e-6
    assert answer["run"]["options"]["question"] == QUESTION


@pytest.mark.parametrize("look", ["attention", "occlusion"])
def test_the_words_and_the_regions_that_mattered_are_said_with_how_they_were_found(
    client: Client, picture: Path, look: str
) -> None:
    answer = ask(client, picture, look=look)
    assert [each["word"] for each in answer["words"]] == QUESTION.split()
    assert max(each["weight"] for each in answer["words"]) == pytest.approx(1)
    assert sum(map(sum, answer["look"]["shares"])) == pytest.approx(1, abs=1e-3)
    assert look in answer["look"]["note"].lower()


def test_boxes_and_markdown_come_with_documents_only(client: Client, picture: Path) -> None:
    assert not {"boxes", "markdown"} & set(ask(client, picture))
    example = DOCUMENT_EXAMPLES[0]
    answer = ask(client, ROOT / example["image"], example["question"], model="ocr-lines")
    assert any(box["in_answer"] for box in answer["boxes"])
    for box in answer["boxes"]:
        left, top, right, bottom = box["box"]
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1


@pytest.mark.parametrize("example", DOCUMENT_EXAMPLES, ids=lambda example: Path(example["image"]).stem)
def test_every_document_example_is_answered_by_the_model_that_ships(client: Client, example: dict[str, str]) -> None:
    answer = ask(client, ROOT / example["image"], example["question"], model="ocr-lines")
    assert answer["answer"]
    assert answer["run"]["embedded"]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "There is no question yet. Type one"),
        (" \n ", "There is no question yet. Type one"),
        ("x" * 10_000, "10,000 characters are too many. Use at most 300"),
        ("какого цвета конус?", "English"),
        ("圆锥是什么颜色的？", "English"),
        ("ما لون المخروط؟", "English"),
        ("?!", "no words"),
        ("is it\x07red?", "control characters"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_with_what_to_do(
    client: Client, picture: Path, question: str, message: str
) -> None:
    with pytest.raises(AppError, match=message) as caught:
        ask(client, picture, question)
    assert "Traceback" not in str(caught.value)


def test_accents_typos_and_capitals_are_taken(client: Client, picture: Path) -> None:
    for question in ("Wich COLUOR is the cöne", "what colour is the cone", "IS THERE A CONE???"):
        assert ask(client, picture, question)["answer"]


def test_a_file_that_is_no_picture_is_refused_with_what_to_send(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("these are lecture notes")
    with pytest.raises(AppError, match=r"not a picture that can be read\. Send PNG"):
        ask(client, path)


def test_a_picture_that_is_cut_off_is_refused(client: Client, picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    path.write_bytes(picture.read_bytes()[:2000])
    with pytest.raises(AppError, match="damaged or cut off"):
        ask(client, path)


def test_no_picture_at_all_is_refused(client: Client) -> None:
    with pytest.raises(AppError, match="There is no picture yet"):
        client.predict(image=None, question=QUESTION, api_name="/answer")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"answers": 99}, "out of range. Choose a number from 1 to 10"),
        ({"look": "magic"}, "Choose attention or occlusion"),
        ({"max_tokens": "many"}, "expected a number from 4 to 512"),
        ({"model": "blip"}, f"Choose {DEMO.models[0].key}"),
    ],
)
def test_options_out_of_range_are_refused(client: Client, picture: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AppError, match=message):
        ask(client, picture, **options)


def test_a_whole_class_at_once_gets_the_answer_each_would_get_alone(
    client: Client, app: RunningApp, picture: Path
) -> None:
    alone = {question: ask(client, picture, question)["answer"] for question in (QUESTION, "is there a dog?")}

    def student(number: int) -> tuple[str, dict[str, Any]]:
        question = list(alone)[number % 2]
        return question, ask(Client(app.url, verbose=False), picture, question)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(student, range(12)))
    assert all(answer["answer"] == alone[question] for question, answer in answers)
    assert max(answer["run"]["batch_size"] for _, answer in answers) > 1
