"""What a result means: notes to beware of, the figures of the run, and where an error bar comes from."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from demos.stereo.families.holes import described
from demos.stereo.geometry import depth_error
from demos.stereo.lengths import Scale
from demos.stereo.measurement import Measurement
from demos.stereo.options import MatchOptions

DEPTHS_M = (0.5, 1.0, 2.0, 4.0, 8.0)


def explained_html(measurement: Measurement, scale: Scale, options: MatchOptions) -> str:
    """Explain the geometry, the error bars with this calibration's numbers, and the figures of the run."""
    return (
        "<p>Two equal cameras look the same way, one a baseline <i>b</i> to the right of the other. A point at depth "
        "<i>z</i> is <i>d</i> = <i>f b / z</i> pixels further left in the right picture: the disparity. Stereo "
        "measures only <i>d</i>; depth is its reciprocal. Positions are in the left camera's frame: x right, y down, z "
        "forward.</p><p>A disparity that is off by d<i>d</i> puts a point off by d<i>z</i> = <i>z</i>² / (<i>f b</i>) "
        "· d<i>d</i>: twice as far is four times as uncertain. Along x and y the error is smaller by about the tangent "
        "of the viewing angle, and goes along with that of z. A distance's error bar takes both ends' errors along the "
        "line between them. Error bars are one standard deviation; they know of marking and matching, not of a wrong "
        "calibration, which would scale all lengths alike.</p>"
        f"{reach_html(measurement, scale, options)}{figures_html('This run', figures_of(measurement))}"
        f"{figures_html('Time', {name: f'{seconds * 1000:.0f} ms' for name, seconds in measurement.seconds.items()})}"
        "<p>Files: disparity.png holds 256 steps a pixel, 0 for none (KITTI's way); disparity.pfm holds the same as "
        "32-bit numbers, infinity for none (Middlebury's way); cloud.ply is in metres.</p>"
    )


def reach_html(measurement: Measurement, scale: Scale, options: MatchOptions) -> str:
    """Tabulate how the depth error of a hand-marked point grows, with this run's calibration and marking error."""
    if measurement.relative:
        return "<p>The pair was straightened without a calibration, so lengths are in no unit.</p>"
    error_px = options.click_error_px * 2**0.5
    c = measurement.calibration
    rows = "".join(
        f"<tr><td>{scale.shown(depth)}</td><td>{c.focal_x_px * c.baseline_m / depth - c.doffs_px:.1f} px</td>"
        f"<td>± {scale.shown(float(depth_error(c, depth, error_px)))}</td></tr>"
        for depth in DEPTHS_M
    )
    return (
        f"<p>With b = {scale.shown(c.baseline_m)}, f<sub>x</sub> = {c.focal_x_px:.5g} px and both marks off by "
        f"{options.click_error_px:g} px (so d by √2 of that):</p>"
        '<table class="stereo-table stereo-reach"><tr><th>depth</th><th>disparity</th><th>error</th></tr>'
        f"{rows}</table>"
    )


def figures_of(measurement: Measurement) -> dict[str, str]:
    """Return the run's figures, with the shares of pixels that have a disparity, and that have none by reason."""
    return measurement.facts if measurement.invalid is None else {**measurement.facts, **described(measurement.invalid)}


def figures_html(title: str, figures: Mapping[str, str]) -> str:
    """Draw a small table of named figures."""
    if not figures:
        return ""
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in figures.items())
    return f'<table class="stereo-table"><caption>{title}</caption>{rows}</table>'
