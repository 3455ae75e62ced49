"""Selecting by a click: exactly in scenes that are known, by their colours in other pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from demos.inpainting.marking import clicked_point
from demos.inpainting.masks import Mask
from demos.inpainting.selecting import cut_out, points_in, selected
from hub.errors import InvalidInput
from tabletop.pictures import scene_picture
from tabletop.render import View, render
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS

SEED = TEST_SEEDS[0] + 30  # four solids
SIDE_PX = 128


def view(seed: int = SEED) -> View:
    return render(sample_scene(seed), SIDE_PX)


def middle(mask: Mask) -> tuple[int, int]:
    """Return the pixel (x, y) of a mask that is nearest to its middle."""
    places = np.argwhere(mask)
    row, column = places[np.argmin(np.hypot(*(places - places.mean(0)).T))]
    return int(column), int(row)


def test_a_click_on_a_solid_of_a_scene_selects_exactly_its_pixels() -> None:
    ids = view().ids
    for number in range(1, ids.max() + 1):
        mask, how = selected(scene_picture(SEED, SIDE_PX), SEED, [middle(ids == number)], shadows=False)
        np.testing.assert_array_equal(mask, ids == number)
        assert "exactly" in how


def test_its_shadow_is_what_the_picture_loses_without_it() -> None:
    ids = view().ids
    mask, _ = selected(scene_picture(SEED, SIDE_PX), SEED, [middle(ids == 1)])
    assert mask[ids == 1].all()
    shadow = mask & (ids != 1)
    assert 20 < shadow.sum() < 4 * (ids == 1).sum()


def test_several_clicks_add_up() -> None:
    ids, picture = view().ids, scene_picture(SEED, SIDE_PX)
    points = [middle(ids == 1), middle(ids == 2)]
    mask, _ = selected(picture, SEED, points, shadows=False)
    np.testing.assert_array_equal(mask, (ids == 1) | (ids == 2))


def test_a_click_on_the_table_says_what_to_click() -> None:
    row, column = np.argwhere(view().ids == 0)[0]
    with pytest.raises(InvalidInput, match="Click one of the solids"):
        selected(scene_picture(SEED, SIDE_PX), SEED, [(int(column), int(row))])


def test_a_scene_that_was_changed_since_is_cut_by_its_colours() -> None:
    picture = scene_picture(SEED, SIDE_PX).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    _, how = selected(picture, SEED, [middle(view().ids[:, ::-1] == 1)])
    assert "colours" in how


@pytest.mark.parametrize("size", [(128, 128), (300, 200), (1000, 700)])
def test_a_thing_of_one_colour_is_cut_out_whole(size: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: size[1], : size[0]]
    thing = np.hypot(columns - size[0] * 0.6, rows - size[1] * 0.5) < size[1] * 0.15
    noise = np.random.default_rng(0).normal(0, 4, (*thing.shape, 3))
    pixels = np.where(thing[..., None], (200, 60, 40), (60, 110, 160)) + noise
    mask = cut_out(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), middle(thing))
    assert (mask & thing).sum() / (mask | thing).sum() > 0.95


def test_solids_of_scenes_are_cut_out_without_knowing_the_scene() -> None:
    shares = []
    for seed in TEST_SEEDS[300:304]:
        ids = view(seed).ids
        for number in range(1, ids.max() + 1):
            mask = cut_out(scene_picture(seed, SIDE_PX), middle(ids == number))
            shares.append((mask & (ids == number)).sum() / (mask | (ids == number)).sum())
    assert np.median(shares) > 0.75


def test_a_picture_of_one_colour_can_be_clicked() -> None:
    assert cut_out(Image.new("RGB", (64, 48), "teal"), (0, 47)).any()


@pytest.mark.parametrize("text", ["", "  "])
def test_no_points_are_none(text: str) -> None:
    assert points_in(text, (10, 10)) == []


@pytest.mark.parametrize("text", ["3", "3,4,5x", "a,b", "10,3", "3,10", "9" * 400 + ",1", "; ".join(["1,1"] * 17)])
def test_points_that_are_none_of_the_picture_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        points_in(text, (10, 10))


@pytest.mark.parametrize(
    "data", [None, {}, {"x": 0.5}, {"x": 1.0, "y": 0.1}, {"x": "a", "y": 0}, {"x": float("nan"), "y": 0}]
)
def test_a_click_that_no_browser_sends_is_refused(data: Any) -> None:
    with pytest.raises(InvalidInput, match="Click into it"):
        clicked_point(data, (10, 10))


def test_a_click_is_a_share_of_the_picture() -> None:
    assert clicked_point({"x": 0.999, "y": 0.5}, (4000, 3000)) == (3996, 1500)
