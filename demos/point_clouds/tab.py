"""The point clouds tab: a file or pictures in, steps in order, and the cloud with all that was found in it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from demos.point_clouds import DEMO
from demos.point_clouds.asking import Asked, asked
from demos.point_clouds.controls import StepEditor
from demos.point_clouds.draw import depth_html, result_html, values_name
from demos.point_clouds.exports import write_files
from demos.point_clouds.formats_html import file_html, formats_html, up_of
from demos.point_clouds.options import ReadOptions
from demos.point_clouds.processed import Processed, measurements
from demos.point_clouds.saving import SavedFiles
from demos.point_clouds.sources import Sources
from demos.point_clouds.viewer import SCRIPT, viewer_html
from hub import inputs, ui
from hub.draw import notes_html
from hub.files import answer_file, result_path
from hub.options import specs
from hub.runtime import Hub, Outcome

# What `measurements` says of the cloud itself, apart from the steps.
OF_THE_CLOUD = ("points", "triangles", "points_loaded", "triangles_loaded", "unit", "extent")


def build(hub: Hub) -> None:
    """Lay out the tab and connect it."""

    def request(**values: Any) -> Asked:
        return asked(hub.limits, **values)

    def draw(outcome: Outcome, request: Asked) -> Sequence[Any]:
        return drawn(outcome, result_path(hub.settings, "cloud.ply").parent)

    def answer(outcome: Outcome, request: Asked) -> dict[str, Any]:
        return answered(outcome, request, result_path(hub.settings, "cloud.ply").parent)

    viewers: list[gr.HTML] = []
    with ui.tab(hub, DEMO) as tab:
        editor = StepEditor()
        saved = SavedFiles(hub)
        with tab.inputs():
            sources = Sources(tab)
        with tab.options("Reading options"):
            reading = inputs.controls(ReadOptions, names=[name for name in specs(ReadOptions) if name != "unit"])
        with tab.options("Formats: what each can hold"):
            gr.HTML(formats_html())
        with tab.choices():
            above, below = gr.Column(), gr.Column()
        with below:
            sources.draw_second()
            unit = inputs.controls(ReadOptions, names=["unit"])
        sent = {**sources.inputs, "steps": editor.text, **unit, **reading, "save_as": saved.format}
        with above:
            example_runs = sources.draw_examples(sent)
            editor.draw()

        def panel() -> Sequence[Any]:
            shown = result_panel(saved)
            viewers.append(shown[0])
            return shown

        tab.results(panel)
        tab.connect(
            sent,
            request=request,
            draw=draw,
            answer=answer,
            also_run_on=[*sources.arrivals, *example_runs],
            refine_on=[*editor.changes(viewers), unit["unit"].input],  # type: ignore[attr-defined]
            optional=True,
        )
        sources.forget_result()


def result_panel(saved: SavedFiles) -> list[Any]:
    """Draw one result, empty."""
    viewer = gr.HTML(js_on_load=SCRIPT, elem_classes="clouds-viewer")
    told = gr.HTML()
    with gr.Accordion("What was read", open=False):
        read = gr.HTML()
    with gr.Accordion("Files to keep", open=False):
        files = saved.draw()
    return [viewer, told, read, files]


def drawn(outcome: Outcome, folder: Path) -> Sequence[Any]:
    """Turn an outcome into the values of the panel, its files written into `folder`."""
    processed: Processed = outcome.result
    files = write_files(folder, processed, outcome.run.as_dict())
    limits = DEMO.card_of(outcome.run.source).limits
    return (
        viewer_html(
            processed.cloud,
            processed.shapes,
            folder,
            outcome.run.id,
            up=up_of(processed.facts),
            values_name=values_name(processed),
        ),
        result_html(processed) + notes_html(processed.notes, limits),
        file_html(processed.facts) + depth_html(processed),
        [str(path) for path in files.values()],
    )


def answered(outcome: Outcome, request: Asked, folder: Path) -> dict[str, Any]:
    """Turn an outcome into the JSON answer of the endpoint."""
    processed: Processed = outcome.result
    files = write_files(folder, processed, outcome.run.as_dict(), request.save_as)
    measured = measurements(processed)
    return {
        "cloud": {name: measured.pop(name) for name in OF_THE_CLOUD},
        **measured,
        "truth": None if processed.truth is None else asdict(processed.truth),
        "notes": list(processed.notes),
        "files": {name: answer_file(path) for name, path in files.items()},
    }
