"""Many questions at once: ten about a new scene, marked against its truth, and a CSV of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from demos.vqa import EXAMPLES, battery, sheet
from demos.vqa.battery import Battery, Mark, Tally
from demos.vqa.draw_many import battery_html, marks, sheet_html, tally_html
from hub import inputs
from hub.errors import UserError
from hub.files import result_path
from hub.inputs import SentFile
from hub.runtime import Hub, Reply
from hub.ui import Tab

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_SHEET = ROOT / "assets" / "examples" / "vqa" / "questions.csv"
SAMPLE_PICTURES = tuple(str(ROOT / example["image"]) for example in EXAMPLES)
NOTHING_COUNTED: tuple[str, Tally] = ("", {})  # the battery that was counted last, and all so far
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def draw_battery(tab: Tab) -> None:
    """Draw the button that asks ten questions, the marked answers, and the accuracy by type of all so far."""
    with gr.Accordion("Ten questions at once, marked", open=False, elem_id="vqa-battery"):
        gr.HTML(
            "<p>Draws a scene that no model was trained on, asks the chosen model ten questions about it, and marks "
            "the answers against the truth. Do it several times: the table adds up.</p>"
        )
        reworded = gr.Checkbox(
            False, label="As people type", info="Other words, lower case, a missing question mark, slips of the keys."
        )
        with gr.Row():
            ask = gr.Button(
                "Ask ten questions about a new scene",
                variant="primary",
                size="md",
                min_width=150,
                elem_id="vqa-battery-ask",
            )
            restart = gr.Button("Count anew", size="md", min_width=90, elem_id="vqa-battery-restart")
        status = gr.HTML(elem_id="vqa-battery-status")
        marked = gr.HTML()
        counted = gr.HTML(elem_id="vqa-tally")
        latest, tally = gr.JSON(visible="hidden"), gr.State(NOTHING_COUNTED)

    def draw(replies: Sequence[Reply], asked: Battery) -> tuple[str, Any]:
        complete = len(replies) == len(asked.requests)
        return battery_html(asked, replies), _report(asked, replies) if complete else gr.skip()

    tab.connect_many(
        ask.click,
        {"reworded": reworded},
        plan=lambda reworded: battery.battery(battery.new_seed(), bool(reworded)),
        draw=draw,
        outputs=[marked, latest],
        status=status,
    )
    latest.change(_add, [latest, tally], [tally, counted], queue=False, **QUIET)
    restart.click(lambda: (NOTHING_COUNTED, "", ""), None, [tally, counted, marked], queue=False, **QUIET)


def _report(asked: Battery, replies: Sequence[Reply]) -> dict[str, Any]:
    """Return the marks of a battery as JSON; its first run names it."""
    runs = [reply.run for reply in replies if not isinstance(reply, UserError)]
    return {
        "id": runs[0].id if runs else "",
        "model": runs[0].model if runs else "",
        "marks": [asdict(mark) for mark in marks(asked, replies)],
    }


def _add(report: dict[str, Any] | None, counted: tuple[str, Tally]) -> tuple[Any, Any]:
    """Add a battery that has not been counted yet; the page may report one twice."""
    last, tally = counted
    if not report or report["id"] in ("", last):
        return gr.skip(), gr.skip()
    tally = battery.added(tally, report["model"], [Mark(**mark) for mark in report["marks"]])
    return (report["id"], tally), tally_html(tally)


def draw_sheet(tab: Tab, hub: Hub) -> None:
    """Draw the inputs of a CSV and its pictures, the answers row by row, and the CSV to download."""
    with gr.Accordion("Many questions from a CSV", open=False, elem_id="vqa-sheet"):
        gr.HTML(
            f"<p>A CSV with the columns <code>image</code> (a file name) and <code>question</code>, at most "
            f"{sheet.MOST_ROWS} rows, and the pictures it names. It comes back with the answers added; a row that "
            "cannot be answered says why.</p>"
        )
        with gr.Row():
            table = inputs.file_input("CSV", [".csv", ".tsv", ".txt"], height=140, elem_id="vqa-sheet-csv")
            pictures = inputs.file_input("Pictures", ["image"], several=True, height=140, elem_id="vqa-sheet-pictures")
        with gr.Row():
            run = gr.Button("Answer the CSV", variant="primary", size="md", min_width=120, elem_id="vqa-sheet-run")
            sample = gr.Button("Take the sample", size="md", min_width=120, elem_id="vqa-sheet-sample")
        status = gr.HTML(elem_id="vqa-sheet-status")
        rows = gr.HTML()
        answered = gr.File(label="The CSV with answers", interactive=False, visible=False, elem_id="vqa-sheet-answers")

    def plan(table: tuple[SentFile, ...], pictures: tuple[SentFile, ...]) -> sheet.Plan:
        return sheet.plan(sheet.read(table[0].path if table else None), pictures, hub.limits)

    def draw(replies: Sequence[Reply], planned: sheet.Plan) -> tuple[str, gr.File]:
        verdicts = sheet.verdicts(planned, replies)
        written = result_path(hub.settings, "answers.csv")
        written.write_bytes(sheet.write(planned.sheet, verdicts))
        return sheet_html(planned.sheet, verdicts), gr.File(str(written), visible=True)

    tab.connect_many(
        run.click,
        {"table": table, "pictures": pictures},
        plan=plan,
        draw=draw,
        outputs=[rows, answered],
        status=status,
    )
    sample.click(lambda: (str(SAMPLE_SHEET), list(SAMPLE_PICTURES)), None, [table, pictures], queue=False, **QUIET)
