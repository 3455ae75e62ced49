"""The pieces of a result in HTML: what the cloud is, what each step did, what was found, and what is true of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image

from demos.point_clouds.cloud import F64
from demos.point_clouds.editor import options_line
from demos.point_clouds.facts_html import UNIT_NAMES, facts_html, number, shown, table_html, words
from demos.point_clouds.operations.colouring import viridis
from demos.point_clouds.operations.registry import REGISTRY
from demos.point_clouds.processed import Processed, StepReport
from demos.point_clouds.shapes import Box
from demos.point_clouds.truth import SolidTruth
from hub.pictures import data_uri, shrunk

DEPTH_PX = 480
UNKNOWN_DEPTH = (120, 120, 128)


def result_html(processed: Processed) -> str:
    """Draw all that is told of a cloud: what it is, what each step did and found, and what is true of it."""
    return (
        f"{summary_html(processed)}{truth_html(processed)}{history_html(processed)}"
        f"{findings_html(processed.history, processed.cloud.unit)}"
    )


def values_name(processed: Processed) -> str:
    """Return what the values of the points are, with their unit: what the last step that gave them calls them."""
    unit = f", {processed.cloud.unit}" if processed.cloud.unit else ""
    for report in reversed(processed.history):
        if report.step.op == "colour":
            by = report.step.options.by
            return words(by) + ("" if by == "curvature" else unit)
        if report.step.op == "compare":
            return f"Distance to the other cloud{unit}"
    return ""


def summary_html(processed: Processed) -> str:
    """Say what the cloud is now: counts, unit, extent, what its points carry, and where its origin went."""
    cloud = processed.cloud
    carries = [
        name
        for name, array in (("colours", cloud.colours), ("normals", cloud.normals), ("labels", cloud.labels))
        if array is not None
    ]
    low, high = cloud.points.min(axis=0), cloud.points.max(axis=0)
    facts = {
        "Points": f"{len(cloud):,}",
        **({} if cloud.triangles is None else {"Triangles": f"{len(cloud.triangles):,}"}),
        "Extent x, y, z": f"{' × '.join(number(float(length)) for length in high - low)} {cloud.unit}".strip(),
        "From": place_of(low + cloud.origin),
        "To": place_of(high + cloud.origin),
        "Carries": ", ".join(carries) or "places only",
        "Unit": UNIT_NAMES.get(cloud.unit, "not known: plain numbers"),
    }
    if np.any(cloud.origin):
        facts["Origin moved to"] = shown([float(value) for value in cloud.origin])
    items = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in facts.items())
    return f'<dl class="clouds-summary">{items}</dl>'


def place_of(point: F64) -> str:
    """Spell a point's coordinates in the file's frame, to a thousandth where they are small."""
    return ", ".join(f"{round(float(value), 3) + 0.0:,.3f}".rstrip("0").rstrip(".") for value in point)


def history_html(processed: Processed) -> str:
    """Draw the pipeline as a numbered list: each step with its options, counts before and after, and time.

    A step opens to what it means.
    """
    read = (
        f"<tr><td></td><td>Read</td><td></td><td>{counted(processed.loaded.points, processed.loaded.triangles)}</td>"
        f"<td>{time_of(processed.read_s)}</td></tr>"
    )
    rows = "".join(row_html(place, report) for place, report in enumerate(processed.history, start=1))
    return (
        '<div class="clouds-scroll"><table class="clouds-table clouds-history"><caption>Pipeline</caption>'
        "<tr><th></th><th>Step</th><th>Before</th><th>After</th><th>Time</th></tr>"
        f"{read}{rows}</table></div>"
    )


def row_html(place: int, report: StepReport) -> str:
    """Draw a step's row."""
    options = options_line(report.step)
    meaning = escape(REGISTRY[report.step.op].explanation)
    step = (
        f"<details><summary><b>{escape(report.title)}</b>{f' <small>{escape(options)}</small>' if options else ''}"
        f"</summary><p>{meaning}</p></details>"
    )
    took = "remembered" if report.remembered else time_of(report.seconds)
    return (
        f"<tr><td>{place}</td><td>{step}</td><td>{counted(report.before, report.faces_before)}</td>"
        f"<td>{counted(report.after, report.faces_after)}</td><td>{took}</td></tr>"
    )


def counted(points: int, triangles: int) -> str:
    """Spell a number of points, and of triangles where there are any."""
    return f"{points:,}" + (f"<small>{triangles:,} triangles</small>" if triangles else "")


def time_of(seconds: float) -> str:
    """Spell a duration."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def findings_html(history: Sequence[StepReport], unit: str) -> str:
    """Draw what the steps found, each under its own heading."""
    told = f"lengths in {UNIT_NAMES[unit]}" if unit in UNIT_NAMES else "lengths in the file's own numbers"
    parts = [
        f"<section><h4>{place}. {escape(report.title)} <small>{told}</small></h4>"
        f"{facts_html(report.facts, unit)}</section>"
        for place, report in enumerate(history, start=1)
        if report.facts
    ]
    return f'<div class="clouds-findings">{"".join(parts)}</div>' if parts else ""


def truth_html(processed: Processed) -> str:
    """Draw what is true of a New scene beside what was found."""
    truth = processed.truth
    if truth is None:
        return ""
    names = {shape.label: shape.name for shape in processed.shapes if isinstance(shape, Box)}
    rows = [solid_row(solid, names) for solid in truth.solids]
    table = table_html("Widths and height, mm", rows) if rows else ""
    return f'<div class="clouds-truth"><h4>Truth</h4><p>{escape(truth.sentence)}</p>{table}</div>'


def solid_row(solid: SolidTruth, names: Mapping[int, str]) -> dict[str, str]:
    """Return the row of a solid: what it is, and what was found of it; `names` are those of the clusters."""
    return {
        "solid": solid.name,
        "found as": names.get(solid.cluster, "not found alone"),
        "true": lengths(solid.true_mm),
        "found": "" if solid.found_mm is None else lengths(solid.found_mm),
        "off by": "" if solid.error is None else f"{solid.error:.1%}",
    }


def lengths(sizes_mm: Sequence[float]) -> str:
    """Spell lengths as people write the size of a box."""
    return " × ".join(f"{length:.1f}" for length in sizes_mm)


def depth_html(processed: Processed) -> str:
    """Draw the depth of a picture with its scale, and what was found out about its camera."""
    if processed.depth_m is None:
        return ""
    known = processed.depth_m[np.isfinite(processed.depth_m)]
    near, far = float(known.min()), float(known.max())
    fraction = (np.nan_to_num(processed.depth_m, nan=near) - near) / max(far - near, 1e-9)
    height, width = fraction.shape
    colours = viridis(fraction.ravel()).reshape(height, width, 3)
    colours[~np.isfinite(processed.depth_m)] = UNKNOWN_DEPTH
    picture = shrunk(Image.fromarray(colours), DEPTH_PX)
    return (
        f'<figure class="clouds-depth"><img alt="depth of each pixel" src="{data_uri(picture, "PNG")}">'
        f"<figcaption>Depth: {number(near)} m (dark) to {number(far)} m (bright); grey: none.</figcaption></figure>"
        f"{facts_html(processed.picture_facts)}"
    )
