"""The grader of the ControlNets: what it asks for cannot come from the control, and its measures mean what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tabletop.casting import TABLE
from tabletop.controls import edge_f1, edges
from tabletop.render import render
from training.grade_control import Result, depth_errors, recoloured
from training.pictures import PICTURE_PX


def test_no_solid_keeps_its_colour_and_the_prompt_names_all_of_them() -> None:
    for task in recoloured(12):
        was = render(task.scene, PICTURE_PX)
        assert len(task.asked.solids) == len(task.scene.solids)
        assert {each.colour for each in task.asked.solids} == {solid.colour for solid in task.scene.solids}
        different = np.abs(was.rgb.astype(int) - task.picture).max(axis=-1) > 0
        assert different[was.ids > TABLE].mean() > 0.9


def test_edges_agree_with_themselves_and_within_reach_of_a_shift_and_not_beyond() -> None:
    drawn = edges(recoloured(1)[0].picture)
    assert edge_f1(drawn, drawn, 1) == pytest.approx(1)
    assert edge_f1(np.roll(drawn, 1, axis=1), drawn, 1) == pytest.approx(1, abs=0.01)
    assert edge_f1(np.roll(drawn, 3, axis=1), drawn, 1) < 0.9
    assert edge_f1(np.zeros_like(drawn), drawn, 2) == 0


def test_depth_of_the_right_picture_is_nearer_the_truth_than_that_of_another() -> None:
    first, second = recoloured(2)
    right, wrong = depth_errors(
        Path("assets/models/depth-anything-tabletop"),
        [Result(first, first.picture, first.picture), Result(first, second.picture, second.picture)],
    )
    assert right[0] == pytest.approx(right[2])
    assert right[1] < 0.05
    assert wrong[0] > right[0]
