"""The question answerer's recipe: what it learns from, that questions keep to themselves, and what it saves."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from transformers import BlipForQuestionAnswering, BlipProcessor

from tabletop.questions import NOTHING, QUESTION_TYPES, offered
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.strangers import UNKNOWN, stranger
from training.dataset import Table, views
from training.pictures import PICTURE_PX
from training.vqa import (
    HELD_OUT_NOUNS,
    MAX_ANSWER_TOKENS,
    MAX_TOKENS,
    TRAINING_NOUNS,
    TYPE_WEIGHTS,
    Batches,
    Options,
    Row,
    answer,
    answer_loss,
    draw_question,
    make_model,
    make_processor,
    pack,
    train,
)

ROWS = 16


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Options:
    """A recipe small enough for a test, with its pictures rendered."""
    folder = tmp_path_factory.mktemp("vqa")
    small = Options(
        cache=folder / "cache",
        work=folder / "work",
        output=folder / "blip-vqa",
        eyes=Path(),
        scenes=ROWS,
        validation_scenes=2,
        samples=24,
        batch=4,
        questions=3,
        early=0.5,
        turn=0,
        width=32,
        vision_layers=1,
        text_layers=1,
        text_inner=32,
        device="cpu",
    )
    Table(small.cache, "training", ROWS).fill(views(PICTURE_PX), np.arange(ROWS))
    return small


@pytest.fixture(scope="module")
def processor() -> BlipProcessor:
    return make_processor()


@pytest.fixture(scope="module")
def model(options: Options, processor: BlipProcessor) -> BlipForQuestionAnswering:
    """A model far from its start, where all words would score alike."""
    torch.manual_seed(0)
    model = make_model(options, processor.tokenizer).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def batches(options: Options, processor: BlipProcessor, seed: int = 0) -> Batches:
    table = Table(options.cache, "training", ROWS)
    return Batches(table, options, processor.tokenizer, np.random.default_rng(seed))


def texts(row: Row, place: int, processor: BlipProcessor) -> list[str]:
    owners = sorted(set(row.owners[place].tolist()) - {-1})
    parts = [row.ids[place][row.owners[place] == owner] for owner in owners]
    return [processor.tokenizer.decode(part, skip_special_tokens=True) for part in parts]


def test_known_words_are_one_piece_and_all_others_are_spelled_out(processor: BlipProcessor) -> None:
    tokenize = processor.tokenizer.tokenize
    assert tokenize("What COLOUR is the doughnut?") == ["what", "colour", "is", "the", "doughnut", "?"]
    assert tokenize("kangaroo") == ["k", *(f"##{letter}" for letter in "angaroo")]
    assert tokenize("crème brûlée, 42!") == [*tokenize("creme"), *tokenize("brulee"), ",", "4", "##2", "!"]
    assert len(processor.tokenizer(" ".join(["kangaroo"] * 30), truncation=True).input_ids) == MAX_TOKENS
    every = {question.answer for seed in range(40) for question in offered(sample_scene(seed))}
    assert {"yes", "no", "four", "red", "cube", "large", NOTHING} <= every
    assert any(" " in text for text in every)
    assert all(len(tokenize(text)) < MAX_ANSWER_TOKENS for text in (*every, UNKNOWN))
    assert all(len(tokenize(text)) == len(text.split()) for text in (*every, UNKNOWN))


def test_every_type_is_drawn_and_strangers_are_drawn_from_the_training_nouns_alone() -> None:
    assert set(TYPE_WEIGHTS) == set(QUESTION_TYPES)
    assert not set(TRAINING_NOUNS) & set(HELD_OUT_NOUNS)
    rng = np.random.default_rng(0)
    drawn = [draw_question(sample_scene(seed, 4), rng) for seed in range(40) for _ in range(50)]
    kinds = Counter(question.type for question in drawn)
    assert min(kinds[kind] for kind in QUESTION_TYPES) > 20
    words = {word for question in drawn for word in question.text.rstrip("?").split()}
    assert not words & set(HELD_OUT_NOUNS)
    assert words & set(TRAINING_NOUNS)
    answers = Counter(question.answer for question in drawn)
    assert min(answers[text] for text in (UNKNOWN, NOTHING, "zero", "yes", "no")) > 20
    held_out = {stranger(sample_scene(1), rng, HELD_OUT_NOUNS).text.rstrip("?").split()[-1] for _ in range(300)}
    assert held_out & set(HELD_OUT_NOUNS)


def test_a_batch_asks_each_picture_its_own_questions(options: Options, processor: BlipProcessor) -> None:
    batch = batches(options, processor).draw()
    assert batch.pixels.shape == (4, 3, PICTURE_PX, PICTURE_PX)
    assert -1.3 < batch.pixels.min() < batch.pixels.max() < 1.3
    for place in range(4):
        assert len(texts(batch.questions, place, processor)) == options.questions
        read = texts(batch.answers, place, processor)
        said = batch.labels[place]
        assert processor.tokenizer.decode(said[said >= 0], skip_special_tokens=True) == " ".join(read)
        ends = (said == processor.tokenizer.sep_token_id).sum()
        assert ends == options.questions
    starts = batch.answers.ids[batch.answers.positions == 0] == processor.tokenizer.cls_token_id
    assert starts.sum() == 4 * options.questions


def test_rows_are_packed_without_gaps() -> None:
    row = pack([[[5, 6], [7]], [[8]]], padding=9)
    assert row.ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert row.owners.tolist() == [[0, 0, 1], [0, -1, -1]]
    assert row.positions.tolist() == [[0, 1, 0], [0, 0, 0]]


def test_questions_in_one_row_keep_to_themselves(
    options: Options, processor: BlipProcessor, model: BlipForQuestionAnswering
) -> None:
    """The loss of a packed batch must be what asking each question alone, without any mask, comes to."""
    batch = batches(options, processor).draw()
    losses = []
    with torch.no_grad():
        image = model.vision_model(batch.pixels).last_hidden_state
        packed = answer_loss(model, image, batch)
        for place in range(4):
            for owner in range(options.questions):
                asked = batch.questions.ids[place][batch.questions.owners[place] == owner]
                mine = batch.answers.owners[place] == owner
                states = model.text_encoder(
                    input_ids=asked[None], encoder_hidden_states=image[place : place + 1]
                ).last_hidden_state
                words = batch.answers.ids[place][mine][None]
                logits = model.text_decoder(input_ids=words, encoder_hidden_states=states).logits[0]
                losses.append(F.cross_entropy(logits, batch.labels[place][mine], reduction="sum"))
    assert packed.item() == pytest.approx(torch.stack(losses).sum().item() / len(losses), rel=1e-4)


def test_an_answer_does_not_depend_on_the_questions_beside_it(
    processor: BlipProcessor, model: BlipForQuestionAnswering
) -> None:
    pictures = [Image.fromarray(render(sample_scene(seed), PICTURE_PX).rgb) for seed in (1, 2)]
    pixels = processor.image_processor(pictures, return_tensors="pt").pixel_values
    asked = ["what colour is the cube?", "how many of the small green spheres can you see on the table, please"]
    together = answer(model, processor.tokenizer, pixels, [asked, asked[:1]])
    assert [len(row) for row in together] == [2, 1]
    for place, text in ((0, asked[0]), (0, asked[1]), (1, asked[0])):
        ((alone,),) = answer(model, processor.tokenizer, pixels[place : place + 1], [[text]])
        assert alone.text == together[place][asked.index(text)].text
        assert alone.probability == pytest.approx(together[place][asked.index(text)].probability, rel=1e-3)


def test_the_probability_is_that_of_saying_the_answer_and_no_more(
    processor: BlipProcessor, model: BlipForQuestionAnswering
) -> None:
    """Generation by transformers itself, one question at a time, must say the same words with the same scores."""
    pixels = processor.image_processor(render(sample_scene(3), PICTURE_PX).rgb, return_tensors="pt").pixel_values
    inputs = processor.tokenizer("is there a red cube?", return_tensors="pt")
    ((said,),) = answer(model, processor.tokenizer, pixels, [["is there a red cube?"]])
    generated = model.generate(
        input_ids=inputs.input_ids,
        pixel_values=pixels,
        max_new_tokens=MAX_ANSWER_TOKENS,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    assert processor.tokenizer.decode(generated.sequences[0], skip_special_tokens=True) == said.text
    chances = [logits.softmax(-1).max() for logits in generated.logits]
    assert said.probability == pytest.approx(torch.stack(chances).prod().item(), rel=1e-3)


def test_the_eyes_are_those_of_the_captioner(options: Options, processor: BlipProcessor) -> None:
    full = replace(options, eyes=Options().eyes, width=192, vision_layers=4)
    first, second = (make_model(full, processor.tokenizer).vision_model.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_is_logged_saved_and_taken_up_again(options: Options) -> None:
    train(options)
    log = options.work / "log.csv"
    assert [row[0] for row in csv.reader(log.open())] == ["samples", "24"]
    train(replace(options, samples=32))
    assert [row[0] for row in csv.reader(log.open())] == ["samples", "24", "32"]

    for folder in (options.output, options.output.with_name("blip-vqa-early")):
        model = BlipForQuestionAnswering.from_pretrained(folder, dtype=torch.float32).eval()
        processor = BlipProcessor.from_pretrained(folder)
        pixels = processor.image_processor(render(sample_scene(5), 256).rgb, return_tensors="pt").pixel_values
        assert pixels.shape == (1, 3, PICTURE_PX, PICTURE_PX)
        ((said,),) = answer(model, processor.tokenizer, pixels, [["how many solids are there?"]])
        assert 0 < said.probability <= 1
        assert (folder / "SHA256SUMS").exists()
