"""The cards of the point cloud tab, and clouds from each depth model's tiny checkpoint."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from demos.point_clouds.models import FILES, MODELS
from demos.point_clouds.monocular import MOST_PIXELS, PictureDepth, working_size
from demos.point_clouds.options import ReadOptions
from hub.depth import Depth, DepthEstimator
from hub.depth_cards import DEPTH_FAMILY, SINGLE_PICTURE
from hub.errors import InvalidInput
from tests.demos import tiny_stereo
from tests.demos.tiny_depth import save_zoedepth

CARDS = {card.key: card for card in MODELS}
HUB = ("depth-anything-v2-indoor", "depth-pro", "zoedepth")
FAR = ReadOptions(farthest_m=1e6)  # random weights say anything


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PictureDepth]:
    root = tmp_path_factory.mktemp("checkpoints")
    folders = {name: tiny_stereo.save(name, root / name) for name in HUB[:2]}
    folders["zoedepth"] = save_zoedepth(root / "zoedepth")
    return {
        name: PictureDepth(CARDS[name], DepthEstimator(folder, "cpu", torch.float32))
        for name, folder in folders.items()
    }


@pytest.fixture
def picture() -> Image.Image:
    return Image.effect_noise((96, 64), 80).convert("RGB")


def test_files_need_no_weights_and_come_first() -> None:
    assert MODELS[0].group == FILES
    assert MODELS[0].package == "open3d"
    assert all(card.group == SINGLE_PICTURE and card.family == DEPTH_FAMILY for card in MODELS[1:])
    assert [card.key for card in MODELS if card.ships_weights] == ["depth-anything-tabletop"]


def test_a_card_without_a_commit_says_so() -> None:
    for card in MODELS:
        assert card.pinned or "Not pinned" in card.limits


@pytest.mark.parametrize("name", HUB)
def test_every_model_makes_a_cloud_with_colours_and_normals(
    loaded: dict[str, PictureDepth], picture: Image.Image, name: str
) -> None:
    made = loaded[name](picture, replace(FAR, intrinsics="80, 80, 47.5, 31.5"))
    assert 0 < len(made.cloud) <= 96 * 64
    assert made.cloud.unit == "m"
    assert made.cloud.colours is not None
    assert made.cloud.colours.shape == made.cloud.points.shape
    assert made.cloud.normals is not None
    assert ((made.cloud.normals * made.cloud.points).sum(axis=1) <= 0).all()  # towards the camera
    assert np.isfinite(made.depth_m).sum() == len(made.cloud)
    assert any("guess" in note for note in made.notes)
    assert CARDS[name].source in "\n".join(made.code)


def test_depth_pro_says_the_field_of_view_itself_and_intrinsics_overrule_it(
    loaded: dict[str, PictureDepth], picture: Image.Image
) -> None:
    pro = loaded["depth-pro"]
    said = pro.estimator(picture).field_of_view_deg
    assert said is not None
    camera, because = pro._camera(picture, FAR, Depth(np.ones((64, 96), np.float32), 60.0), (96, 64))
    assert camera.fx == pytest.approx(48 / math.tan(math.radians(30)))
    assert "as the model says" in because
    stated = ReadOptions(intrinsics="100, 100, 47.5, 31.5")
    assert pro._camera(picture, stated, Depth(np.ones((64, 96), np.float32), 60.0), (96, 64))[0].fx == 100
    with pytest.raises(InvalidInput, match="intrinsics"):
        pro._camera(picture, FAR, Depth(np.ones((64, 96), np.float32), 200.0), (96, 64))


def test_the_field_of_view_of_the_options_is_used_where_nobody_knows_better(
    loaded: dict[str, PictureDepth], picture: Image.Image
) -> None:
    indoor = loaded["depth-anything-v2-indoor"]
    for degrees in (40.0, 80.0):
        made = indoor(picture, ReadOptions(field_of_view_deg=degrees, farthest_m=1e6))
        across = np.abs(made.cloud.points[:, 0] / made.cloud.points[:, 1]).max()
        assert across == pytest.approx(math.tan(math.radians(degrees / 2)), rel=0.02)


def test_a_model_that_says_no_metres_is_refused(tmp_path: Path, picture: Image.Image) -> None:
    folder = tiny_stereo.save("depth-anything-v2-small", tmp_path / "relative")
    relative = PictureDepth(CARDS["depth-anything-v2-indoor"], DepthEstimator(folder, "cpu", torch.float32))
    with pytest.raises(InvalidInput, match="no unit"):
        relative(picture, FAR)


def test_a_large_picture_is_reduced_and_its_intrinsics_with_it(loaded: dict[str, PictureDepth]) -> None:
    large = Image.new("RGB", (4000, 3000))
    width, height = working_size(large)
    assert 0.98 * MOST_PIXELS < width * height <= MOST_PIXELS
    camera, _ = loaded["zoedepth"]._camera(
        large, ReadOptions(intrinsics="3000, 3000, 1999.5, 1499.5"), Depth(np.ones((1, 1), np.float32)), (width, height)
    )
    assert camera.fx == pytest.approx(3000 * width / 4000)
    assert camera.cx == pytest.approx((width - 1) / 2)
    assert working_size(Image.new("RGB", (640, 480))) == (640, 480)
