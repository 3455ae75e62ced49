"""A partner found by its looks: between pixels, with a rival named, and refused where something refutes it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from demos.stereo.families.dense import OpenCvDense
from demos.stereo.matching import U8, Pair
from demos.stereo.measurement import MarkedPoint
from demos.stereo.options import MatchOptions
from demos.stereo.partners import partner_of
from demos.stereo.scenes import new_scene
from demos.stereo.template import judged, peak_of, score_curve
from hub.batch import Watch
from tabletop.world import TEST_SEEDS

SEARCH = (0, 40)


def noise(height: int, width: int, seed: int = 0) -> U8:
    """Texture with grains of some four pixels."""
    grains = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(grains).resize((width, height), Image.Resampling.BICUBIC))


def moved(picture: U8, disparity: int) -> U8:
    return np.ascontiguousarray(np.roll(picture, -disparity, axis=1))


def judge(left: U8, right: U8, u: float, v: float) -> tuple[float, float, str]:
    """Return disparity, error and what refutes it."""
    curve = score_curve(left, right, u, v, SEARCH)
    assert curve is not None
    peak = peak_of(*curve)
    return peak.disparity_px, *judged(left, right, u, v, peak, SEARCH)


def test_a_patch_slid_along_its_row_finds_a_shift_between_pixels() -> None:
    rng = np.random.default_rng(0)
    wide = Image.fromarray(rng.integers(0, 256, (60, 240, 3), dtype=np.uint8))
    full = np.asarray(wide.resize((960, 240), Image.Resampling.BICUBIC))
    left, right = full[::4, 0::4], full[::4, 25::4]  # 6.25 px apart
    found = score_curve(np.ascontiguousarray(left), np.ascontiguousarray(right), 100.5, 30.0, (0, 20))
    assert found is not None
    peak = peak_of(*found)
    assert peak.disparity_px == pytest.approx(6.25, abs=0.1)
    assert peak.rival_px is None
    assert peak.score > 0.9


def test_a_repeated_pattern_names_its_rival() -> None:
    stripes = np.tile(np.array([0, 80, 200, 255, 160, 40, 20, 90], np.uint8), 30)
    picture = np.repeat(np.repeat(stripes[None, :, None], 60, 0), 3, 2)
    found = score_curve(picture, picture, 120.0, 30.0, (0, 20))
    assert found is not None
    assert peak_of(*found).rival_px is not None


@pytest.mark.parametrize("place", [0, 4, 9])
def test_a_rival_may_lie_at_either_end_of_the_curve(place: int) -> None:
    scores = np.zeros(10)
    scores[place] = 0.88
    best = 0 if place == 4 else 9 - place
    scores[best] = 0.9
    assert peak_of(np.arange(10.0), scores).rival_px == place


def test_a_plain_patch_has_no_partner() -> None:
    plain = np.full((60, 200, 3), 128, np.uint8)
    assert score_curve(plain, plain, 100.0, 30.0, (0, 20)) is None


def test_a_surface_that_both_cameras_see_is_not_refuted() -> None:
    left = noise(80, 240)
    disparity, error, refuted = judge(left, moved(left, 12), 120, 40)
    assert disparity == pytest.approx(12, abs=0.1)
    assert refuted == ""
    assert error < 0.3


def test_a_point_that_the_right_camera_does_not_see_is_refuted_however_sharp_its_peak() -> None:
    """Its own partner is covered on the right, and something that looks much alike stands elsewhere."""
    left = noise(80, 240).copy()
    left[:, 85:115] = left[:, 105:135]  # the twin, which the right camera sees too
    right = moved(left, 12).copy()
    right[:, 99:126] = noise(80, 28, seed=9)[:, :27]
    left[:, 108:132] = np.clip(left[:, 108:132] + np.random.default_rng(1).normal(0, 15, (80, 24, 3)), 0, 255)
    disparity, _, refuted = judge(left, right, 120, 40)
    assert disparity == pytest.approx(32, abs=0.5)
    assert "another place" in refuted


@pytest.mark.parametrize("step", [3, 8])
def test_a_patch_across_an_edge_is_refuted_or_knows_that_it_is_less_sure(step: int) -> None:
    left = noise(80, 240)
    right = moved(left, 12).copy()
    right[:40] = moved(left, 12 + step)[:40]
    disparity, error, refuted = judge(left, right, 120, 40)
    assert "several depths" in refuted or min(abs(disparity - 12), abs(disparity - 12 - step)) < 2 * error
    _, surer, nothing = judge(left, right, 120, 60)
    assert nothing == ""
    assert surer < error / 2


def test_nothing_alike_is_refuted_with_the_best_score() -> None:
    _, _, refuted = judge(noise(80, 240), noise(80, 240, seed=5), 120, 40)
    assert "looks alike" in refuted or "another place" in refuted


def test_partners_of_hidden_points_are_refused_or_covered_by_their_error_bars() -> None:
    """Nine in ten sharp peaks of such points are wrong, by dozens of pixels."""
    scene = new_scene(TEST_SEEDS[2], 512)
    pair = Pair(np.asarray(scene.left), np.asarray(scene.right), scene.calibration)
    matched = OpenCvDense().match(pair, MatchOptions(), Watch())
    assert matched.disparity_px is not None
    hidden = np.argwhere(np.isnan(matched.disparity_px) & scene.truth.occluded & (scene.truth.disparity_px > 1))
    wrong = 0
    asked = hidden[:: max(1, len(hidden) // 120)].tolist()
    for v, u in asked:
        partner = partner_of(MarkedPoint("hidden", u, v), pair, matched)
        if partner.u_px is not None and partner.error_px is not None:
            wrong += abs(u - partner.u_px - scene.truth.disparity_px[v, u]) > 3 * partner.error_px
    assert len(asked) > 50
    assert wrong / len(asked) < 0.05
