"""Files of a measurement to take away: disparity as 16-bit PNG and as PFM, and every pixel's place as a PLY cloud.

All are of kinds that other tools read without being told anything: KITTI's disparity PNG, Middlebury's PFM, binary PLY.
(The tables are written as CSV where they are read, in `points`.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from demos.stereo.geometry import triangulate
from demos.stereo.measurement import F32, Measurement
from hub.run import PNG_KEY

PNG_STEPS = 256  # a pixel of disparity, as KITTI counts: a value of 256 d; 0 where there is none
PNG_EFFORT = 3  # of 9: it is written anew with every click, since it holds the run's record
MOST_PNG = 65535  # disparities of 256 px and more do not fit; the PFM has them


@dataclass(frozen=True)
class Cloud:
    """A point cloud: (N, 3) float32 positions, metres, left camera's frame; (N, 3) uint8 colours, sRGB."""

    positions_m: F32
    colours: NDArray[np.uint8]


def cloud_of(measurement: Measurement) -> Cloud | None:
    """Return every pixel that has a depth, in the reading order of the picture; None where nothing is dense."""
    if measurement.disparity_px is None or measurement.left is None:
        return None
    rows, columns = np.indices(measurement.disparity_px.shape)
    positions = triangulate(measurement.calibration, columns, rows, measurement.disparity_px)
    finite = np.isfinite(positions).all(axis=-1)
    return Cloud(positions[finite].astype(np.float32), np.asarray(measurement.left)[finite])


def write_ply(path: Path, cloud: Cloud, record: Mapping[str, Any]) -> Path:
    """Write a cloud as binary little-endian PLY with colours; the run's record stands in a comment.

    Source: Greg Turk, The PLY polygon file format, 1994.
    """
    header = "\n".join(
        [
            "ply",
            "format binary_little_endian 1.0",
            "comment metres; left camera's frame: x right, y down, z forward",
            f"comment {PNG_KEY} {json.dumps(record)}",
            f"element vertex {len(cloud.positions_m)}",
            *(f"property float {axis}" for axis in "xyz"),
            *(f"property uchar {colour}" for colour in ("red", "green", "blue")),
            "end_header\n",
        ]
    )
    vertices = np.empty(len(cloud.positions_m), dtype=[("place", "<f4", 3), ("colour", "u1", 3)])
    vertices["place"], vertices["colour"] = cloud.positions_m, cloud.colours
    path.write_bytes(header.encode("ascii") + vertices.tobytes())
    return path


def write_disparity_png(path: Path, disparity_px: F32, record: Mapping[str, Any]) -> Path:
    """Write a disparity picture as 16-bit grey PNG, 256 steps a pixel, 0 for none; the run's record stands in its text.

    What does not fit (below 0, or 256 px and more) is left out; `write_pfm` keeps it.

    Source: KITTI stereo 2015 development kit, disparity map format.
    """
    steps = np.nan_to_num(disparity_px.astype(np.float64) * PNG_STEPS, nan=0.0).round()
    steps[(steps < 1) | (steps > MOST_PNG)] = 0
    text = PngImagePlugin.PngInfo()
    text.add_text(PNG_KEY, json.dumps(record))
    Image.fromarray(steps.astype(np.uint16)).save(path, "PNG", pnginfo=text, compress_level=PNG_EFFORT)
    return path


def write_pfm(path: Path, disparity_px: F32) -> Path:
    """Write a disparity picture as a portable float map: float32, little-endian, last row first, infinity for none.

    Source: Paul Debevec's PFM, as Middlebury's stereo datasets use it.
    """
    height, width = disparity_px.shape
    values = np.where(np.isfinite(disparity_px), disparity_px, np.inf).astype("<f4")
    path.write_bytes(f"Pf\n{width} {height}\n-1.0\n".encode("ascii") + values[::-1].tobytes())
    return path
