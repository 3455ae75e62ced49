"""The cache of rendered scenes: filled in any order, taken up again, true to its seeds."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS, TRAINING_SEEDS, VALIDATION_SEEDS, Scene
from training.dataset import MAP_CELLS, SEEDS, Column, Table, views

COUNTS = Column("counts", np.dtype("u1"), lambda scene: np.uint8(len(scene.solids)))


def test_a_row_is_the_scene_of_its_seed_and_holds_its_picture(tmp_path: Path) -> None:
    table = Table(tmp_path, "validation", 3)
    table.fill(views(64), np.arange(3))
    for row in range(3):
        scene = sample_scene(VALIDATION_SEEDS[row])
        view = render(scene, 64)
        cell = table.cells(views(64))[row]
        assert table.scene(row) == scene
        assert np.array_equal(cell["rgb"], view.rgb)
        assert cell["solids"].shape == (MAP_CELLS, MAP_CELLS)
        assert set(np.unique(cell["solids"])) <= {-1, 0, *range(1, len(scene.solids) + 1)}


def test_only_the_wanted_rows_are_filled_and_the_rest_may_follow_later(tmp_path: Path) -> None:
    Table(tmp_path, "training", 4).fill(COUNTS, np.array([1, 3]))
    assert Table(tmp_path, "training", 4).done(COUNTS).tolist() == [False, True, False, True]
    longer = Table(tmp_path, "training", 6)
    longer.fill(COUNTS, np.arange(6))
    assert longer.done(COUNTS).all()
    assert longer.cells(COUNTS).tolist() == [len(sample_scene(seed).solids) for seed in range(6)]


def test_a_filled_cell_is_not_made_again(tmp_path: Path) -> None:
    made: list[int] = []

    def note(scene: Scene) -> np.uint8:
        made.append(scene.seed)
        return np.uint8(1)

    column = Column("notes", np.dtype("u1"), note)
    table = Table(tmp_path, "training", 5)
    table.fill(column, np.array([2]))
    table.fill(column, np.arange(5))
    assert sorted(made) == [0, 1, 2, 3, 4]


def test_several_processes_fill_what_one_would(tmp_path: Path) -> None:
    alone, together = Table(tmp_path / "alone", "training", 2), Table(tmp_path / "together", "training", 2)
    alone.fill(views(64), np.arange(2))
    together.fill(views(64), np.arange(2), processes=2)
    assert np.array_equal(alone.cells(views(64)), together.cells(views(64)))


def test_the_splits_share_no_seed_and_a_table_stays_inside_its_own(tmp_path: Path) -> None:
    ranges = sorted((seeds.start, seeds.stop) for seeds in SEEDS.values())
    assert all(first[1] <= second[0] for first, second in pairwise(ranges))
    assert SEEDS == {"training": TRAINING_SEEDS, "validation": VALIDATION_SEEDS, "test": TEST_SEEDS}
    with pytest.raises(ValueError, match="expected at most 10000 rows"):
        Table(tmp_path, "validation", 10_001)
