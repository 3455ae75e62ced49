"""What is true of a scan beside what was found in it: planes, clusters, dimensions, and clouds of pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.options import ReadOptions
from demos.point_clouds.rgbd import rgbd_cloud
from demos.point_clouds.scenes import Scan, dimensions_m, new_scan
from demos.point_clouds.shapes import Box, Plane
from demos.point_clouds.truth import compare, compare_picture, known_picture, owners, standing
from tabletop.pictures import scene_picture
from tabletop.render import render
from tabletop.sampling import FOV_DEG, sample_scene
from tabletop.solids import pose
from tabletop.world import TEST_SEEDS

SEED = TEST_SEEDS[1]  # a small cylinder, a small cone and a large sphere
UP = np.array([0.0, 0.0, 1.0])


@pytest.fixture(scope="module")
def scan() -> Scan:
    return new_scan(SEED)


def labelled(scan: Scan) -> Cloud:
    """The scan with the labels of perfect clusters: the table none, solid k cluster k."""
    return Cloud(scan.points, labels=scan.ids.astype(np.int32) - 1)


def boxes(scan: Scan, grown: float = 1.0) -> list[Box]:
    """The solids' true boxes, `grown` times as large."""
    made = []
    for label, solid in enumerate(scan.scene.solids):
        axes = pose(solid)[0] / np.linalg.norm(pose(solid)[0][:, 0])
        size = grown * np.array(dimensions_m(solid))
        made.append(Box(pose(solid)[1] + UP * size[2] / 2, axes, size, label, "cluster"))
    return made


def table(normal: tuple[float, float, float] = (0, 0, 1), offset: float = 0.0) -> Plane:
    direction = np.array(normal, float)
    return Plane(direction / np.linalg.norm(direction), offset, np.zeros((0, 3)), 0, "plane")


def test_perfect_clusters_are_all_their_own_and_their_boxes_right(scan: Scan) -> None:
    report = compare(scan, labelled(scan), boxes(scan))
    assert report.all_own
    assert [solid.cluster for solid in report.solids] == [0, 1, 2]
    assert max(solid.error or 0 for solid in report.solids) < 1e-9
    assert report.sentence == "3 of 3 solids are a cluster of their own. Their dimensions are right to 0.0 %."
    grown = compare(scan, labelled(scan), boxes(scan, 1.03))
    assert [solid.error for solid in grown.solids] == pytest.approx([0.03] * 3)


def test_two_solids_in_one_cluster_are_neither_their_own(scan: Scan) -> None:
    cloud = labelled(scan)
    assert cloud.labels is not None
    cloud.labels[cloud.labels == 1] = 0
    report = compare(scan, cloud, [box for box in boxes(scan) if box.label != 1])
    assert [solid.cluster for solid in report.solids] == [-1, -1, 2]
    assert not report.all_own
    assert report.strays == 1
    assert "1 of 3 solids" in report.sentence
    assert "1 cluster is no solid" in report.sentence


def test_a_solid_in_two_clusters_and_a_piece_of_table_are_told(scan: Scan) -> None:
    cloud = labelled(scan)
    assert cloud.labels is not None
    cloud.labels[(cloud.labels == 2) & (scan.points[:, 2] > 0.05)] = 3
    cloud.labels[np.nonzero(scan.ids == 0)[0][:500]] = 4
    extra = [Box(np.zeros(3), np.eye(3), np.ones(3), label, "cluster") for label in (3, 4)]
    report = compare(scan, cloud, [*boxes(scan), *extra])
    assert [solid.cluster for solid in report.solids] == [0, 1, -1]
    assert report.strays == 3


def test_the_plane_is_compared_with_the_table_in_millimetres_and_degrees(scan: Scan) -> None:
    tilted = (0.0, np.sin(np.radians(2)), np.cos(np.radians(2)))
    report = compare(scan, Cloud(scan.points), [table(tilted, 0.003)])
    assert report.plane is not None
    assert report.plane.distance_mm == pytest.approx(3)
    assert report.plane.angle_deg == pytest.approx(2)
    assert report.solids == ()
    upside_down = compare(scan, Cloud(scan.points), [table((0, 0, -1), -0.001)])
    assert upside_down.plane is not None
    assert upside_down.plane.angle_deg == pytest.approx(0)


def test_a_cloud_with_its_origin_subtracted_is_compared_in_the_scene(scan: Scan) -> None:
    origin = np.array([0.0, 0.0, 5.0])
    cloud = Cloud(scan.points - origin, labels=labelled(scan).labels, origin=origin)
    report = compare(scan, cloud, [*boxes(scan), table(offset=5.0)])
    assert report.all_own
    assert report.plane is not None
    assert report.plane.distance_mm == pytest.approx(0, abs=1e-9)


def test_facts_are_rows_and_one_table(scan: Scan) -> None:
    facts = compare(scan, labelled(scan), [*boxes(scan), table()]).facts
    assert facts["table off by mm"] == 0
    assert facts["clusters that are no solid"] == 0
    assert [row["solid"] for row in facts["solids"]] == [
        f"{solid.size} {solid.colour} {solid.shape}" for solid in scan.scene.solids
    ]
    assert compare(scan, labelled(scan), []).facts == {}


def test_points_belong_to_the_solid_they_were_scanned_from(scan: Scan) -> None:
    high = scan.points[:, 2] > 0.003
    np.testing.assert_array_equal(owners(scan.scene, scan.points[high]), scan.ids[high])


def test_a_box_that_lies_askew_is_read_by_length() -> None:
    turn = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    assert standing(Box(np.zeros(3), turn, np.array([3.0, 1.0, 2.0]), 0, "")) == (1, 2, 3)
    assert standing(Box(np.zeros(3), np.eye(3)[:, [2, 0, 1]], np.array([3.0, 2.0, 1.0]), 0, "")) == (1, 2, 3)


def test_a_picture_is_known_only_while_its_pixels_are_the_scenes() -> None:
    picture = scene_picture(SEED, 64)
    assert known_picture(picture) == SEED
    changed = picture.copy()
    changed.putpixel((3, 3), (1, 2, 3))
    assert changed.info == picture.info
    assert known_picture(changed) is None
    assert known_picture(Image.new("RGB", (64, 64))) is None


def test_a_cloud_of_the_exact_depth_has_a_chamfer_distance_of_nearly_nothing() -> None:
    size, scene = 128, sample_scene(SEED)
    depth = render(scene, size, supersample=1).depth_m
    made = rgbd_cloud(None, depth, ReadOptions(field_of_view_deg=FOV_DEG, depth_scale=1.0))
    exact = compare_picture(SEED, size, made.cloud).chamfer_mm
    assert exact is not None
    assert exact < 0.05  # but for the pixels of grazing surfaces that are left out
    farther = Cloud(made.cloud.points * 1.02, unit="m")
    off = compare_picture(SEED, size, farther).chamfer_mm
    assert off is not None
    assert 5 < off < 40
