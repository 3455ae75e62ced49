"""Point clouds: from any 3D file, depth map or picture to a cloud to measure, clean, segment and register."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.point_clouds.models import MODELS
from demos.point_clouds.pipeline import load
from demos.point_clouds.snippet import snippet
from demos.point_clouds.style import CSS
from demos.point_clouds.viewer import ASSETS
from hub.demo import Demo

if TYPE_CHECKING:
    from hub.runtime import Hub

PLACE = "assets/examples/point_clouds"
FOLDER = Path(__file__).resolve().parents[2] / PLACE


def build(hub: Hub) -> None:
    """Lay out the tab; Gradio is imported only for that."""
    from demos.point_clouds.tab import build as lay_out

    lay_out(hub)


def warm() -> None:
    """Do what would make the first run slow: import Open3D, start the processes that read files and take long steps."""
    import open3d  # noqa: F401

    from demos.point_clouds.apart import APART
    from demos.point_clouds.worker import WORKER

    WORKER.start()
    APART.start()


EXERCISES = (
    "Take the **scan of a table** and add *Voxel downsampling* with growing sizes. What happens to the points, to the "
    "time, and to the edge of a cube?",
    "Press **New scene**, take the recipe *Find the things on a table*, and compare the dimensions that were found "
    "with the truth below. Which solid is measured worst, and why that one?",
    "Make the distance within which a point counts as *on the plane* ten times as large. Which solid loses most? "
    "Then ten times as small: what becomes of the table?",
    "Load the **vase** as vertices, then sample 5,000 points of it, uniformly and by *Poisson disk*. Look at the "
    "spacing. Which would you give to ball pivoting?",
    "How much water does the vase hold, and how much clay is it made of? Say which of the two *Volume* gave you.",
    "Register the **two views**. Read the transform: by which angle was the camera carried round the table? Then "
    "take *none* as the first guess: does ICP alone still find the way?",
    "Send a cloud from **Stereo 3D** here and look for the table. Are its bumps noise, or are they the matcher's?",
    "Turn a picture of a New scene into a cloud with the group **Single picture**, and look at it from the side. What "
    "does one eye not know?",
)


def example(
    file: str = "", other: str = "", steps: str = "", picture: str = "", depth: str = "", **options: str
) -> dict[str, Any]:
    """Return the inputs of an example; files by their names in its folder."""

    def path(name: str) -> str | None:
        return f"{PLACE}/{name}" if name else None

    return {
        "file": path(file),
        "other": path(other),
        "picture": path(picture),
        "depth": path(depth),
        "steps": steps,
        "unit": "as the file says",
        "sampling": "vertices",
        "intrinsics": "",
        **options,
    }


EXAMPLES = {
    "Things on a table": example("table-scan.ply", steps='[{"op": "planes"}, {"op": "clusters"}]'),
    "Scan of a table": example("table-scan.ply"),
    "Two views to bring together": example("view-1.ply", "view-2.ply", steps='[{"op": "register"}]'),
    "Vase, a mesh in millimetres": example("vase.obj", steps='[{"op": "box"}, {"op": "volume"}]', unit="mm"),
    "Houses from the air": example("town.laz", steps='[{"op": "colour"}]', unit="m"),
    "Depth camera": example(
        picture="depth-pair-colours.png",
        depth="depth-pair-depth.png",
        intrinsics=(FOLDER / "depth-pair-intrinsics.json").read_text(encoding="utf-8").strip(),
    ),
}
# For the group "Single picture": (picture, the camera's field of view in degrees).
PICTURE_EXAMPLES = {
    "Tabletop scene": ("assets/examples/captioning/four-apart.png", 34.0),
    "Another scene": ("assets/examples/captioning/three-solids.png", 34.0),
    "Rocking donkey, a photo": ("assets/examples/stereo/donkey-toy-left.png", 66.8),
}

DEMO = Demo(
    slug="point_clouds",
    title="Point clouds",
    purpose="Open any 3D file, depth map or picture as points: clean, measure, segment and register them step by step.",
    order=70,
    models=MODELS,
    endpoint="point_cloud",
    load=load,
    build=build,
    snippet=snippet,
    examples=tuple(EXAMPLES.values()),
    exercises=EXERCISES,
    needs=("open3d", "laspy", "lazrs", "assimp_py", "torch", "transformers"),
    libraries=("libusb-1.0.so.0", "libGL.so.1", "libEGL.so.1", "libX11.so.6", "libgomp.so.1"),
    assets=ASSETS,
    css=CSS,
    warm=warm,
    receives=("ply",),
)
