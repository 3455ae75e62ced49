"""Steps: from JSON to checked operations, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from demos.point_clouds.operations.registry import REGISTRY
from demos.point_clouds.steps import MOST_STEPS, parse_steps, spell_steps
from hub.errors import InvalidInput
from hub.options import specs

GROUPS = {
    "Clean",
    "Thin out",
    "Normals and colours",
    "Segment",
    "Measure",
    "Surface",
    "Register and compare",
}


def test_text_and_lists_give_the_same_steps_and_what_is_left_out_its_default() -> None:
    sent = [{"op": "voxel", "size": 0.01}, {"op": "normals"}]
    steps = parse_steps(json.dumps(sent))
    assert steps == parse_steps(sent)
    assert [step.op for step in steps] == ["voxel", "normals"]
    assert steps[0].options.size == 0.01
    assert steps[1].options == REGISTRY["normals"].options()


@pytest.mark.parametrize("nothing", ["", "  ", None, [], "[]"])
def test_nothing_is_no_step(nothing: Any) -> None:
    assert parse_steps(nothing) == ()


@pytest.mark.parametrize("key", list(REGISTRY))
def test_every_operation_comes_back_from_its_own_json(key: str) -> None:
    steps = parse_steps([{"op": key}])
    assert parse_steps(spell_steps(steps)) == steps
    assert parse_steps([steps[0].recorded()]) == steps


def test_steps_are_spelled_one_a_line() -> None:
    steps = parse_steps([{"op": "voxel"}, {"op": "box"}])
    assert spell_steps(steps).splitlines() == ["[", '  {"op": "voxel", "size": 0.0},', '  {"op": "box"}', "]"]
    assert spell_steps(()) == "[]"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("[{", "not JSON, line 1"),
        ('{"op": "voxel"}', "no list"),
        ("3", "no list"),
        ('["voxel"]', "Step 1 names no operation"),
        ('[{"size": 1}]', "Step 1 names no operation"),
        ('[{"op": "voxel"}, {"op": "melt"}]', "Step 2: there is no operation 'melt'"),
        ('[{"op": "voxel", "edge": 1}]', "Step 1 (voxel): There is no option 'edge'"),
        ('[{"op": "box"}, {"op": "voxel", "size": -1}]', "Step 2 (voxel): Edge of a voxel: -1 is out of range"),
        ('[{"op": "voxel", "size": NaN}]', "out of range"),
        ('[{"op": "crop", "keep": "both"}]', "Step 1 (crop): Keep: 'both' is not offered"),
        ("[" * 5000 + "]" * 5000, "not JSON"),
        ("[" + " " * 30_000 + "]", "too many"),
    ],
)
def test_what_is_no_step_is_named(sent: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=r".") as refused:
        parse_steps(sent)
    assert said in refused.value.cause
    assert refused.value.action


def test_more_steps_than_anyone_needs_are_refused() -> None:
    assert len(parse_steps([{"op": "box"}] * MOST_STEPS)) == MOST_STEPS
    with pytest.raises(InvalidInput, match="31 steps are too many"):
        parse_steps([{"op": "box"}] * (MOST_STEPS + 1))


@pytest.mark.parametrize("operation", list(REGISTRY.values()), ids=list(REGISTRY))
def test_every_operation_says_what_it_does_and_where_it_is_from(operation: Any) -> None:
    assert operation.group in GROUPS
    assert len(operation.explanation) > 150
    assert all(spec.label for spec, _ in specs(operation.options).values())
    if operation.key not in {"crop", "distance", "compare"}:  # which are nobody's invention
        assert any(year in operation.explanation for year in map(str, range(1981, 2024)))
