"""Planes, clusters and measurements, each against clouds of which the answer is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.flat import largest_plane, smallest_box
from demos.point_clouds.operations.operation import Changed, Context
from demos.point_clouds.scenes import new_scan
from demos.point_clouds.shapes import Box, Plane, Segment
from demos.point_clouds.truth import compare
from tabletop.world import VALIDATION_SEEDS
from tests.demos.clouds import BOXES, ball_mesh, grid, refusal, table_with_things, take


@pytest.fixture(scope="module")
def table() -> Cloud:
    return table_with_things()


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
    split = Cloud(
        mesh.points[mesh.triangles.ravel()], triangles=np.arange(mesh.triangles.size, dtype=np.int32).reshape(-1, 3)
    )
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
