from __future__ import annotations

import numpy as np
import pytest

from tabletop.pictures import SCENE_KEY, new_seed, scene_picture, scene_seed
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS


def test_a_scene_picture_is_the_scene_and_carries_its_seed() -> None:
    seed = TEST_SEEDS[7]
    drawn = scene_picture(seed, 64)
    assert np.array_equal(np.asarray(drawn), render(sample_scene(seed), 64).rgb)
    assert scene_seed({SCENE_KEY: drawn.info[SCENE_KEY]}) == seed


@pytest.mark.parametrize("text", [{}, {SCENE_KEY: "-1"}, {SCENE_KEY: "1e3"}, {SCENE_KEY: "9" * 30}, {SCENE_KEY: ""}])
def test_other_pictures_have_no_seed(text: dict[str, str]) -> None:
    assert scene_seed(text) is None


def test_new_scenes_are_ones_no_model_was_trained_on() -> None:
    assert all(new_seed() in TEST_SEEDS for _ in range(20))
