"""Surfaces through points of known shapes, and points on surfaces."""

from __future__ import annotations

import numpy as np
import pytest

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.operation import Changed, Context
from demos.point_clouds.operations.sampling import SampleOptions, sample
from demos.point_clouds.operations.surface import (
    MOST_POINTS,
    AlphaOptions,
    BallOptions,
    PoissonOptions,
    alpha,
    ball_pivoting,
    poisson,
)
from hub.errors import InvalidInput

HERE = Context()
AREA = 4 * np.pi
COUNT = 4000


def sphere(with_normals: bool = True) -> Cloud:
    """Points spread evenly over the unit sphere, red above and blue below (Vogel's spiral)."""
    index = np.arange(COUNT) + 0.5
    polar, around = np.arccos(1 - 2 * index / COUNT), np.pi * (1 + 5**0.5) * index
    points = np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], axis=1)
    colours = np.where(points[:, 2:] > 0, [255, 0, 0], [0, 0, 255]).astype(np.uint8)
    return Cloud(points, colours, points.astype(np.float32) if with_normals else None, unit="m")


def enclosed(cloud: Cloud) -> float:
    """The volume inside a closed mesh whose faces are counter-clockwise seen from outside."""
    assert cloud.triangles is not None
    a, b, c = (cloud.points[cloud.triangles[:, corner]] for corner in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("with_normals", [True, False])
def test_ball_pivoting_joins_the_points_themselves(with_normals: bool) -> None:
    cloud = sphere(with_normals)
    changed = ball_pivoting(cloud, BallOptions(), HERE)
    np.testing.assert_array_equal(changed.cloud.points, cloud.points)
    np.testing.assert_array_equal(changed.cloud.colours, cloud.colours)
    assert changed.facts["area"] == pytest.approx(AREA, rel=0.01)
    assert changed.facts["faces"] == len(changed.cloud.triangles if changed.cloud.triangles is not None else ())
    assert enclosed(changed.cloud) == pytest.approx(AREA / 3, rel=0.02)
    assert bool(changed.notes) != with_normals  # it says that it estimated them


def test_poisson_bridges_a_gap_and_trimming_takes_the_bridge_away() -> None:
    cloud = sphere()
    with_gap = cloud.subset(cloud.points[:, 2] > -0.97)
    bridged, trimmed = (poisson(with_gap, PoissonOptions(depth=6, trim=trim), HERE) for trim in (0.0, 3.0))
    assert bridged.cloud.points[:, 2].min() < -0.98
    assert trimmed.cloud.points[:, 2].min() > -0.98
    assert trimmed.facts["area"] < bridged.facts["area"]
    assert not trimmed.facts["watertight"]


def test_poisson_of_a_whole_sphere_is_closed_and_has_its_area_volume_and_colours() -> None:
    cloud = sphere()
    whole = poisson(cloud, PoissonOptions(depth=6, trim=0.0), HERE)
    assert whole.facts["area"] == pytest.approx(AREA, rel=0.01)
    assert whole.facts["watertight"]
    assert enclosed(whole.cloud) == pytest.approx(AREA / 3, rel=0.01)
    colours = whole.cloud.colours
    assert colours is not None
    assert (colours[whole.cloud.points[:, 2] > 0.2, 0] > 200).all()


def test_an_alpha_shape_needs_no_normals_and_finds_its_own_alpha() -> None:
    cloud = sphere(with_normals=False)
    changed = alpha(cloud, AlphaOptions(), HERE)
    assert changed.facts["watertight"]
    assert changed.facts["area"] == pytest.approx(AREA, rel=0.01)
    assert changed.facts["alpha"] > 0
    assert changed.notes == ()
    with pytest.raises(InvalidInput, match="No face"):
        alpha(cloud, AlphaOptions(alpha=0.01), HERE)


@pytest.mark.parametrize(
    ("build", "options"),
    [(ball_pivoting, BallOptions()), (poisson, PoissonOptions(depth=6)), (alpha, AlphaOptions())],
)
def test_the_same_points_give_the_same_surface(build: object, options: object) -> None:
    assert callable(build)
    first, second = (build(sphere(with_normals=False), options, HERE).cloud for _ in range(2))
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.triangles, second.triangles)


def test_a_flat_patch_becomes_a_surface_once_it_has_normals() -> None:
    flat = np.stack([*np.meshgrid(np.linspace(0, 1, 20), np.linspace(0, 1, 20)), np.zeros((20, 20))], axis=-1)
    points = flat.reshape(-1, 3) + np.array([5.0, 0, 0])
    with pytest.raises(InvalidInput, match="one plane"):
        alpha(Cloud(points), AlphaOptions(), HERE)
    upward = np.tile(np.array([0, 0, 1], np.float32), (400, 1))
    changed = ball_pivoting(Cloud(points, normals=upward), BallOptions(radius=0.06), HERE)
    assert 0.8 < changed.facts["area"] <= 1 + 1e-9  # squares of a grid leave a ball nowhere to rest
    assert not changed.facts["watertight"]


def test_too_few_and_too_many_points_are_refused() -> None:
    with pytest.raises(InvalidInput, match="too few"):
        poisson(Cloud(np.eye(3)), PoissonOptions(), HERE)
    with pytest.raises(InvalidInput, match="minutes"):
        ball_pivoting(Cloud(np.zeros((MOST_POINTS + 1, 3))), BallOptions(), HERE)
    with pytest.raises(InvalidInput, match="one place"):
        ball_pivoting(Cloud(np.ones((100, 3))), BallOptions(), HERE)


@pytest.fixture(scope="module")
def ball() -> Changed:
    return ball_pivoting(sphere(), BallOptions(), HERE)


@pytest.mark.parametrize("method", ["uniform", "Poisson disk"])
def test_points_are_laid_on_the_faces_with_their_colours_and_normals(ball: Changed, method: str) -> None:
    options = SampleOptions(method, 2000, 7)
    laid = sample(ball.cloud, options, HERE).cloud
    assert len(laid) == 2000
    assert laid.triangles is None
    away = np.linalg.norm(laid.points, axis=1)
    assert (away > 0.99).all()
    assert (away < 1 + 1e-6).all()
    assert laid.normals is not None
    assert ((laid.normals * laid.points).sum(axis=1) > 0.99).all()
    assert laid.colours is not None
    assert (laid.colours[laid.points[:, 2] > 0.1] == [255, 0, 0]).all()
    assert laid.unit == "m"
    np.testing.assert_array_equal(laid.points, sample(ball.cloud, options, HERE).cloud.points)


def test_a_poisson_disk_keeps_points_apart(ball: Changed) -> None:
    def nearest(method: str) -> float:
        points = sample(ball.cloud, SampleOptions(method, 500, 7), HERE).cloud.points
        apart = np.linalg.norm(points[:, None] - points[None], axis=2) + 9 * np.eye(len(points))
        return float(apart.min())

    assert nearest("Poisson disk") > 5 * nearest("uniform")


def test_only_a_mesh_with_an_area_can_be_sampled() -> None:
    with pytest.raises(InvalidInput, match="triangles"):
        sample(sphere(), SampleOptions(), HERE)
    line = Cloud(np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]), triangles=np.array([[0, 1, 2]], np.int32))
    with pytest.raises(InvalidInput, match="no area"):
        sample(line, SampleOptions(), HERE)
