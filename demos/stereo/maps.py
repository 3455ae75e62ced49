"""Disparity and its kin as pictures: a colour bar with units, flat colours for what is invalid, and their legend."""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.stereo.draw import choice_html
from demos.stereo.geometry import depth_error, depth_from_disparity
from demos.stereo.lengths import Scale
from demos.stereo.measurement import INVALID_REASONS, VALID, Measurement
from hub.pictures import data_uri

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

SHOWN_PX = 640  # the longer side on the page; nearer pixels are left out, never mixed
PNG_EFFORT = 3  # of 9: a fifth of the time of 9 for a tenth more bytes, at every click
STEPS = 240  # shades of a map; the palette's other entries are the flat colours
AT_INFINITY = max(INVALID_REASONS) + 1
# Flat colours that no map below contains, by reason.
FLAT = {1: (225, 225, 225), 2: (60, 110, 255), 3: (150, 60, 60), 4: (255, 130, 200), AT_INFINITY: (150, 205, 255)}
REASONS = {**INVALID_REASONS, AT_INFINITY: "at infinity: no shift"}
BAD_PX = 1.0
SPREAD = (1.0, 99.0)  # percentiles between which the colours run; what lies outside takes the end's colour
MOST_TICKS = 6
VALUE_STEPS = 16  # a pixel of disparity, for the pointer: as fine as the matchers
FIRST_VALUE = 8  # what is less is a reason, not a disparity


@dataclass(frozen=True)
class Map:
    """One picture of numbers: (H, W) values in `unit`, (H, W) reasons where there are none, and its colours."""

    title: str
    values: F64
    invalid: U8
    unit: str
    colours: str  # of OpenCV: VIRIDIS or MAGMA, both even to the eye
    reverse: bool = False
    low: float | None = None  # fixed ends, else the spread of the values
    high: float | None = None
    caption: str = ""

    def ends(self) -> tuple[float, float]:
        """Return the values that the first and the last colour stand for."""
        valid = self.values[self.invalid == VALID]
        if not valid.size:
            return 0.0, 1.0
        low, high = (float(end) for end in np.percentile(valid, SPREAD))
        low, high = low if self.low is None else self.low, high if self.high is None else self.high
        return low, high if high > low else low + 1.0


def maps_html(measurement: Measurement, scale: Scale, run: str) -> str:
    """Draw the maps of a dense measurement, one at a time; nothing for a sparse one."""
    maps = maps_of(measurement, scale)
    if measurement.disparity_px is None or not maps:
        return ""
    choice = choice_html("map", run, {str(number): shown.title for number, shown in enumerate(maps)})
    drawn = "".join(map_html(shown, measurement.disparity_px) for shown in maps)
    hint = "Move over the picture for the numbers under the pointer."
    readout = f'<p class="stereo-readout" data-hint="{hint}">{hint}</p>'
    return f'<div class="stereo-maps">{choice}{drawn}{readout}{values_html(measurement, scale)}</div>'


def values_html(measurement: Measurement, scale: Scale) -> str:
    """Send the disparities along, for the pointer to read: an empty element with the numbers as zlib in base64."""
    if measurement.disparity_px is None or measurement.invalid is None:
        return ""
    disparity, invalid = thinned(measurement.disparity_px), thinned(measurement.invalid)
    found = np.isfinite(disparity)
    least = math.floor(float(disparity[found].min())) if found.any() else 0
    values = np.where(found, (disparity - least) * VALUE_STEPS + FIRST_VALUE, invalid).round()
    packed = zlib.compress(np.nan_to_num(values).clip(0, 65535).astype("<u2").tobytes(), PNG_EFFORT)
    calibration = measurement.calibration
    about = {
        "step": step_of(measurement.disparity_px),
        "width": disparity.shape[1],
        "first": FIRST_VALUE,
        "least": least,
        "steps": VALUE_STEPS,
        "reasons": ["", *(REASONS[reason] for reason in sorted(REASONS))],
        "doffs": calibration.doffs_px,
        "depth": calibration.baseline_m * calibration.focal_x_px * scale.per_metre,
        "unit": scale.unit,
    }
    return (
        f'<div hidden class="stereo-values" data-about="{escape(json.dumps(about))}" '
        f'data-values="{base64.b64encode(packed).decode("ascii")}"></div>'
    )


def maps_of(measurement: Measurement, scale: Scale) -> list[Map]:
    """Return disparity, depth, the error that is expected of depth and, for a New scene, the error there is."""
    if measurement.disparity_px is None or measurement.invalid is None:
        return []
    disparity = thinned(measurement.disparity_px).astype(np.float64)
    invalid = thinned(measurement.invalid)
    depth = depth_from_disparity(measurement.calibration, disparity) * scale.per_metre
    endless = np.where((invalid == VALID) & ~np.isfinite(depth), np.uint8(AT_INFINITY), invalid)
    maps = [
        Map("Disparity", disparity, invalid, "px", "VIRIDIS", caption="Bright is near."),
        Map("Depth", depth, endless, scale.unit, "VIRIDIS", reverse=True, caption="Bright is near."),
    ]
    if measurement.disparity_error_px is not None:
        error = thinned(measurement.disparity_error_px).astype(np.float64)
        expected = depth_error(measurement.calibration, depth / scale.per_metre, error) * scale.per_metre
        unknown = np.where((endless == VALID) & ~np.isfinite(expected), np.uint8(AT_INFINITY), endless)
        caption = "One standard deviation of depth, as expected from the matching; it grows with the square of depth."
        maps.append(Map("Expected error", expected, unknown, scale.unit, "MAGMA", low=0.0, caption=caption))
    if measurement.truth is not None:
        true = thinned(measurement.truth.disparity_px).astype(np.float64)
        off = np.abs(disparity - true)
        maps.append(Map("True error", off, invalid, "px", "MAGMA", low=0.0, high=3.0, caption=graded(measurement)))
    return maps


def graded(measurement: Measurement) -> str:
    """Say how the disparities compare with the truth, over the whole picture and not the thinned one."""
    if measurement.truth is None or measurement.disparity_px is None:
        return ""
    seen = ~measurement.truth.occluded
    valid = np.isfinite(measurement.disparity_px) & seen
    off = np.abs(measurement.disparity_px - measurement.truth.disparity_px)[valid]
    if not off.size:
        return "No pixel that both cameras see has a disparity."
    bad = float((off > BAD_PX).mean())
    return (
        f"Distance from the true disparity. Of the pixels that both cameras see, {valid.sum() / seen.sum():.1%} have a "
        f"disparity; {bad:.1%} of those are off by more than {BAD_PX:g} px (bad-{BAD_PX:.1f}); "
        f"the median is off by {np.median(off):.2f} px."
    )


def step_of(array: NDArray[Any]) -> int:
    """Return of how many pixels one is shown, so that the longer side is at most `SHOWN_PX`."""
    return math.ceil(max(array.shape) / SHOWN_PX)


def thinned(array: NDArray[Any]) -> NDArray[Any]:
    """Return every k-th pixel, as `step_of` says."""
    step = step_of(array)
    return array[::step, ::step]


def map_html(shown: Map, whole: NDArray[Any]) -> str:
    """Draw one map with its colour bar and the legend of its flat colours; `whole` is as large as the picture."""
    low, high = shown.ends()
    bar = ", ".join(f"rgb{tuple(entry)}" for entry in palette(shown)[:STEPS:16].tolist())
    ticks = "".join(
        f'<span style="left: {(tick - low) / (high - low) * 100:.1f}%">{tick:g}</span>' for tick in ticks_of(low, high)
    )
    legend = "".join(
        f'<li><i style="background: rgb{FLAT[reason]}"></i>{escape(text)} ({share:.1%})</li>'
        for reason, text in REASONS.items()
        if (share := float((shown.invalid == reason).mean())) > 0
    )
    height, width = shown.values.shape
    unit = f", {shown.unit}" if shown.unit else ""
    return (
        f'<figure><img alt="{shown.title}" src="{data_uri(painted(shown), "PNG", compress_level=PNG_EFFORT)}" '
        f'data-size="{whole.shape[1]} {whole.shape[0]}" style="aspect-ratio: {width} / {height}">'
        f'<div class="stereo-colours" style="background: linear-gradient(to right, {bar})"></div>'
        f'<div class="stereo-ticks">{ticks}</div><figcaption><b>{shown.title}{unit}</b> '
        f"{escape(shown.caption)}</figcaption>"
        f'<ul class="stereo-legend">{legend}</ul></figure>'
    )


def painted(shown: Map) -> Image.Image:
    """Return the map as a picture with a palette: colours for values, flat ones for reasons."""
    low, high = shown.ends()
    filled = np.where(shown.invalid == VALID, shown.values, low)
    entries = np.clip((filled - low) / (high - low) * (STEPS - 1), 0, STEPS - 1).round().astype(np.uint8)
    for reason in REASONS:
        entries[shown.invalid == reason] = STEPS + reason
    picture = Image.fromarray(entries, "P")
    picture.putpalette(palette(shown).tobytes())
    return picture


def palette(shown: Map) -> U8:
    """Return (256, 3) colours, sRGB: the map's, then the flat ones."""
    import cv2

    line = np.linspace(0, 255, STEPS).round().astype(np.uint8)[None]
    colours = cv2.applyColorMap(line, getattr(cv2, f"COLORMAP_{shown.colours}"))[0, :, ::-1]
    table = np.zeros((256, 3), dtype=np.uint8)
    table[:STEPS] = colours[::-1] if shown.reverse else colours
    for reason, flat in FLAT.items():
        table[STEPS + reason] = flat
    return table


def ticks_of(low: float, high: float) -> list[float]:
    """Return round numbers from `low` to `high`, about `MOST_TICKS` at most.

    >>> ticks_of(0.0, 3.5), ticks_of(58.0, 131.0)
    ([0.0, 1.0, 2.0, 3.0], [60.0, 80.0, 100.0, 120.0])
    """
    rough = (high - low) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]
