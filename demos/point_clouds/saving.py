"""The files of a result on the page, and the cloud in any other format, made only when somebody asks for it."""

from __future__ import annotations

from functools import partial

import gradio as gr

from demos.point_clouds.exports import SAVED_AS, save_cloud
from demos.point_clouds.options import ReadOptions, Source
from hub.errors import InvalidInput
from hub.events import told_to_user
from hub.files import result_path
from hub.inputs import SentFile, file_input, take_as_sent
from hub.runtime import Hub
from hub.settings import Settings

ENDINGS = (".ply", ".csv", ".json", ".py")


class SavedFiles:
    """The list of files of each result, and below the first of them the choice of another format."""

    def __init__(self, hub: Hub) -> None:
        self.settings = hub.settings
        self.format = gr.Radio(
            list(SAVED_AS),
            value=SAVED_AS[0],
            render=False,
            label="The cloud in another format",
            info="PLY, OBJ and GLB keep the faces of a mesh, the others its vertices.",
            elem_id="clouds-format",
        )
        take_as_sent(self.format)
        self._choice_drawn = False

    def draw(self) -> gr.File:
        """Draw the files of one result."""
        files = file_input(
            "Cloud, measurements, steps and script",
            ENDINGS,
            several=True,
            interactive=False,
            elem_classes="clouds-files",
        )
        if not self._choice_drawn:
            self._choice_drawn = True
            self.format.render()
            make = gr.Button("Make this file", size="sm", elem_id="clouds-make-file")
            make.click(
                partial(with_format, self.settings),
                [files, self.format],
                files,
                api_visibility="private",
                show_progress="minimal",
            )
        return files


def with_format(settings: Settings, files: tuple[SentFile, ...], ending: str) -> list[str]:
    """Add the cloud in another format to the files of a result, made from its PLY.

    Raises:
        gr.Error: says what is wrong.
    """
    with told_to_user():
        paths = [file.path for file in files]
        ply = next((path for path in paths if path.name == "cloud.ply"), None)
        if ply is None:
            raise InvalidInput("There is no result to save yet.", "Run the demo first.")
        if ending not in SAVED_AS:
            raise InvalidInput("Clouds are not saved in that format.", f"Choose {' or '.join(SAVED_AS)}.")
        if not any(path.name == f"cloud.{ending}" for path in paths):
            from demos.point_clouds.reading import read

            cloud = read(Source(ply, ply.name, b""), ReadOptions()).cloud
            folder = result_path(settings, ply.name).parent
            paths.append(save_cloud(cloud, folder, ending))
        return [str(path) for path in paths]
