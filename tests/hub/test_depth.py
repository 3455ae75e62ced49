"""Depth models on tiny random checkpoints: loaded without torchvision or a network, at each picture's own size."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hub.cards import MODELS_DIR
from hub.demo import Loading
from hub.depth import DepthEstimator, shared_estimator, zoe_pictures
from hub.depth_cards import TABLETOP
from hub.device import Device
from hub.pool import Pool
from tabletop.pictures import scene_picture
from tests.demos import tiny_stereo
from tests.demos.tiny_depth import save_zoedepth

SIZES = ((120, 80), (64, 96))
KINDS = ("depth-anything-v2-small", "depth-anything-v2-indoor", "depth-pro", "zoedepth")


@pytest.fixture(scope="module")
def zoedepth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_zoedepth(tmp_path_factory.mktemp("checkpoints") / "zoedepth")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, zoedepth: Path) -> dict[str, DepthEstimator]:
    """Every kind, loaded while nothing can be reached."""
    root = tmp_path_factory.mktemp("checkpoints")
    folders = {name: tiny_stereo.save(name, root / name) for name in KINDS[:3]} | {"zoedepth": zoedepth}

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("the network is off")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", unreachable)
        patch.setenv("HF_HUB_OFFLINE", "1")
        return {name: DepthEstimator(folder, "cpu", torch.float32) for name, folder in folders.items()}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_depth_has_the_pictures_own_size(loaded: dict[str, DepthEstimator], name: str, size: tuple[int, int]) -> None:
    said = loaded[name](Image.effect_noise(size, 80).convert("RGB"))
    assert said.values.shape == size[::-1]
    assert said.values.dtype == np.float32
    assert np.isfinite(said.values).all()


def test_a_model_knows_whether_it_says_metres_and_what_the_camera_saw(loaded: dict[str, DepthEstimator]) -> None:
    picture = Image.effect_noise((64, 64), 80).convert("RGB")
    assert [name for name in KINDS if loaded[name].metric] == list(KINDS[1:])
    assert [name for name in KINDS if loaded[name](picture).field_of_view_deg is not None] == ["depth-pro"]
    assert all(len(loaded[name].modules()) == 1 for name in KINDS)


def test_the_steps_of_the_pipeline_give_what_the_pipeline_gives() -> None:
    estimator = DepthEstimator(MODELS_DIR / "depth-anything-tabletop", "cpu", torch.float32)
    picture = scene_picture(2_000_001, 64)
    whole = estimator.pipeline(picture)["predicted_depth"].numpy()
    np.testing.assert_array_equal(estimator(picture).values, whole)


def test_zoedepth_loses_its_margin_and_nothing_else(zoedepth: Path) -> None:
    height, width = 80, 120
    rows, columns = int(3 * (height / 2) ** 0.5), int(3 * (width / 2) ** 0.5)
    across, down = np.arange(width + 2 * columns) - columns, np.arange(height + 2 * rows) - rows
    padded = torch.from_numpy(1 + 0.01 * across[None, :] + 0.02 * down[:, None])[None]
    (whole,) = zoe_pictures(zoedepth).post_process_depth_estimation(
        SimpleNamespace(predicted_depth=padded), [(height, width)]
    )
    expected = 1 + 0.01 * np.arange(width)[None, :] + 0.02 * np.arange(height)[:, None]
    np.testing.assert_allclose(whole["predicted_depth"].numpy(), expected, atol=1e-5)
    half = torch.nn.functional.interpolate(padded[None], scale_factor=0.5, mode="bilinear")[0]
    (resized,) = zoe_pictures(zoedepth).post_process_depth_estimation(
        SimpleNamespace(predicted_depth=half), [(height, width)]
    )
    np.testing.assert_allclose(resized["predicted_depth"].numpy(), expected, atol=0.01)


def test_demos_that_need_the_same_model_hold_one_of_it() -> None:
    pool, device = Pool(lambda: 10**10, 60), Device("cpu", "float32", "CPU")
    loading = Loading(TABLETOP, TABLETOP.folder, device, lambda *_: None, pool.component)
    first, second = (shared_estimator(loading, TABLETOP, TABLETOP.folder) for _ in range(2))
    assert first is second
