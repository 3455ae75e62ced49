from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.data_classes import FileData, ListFiles

from hub import inputs, options
from hub.inputs import SentFile, choice_input, controls, file_input, picture_input, sound_input
from tests.app import awaited


def test_a_picture_is_handed_over_as_the_path_it_came_at() -> None:
    image: Any = picture_input()
    assert image.preprocess(FileData(path="/uploads/a.png")) == "/uploads/a.png"
    assert image.preprocess(None) is None


def test_a_sound_is_handed_over_as_the_path_it_came_at_whatever_its_format() -> None:
    """Gradio would convert it, with ffmpeg."""
    audio: Any = sound_input()
    assert audio.preprocess(FileData(path="/uploads/a.flac")) == "/uploads/a.flac"
    assert audio.preprocess(None) is None


def test_files_are_handed_over_with_the_names_their_user_gave_them() -> None:
    several: Any = file_input("Pictures", [".png"], several=True)
    sent = ListFiles(root=[FileData(path="/uploads/1/a_b.png", orig_name="a b.png"), FileData(path="/uploads/2/c.png")])
    assert several.preprocess(sent) == (
        SentFile(Path("/uploads/1/a_b.png"), "a b.png"),
        SentFile(Path("/uploads/2/c.png"), "c.png"),
    )
    assert several.preprocess(None) == ()


def test_a_single_file_comes_as_a_tuple_of_one() -> None:
    single: Any = file_input("Table", [".csv"])
    assert single.preprocess(FileData(path="/uploads/t.csv", orig_name="t.csv")) == (
        SentFile(Path("/uploads/t.csv"), "t.csv"),
    )


@pytest.mark.parametrize("draw", [picture_input, sound_input, lambda: file_input("Cloud", [".ply"])])
def test_an_input_that_gradio_makes_anew_still_hands_over_what_came_and_follows_no_link(draw: Any) -> None:
    """As it does for a browser session once an example was clicked or the component was updated."""
    drawn = draw()
    again = drawn.__class__(**drawn.constructor_args)
    sent = FileData(path="/uploads/a", orig_name="my a")
    assert again.preprocess(sent) == drawn.preprocess(sent)
    assert again.get_block_name() == drawn.get_block_name() == type(drawn).__mro__[1].__name__.lower()
    for link in ("https://example.com/a.ply", " HTTP://169.254.169.254/"):
        with pytest.raises(gr.Error, match="links are not followed"):
            awaited(again.async_move_resource_to_block_cache(link))


def test_a_picker_whose_choices_changed_hands_over_the_value_from_before() -> None:
    """A page that streams sends what was chosen when it sent it."""
    picker: Any = choice_input([("Small", "small"), ("Large", "large")], value="small", label="Model")
    changed = picker.__class__(**{**picker.constructor_args, "choices": [("Large", "large")], "value": "large"})
    assert changed.preprocess("small") == picker.preprocess("small") == "small"
    assert changed.get_block_name() == "dropdown"


def test_no_stub_is_written_beside_the_source() -> None:
    assert not list(Path(inputs.__file__).parent.glob("*.pyi"))


@dataclass(frozen=True)
class Choices:
    """One of each kind of control."""

    speed: str = options.choice("slow", ("slow", "quick"), label="Speed")
    steps: int = options.number(3, 1, 9, step=1, label="Steps")
    seed: int = options.number(0, 0, 2**31 - 1, step=1, label="Seed")
    words: str = options.text("", 20, label="Words")


def test_a_control_is_drawn_for_each_option_and_hands_over_what_was_sent() -> None:
    drawn = controls(Choices)
    kinds = {name: type(control) for name, control in drawn.items()}
    assert kinds == {"speed": gr.Radio, "steps": gr.Slider, "seed": gr.Number, "words": gr.Textbox}
    speed: Any = drawn["speed"]
    assert speed.preprocess("sideways") == "sideways"
