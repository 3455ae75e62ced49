"""The operations on a cloud, each against clouds of which the answer is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.operation import Context
from demos.point_clouds.operations.registry import REGISTRY
from hub.errors import InvalidInput
from tests.demos.clouds import ball_mesh, grid, refusal, table_with_things, take


@pytest.fixture(scope="module")
def table() -> Cloud:
    return table_with_things()


@pytest.fixture(scope="module")
def ball() -> Cloud:
    mesh = ball_mesh()
    return replace(mesh, triangles=None)


# --- Clean ------------------------------------------------------------------------------------------------------------


def test_crop_is_in_the_files_coordinates_and_keeps_either_side() -> None:
    cloud = replace(grid(), origin=np.array([500_000.0, 0.0, 100.0]))
    inside = take(cloud, "crop", x_min=500_001.05, z_min=99.0).cloud
    outside = take(cloud, "crop", x_min=500_001.05, z_min=99.0, keep="outside").cloud
    assert (inside.points[:, 0] > 1.05).all()
    assert (outside.points[:, 0] < 1.05).all()
    assert len(inside) + len(outside) == len(cloud)
    assert (inside.origin == cloud.origin).all()


def test_crop_says_where_the_cloud_is_when_it_keeps_nothing() -> None:
    cause = refusal(replace(grid(), origin=np.array([10.0, 0, 0])), "crop", x_min=500)
    assert "keeps no point" in cause
    assert "x 10 to 11.9" in cause
    assert "empty" in refusal(grid(), "crop", x_min=2, x_max=1)


def test_outliers_go_and_the_surface_stays() -> None:
    far = np.random.default_rng(0).uniform(3, 9, (12, 3))
    cloud = Cloud(np.concatenate([grid().points, far]))
    for op in ("statistical", "radius"):
        changed = take(cloud, op)
        assert changed.facts["removed"] >= 12
        assert (np.abs(changed.cloud.points) < 2).all()
        assert len(changed.cloud) >= 0.9 * len(grid())


def test_what_would_leave_nothing_or_take_for_ever_is_refused() -> None:
    assert "No point has 500 points" in refusal(grid(), "radius", points=500, radius=0.15)
    assert "too few for 20 neighbours" in refusal(grid(4), "statistical")
    dense = Cloud(np.random.default_rng(0).uniform(0, 1, (40_000, 3)))
    assert "too much" in refusal(dense, "radius", radius=10)
    assert "too much" in refusal(dense, "clusters", distance=10, ground="nothing")


# --- Thin out ---------------------------------------------------------------------------------------------------------


def test_a_voxel_keeps_the_mean_of_its_points_and_colours() -> None:
    points = np.array([[0.1, 0.1, 0.1], [0.3, 0.1, 0.1], [5.0, 5.0, 5.0]])
    colours = np.array([[10, 20, 30], [20, 40, 60], [1, 2, 3]], np.uint8)
    made = take(Cloud(points, colours), "voxel", size=1.5).cloud
    np.testing.assert_allclose(made.points, [[0.2, 0.1, 0.1], [5.0, 5.0, 5.0]], atol=1e-6)
    assert made.colours is not None
    assert made.colours.tolist() == [[15, 30, 45], [1, 2, 3]]


def test_voxels_are_exact_far_from_zero_and_always_in_the_same_order(table: Cloud) -> None:
    here = take(table, "voxel", size=0.02).cloud
    again = take(table, "voxel", size=0.02).cloud
    np.testing.assert_array_equal(here.points, again.points)
    there = take(replace(table, points=table.points + np.array([4096.0, 0, 0])), "voxel", size=0.02).cloud
    assert len(there) == len(here)
    np.testing.assert_allclose(there.points - [4096.0, 0, 0], here.points, atol=1e-6)


def test_the_size_of_a_voxel_is_chosen_from_the_cloud_in_whatever_unit(table: Cloud) -> None:
    metres = take(table, "voxel")
    millimetres = take(replace(table, points=1000 * table.points, unit="mm"), "voxel")
    assert millimetres.facts["size"] == pytest.approx(1000 * metres.facts["size"])
    assert abs(len(millimetres.cloud) / len(metres.cloud) - 1) < 0.02
    assert 0.2 * len(table) < len(metres.cloud) < len(table)


def test_farthest_points_are_spread_and_measured_ones() -> None:
    cloud = replace(grid(30), labels=np.arange(900, dtype=np.int32))
    made = take(cloud, "farthest", points=60).cloud
    assert made.labels is not None
    np.testing.assert_array_equal(cloud.points[made.labels], made.points)
    apart = np.linalg.norm(made.points[:, None] - made.points[None], axis=2) + 9 * np.eye(60)
    assert apart.min() > 0.2


def test_farthest_points_that_take_minutes_are_refused_with_how_many_do_not() -> None:
    many = Cloud(np.zeros((1_000_000, 3)))
    with pytest.raises(InvalidInput, match="would take about 8 minutes") as refused:
        take(many, "farthest", points=100_000)
    assert "at most 12,000" in refused.value.action
    assert "there are 400" in refusal(grid(), "farthest", points=401)


def test_a_voxel_too_small_to_be_numbered_is_refused() -> None:
    assert "too small" in refusal(grid(), "voxel", size=1e-9)


# --- Normals and colours ----------------------------------------------------------------------------------------------


def test_normals_of_a_ball_point_along_its_radius_to_the_side_that_is_asked_for(ball: Cloud) -> None:
    centre = np.array([3.0, 2.0, 1.0])
    radial = (ball.points - centre) / np.linalg.norm(ball.points - centre, axis=1, keepdims=True)
    found = take(ball, "normals", neighbours=12).cloud
    assert found.normals is not None
    assert np.abs((found.normals * radial).sum(axis=1)).min() > 0.97
    inwards = take(found, "orient", towards="viewpoint", x=3, y=2, z=1).cloud
    assert inwards.normals is not None
    assert ((inwards.normals * radial).sum(axis=1) < 0).all()
    up = take(found, "orient").cloud
    assert up.normals is not None
    assert (up.normals[:, 2] >= 0).all()
    alike = take(found, "orient", towards="consistently", neighbours=12).cloud
    assert alike.normals is not None
    assert abs(np.sign((alike.normals * radial).sum(axis=1)).mean()) == 1


def test_a_step_never_writes_into_the_cloud_it_was_given(ball: Cloud) -> None:
    first = take(ball, "normals").cloud
    assert first.normals is not None
    before = first.normals.copy(), first.points.copy()
    for op in ("orient", "normals", "voxel"):
        take(first, op)
    np.testing.assert_array_equal(first.normals, before[0])
    np.testing.assert_array_equal(first.points, before[1])


def test_what_needs_normals_labels_or_triangles_says_so(ball: Cloud) -> None:
    assert "needs normals" in refusal(ball, "orient")
    assert "needs normals" in refusal(ball, "colour", by="normal")
    assert "No plane and no cluster" in refusal(ball, "colour", by="label")
    assert "surface of triangles" in refusal(ball, "volume")


def test_heights_are_those_of_the_file_and_run_from_dark_to_bright() -> None:
    cloud = Cloud(np.column_stack([np.zeros(50), np.zeros(50), np.linspace(-1, 1, 50)]), origin=np.array([0, 0, 7.0]))
    changed = take(cloud, "colour")
    assert changed.facts == {"lowest": 6.0, "highest": 8.0}
    assert changed.cloud.colours is not None
    assert changed.cloud.colours[0].tolist() == [68, 1, 84]
    assert changed.cloud.colours[-1].tolist() == [253, 231, 37]


def test_curvature_is_nothing_on_a_plane_and_something_at_an_edge(table: Cloud) -> None:
    flat = take(grid(), "colour", by="curvature", neighbours=10).cloud.values
    assert flat is not None
    assert flat.max() < 1e-6
    bent = take(table, "colour", by="curvature").facts
    assert 0.05 < bent["highest"] <= 1 / 3


def test_distances_are_from_the_point_or_the_plane(table: Cloud) -> None:
    values = take(table, "colour", by="distance from a point", x=1).cloud.values
    assert values is not None
    np.testing.assert_allclose(values, np.linalg.norm(table.points - [1, 0, 0], axis=1), rtol=1e-6)
    heights = take(table, "colour", by="distance from the largest plane").cloud.values
    assert heights is not None
    np.testing.assert_allclose(heights, table.points[:, 2], atol=1e-3)


def test_one_colour_is_one_colour_and_has_no_values(table: Cloud) -> None:
    painted = take(take(table, "colour").cloud, "colour", by="one colour", red=1, green=2, blue=3).cloud
    assert painted.colours is not None
    assert np.unique(painted.colours, axis=0).tolist() == [[1, 2, 3]]
    assert painted.values is None


# --- All of them ------------------------------------------------------------------------------------------------------

ALONE = [key for key in REGISTRY if key not in {"register", "compare", "volume", "sample", "orient"}]


@pytest.mark.parametrize("key", ALONE)
def test_the_same_step_gives_the_same_bytes(table: Cloud, key: str) -> None:
    thin = take(take(table, "voxel", size=0.02).cloud, "normals").cloud
    options: dict[str, Any] = {"points": 500} if key == "farthest" else {}
    first, second = (take(thin, key, **options).cloud for _ in range(2))
    for name in ("points", "colours", "normals", "triangles", "labels", "values"):
        a, b = getattr(first, name), getattr(second, name)
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a, b)


STRANGE = {
    "flat": grid().points,
    "a line": np.linspace(0, 1, 100)[:, None] * [1.0, 2.0, 3.0],
    "one place": np.zeros((100, 3)),
    "every point twice": np.repeat(np.random.default_rng(0).random((50, 3)), 2, axis=0),
    "huge": np.random.default_rng(0).random((300, 3)) * 1e8,
    "tiny": np.random.default_rng(0).random((300, 3)) * 1e-8,
}


@pytest.mark.parametrize("op", ["normals", "orient", "colour", "planes", "clusters", "box", "voxel", "radius"])
@pytest.mark.parametrize("name", list(STRANGE))
def test_clouds_without_volume_or_scale_give_finite_numbers_or_a_reason(name: str, op: str) -> None:
    cloud = take(Cloud(STRANGE[name]), "normals").cloud
    chosen = {"orient": {"towards": "consistently"}, "colour": {"by": "distance from the largest plane"}}
    options: dict[str, Any] = chosen.get(op, {})
    try:
        changed = take(cloud, op, **options)
    except InvalidInput as error:
        assert error.action  # noqa: PT017 - either answer is right
        return
    for array in (changed.cloud.points, changed.cloud.normals, changed.cloud.values):
        assert array is None or np.isfinite(array).all()
    assert "nan" not in str(changed.facts)


@pytest.mark.parametrize("key", ALONE)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_few_points_are_worked_on_or_refused(key: str, count: int) -> None:
    cloud = Cloud(np.random.default_rng(count).uniform(0, 1, (count, 3)))
    operation = REGISTRY[key]
    try:
        assert len(operation.apply(cloud, operation.options(), Context()).cloud) > 0
    except InvalidInput as error:
        assert error.action  # noqa: PT017 - either answer is right


@pytest.mark.gpu
def test_the_tensor_operations_on_a_gpu_agree_with_the_cpu(table: Cloud) -> None:
    import open3d as o3d

    if not o3d.core.cuda.is_available():
        pytest.skip("Open3D sees no CUDA device")
    steps: list[tuple[str, dict[str, Any]]] = [
        ("crop", {"z_min": -0.1}),
        ("voxel", {"size": 0.02}),
        ("statistical", {}),
        ("radius", {}),
        ("normals", {}),
        ("orient", {}),
    ]
    made: list[Cloud] = []
    for device in ("CPU:0", "CUDA:0"):
        cloud = table
        for op, options in steps:
            cloud = take(cloud, op, Context(device), **options).cloud
        made.append(cloud)
    assert len(made[0]) == len(made[1])
    np.testing.assert_allclose(made[0].points, made[1].points, atol=1e-5)
