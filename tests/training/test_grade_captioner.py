"""Grading: a true caption scores full marks, each kind of fault is counted once, and the embedded models hold up."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipProcessor

from tabletop.captions import FORMS, PROMPTS, Form, caption
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import COLOURS, TEST_SEEDS, Scene
from training.checkpoints import LIMIT_BYTES
from training.grade_captioner import MODELS, Graded, caption_pictures, confusions, grade, scores

SCENES = [sample_scene(seed) for seed in TEST_SEEDS[:40]]


def test_true_captions_score_full_marks() -> None:
    for form in FORMS:
        graded = [grade(scene, caption(scene, form)) for scene in SCENES]
        assert scores(graded).count("100.0 %") == 3
        assert scores(graded).endswith("| 0")
        assert not confusions(graded)


def test_a_caption_outside_the_grammar_names_nothing_and_is_not_true() -> None:
    graded = [grade(SCENES[0], "a photo of a dog"), grade(SCENES[1], caption(SCENES[1]))]
    assert [one.verdict is None for one in graded] == [True, False]
    assert scores(graded).endswith("| 1")
    assert "50.0 %" in scores(graded)


def test_the_word_that_stands_for_another_is_counted() -> None:
    scene = next(scene for scene in SCENES if len(scene.solids) == 1)
    colour = scene.solids[0].colour
    other = next(name for name in COLOURS if name != colour and (name == "orange") == (colour == "orange"))
    assert confusions([grade(scene, caption(scene).replace(colour, other))]) == {(colour, other): 1}


@pytest.fixture(scope="module", params=MODELS, ids=lambda folder: str(folder.name))
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def captions(folder: Path, form: Form, scenes: list[Scene]) -> list[Graded]:
    model = BlipForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = BlipProcessor.from_pretrained(folder)
    pictures = [Image.fromarray(render(scene, 128).rgb) for scene in scenes]
    texts = caption_pictures(model, processor, pictures, PROMPTS[form])
    return [grade(scene, text) for scene, text in zip(scenes, texts, strict=True)]


def test_an_embedded_models_files_are_small_and_are_those_of_its_checksums(folder: Path) -> None:
    files = {path.name: path for path in folder.iterdir()}
    assert {"README.md", "SHA256SUMS", "config.json", "model.safetensors", "tokenizer.json"} <= set(files)
    assert all(path.stat().st_size <= LIMIT_BYTES for path in files.values())
    lines = files.pop("SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(sums) == set(files) - {"README.md"}
    for name, digest in sums.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("form", FORMS)
def test_the_trained_model_says_each_form_when_asked_and_says_it_truly(form: Form) -> None:
    graded = captions(MODELS[0], form, SCENES)
    assert all(one.text.startswith(PROMPTS[form]) for one in graded)
    assert all(one.verdict is not None for one in graded)
    assert sum(one.verdict is not None and one.verdict.true for one in graded) >= 0.9 * len(graded)


def test_the_early_model_is_plainly_worse_than_the_trained_one() -> None:
    trained, early = (
        sum(one.verdict is not None and one.verdict.true for one in captions(folder, "relational", SCENES))
        for folder in MODELS
    )
    assert early + 8 <= trained
