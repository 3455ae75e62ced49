"""Show code: the script of the run, as it is exported."""

from __future__ import annotations

from demos.point_clouds.options import CloudRequest
from demos.point_clouds.processed import Processed
from hub.cards import ModelCard


def snippet(card: ModelCard, request: CloudRequest, result: Processed) -> str:
    """Return the plain Open3D code that repeats a run; the run wrote it already."""
    return result.script
