"""The stereo pipeline end to end: points, distances, truth, refusals, memory, and the code that repeats a run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from demos.stereo.families import semi_global
from demos.stereo.geometry import Calibration
from demos.stereo.measurement import MarkedPoint
from demos.stereo.models import MODELS
from demos.stereo.options import MatchOptions, MeasureRequest
from demos.stereo.pipeline import Stereo
from demos.stereo.scenes import new_scene
from demos.stereo.snippet import snippet
from demos.stereo.wording import summary
from hub.errors import InvalidInput
from tabletop.world import TEST_SEEDS

CALIBRATION = Calibration(994.978, 994.978, 311.193, 254.877, 0.193001, 31.086)
POINTS = (
    MarkedPoint("a", 300, 250),
    MarkedPoint("b", 400.5, 300.25),
    MarkedPoint("patch", 703, 91),
    MarkedPoint("hand", 300, 200, 250.5, 200),
    MarkedPoint("outside", 3000, 2),
)
RANGE = MatchOptions(max_disparity=64)
CARDS = {card.key: card for card in MODELS}


@pytest.fixture(scope="module")
def pictures() -> tuple[Image.Image, Image.Image]:
    left, right, _ = skimage.data.stereo_motorcycle()
    return Image.fromarray(left), Image.fromarray(right)


@pytest.fixture(scope="module")
def stereo() -> Stereo:
    return Stereo.from_folder("sgbm")


def asked(pictures: tuple[Image.Image, Image.Image], options: MatchOptions = RANGE) -> MeasureRequest:
    return MeasureRequest(*pictures, CALIBRATION, POINTS, (("a", "b"), ("a", "outside")), options)


def test_each_point_has_a_place_and_an_error_or_a_reason(
    stereo: Stereo, pictures: tuple[Image.Image, Image.Image]
) -> None:
    (measured,) = stereo([asked(pictures)])
    by_name = {point.marked.name: point for point in measured.points}
    assert [point.source for point in measured.points] == ["dense", "dense", "template", "hand", "none"]
    assert "outside the picture" in by_name["outside"].reason
    for name in ("a", "b", "patch", "hand"):
        position, error = by_name[name].position_m, by_name[name].error_m
        assert position is not None
        assert error is not None
        assert 1 < position[2] < 7
        assert (error > 0).all()
    first, second = measured.dimensions
    assert first.distance_m is not None
    assert first.error_m is not None
    assert first.error_m < 0.05 < first.distance_m
    assert second.distance_m is None
    assert "outside" in second.reason


def test_zero_disparity_is_said_to_be_at_infinity_and_never_a_number(stereo: Stereo) -> None:
    calibration = Calibration(450.0, 450.0, 320.0, 240.0, 0.075)
    points = (MarkedPoint("far", 100, 100, 100, 100), MarkedPoint("near", 100, 100, 60, 100), MarkedPoint("none", 1, 1))
    (measured,) = stereo([MeasureRequest(None, None, calibration, points, (("far", "near"),))])
    far, _, alone = measured.points
    assert far.position_m is None
    assert "infinity" in far.reason
    assert measured.dimensions[0].distance_m is None
    assert "no partner" in alone.reason


def test_another_point_does_not_match_the_pair_again(pictures: tuple[Image.Image, Image.Image]) -> None:
    stereo = Stereo.from_folder("sgbm")
    request = asked(pictures)
    (first,) = stereo([request])
    (second,) = stereo([replace(request, points=(*POINTS, MarkedPoint("new", 350, 260)))])
    assert second.disparity_px is first.disparity_px
    (third,) = stereo([replace(request, options=MatchOptions(max_disparity=80))])
    assert third.disparity_px is not first.disparity_px


def test_another_calibration_is_not_answered_from_memory(pictures: tuple[Image.Image, Image.Image]) -> None:
    stereo = Stereo.from_folder("sgbm")
    exchanged = asked((pictures[1], pictures[0]))
    swapped = replace(exchanged, calibration=replace(CALIBRATION, doffs_px=0.0))
    for _ in range(2):
        with pytest.raises(InvalidInput, match="swapped"):
            stereo([swapped])
        stereo([replace(exchanged, calibration=replace(CALIBRATION, doffs_px=100.0))])  # all in front of the cameras
    turned = (pictures[0], pictures[1].rotate(1.5, resample=Image.Resampling.BICUBIC))
    for focal_px in (CALIBRATION.focal_x_px, 700.0):
        calibration = replace(CALIBRATION, focal_x_px=focal_px, focal_y_px=focal_px)
        request = replace(asked(turned, MatchOptions(unrectified="rectify")), calibration=calibration)
        (measured,) = stereo([request])
        assert measured.calibration.focal_x_px == focal_px


def test_one_picture_twice_and_swapped_pictures_are_refused_with_what_to_do(
    stereo: Stereo, pictures: tuple[Image.Image, Image.Image]
) -> None:
    left, right = pictures
    with pytest.raises(InvalidInput, match="same picture"):
        stereo([asked((left, left))])
    with pytest.raises(InvalidInput, match=r"swapped.*Exchange"):
        stereo([replace(asked((right, left)), calibration=replace(CALIBRATION, doffs_px=0.0))])
    with pytest.raises(InvalidInput, match="x 400"):
        stereo([asked((left, right.crop((0, 0, 741, 400))))])


def test_depth_does_not_depend_on_a_resize(stereo: Stereo, pictures: tuple[Image.Image, Image.Image]) -> None:
    """The smaller pair says its own size, and the calibration that of the full one."""
    known = replace(CALIBRATION, width_px=740, height_px=500)
    left, right = (picture.crop((0, 0, 740, 500)) for picture in pictures)
    full = (left, right)
    half = (left.resize((370, 250), Image.Resampling.BOX), right.resize((370, 250), Image.Resampling.BOX))
    spots = [(u, v) for u in range(150, 700, 50) for v in range(60, 480, 60)]
    large, small = (
        stereo(
            [MeasureRequest(pair[0], pair[1], known, tuple(MarkedPoint(f"p{i}", *at) for i, at in enumerate(places)))]
        )[0]
        for pair, places in (
            (full, spots),
            (half, [((u + 0.5) / 2 - 0.5, (v + 0.5) / 2 - 0.5) for u, v in spots]),
        )
    )
    both = [
        (here, there)
        for here, there in zip(large.points, small.points, strict=True)
        if here.source == there.source == "dense"
    ]
    assert len(both) > 30
    within = [
        abs(here.position_m[2] - there.position_m[2]) <= 2 * np.hypot(here.error_m[2], there.error_m[2])  # type: ignore[index]
        for here, there in both
    ]
    assert np.mean(within) > 0.9


def test_a_new_scene_comes_with_its_truth_and_a_changed_one_without(stereo: Stereo) -> None:
    scene = new_scene(TEST_SEEDS[0], 256)
    request = MeasureRequest(
        scene.left, scene.right, scene.calibration, (MarkedPoint("table", 128, 200),), scene_seed=scene.seed
    )
    (measured,) = stereo([request])
    assert measured.truth is not None
    assert measured.points[0].true_position_m is not None
    np.testing.assert_array_equal(measured.truth.disparity_px, scene.truth.disparity_px)
    rounded = scene.left.copy()
    rounded.putpixel((0, 0), (0, 0, 0))  # as another processor may draw it
    (alike,) = stereo([replace(request, left=rounded)])
    assert alike.truth is not None
    changed = scene.left.copy()
    changed.paste((0, 0, 0), (0, 0, 40, 40))
    (other,) = stereo([replace(request, left=changed)])
    assert other.truth is None
    assert any("truth is not shown" in note for note in other.notes)


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("sgbm", MatchOptions()),
        ("sgbm", MatchOptions(preset="fine", smoothing="wls", unit="mm")),
        ("block-matching", MatchOptions(preset="own", max_disparity=96, min_disparity=-16, unit="in")),
        ("sift", MatchOptions(unit="m")),
        ("census-sgm", MatchOptions(preset="quick", max_disparity=64)),
    ],
)
def test_the_code_of_a_run_prints_its_lines(
    key: str, options: MatchOptions, pictures: tuple[Image.Image, Image.Image], tmp_path: Path
) -> None:
    card = CARDS[key]
    request = asked(pictures, options)
    (measured,) = Stereo.from_folder(card.family)([request])
    for name, picture in zip(("left", "right"), pictures, strict=True):
        picture.save(tmp_path / f"{name}.png")
    assert ran(snippet(card, request, measured), tmp_path) == summary(measured, options.unit)


def test_a_straightened_pair_has_no_unit_and_its_code_straightens_it_alike(
    stereo: Stereo, pictures: tuple[Image.Image, Image.Image], tmp_path: Path
) -> None:
    left, right = pictures[0], pictures[1].rotate(1.5, resample=Image.Resampling.BICUBIC)
    with pytest.raises(InvalidInput, match="not rectified"):
        stereo([asked((left, right))])
    request = asked((left, right), MatchOptions(unrectified="rectify"))
    (measured,) = stereo([request])
    assert measured.relative
    assert measured.homographies is not None
    assert any("distances have no unit" in note for note in measured.notes)
    for name, picture in (("left", left), ("right", right)):
        picture.save(tmp_path / f"{name}.png")
    assert ran(snippet(CARDS["sgbm"], request, measured), tmp_path) == summary(measured, "cm")


def test_a_pair_taken_for_turned_is_matched_as_it_is_where_that_is_asked(
    stereo: Stereo, pictures: tuple[Image.Image, Image.Image]
) -> None:
    left, right = pictures[0], pictures[1].rotate(1.5, resample=Image.Resampling.BICUBIC)
    (measured,) = stereo([asked((left, right), MatchOptions(unrectified="as is"))])
    assert not measured.relative
    assert measured.disparity_px is not None
    assert any("not rectified" in note and "as asked" in note for note in measured.notes)


def test_a_large_pair_is_made_smaller_says_so_and_measures_the_same(
    stereo: Stereo, pictures: tuple[Image.Image, Image.Image], tmp_path: Path
) -> None:
    left, right = (picture.resize((2223, 1500), Image.Resampling.BICUBIC) for picture in pictures)
    points = tuple(MarkedPoint(f"p{u}", (u + 0.5) * 3 - 0.5, (v + 0.5) * 3 - 0.5) for u, v in ((300, 250), (250, 200)))
    request = MeasureRequest(left, right, CALIBRATION.scaled(3, 3), points, options=MatchOptions(max_disparity=160))
    (large,) = stereo([request])
    assert large.left is not None
    assert large.left.width * large.left.height <= 2_000_000
    assert any("2223 x 1500" in note for note in large.notes)
    small_points = (MarkedPoint("p300", 300, 250), MarkedPoint("p250", 250, 200))
    (small,) = stereo([MeasureRequest(*pictures, CALIBRATION, small_points, options=RANGE)])
    for here, there in zip(large.points, small.points, strict=True):
        assert here.position_m is not None
        assert there.position_m is not None
        assert here.error_m is not None
        assert there.error_m is not None
        assert abs(here.position_m[2] - there.position_m[2]) < 2 * np.hypot(here.error_m[2], there.error_m[2])
    for name, picture in (("left", left), ("right", right)):
        picture.save(tmp_path / f"{name}.png", compress_level=1)
    assert ran(snippet(CARDS["sgbm"], request, large), tmp_path) == summary(large, "cm")


def test_the_code_of_points_alone_needs_no_picture(stereo: Stereo, tmp_path: Path) -> None:
    calibration = Calibration(452.9, 452.9, 298.85, 245.52, 0.075)
    points = (MarkedPoint("pt1", 138, 219, 102, 219), MarkedPoint("pt2", 264, 216, 234, 217))
    request = MeasureRequest(None, None, calibration, points, (("pt1", "pt2"),))
    (measured,) = stereo([request])
    printed = ran(snippet(CARDS["sgbm"], request, measured), tmp_path)
    assert printed == summary(measured, "cm")
    assert printed.splitlines()[0] == "pt1: x -33.51, y -5.53, z 94.35 cm"


def ran(code: str, folder: Path) -> str:
    (folder / "code.py").write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, "code.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_code_of_a_pair_too_large_for_the_device_makes_it_smaller_alike(
    pictures: tuple[Image.Image, Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(semi_global.MOST_CELLS, "cpu", 2_000_000)
    request = asked(pictures, MatchOptions(preset="quick", max_disparity=64))
    (measured,) = Stereo.from_folder("census-sgm")([request])
    assert measured.matched_px is not None
    assert measured.matched_px[0] < 400
    for name, picture in zip(("left", "right"), pictures, strict=True):
        picture.save(tmp_path / f"{name}.png")
    assert ran(snippet(CARDS["census-sgm"], request, measured), tmp_path) == summary(measured, "cm")
