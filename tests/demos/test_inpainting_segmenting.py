"""Selecting with a SAM model: the loading path, on a tiny random checkpoint of the same classes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

from demos.inpainting import DEMO
from demos.inpainting.segmenting import SAM, SEGMENTING, ClickRequest, Segmenter
from hub.demo import Loading
from hub.device import Device
from hub.page import build
from hub.runtime import Hub
from hub.settings import Settings
from tests.hub.diffusion_cache import make_cache

SIDE_PX = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sam")
    torch.manual_seed(0)
    config = SamConfig(
        vision_config=SamVisionConfig(
            hidden_size=32,
            output_channels=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIDE_PX,
            patch_size=8,
            window_size=4,
            global_attn_indexes=[1],
            mlp_dim=64,
            num_pos_feats=8,
        ).to_dict(),
        prompt_encoder_config=SamPromptEncoderConfig(
            hidden_size=16, image_size=SIDE_PX, patch_size=8, mask_input_channels=4
        ).to_dict(),
        mask_decoder_config=SamMaskDecoderConfig(
            hidden_size=16, mlp_dim=32, num_hidden_layers=2, num_attention_heads=2, iou_head_hidden_dim=16
        ).to_dict(),
    )
    SamModel(config).save_pretrained(folder)
    size = {"height": SIDE_PX, "width": SIDE_PX}
    SamImageProcessorPil(size={"longest_edge": SIDE_PX}, pad_size=size).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("size", [(64, 64), (300, 200), (50, 90)])
def test_a_click_gives_a_mask_of_the_pictures_size(folder: Path, size: tuple[int, int]) -> None:
    device = Device("cpu", "float32", "CPU")
    segmenter = Segmenter(Loading(SAM, folder, device, lambda *_: None, lambda key, build: build()))
    picture = Image.effect_noise(size, 80).convert("RGB")
    masks = [segmenter([ClickRequest(point, picture)])[0] for point in ((5, 5), (size[0] - 1, size[1] - 1))]
    for mask in masks:
        assert mask.shape == size[::-1]
        assert mask.dtype == np.bool_
    again = segmenter([ClickRequest((5, 5), picture)])[0]
    np.testing.assert_array_equal(again, masks[0])


def test_the_hub_fetches_and_runs_it_as_a_side_model(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cache(tmp_path, monkeypatch)
    repository = tmp_path / "cache" / f"models--{SAM.source.replace('/', '--')}"
    shutil.copytree(folder, repository / "snapshots" / SAM.revision)
    hub = Hub(Settings(models="auto", device="cpu", temp_dir=tmp_path / "uploads"))
    picture = Image.effect_noise((80, 60), 80).convert("RGB")
    outcome = hub.run("somebody", SEGMENTING, SAM, ClickRequest((40, 30), picture))
    assert outcome.result.shape == (60, 80)
    assert outcome.run.options == {"point": [40, 30]}


@pytest.mark.parametrize(("models", "offered"), [("embedded", False), ("auto", True)])
def test_a_click_can_ask_it_where_models_of_the_hub_are_offered(tmp_path: Path, models: Any, offered: bool) -> None:
    page = build(Hub(Settings(models=models, temp_dir=tmp_path)), (DEMO,))
    pickers: list[Any] = [
        block for block in page.blocks.values() if getattr(block, "elem_id", "") == "inpainting-clicker"
    ]
    (picker,) = pickers
    assert picker.visible == offered
    assert (SAM.key in [key for _, key in picker.choices]) == offered


def test_the_weights_are_pinned_and_nothing_but_what_is_used_is_fetched() -> None:
    assert SEGMENTING.models == (SAM,)
    assert SAM.pinned
    assert all("*" not in name for name in SAM.files)
