"""The stereo tab: two pictures in; points, distances, maps and a point cloud out, each with how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from demos.stereo import DEMO, EXAMPLES
from demos.stereo.asking import asked
from demos.stereo.controls import CalibrationControls, Marks
from demos.stereo.draw import viewer_html
from demos.stereo.explain import explained_html, figures_of
from demos.stereo.exports import Cloud, cloud_of, write_disparity_png, write_pfm, write_ply
from demos.stereo.lengths import scale_of
from demos.stereo.maps import maps_html
from demos.stereo.marking import as_sent
from demos.stereo.measurement import Measurement
from demos.stereo.options import MatchOptions, MeasureRequest
from demos.stereo.points import dimensions_csv, points_csv
from demos.stereo.preview import preview_html
from demos.stereo.viewer import SCRIPT
from demos.stereo.wording import summary
from hub import inputs, ui
from hub.draw import notes_html
from hub.files import answer_file, result_path
from hub.options import specs
from hub.runtime import Hub, Outcome


def build(hub: Hub) -> None:
    """Lay out the tab and connect it."""

    def request(**values: Any) -> MeasureRequest:
        return asked(hub.limits, **values)

    def draw(outcome: Outcome, request: MeasureRequest) -> Sequence[Any]:
        return drawn(outcome, request, result_path(hub.settings, "points.csv").parent)

    def answer(outcome: Outcome, request: MeasureRequest) -> dict[str, Any]:
        return answered(outcome, request, result_path(hub.settings, "cloud.ply").parent)

    viewers: list[gr.HTML] = []
    with ui.tab(hub, DEMO) as tab:
        calibration = CalibrationControls()
        marks = Marks()
        with tab.inputs():
            with gr.Row():
                left = inputs.picture_input("Left", height=190, elem_id="stereo-left", min_width=150)
                right = inputs.picture_input("Right", height=190, elem_id="stereo-right", min_width=150)
            with gr.Row():
                new_scene = gr.Button("New scene", size="sm", min_width=120, elem_id="stereo-new-scene")
                swap = gr.Button("Swap left and right", size="sm", min_width=120, elem_id="stereo-swap")
        sent = {"left": left, "right": right, "calibration": calibration.text}
        sent |= {"points": marks.text, "dimensions": marks.dimensions}
        with tab.choices():
            tab.examples(sent, "Examples: click one to measure it", names=list(EXAMPLES))
            unit = inputs.controls(MatchOptions, names=["unit"])
            marks.draw()
            calibration.draw(hub, left, right)
        with tab.options("Matching options"):
            matching = inputs.controls(MatchOptions, names=[name for name in specs(MatchOptions) if name != "unit"])

        def panel() -> Sequence[Any]:
            shown = result_panel()
            viewers.append(shown[0])
            tab.offer("ply", shown[-1])
            return shown

        tab.results(panel)
        rendered = new_scene.click(
            fresh_scene,
            None,
            [left, right, calibration.text, marks.text, marks.dimensions],
            api_visibility="private",
            show_progress="minimal",
        )
        tab.connect(
            {**sent, **matching, **unit},
            request=request,
            draw=draw,
            answer=answer,
            also_run_on=[rendered.success],
            refine_on=[*marks.changes(viewers), calibration.changed, unit["unit"].input],  # type: ignore[attr-defined]
        )
        for picture in (left, right):
            tab.forget_result_on(picture.change, by_user=[picture.clear, picture.upload, picture.input])
        swap.click(None, [left, right], [left, right], js="(left, right) => [right, left]", api_visibility="private")


def fresh_scene() -> tuple[Any, ...]:
    """Render a pair nobody has seen, with its calibration and no points yet; its pictures carry the seed."""
    from demos.stereo.calibration import to_json
    from demos.stereo.scenes import new_scene
    from tabletop.pictures import new_seed

    pair = new_scene(new_seed())
    return pair.left, pair.right, to_json(pair.calibration), "", ""


def result_panel() -> list[Any]:
    """Draw one result, empty."""
    viewer = gr.HTML(js_on_load=SCRIPT, elem_classes="stereo-viewer")  # with the maps: one script reads from both
    notes = gr.HTML()
    cloud = gr.HTML()
    with gr.Accordion("Explain", open=False):
        explained = gr.HTML()
    with gr.Accordion("Files to keep", open=False):
        files = gr.File(label="Tables, disparity and cloud", file_count="multiple", interactive=False)
    ply = inputs.file_input("Cloud", [".ply"], visible=False)
    return [viewer, notes, cloud, explained, files, ply]


def drawn(outcome: Outcome, request: MeasureRequest, folder: Path) -> Sequence[Any]:
    """Turn an outcome into the values of the panel, its files written into `folder`."""
    measurement: Measurement = outcome.result
    scale = scale_of(measurement, request.options.unit)
    limits = DEMO.card_of(outcome.run.source).limits
    cloud = cloud_of(measurement)
    kept = written(outcome, request, folder, cloud)
    ply = kept.get("cloud_ply")
    return (
        viewer_html(measurement, scale, outcome.run.id, sent_size(request))
        + maps_html(measurement, scale, outcome.run.id),
        notes_html(measurement.notes, limits),
        preview_html(cloud, scale),
        explained_html(measurement, scale, request.options),
        [str(path) for path in kept.values()],
        None if ply is None else str(ply),
    )


def sent_size(request: MeasureRequest) -> tuple[int, int] | None:
    """Return width and height of the left picture as it was sent."""
    return None if request.left is None else request.left.size


def written(outcome: Outcome, request: MeasureRequest, folder: Path, cloud: Cloud | None) -> dict[str, Path]:
    """Write a result's files; the tables are in the unit that is shown, the rest in metres and pixels."""
    measurement: Measurement = outcome.result
    unit = "relative" if measurement.relative else request.options.unit
    record = outcome.run.as_dict()
    files = {"points_csv": folder / "points.csv", "dimensions_csv": folder / "dimensions.csv"}
    files["points_csv"].write_text(points_csv(as_sent(measurement, request), unit), encoding="utf-8")
    files["dimensions_csv"].write_text(dimensions_csv(measurement.dimensions, unit), encoding="utf-8")
    if measurement.disparity_px is not None:
        files["disparity_png"] = write_disparity_png(folder / "disparity.png", measurement.disparity_px, record)
        files["disparity_pfm"] = write_pfm(folder / "disparity.pfm", measurement.disparity_px)
    if cloud is not None:
        files["cloud_ply"] = write_ply(folder / "cloud.ply", cloud, record)
    return files


def answered(outcome: Outcome, request: MeasureRequest, folder: Path) -> dict[str, Any]:
    """Turn an outcome into the JSON answer of the endpoint: metres and pixels, whatever the unit of the page."""
    measurement: Measurement = outcome.result
    files = written(outcome, request, folder, cloud_of(measurement))
    return {
        "summary": summary(measurement, request.options.unit),
        "points": [
            {
                "name": point.marked.name,
                "u": point.marked.u_px,
                "v": point.marked.v_px,
                "u_right": point.u_right_px,
                "v_right": point.v_right_px,
                "disparity_px": point.disparity_px,
                "disparity_error_px": point.disparity_error_px,
                "position_m": listed(point.position_m),
                "error_m": listed(point.error_m),
                "covariance_m2": listed(point.covariance_m2),
                "partner": point.source,
                "reason": point.reason,
                "true_position_m": listed(point.true_position_m),
            }
            for point in as_sent(measurement, request)
        ],
        "dimensions": [
            {
                "from": line.start,
                "to": line.end,
                "distance_m": line.distance_m,
                "error_m": line.error_m,
                "reason": line.reason,
                "true_distance_m": line.true_distance_m,
            }
            for line in measurement.dimensions
        ],
        "has_scale": not measurement.relative,
        "matches": listed(measurement.matches),
        "facts": figures_of(measurement),
        "notes": list(measurement.notes),
        "files": {name: answer_file(path) for name, path in files.items()},
    }


def listed(array: Any) -> Any:
    """Return an array as nested lists, or None."""
    return None if array is None else array.tolist()
