"""Read a calibration from any of the files that people have, by content and not by name, and write our own.

Read are: our JSON (units in the names); the JSON of the stereodemo package; Middlebury's calib.txt; KITTI's calib
files; OpenCV's YAML, XML or JSON with the cameras before rectification (M1, D1, M2, D2, R, T), after it (P1 and P2, or
Q), or both. What a file does not say, its unit above all, is assumed and said in `notes`, never silently.

Sources: the description of calib.txt at vision.middlebury.edu/stereo/data/scenes2014; Geiger et al., Vision meets
robotics: the KITTI dataset, IJRR 2013, equation 4 and the development kit's readme.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields

import numpy as np

from demos.stereo.calibration_file import (
    METRES,
    READ,
    CalibrationFile,
    calibration_of,
    first,
    from_projections,
    number,
    numbers,
    refuse_other_focal,
)
from demos.stereo.calibration_opencv import Values, from_opencv, keep, opencv_values, plain, unit_of
from demos.stereo.geometry import Calibration
from hub.errors import InvalidInput

MOST_BYTES = 64_000

MIDDLEBURY = re.compile(r"^\s*(cam0|cam1|doffs|baseline|width|height)\s*=\s*([^\n]*)$", re.MULTILINE)
KITTI = re.compile(r"^[ \t]*(P_rect_0?\d|P\d|S_rect_0?\d):([-+0-9.eE \t]+)$", re.MULTILINE)


def read_calibration(text: str | bytes, size: tuple[int, int] | None = None) -> CalibrationFile:
    """Read a calibration file by its content.

    Args:
        text: the file's content, at most 64 kB. OpenCV's intrinsics.yml and extrinsics.yml may be sent as one text.
        size: (width, height) of the pictures, pixels, for files that do not say their own.

    Raises:
        InvalidInput: when it is none of the formats that are read, or its numbers cannot be a stereo camera's.
    """
    if len(text) > MOST_BYTES:
        raise InvalidInput(f"The calibration file has {len(text):,} bytes.", f"Send at most {MOST_BYTES:,}. {READ}")
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="replace")
    text = text.lstrip("\ufeff").replace("\r\n", "\n").strip()
    if text.startswith("{"):
        read = _from_json(text, size)
    elif "cam0" in (found := dict(MIDDLEBURY.findall(text))):
        read = _from_middlebury(found)
    elif projections := {name: numbers(value) for name, value in KITTI.findall(text)}:
        read = _from_kitti(projections)
    else:
        read = from_opencv(opencv_values(text), unit_of(text), size)
    read.calibration.checked()
    return read


def to_json(calibration: Calibration) -> str:
    """Write a calibration as our JSON, units in the names; `read_calibration` reads it back.

    >>> print(to_json(Calibration(452.9, 452.9, 298.85, 245.52, 0.075)))
    {
      "focal_x_px": 452.9,
      "focal_y_px": 452.9,
      "centre_x_px": 298.85,
      "centre_y_px": 245.52,
      "baseline_m": 0.075,
      "doffs_px": 0.0
    }
    """
    return json.dumps({name: value for name, value in asdict(calibration).items() if value is not None}, indent=2)


# Each format


def _from_json(text: str, size: tuple[int, int] | None) -> CalibrationFile:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The calibration is not JSON: {error}.", READ) from error
    if "baseline_m" in content:
        names = [field.name for field in fields(Calibration)]
        missing = [name for name in names[:5] if name not in content]
        if missing:
            raise InvalidInput(f"The calibration lacks {', '.join(missing)}.", f"Expected are {', '.join(names)}.")
        given = {name: content[name] for name in names if content.get(name) is not None}
        return CalibrationFile(calibration_of(**given), "our own JSON")
    if "baseline_meters" in content:
        lacking = [name for name in ("fx", "fy", "cx0", "cx1", "cy") if name not in content]
        if lacking:
            raise InvalidInput(f"The calibration of stereodemo lacks {', '.join(lacking)}.", READ)
        return CalibrationFile(
            calibration_of(
                focal_x_px=content["fx"],
                focal_y_px=content["fy"],
                centre_x_px=content["cx0"],
                centre_y_px=content["cy"],
                baseline_m=content["baseline_meters"],
                doffs_px=number(content["cx1"]) - number(content["cx0"]),
                width_px=content.get("width"),
                height_px=content.get("height"),
            ),
            "JSON of stereodemo",
        )
    values: Values = {}
    for name, value in content.items():
        if isinstance(value, dict) and isinstance(value.get("data"), list):
            keep(values, name, value.get("rows"), value.get("cols"), [number(entry) for entry in value["data"]])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            values[plain(name)] = np.array(number(value))
    return from_opencv(values, content.get("unit") if content.get("unit") in METRES else None, size)


def _from_middlebury(found: dict[str, str]) -> CalibrationFile:
    cameras = [np.array(numbers(found.get(name, ""))) for name in ("cam0", "cam1")]
    if any(camera.size != 9 for camera in cameras) or "baseline" not in found:
        raise InvalidInput("Middlebury's calib.txt should hold cam0=[...], cam1=[...] and baseline=.", READ)
    left, right = (camera.reshape(3, 3) for camera in cameras)
    refuse_other_focal(left[0, 0], right[0, 0])
    doffs = first(found["doffs"]) if "doffs" in found else right[0, 2] - left[0, 2]
    return CalibrationFile(
        calibration_of(
            focal_x_px=left[0, 0],
            focal_y_px=left[1, 1],
            centre_x_px=left[0, 2],
            centre_y_px=left[1, 2],
            baseline_m=first(found["baseline"]) / 1000,
            doffs_px=doffs,
            width_px=first(found["width"]) if "width" in found else None,
            height_px=first(found["height"]) if "height" in found else None,
        ),
        "Middlebury's calib.txt",
        notes=("The baseline was read in millimetres, as Middlebury gives it.",),
    )


def _from_kitti(found: dict[str, list[float]]) -> CalibrationFile:
    cameras = {
        int(name[-1]): np.array(row).reshape(3, 4) for name, row in found.items() if name[0] == "P" and len(row) == 12
    }
    pair = next((pair for pair in ((2, 3), (0, 1)) if set(pair) <= set(cameras)), None)
    if pair is None:
        raise InvalidInput("KITTI's calibration should hold P2 and P3, or P0 and P1, of twelve numbers each.", READ)
    sizes = [row for name, row in found.items() if name[0] == "S" and int(name[-1]) == pair[0] and len(row) == 2]
    width, height = sizes[0] if sizes else (None, None)
    note = (
        f"The baseline is that of KITTI's cameras {pair[0]} and {pair[1]} ({'colour' if pair == (2, 3) else 'grey'})."
    )
    rectified = from_projections(cameras[pair[0]], cameras[pair[1]], 1.0, (width, height))
    return CalibrationFile(rectified, "KITTI's calibration", notes=(note,))
