"""The Hub's matchers and depth models: tiny random checkpoints, loaded as the app loads them, with no network."""

from __future__ import annotations

import socket
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image

from demos.stereo.families.monocular import DepthEstimation, scale_and_shift
from demos.stereo.families.sparse import EPIPOLAR_PX, on_their_rows, sift_matches
from demos.stereo.geometry import Calibration
from demos.stereo.matching import Pair
from demos.stereo.measurement import MarkedPoint
from demos.stereo.models import MODELS
from demos.stereo.options import MatchOptions, MeasureRequest
from demos.stereo.pipeline import Stereo
from demos.stereo.search_range import SearchRange
from hub.errors import InvalidInput
from tests.demos import tiny_stereo

CALIBRATION = Calibration(994.978, 994.978, 311.193, 254.877, 0.193001, 31.086)
CARDS = {card.key: card for card in MODELS}
OPTIONS = MatchOptions(max_disparity=64)
MATCHERS = ("superglue", "lightglue", "efficientloftr")
DEPTHS = ("depth-anything-v2-small", "depth-anything-v2-indoor", "depth-pro")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stereo]:
    """Every model, loaded while nothing can be reached."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("the network is off")

    root = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", unreachable)
        patch.setenv("HF_HUB_OFFLINE", "1")
        return {
            name: Stereo.from_folder(CARDS[name].family, tiny_stereo.save(name, root / name))
            for name in tiny_stereo.CHECKPOINTS
        }


@pytest.fixture(scope="module")
def pictures() -> tuple[Image.Image, Image.Image]:
    left, right, _ = skimage.data.stereo_motorcycle()
    return Image.fromarray(left[100:400, 200:600]), Image.fromarray(right[100:400, 200:600])


@pytest.mark.parametrize("name", MATCHERS)
def test_keypoints_lie_in_the_pictures_and_partners_on_one_row(
    loaded: dict[str, Stereo], pictures: tuple[Image.Image, Image.Image], name: str
) -> None:
    family: Any = loaded[name].family
    shares, scores = family.pipeline(list(pictures), threshold=0.0)
    assert len(shares) == len(scores)
    assert ((shares >= 0) & (shares <= 1)).all()
    request = MeasureRequest(*pictures, CALIBRATION, (MarkedPoint("a", 200, 150),), (), OPTIONS)
    (measured,) = loaded[name]([request])
    assert measured.matches is not None
    assert measured.match_scores is not None
    assert (np.abs(measured.matches[:, 1] - measured.matches[:, 3]) <= EPIPOLAR_PX).all()
    assert measured.disparity_px is None
    assert measured.points[0].source == "template"
    assert loaded[name].modules()


@pytest.mark.parametrize("name", DEPTHS)
def test_depth_of_one_picture_is_given_the_scale_of_stereo(
    loaded: dict[str, Stereo], pictures: tuple[Image.Image, Image.Image], name: str
) -> None:
    request = MeasureRequest(*pictures, CALIBRATION, (MarkedPoint("a", 200, 150),), (), OPTIONS)
    (measured,) = loaded[name]([request])
    assert measured.disparity_px is not None
    assert measured.disparity_px.shape == (300, 400)
    assert "fitted scale" in measured.facts
    assert "mean relative difference to stereo" in measured.facts


def test_one_picture_alone_is_measured_by_a_metric_model_and_refused_by_a_relative_one(
    loaded: dict[str, Stereo], pictures: tuple[Image.Image, Image.Image]
) -> None:
    request = MeasureRequest(pictures[0], None, CALIBRATION, (MarkedPoint("a", 200, 150),))
    (measured,) = loaded["depth-anything-v2-indoor"]([request])
    assert measured.points[0].position_m is not None
    assert any("the model's own scale" in note for note in measured.notes)
    with pytest.raises(InvalidInput, match="Send the right picture"):
        loaded["depth-anything-v2-small"]([request])


def test_scale_and_shift_are_found_under_a_tenth_of_outliers() -> None:
    rng = np.random.default_rng(0)
    said = rng.random(2000).astype(np.float32)
    wanted = 30 * said + 7 + rng.normal(0, 0.05, 2000)
    wanted[:200] = rng.uniform(0, 200, 200)
    scale, shift = scale_and_shift(said, wanted)
    assert scale == pytest.approx(30, rel=0.01)
    assert shift == pytest.approx(7, rel=0.02)


def test_a_metric_model_that_is_off_by_a_factor_gets_exactly_that_factor(
    loaded: dict[str, Stereo], pictures: tuple[Image.Image, Image.Image]
) -> None:
    family = loaded["depth-anything-v2-indoor"].family
    assert isinstance(family, DepthEstimation)
    pair = Pair(np.asarray(pictures[0]), np.asarray(pictures[1]), CALIBRATION)
    depth = np.linspace(1, 3, 300 * 400).reshape(300, 400).astype(np.float32)
    disparity = (CALIBRATION.baseline_m * CALIBRATION.focal_x_px / (2.5 * depth) - CALIBRATION.doffs_px).astype(
        np.float32
    )
    found = family._aligned(pair, depth, disparity)
    assert found.disparity_px is not None
    assert found.facts["fitted scale"].startswith("2.5 x")
    assert found.facts["mean relative difference to stereo"] == "0.0 %"
    np.testing.assert_allclose(found.disparity_px, disparity, atol=1e-3)


def test_sift_matches_of_a_rectified_pair_agree_with_its_truth() -> None:
    left, right, truth = skimage.data.stereo_motorcycle()
    found = on_their_rows(*sift_matches(left, right), SearchRange(0, 64))
    assert found.matches is not None
    assert found.match_scores is not None
    assert len(found.matches) > 300
    rows, columns = np.rint(found.matches[:, 1]).astype(int), np.rint(found.matches[:, 0]).astype(int)
    error = np.abs(found.matches[:, 0] - found.matches[:, 2] - truth[rows, columns])
    assert np.mean(error[np.isfinite(error)] < 2) > 0.9
    assert ((found.match_scores > 0) & (found.match_scores <= 1)).all()


def test_two_plain_pictures_have_no_sift_matches() -> None:
    plain = np.full((80, 100, 3), 200, np.uint8)
    matches, scores = sift_matches(plain, plain)
    assert matches.shape == (0, 4)
    assert scores.shape == (0,)
