from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from demos.stereo.checks import ADVICE, check_pair, shrink_pair
from demos.stereo.geometry import Calibration, project, triangulate
from hub.errors import InvalidInput
from tabletop.sampling import sample_scene
from tabletop.stereo import render_stereo

SIZE = 256
SEEDS = ((2, 4), (4, 3), (8, 4))  # scenes with enough to match
Pair = tuple[Image.Image, Image.Image]


@pytest.fixture(scope="module")
def scenes() -> list[Pair]:
    rendered = [render_stereo(sample_scene(seed, count), size=SIZE) for seed, count in SEEDS]
    return [(Image.fromarray(pair.left.rgb), Image.fromarray(pair.right.rgb)) for pair in rendered]


@pytest.fixture(scope="module")
def motorcycle() -> Pair:
    data = pytest.importorskip("skimage.data")
    left, right, _ = data.stereo_motorcycle()
    return Image.fromarray(left), Image.fromarray(right)


def lowered(picture: Image.Image, rows: int) -> Image.Image:
    return Image.fromarray(np.roll(np.asarray(picture), rows, axis=0))


def test_a_rendered_pair_passes(scenes: list[Pair]) -> None:
    for left, right in scenes:
        check = check_pair(left, right)
        assert check.passes
        assert check.negative_share < 0.25
        assert check.vertical_px < check.vertical_limit_px
        assert abs(check.vertical_offset_px) < 1


def test_a_swapped_pair_is_known(scenes: list[Pair]) -> None:
    for left, right in scenes:
        check = check_pair(right, left)
        assert check.problems == ("swapped",)
        assert check.negative_share > 0.9
        assert "100%" in check.advice("swapped")[0]


def test_a_pair_with_one_picture_lower_is_known_and_by_how_much(scenes: list[Pair]) -> None:
    for left, right in scenes:
        check = check_pair(left, lowered(right, 4))
        assert check.problems == ("unrectified",)
        assert check.vertical_offset_px == pytest.approx(4, abs=0.5)
        cause, _ = check.advice("unrectified")
        assert "would pass" in cause


def test_a_real_rectified_pair_passes_at_any_size_and_its_swap_does_not(motorcycle: Pair) -> None:
    left, right = motorcycle
    assert check_pair(left, right, doffs_px=31.086).passes
    left, right = (picture.resize((370, 248), Image.Resampling.BILINEAR) for picture in motorcycle)
    assert check_pair(left, right, doffs_px=31.086 / 2).passes
    assert check_pair(right, left, doffs_px=31.086 / 2).problems == ("swapped",)


def test_a_real_pair_turned_by_one_degree_is_not_rectified(motorcycle: Pair) -> None:
    left, right = motorcycle
    check = check_pair(left, right.rotate(1, resample=Image.Resampling.BICUBIC))
    assert check.problems == ("unrectified",)
    assert abs(check.vertical_offset_px) < check.vertical_limit_px  # up on one side, down on the other:
    assert check.vertical_spread_px > check.vertical_limit_px


def test_one_picture_twice_is_known_even_when_saved_again(scenes: list[Pair]) -> None:
    left, _ = scenes[0]
    saved = io.BytesIO()
    left.save(saved, "JPEG", quality=70)
    assert check_pair(left, left).problems == ("same",)
    assert check_pair(left, Image.open(saved)).problems == ("same",)


def test_pictures_with_nothing_in_common_are_not_judged(scenes: list[Pair]) -> None:
    plain = Image.new("RGB", (SIZE, SIZE), (200, 180, 160))
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8))
    for left, right in ((plain, scenes[0][0]), (scenes[0][0], noise)):
        assert check_pair(left, right).problems == ("textureless",)


def test_pictures_of_different_sizes_are_refused(scenes: list[Pair]) -> None:
    left, right = scenes[0]
    with pytest.raises(InvalidInput, match="256 x 256 pixels, the right one 256 x 255"):
        check_pair(left, right.crop((0, 0, SIZE, SIZE - 1)))


def test_every_problem_has_advice_in_words(scenes: list[Pair]) -> None:
    check = check_pair(*scenes[0])
    for problem in ADVICE:
        InvalidInput(*check.advice(problem))
        assert "{" not in "".join(check.advice(problem))


def test_matches_are_given_in_pixels_of_the_pictures_as_they_came(motorcycle: Pair) -> None:
    large = [picture.resize((1482, 994), Image.Resampling.BILINEAR) for picture in motorcycle]
    matches, once = check_pair(large[0], large[1]).matches, check_pair(*motorcycle).matches
    disparity, disparity_once = (np.median(found[:, 0] - found[:, 2]) for found in (matches, once))
    assert disparity == pytest.approx(2 * disparity_once, rel=0.1)
    assert matches[:, 0].max() > 741


def test_a_large_pair_is_shrunk_with_its_intrinsics_and_says_so() -> None:
    picture = Image.new("RGB", (2000, 1501))
    calibration = Calibration(1400, 1400, 999.5, 750, 0.1, 12, 2000, 1501)
    small = shrink_pair(picture, picture, calibration, 0.3)
    assert small.left.size == small.right.size
    assert small.left.width * small.left.height <= 300_000
    assert (small.calibration.width_px, small.calibration.height_px) == small.left.size
    assert "2000 x 1501" in small.note
    assert "focal" in small.note
    u, v, u_right = project(calibration, (0.2, -0.1, 2))
    u, u_right = (u + 0.5) * small.factor_x - 0.5, (u_right + 0.5) * small.factor_x - 0.5
    found = triangulate(small.calibration, u, (v + 0.5) * small.factor_y - 0.5, u - u_right)
    np.testing.assert_allclose(found, (0.2, -0.1, 2))


def test_a_pair_that_is_small_enough_stays_as_it_is() -> None:
    picture, calibration = Image.new("RGB", (100, 80)), Calibration(90, 90, 50, 40, 0.1)
    small = shrink_pair(picture, picture, calibration, 0.01)
    assert (small.left, small.calibration, small.note) == (picture, calibration, "")
