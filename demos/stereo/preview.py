"""The point cloud from three sides, drawn here and sent as pictures: no library in the browser, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.stereo.exports import Cloud
from demos.stereo.lengths import Scale
from demos.stereo.maps import ticks_of
from hub.pictures import data_uri

F64 = NDArray[np.float64]

MOST_POINTS = 120_000  # drawn; more would not change the picture
SIDE_PX = 320
# Percentiles that the views show, of depth and then of the other axes: a few wild points would shrink all others, and
# wild disparities are small ones mostly, whose points are far away.
DEPTH_SPREAD = (0.5, 95.0)
SPREAD = (0.5, 99.5)
BACKGROUND = (24, 28, 36)
# What lies to the right, what lies up, and what is nearer to the viewer: (axis, sign) of x right, y down, z forward.
VIEWS = {
    "From the camera": ((0, 1), (1, -1), (2, -1)),
    "From above": ((0, 1), (2, 1), (1, -1)),
    "From the right": ((2, -1), (1, -1), (0, 1)),
}
AXES = "xyz"


def preview_html(cloud: Cloud | None, scale: Scale) -> str:
    """Draw a cloud from the camera, from above and from the right, with axes in the unit."""
    if cloud is None or not len(cloud.positions_m):
        return ""
    chosen = slice(None, None, -(-len(cloud.positions_m) // MOST_POINTS))
    places = cloud.positions_m[chosen].astype(np.float64) * scale.per_metre
    colours = cloud.colours[chosen]
    for axes, spread in (([2], DEPTH_SPREAD), ([0, 1], SPREAD)):
        low, high = np.percentile(places[:, axes], spread, axis=0)
        shown = ((places[:, axes] >= low) & (places[:, axes] <= high)).all(axis=1)
        if not shown.any():
            return ""
        places, colours = places[shown], colours[shown]
    ends = places.min(axis=0), places.max(axis=0)
    views = "".join(view_html(title, places, colours, axes, ends, scale.unit) for title, axes in VIEWS.items())
    count = f"{len(cloud.positions_m):,} points; the outermost are left out here, and are in the file."
    return f'<div class="stereo-cloud"><h4>Point cloud</h4>{views}<p>{count}</p></div>'


def view_html(
    title: str,
    places: F64,
    colours: NDArray[np.uint8],
    axes: Sequence[tuple[int, int]],
    ends: tuple[F64, F64],
    unit: str,
) -> str:
    """Draw one view: both axes to the same scale, the nearest point on top."""
    (right, right_sign), (up, up_sign), (near, near_sign) = axes
    low, high = ends
    extent = max(high[right] - low[right], high[up] - low[up], 1e-9)
    middle = (low + high) / 2

    def place_px(axis: int, sign: int, values: F64) -> F64:
        return (0.5 + sign * (values - middle[axis]) / (extent * 1.1)) * (SIDE_PX - 1)

    columns = place_px(right, right_sign, places[:, right]).astype(int)
    rows = SIDE_PX - 1 - place_px(up, up_sign, places[:, up]).astype(int)
    order = np.argsort(near_sign * places[:, near], kind="stable")  # the nearest is painted last
    canvas = np.full((SIDE_PX, SIDE_PX, 3), BACKGROUND, dtype=np.uint8)
    for down in (0, 1):  # two by two pixels a point: fewer holes
        for along in (0, 1):
            inside = np.clip(rows[order] + down, 0, SIDE_PX - 1), np.clip(columns[order] + along, 0, SIDE_PX - 1)
            canvas[inside] = colours[order]
    marks = [
        tick_mark(place_px(right, right_sign, np.array([tick]))[0], f"{tick:g}", horizontal=True)
        for tick in ticks_of(middle[right] - extent / 2, middle[right] + extent / 2)
    ] + [
        tick_mark(SIDE_PX - 1 - place_px(up, up_sign, np.array([tick]))[0], f"{tick:g}", horizontal=False)
        for tick in ticks_of(middle[up] - extent / 2, middle[up] + extent / 2)
    ]
    across, along_up = (f"{AXES[axis]}{f', {unit}' if unit else ''}" for axis in (right, up))
    names = f'<text x="{SIDE_PX - 4}" y="{SIDE_PX - 8}" text-anchor="end">{across}</text>'
    names += f'<text x="4" y="14">{along_up}</text>'
    return (
        f'<figure><div class="stereo-frame" style="aspect-ratio: 1"><img alt="the cloud {title.lower()}" '
        f'src="{data_uri(Image.fromarray(canvas), "JPEG", quality=85)}"><svg viewBox="0 0 {SIDE_PX} {SIDE_PX}">'
        f"{''.join(marks)}{names}</svg></div><figcaption>{title}</figcaption></figure>"
    )


def tick_mark(place: float, text: str, *, horizontal: bool) -> str:
    """Draw a tick with its number on the lower or the left edge, unless it would stand in the axis's name."""
    if not 30 < place < SIDE_PX - (70 if horizontal else 30):
        return ""
    if horizontal:
        number = f'<text x="{place:.1f}" y="{SIDE_PX - 8}" text-anchor="middle">{text}</text>'
        return f'<path d="M{place:.1f} {SIDE_PX}v-6"/>{number}'
    return f'<path d="M0 {place:.1f}h6"/><text x="9" y="{place + 4:.1f}">{text}</text>'
