"""Which ControlNets and which models for drawings a request of the ControlNet tab needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from demos.controlnet.controls import kept, made_for, restored_controls, shown_by
from demos.controlnet.expert_cards import DEPTHS, POSE, SEGMENTATION
from demos.controlnet.networks import completed, conditions_for, nets_for
from demos.controlnet.options import (
    CONDITIONS,
    DEPTH_KEYS,
    NOTHING,
    ControlNetOptions,
    ControlNetRequest,
    ControlOptions,
    Guide,
    SketchRequest,
)
from hub import depth_cards
from hub.diffusion.cards import CONTROLLED, SD_1_5, SDXL, SDXL_TURBO, TABLETOP, Z_IMAGE_TURBO, abilities_of
from hub.diffusion.control_cards import CONTROLS, INPAINT_CONTROL
from hub.diffusion.pictures import Restored
from hub.errors import InvalidInput

PICTURE = Image.new("RGB", (64, 64), "grey")


def request(*kinds: str, made: str = "picture", **changes: object) -> ControlNetRequest:
    guides = tuple(Guide(ControlOptions(kind, made), PICTURE) for kind in kinds)
    return ControlNetRequest(replace(ControlNetOptions(), **changes), guides=guides)  # type: ignore[arg-type]


def needs(card: object, asked: ControlNetRequest) -> list[str]:
    return [each.key for each in completed(card, asked).needs]  # type: ignore[arg-type]


def test_the_embedded_model_reads_edges_and_depth_sd_nine_drawings_and_sdxl_all_through_its_union() -> None:
    assert conditions_for(TABLETOP) == ("canny", "depth")
    assert set(conditions_for(SD_1_5)) == set(CONDITIONS)
    assert set(conditions_for(SDXL)) == set(conditions_for(SDXL_TURBO)) == set(CONDITIONS)
    assert conditions_for(SDXL)[:2] == ("canny", "depth")
    assert conditions_for(Z_IMAGE_TURBO) == ()


def test_every_condition_of_a_controlnet_can_be_chosen_and_the_inpainting_one_cannot() -> None:
    assert {condition for control in CONTROLS for condition in control.conditions} == set(CONDITIONS)
    assert "inpaint" not in CONDITIONS
    assert INPAINT_CONTROL not in CONTROLS


def test_a_run_is_fetched_and_kept_as_one_with_all_that_it_needs() -> None:
    assert needs(TABLETOP, request("canny")) == ["tabletop-canny"]
    assert needs(TABLETOP, request("canny", "depth")) == [
        "tabletop-canny",
        "tabletop-depth",
        depth_cards.TABLETOP.key,
    ]
    assert needs(SD_1_5, request("normalbae")) == ["sd-1.5-normalbae", depth_cards.RELATIVE.key]
    assert needs(SD_1_5, request("depth", depth_model="depth-pro"))[1] == "depth-pro"
    assert needs(SD_1_5, request("openpose", "seg"))[2:] == [POSE.key, SEGMENTATION.key]
    assert needs(SD_1_5, request("openpose", "seg", "depth", made="ready")) == [
        "sd-1.5-openpose",
        "sd-1.5-seg",
        "sd-1.5-depth",
    ]
    whole = completed(SD_1_5, request("canny"))
    assert whole.source == SD_1_5.source
    assert abilities_of(whole) == abilities_of(SD_1_5)
    assert whole.memory_bytes > SD_1_5.memory_bytes


def test_drawings_alone_need_no_diffusion_model() -> None:
    guides = tuple(Guide(ControlOptions(kind), PICTURE) for kind in ("openpose", "depth"))
    whole = completed(SD_1_5, SketchRequest(guides, (512, 512)))
    assert whole.source == depth_cards.RELATIVE.source
    assert [each.key for each in whole.needs] == [POSE.key]


def test_the_result_is_measured_with_a_depth_model_on_request() -> None:
    assert needs(TABLETOP, replace(request("canny"), measures=True))[-1] == depth_cards.TABLETOP.key


def test_the_union_reads_what_it_is_asked_to_or_what_no_other_can() -> None:
    assert [control.card.key for control in nets_for(SDXL, ["canny", "depth"], "single").controls] == [
        "sdxl-canny",
        "sdxl-depth",
    ]
    union = nets_for(SDXL, ["canny", "openpose"], "single")
    assert [control.card.key for control in union.controls] == ["sdxl-union"]
    assert union.modes == (3, 0)
    assert "openpose" in union.notes[0]
    assert nets_for(SDXL, ["canny", "depth"], "union").modes == (3, 1)
    assert "no union" in nets_for(SD_1_5, ["canny"], "union").notes[0]


@pytest.mark.parametrize(
    ("card", "kinds", "said"),
    [
        (TABLETOP, ("openpose",), "Choose canny or depth"),
        (Z_IMAGE_TURBO, ("canny",), "another model"),
        (SDXL, ("canny", "lineart"), "as the same"),
    ],
)
def test_what_a_model_cannot_read_is_refused_in_words(card: object, kinds: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        completed(card, request(*kinds))  # type: ignore[arg-type]


@pytest.mark.parametrize("card", CONTROLLED, ids=lambda card: card.key)
def test_changing_the_model_leaves_no_impossible_choice(card: object) -> None:
    for place in range(3):
        offered = [name for _, name in shown_by(card, place)]  # type: ignore[arg-type]
        assert (NOTHING in offered) == (place > 0)
        for before in (NOTHING, *CONDITIONS):
            after = kept(card, before, place)  # type: ignore[arg-type]
            assert after in offered
            assert after == before or before not in offered
            assert made_for(after)


def test_the_depth_models_that_can_be_chosen_have_cards() -> None:
    assert DEPTH_KEYS[1:] == tuple(card.key for card in DEPTHS)


def test_the_controls_of_a_picture_are_restored_and_nonsense_is_refused() -> None:
    asked = request("canny", "depth")
    values = restored_controls(Restored("controlnet", "x", {}, False, record=asked.recorded()))
    assert (values["shows"], values["shows_2"], values["shows_3"]) == ("canny", "depth", NOTHING)
    assert values["weight"] == 1.0
    nonsense: tuple[Any, ...] = ("all", [1], [{"weight": 99}], [{}] * 4, None)
    for said in nonsense:
        with pytest.raises(InvalidInput):
            restored_controls(Restored("controlnet", "x", {}, False, record={"controls": said}))
