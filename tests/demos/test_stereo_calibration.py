from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.stereo.calibration import read_calibration, to_json
from demos.stereo.geometry import Calibration
from hub.errors import InvalidInput

OAK = Calibration(451.0344543457031, 451.0344543457031, 299.0384, 255.1650, 0.075, 0.0, 640, 480)
MIDDLEBURY = """cam0=[3997.684 0 1176.728; 0 3997.684 1011.728; 0 0 1]
cam1=[3997.684 0 1307.839; 0 3997.684 1011.728; 0 0 1]
doffs=131.111
baseline=193.001
width=2964
height=1988
ndisp=280
isint=0
"""
KITTI = """P0: 7.215377e+02 0.0 6.095593e+02 0.0 0.0 7.215377e+02 1.728540e+02 0.0 0.0 0.0 1.0 0.0
P1: 7.215377e+02 0.0 6.095593e+02 -3.875744e+02 0.0 7.215377e+02 1.728540e+02 0.0 0.0 0.0 1.0 0.0
P2: 7.215377e+02 0.0 6.095593e+02 4.485728e+01 0.0 7.215377e+02 1.728540e+02 2.163791e-01 0.0 0.0 1.0 2.745884e-03
P3: 7.215377e+02 0.0 6.095593e+02 -3.395242e+02 0.0 7.215377e+02 1.728540e+02 2.199936e+00 0.0 0.0 1.0 2.729905e-03
R0_rect: 9.999239e-01 9.837760e-03 -7.445048e-03 -9.869795e-03 9.999421e-01 -4.278459e-03 7.402527e-03 4.351614e-03 1.0
"""
K_LEFT = np.array([[530.0, 0, 322], [0, 528.0, 236], [0, 0, 1]])
K_RIGHT = np.array([[534.0, 0, 317], [0, 533.0, 243], [0, 0, 1]])
TURN = cv2.Rodrigues(np.radians([0.7, -1.2, 0.9]))[0]
RIG = {"M1": K_LEFT, "D1": np.full((1, 5), 0.01), "M2": K_RIGHT, "D2": np.zeros((1, 5)), "R": TURN}
RIG["T"] = np.array([[-0.075], [0.001], [0.002]])


def opencv_text(kind: str, **values: object) -> str:
    """What OpenCV itself writes of these values."""
    storage = cv2.FileStorage(f"calibration.{kind}", cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)
    for name, value in values.items():
        storage.write(name, value)  # type: ignore[call-overload]
    return str(storage.releaseAndGetString())


def rectified(kind: str, **more: object) -> tuple[str, Calibration]:
    """The projections of a rectified pair as OpenCV writes them, with what they say."""
    left = np.array([[500.0, 0, 310, 0], [0, 502.0, 240, 0], [0, 0, 1, 0]])
    right = np.array([[500.0, 0, 318, -500 * 0.12], [0, 502.0, 240, 0], [0, 0, 1, 0]])
    return opencv_text(kind, P1=left, P2=right, **more), Calibration(500, 502, 310, 240, 0.12, 8.0)


# Our own, and those of data sets


@given(
    st.builds(
        Calibration,
        *[st.floats(10, 1e4)] * 2,
        *[st.floats(-50, 50)] * 2,
        st.floats(1e-3, 10),
        st.floats(-50, 50),
        st.none() | st.integers(100, 9999),
        st.none() | st.integers(100, 9999),
    )
)
def test_our_own_json_reads_back_exactly(calibration: Calibration) -> None:
    read = read_calibration(to_json(calibration))
    assert read.calibration == calibration
    assert (read.rig, read.notes) == (None, ())


def test_the_json_of_stereodemo_is_read() -> None:
    content = {
        "width": 640,
        "height": 480,
        "baseline_meters": 0.075,
        "fx": OAK.focal_x_px,
        "fy": OAK.focal_y_px,
        "cx0": OAK.centre_x_px,
        "cx1": OAK.centre_x_px + 4,
        "cy": OAK.centre_y_px,
        "depth_range": [1.0, 5.0],
        "left_image_rect_normalized": [0, 0.0417, 0.9547, 1],
    }
    read = read_calibration(json.dumps(content).encode())
    assert read.kind == "JSON of stereodemo"
    assert read.calibration.doffs_px == pytest.approx(4)
    assert (read.calibration.focal_x_px, read.calibration.baseline_m) == (OAK.focal_x_px, 0.075)


def test_middleburys_millimetres_and_doffs_are_read() -> None:
    read = read_calibration(MIDDLEBURY)
    assert read.calibration == Calibration(3997.684, 3997.684, 1176.728, 1011.728, 0.193001, 131.111, 2964, 1988)
    assert "millimetres" in read.notes[0]
    without = "\n".join(line for line in MIDDLEBURY.splitlines() if not line.startswith("doffs"))
    assert read_calibration(without).calibration.doffs_px == pytest.approx(131.111)


def test_kittis_colour_cameras_are_read_with_their_baseline() -> None:
    read = read_calibration(KITTI.replace("\n", "\r\n"))
    assert read.calibration.baseline_m == pytest.approx((44.85728 + 339.5242) / 721.5377)
    assert read.calibration.baseline_m == pytest.approx(0.5327, abs=1e-4)
    assert "cameras 2 and 3" in read.notes[0]


def test_kittis_grey_cameras_and_raw_files_are_read() -> None:
    grey = read_calibration("\n".join(KITTI.splitlines()[:2]))
    assert grey.calibration.baseline_m == pytest.approx(0.5372, abs=1e-4)
    assert "grey" in grey.notes[0]
    raw = KITTI.replace("P2:", "P_rect_02:").replace("P3:", "P_rect_03:") + "S_rect_02: 1.242000e+03 3.750000e+02\n"
    read = read_calibration(raw)
    assert (read.calibration.width_px, read.calibration.height_px) == (1242, 375)


# OpenCV's


@pytest.mark.parametrize("kind", ["yml", "xml", "json"])
def test_opencvs_rig_is_read_from_any_of_its_formats(kind: str) -> None:
    read = read_calibration(opencv_text(kind, **RIG, image_width=640, image_height=480))
    assert read.rig is not None
    np.testing.assert_allclose(read.rig.left_matrix, K_LEFT)
    np.testing.assert_allclose(read.rig.left_distortion, 0.01)
    np.testing.assert_allclose(read.rig.rotation, TURN)
    np.testing.assert_allclose(read.rig.translation_m, (-0.075, 0.001, 0.002))
    assert read.calibration.baseline_m == pytest.approx(np.linalg.norm(RIG["T"]))
    assert any("taken as metres" in note for note in read.notes)


@pytest.mark.parametrize("kind", ["yml", "xml", "json"])
def test_opencvs_projections_are_read_with_doffs(kind: str) -> None:
    text, expected = rectified(kind)
    assert read_calibration(text).calibration == expected


def test_opencvs_q_says_the_same_as_its_projections() -> None:
    _, _, left, right, Q, *_ = cv2.stereoRectify(
        K_LEFT, np.zeros(5), K_RIGHT, np.zeros(5), (640, 480), TURN, RIG["T"], flags=0, alpha=0
    )
    of_projections = read_calibration(opencv_text("yml", P1=left, P2=right)).calibration
    of_q = read_calibration(opencv_text("yml", Q=Q)).calibration
    assert of_projections.doffs_px != 0
    for name in ("focal_x_px", "centre_x_px", "centre_y_px", "baseline_m", "doffs_px"):
        assert getattr(of_q, name) == pytest.approx(getattr(of_projections, name))


def test_the_size_of_the_pictures_is_taken_where_the_file_has_none() -> None:
    text = opencv_text("yml", **RIG)
    with pytest.raises(InvalidInput, match="which size"):
        read_calibration(text)
    assert read_calibration(text, (640, 480)).calibration.width_px == 640


def test_two_files_of_opencv_are_read_as_one_text() -> None:
    intrinsics = opencv_text("yml", **{name: RIG[name] for name in ("M1", "D1", "M2", "D2")})
    extrinsics = opencv_text("yml", R=RIG["R"], T=RIG["T"])
    with pytest.raises(InvalidInput, match=r"no baseline; it has .*m1, m2"):
        read_calibration(intrinsics, (640, 480))
    assert read_calibration(intrinsics + extrinsics, (640, 480)).rig is not None


def test_a_unit_is_taken_as_said_and_an_assumed_one_is_said() -> None:
    millimetres = {**RIG, "T": RIG["T"] * 1000}
    guessed = read_calibration(opencv_text("yml", **millimetres), (640, 480))
    assert guessed.calibration.baseline_m == pytest.approx(0.075, rel=0.01)
    assert "75.0333 was taken as millimetres" in guessed.notes[0]
    told = read_calibration(opencv_text("yml", **{**RIG, "T": RIG["T"] * 100}, unit="cm"), (640, 480))
    assert told.calibration.baseline_m == pytest.approx(0.075, rel=0.01)
    assert not any("taken as" in note for note in told.notes)


def test_one_matrix_and_a_baseline_are_a_rectified_pair() -> None:
    read = read_calibration(opencv_text("yml", camera_matrix=K_LEFT, baseline_mm=75.0))
    assert read.calibration == Calibration(530, 528, 322, 236, 0.075)
    assert "assumed" in read.notes[-1]


# What is refused


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no calibration file"),
        ("hello", "no calibration file"),
        ("{", "not JSON"),
        ("{}", "no baseline"),
        ('{"baseline_m": 0.1}', "lacks focal_x_px"),
        ('{"baseline_meters": 0.1, "fx": 1}', "lacks fy"),
        (to_json(OAK).replace("0.075", "0"), "baseline is 0"),
        (to_json(OAK).replace("0.075", "-1"), "baseline is -1"),
        (to_json(OAK).replace("0.075", "NaN"), "baseline is nan"),
        (to_json(OAK).replace("0.075", '"wide"'), "something else where a number"),
        (to_json(OAK).replace("640", "-640"), "width_px is -640"),
        (MIDDLEBURY.replace("cam1", "cam7"), "should hold cam0"),
        (MIDDLEBURY.replace("193.001", "wide"), "baseline is nan"),
        (MIDDLEBURY.replace("cam1=[3997", "cam1=[3000"), "focal lengths differ"),
        ("P2: 1 2 3", "twelve numbers"),
        (KITTI.replace("P2", "P9").replace("P0", "P8"), "P2 and P3"),
        ("x" * 64_001, "64,001 bytes"),
        (opencv_text("yml", **{**RIG, "R": np.ones((3, 3))}, image_width=640, image_height=480), "no rotation"),
        (opencv_text("yml", **{**RIG, "M1": np.zeros((3, 3))}, image_width=640, image_height=480), "focal length"),
        (opencv_text("yml", **{**RIG, "T": -RIG["T"]}, image_width=640, image_height=480), "not to the right"),
        (opencv_text("yml", **{**RIG, "T": np.zeros((3, 1))}, image_width=640, image_height=480), "not to the right"),
        (opencv_text("yml", Q=np.zeros((4, 4))), "focal length fx is 0"),
    ],
)
def test_a_file_that_cannot_be_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read_calibration(text)


good = [MIDDLEBURY, KITTI, to_json(OAK), *(opencv_text(kind, **RIG) for kind in ("yml", "xml", "json"))]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A good file with a piece replaced."""
    text = draw(st.sampled_from(good))
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)))
    return text[:start] + draw(st.text('0123456789.eE-+,[]{}:\n "naif<>/', max_size=12)) + text[end:]


@given(damaged() | st.text() | st.binary(), st.none() | st.just((640, 480)))
def test_any_text_at_all_is_a_calibration_or_a_refusal(text: str | bytes, size: tuple[int, int] | None) -> None:
    try:
        read = read_calibration(text, size)
    except InvalidInput as error:
        assert error.cause  # noqa: PT017 (either outcome is right)
    else:
        assert read.calibration.checked() is read.calibration


def test_a_long_run_of_digits_is_refused_at_once() -> None:
    with pytest.raises(InvalidInput):
        read_calibration("P2: " + "1" * 60_000 + "x")


def test_the_calibrations_shipped_with_examples_are_read() -> None:
    shipped = sorted((Path(__file__).parents[2] / "assets" / "examples" / "stereo").glob("*.json"))
    for path in shipped:
        assert read_calibration(path.read_bytes()).calibration.baseline_m > 0
