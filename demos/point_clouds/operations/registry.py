"""All operations, in the order they are offered."""

from __future__ import annotations

from demos.point_clouds.operations import (
    cleaning,
    clusters,
    colouring,
    compare,
    crop,
    flat,
    measure,
    normals,
    planes,
    registration,
    sampling,
    scale,
    surface,
    thinning,
)
from demos.point_clouds.operations.operation import Operation

MODULES = (
    crop,
    thinning,
    cleaning,
    normals,
    colouring,
    planes,
    clusters,
    measure,
    surface,
    sampling,
    registration,
    compare,
)
REGISTRY: dict[str, Operation] = {operation.key: operation for module in MODULES for operation in module.OPERATIONS}
MOVING = ("register",)  # steps after which nothing is where it was found before

# Functions that the code of a step may name: their own source is copied into a script.
DEFINITIONS = {
    function.__name__: function for module in (scale, flat, *MODULES) for function in getattr(module, "DEFINITIONS", ())
}
