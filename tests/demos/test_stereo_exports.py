"""The files of a measurement, read back by the tools that people open them with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from demos.stereo.exports import Cloud, cloud_of, write_disparity_png, write_pfm, write_ply
from demos.stereo.geometry import Calibration
from demos.stereo.measurement import Measurement

CALIBRATION = Calibration(450.0, 450.0, 2.0, 1.0, 0.1)
DISPARITY = np.array([[9.0, np.nan, 4.5], [45.0, 0.0, 300.0]], dtype=np.float32)
COLOURS = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
RECORD = {"id": "run 1", "model": "Größe"}


@pytest.fixture
def measurement() -> Measurement:
    picture = Image.fromarray(COLOURS)
    return Measurement(CALIBRATION, picture, picture, (), (), DISPARITY)


def made(measurement: Measurement) -> Cloud:
    cloud = cloud_of(measurement)
    assert cloud is not None
    return cloud


def test_the_cloud_has_a_point_for_every_pixel_with_a_finite_depth(measurement: Measurement) -> None:
    cloud = made(measurement)
    assert np.allclose(cloud.positions_m[:, 2], [5.0, 10.0, 1.0, 0.15])  # without missing and infinite
    assert np.allclose(cloud.positions_m[0], [-2 * 0.1 / 9, -0.1 / 9, 5.0])
    assert (cloud.colours == COLOURS[[0, 0, 1, 1], [0, 2, 0, 2]]).all()


def test_without_pictures_there_is_no_cloud() -> None:
    assert cloud_of(Measurement(CALIBRATION, None, None, (), ())) is None


def test_open3d_reads_the_cloud_back(measurement: Measurement, tmp_path: Path) -> None:
    open3d = pytest.importorskip("open3d")
    cloud = made(measurement)
    read = open3d.io.read_point_cloud(str(write_ply(tmp_path / "cloud.ply", cloud, RECORD)))
    assert np.allclose(np.asarray(read.points), cloud.positions_m)
    assert np.allclose(np.asarray(read.colors) * 255, cloud.colours)


def test_the_cloud_says_its_unit_and_carries_the_record_of_the_run(measurement: Measurement, tmp_path: Path) -> None:
    path = write_ply(tmp_path / "cloud.ply", made(measurement), RECORD)
    header = path.read_bytes().partition(b"end_header\n")[0].decode("ascii").splitlines()
    assert header[:2] == ["ply", "format binary_little_endian 1.0"]
    assert header[2].startswith("comment metres")
    assert json.loads(header[3].removeprefix("comment lectern ")) == RECORD


def test_the_png_holds_256_steps_a_pixel_and_0_for_none(tmp_path: Path) -> None:
    read = Image.open(write_disparity_png(tmp_path / "disparity.png", DISPARITY, RECORD))
    assert isinstance(read, PngImageFile)
    assert np.asarray(read).dtype == np.uint16
    assert np.asarray(read).tolist() == [[2304, 0, 1152], [11520, 0, 0]]  # 300 px do not fit into 16 bits
    assert json.loads(read.text["lectern"]) == RECORD


def test_opencv_reads_the_float_file_back_to_the_last_bit(tmp_path: Path) -> None:
    import cv2

    path = write_pfm(tmp_path / "disparity.pfm", DISPARITY)
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert read is not None
    assert read.dtype == np.float32
    assert (np.where(np.isinf(read), np.nan, read)[~np.isnan(DISPARITY)] == DISPARITY[~np.isnan(DISPARITY)]).all()
    assert np.isinf(read[0, 1])
