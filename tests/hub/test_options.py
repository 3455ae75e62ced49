"""Options: whatever is sent, what comes out is in range, or the sender is told what is allowed."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import options
from hub.errors import InvalidInput
from hub.options import checked, checked_text
from tests.hub.toys import PATIENT


@dataclasses.dataclass(frozen=True)
class Toy:
    """One option of each kind."""

    count: int = options.number(3, 1, 10, step=1, label="Count")
    scale: float = options.number(1.5, -2.0, 2.0, step=0.1, label="Scale", info="How much.")
    mode: str = options.choice("fast", ("fast", "slow"), label="Mode")
    prompt: str = options.text("", 20, label="Prompt", placeholder="say something")


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**5000)]),  # more than a float holds, more than Python spells
    st.floats(),
    st.text(),
    st.text(st.characters(codec=None)),  # half surrogate pairs too, as JSON may hold them
    st.binary(),
    st.sampled_from(["fast", "slow", 3, 1.5, 10, 10.0, -2, "", "3"]),
    st.recursive(st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5),
)


def assert_in_range(value: Toy) -> None:
    assert type(value.count) is int
    assert 1 <= value.count <= 10
    assert type(value.scale) is float
    assert -2.0 <= value.scale <= 2.0
    assert value.mode in ("fast", "slow")
    assert isinstance(value.prompt, str)
    assert len(value.prompt) <= 20
    value.prompt.encode()


@PATIENT
@given(st.fixed_dictionaries({}, optional={field.name: ANYTHING for field in dataclasses.fields(Toy)}))
def test_whatever_is_sent_is_in_range_or_refused(sent: dict[str, Any]) -> None:
    try:
        value = checked(Toy, sent)
    except InvalidInput:
        return
    assert_in_range(value)


@PATIENT
@given(st.dictionaries(st.text(), ANYTHING, min_size=1, max_size=3))
def test_unknown_options_are_refused_with_those_there_are(sent: dict[str, Any]) -> None:
    if set(sent) <= {field.name for field in dataclasses.fields(Toy)}:
        return
    with pytest.raises(InvalidInput, match="Options are: count, scale, mode, prompt"):
        checked(Toy, sent)


@PATIENT
@given(st.integers(1, 10), st.floats(-2.0, 2.0), st.sampled_from(["fast", "slow"]))
def test_what_is_in_range_comes_through_unchanged(count: int, scale: float, mode: str) -> None:
    value = checked(Toy, {"count": count, "scale": scale, "mode": mode})
    assert (value.count, value.scale, value.mode) == (count, scale, mode)


def test_what_is_left_out_or_none_takes_its_default() -> None:
    assert checked(Toy, {}) == checked(Toy, dict.fromkeys(("count", "scale", "mode", "prompt"))) == Toy()


@pytest.mark.parametrize(
    "sent",
    [
        {"scale": math.nan},
        {"scale": math.inf},
        {"scale": -math.inf},
        {"scale": True},
        {"scale": "1.5"},
        {"scale": 10**400},
        {"count": True},
        {"count": 2.5},
        {"count": 0},
        {"count": 11},
        {"count": [3]},
        {"mode": "quick"},
        {"mode": 1},
        {"mode": ["fast"]},
        {"prompt": 5},
        {"prompt": "x" * 21},
        {"prompt": "bell \x07"},
        {"prompt": "nul \x00"},
        {"prompt": "half a pair \ud83d"},
    ],
    ids=repr,
)
def test_what_is_out_of_range_is_refused_by_the_label_the_user_knows(sent: dict[str, Any]) -> None:
    (name,) = sent
    with pytest.raises(InvalidInput, match=rf"^{name.capitalize()}"):
        checked(Toy, sent)


def test_a_refusal_says_what_was_expected_and_what_came() -> None:
    with pytest.raises(InvalidInput, match=r"Scale: 7 is out of range\. Choose a number from -2 to 2\."):
        checked(Toy, {"scale": 7})
    with pytest.raises(InvalidInput, match=r"Mode: 'quick' is not offered\. Choose fast or slow\."):
        checked(Toy, {"mode": "quick"})
    with pytest.raises(InvalidInput, match=r"21 characters are too many\. Use at most 20\."):
        checked(Toy, {"prompt": "x" * 21})


def test_a_whole_number_may_come_as_a_float_as_sliders_send_it() -> None:
    assert type(checked(Toy, {"count": 4.0}).count) is int


def test_a_very_long_value_is_quoted_briefly() -> None:
    for sent in ({"mode": "x" * 10**6}, {"scale": ["x"] * 10**6}, {"x" * 10**6: 1}, {"count": {"x": "x" * 10**6}}):
        with pytest.raises(InvalidInput) as caught:
            checked(Toy, sent)
        assert len(str(caught.value)) < 300


@PATIENT
@given(st.text())
def test_checked_text_is_short_stripped_and_can_be_encoded(sent: str) -> None:
    try:
        text = checked_text(sent, 5, "Prompt")
    except InvalidInput:
        return
    assert text == text.strip()
    assert len(text) <= 5
    text.encode()


def test_space_around_text_goes_and_lines_and_tabs_stay() -> None:
    assert checked_text("  two\r\nlines\tand a tab \n", 50, "Prompt") == "two\nlines\tand a tab"


def test_the_declaration_is_what_a_tab_draws() -> None:
    declared = options.specs(Toy)
    assert list(declared) == ["count", "scale", "mode", "prompt"]
    spec, default = declared["scale"]
    assert (spec.label, spec.info, spec.minimum, spec.maximum, spec.step, default) == (
        "Scale", "How much.", -2.0, 2.0, 0.1, 1.5,
    )  # fmt: skip
    assert declared["mode"][0].choices == ("fast", "slow")
    assert declared["prompt"][0].placeholder == "say something"
