"""The second look at a dense match: which pairs it confirms, and which it leaves to keypoints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from demos.stereo import FOLDER
from demos.stereo.calibration import read_calibration
from demos.stereo.families.dense import OpenCvDense
from demos.stereo.geometry import Calibration
from demos.stereo.matching import U8, Pair
from demos.stereo.measurement import MarkedPoint
from demos.stereo.options import MatchOptions, MeasureRequest
from demos.stereo.pipeline import Stereo
from demos.stereo.rows import PairCheck, best_of_cells, confirmed
from demos.stereo.scenes import new_scene
from hub.batch import Watch
from hub.errors import InvalidInput
from tabletop.sampling import sample_scene
from tabletop.stereo import render_stereo
from tabletop.world import TEST_SEEDS
from tests.demos.boards import POSES, TRUE_RIG, pair_of


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    """A rendered scene and a real pair."""
    scene = new_scene(TEST_SEEDS[0], 384)
    oak = read_calibration((FOLDER / "oak-d-calibration.json").read_text(encoding="utf-8")).calibration
    desk = [np.asarray(Image.open(FOLDER / f"desk-{side}.png").convert("RGB")) for side in ("left", "right")]
    return [Pair(np.asarray(scene.left), np.asarray(scene.right), scene.calibration), Pair(desk[0], desk[1], oak)]


def looked_at(pair: Pair) -> PairCheck | None:
    return confirmed(pair, OpenCvDense().match(pair, MatchOptions(), Watch()))


def turned(picture: U8 | None, degrees: float) -> U8:
    assert picture is not None
    return np.asarray(Image.fromarray(picture).rotate(degrees, resample=Image.Resampling.BICUBIC))


def test_rectified_pairs_are_confirmed(pairs: list[Pair]) -> None:
    for pair in pairs:
        check = looked_at(pair)
        assert check is not None
        assert check.passes
        assert check.vertical_px < check.vertical_limit_px
        assert abs(check.vertical_offset_px) < 0.5
        assert len(check.matches) >= 24


@pytest.mark.parametrize("rows", [3, 8, 20])
def test_a_pair_with_one_picture_lower_is_not_confirmed(pairs: list[Pair], rows: int) -> None:
    for pair in pairs:
        assert pair.right is not None
        assert looked_at(replace(pair, right=np.roll(pair.right, rows, axis=0))) is None


def test_turned_swapped_foreign_and_equal_pictures_are_not_confirmed(pairs: list[Pair]) -> None:
    for pair in pairs:
        assert pair.right is not None
        assert looked_at(replace(pair, right=turned(pair.right, 1.5))) is None
        assert looked_at(replace(pair, left=pair.right, right=pair.left)) is None
        assert looked_at(replace(pair, right=pair.right[::-1, ::-1].copy())) is None
        assert looked_at(replace(pair, right=pair.left)) is None


def test_a_board_that_its_own_calibration_rectified_is_measured_though_it_agrees_with_itself_moved() -> None:
    """Keypoints of a chessboard match those a square higher as well, and were taken for an unrectified pair."""
    stereo = Stereo.from_folder("sgbm")
    for pose in (POSES[1], POSES[5]):
        left, right, calibration = TRUE_RIG.rectify(*(picture.convert("RGB") for picture in pair_of(*pose)))
        (measured,) = stereo([MeasureRequest(left, right, calibration, (MarkedPoint("middle", 320, 240),))])
        assert measured.points[0].position_m is not None
        assert measured.points[0].position_m[2] == pytest.approx(pose[1][2], abs=0.08)


def test_a_board_that_nobody_rectified_is_refused() -> None:
    left, right = (picture.convert("RGB") for picture in pair_of(*POSES[5]))
    with pytest.raises(InvalidInput, match="not rectified"):
        Stereo.from_folder("sgbm")([MeasureRequest(left, right, Calibration(530, 530, 320, 240, 0.075))])


def test_a_swapped_pair_is_said_to_be_swapped_even_with_little_texture() -> None:
    rendered = render_stereo(sample_scene(2, 1), size=256)
    left, right = Image.fromarray(rendered.left.rgb), Image.fromarray(rendered.right.rgb)
    focal = float(rendered.left.intrinsics[0, 0])
    stereo, calibration = Stereo.from_folder("sgbm"), Calibration(focal, focal, 128, 128, 0.075)
    (measured,) = stereo([MeasureRequest(left, right, calibration)])
    assert measured.disparity_px is not None
    with pytest.raises(InvalidInput, match=r"swapped.*Exchange"):
        stereo([MeasureRequest(right, left, calibration)])


def test_the_best_corner_of_each_cell_is_found() -> None:
    scores = np.zeros((45, 60), np.float32)
    scores[3, 4], scores[5, 6], scores[39, 59] = 0.5, 0.7, 0.2
    assert sorted(map(tuple, best_of_cells(scores).tolist())) == [(6, 5), (59, 39)]
    assert len(best_of_cells(np.ones((10, 10), np.float32))) == 0
