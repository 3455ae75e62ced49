"""Grading: the truth scores full marks, inventions are told from refusals, and the embedded models hold up."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BlipForQuestionAnswering, BlipProcessor

from tabletop.questions import QUESTION_TYPES
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.strangers import REFUSALS, STRANGE_QUESTIONS
from tabletop.wording import is_canonical
from tabletop.world import TEST_SEEDS
from training.checkpoints import LIMIT_BYTES
from training.grade_vqa import (
    FALSE,
    FURTHER,
    MODELS,
    STRANGE_SCENES,
    TABLE,
    WORDINGS,
    Asked,
    Graded,
    ask_about,
    grade,
    invented,
    reliability_of,
    report,
    strange_about,
)
from training.reliability import calibration_error
from training.vqa import Answer

SCENES = [sample_scene(seed) for seed in TEST_SEEDS[:24]]
ASKED = ask_about(SCENES)


def test_every_type_is_asked_in_every_wording() -> None:
    many = ask_about([sample_scene(seed) for seed in TEST_SEEDS[:120]])
    asked = Counter((one.group, one.wording) for one in many)
    assert set(asked) == {(group, kind) for group in (*QUESTION_TYPES, FALSE, TABLE, FURTHER) for kind in WORDINGS}
    assert all(is_canonical(one.text) for one in many if one.wording == "canonical")
    changed = [one for one in many if one.wording != "canonical" and not is_canonical(one.text)]
    assert len(changed) > 0.5 * sum(one.wording != "canonical" for one in many)
    assert ask_about(SCENES) == ASKED  # the same at every grading


def test_the_truth_scores_full_marks_and_one_mistake_is_reported() -> None:
    graded = [Graded(one, Answer(one.truth, 1.0)) for one in ASKED]
    assert all(one.right for one in graded)
    assert calibration_error(reliability_of(graded)) == 0.0
    place = next(index for index, one in enumerate(ASKED) if one.group == "exist")
    wrong = "no" if ASKED[place].truth == "yes" else "yes"
    graded[place] = Graded(ASKED[place], Answer(wrong, 0.75))
    strange = [Graded(one, Answer("no", 0.9)) for one in strange_about(len(SCENES))]
    text = report("model", graded, strange, 0.01, 1)
    assert f"| exist | {ASKED[place].truth} | {wrong} | 1 |" in text
    assert "| colour | 100.0 %" in text
    assert f"100.0 % (99.6 to 100.0; {len(strange)} of {len(strange)})" in text


def test_an_invention_is_a_confident_answer_that_is_no_refusal() -> None:
    asked = Asked(0, "stranger", "canonical", "what colour is the cat?", "")
    assert invented(Graded(asked, Answer("red", 0.9)))
    assert not invented(Graded(asked, Answer("red", 0.4)))
    assert not any(invented(Graded(asked, Answer(text, 0.99))) for text in REFUSALS)


def test_each_strange_question_is_asked_of_several_scenes() -> None:
    strange = strange_about(1000)
    assert Counter(one.text for one in strange) == dict.fromkeys(STRANGE_QUESTIONS, STRANGE_SCENES)
    assert len({(one.row, one.text) for one in strange}) == len(strange)


@pytest.fixture(scope="module", params=MODELS, ids=lambda folder: str(folder.name))
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture(scope="module")
def answers() -> dict[str, list[Graded]]:
    """What each embedded model says to questions of every type about the test scenes."""
    said = {}
    for path in MODELS:
        model = BlipForQuestionAnswering.from_pretrained(path, dtype=torch.float32).eval()
        processor = BlipProcessor.from_pretrained(path)
        pictures = [render(scene, 128).rgb for scene in SCENES]
        pixels = processor.image_processor(pictures, return_tensors="pt").pixel_values
        strange = [Asked(index % len(SCENES), "stranger", "", text, "") for index, text in enumerate(STRANGE_QUESTIONS)]
        said[path.name] = grade(model, processor.tokenizer, pixels, [*ASKED, *strange[::4]])
    return said


def test_an_embedded_models_files_are_small_and_are_those_of_its_checksums(folder: Path) -> None:
    files = {path.name: path for path in folder.iterdir()}
    assert {"README.md", "SHA256SUMS", "config.json", "model.safetensors", "tokenizer.json"} <= set(files)
    assert all(path.stat().st_size <= LIMIT_BYTES for path in files.values())
    lines = files.pop("SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(sums) == set(files) - {"README.md"}
    for name, digest in sums.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest


def test_the_trained_model_answers_nearly_everything_rightly(answers: dict[str, list[Graded]]) -> None:
    known = [one for one in answers[MODELS[0].name] if one.asked.group != "stranger"]
    assert np.mean([one.right for one in known]) >= 0.9


def test_the_trained_model_invents_hardly_anything_about_strangers(answers: dict[str, list[Graded]]) -> None:
    strange = [one for one in answers[MODELS[0].name] if one.asked.group == "stranger"]
    assert np.mean([invented(one) for one in strange]) <= 0.1


def test_the_early_model_is_plainly_worse_than_the_trained_one(answers: dict[str, list[Graded]]) -> None:
    trained, early = (sum(one.right for one in answers[path.name]) for path in MODELS)
    assert early + 20 <= trained


def test_the_cards_name_the_calibration_error_as_the_page_reads_it(folder: Path) -> None:
    (line,) = (line for line in (folder / "README.md").read_text().splitlines() if line.startswith("Expected calib"))
    assert line.startswith("Expected calibration error: 0.0")
