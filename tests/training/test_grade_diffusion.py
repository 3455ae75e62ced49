"""The judge learns to see what is there, and the grader asks for what scenes show and counts what the judge sees."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from tabletop.captions import NamedSolid, parse
from tabletop.relations import BEHIND, FRONT, LEFT, RIGHT, viewer_positions
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import COLOURS, SHAPES, SIZES, TEST_SEEDS
from training import grade_diffusion
from training.autoencoder import AutoencoderOptions, make_autoencoder
from training.dataset import MAP_CELLS, Table, views
from training.grade_diffusion import Answer, Asked, answer, one_solid, spread, two_solids
from training.judge import Found, Judge, JudgeOptions, Judging, Sight, agrees, lesson, load_judge, look
from training.pictures import PICTURE_PX, POSITION_M, VIEWER_DISTANCE_M
from training.prompts import make_tokenizer
from training.stable_diffusion import assemble, make_text_encoder, make_unet

ROWS = 4


@pytest.fixture(scope="module")
def judging(tmp_path_factory: pytest.TempPathFactory) -> JudgeOptions:
    """A judge who has seen four scenes until it knows them."""
    folder = tmp_path_factory.mktemp("judge")
    small = JudgeOptions(
        work=folder / "work",
        output=folder / "judge.safetensors",
        cache=folder / "cache",
        scenes=ROWS,
        validation_scenes=2,
        samples=960,
        batch=4,
        width=16,
        warm_up=16,
        average=0.9,
        device="cpu",
    )
    Table(small.cache, "training", ROWS).fill(views(PICTURE_PX), np.arange(ROWS))
    Judging(small).run()
    return small


def test_a_judge_finds_names_and_places_the_solids_it_was_shown(judging: JudgeOptions) -> None:
    scenes = [sample_scene(seed) for seed in range(ROWS)]
    pictures = np.stack([render(scene, PICTURE_PX).rgb for scene in scenes])
    seen = look(load_judge(judging.output), pictures)
    assert [agrees(sight, scene) for sight, scene in zip(seen, scenes, strict=True)] == [True] * ROWS
    for sight, scene in zip(seen, scenes, strict=True):
        for solid in sight.solids:
            nearest = np.abs(viewer_positions(scene) - solid.place_m).sum(1).min()
            assert nearest < 0.06


def test_a_judge_is_taken_up_again_where_it_stopped(judging: JudgeOptions) -> None:
    again = Judging(replace(judging, samples=964))
    assert again.seen == 960
    again.run()
    assert again.seen == 964


def test_a_lesson_has_the_centre_the_words_and_the_place_of_every_solid() -> None:
    scene = sample_scene(7, 3)
    told = lesson(scene)
    for index, solid in enumerate(scene.solids):
        words = tuple(options[told["kinds"][index][place]] for place, options in enumerate((SHAPES, COLOURS, SIZES)))
        assert words == (solid.shape, solid.colour, solid.size)
    assert (told["kinds"][3:] == -1).all()
    np.testing.assert_allclose(
        told["places"][0, :3] * POSITION_M + (0, VIEWER_DISTANCE_M), viewer_positions(scene), atol=1e-5
    )
    ids = render(scene, PICTURE_PX).ids
    for index, (row, column) in enumerate(told["cells"][0, :3]):
        step = PICTURE_PX // MAP_CELLS
        around = ids[step * (row - 2) : step * (row + 3), step * (column - 2) : step * (column + 3)]
        assert (around == index + 1).any()


def test_prompts_ask_for_what_their_scene_shows() -> None:
    for seed, asked in zip(TEST_SEEDS, one_solid(20), strict=False):
        solid = sample_scene(seed, 1).solids[0]
        assert [(each.colour, each.shape) for each in asked.solids] == [(solid.colour, solid.shape)]
        assert asked.relation is None
    for asked in two_solids(20, related=True):
        assert asked.relation in (LEFT, RIGHT, FRONT, BEHIND)
        assert asked.relation in asked.prompt
        assert len(asked.solids) == 2
    assert all(each.relation is None and len(each.solids) == 2 for each in two_solids(20, related=False))


RED_CUBE = Found("cube", "red", "large", (-0.1, 0.8), (30, 70), 0.9)
BLUE_CONE = Found("cone", "blue", "small", (0.1, 0.9), (90, 66), 0.9)
PAIR = (NamedSolid("red", "cube"), NamedSolid("blue", "cone", "small"))


@pytest.mark.parametrize(
    ("relation", "solids", "expected"),
    [
        (LEFT, (RED_CUBE, BLUE_CONE), Answer(2, exact=True, sizes=True, relation=True, tint=True)),
        (FRONT, (BLUE_CONE, RED_CUBE), Answer(2, exact=True, sizes=True, relation=True, tint=True)),
        (RIGHT, (RED_CUBE, BLUE_CONE), Answer(2, exact=True, sizes=True, relation=False, tint=True)),
        (LEFT, (RED_CUBE, BLUE_CONE, BLUE_CONE), Answer(2, exact=False, sizes=True, relation=True, tint=True)),
        (LEFT, (RED_CUBE,), Answer(1, exact=False, sizes=False, relation=False, tint=True)),
        (LEFT, (), Answer(0, exact=False, sizes=False, relation=False, tint=True)),
        (
            LEFT,
            (replace(RED_CUBE, colour="blue"), replace(BLUE_CONE, colour="red")),
            Answer(0, exact=False, sizes=False, relation=False, tint=True),
        ),
        (
            LEFT,
            (RED_CUBE, replace(BLUE_CONE, size="large")),
            Answer(2, exact=True, sizes=False, relation=True, tint=True),
        ),
    ],
)
def test_an_answer_counts_what_is_there_bound_and_placed(
    relation: str, solids: tuple[Found, ...], expected: Answer
) -> None:
    asked = Asked("a red cube ... a small blue cone on a mint table", PAIR, relation, "mint")
    assert answer(asked, Sight(solids, "mint")) == expected


def test_spread_is_the_distance_from_the_mean_place() -> None:
    assert spread([(0.0, 0.0), (0.2, 0.0)]) == pytest.approx(0.1)
    assert spread([(0.3, 0.1)] * 5) == pytest.approx(0)


def test_a_report_has_every_guidance_and_kind_of_prompt(judging: JudgeOptions, tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = AutoencoderOptions(channels=(8, 8, 8, 8), latent_channels=4)
    autoencoder: AutoencoderKL = make_autoencoder(recipe)
    folder, tokenizer = tmp_path / "untrained", make_tokenizer()
    text, unet = make_text_encoder(32, 1, tokenizer), make_unet((16, 16, 16), 4, 32)
    assemble(autoencoder, text, unet, tokenizer).save_pretrained(folder)
    parser = argparse.ArgumentParser()
    grade_diffusion.add_arguments(parser)
    options = parser.parse_args(
        f"--model {folder} --judge {judging.output} --cache {tmp_path} --prompts 2 --scenes 4 --threads 1".split()
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grade_diffusion, "STEPS", 1)
        patch.setattr(grade_diffusion, "VARIED_PICTURES", 2)
        report = grade_diffusion.evaluate(options)
    for guidance in ("1", "3", "5", "7.5"):
        for kind in ("one solid", "two solids", "two solids in a relation"):
            assert f"| {guidance} | {kind} | 0.0 %" in report
    assert "PSNR" in report
    assert parse(one_solid(1)[0].prompt) is not None
    assert isinstance(load_judge(judging.output), Judge)
