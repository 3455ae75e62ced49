"""The cloud in the browser: the markup of a viewer, the script that starts it, and its style.

The drawing itself is in `assets/viewer/`; the points are fetched from a file that `payload` writes. Nothing is asked of
any other host, and no graphics card or WebGL is needed. When the distance of two picked points is to be kept, the
component's `click` event tells the server {"do": "keep", "a": [x, y, z], "b": [x, y, z]}, in the user's coordinates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.colouring import viridis
from demos.point_clouds.payload import MOST_FACES, View, heights, looked_at, pack, view_of
from demos.point_clouds.shapes import Shape

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "viewer"
UNIT_NAMES = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "in": "inches"}
UPWARDS = {"z": "z is up", "y": "y is up", "-y": "y is down"}
BUTTONS = {"start": "Reset", "top": "Top", "front": "Front", "side": "Side"}
HINT = "Click two points to measure between them."
MOVING = (
    '<span class="cloud-mouse">Drag to turn, with Shift or the right button to move; after a click the wheel zooms. '
    'Keys: arrows, + and −.</span><span class="cloud-touch">Drag sideways to turn; two fingers zoom and move.</span>'
)

SCRIPT = """
const root = window.gradio_config && window.gradio_config.root || location.href.split(/[?#]/)[0];
const address = path => new URL(path, root.replace(/[/]*$/, "/"));
async function show() {
  for (const viewer of element.querySelectorAll(".cloud-viewer")) {
    try {
      const { mount } = await import(address(viewer.dataset.script));
      mount(viewer, address(viewer.dataset.points), event => trigger("click", event));
    } catch (error) {
      viewer.dataset.state = "failed";
      viewer.querySelector(".cloud-state").textContent = `The viewer could not be loaded (${error.message}).`;
    }
  }
}
watch("value", show);
show();
"""


def viewer_html(
    cloud: Cloud, shapes: Sequence[Shape], folder: Path, key: str, *, up: str = "z", values_name: str = ""
) -> str:
    """Draw a cloud with what was found in it.

    Args:
        cloud: with at least one point.
        shapes: in the cloud's frame.
        folder: of the result, served by Gradio; the points are written there.
        key: names the viewer and its file: letters, digits and hyphens, unique on the page.
        up: which way is up at first, a key of `UPWARDS`; "-y" is the frame of a camera.
        values_name: what `cloud.values` are, with their unit, such as "Height, m".
    """
    from hub.files import address  # here, because it brings Gradio, and the demo's face must not

    if not re.fullmatch(r"[\w-]+", key):
        raise ValueError(f"a viewer's key is letters, digits and hyphens, not {key!r}")
    view = view_of(cloud, up)
    data = folder / f"view-{key}.bin"
    data.write_bytes(pack(cloud, view, shapes))
    label = escape(f"{'Surface' if len(view.triangles) else 'Point cloud'}. {extents(cloud)}")
    return (
        f'<div class="cloud-viewer" data-key="{key}" data-state="loading" data-up="{up}" '
        f'data-script="{address(ASSETS / "viewer.js")}" data-points="{address(data)}">'
        f"{toolbar_html(view, shapes, up)}"
        f'<div class="cloud-stage" tabindex="0" role="application" aria-label="{label} Arrow keys turn, plus and minus '
        'zoom, 0 resets, Enter picks what is in the middle."><canvas class="cloud-points"></canvas>'
        '<canvas class="cloud-words"></canvas><p class="cloud-state">Loading the points …</p></div>'
        f"{bar_html(cloud, view, up, values_name)}"
        f'<p class="cloud-hint">{MOVING}</p><p class="cloud-readout" role="status" data-hint="{HINT}">{HINT}</p>'
        f'<p class="cloud-facts">{escape(facts(cloud, view))}</p></div>'
    )


def toolbar_html(view: View, shapes: Sequence[Shape], up: str) -> str:
    """Draw the controls."""
    buttons = "".join(f'<button type="button" data-do="{key}">{title}</button>' for key, title in BUTTONS.items())
    ways = "".join(
        f'<option value="{key}"{" selected" if key == up else ""}>{title}</option>' for key, title in UPWARDS.items()
    )
    size = '<label>Point size <input class="cloud-size" type="range" min="1" max="12" step="1" value="2"></label>'
    names = '<label><input class="cloud-names" type="checkbox" checked> What was found</label>' if shapes else ""
    return (
        f'<div class="cloud-bar" role="toolbar" aria-label="View of the cloud"><span>{buttons}</span>'
        f'<select class="cloud-up" aria-label="Which way is up">{ways}</select>'
        '<select class="cloud-ground" aria-label="Background"><option value="page">Page</option>'
        '<option value="light">White</option><option value="dark">Black</option></select>'
        f"<span{' hidden' if len(view.triangles) else ''}>{size}</span>"
        f'<label><input class="cloud-axes" type="checkbox" checked> Axes</label>{names}'
        '<span><button type="button" data-do="keep" hidden>Add as a step</button>'
        '<button type="button" data-do="forget" hidden>Clear points</button>'
        '<button type="button" data-do="save">Save picture</button>'
        '<button type="button" data-do="large">Full screen</button></span></div>'
    )


def bar_html(cloud: Cloud, view: View, up: str, values_name: str) -> str:
    """Draw the bar that says what the colours mean, where they stand for numbers."""
    if view.by_height:
        numbers, name = heights(cloud.points + cloud.origin, up), "Height" + (f", {cloud.unit}" if cloud.unit else "")
    elif cloud.values is not None and np.isfinite(cloud.values).any():
        numbers, name = cloud.values[np.isfinite(cloud.values)].astype(np.float64), values_name or "Value"
    else:
        return ""
    low, high = float(numbers.min()), float(numbers.max())
    stops = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in viridis(np.linspace(0, 1, 9)).tolist())
    ends = "".join(f"<span>{escape(written(number, high - low))}</span>" for number in (low, (low + high) / 2, high))
    return (
        f'<div class="cloud-colours"><b>{escape(name)}</b>'
        f'<i style="background: linear-gradient(to right, {stops})"></i><div>{ends}</div></div>'
    )


def facts(cloud: Cloud, view: View) -> str:
    """Say what is shown of the cloud, how large it is, and in which unit and frame."""
    faces = 0 if cloud.triangles is None else len(cloud.triangles)
    if len(view.triangles):
        shown = f"A surface of {faces:,} faces between {len(cloud):,} points."
    elif len(view.points) < len(cloud):
        shown = f"{len(view.points):,} of {len(cloud):,} points shown; steps and files use all of them."
    else:
        shown = f"{len(cloud):,} point{'s' * (len(cloud) > 1)}, all shown."
    if faces and not len(view.triangles):
        shown += f" Its {faces:,} faces are too many to draw here (at most {MOST_FACES:,}), so only its points are."
    unit = f"In {UNIT_NAMES[cloud.unit]}." if cloud.unit else "No unit is known: lengths are plain numbers."
    said = f"{shown} {extents(cloud)} {unit}"
    low, high = looked_at(cloud)
    if (outside := int(((cloud.points < low) | (cloud.points > high)).any(axis=1).sum())) > 0:
        said += f" {outside:,} far from the others lie outside the first view."
    if cloud.origin.any():
        origin = ", ".join(f"{value:,.12g}" for value in cloud.origin)
        said += f" Its coordinates are large: ({origin}) is subtracted for computing and added to every number shown."
    return said


def extents(cloud: Cloud) -> str:
    """Say how large a cloud is along its axes."""
    sizes = np.ptp(cloud.points, axis=0)
    text = " × ".join(written(size, float(sizes.max())) for size in sizes)
    return f"{text} {cloud.unit}".strip() + " along x, y and z."


def written(number: float, span: float) -> str:
    """Write a number to a thousandth of the span it lies in.

    >>> written(1.23456, 2.0)
    '1.235'
    >>> written(512345.678, 3000.0)
    '512,346'
    """
    decimals = min(max(3 - math.floor(math.log10(span)), 0), 12) if span > 0 else 3
    return f"{number:,.{decimals}f}"


CSS = """
.cloud-viewer { --cloud-paper: var(--background-fill-primary); color: var(--body-text-color); font-size: .95rem; }
.cloud-bar { display: flex; flex-wrap: wrap; align-items: center; gap: .35rem .8rem; margin-bottom: .4rem; }
.cloud-bar span { display: inline-flex; flex-wrap: wrap; gap: .3rem; }
.cloud-bar [hidden] { display: none !important; }
.cloud-bar button, .cloud-bar select { font: inherit; padding: .2rem .7rem; min-height: 2rem; border-radius: .4rem;
  color: var(--body-text-color); background: var(--background-fill-secondary);
  border: 1px solid var(--border-color-primary); cursor: pointer; margin: 0 !important; }
.cloud-bar select { appearance: auto; background-image: none; padding-right: .3rem; }
.cloud-bar button:hover { border-color: var(--primary-500); }
.cloud-bar button:focus-visible, .cloud-stage:focus-visible { outline: 3px dashed var(--primary-500); }
.cloud-bar label { display: inline-flex; align-items: center; gap: .35rem; cursor: pointer; }
.cloud-bar input[type=range] { width: 7rem; accent-color: var(--primary-600); }
.cloud-bar input[type=checkbox] { border: 1px solid var(--body-text-color-subdued) !important; }
/* The height leaves room above and below, so that a phone's page can be scrolled past the picture. */
.cloud-stage { position: relative; height: min(32rem, 60vh, 85vw); overflow: hidden; border-radius: .4rem;
  border: 1px solid var(--border-color-primary); background: var(--cloud-paper); touch-action: pan-y;
  cursor: crosshair; user-select: none; -webkit-user-select: none; }
.cloud-stage:active { cursor: grabbing; }
.cloud-stage canvas { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
.cloud-viewer:has(.cloud-ground option[value=light]:checked) .cloud-stage { --cloud-paper: #fff; color: #1e293b; }
.cloud-viewer:has(.cloud-ground option[value=dark]:checked) .cloud-stage { --cloud-paper: #0b0f17; color: #e2e8f0; }
.cloud-state { position: absolute; inset: 45% 0 auto; text-align: center; margin: 0; pointer-events: none; }
.cloud-viewer:fullscreen { background: var(--background-fill-primary); padding: .6rem; overflow: auto; }
.cloud-viewer:fullscreen .cloud-stage { height: calc(100vh - 11rem); }
.cloud-hint, .cloud-readout, .cloud-facts { font-size: .9rem; color: var(--body-text-color-subdued); margin: .3rem 0;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.cloud-readout { color: var(--body-text-color); }
.cloud-hint span { color: inherit; }
@media (pointer: coarse) { .cloud-mouse { display: none; } }
@media not all and (pointer: coarse) { .cloud-touch { display: none; } }
.cloud-colours { display: grid; grid-template-columns: max-content minmax(6rem, 24rem); gap: 0 .7rem; margin: .4rem 0;
  font-size: .9rem; }
.cloud-colours i { height: .9rem; border-radius: .2rem; align-self: center; }
.cloud-colours div { grid-column: 2; display: flex; justify-content: space-between;
  font-variant-numeric: tabular-nums; }
"""
