from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tabletop.camera import project
from tabletop.casting import SKY, TABLE, TABLE_RADIUS_M
from tabletop.render import View, render
from tabletop.sampling import sample_scene
from tabletop.shading import COLOUR_SRGB, TINT_SRGB
from tabletop.world import COLOURS, TINTS, WIDTH_M, Scene, Solid

ROOT = Path(__file__).parents[2]


def digest(view: View) -> str:
    parts = (view.rgb, view.depth_m, view.normals, view.ids)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def world_points(view: View) -> np.ndarray:
    """Back-project every pixel: (S, S, 3), metres; not finite for the sky."""
    size = len(view.ids)
    columns, rows = np.meshgrid(np.arange(size), np.arange(size))
    rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(view.intrinsics).T
    rotation, translation = view.world_to_camera[:3, :3], view.world_to_camera[:3, 3]
    with np.errstate(invalid="ignore"):
        return (rays * view.depth_m[..., None] - translation) @ rotation


@pytest.fixture(scope="module")
def scene() -> Scene:
    return sample_scene(4, 5)


@pytest.fixture(scope="module")
def view(scene: Scene) -> View:
    return render(scene, size=256)


def test_a_view_has_the_promised_shapes_and_types(view: View) -> None:
    for part, shape, dtype in (
        (view.rgb, (256, 256, 3), "uint8"),
        (view.depth_m, (256, 256), "float32"),
        (view.normals, (256, 256, 3), "float32"),
        (view.ids, (256, 256), "int16"),
    ):
        assert part.shape == shape
        assert str(part.dtype) == dtype
    assert view.intrinsics.shape == (3, 3)
    assert view.world_to_camera.shape == (4, 4)


def test_the_same_scene_gives_the_same_bytes(scene: Scene, view: View) -> None:
    assert digest(render(scene, size=256)) == digest(view)


def test_another_process_held_to_one_thread_gives_the_same_bytes() -> None:
    script = (
        "from tabletop.render import render; from tabletop.sampling import sample_scene; "
        "from tests.tabletop.test_render import digest; "
        "print(*(digest(render(sample_scene(seed), 128)) for seed in (1, 2, 1_000_000)))"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == [digest(render(sample_scene(seed), 128)) for seed in (1, 2, 1_000_000)]


def test_one_picture_does_not_depend_on_the_ones_before_it(scene: Scene, view: View) -> None:
    for seed in range(3):
        render(sample_scene(seed), size=64)
    assert digest(render(scene, size=256)) == digest(view)


@pytest.mark.parametrize(("size", "supersample"), [(63, 2), (1025, 2), (128, 0), (128, 5)])
def test_a_size_out_of_range_is_refused(scene: Scene, size: int, supersample: int) -> None:
    with pytest.raises(ValueError, match="expected a"):
        render(scene, size, supersample)


@pytest.mark.parametrize("supersample", [1, 2, 3, 4])
def test_supersampling_changes_the_colours_but_not_the_truth(scene: Scene, supersample: int) -> None:
    one, other = render(scene, 64, supersample), render(scene, 64, 2)
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_array_equal(one.depth_m, other.depth_m)
    assert np.abs(one.rgb.astype(float) - other.rgb).mean() < 2


def test_sky_table_and_solids_are_all_there(scene: Scene, view: View) -> None:
    assert set(np.unique(view.ids)) == {SKY, TABLE, *range(1, len(scene.solids) + 1)}
    assert np.isinf(view.depth_m[view.ids == SKY]).all()
    assert np.isfinite(view.depth_m[view.ids != SKY]).all()
    assert (view.ids[0] == SKY).all(), "the wall closes the picture at the top"
    assert (view.ids[-1] == TABLE).all(), "the table fills it at the bottom"


def test_table_pixels_back_project_onto_the_round_table(view: View) -> None:
    points = world_points(view)[view.ids == TABLE]
    np.testing.assert_allclose(points[:, 2], 0, atol=1e-5)
    assert np.hypot(points[:, 0], points[:, 1]).max() <= TABLE_RADIUS_M + 1e-4


def test_sphere_pixels_back_project_onto_the_sphere(scene: Scene) -> None:
    for size in ("small", "large"):
        radius = WIDTH_M[size] / 2
        view = render(replace(scene, solids=(Solid("sphere", "blue", size, 0.02, -0.03, 0.4),)), size=256)
        there = view.ids == 1
        centre = np.array([0.02, -0.03, radius])
        points, normals = world_points(view)[there], view.normals[there]
        np.testing.assert_allclose(np.linalg.norm(points - centre, axis=1), radius, atol=1e-4)
        np.testing.assert_allclose(normals, (points - centre) / radius, atol=5e-3)


@pytest.mark.parametrize("shape", ["cube", "cylinder", "cone", "torus"])
def test_normals_agree_with_the_slope_of_the_depth(scene: Scene, shape: str) -> None:
    view = render(replace(scene, solids=(Solid(shape, "green", "large", 0.0, -0.1, 0.5),)), size=512)
    points = world_points(view)
    with np.errstate(invalid="ignore"):
        across, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
        slope = np.cross(down, across)
        slope /= np.linalg.norm(slope, axis=-1, keepdims=True)
    agreement = (slope * view.normals[1:-1, 1:-1]).sum(axis=-1)[view.ids[1:-1, 1:-1] == 1]
    assert np.median(agreement) > 0.999
    assert (agreement > 0.97).mean() > 0.85  # all but the pixels at an edge


def test_normals_have_unit_length_and_face_the_camera(scene: Scene, view: View) -> None:
    np.testing.assert_array_equal(view.normals[view.ids == SKY], 0)
    np.testing.assert_allclose(np.linalg.norm(view.normals[view.ids != SKY], axis=-1), 1, atol=1e-5)
    towards = np.array(scene.camera.position_m) - world_points(view)[view.ids > TABLE]
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    assert (view.normals[view.ids > TABLE] * towards).sum(axis=1).min() > -0.05  # a facet at the rim may just turn away


def test_a_solid_appears_where_the_camera_projects_it(scene: Scene) -> None:
    for solid in scene.solids:
        view = render(replace(scene, solids=(solid,)), size=256)
        rows, columns = np.nonzero(view.ids == 1)
        pixels, _ = project(scene.camera, np.array([[solid.x_m, solid.y_m, 0.02]]), size=256)
        assert columns.min() < pixels[0, 0] < columns.max()
        assert rows.min() < pixels[0, 1] < rows.max()


@pytest.mark.parametrize("size", [64, 128, 512])
def test_every_size_shows_the_same_content(scene: Scene, view: View, size: int) -> None:
    other = render(scene, size)
    for number in (SKY, TABLE, *range(1, len(scene.solids) + 1)):
        assert (other.ids == number).mean() == pytest.approx((view.ids == number).mean(), rel=0.15, abs=2e-3)
    means = [
        picture.astype(float).reshape(64, len(picture) // 64, 64, -1, 3).mean(axis=(1, 3))
        for picture in (view.rgb, other.rgb)
    ]
    assert np.abs(means[0] - means[1]).mean() < 1.5


def test_solids_cast_a_shadow_away_from_the_light(scene: Scene) -> None:
    solid = Solid("cylinder", "yellow", "large", 0.0, 0.0, 0.0)
    view = render(replace(scene, solids=(solid,)), size=256)
    empty = render(replace(scene, solids=()), size=256)
    darker = empty.rgb.astype(float).sum(axis=2) - view.rgb.astype(float).sum(axis=2)
    shaded = world_points(view)[(view.ids == TABLE) & (darker > 90)][:, :2]
    assert len(shaded) > 100
    assert shaded.mean(axis=0) @ np.array(scene.light.direction[:2]) < 0


def test_each_colour_is_nearest_to_its_own_name_under_shading(scene: Scene) -> None:
    for colour in COLOURS:
        view = render(replace(scene, tint="grey", solids=(Solid("sphere", colour, "large", 0.0, 0.0, 0.0),)), size=128)
        seen = np.median(view.rgb[view.ids == 1].astype(float), axis=0)
        assert nearest_hue(seen, COLOUR_SRGB) == colour


def test_each_tint_is_nearest_to_its_own_name_and_paler_than_any_solid(scene: Scene) -> None:
    for tint in TINTS:
        view = render(replace(scene, tint=tint, solids=()), size=64)
        seen = np.median(view.rgb[view.ids == TABLE].astype(float), axis=0)
        assert nearest_hue(seen, TINT_SRGB) == tint
        assert saturation(seen) < 0.35 < min(saturation(np.array(rgb, dtype=float)) for rgb in COLOUR_SRGB.values())


def nearest_hue(seen: np.ndarray, names: dict[str, tuple[int, int, int]]) -> str:
    """Return the name whose sRGB is nearest after dividing out the brightness."""
    return min(
        names, key=lambda name: float(np.abs(seen / seen.max() - np.array(names[name]) / max(names[name])).sum())
    )


def saturation(rgb: np.ndarray) -> float:
    return float(1 - rgb.min() / rgb.max())
