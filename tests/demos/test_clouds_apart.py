from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from demos.point_clouds.apart import LARGE_POINTS, Apart, takes_long
from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.operation import Context
from demos.point_clouds.operations.registry import REGISTRY
from demos.point_clouds.options import Step
from demos.point_clouds.steps import parse_steps
from hub.errors import Cancelled, InvalidInput

CLOUD = Cloud(np.random.default_rng(3).normal(size=(400, 3)), unit="m", origin=np.array([5.0, 0.0, 0.0]))


@pytest.fixture(scope="module")
def process() -> Iterator[Apart]:
    apart = Apart()
    yield apart
    apart.close()


def step(text: str) -> Step:
    (one,) = parse_steps(f"[{text}]")
    return one


BOX, NORMALS, ALPHA = step('{"op": "box"}'), step('{"op": "normals"}'), step('{"op": "alpha", "alpha": 1.0}')


@pytest.mark.parametrize("one", [NORMALS, ALPHA, step('{"op": "register"}')], ids=lambda one: one.op)
def test_a_step_gives_the_same_as_in_the_hub_itself(process: Apart, one: Step) -> None:
    context = Context(other=lambda: replace(CLOUD, points=CLOUD.points[::-1].copy()))
    expected = REGISTRY[one.op].apply(CLOUD, one.options, context)
    found = process.apply(one, CLOUD, context)
    # Open3D's threads add up in the order they come in: the last digits of a fit differ from run to run.
    np.testing.assert_allclose(found.cloud.points, expected.cloud.points, rtol=0, atol=1e-12)
    assert found.facts.keys() == expected.facts.keys()
    for name, value in expected.facts.items():
        np.testing.assert_allclose(found.facts[name], value, rtol=0, atol=1e-12)
    for name in ("normals", "triangles", "colours"):
        mine, theirs = getattr(found.cloud, name), getattr(expected.cloud, name)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            np.testing.assert_array_equal(mine, theirs)


def test_points_that_did_not_change_are_the_same_array_afterwards(process: Apart) -> None:
    assert process.apply(BOX, CLOUD, Context()).cloud.points is CLOUD.points


def test_a_refusal_says_the_same_as_in_the_hub_itself(process: Apart) -> None:
    volume = step('{"op": "volume"}')
    with pytest.raises(InvalidInput) as expected:
        REGISTRY["volume"].apply(CLOUD, volume.options, Context())
    with pytest.raises(InvalidInput) as refused:
        process.apply(volume, CLOUD, Context())
    assert (refused.value.cause, refused.value.action) == (expected.value.cause, expected.value.action)


def test_a_step_that_nobody_wants_any_more_ends_its_process_and_the_next_one_has_another(process: Apart) -> None:
    process.apply(BOX, CLOUD, Context())
    before = process.pid

    def left() -> None:
        raise Cancelled

    slow = Cloud(np.random.default_rng(4).normal(size=(60_000, 3)))
    with pytest.raises(Cancelled):
        process.apply(step('{"op": "alpha", "alpha": 0.5}'), slow, Context(check=left))
    assert process.pid is None
    process.apply(BOX, CLOUD, Context())
    assert process.pid not in (None, before)


def test_a_crash_costs_one_message(process: Apart) -> None:
    process.apply(BOX, CLOUD, Context())

    def crash() -> None:
        if process.pid is not None:
            os.kill(process.pid, signal.SIGKILL)

    slow = Cloud(np.random.default_rng(4).normal(size=(60_000, 3)))
    with pytest.raises(InvalidInput, match="crashed"):
        process.apply(step('{"op": "alpha", "alpha": 0.5}'), slow, Context(check=crash))
    assert process.apply(BOX, CLOUD, Context()).facts


def test_surfaces_always_run_apart_and_other_long_steps_when_the_cloud_is_large() -> None:
    large = Cloud(np.zeros((LARGE_POINTS + 1, 3)))
    assert takes_long(ALPHA, CLOUD)
    assert [takes_long(step('{"op": "clusters"}'), cloud) for cloud in (CLOUD, large)] == [False, True]
    assert not takes_long(BOX, large)
