"""Distances between two clouds: exact ones found, and the first cloud coloured by them."""

from __future__ import annotations

import numpy as np
import pytest

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.compare import CompareOptions, chamfer, compare
from demos.point_clouds.operations.operation import Changed, Context
from hub.errors import InvalidInput

GRID = np.stack([*np.meshgrid(np.arange(20.0), np.arange(20.0)), np.zeros((20, 20))], axis=-1).reshape(-1, 3)


def compared(first: Cloud, second: Cloud, full_colour: float = 0.0) -> Changed:
    return compare(first, CompareOptions(full_colour), Context(other=lambda: second))


def test_a_cloud_moved_by_a_known_length_is_that_far_away_everywhere() -> None:
    changed = compared(Cloud(GRID), Cloud(GRID + np.array([0, 0, 0.25])))
    assert changed.facts["chamfer"] == pytest.approx(0.5)
    assert changed.facts["hausdorff"] == pytest.approx(0.25)
    assert changed.cloud.values == pytest.approx(np.full(400, 0.25))
    assert [row["50 % below"] for row in changed.facts["distances"]] == pytest.approx([0.25, 0.25])
    assert changed.notes == ()


def test_what_one_cloud_lacks_shows_in_the_others_distances() -> None:
    half = Cloud(GRID[GRID[:, 0] < 10])
    changed = compared(half, Cloud(GRID))
    there, back = changed.facts["distances"]
    assert there["largest"] == 0
    assert back["largest"] == 10
    assert back["mean"] == pytest.approx(np.maximum(GRID[:, 0] - 9, 0).mean())
    assert changed.facts["chamfer"] == pytest.approx(there["mean"] + back["mean"])
    assert changed.facts["hausdorff"] == 10
    assert chamfer(half, Cloud(GRID)) == pytest.approx(changed.facts["chamfer"])


def test_one_stray_point_decides_hausdorff_but_not_the_colours() -> None:
    raised = GRID + np.array([0, 0, 1.0]) * (GRID[:, :1] / 19)
    raised[0, 2] = 50.0
    changed = compared(Cloud(raised), Cloud(GRID))
    assert changed.facts["hausdorff"] == pytest.approx(50)
    assert changed.facts["full_colour"] <= 1.0
    assert changed.cloud.values is not None
    assert changed.cloud.values.max() == np.float32(changed.facts["full_colour"])
    assert any("last colour" in note for note in changed.notes)
    colours = changed.cloud.colours
    assert colours is not None
    assert len(np.unique(colours, axis=0)) > 10
    fixed = compared(Cloud(raised), Cloud(GRID), full_colour=0.5)
    assert fixed.facts["full_colour"] == 0.5


def test_equal_clouds_have_one_colour_and_a_mesh_is_told_to_be_its_vertices() -> None:
    mesh = Cloud(GRID, triangles=np.array([[0, 1, 20]], np.int32))
    changed = compared(Cloud(GRID), mesh)
    assert changed.facts["chamfer"] == 0
    assert changed.cloud.colours is not None
    assert len(np.unique(changed.cloud.colours, axis=0)) == 1
    assert any("vertices" in note for note in changed.notes)


def test_without_a_second_cloud_the_step_says_so() -> None:
    with pytest.raises(InvalidInput, match="second cloud"):
        compare(Cloud(GRID), CompareOptions(), Context())


def test_clouds_in_different_units_are_not_compared() -> None:
    with pytest.raises(InvalidInput, match="in m and the second in mm"):
        compared(Cloud(GRID, unit="m"), Cloud(GRID, unit="mm"))
    assert compared(Cloud(GRID, unit="m"), Cloud(GRID)).facts["chamfer"] == 0
