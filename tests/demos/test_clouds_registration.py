"""A second cloud brought to the first: two views of a real scan, far apart at first, and flat things."""

from __future__ import annotations

from pathlib import Path

import gradio
import numpy as np
import open3d as o3d
import pytest

from demos.point_clouds.cloud import F64, Cloud
from demos.point_clouds.operations.operation import Changed, Context
from demos.point_clouds.operations.registration import RegisterOptions, register
from hub.errors import InvalidInput
from tests.demos.example_clouds import views as table_views

BUNNY = Path(gradio.__file__).parent / "media_assets" / "models3d" / "Bunny.obj"  # the Stanford bunny, reduced
SHARE = 0.7  # of the points that each of two views keeps
TURN_DEG = 60.0


def rigid(rng: np.random.Generator, degrees: float, shift: float) -> F64:
    """A turn of `degrees` about a random axis through the origin, then a random shift of this length."""
    axis, way = (vector / np.linalg.norm(vector) for vector in rng.normal(size=(2, 3)))
    transform = np.eye(4)
    transform[:3, :3] = o3d.geometry.get_rotation_matrix_from_axis_angle(axis * np.radians(degrees))
    transform[:3, 3] = shift * way
    return transform


def moved(points: F64, transform: F64) -> F64:
    return points @ transform[:3, :3].T + transform[:3, 3]


@pytest.fixture(scope="module")
def views() -> tuple[F64, F64]:
    """What is seen of the bunny from the left and from the right, each of points of its own, size about 1."""
    mesh = o3d.io.read_triangle_mesh(str(BUNNY))
    mesh.translate(-mesh.get_center()).scale(5.0, center=np.zeros(3))
    o3d.utility.random.seed(3)
    left, right = (np.array(mesh.sample_points_uniformly(8000).points) for _ in range(2))
    return (
        left[left[:, 0] < np.quantile(left[:, 0], SHARE)],
        right[right[:, 0] > np.quantile(right[:, 0], 1 - SHARE)],
    )


def registered(first: Cloud, second: Cloud, **options: object) -> Changed:
    return register(first, RegisterOptions(**options), Context(other=lambda: second))  # type: ignore[arg-type]


def off_by(found: Changed, true: np.ndarray) -> tuple[float, float]:
    """How far the transform found is from the true one: degrees, and the length of the shift."""
    between = np.array(found.facts["transform"]) @ np.linalg.inv(true)
    cosine = (np.trace(between[:3, :3]) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))), float(np.linalg.norm(between[:3, 3]))


@pytest.mark.parametrize("coarse", ["RANSAC", "fast global"])
def test_two_views_of_a_scan_come_together_from_60_degrees(views: tuple[F64, F64], coarse: str) -> None:
    turn = rigid(np.random.default_rng(1), TURN_DEG, 0.7)
    found = registered(Cloud(views[0]), Cloud(moved(views[1], turn)), coarse=coarse)
    degrees, shift = off_by(found, np.linalg.inv(turn))
    assert degrees < 1
    assert shift < 0.01
    assert found.facts["fitness"] > 0.5
    assert found.facts["rmse"] < found.facts["voxel"]
    assert found.facts["rotation in degrees"] == pytest.approx(TURN_DEG, abs=1)
    assert found.notes == ()
    assert len(found.cloud) == len(views[0]) + len(views[1])
    np.testing.assert_allclose(found.cloud.points[len(views[0]) :], views[1], atol=0.03)


def test_the_fine_fit_is_finer_than_the_voxels_of_the_guess() -> None:
    (first, _, first_pose), (second, _, second_pose) = table_views()
    found = registered(Cloud(first), Cloud(second))
    true = np.linalg.inv(first_pose) @ second_pose
    away = moved(second, np.array(found.facts["transform"])) - moved(second, true)
    assert np.linalg.norm(away, axis=1).mean() < found.facts["voxel"] / 20


def test_the_same_seed_gives_the_same_transform(views: tuple[F64, F64]) -> None:
    second = Cloud(moved(views[1], rigid(np.random.default_rng(2), TURN_DEG, 0.5)))
    first, again = (registered(Cloud(views[0]), second, seed=5) for _ in range(2))
    np.testing.assert_allclose(first.cloud.points, again.cloud.points, atol=1e-9, rtol=0)


def test_the_transform_is_of_the_files_coordinates(views: tuple[F64, F64]) -> None:
    turn = rigid(np.random.default_rng(3), 5, 0.01)
    origin = np.array([1000.0, 2000.0, 50.0])
    second = Cloud(moved(views[0], turn), origin=origin)
    found = registered(Cloud(views[0], origin=origin), second, coarse="none", result="the second cloud")
    in_file = moved(second.points + origin, np.array(found.facts["transform"]))
    np.testing.assert_allclose(in_file, found.cloud.points + origin, atol=1e-8)
    np.testing.assert_allclose(found.cloud.points, views[0], atol=1e-3)


def test_colours_hold_in_place_what_is_flat() -> None:
    rng = np.random.default_rng(0)
    flat = np.concatenate([rng.random((20_000, 2)), np.zeros((20_000, 1))], axis=1)
    wave = 0.5 + 0.25 * np.sin(11 * flat[:, 0]) + 0.25 * np.sin(14 * flat[:, 1])
    colours = np.repeat((255 * wave).astype(np.uint8)[:, None], 3, axis=1)
    slid = np.array([0.02, -0.015, 0.0])
    first, second = Cloud(flat, colours), Cloud(flat + slid, colours)
    with pytest.raises(InvalidInput, match="slide along themselves"):
        registered(first, second, coarse="none")
    coloured = registered(first, second, coarse="none", fine="coloured", result="the second cloud")
    assert np.abs(coloured.cloud.points - flat).max() < 0.003


def test_the_result_has_the_colours_and_normals_that_were_asked_for(views: tuple[F64, F64]) -> None:
    upward = np.tile(np.array([0, 0, 1], np.float32), (len(views[0]), 1))
    own = np.full((len(views[0]), 3), 9, np.uint8)
    first, second = Cloud(views[0], own, upward), Cloud(views[0], normals=upward)
    painted = registered(first, second, coarse="none", fine="none").cloud
    assert painted.colours is not None
    assert len(np.unique(painted.colours, axis=0)) == 2
    assert painted.normals is not None
    kept = registered(first, second, coarse="none", fine="none", paint="their own colours").cloud
    assert kept.colours is not None
    assert sorted(np.unique(kept.colours[:, 0])) == [9, 160]
    alone = registered(first, second, coarse="none", result="the second cloud", paint="their own colours").cloud
    assert len(alone) == len(second)


def test_what_does_not_come_together_is_told(views: tuple[F64, F64]) -> None:
    away = Cloud(views[1] + 10)
    found = registered(Cloud(views[0]), away, coarse="none")
    assert found.facts["fitness"] == 0
    assert any("overlap little" in note for note in found.notes)


def test_clouds_that_cannot_be_registered_are_refused(views: tuple[F64, F64]) -> None:
    cloud = Cloud(views[0])
    with pytest.raises(InvalidInput, match="second cloud"):
        register(cloud, RegisterOptions(), Context())
    with pytest.raises(InvalidInput, match="too few"):
        registered(cloud, Cloud(views[0][:20]))
    with pytest.raises(InvalidInput, match="one place"):
        registered(cloud, Cloud(np.ones((100, 3))))
    with pytest.raises(InvalidInput, match="has none"):
        registered(cloud, cloud, fine="coloured")
    with pytest.raises(InvalidInput, match="smaller voxel"):
        registered(cloud, cloud, voxel=5.0)
    with pytest.raises(InvalidInput, match="larger voxel"):
        registered(cloud, cloud, voxel=1e-6)
