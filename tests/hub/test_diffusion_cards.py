"""The cards of diffusion models, what they can be asked for, and which files of a repository they fetch."""

from __future__ import annotations

import re
from itertools import chain

import pytest
from huggingface_hub.utils import filter_repo_objects

from hub.cards import ModelCard
from hub.diffusion.abilities import OWN
from hub.diffusion.cards import (
    CONTROLLED,
    INPAINTING,
    KANDINSKY_INPAINTING,
    SD_1_5,
    SD_TURBO,
    SDXL,
    SDXL_TURBO,
    TABLETOP,
    TEXT_TO_IMAGE,
    Z_IMAGE_TURBO,
    abilities_of,
    composed,
)
from hub.diffusion.control_cards import CONTROLS, controls_for, with_controls
from hub.diffusion.families import CONTROLNET_FAMILIES, FAMILIES
from hub.diffusion.schedulers import SCHEDULERS
from hub.errors import InvalidInput

MODELS = tuple(dict.fromkeys(chain(TEXT_TO_IMAGE, INPAINTING)))
CARDS = (*MODELS, *KANDINSKY_INPAINTING.needs, *(control.card for control in CONTROLS))
BY_KEY = {control.card.key: control for control in CONTROLS}

# Of the files of stabilityai/stable-diffusion-xl-base-1.0, at its revision.
SDXL_FILES = """
model_index.json sd_xl_base_1.0.safetensors sd_xl_base_1.0_0.9vae.safetensors sd_xl_offset_example-lora_1.0.safetensors
scheduler/scheduler_config.json text_encoder/config.json text_encoder/flax_model.msgpack
text_encoder/model.fp16.safetensors text_encoder/model.onnx text_encoder/model.safetensors
text_encoder/openvino_model.bin text_encoder_2/model.fp16.safetensors text_encoder_2/model.safetensors
text_encoder_2/model.onnx_data tokenizer/merges.txt tokenizer/vocab.json unet/config.json
unet/diffusion_pytorch_model.fp16.safetensors unet/diffusion_pytorch_model.safetensors
vae/diffusion_pytorch_model.fp16.safetensors vae/diffusion_pytorch_model.safetensors
vae_1_0/diffusion_pytorch_model.fp16.safetensors vae_1_0/diffusion_pytorch_model.safetensors
""".split()  # noqa: SIM905 - a list of names reads best as lines of names


def test_every_list_begins_with_the_embedded_model_and_names_each_once() -> None:
    for models in (TEXT_TO_IMAGE, INPAINTING, CONTROLLED):
        assert models[0] is TABLETOP
        assert len({card.key for card in models}) == len(models)
    assert len({card.key for card in CARDS}) == len(CARDS)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.key)
def test_a_card_says_all_there_is_to_know(card: ModelCard) -> None:
    assert all([card.label, card.licence, card.knows, card.limits, card.citation])
    assert card.family in {*FAMILIES, *CONTROLNET_FAMILIES, "kandinsky-2-2-prior"}
    assert card.embedded == (card.download_bytes == 0)
    assert card.memory_bytes >= card.download_bytes
    assert re.fullmatch("[0-9a-f]{40}|main", card.revision)
    assert card.pinned or "Not pinned" in card.limits
    assert card.embedded or card.files, "only what is used is fetched"
    assert not any(pattern.endswith((".bin", ".ckpt", "*")) for pattern in card.files)


def test_the_turbo_models_say_that_they_are_not_for_commercial_use_and_take_no_guidance() -> None:
    for card in (SD_TURBO, SDXL_TURBO):
        assert "not commercial use" in card.limits
        assert "Non-Commercial" in card.licence
    for card in (SD_TURBO, SDXL_TURBO, Z_IMAGE_TURBO):
        abilities = abilities_of(card)
        assert (abilities.guided, abilities.guidance) == (False, 0.0)
        assert abilities.steps <= 8


@pytest.mark.parametrize("card", MODELS, ids=lambda card: card.key)
def test_a_models_defaults_lie_within_what_it_can_do(card: ModelCard) -> None:
    abilities = abilities_of(card)
    assert abilities.smallest_px <= abilities.native_px <= abilities.largest_px
    for side in (abilities.smallest_px, abilities.native_px, abilities.largest_px):
        assert abilities.rounded(side) == side
    assert abilities.smallest_px <= abilities.rounded(abilities.native_px + 5) <= abilities.largest_px
    assert abilities.rounded(1) == abilities.smallest_px
    assert 1 <= abilities.steps <= abilities.most_steps
    assert len(set(abilities.schedulers)) == len(abilities.schedulers) > 0
    assert set(abilities.schedulers) <= {OWN, *SCHEDULERS}


def test_of_a_large_repository_only_the_parts_in_half_precision_are_fetched() -> None:
    fetched = set(filter_repo_objects(SDXL_FILES, allow_patterns=list(SDXL.files)))
    weights = {name for name in fetched if name.endswith(".safetensors")}
    assert weights == {
        f"{part}.fp16.safetensors"
        for part in (
            "text_encoder/model",
            "text_encoder_2/model",
            "unet/diffusion_pytorch_model",
            "vae/diffusion_pytorch_model",
        )
    }
    assert {"model_index.json", "scheduler/scheduler_config.json", "tokenizer/merges.txt"} <= fetched


def test_of_the_union_only_the_one_of_two_networks_is_fetched() -> None:
    there = ["config.json", "config_promax.json", "diffusion_pytorch_model.safetensors"]
    there += ["diffusion_pytorch_model_promax.safetensors", "images/000000_canny.webp"]
    fetched = set(filter_repo_objects(there, allow_patterns=list(BY_KEY["sdxl-union"].card.files)))
    assert fetched == {"config.json", "diffusion_pytorch_model.safetensors"}


def test_controlnets_fit_the_models_that_descend_from_theirs() -> None:
    bases = {card.key: {control.base for control in controls_for(card)} for card in MODELS}
    assert bases["sd-1.5"] == bases["sd-1.5-inpainting"] == {"sd-1.5"}
    assert bases["sdxl"] == bases["sdxl-turbo"] == {"sdxl"}
    assert bases["tabletop-diffusion"] == {"tabletop"}
    assert bases["sd-turbo"] == bases["z-image-turbo"] == set()
    assert all(controls_for(card) for card in CONTROLLED)
    with pytest.raises(InvalidInput, match="does not fit Stable Diffusion XL"):
        with_controls(SDXL, [BY_KEY["sd-1.5-canny"]])
    with pytest.raises(InvalidInput, match="has no ControlNets"):
        with_controls(Z_IMAGE_TURBO, [BY_KEY["sdxl-canny"]])
    with pytest.raises(InvalidInput, match="goes with no other"):
        with_controls(SDXL, [BY_KEY["sdxl-union"], BY_KEY["sdxl-canny"]])


def test_what_is_added_to_a_model_is_fetched_and_counted_with_it_and_leaves_its_abilities() -> None:
    canny, depth = BY_KEY["sd-1.5-canny"], BY_KEY["sd-1.5-depth"]
    card = with_controls(SD_1_5, [canny, depth])
    assert card.key == "sd-1.5+sd-1.5-canny+sd-1.5-depth"
    assert card.needs == (canny.card, depth.card)
    assert card.memory_bytes == SD_1_5.memory_bytes + canny.card.memory_bytes + depth.card.memory_bytes
    assert abilities_of(card) is abilities_of(SD_1_5)
    assert with_controls(SD_1_5, [depth, canny]).key != card.key, "drawings are handed over in this order"
    assert composed(KANDINSKY_INPAINTING, [canny.card]).needs[0] is KANDINSKY_INPAINTING.needs[0]


def test_each_kind_of_drawing_is_in_the_controlnets_of_both_large_bases() -> None:
    small = {name for control in CONTROLS if control.base == "sd-1.5" for name in control.conditions}
    assert small == set(BY_KEY["sdxl-union"].conditions)
    assert set(BY_KEY["sdxl-union"].conditions.values()) == set(range(6))
