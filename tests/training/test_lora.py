"""The LoRA's recipe: it learns a look beside a frozen model, is taken up again, and saves what the app reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from hub.demo import Loading
from hub.device import Device
from hub.diffusion.cards import TABLETOP
from hub.diffusion.loading import load_components, make
from hub.diffusion.lora import applied
from hub.diffusion.lora_files import checked_lora, load_lora
from tabletop.render import render
from tabletop.sampling import sample_scene
from tests.demos import tiny_diffusion
from training.lora import Options, Training, clay
from training.pictures import PICTURE_PX

SMALL = Options(scenes=4, validation_scenes=4, samples=8, batch=4, rank=2, warm_up=0, device="cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Options:
    """A run on a tiny model, to its end."""
    folder = tmp_path_factory.mktemp("lora")
    tiny_diffusion.save(TABLETOP.key, folder / "model")
    options = replace(SMALL, model=folder / "model", work=folder / "work", output=folder / "clay")
    Training(options).run()
    return options


def test_clay_is_nearly_one_colour_matte_and_outlined() -> None:
    view = render(sample_scene(0), PICTURE_PX)
    picture, plain = clay(view).astype(int), view.rgb.astype(int)
    assert picture.shape == plain.shape
    solids = view.ids > 0
    assert picture[solids].std(0).sum() < 0.7 * plain[solids].std(0).sum()
    red, _, blue = picture.reshape(-1, 3).mean(0)
    assert red > blue + 20


def test_what_is_saved_fits_the_model_in_the_app_and_changes_its_pictures(trained: Options) -> None:
    device = Device("cpu", "float32", "CPU")
    model = load_components(Loading(TABLETOP, trained.model, device, lambda *_: None, lambda _, build: build()))
    lora = load_lora(checked_lora(trained.output / "pytorch_lora_weights.safetensors"), model)
    assert lora.rank == SMALL.rank
    assert {layer.part for layer in lora.layers} == {"unet"}
    asked = {"num_inference_steps": 2, "height": 64, "width": 64, "output_type": "np"}
    plain, changed = (
        np.asarray(_drawn(make("text-to-image", model), asked, context))
        for context in (applied(model, None), applied(model, lora, 1.0))
    )
    assert abs(changed - plain).max() > 0


def _drawn(pipeline: StableDiffusionPipeline, asked: dict[str, object], context: object) -> object:
    with context:  # type: ignore[attr-defined]
        return pipeline("a red cube", generator=torch.Generator().manual_seed(0), **asked).images


def test_it_learns_the_look_and_leaves_the_model_as_it_was(trained: Options, tmp_path: Path) -> None:
    training = Training(replace(trained, work=tmp_path, output=tmp_path / "clay", samples=60, learning_rate=0.01))
    before = training.examine()
    training.run()
    assert training.examine() < before
    original = StableDiffusionPipeline.from_pretrained(trained.model, dtype=torch.float32).unet.state_dict()
    state = training.pipeline.unet.state_dict()
    kept = {name.replace(".base_layer", ""): value for name, value in state.items() if "lora" not in name}
    assert kept.keys() == original.keys()
    assert all(torch.equal(kept[name], value) for name, value in original.items())


def test_a_stopped_run_goes_on_where_it_was(trained: Options) -> None:
    again = Training(replace(trained, samples=12))
    assert again.seen == trained.samples
    again.run()
    assert again.seen == 12
    assert Training(trained).seen == 12
