"""Read OpenCV's calibration files: YAML, XML or JSON with the cameras before rectification, after it, or both.

They are read by the few patterns that calibrations use, so that no text from outside reaches a parser in C++.

Source: OpenCV, FileStorage (the formats) and stereoRectify (R, T, P1, P2, Q).
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from demos.stereo.calibration_file import (
    F64,
    METRES,
    NUMBER,
    READ,
    CalibrationFile,
    Sides,
    calibration_of,
    from_projections,
    numbers,
    refuse_other_focal,
)
from demos.stereo.geometry import Calibration
from demos.stereo.rig import StereoRig
from hub.errors import InvalidInput

Values = dict[str, F64]  # matrices and scalars of a file, by name without case and punctuation

MOST_METRES = 10.0  # a larger baseline without a unit is taken as millimetres

YAML_MATRIX = re.compile(
    r"^[ \t]*([\w-]+):[^\n\[]*\n\s*rows:\s*(\d{1,3})\s*\n\s*cols:\s*(\d{1,3})\s*\n"
    r"(?:\s*dt:[^\n]*\n)?\s*data:\s*\[([^\]]*)\]",
    re.MULTILINE,
)
XML_MATRIX = re.compile(
    r"<([\w-]+)\s+type_id=\"opencv-matrix\">\s*<rows>(\d{1,3})</rows>\s*<cols>(\d{1,3})</cols>"
    r"\s*<dt>\"?\w+\"?</dt>\s*<data>([^<]*)</data>"
)
YAML_NUMBER = re.compile(rf"^([\w-]+):\s*({NUMBER})\s*$", re.MULTILINE)
XML_NUMBER = re.compile(rf"<([\w-]+)>\s*({NUMBER})\s*</")
UNIT = re.compile(r"^unit:\s*\"?(mm|cm|m)\"?\s*$", re.MULTILINE)

# OpenCV has no names of its own for these: those of its samples and tutorials, and of common tools.
LEFT_MATRIX = ("m1", "k1", "cameramatrix1", "cameramatrixleft", "leftcameramatrix", "cameramatrixl", "kl", "kleft")
RIGHT_MATRIX = ("m2", "k2", "cameramatrix2", "cameramatrixright", "rightcameramatrix", "cameramatrixr", "kr", "kright")
LEFT_DISTORTION = ("d1", "distcoeffs1", "distortion1", "distcoeffsleft", "leftdistcoeffs", "distcoeffsl", "dl", "dleft")
RIGHT_DISTORTION = (
    "d2",
    "distcoeffs2",
    "distortion2",
    "distcoeffsright",
    "rightdistcoeffs",
    "distcoeffsr",
    "dr",
    "dright",
)
ROTATION, TRANSLATION = ("r", "rotation", "rotationmatrix"), ("t", "translation", "translationvector")
ONE_MATRIX = ("cameramatrix", "k", *LEFT_MATRIX)
WIDTH, HEIGHT = ("width", "imagewidth"), ("height", "imageheight")


def opencv_values(text: str) -> Values:
    """Return matrices and numbers of OpenCV's YAML or XML.

    Raises:
        InvalidInput: when there are none: this is not such a file.
    """
    values: Values = {}
    for pattern in (YAML_MATRIX, XML_MATRIX):
        for name, rows, columns, data in pattern.findall(text):
            keep(values, name, rows, columns, numbers(data))
    if not values:
        raise InvalidInput("This is no calibration file that is known here.", READ)
    for pattern in (YAML_NUMBER, XML_NUMBER):
        for name, value in pattern.findall(text):
            values.setdefault(plain(name), np.array(float(value)))
    return values


def keep(values: Values, name: str, rows: Any, columns: Any, data: list[float]) -> None:
    """Keep a matrix whose size is what it says; anything else in the file is passed over."""
    try:
        shape = (int(rows), int(columns))
    except (TypeError, ValueError, OverflowError):
        return
    if min(shape) > 0 and shape[0] * shape[1] == len(data):
        values[plain(name)] = np.array(data).reshape(shape)


def from_opencv(values: Values, unit: str | None, size: tuple[int, int] | None) -> CalibrationFile:
    """Return what the matrices of a file say.

    Args:
        values: the file's matrices and numbers.
        unit: of its lengths, where it says so: a key of `METRES`.
        size: of the pictures, where the file does not say its own.

    Raises:
        InvalidInput: when they are not those of a stereo pair.
    """
    sides = [_scalar(values, names) for names in (WIDTH, HEIGHT)]
    if None in sides and "imagesize" in values and values["imagesize"].size == 2:
        sides = [float(side) for side in values["imagesize"].ravel()]
    width, height = sides if None not in sides else size or (None, None)
    left, right = _matrix(values, LEFT_MATRIX, 9), _matrix(values, RIGHT_MATRIX, 9)
    rotation, translation = _matrix(values, ROTATION, 9, 3), _matrix(values, TRANSLATION, 3)
    views = [_matrix(values, (name,), 12) for name in ("p1", "p2")]
    reprojection = _matrix(values, ("q",), 16)
    baseline = _scalar(values, ("baseline", "baselinem", "baselinemm", "baselinecm"))
    whole_rig = left is not None and right is not None and rotation is not None and translation is not None

    length = _length(values, views, reprojection, translation, baseline)
    unit = unit or next((unit for unit in METRES if f"baseline{unit}" in values), None)
    metres, notes = _metres(length, unit)
    rig = None
    if whole_rig and width is not None and height is not None:
        rig = _rig(values, (left, right, rotation, translation), metres, (width, height))  # type: ignore[arg-type]
        notes += ("The file describes the cameras before rectification: pictures of theirs can be rectified with it.",)
    if views[0] is not None and views[1] is not None:
        calibration = from_projections(views[0].reshape(3, 4), views[1].reshape(3, 4), metres, (width, height))
    elif reprojection is not None:
        calibration = _from_reprojection(reprojection.reshape(4, 4), metres, (width, height))
    elif rig is not None:
        calibration = rig.calibration
    elif whole_rig:
        raise InvalidInput("The file does not say for which size of pictures it is.", "Send the pictures too.")
    else:
        calibration = _from_matrices(_matrix(values, ONE_MATRIX, 9), right, length * metres, (width, height))
        notes += ("The file does not say that the cameras are rectified; this was assumed.",)
    return CalibrationFile(calibration, "OpenCV's file", rig, notes)


def _length(
    values: Values, views: list[F64 | None], reprojection: F64 | None, translation: F64 | None, baseline: float | None
) -> float:
    """Return the baseline in the file's unit.

    Raises:
        InvalidInput: when the file has none.
    """
    if views[0] is not None and views[1] is not None:
        return float((views[0][3] - views[1][3]) / (views[1][0] or math.nan))
    if reprojection is not None:
        return 1 / abs(float(reprojection[14]) or math.nan)
    if translation is not None:
        return float(np.linalg.norm(translation))
    if baseline is not None:
        return baseline
    raise InvalidInput(
        f"The calibration has no baseline; it has {', '.join(sorted(values))}.",
        "OpenCV writes T, P1 and P2, or Q, often to a second file (extrinsics.yml): send both texts as one.",
    )


def _metres(length: float, unit: str | None) -> tuple[float, tuple[str, ...]]:
    """Return metres per unit of the file, and what was assumed about it."""
    if unit is not None:
        return METRES[unit], ()
    assumed, name = (0.001, "millimetres") if abs(length) > MOST_METRES else (1.0, "metres")
    return assumed, (
        f"The file does not say its unit of length: the baseline {length:g} was taken as {name}. "
        "(OpenCV's unit is that of the chessboard's squares.)",
    )


def _rig(values: Values, cameras: tuple[F64, F64, F64, F64], metres: float, size: tuple[float, float]) -> StereoRig:
    left, right, rotation, translation = cameras
    if rotation.size == 3:
        import cv2

        rotation = np.asarray(cv2.Rodrigues(rotation)[0], dtype=np.float64)
    if not np.allclose(rotation.reshape(3, 3) @ rotation.reshape(3, 3).T, np.eye(3), atol=1e-3):
        raise InvalidInput("The rotation R between the cameras is no rotation.", "Check the file.")
    matrices = [matrix.reshape(3, 3) for matrix in (left, right)]
    for matrix in matrices:
        calibration_of(*matrix[[0, 1, 0, 1], [0, 1, 2, 2]], 1.0, 0.0, *size).checked()
    distortions = [
        found if (found := _matrix(values, names, 4, 5, 8, 12, 14)) is not None else np.zeros(5)
        for names in (LEFT_DISTORTION, RIGHT_DISTORTION)
    ]
    return StereoRig(
        left_matrix=matrices[0],
        left_distortion=distortions[0],
        right_matrix=matrices[1],
        right_distortion=distortions[1],
        rotation=rotation.reshape(3, 3),
        translation_m=translation * metres,
        width_px=int(size[0]),
        height_px=int(size[1]),
    )


def _from_reprojection(Q: F64, metres: float, size: Sides) -> Calibration:
    """Return the calibration of OpenCV's Q (4, 4), which takes (u, v, d, 1) to (X, Y, Z, W): W = (d + doffs) / b."""
    baseline = 1 / abs(Q[3, 2]) if Q[3, 2] else math.nan
    return calibration_of(
        Q[2, 3], Q[2, 3], -Q[0, 3], -Q[1, 3], baseline * metres, Q[3, 3] * baseline * np.sign(Q[3, 2]), *size
    )


def _from_matrices(left: F64 | None, right: F64 | None, baseline_m: float, size: Sides) -> Calibration:
    if left is None:
        raise InvalidInput("The calibration has no camera matrix of 3 x 3 numbers.", READ)
    K = left.reshape(3, 3)
    doffs = 0.0
    if right is not None:
        refuse_other_focal(left[0], right[0])
        doffs = right[2] - left[2]
    return calibration_of(K[0, 0], K[1, 1], K[0, 2], K[1, 2], baseline_m, doffs, *size)


def plain(name: str) -> str:
    """Return a name without case and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _matrix(values: Values, names: tuple[str, ...], *sizes: int) -> F64 | None:
    """Return the first matrix by one of these names that has one of these many numbers, flat."""
    return next((values[name].ravel() for name in names if name in values and values[name].size in sizes), None)


def _scalar(values: Values, names: tuple[str, ...]) -> float | None:
    return next((float(values[name]) for name in names if name in values and values[name].ndim == 0), None)


def unit_of(text: str) -> str | None:
    """Return the unit of length that a file says it is in."""
    found = UNIT.search(text)
    return found[1] if found else None
