"""The cards of the keyword spotters say what is true of them."""

from __future__ import annotations

import json

from demos.keyword_spotting.families import FAMILIES
from demos.keyword_spotting.models import ANY, FIXED, MODELS


def test_the_embedded_model_comes_first_and_each_kind_has_one_without_the_hub() -> None:
    assert MODELS[0].ships_weights
    assert [card.group for card in MODELS if card.embedded] == [FIXED, ANY]


def test_every_card_has_a_family_that_loads_it() -> None:
    assert {card.family for card in MODELS} == set(FAMILIES)
    assert all((card.group == ANY) == (card.family != "classifier") for card in MODELS)


def test_a_hub_model_is_pinned_to_a_commit_or_says_that_it_is_not() -> None:
    for card in MODELS:
        assert card.pinned != ("Not pinned to a commit" in card.limits), card.key


def test_the_package_that_brings_a_model_is_named_where_its_limits_are() -> None:
    (offline,) = (card for card in MODELS if card.package)
    assert f"pip install {offline.package}" in offline.limits


def test_the_embedded_model_knows_the_words_that_its_card_names() -> None:
    card = MODELS[0]
    labels = set(json.loads((card.folder / "config.json").read_text(encoding="utf-8"))["id2label"].values())
    assert {"yes", "no", "up", "down", "zero", "nine", "_unknown_", "_silence_"} <= labels
    assert len(labels) == 37
    weights = sum(path.stat().st_size for path in card.folder.glob("*.safetensors"))  # two bytes each
    assert abs(2 * weights - card.memory_bytes) < 0.02 * card.memory_bytes
