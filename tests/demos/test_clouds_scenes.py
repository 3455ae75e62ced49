"""Scans of New scene: exact but for their noise, the same every time, and the same again once written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open3d as o3d
import pytest

from demos.point_clouds import scenes
from demos.point_clouds.cloud import Cloud
from demos.point_clouds.scenes import REACH_M, Scan, dimensions_m, new_scan, scan_named, seen_from_camera, write_scan
from demos.point_clouds.truth import known
from tabletop.camera import project, world_to_camera
from tabletop.casting import TABLE
from tabletop.sampling import sample_scene
from tabletop.solids import footprint_radius_m, pose, unit_mesh
from tabletop.world import TEST_SEEDS

SEED = TEST_SEEDS[2]  # a large torus and a large cylinder
SIX_SIGMA = 6


@pytest.fixture(scope="module")
def scan() -> Scan:
    return new_scan(SEED)


def test_the_same_seed_gives_the_same_points_and_another_noise_others(scan: Scan) -> None:
    again = scenes._scan.__wrapped__(SEED, round(scan.noise_m * 1e6))
    assert again.points.tobytes() == scan.points.tobytes()
    assert again.colours.tobytes() == scan.colours.tobytes()
    noisier = scenes._scan.__wrapped__(SEED, 500)
    rough, smooth = (np.abs(one.points[one.ids == TABLE, 2]).max() for one in (noisier, scan))
    assert rough > 5 * smooth


def test_every_point_lies_on_what_its_id_says_up_to_the_noise(scan: Scan) -> None:
    assert np.abs(scan.points[scan.ids == TABLE, 2]).max() < SIX_SIGMA * scan.noise_m
    for number, solid in enumerate(scan.scene.solids, start=TABLE + 1):
        vertices, faces = unit_mesh(solid.shape)
        turn, foot = pose(solid)
        caster = o3d.t.geometry.RaycastingScene(nthreads=1)
        caster.add_triangles((vertices @ turn.T + foot).astype(np.float32), faces)
        points = scan.points[scan.ids == number]
        assert len(points) > 1000
        assert caster.compute_distance(points.astype(np.float32)).numpy().max() < SIX_SIGMA * scan.noise_m


def test_extents_of_the_points_are_the_true_dimensions_within_a_percent(scan: Scan) -> None:
    for number, solid in enumerate(scan.scene.solids, start=TABLE + 1):
        points = scan.points[scan.ids == number] - pose(solid)[1]
        turned = points @ (pose(solid)[0] / np.linalg.norm(pose(solid)[0][:, 0]))
        width, length, height = dimensions_m(solid)
        assert np.ptp(turned[:, 0]) == pytest.approx(width, rel=0.01)
        assert np.ptp(turned[:, 1]) == pytest.approx(length, rel=0.01)
        assert turned[:, 2].max() == pytest.approx(height, rel=0.01)


def test_all_solids_of_the_test_scenes_stand_within_reach() -> None:
    for seed in TEST_SEEDS[:300]:
        for solid in sample_scene(seed).solids:
            assert np.hypot(solid.x_m, solid.y_m) + footprint_radius_m(solid) < REACH_M


def test_a_written_scan_is_read_by_open3d_and_recognised(scan: Scan, tmp_path: Path) -> None:
    path = tmp_path / "scan.ply"
    write_scan(path, scan)
    header = path.read_bytes().split(b"end_header")[0].decode("ascii")
    comments = [line.removeprefix("comment ") for line in header.splitlines() if line.startswith("comment ")]
    read = o3d.io.read_point_cloud(str(path))
    cloud = Cloud(np.asarray(read.points), np.rint(np.asarray(read.colors) * 255).astype(np.uint8))
    np.testing.assert_array_equal(cloud.points, scan.points)
    np.testing.assert_array_equal(cloud.colours, scan.colours)
    found = known(cloud, comments)
    assert found is not None
    assert found.scene == scan.scene


def test_a_cloud_is_no_scan_because_its_comment_says_so(scan: Scan) -> None:
    comments = [f"tabletop-seed {SEED}", f"tabletop-noise-um {round(scan.noise_m * 1e6)}"]
    moved = scan.points.copy()
    moved[0, 0] += 0.001
    assert known(Cloud(scan.points.round(5)), comments) is scan_named(comments)
    assert known(Cloud(moved), comments) is None
    assert known(Cloud(scan.points[1:]), comments) is None
    assert known(Cloud(scan.points), comments[:1]) is None
    shifted = Cloud(scan.points - [1, 2, 3], origin=np.array([1.0, 2.0, 3.0]))
    assert known(shifted, comments) is not None


def test_what_the_camera_sees_lies_on_its_pixels() -> None:
    size, scene = 64, sample_scene(SEED)
    x, away, up = seen_from_camera(SEED, size).points.T
    local = np.stack([x, -up, away], axis=1)
    transform = world_to_camera(scene.camera)
    world = (local - transform[:3, 3]) @ transform[:3, :3]
    pixels, depths = project(scene.camera, world, size)
    assert np.abs(pixels - pixels.round()).max() < 1e-3
    assert len({(int(u), int(v)) for u, v in pixels.round()}) == len(local)
    np.testing.assert_allclose(depths, away, atol=1e-6)
