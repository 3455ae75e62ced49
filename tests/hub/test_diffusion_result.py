"""What the page says of drawn pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from hub.diffusion.options import SamplingOptions
from hub.diffusion.painting import Pictures
from hub.diffusion.prompts import Reading
from hub.diffusion.result import explained_html
from hub.diffusion.sampler import Drawn, Film


def pictures(taken: int, maps: np.ndarray | None = None, **options: object) -> Pictures:
    frames = np.zeros((taken, 2, 2, 3), np.uint8)
    drawn = Drawn(Image.new("RGB", (16, 16)), 0, Film(frames, frames), maps)
    return Pictures((drawn,), SamplingOptions(steps=20, **options), Reading((), 2, 40, ""), ())  # type: ignore[arg-type]


@pytest.mark.parametrize(("taken", "started"), [(20, False), (12, True)])
def test_the_explanation_counts_the_steps_that_were_taken(taken: int, started: bool) -> None:
    said = explained_html(pictures(taken))
    assert f"each of {taken} steps" in said
    assert ("Of the start picture" in said) == started


def test_maps_of_words_are_explained_where_there_are_some() -> None:
    assert "cross-attention" in explained_html(pictures(20, np.ones((2, 4, 4), np.float32)))
    assert "cross-attention" not in explained_html(pictures(20))


def test_the_explanation_says_what_the_model_is_asked() -> None:
    assert "without it" in explained_html(pictures(20, guidance=3.0))
    assert "with the negative one" in explained_html(pictures(20, guidance=3.0, negative_prompt="blue"))
    assert "asked once" in explained_html(pictures(20, guidance=1.0))
