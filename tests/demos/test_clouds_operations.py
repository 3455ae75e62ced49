"""The operations on a cloud, each against clouds of which the answer is known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.flat import largest_plane, smallest_box
from demos.point_clouds.operations.operation import Changed, Context
from demos.point_clouds.operations.registry import REGISTRY
from demos.point_clouds.scenes import new_scan
from demos.point_clouds.shapes import Box, Plane, Segment
from demos.point_clouds.truth import compare
from hub.errors import InvalidInput
from hub.options import checked
from tabletop.world import VALIDATION_SEEDS
from tests.demos.clouds import BOXES, ball_mesh, table_with_things


def take(cloud: Cloud, op: str, context: Context | None = None, **options: Any) -> Changed:
    operation = REGISTRY[op]
    return operation.apply(cloud, checked(operation.options, options), context or Context())


def refusal(cloud: Cloud, op: str, **options: Any) -> str:
    with pytest.raises(InvalidInput, match=r".") as refused:
        take(cloud, op, **options)
    assert refused.value.action
    return refused.value.cause


def grid(side: int = 20, spacing: float = 0.1) -> Cloud:
    """Return a flat grid of points, z = 0."""
    x, y = np.meshgrid(np.arange(side) * spacing, np.arange(side) * spacing)
    return Cloud(np.column_stack([x.ravel(), y.ravel(), np.zeros(side * side)]))


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


# --- Planes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tilt_deg", [0.0, 35.0, 90.0])
def test_a_plane_is_found_however_it_lies(tilt_deg: float) -> None:
    tilt = math.radians(tilt_deg)
    turn = np.array([[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]])
    table = table_with_things()
    cloud = replace(table, points=table.points @ turn.T + [0, 0, 0.7], origin=np.array([100.0, 0, 0]))
    changed = take(cloud, "planes")
    (plane,) = changed.shapes
    assert isinstance(plane, Plane)
    np.testing.assert_allclose(plane.normal, turn[:, 2], atol=2e-3)  # towards the things that stand on it
    assert plane.normal @ (turn @ np.zeros(3) + [0, 0, 0.7]) + plane.offset == pytest.approx(0, abs=2e-4)
    row = changed.facts["planes"][0]
    assert row["tilt in degrees"] == pytest.approx(min(tilt_deg, 180 - tilt_deg), abs=0.1)
    assert row["rmse"] == pytest.approx(5e-4, rel=0.1)
    place = cloud.points[changed.cloud.labels == 0].mean(axis=0) + cloud.origin  # the equation is the file's
    assert row["a"] * place[0] + row["b"] * place[1] + row["c"] * place[2] + row["d"] == pytest.approx(0, abs=1e-4)


def test_planes_come_one_after_another_the_largest_first(table: Cloud) -> None:
    changed = take(table, "planes", count=4, share=2)
    rows = changed.facts["planes"]
    assert len(rows) == 4
    assert rows[0]["points"] == max(row["points"] for row in rows) > 4000
    assert changed.cloud.labels is not None
    assert [int((changed.cloud.labels == k).sum()) for k in range(4)] == [row["points"] for row in rows]


def test_removing_a_plane_leaves_what_stands_on_it(table: Cloud) -> None:
    left = take(table, "planes", then="remove").cloud
    assert 4000 < len(left) < 4600
    assert "removing them leaves nothing" in refusal(grid(), "planes", then="remove")
    assert "No plane holds 90 %" in refusal(Cloud(np.random.default_rng(0).normal(size=(500, 3))), "planes", share=90)


def test_a_plane_is_the_same_each_time(table: Cloud) -> None:
    first, second = largest_plane(table.points, 0.0), largest_plane(table.points, 0.0)
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1:] == second[1:]


# --- Clusters ---------------------------------------------------------------------------------------------------------


def _sizes(changed: Changed) -> list[tuple[float, float, float]]:
    rows = sorted(changed.facts["clusters"], key=lambda row: row["height"])
    return [(row["length"], row["width"], row["height"]) for row in rows]


TRUE_SIZES = sorted(((2 * max(h[:2]), 2 * min(h[:2]), 2 * h[2]) for _, h, _ in BOXES), key=lambda size: size[2])


@pytest.mark.parametrize("before", [(), ("planes",), ("planes", "remove")], ids=["alone", "after", "after removal"])
def test_things_on_a_plane_are_measured_from_the_plane(table: Cloud, before: tuple[str, ...]) -> None:
    context = Context()
    cloud = table
    if before:
        found = take(table, "planes", then="remove" if "remove" in before else "label")
        cloud, context = found.cloud, Context(shapes=found.shapes)
    changed = take(cloud, "clusters", context)
    np.testing.assert_allclose(_sizes(changed), TRUE_SIZES, atol=0.006)  # noise of 0.5 mm, spacing of 5
    boxes = [shape for shape in changed.shapes if isinstance(shape, Box)]
    for box in boxes:
        assert abs(box.axes[2, 2]) > 0.99999
        assert box.centre[2] - box.size[2] / 2 == pytest.approx(0, abs=1e-3)
        np.testing.assert_allclose(box.axes.T @ box.axes, np.eye(3), atol=1e-12)
        inside = np.abs((cloud.points[changed.cloud.labels == box.label] - box.centre) @ box.axes)
        assert (inside <= box.size / 2 + 1e-12).all()


def test_without_a_ground_boxes_lie_as_they_are_smallest(table: Cloud) -> None:
    left = take(table, "planes", then="remove").cloud
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    changed = take(replace(left, points=left.points @ turn.T), "clusters", ground="nothing")
    sizes = sorted(sorted((row["length"], row["width"], row["height"])) for row in changed.facts["clusters"])
    np.testing.assert_allclose(sizes, sorted(map(sorted, TRUE_SIZES)), atol=0.008)
    assert not [shape for shape in changed.shapes if isinstance(shape, Plane)]


def test_no_cluster_hundreds_and_nothing_but_a_plane_are_refused(table: Cloud) -> None:
    assert "No cluster has 9,000" in refusal(table, "clusters", least=9000).replace("9000", "9,000")
    assert "lies on the plane" in refusal(grid(), "clusters")
    specks = (grid(25, 1.0).points[:, None] + np.random.default_rng(0).uniform(0, 0.01, (1, 12, 3))).reshape(-1, 3)
    assert "625 clusters" in refusal(Cloud(specks), "clusters", ground="nothing", distance=0.1, least=5)


@pytest.mark.parametrize("seed", [VALIDATION_SEEDS[3], VALIDATION_SEEDS[11]])
def test_solids_of_a_scan_are_found_and_measured_within_two_percent(seed: int) -> None:
    scan = new_scan(seed)
    changed = take(scan.cloud, "clusters")
    report = compare(scan, changed.cloud, changed.shapes)
    assert report.plane is not None
    assert report.plane.distance_mm < 1
    assert report.plane.angle_deg < 0.5
    assert report.all_own
    assert all(solid.error is not None and solid.error < 0.02 for solid in report.solids)


# --- Measure ----------------------------------------------------------------------------------------------------------


def test_the_smallest_box_of_a_turned_box_has_its_edges_the_longest_first() -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    corners = np.array([[x, y, z] for x in (0, 3) for y in (0, 2) for z in (0, 1)], float)
    points = np.concatenate([corners, rng.uniform(0, 1, (500, 3)) * [3, 2, 1]]) @ turn.T
    facts = take(Cloud(points, origin=np.array([5.0, 0, 0])), "box").facts
    np.testing.assert_allclose(facts["smallest box"], [3, 2, 1], atol=1e-6)
    np.testing.assert_allclose(facts["lowest corner"], points.min(axis=0) + np.array([5, 0, 0]))


@pytest.mark.parametrize(
    "points",
    [np.random.default_rng(0).uniform(0, 1, (300, 3)) * [2, 1, 0], np.linspace(0, 1, 9)[:, None] * [1, 1, 1.0]],
    ids=["flat", "a line"],
)
def test_flat_and_straight_clouds_have_a_box_too(points: np.ndarray) -> None:
    _, axes, size = smallest_box(points)
    assert np.isfinite(size).all()
    assert min(size) < 1e-9
    assert np.linalg.norm(size) >= np.linalg.norm(np.ptp(points, axis=0)) * 0.7
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)


def test_the_volume_of_a_closed_mesh_and_why_an_open_one_has_none() -> None:
    mesh = ball_mesh(rings=48)
    closed = take(mesh, "volume").facts
    assert closed["watertight"]
    assert closed["volume"] == pytest.approx(4 / 3 * math.pi, rel=0.01)
    assert closed["surface"] == pytest.approx(4 * math.pi, rel=0.01)
    assert mesh.triangles is not None
    split = Cloud(mesh.points[mesh.triangles.ravel()], triangles=np.arange(mesh.triangles.size).reshape(-1, 3))
    assert take(split, "volume").facts["volume"] == pytest.approx(closed["volume"])
    opened = take(replace(mesh, triangles=mesh.triangles[:-1]), "volume")
    assert not opened.facts["watertight"]
    assert "3 edges have one triangle only" in opened.notes[0]


def test_a_distance_is_between_places_of_the_file() -> None:
    cloud = replace(grid(), origin=np.array([10.0, 0, 0]))
    changed = take(cloud, "distance", ax=10, bx=13, by=4)
    assert changed.facts == {"distance": 5.0, "difference": [3.0, 4.0, 0.0]}
    (segment,) = changed.shapes
    assert isinstance(segment, Segment)
    assert segment.start.tolist() == [0, 0, 0]


# --- All of them ------------------------------------------------------------------------------------------------------

ALONE = [key for key in REGISTRY if key not in {"register", "compare", "volume", "sample", "orient"}]


@pytest.mark.parametrize("key", ALONE)
def test_the_same_step_gives_the_same_bytes(table: Cloud, key: str) -> None:
    thin = take(take(table, "voxel", size=0.02).cloud, "normals").cloud
    options = {"points": 500} if key == "farthest" else {}
    first, second = (take(thin, key, **options).cloud for _ in range(2))
    for name in ("points", "colours", "normals", "triangles", "labels", "values"):
        a, b = getattr(first, name), getattr(second, name)
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a, b)


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
