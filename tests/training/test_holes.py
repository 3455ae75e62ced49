"""Holes: of many forms and places, with what lies in them told apart from what does not."""

from __future__ import annotations

import numpy as np

from tabletop.sampling import sample_scene
from tabletop.world import TRAINING_SEEDS
from training.dataset import MAP_CELLS, views
from training.holes import CELL_PX, draw_hole, inside
from training.pictures import PICTURE_PX

SEEN = np.stack([views(PICTURE_PX).of(sample_scene(seed, 2)) for seed in TRAINING_SEEDS[:8]])
MAPS = SEEN["solids"]


def test_a_hole_masks_something_and_rarely_everything() -> None:
    rng = np.random.default_rng(0)
    shares = [draw_hole(MAPS[place % 8], MAPS[place % 8 - 1], rng).mean() for place in range(400)]
    assert min(shares) > 0
    assert 0 < sum(share == 1 for share in shares) < 40
    assert 0.02 < np.median(shares) < 0.3


def test_about_as_many_holes_hold_a_solid_as_hold_none() -> None:
    rng = np.random.default_rng(0)
    held = [len(inside(MAPS[place % 8], draw_hole(MAPS[place % 8], MAPS[place % 8 - 1], rng))) for place in range(400)]
    assert 0.25 < np.mean([count > 0 for count in held]) < 0.75


def test_the_outline_of_a_solid_is_cut_out_of_bare_tables_too() -> None:
    bare, rng = np.zeros((MAP_CELLS, MAP_CELLS), np.int8), np.random.default_rng(1)
    lender = np.zeros_like(bare)
    lender[4:12, 4:8] = 1  # twice as high as wide
    upright = []
    for _ in range(200):
        rows, columns = np.nonzero(draw_hole(bare, lender, rng))
        upright.append(1.3 < (np.ptp(rows) + 1) / (np.ptp(columns) + 1) < 2.2)
    assert sum(upright) > 40


def test_a_solid_is_inside_when_most_of_what_is_seen_of_it_is_masked() -> None:
    solids = np.zeros((MAP_CELLS, MAP_CELLS), np.int8)
    solids[0:10, 0:10], solids[20:30, 20:30] = 1, 2
    hole = np.zeros((PICTURE_PX, PICTURE_PX), bool)
    hole[: 6 * CELL_PX, : 10 * CELL_PX] = True
    assert inside(solids, hole) == []
    hole[: 7 * CELL_PX, : 10 * CELL_PX] = True
    assert inside(solids, hole) == [0]
    assert inside(solids, np.ones_like(hole)) == [0, 1]
