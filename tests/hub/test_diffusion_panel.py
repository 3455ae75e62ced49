"""The result panel of tabs that draw: which of several pictures is taken."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from hub.diffusion.panel import Films, choose

FRAMES = np.zeros((2, 8, 8, 3), np.uint8)
TWO = Films(tuple((f"picture-{seed}.png", FRAMES, Image.new("RGB", (8, 8))) for seed in (4, 5)))


def click(data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def test_the_first_picture_is_taken_until_another_one_is_clicked() -> None:
    assert TWO.path == "picture-4.png"
    path, films = choose(TWO, click({"place": 1}))
    assert path == films.path == "picture-5.png"
    assert films.each == TWO.each


@pytest.mark.parametrize("data", [None, {}, {"place": 2}, {"place": -1}, {"place": "1"}, [1], "place"])
def test_what_is_no_place_of_a_picture_changes_nothing(data: Any) -> None:
    assert choose(TWO, click(data)) == (gr.skip(), gr.skip())


def test_a_click_before_there_is_a_picture_changes_nothing() -> None:
    assert choose(None, click({"place": 0})) == (gr.skip(), gr.skip())
