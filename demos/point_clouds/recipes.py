"""Lists of steps to start from: one for each thing that people mostly want of a cloud."""

from __future__ import annotations

from typing import Any

# Options that are left out take their defaults, which suit themselves to the cloud.
RECIPES: dict[str, tuple[dict[str, Any], ...]] = {
    "Clean a scan": ({"op": "statistical"}, {"op": "voxel"}, {"op": "normals"}),
    "Find the things on a table": ({"op": "planes"}, {"op": "clusters"}),
    "Make a surface": ({"op": "normals"}, {"op": "orient", "towards": "consistently"}, {"op": "poisson"}),
    "Bring two views together": ({"op": "register"},),
    "How far apart are two clouds?": ({"op": "compare"},),
    "Colour by height": ({"op": "colour"},),
    "Measure the whole": ({"op": "box"},),
}
