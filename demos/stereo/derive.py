"""Where one point's numbers come from: the formulas with its numbers put in, and the template's score curve."""

from __future__ import annotations

from html import escape

import numpy as np

from demos.stereo.geometry import Calibration
from demos.stereo.lengths import Scale
from demos.stereo.measurement import MeasuredPoint, ScoreCurve

WIDTH, HEIGHT = 320, 110  # of the curve, in units of its own drawing
LEFT, BOTTOM = 28, 18  # room for the axes


def derivation_html(point: MeasuredPoint, calibration: Calibration, scale: Scale) -> str:
    """Write a point's derivation, line by line, and draw how well its template fits along the epipolar line."""
    lines = "".join(f"<li>{line}</li>" for line in derivation(point, calibration, scale))
    curve = "" if point.curve is None else curve_svg(point.curve, point.disparity_px)
    return f"<h4>How {escape(point.marked.name)} was measured</h4><div><ol>{lines}</ol>{curve}</div>"


def derivation(point: MeasuredPoint, calibration: Calibration, scale: Scale) -> list[str]:
    """Return the steps from pixels to a place and its error, as HTML, with the numbers of this point."""
    if point.disparity_px is None or point.u_right_px is None:
        return [f"No partner was found in the right picture: {escape(point.reason)}."]
    u, v = point.marked.u_px, point.marked.v_px
    shift = point.disparity_px + calibration.doffs_px
    parallax = f"(d + {calibration.doffs_px:.4g} px doffs)" if calibration.doffs_px else "d"
    shifted = f"{u:.2f} − {point.u_right_px:.2f} = <b>{point.disparity_px:.2f} px</b>"
    steps = [f"d = u<sub>left</sub> − u<sub>right</sub> = {shifted}"]
    if point.position_m is None:
        return [*steps, f"{escape(point.reason[:1].upper() + point.reason[1:])}."]
    x, y, z = (float(length) for length in point.position_m)
    b, fx, fy = calibration.baseline_m, calibration.focal_x_px, calibration.focal_y_px
    steps += [
        f"z = b · f<sub>x</sub> / {parallax} = {scale.shown(b)} · {fx:.5g} px / {shift:.2f} px = "
        f"<b>{scale.shown(z)}</b>",
        f"x = b · (u − O<sub>x</sub>) / {parallax} = {scale.shown(b)} · ({u:.1f} − {calibration.centre_x_px:.1f}) / "
        f"{shift:.2f} = <b>{scale.shown(x)}</b>",
        f"y = b · f<sub>x</sub> · (v − O<sub>y</sub>) / (f<sub>y</sub> · {parallax}) = {scale.shown(b)} · {fx:.5g} · "
        f"({v:.1f} − {calibration.centre_y_px:.1f}) / ({fy:.5g} · {shift:.2f}) = <b>{scale.shown(y)}</b>",
    ]
    if point.disparity_error_px is not None and point.error_m is not None:
        steps.append(
            f"dz = z² / (b · f<sub>x</sub>) · dd = ({scale.shown(z)})² / ({scale.shown(b)} · {fx:.5g} px) · "
            f"{point.disparity_error_px:.2f} px = <b>{scale.shown(float(point.error_m[2]))}</b>"
        )
    return steps


def curve_svg(curve: ScoreCurve, used_px: float | None) -> str:
    """Draw the scores of the template along the epipolar line, its peak, and the disparity that was used."""
    disparities, scores = curve.disparities_px, np.nan_to_num(curve.scores, nan=-1.0)
    if len(disparities) < 2:
        return ""
    low, high = float(disparities[0]), float(disparities[-1])
    floor = min(float(scores.min()), 0.0)

    def across(disparity: float) -> float:
        return LEFT + (disparity - low) / (high - low) * (WIDTH - LEFT - 6)

    def up(score: float) -> float:
        return 6 + (1 - score) / (1 - floor) * (HEIGHT - BOTTOM - 6)

    line = " ".join(f"{across(d):.1f},{up(s):.1f}" for d, s in zip(disparities, scores, strict=True))
    used = ""
    if used_px is not None and low <= used_px <= high:
        used = f'<path class="stereo-used" d="M{across(used_px):.1f} 6V{up(floor):.1f}"/>'
    ends = "".join(
        f'<text x="{across(at):.1f}" y="{HEIGHT - 4}" text-anchor="{anchor}">{at:.0f} px</text>'
        for at, anchor in ((low, "start"), (high, "end"))
    )
    levels = "".join(
        f'<text x="{LEFT - 4}" y="{up(level) + 4:.1f}" text-anchor="end">{level:g}</text>'
        f'<line class="stereo-grid" x1="{LEFT}" x2="{WIDTH - 6}" y1="{up(level):.1f}" y2="{up(level):.1f}"/>'
        for level in (0.0, 1.0)
    )
    return (
        f'<figure class="stereo-curve"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="score curve, peak at '
        f'{curve.peak_px:.2f} pixels">{levels}{used}<polyline points="{line}"/>'
        f'<circle cx="{across(curve.peak_px):.1f}" cy="{up(float(scores.max())):.1f}" r="3"/>{ends}</svg>'
        f"<figcaption>Fit of the patch round the point along its epipolar line (1: equal), by disparity; peak at "
        f"{curve.peak_px:.2f} px. The dashed line is the disparity that was used.</figcaption></figure>"
    )
