"""The grader of inpainting: its holes and prompts are what it says, its paste-back is exact, its verdict means that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS
from training.grade_inpainting import (
    FEATHER_PX,
    GROW_PX,
    Task,
    change_outside,
    footprint,
    grown,
    insertions,
    pasted,
    removals,
    succeeded,
    weights,
)
from training.judge import Found, Sight
from training.pictures import PICTURE_PX


def test_a_footprint_is_all_that_a_solid_changes_in_a_picture() -> None:
    scene = sample_scene(TEST_SEEDS[0], 2)
    print_of = footprint(scene, 0)
    view, without = render(scene, PICTURE_PX), render(replace(scene, solids=scene.solids[1:]), PICTURE_PX)
    assert print_of[view.ids == 1].all()
    assert print_of.sum() > (view.ids == 1).sum()  # its shadow
    off = np.abs(view.rgb.astype(int) - without.rgb).max(2)
    assert off[~print_of].max() <= 8


def test_half_of_the_insertions_are_on_the_bare_table_and_ask_for_what_the_scene_does_not_have() -> None:
    bare, replacing = insertions(12, replacing=False), insertions(12, replacing=True)
    assert len(bare) == len(replacing) == 6
    for task in bare + replacing:
        assert task.wanted is not None
        assert task.prompt.split()[1:] == list(task.wanted)
    for task, removal in zip(replacing, removals(12)[1::2], strict=True):
        assert task.hole.any()
        assert removal.truth is not None
        assert (removal.picture != removal.truth).any()


@pytest.fixture
def task() -> Task:
    """A hole in a grey picture, for a red cube."""
    hole = np.zeros((PICTURE_PX, PICTURE_PX), bool)
    hole[40:60, 20:50] = True
    return Task(np.full((PICTURE_PX, PICTURE_PX, 3), 100, np.uint8), hole, "a red cube", ("red", "cube"))


def test_pasting_back_keeps_every_pixel_beyond_the_feather(task: Task) -> None:
    picture = pasted(task, np.full_like(task.picture, 200))
    assert (picture[task.hole] == 200).all()
    assert change_outside(task, picture) == 0
    assert grown(task.hole).sum() > task.hole.sum()
    row = picture[50, 50 : 50 + FEATHER_PX + 2, 0].tolist()
    assert row == sorted(row, reverse=True)
    assert row[FEATHER_PX] == 100
    assert 100 < row[0] < 200
    assert (weights(task.hole) > 0).sum() > grown(task.hole).sum() - 4 * GROW_PX**2
    assert change_outside(task, np.full_like(task.picture, 103)) == 3


RED_CUBE = Found("cube", "red", "small", (0.0, 0.8), (30.0, 50.0), 0.9)


@pytest.mark.parametrize(
    ("solids", "inserted", "removed"),
    [
        ((RED_CUBE,), True, False),
        ((), False, True),
        ((replace(RED_CUBE, centre_px=(90.0, 50.0)),), False, True),
        ((replace(RED_CUBE, colour="blue"),), False, False),
        ((replace(RED_CUBE, shape="cone"), RED_CUBE), True, False),
    ],
)
def test_what_counts_is_what_the_judge_sees_in_the_hole(
    task: Task, solids: tuple[Found, ...], inserted: bool, removed: bool
) -> None:
    sight = Sight(solids, "grey")
    assert succeeded(task, sight) is inserted
    assert succeeded(replace(task, wanted=None), sight) is removed
