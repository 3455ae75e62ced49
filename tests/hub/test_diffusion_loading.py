"""Every family of diffusion models, loaded from a cache as when offline and called, on tiny random checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from hub.cards import ModelCard
from hub.device import Device
from hub.diffusion.cards import (
    INPAINTING,
    KANDINSKY_INPAINTING,
    SD_1_5,
    SD_1_5_INPAINTING,
    SDXL,
    TABLETOP,
    Z_IMAGE_TURBO,
)
from hub.diffusion.control_cards import CONTROLS, with_controls
from hub.diffusion.controlling import control_arguments
from hub.diffusion.families import FAMILIES, Kind
from hub.diffusion.loading import Components, dtype_on, load_components, make
from hub.errors import InvalidInput, ModelUnavailable
from hub.pool import measured_bytes
from tests.demos.tiny_diffusion import PICTURE_PX
from tests.hub.diffusion_cache import CPU, Cache, make_cache

SIZE = (PICTURE_PX, PICTURE_PX)
PICTURE = Image.effect_noise(SIZE, 80).convert("RGB")
LOWER_HALF = Image.fromarray((np.indices(SIZE)[0] >= PICTURE_PX // 2).astype(np.uint8) * 255)
DIAGONAL = Image.fromarray(np.eye(PICTURE_PX, dtype=np.uint8) * 255)
PROMPTS = ("a cat", "a blue cube on a table")
AUTO = {"image-to-image": "AutoPipelineForImage2Image", "inpaint": "AutoPipelineForInpainting"}
COMBINATIONS = (
    (SD_1_5, ("sd-1.5-canny",)),
    (SD_1_5, ("sd-1.5-canny", "sd-1.5-depth")),
    (SD_1_5_INPAINTING, ("sd-1.5-canny",)),
    (SDXL, ("sdxl-canny", "sdxl-depth")),
    (SDXL, ("sdxl-union",)),
    (TABLETOP, ("tabletop-canny", "tabletop-depth")),
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_cache(tmp_path_factory.mktemp("weights"), patch)


def controlled(card: ModelCard, names: tuple[str, ...]) -> ModelCard:
    by_key = {control.card.key: control for control in CONTROLS}
    return with_controls(card, [by_key[name] for name in names])


def draw(
    kind: Kind,
    components: Components,
    prompts: tuple[str, ...] = PROMPTS,
    drawings: tuple[Image.Image, ...] = (DIAGONAL, LOWER_HALF),
    **arguments: Any,
) -> NDArray[np.float32]:
    """Draw one picture a prompt, (B, height, width, 3), 0 to 1; seeds from 0; all controls get the same drawings."""
    pipeline = make(kind, components)
    count = len(prompts)
    if kind.endswith(("image-to-image", "inpaint")):
        arguments["image"] = [PICTURE] * count
    if kind.endswith("image-to-image"):
        arguments["strength"] = 0.6  # of two steps leaves one
    if kind.endswith("inpaint"):
        arguments["mask_image"] = [LOWER_HALF] * count
    if kind != "image-to-image":
        arguments |= {"width": PICTURE_PX, "height": PICTURE_PX}
    if components.controlnets:
        shown = 2 if components.union else len(components.controlnets)
        arguments |= control_arguments(kind, components, [drawings[:count]] * shown, SIZE, (3, 1))
    generators = [torch.Generator().manual_seed(seed) for seed in range(count)]
    arguments |= {"num_inference_steps": 2, "guidance_scale": 3.0, "generator": generators, "output_type": "np"}
    return np.asarray(pipeline(prompt=list(prompts), **arguments).images)


@pytest.mark.parametrize("card", INPAINTING, ids=lambda card: card.key)
def test_a_family_draws_everything_it_says_it_can(cache: Cache, card: ModelCard) -> None:
    components = cache.load(card)
    assert components.kinds()
    for kind in components.kinds():
        pictures = draw(kind, components)
        assert pictures.shape == (2, PICTURE_PX, PICTURE_PX, 3), kind
        assert pictures.std() > 0.02, kind


@pytest.mark.parametrize(("card", "names"), COMBINATIONS, ids=lambda value: getattr(value, "key", None))
def test_controlnets_steer_each_picture_by_its_own_drawing(
    cache: Cache, card: ModelCard, names: tuple[str, ...]
) -> None:
    components = cache.load(controlled(card, names))
    assert len(components.controlnets) == len(names)
    assert all(kind.startswith("controlnet") for kind in components.kinds())
    for kind in components.kinds():
        both = draw(kind, components)
        swapped = draw(kind, components, drawings=(DIAGONAL, DIAGONAL))
        np.testing.assert_allclose(both[0], swapped[0], atol=1e-3, err_msg=kind)
        assert abs(both[1] - swapped[1]).max() > 0.01, kind


@pytest.mark.parametrize("card", [TABLETOP, SD_1_5, SDXL, Z_IMAGE_TURBO], ids=lambda card: card.key)
def test_parts_loaded_one_by_one_draw_what_the_whole_pipeline_draws(cache: Cache, card: ModelCard) -> None:
    components = cache.load(card)
    whole = diffusers.DiffusionPipeline.from_pretrained(
        cache.place(card), variant=card.variant or None, dtype=torch.float32, local_files_only=True
    )
    pipelines = (whole, make("text-to-image", components))
    assert type(pipelines[0]) is type(pipelines[1])
    asked: dict[str, Any] = {"width": PICTURE_PX, "height": PICTURE_PX, "output_type": "np", "num_inference_steps": 2}
    pictures = [each("a cat", generator=torch.Generator().manual_seed(0), **asked).images for each in pipelines]
    np.testing.assert_array_equal(*pictures)


def test_weights_under_the_names_that_old_repositories_use_are_read(cache: Cache) -> None:
    components, folder = cache.load(SD_1_5), cache.place(SD_1_5)
    layer, middle = "encoder.layers.0.mlp.fc1.weight", "decoder.mid_block.attentions.0"
    for file, old, new in (
        ("text_encoder/model", f"text_model.{layer}", layer),
        ("vae/diffusion_pytorch_model", f"{middle}.query.weight", f"{middle}.to_q.weight"),
    ):
        saved = load_file(folder / f"{file}.fp16.safetensors")[old]
        assert torch.equal(components.parts[file.partition("/")[0]].state_dict()[new], saved.float())


def test_tabs_that_use_one_model_hold_its_parts_once(cache: Cache) -> None:
    alone, steered = cache.load(SD_1_5), cache.load(controlled(SD_1_5, ("sd-1.5-canny",)))
    assert all(steered.parts[name] is part for name, part in alone.parts.items())
    (controlnet,) = steered.controlnets
    own = sum(parameter.nbytes for parameter in [*controlnet.parameters(), *controlnet.buffers()])
    assert measured_bytes([alone, steered]) == measured_bytes([alone]) + own
    pipelines = [make(kind, each) for each in (alone, steered) for kind in each.kinds()]
    weights = {pipeline.unet.conv_in.weight.data_ptr() for pipeline in pipelines}
    assert weights == {alone.denoiser.conv_in.weight.data_ptr()}
    assert len({id(pipeline.scheduler) for pipeline in pipelines}) == len(pipelines)


def test_inpainting_with_more_latent_channels_leaves_the_model_as_it_was(cache: Cache) -> None:
    components = cache.load(TABLETOP)
    before = draw("text-to-image", components)
    filled = draw("inpaint", components)
    assert abs(filled[0] - np.asarray(PICTURE) / 255).max() > 0.1
    pipeline = make("inpaint", components)
    assert pipeline.unet.config.in_channels == 4
    assert pipeline.unet.conv_in is components.denoiser.conv_in
    assert components.denoiser.config.in_channels == 16
    np.testing.assert_array_equal(draw("text-to-image", components), before)


def test_a_model_trained_for_inpainting_does_nothing_else_and_says_so(cache: Cache) -> None:
    components = cache.load(SD_1_5_INPAINTING)
    assert components.kinds() == ("inpaint",)
    with pytest.raises(InvalidInput, match="cannot do text-to-image"):
        make("text-to-image", components)


@pytest.mark.parametrize("card", [SD_1_5, SDXL, Z_IMAGE_TURBO], ids=lambda card: card.key)
def test_the_pipelines_are_those_that_diffusers_would_choose(cache: Cache, card: ModelCard) -> None:
    components = cache.load(card)
    plain = make("text-to-image", components)
    for kind, auto in AUTO.items():
        assert type(getattr(diffusers, auto).from_pipe(plain)) is type(make(kind, components))  # type: ignore[arg-type]
    if card is not Z_IMAGE_TURBO:
        steered = cache.load(controlled(card, (f"{card.key}-canny",)))
        (net,) = steered.controlnets
        for kind, auto in AUTO.items():
            chosen = getattr(diffusers, auto).from_pipe(plain, controlnet=net)
            assert type(chosen) is type(make(f"controlnet-{kind}", steered))  # type: ignore[arg-type]


def test_a_pipeline_starts_with_the_models_own_scheduler_or_the_one_it_is_given(cache: Cache) -> None:
    components = cache.load(SD_1_5)
    assert type(make("text-to-image", components).scheduler).__name__ == "PNDMScheduler"
    other = diffusers.DDIMScheduler.from_config(components.scheduler_config)
    assert make("text-to-image", components, other).scheduler is other


def test_a_repository_cannot_name_the_code_that_is_run(cache: Cache) -> None:
    card = replace(SD_1_5, source="someone/clever")
    folder = cache.loading(replace(card, key="sd-1.5")).folder
    settings = folder / "scheduler" / "scheduler_config.json"
    settings.write_text(json.dumps({"_class_name": "DiffusionPipeline"}), encoding="utf-8")
    with pytest.raises(ValueError, match="names no scheduler"):
        cache.load(card)


def test_a_cache_that_holds_another_form_of_the_weights_is_not_taken_for_the_model(cache: Cache) -> None:
    card = replace(SD_1_5, source="someone/full-precision")
    folder = cache.loading(card).folder
    for file in folder.rglob("*.fp16.safetensors"):
        file.rename(file.with_name(file.name.replace(".fp16", "")))
    with pytest.raises(ModelUnavailable, match=r"no safetensors weights unet/\*\.fp16\.safetensors"):
        cache.load(card)


def test_a_gpu_holds_a_family_in_the_precision_that_it_was_made_for() -> None:
    new, old = Device("cuda:0", "bfloat16", "new"), Device("cuda:0", "float16", "old")
    assert dtype_on(CPU, FAMILIES[Z_IMAGE_TURBO.family]) == "float32"
    for device in (new, old):
        assert dtype_on(device, FAMILIES[SD_1_5.family]) == "float16"
        assert dtype_on(device, FAMILIES[Z_IMAGE_TURBO.family]) == "bfloat16"


@pytest.mark.parametrize(
    ("card", "dtype"), [(SDXL, "float16"), (Z_IMAGE_TURBO, "bfloat16"), (KANDINSKY_INPAINTING, "float16")]
)
def test_a_family_draws_in_the_half_precision_of_a_gpu(cache: Cache, card: ModelCard, dtype: str) -> None:
    half = load_components(replace(cache.loading(card), device=Device("cpu", dtype, "")))
    dtypes = {parameter.dtype for module in half.modules() for parameter in module.parameters()}
    assert dtypes == {getattr(torch, dtype)}
    for kind in half.kinds():
        pictures = draw(kind, half)
        assert np.isfinite(pictures).all(), kind
        assert pictures.std() > 0.02, kind


def test_a_pipeline_that_lifts_the_shared_decoder_to_float32_does_not_spoil_the_next(cache: Cache) -> None:
    device = Device("cpu", "float16", "")
    plain = load_components(replace(cache.loading(SDXL), device=device))
    steered = load_components(replace(cache.loading(controlled(SDXL, ("sdxl-canny",))), device=device))
    before = draw("text-to-image", plain)
    draw("controlnet-inpaint", steered)
    np.testing.assert_array_equal(draw("text-to-image", plain), before)


def test_kandinsky_comes_with_the_prior_that_reads_its_prompts(cache: Cache) -> None:
    components = cache.load(KANDINSKY_INPAINTING)
    assert {part.companion for part in components.family.parts.values()} == {"", "kandinsky-2-2-prior"}
    first, second = draw("inpaint", components, ("a cat",)), draw("inpaint", components, ("a blue cube",))
    assert abs(first - second).max() > 0.01
