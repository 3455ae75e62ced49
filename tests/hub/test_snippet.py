"""Snippets: values are spelled as a person would type them, and the code is code."""

from __future__ import annotations

import ast
from dataclasses import replace

from hub.snippet import arguments, model_path, revision_argument
from tests.hub.test_runtime import EMBEDDED, ONLINE


def test_an_embedded_model_is_a_folder_of_the_checkout_without_a_revision() -> None:
    assert model_path(EMBEDDED) == "'assets/models/toy'"
    assert revision_argument(EMBEDDED) == ""


def test_a_hub_model_is_pinned() -> None:
    card = replace(ONLINE, revision="a" * 40)
    assert model_path(card) == "'someone/big'"
    assert revision_argument(card) == f", revision={'a' * 40!r}"


def test_arguments_come_back_as_they_went_in() -> None:
    values = {"num_beams": 3, "do_sample": False, "prompt": 'it\'s a "quote"\n', "temperature": 0.7}
    call = ast.parse(f"generate({arguments(values)})", mode="eval").body
    assert isinstance(call, ast.Call)
    assert {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords} == values
