"""The captioner's recipe: what it learns from, that it can be taken up again, and that what it saves is a real BLIP."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BlipForConditionalGeneration, BlipProcessor

from tabletop.captions import FORMS, PROMPTS, caption
from tabletop.mirror import mirrored
from tabletop.relations import centres_px
from tabletop.render import render
from tabletop.sampling import sample_scene
from training.captioner import (
    FORM_SHARES,
    LESSONS,
    MAX_TOKENS,
    Batches,
    Options,
    lesson,
    make_model,
    make_processor,
    train,
)
from training.dataset import Table, views
from training.pictures import PICTURE_PX

ROWS = 24


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Options:
    """A recipe small enough for a test, with its pictures rendered."""
    folder = tmp_path_factory.mktemp("captioner")
    small = Options(
        cache=folder / "cache",
        work=folder / "work",
        output=folder / "blip",
        scenes=ROWS,
        validation_scenes=4,
        samples=48,
        batch=8,
        early=0.5,
        turn=0,
        vision_width=32,
        vision_layers=1,
        text_width=32,
        text_layers=1,
        threads=1,
        device="cpu",
    )
    Table(small.cache, "training", ROWS).fill(views(PICTURE_PX), np.arange(ROWS))
    return small


@pytest.fixture(scope="module")
def batches(options: Options) -> Batches:
    return Batches(Table(options.cache, "training", ROWS), options, np.random.default_rng(0))


def words(ids: np.ndarray) -> str:
    return str(make_processor().tokenizer.decode(ids, skip_special_tokens=True))


def test_a_lesson_holds_every_form_of_the_scene_and_of_its_mirror_image() -> None:
    scene = sample_scene(11, 6)
    cell = lesson(scene)
    for side, seen in enumerate((scene, mirrored(scene))):
        for index, form in enumerate(FORMS):
            assert words(cell["tokens"][side, index]) == caption(seen, form)
    assert (cell["tokens"] > 0).sum(-1).max() <= MAX_TOKENS


def test_the_words_that_ask_for_a_form_are_read_and_not_predicted(batches: Batches) -> None:
    for index, form in enumerate(FORMS):
        picks = np.array([[row, 0, index] for row in range(8)])
        batch = batches.assemble(picks)
        prompt = len(PROMPTS[form].split())
        assert (batch.labels[:, : 1 + prompt] == -100).all()
        learned = batch.labels[:, 1 + prompt :]
        assert torch.equal(learned[learned >= 0], batch.tokens[:, 1 + prompt :][batch.tokens[:, 1 + prompt :] > 0])


def test_a_mirrored_pick_shows_the_mirrored_picture_with_its_own_labels(batches: Batches) -> None:
    assembled = []
    for flip in (0, 1):
        torch.manual_seed(0)  # the same change of brightness and contrast for both
        assembled.append(batches.assemble(np.array([[row, flip, 0] for row in range(8)])))
    straight, flipped = assembled
    side = PICTURE_PX // batches.options.patch
    turned = flipped.kinds.reshape(8, side, side).flip(2).reshape(8, -1)
    # The map of solids is sampled at one pixel in four, so an edge may fall one patch further on.
    assert (turned == straight.kinds).float().mean() > 0.95
    brightness = [batch.pixels.mean(1) for batch in (straight, flipped)]
    same = torch.corrcoef(torch.stack([brightness[0].flatten(), brightness[1].flip(2).flatten()]))[0, 1]
    assert same > 0.9
    assert words(flipped.tokens[0].numpy()) == caption(mirrored(sample_scene(0)))


def test_a_turned_picture_keeps_its_solids_and_takes_its_patch_labels_along(options: Options) -> None:
    table = Table(options.cache, "training", ROWS)
    picks = np.array([[row, row % 2, 0] for row in range(ROWS)])
    still = Batches(table, options, np.random.default_rng(0)).assemble(picks)
    turned = Batches(table, replace(options, turn=8), np.random.default_rng(0)).assemble(picks)
    assert torch.equal(still.tokens, turned.tokens)
    assert not torch.equal(still.kinds, turned.kinds)
    for before, after in zip(still.kinds, turned.kinds, strict=True):
        assert set(before.tolist()) == set(after.tolist())


def test_the_patch_at_a_solids_centre_is_labelled_with_it(batches: Batches) -> None:
    for row in range(8):
        scene = sample_scene(row, None)
        if len(scene.solids) > 1 or scene.solids[0].shape == "torus":  # nothing in front; no hole at the centre
            continue
        batch = batches.assemble(np.array([[row, 0, 0]]))
        u, v = centres_px(scene, PICTURE_PX)[0] // batches.options.patch
        patch = int(v) * (PICTURE_PX // batches.options.patch) + int(u)
        assert batch.kinds[0, patch] == lesson(scene)["kinds"][0]


def test_the_forms_shares_are_all_of_them() -> None:
    assert set(FORM_SHARES) == set(FORMS)
    assert sum(FORM_SHARES.values()) == pytest.approx(1)


def test_what_generation_sees_is_what_training_saw(options: Options) -> None:
    """One step of generate() must score words exactly as the training pass does at the same place."""
    processor = make_processor()
    model = make_model(options, processor.tokenizer).eval()
    torch.manual_seed(0)
    for parameter in model.parameters():  # away from the start, where all words score alike
        torch.nn.init.normal_(parameter, std=0.3)
    scene = sample_scene(3)
    picture = render(scene, PICTURE_PX).rgb
    prompted = processor(images=picture, text=PROMPTS["picture"], return_tensors="pt")
    generated = model.generate(
        **prompted, max_new_tokens=5, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    whole = model(pixel_values=prompted.pixel_values, input_ids=generated.sequences)
    assert generated.sequences[0, :4].tolist() == processor.tokenizer(PROMPTS["picture"]).input_ids[:-1]
    for step, logits in enumerate(generated.logits):
        assert torch.allclose(logits, whole.logits[:, 3 + step], atol=1e-4)


def test_training_is_logged_saved_and_taken_up_again(options: Options) -> None:
    table = Table(options.cache, "validation", options.validation_scenes)
    train(options)
    log = options.work / "log.csv"
    assert [row[0] for row in csv.reader(log.open())] == ["samples", "48"]
    assert table.done(views(PICTURE_PX)).all()

    train(replace(options, samples=64))
    assert [row[0] for row in csv.reader(log.open())] == ["samples", "48", "64"]
    train(replace(options, samples=64))  # finished: nothing is left to do
    assert [row[0] for row in csv.reader(log.open())] == ["samples", "48", "64"]

    for folder in (options.output, options.output.with_name("blip-early")):
        model = BlipForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        processor = BlipProcessor.from_pretrained(folder)
        assert model.dtype == torch.float32
        pixels = processor(images=render(sample_scene(5), 256).rgb, return_tensors="pt")
        assert pixels.pixel_values.shape == (1, 3, PICTURE_PX, PICTURE_PX)
        assert model.generate(**pixels, max_new_tokens=8).shape[1] <= 9


def test_the_lessons_column_can_be_shared_between_processes(tmp_path: Path) -> None:
    table = Table(tmp_path, "training", 2)
    table.fill(LESSONS, np.arange(2), processes=2)
    assert words(table.cells(LESSONS)[1]["tokens"][0, 0]) == caption(sample_scene(1))
