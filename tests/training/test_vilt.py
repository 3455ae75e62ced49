"""The ViLT of the comparison: it takes over the captioner's eyes, knows every answer, and learns like the others."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BlipForConditionalGeneration, ViltForQuestionAnswering

from tabletop.questions import offered
from tabletop.sampling import sample_scene
from tabletop.strangers import REFUSALS
from training.dataset import Table, views
from training.loop import run
from training.pictures import PICTURE_PX
from training.vilt import ANSWERS, Comparison, Options, embed, make_model, unpack
from training.vqa import make_processor, pack


def test_every_answer_has_its_class() -> None:
    assert len(ANSWERS) == len(set(ANSWERS))
    assert {question.answer for seed in range(40) for question in offered(sample_scene(seed))} <= set(ANSWERS)
    assert set(REFUSALS) <= set(ANSWERS)


def test_its_first_layers_see_what_the_captioner_sees() -> None:
    options = Options(layers=4)
    model = make_model(options, make_processor().tokenizer).eval()
    captioner = BlipForConditionalGeneration.from_pretrained(options.eyes, dtype=torch.float32).eval()
    pixels = torch.randn(1, 3, PICTURE_PX, PICTURE_PX, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        states = embed(model, pixels)
        for layer in model.vilt.encoder.layer:
            states = layer(states)[0]
        seen = captioner.vision_model(pixels, output_hidden_states=True)
    assert torch.allclose(states, seen.hidden_states[-1], atol=1e-3)


def test_packed_texts_are_unpacked_one_below_the_other() -> None:
    ids, mask = unpack(pack([[[5, 6], [7]], [[8], [9, 1, 2]]]), 2)
    assert ids.tolist() == [[5, 6, 0], [7, 0, 0], [8, 0, 0], [9, 1, 2]]
    assert mask.sum(1).tolist() == [2, 1, 1, 3]


def test_it_is_trained_and_saved(tmp_path: Path) -> None:
    options = replace(
        Options(eyes=Path(), cache=tmp_path / "cache", work=tmp_path / "work", output=tmp_path / "vilt"),
        scenes=6,
        validation_scenes=2,
        samples=8,
        batch=4,
        width=32,
        layers=1,
        device="cpu",
    )
    Table(options.cache, "training", 6).fill(views(PICTURE_PX), np.arange(6))
    run(lambda: Comparison(options), 1)
    assert [row[0] for row in csv.reader((options.work / "log.csv").open())] == ["samples", "8"]
    model = ViltForQuestionAnswering.from_pretrained(options.output, dtype=torch.float32)
    assert model.config.num_labels == len(ANSWERS)
    assert pytest.approx(1.0) == model.eval().classifier(torch.zeros(1, 32)).softmax(-1).sum().item()
