"""The chessboard corner of the tab: pairs of pictures of a board in, a calibration out, with how well it fits."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from hub import guard
from hub.errors import InvalidInput
from hub.events import told_to_user
from hub.inputs import SentFile, file_input
from hub.runtime import Hub

if TYPE_CHECKING:
    from PIL import Image

    from demos.stereo.chessboard import ChessboardCalibration

PICTURES = [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"]
AT_ONCE = 1  # corners of forty pictures take a core for a minute


def draw_boards(hub: Hub, text: Component, left: Component, right: Component) -> None:
    """Draw the accordion.

    Args:
        hub: for the limits of pictures.
        text: where the calibration goes, as text.
        left: the pair that may be rectified with it.
        right: likewise.
    """
    with gr.Accordion("Calibrate from chessboard pairs", open=False):
        left_boards = file_input("Left pictures", PICTURES, several=True, height=140, elem_id="stereo-boards-left")
        right_boards = file_input("Right pictures", PICTURES, several=True, height=140, elem_id="stereo-boards-right")
        with gr.Row():
            columns = gr.Number(9, label="Inner corners across", precision=0, min_width=100)
            rows = gr.Number(6, label="Inner corners down", precision=0, min_width=100)
            square_mm = gr.Number(25, label="Square, mm", min_width=100)
        button = gr.Button("Calibrate", size="sm", elem_id="stereo-calibrate")
        told = gr.HTML(elem_classes="lectern-notes", elem_id="stereo-boards-result")
        rectify = gr.Button("Rectify the pair above with this calibration", size="sm", elem_id="stereo-rectify")

    def calibrate(left_files: Any, right_files: Any, across: Any, down: Any, side_mm: Any) -> tuple[str, str]:
        from demos.stereo.chessboard import calibrate as fit

        with told_to_user():
            if not all(isinstance(number, int | float) for number in (across, down, side_mm)):
                raise InvalidInput("The board's size is not complete.", "Type corners across and down, and a square.")
            lefts, rights = (pictures_of(files, hub.limits) for files in (left_files, right_files))
            fitted = fit(lefts, rights, int(across), int(down), float(side_mm) / 1000)
            return fitted.rig.to_yaml(), errors_html(fitted, left_files)

    def straighten(left_path: Any, right_path: Any, calibration: str) -> tuple[Any, Any, str]:
        from demos.stereo.calibration import read_calibration, to_json

        with told_to_user():
            rig = read_calibration(calibration).rig if calibration else None
            if rig is None:
                raise InvalidInput(
                    "The calibration does not describe the cameras before rectification.",
                    "Calibrate from chessboard pairs, or load a file with M1, D1, M2, D2, R and T.",
                )
            pair = [guard.picture(path, hub.limits).image for path in (left_path, right_path)]
            rectified = rig.rectify(*pair)
            return rectified[0], rectified[1], to_json(rectified[2])

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal", "concurrency_limit": AT_ONCE}
    button.click(calibrate, [left_boards, right_boards, columns, rows, square_mm], [text, told], **quiet)
    rectify.click(straighten, [left, right, text], [left, right, text], **quiet)


def pictures_of(files: tuple[SentFile, ...], limits: guard.Limits) -> list[Image.Image]:
    """Read the pictures of one camera, in the order of their names: pairs are joined by their place in it."""
    read = []
    for file in sorted(files, key=lambda file: file.name):
        try:
            read.append(guard.picture(file.path, limits).image)
        except InvalidInput as error:
            raise InvalidInput(f"{file.name}: {error.cause}", error.action) from error
    return read


def errors_html(fitted: ChessboardCalibration, files: tuple[SentFile, ...]) -> str:
    """Tabulate the reprojection errors, of each pair and of all."""
    names = sorted(file.name for file in files)
    rows = "".join(
        f"<tr><td>{escape(names[place])}</td><td>{error:.2f} px</td></tr>"
        for place, error in zip(fitted.used, fitted.pair_errors_px, strict=True)
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in fitted.notes)
    return (
        f"<p>Reprojection error, root mean square: left camera {fitted.left_error_px:.2f} px, right camera "
        f"{fitted.right_error_px:.2f} px, both together {fitted.stereo_error_px:.2f} px. Baseline "
        f"{fitted.calibration.baseline_m * 1000:.1f} mm.</p>{notes}"
        '<div class="stereo-scroll"><table class="stereo-table"><tr><th>pair (left picture)</th><th>error</th></tr>'
        f"{rows}</table></div>"
    )
