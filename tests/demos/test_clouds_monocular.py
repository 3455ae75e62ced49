"""Clouds from pictures: exact depth comes back exactly, edges make no curtains, and bad pairs are refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from demos.point_clouds.models import MODELS
from demos.point_clouds.monocular import PictureDepth
from demos.point_clouds.options import ReadOptions
from demos.point_clouds.rgbd import GRAZING_DEG, Intrinsics, Pictured, parse_intrinsics, rgbd_cloud, unproject
from demos.point_clouds.truth import compare_picture
from hub.depth import DepthEstimator
from hub.depth_cards import SKY_FROM_M
from hub.errors import InvalidInput
from tabletop.pictures import scene_picture
from tabletop.render import render
from tabletop.sampling import FOV_DEG, sample_scene
from tabletop.world import TEST_SEEDS

SEED = TEST_SEEDS[1]
SIZE = 128
METRES = ReadOptions(field_of_view_deg=FOV_DEG, depth_scale=1.0)
CAMERA = Intrinsics(100.0, 100.0, 49.5, 39.5)
WALL = np.full((80, 100), 2.0)
HEAD = "import numpy as np\nimport open3d as o3d\no3c = o3d.core\n"


def run(made: Pictured, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the script of a cloud in a folder that holds its pictures; return its cloud."""
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(HEAD + "\n".join(made.code), names)
    assert not names["origin"].any()
    return names["cloud"]


def assert_same(cloud: Any, made: Pictured) -> None:
    np.testing.assert_array_equal(cloud.point.positions.numpy(), made.cloud.points)
    for name, expected in (("colors", made.cloud.colours), ("normals", made.cloud.normals)):
        assert (name in cloud.point) == (expected is not None)
        if expected is not None:
            np.testing.assert_array_equal(cloud.point[name].numpy(), expected)


@pytest.fixture(scope="module")
def tabletop() -> PictureDepth:
    card = next(card for card in MODELS if card.ships_weights)
    return PictureDepth(card, DepthEstimator(card.folder, "cpu", torch.float32))


def test_the_embedded_model_makes_a_cloud_near_the_truth_without_the_sky(tabletop: PictureDepth) -> None:
    made = tabletop(scene_picture(SEED, SIZE), ReadOptions())
    chamfer = compare_picture(SEED, SIZE, made.cloud).chamfer_mm
    assert chamfer is not None
    assert chamfer < 40
    assert np.nanmax(made.depth_m) <= SKY_FROM_M
    assert len(made.cloud) < SIZE * SIZE
    assert "34 degrees" in made.facts["camera"]
    assert any("sky" in note for note in made.notes)
    assert made.cloud.normals is not None
    assert np.median(made.cloud.normals[:, 2]) > 0.8  # most of the picture is table, seen from above


def test_the_embedded_model_warns_of_pictures_that_are_not_square(tabletop: PictureDepth) -> None:
    wide = scene_picture(SEED, SIZE).crop((0, 30, SIZE, 110))
    assert any("square" in note for note in tabletop(wide, ReadOptions()).notes)


def test_its_script_makes_the_same_cloud(
    tabletop: PictureDepth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = scene_picture(SEED, SIZE)
    picture.save(tmp_path / "picture.png")
    (tmp_path / "assets").symlink_to(Path(__file__).resolve().parents[2] / "assets")
    made = tabletop(picture, ReadOptions())
    assert_same(run(made, tmp_path, monkeypatch), made)


def test_the_exact_depth_of_a_scene_becomes_its_points() -> None:
    view = render(sample_scene(SEED), SIZE, supersample=1)
    made = rgbd_cloud(Image.fromarray(view.rgb), view.depth_m, METRES)
    chamfer = compare_picture(SEED, SIZE, made.cloud).chamfer_mm
    assert chamfer is not None
    assert chamfer < 0.05
    assert made.cloud.colours is not None
    kept = np.isfinite(made.depth_m)
    np.testing.assert_array_equal(made.cloud.colours, view.rgb[kept])
    assert made.cloud.normals is None


def test_a_wall_is_kept_whole_and_faces_the_camera() -> None:
    made = unproject(WALL, None, CAMERA, farthest_m=10, with_normals=True)
    assert len(made.cloud) == WALL.size
    np.testing.assert_allclose(made.cloud.points[:, 1], 2)
    np.testing.assert_allclose(np.ptp(made.cloud.points[:, 0]), 99 * 2 / 100)
    assert made.cloud.points[0, 0] < 0 < made.cloud.points[0, 2]  # the first pixel is to the left, and up
    assert made.cloud.normals is not None
    np.testing.assert_allclose(made.cloud.normals, np.tile([0, -1, 0], (WALL.size, 1)), atol=1e-6)
    assert made.notes == ()


def test_pixels_between_a_thing_and_what_is_behind_are_left_out_and_counted() -> None:
    depth = WALL.copy()
    depth[:, 30:] = 1.0
    sharp = unproject(depth, None, CAMERA, farthest_m=10)
    assert len(sharp.cloud) == depth.size
    depth[:, 28:32] = [1.8, 1.6, 1.4, 1.2]
    trailing = unproject(depth, None, CAMERA, farthest_m=10)
    assert np.isnan(trailing.depth_m[:, 28:32]).all()
    assert np.isfinite(trailing.depth_m[:, [26, 33]]).all()
    left_out = depth.size - len(trailing.cloud)
    assert any(f"{left_out:,} pixels at the edges" in note for note in trailing.notes)


def test_a_floor_is_kept_as_far_as_it_is_seen_at_five_degrees() -> None:
    rows, columns = np.indices(WALL.shape)
    down, across = (rows - CAMERA.cy) / CAMERA.fy, (columns - CAMERA.cx) / CAMERA.fx
    depth = np.where(down > 0, 1.2 / np.maximum(down, 1e-9), np.nan)  # the camera is 1.2 m above the floor
    made = unproject(depth, None, CAMERA, farthest_m=1000, with_normals=True)
    sine = down / np.sqrt(1 + down**2 + across**2)
    np.testing.assert_array_equal(np.isfinite(made.depth_m), sine >= math.sin(math.radians(GRAZING_DEG)))
    np.testing.assert_allclose(made.cloud.points[:, 2], -1.2)
    assert made.cloud.normals is not None
    np.testing.assert_allclose(made.cloud.normals, np.tile([0, 0, 1], (len(made.cloud), 1)), atol=1e-6)


def test_unknown_and_far_pixels_are_left_out() -> None:
    depth = np.full((40, 50), 1500.0, np.float32)
    depth[:5], depth[5:8], depth[8:10] = 0, np.nan, -3
    depth[30:] = 9000
    made = rgbd_cloud(None, depth, ReadOptions(farthest_m=5.0))
    assert np.isfinite(made.depth_m[10:30]).all()
    assert len(made.cloud) == 20 * 50
    assert any("500 pixels farther than 5 m" in note for note in made.notes)
    with pytest.raises(InvalidInput, match="depth units"):
        rgbd_cloud(None, depth, ReadOptions(depth_scale=0.01))


@pytest.mark.parametrize("size", [(200, 160), (50, 40), (100, 80)])
def test_colours_of_another_size_are_resized_to_the_depth(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Image.new("RGB", size, (200, 30, 30))
    picture.paste((30, 30, 200), (size[0] // 2, 0, *size))
    depth = np.full((80, 100), 1000, np.uint16)
    made = rgbd_cloud(picture, depth, ReadOptions())
    assert made.cloud.colours is not None
    left = made.cloud.points[:, 0] < -0.02
    assert (made.cloud.colours[left] == [200, 30, 30]).all()
    assert any("resized" in note for note in made.notes) == (size != (100, 80))
    picture.save(tmp_path / "picture.png")
    Image.fromarray(depth).save(tmp_path / "depth.png")
    assert_same(run(made, tmp_path, monkeypatch), made)


def test_a_pair_that_does_not_show_the_same_is_refused() -> None:
    with pytest.raises(InvalidInput, match="same view"):
        rgbd_cloud(Image.new("RGB", (1920, 1080)), np.ones((480, 640)), METRES)


def test_intrinsics_are_four_numbers_or_json_scaled_to_the_picture() -> None:
    assert parse_intrinsics("500, 510 ;319.5 239.5", 640, 480) == Intrinsics(500, 510, 319.5, 239.5)
    large = {"fx": 1000, "fy": 1000, "cx": 639.5, "cy": 479.5, "width": 1280, "height": 960}
    assert parse_intrinsics(json.dumps(large), 640, 480) == Intrinsics(500, 500, 319.5, 239.5)
    view = render(sample_scene(SEED), SIZE, supersample=1).intrinsics
    camera = Intrinsics.from_field_of_view(FOV_DEG, SIZE, SIZE)
    assert (camera.fx, camera.cx) == pytest.approx((view[0, 0], view[0, 2]))


@pytest.mark.parametrize(
    "text",
    [
        "500, 500, 320",
        "a, b, c, d",
        "{",
        "[1, 2]",
        '{"fx": 1}',
        '{"fx": null, "fy": 1, "cx": 1, "cy": 1}',
        "0, 500, 320, 240",
        "nan, 500, 320, 240",
        "500, inf, 320, 240",
        "500, 500, 2000, 240",
        '{"fx": 500, "fy": 500, "cx": 320, "cy": 240, "width": 100, "height": 480}',
        '{"fx": 500, "fy": 500, "cx": 320, "cy": 240, "width": 0, "height": 0}',
    ],
)
def test_intrinsics_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"intrinsics|focal length|principal point"):
        parse_intrinsics(text, 640, 480)
