"""The left column's own controls: the table of points, and the calibration in its three ways of coming in.

What a run is given are two texts, which the API takes as they are; tables and number boxes are views of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from demos.stereo.boards import draw_boards
from demos.stereo.calibration import read_calibration, to_json
from demos.stereo.geometry import Calibration
from demos.stereo.marking import HEADERS, changed, points_text, rows_of, text_of_rows, without_missing
from demos.stereo.points import parse_points
from hub.errors import UserError
from hub.events import told_to_user
from hub.inputs import SentFile, file_input, take_as_sent
from hub.runtime import Hub

NUMBERS = {
    "fx": "fx, px",
    "fy": "fy, px",
    "cx": "Ox, px",
    "cy": "Oy, px",
    "baseline": "Baseline, mm",
    "doffs": "doffs, px",
}
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}


class Marks:
    """The points and the dimensions between them."""

    def __init__(self) -> None:
        self.text = gr.Textbox(
            "",
            render=False,
            lines=4,
            max_lines=8,
            label="Points as text",
            info="CSV: name, u, v and, where marked by hand, u_right, v_right; pixels of the left and right picture.",
            elem_id="stereo-points-text",
        )
        self.dimensions = gr.Textbox(
            "",
            render=False,
            label="Distances",
            placeholder="pt1-pt2, pt1-pt3",
            info="Between which points; empty: first and second, third and fourth, and so on.",
            elem_id="stereo-dimensions",
        )
        for text in (self.text, self.dimensions):
            take_as_sent(text)
        self._changes: list[Any] = []

    def draw(self) -> None:
        """Draw the table, and the ways in and out of it."""
        self.table = gr.Dataframe(
            value=[],
            headers=HEADERS,
            datatype=["str", "number", "number", "number", "number"],
            type="array",
            column_count=len(HEADERS),
            interactive=True,
            label="Points: click the left picture of a result, or type pixels here",
            max_height=620,
            buttons=[],
            elem_id="stereo-points",
        )
        take_as_sent(self.table)
        self.dimensions.render()
        with gr.Row():
            undo = gr.Button("Delete last point", size="sm", min_width=120, elem_id="stereo-undo")
            clear = gr.Button("Delete all points", size="sm", min_width=120, elem_id="stereo-clear")
        with gr.Accordion("Points from a file or as text", open=False):
            file = file_input("Points (CSV)", [".csv", ".txt"], height=120, elem_id="stereo-import")
            self.text.render()
        everything = [self.text, self.table, self.dimensions]
        self._changes = [
            self.table.input(rows_to_text, self.table, self.text, **QUIET).success,
            undo.click(without_last, [self.text, self.dimensions], everything, **QUIET).success,
            clear.click(lambda: ("", [], ""), None, everything, **QUIET).success,
            file.upload(imported, file, everything, **QUIET).success,
            self.text.submit,
            self.dimensions.submit,
        ]
        self.text.change(text_to_rows, [self.text, self.table], self.table, **QUIET)

    def changes(self, viewers: Sequence[gr.HTML]) -> list[Any]:
        """Return the listeners to every change of the points, those asked for in the pictures of a result too."""
        everything = [self.text, self.table, self.dimensions]
        clicks = [
            viewer.click(asked_for, [self.text, self.dimensions], everything, **QUIET).success for viewer in viewers
        ]
        return [*self._changes, *clicks]


def rows_of_payload(payload: Any) -> list[list[Any]]:
    """Return the rows of the table as the browser sent them."""
    width = len(HEADERS)
    rows = getattr(payload, "data", payload) or []
    return [[*row, *[None] * width][:width] for row in rows if isinstance(row, list | tuple)]


def rows_to_text(payload: Any) -> str:
    """Return the text of the table after somebody typed in it."""
    return text_of_rows(rows_of_payload(payload))


def text_to_rows(text: str, payload: Any) -> Any:
    """Bring the table in line with the text, unless it says the same, or the text is none yet."""
    try:
        points = parse_points(text)
    except UserError:
        return gr.skip()  # a run says what is wrong
    same = text_of_rows(rows_of_payload(payload)) == points_text(points)
    return gr.skip() if same else rows_of(points)


def shown(text: str, dimensions: str) -> tuple[str, list[list[Any]], str]:
    """Return text, table and dimensions of points."""
    return text, rows_of(parse_points(text)), without_missing(dimensions, text)


def without_last(text: str, dimensions: str) -> tuple[str, list[list[Any]], str]:
    """Take the last point away."""
    with told_to_user():
        return shown(points_text(parse_points(text)[:-1]), dimensions)


def imported(sent: tuple[SentFile, ...]) -> tuple[str, list[list[Any]], str]:
    """Read points from a file; those of an earlier export too."""
    with told_to_user():
        return shown(points_text(parse_points(text_of_file(sent))), "")


def asked_for(text: str, dimensions: str, event: gr.EventData) -> tuple[str, list[list[Any]], str]:
    """Do what was asked for in a picture of the result."""
    with told_to_user():
        wish = event._data if isinstance(event._data, dict) else {}
        return shown(changed(text, wish), dimensions)


def text_of_file(sent: tuple[SentFile, ...]) -> str:
    """Return a text file's content; latin-1 is what is not UTF-8 mostly."""
    if not sent:
        return ""
    content = sent[0].path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


class CalibrationControls:
    """The calibration: number boxes, a file of any known kind, text, or chessboard pairs."""

    def __init__(self) -> None:
        self.text = gr.Textbox(
            "",
            render=False,
            lines=3,
            max_lines=8,
            label="Calibration as text",
            info="OpenCV YAML or XML, Middlebury calib.txt, KITTI calib or our own JSON; the file above comes in here.",
            elem_id="stereo-calibration-text",
        )
        take_as_sent(self.text)

    def draw(self, hub: Hub, left: Component, right: Component) -> None:
        """Draw the accordion with all ways in."""
        with gr.Accordion("Calibration", open=False):
            with gr.Row():
                boxes = [
                    gr.Number(label=label, min_width=160, elem_id=f"stereo-{key}") for key, label in NUMBERS.items()
                ]
            file = file_input(
                "Calibration file",
                [".yml", ".yaml", ".txt", ".json", ".xml"],
                height=120,
                elem_id="stereo-calibration-file",
            )
            self.text.render()
            self.kind = gr.HTML(elem_classes="lectern-notes")
            draw_boards(hub, self.text, left, right)
        for box in boxes:
            take_as_sent(box)
        for box in boxes:
            box.input(numbers_to_text, boxes, self.text, **QUIET)
        self.changed = gr.on([box.submit for box in boxes], lambda: None, None, None, **QUIET).success
        file.upload(file_to_text, file, self.text, **QUIET)
        self.text.change(text_to_numbers, [self.text, *boxes], [*boxes, self.kind], **QUIET)


def numbers_to_text(*numbers: Any) -> Any:
    """Write the number boxes as our own JSON; while one is empty or no number, leave the text as it is."""
    if not all(isinstance(number, int | float) for number in numbers[:5]):
        return gr.skip()
    fx, fy, cx, cy, baseline_mm = map(float, numbers[:5])
    return to_json(Calibration(fx, fy, cx, cy, baseline_mm / 1000, float(numbers[5] or 0)))


def text_to_numbers(text: str, *numbers: Any) -> list[Any]:
    """Show a calibration's numbers, unless they are shown already, and what kind of text it was read as."""
    try:
        read = read_calibration(text)
    except UserError as error:
        told = "" if not text else f"<p>{escape(str(error))}</p>"
        return [*[gr.skip()] * len(numbers), told]
    c = read.calibration
    found = [c.focal_x_px, c.focal_y_px, c.centre_x_px, c.centre_y_px, c.baseline_m * 1000, c.doffs_px]
    rounded = [round(number, 4) for number in found]
    same = [gr.skip()] * len(numbers) if rounded == list(numbers) else rounded
    return [*same, f"<p>{escape(' '.join([f'Read as {read.kind}.', *read.notes]))}</p>"]


def file_to_text(sent: tuple[SentFile, ...]) -> str:
    """Return a calibration file's text, once it is known to be one."""
    with told_to_user():
        text = text_of_file(sent)
        read_calibration(text)
        return text
