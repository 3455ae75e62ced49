"""The readers of 3D files, one module a format; they run in a process of their own: see `demos.point_clouds.worker`.

Each has `parse(path, name, most_points) -> Parsed`: the numbers as the file has them, with the lines of plain library
code that read the same. `finish` then makes the one clean cloud of all formats out of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from demos.point_clouds.parsers.parsed import Parsed

# The module that reads a format, by the format's key in `demos.point_clouds.formats`.
MODULES = {
    "ply": "ply",
    "pcd": "pcd",
    "xyz": "rows",
    "pts": "rows",
    "las": "las",
    "obj": "obj",
    "stl": "stl",
    "off": "off",
    "glb": "gltf",
    "gltf": "gltf",
    "3ds": "scene",
    "x3d": "scene",
    "dae": "scene",
}


def parser(key: str) -> Callable[[Path, str, int], Parsed]:
    """Return the reader of a format; only its own libraries are imported."""
    return importlib.import_module(f"{__name__}.{MODULES[key]}").parse
