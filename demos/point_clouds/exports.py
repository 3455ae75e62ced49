"""Files of a result to take away: the cloud, what was measured, the steps, and the script that repeats the run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.processed import Processed, StepReport
from demos.point_clouds.steps import spell_steps
from demos.point_clouds.writing import EXPORTS, write
from hub.run import PNG_KEY

SAVED_AS = tuple(export.ending.removeprefix(".") for export in EXPORTS)
HEADERS = ("step", "operation", "item", "name", "value", "unit of lengths")
SHOWN_UNIT = "as in the file"


def write_files(folder: Path, processed: Processed, run: Mapping[str, Any], save_as: str = "ply") -> dict[str, Path]:
    """Write a result's files into `folder`.

    Args:
        folder: is there.
        processed: the result.
        run: the run's record; it stands in a comment of the PLY.
        save_as: a further format of the cloud.

    Returns:
        {name: path}: cloud_ply, measurements_csv, steps_json, script_py, and e.g. cloud_pcd.

    Raises:
        InvalidInput: where the cloud cannot be written in that format.
    """
    files = {"cloud_ply": folder / "cloud.ply"}
    write(processed.cloud, files["cloud_ply"], comments=comments_of(processed.cloud, run))
    if save_as != "ply":
        files[f"cloud_{save_as}"] = save_cloud(processed.cloud, folder, save_as)
    files["measurements_csv"] = folder / "measurements.csv"
    files["measurements_csv"].write_text(measurements_csv(processed.history, processed.cloud.unit), encoding="utf-8")
    files["steps_json"] = folder / "steps.json"
    steps = spell_steps([report.step for report in processed.history])
    files["steps_json"].write_text(f"{steps}\n", encoding="utf-8")
    files["script_py"] = folder / "script.py"
    files["script_py"].write_text(processed.script, encoding="utf-8")
    return files


def save_cloud(cloud: Cloud, folder: Path, ending: str) -> Path:
    """Write a cloud in the format of `ending`, e.g. "pcd"; return its path."""
    path = folder / f"cloud.{ending}"
    write(cloud, path)
    return path


def comments_of(cloud: Cloud, run: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the comments of a PLY: the unit where it is known, and the run's record."""
    unit = (f"unit {cloud.unit}",) if cloud.unit else ()
    return (*unit, f"{PNG_KEY} {json.dumps(run)}")


def measurements_csv(history: Sequence[StepReport], unit: str) -> str:
    """Write everything that was measured, one value a row."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(HEADERS)
    for place, report in enumerate(history, start=1):
        counts = {"points before": report.before, "points after": report.after}
        for item, name, value in (*flat(counts), *flat(report.facts)):
            table.writerow((place, report.step.op, item, name, value, unit or SHOWN_UNIT))
    return out.getvalue()


def flat(facts: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield every single value of facts as (item, name, value): the rows of a table are items, as are a list's parts.

    >>> list(flat({"clusters": [{"points": 12}], "centre": [1.0, 2.0]}))
    [('clusters 1', 'points', 12), ('centre 1', 'centre', 1.0), ('centre 2', 'centre', 2.0)]
    """
    for name, value in facts.items():
        if isinstance(value, list | tuple):
            for place, part in enumerate(value, start=1):
                item = f"{name} {place}"
                if isinstance(part, Mapping):
                    yield from ((item, inner, single) for _, inner, single in _singles(part))
                elif isinstance(part, list | tuple):
                    yield from ((item, f"column {column}", single) for column, single in enumerate(part, start=1))
                else:
                    yield item, name, part
        else:
            yield from _singles({name: value})


def _singles(facts: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for name, value in facts.items():
        if isinstance(value, list | tuple):
            yield from (("", f"{name} {place}", part) for place, part in enumerate(value, start=1))
        elif isinstance(value, Mapping):
            yield from (("", f"{name} {inner}", part) for inner, part in value.items())
        else:
            yield "", name, value
