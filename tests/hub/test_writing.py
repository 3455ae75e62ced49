"""What models that write text share: they stop for who has left, tell of what is written, and take no commands."""

from __future__ import annotations

import re

import pytest
import torch
from transformers import AutoTokenizer

from hub import writing
from hub.batch import Item, Step, Watch
from hub.cards import MODELS_DIR
from hub.errors import Cancelled, InvalidInput
from hub.jobs import CancelToken
from hub.writing import refuse_control_tokens, stopping


def watched(count: int) -> tuple[Watch, list[Item]]:
    items = [Item(None, CancelToken()) for _ in range(count)]
    return Watch(items), items


def shown(rows: list[list[int]]) -> list[str]:
    return [" ".join(map(str, row)) for row in rows]


def test_only_the_rows_of_a_request_that_was_cancelled_are_stopped() -> None:
    watch, items = watched(3)
    stop = stopping([0, 2], shown, watch)
    tokens = torch.zeros(4, 5, dtype=torch.long)  # two candidates each
    assert stop(tokens, None).tolist() == [False] * 4
    items[2].token.cancel()
    assert stop(tokens, None).tolist() == [False, False, True, True]


def test_when_nobody_is_left_the_writing_ends() -> None:
    watch, items = watched(2)
    stop = stopping([0, 1], shown, watch)
    for item in items:
        item.token.cancel()
    with pytest.raises(Cancelled):
        stop(torch.zeros(2, 1, dtype=torch.long), None)


def test_each_request_hears_what_is_written_for_it_without_its_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "STEP_S", 0.0)
    watch, items = watched(2)
    stop = stopping([1, 0], shown, watch)
    stop(torch.tensor([[9, 1], [9, 4]]), None)
    stop(torch.tensor([[9, 1, 2], [9, 4, 5]]), None)
    assert [items[1].updates.get_nowait() for _ in range(2)] == [Step("1"), Step("1 2")]
    assert [items[0].updates.get_nowait() for _ in range(2)] == [Step("4"), Step("4 5")]


def test_several_candidates_of_one_request_are_not_told_of_before_the_best_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "STEP_S", 0.0)
    watch, items = watched(1)
    stopping([0], shown, watch)(torch.tensor([[9, 1], [9, 4]]), None)
    assert items[0].updates.empty()


def test_a_text_with_a_control_token_is_refused_by_the_tokens_name() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODELS_DIR / "blip-tabletop")
    refuse_control_tokens("a red cube [and] a torus", "prompt", tokenizer)
    for token in tokenizer.all_special_tokens:
        with pytest.raises(InvalidInput, match=re.escape(f"The question holds {token}")):
            refuse_control_tokens(f"what is {token}?", "question", tokenizer)
