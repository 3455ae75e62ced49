"""What the server makes of a canvas: values out, drawings in, and what is no drawing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hub import canvas
from hub.errors import InvalidInput
from hub.guard import Limits
from hub.pictures import data_uri
from hub.settings import Settings

LIMITS = Limits(megapixels=1, megabytes=1)


def spot(size: tuple[int, int], left: int) -> Image.Image:
    drawn = Image.new("L", size)
    drawn.paste(255, (left, 0, left + 4, 4))
    return drawn


def levels(drawing: Image.Image | None) -> np.ndarray:
    assert drawing is not None
    return np.asarray(drawing)


def test_what_is_put_on_a_canvas_is_read_back(tmp_path: Path) -> None:
    drawn = spot((40, 30), 8)
    for value in (
        canvas.over(Image.new("RGB", (40, 30)), Settings(temp_dir=tmp_path), drawn),
        canvas.paper((40, 30), drawn),
        data_uri(drawn, "PNG"),
    ):
        np.testing.assert_array_equal(levels(canvas.drawing(value, LIMITS)), np.asarray(drawn))


def test_an_empty_canvas_has_no_drawing() -> None:
    for value in ("", None, canvas.paper((40, 30))):
        assert canvas.drawing(value, LIMITS) is None


def test_a_large_picture_is_drawn_on_in_a_smaller_copy(tmp_path: Path) -> None:
    value = json.loads(canvas.over(Image.new("RGB", (4000, 1000)), Settings(temp_dir=tmp_path)))
    assert (value["width"], value["height"]) == (canvas.DRAWN_PX, canvas.DRAWN_PX // 4)


def test_what_is_added_leaves_what_was_there() -> None:
    value = canvas.added(canvas.paper((40, 30), spot((40, 30), 0)), spot((80, 60), 40), LIMITS, said="done")
    both = levels(canvas.drawing(value, LIMITS))
    assert both[0, 0] == both[0, 21] == 255
    assert both.sum() == 255 * (16 + 4)
    assert json.loads(value)["said"] == "done"


@pytest.mark.parametrize(
    "size", [{}, {"width": 40}, {"width": 40, "height": 10**9}, {"width": 0, "height": 40}], ids=str
)
def test_nothing_is_added_to_a_canvas_of_a_size_that_none_has(size: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match="Send"):
        canvas.added(json.dumps(size), spot((40, 30), 0), LIMITS)


@pytest.mark.parametrize(
    "value",
    [
        "nonsense",
        "[1]",
        "[" * 100_000,
        "data:image/jpeg;base64,AAAA",
        "data:image/png;base64,%%%",
        "data:image/png;base64,AAAA",
        json.dumps({"drawing": "http://example.org/a.png"}),
        "data:image/png;base64," + "A" * 2_000_000,
        data_uri(Image.new("L", (2000, 2000)), "PNG"),
        7,
    ],
    ids=range(10),
)
def test_what_is_no_drawing_is_refused_in_words(value: str) -> None:
    with pytest.raises(InvalidInput, match="Send"):
        canvas.drawing(value, LIMITS)
