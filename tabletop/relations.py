"""Where solids stand as the viewer sees them: reading order and the four spatial relations.

The one idea: positions are measured along the camera's horizontal axes (right and away), so that "left" and "behind"
mean what a person looking at the picture would say, wherever the camera stands.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tabletop.camera import project, world_to_camera
from tabletop.world import WIDTH_M, Scene

LEFT, RIGHT, FRONT, BEHIND = "to the left of", "to the right of", "in front of", "behind"
RELATIONS = (LEFT, RIGHT, FRONT, BEHIND)
OPPOSITE = {LEFT: RIGHT, RIGHT: LEFT, FRONT: BEHIND, BEHIND: FRONT}

MARGIN_M = 0.02  # a gap along the stated axis below this is too small for anybody to call it either way

Float = NDArray[np.float64]


def viewer_positions(scene: Scene) -> Float:
    """Return the (N, 2) positions of the solids, metres from below the camera, along its axes (right, away)."""
    transform = world_to_camera(scene.camera)
    ground = np.array([[solid.x_m, solid.y_m] for solid in scene.solids]) - scene.camera.position_m[:2]
    right, away = transform[0, :2], transform[2, :2] / np.linalg.norm(transform[2, :2])
    return ground @ np.stack([right, away], axis=1)


def centres_px(scene: Scene, size: int) -> Float:
    """Return the (N, 2) projected centres (u, v) of the solids in a `size` x `size` picture.

    The centre is taken half a width above the table, whatever the shape, so that it needs no geometry.
    """
    points = [[solid.x_m, solid.y_m, WIDTH_M[solid.size] / 2] for solid in scene.solids]
    return project(scene.camera, np.array(points), size)[0]


def reading_order(scene: Scene) -> tuple[int, ...]:
    """Return the indices of the solids from left to right, by the column of their projected centre."""
    return tuple(int(index) for index in np.argsort(centres_px(scene, 128)[:, 0], kind="stable"))


def relation_between(positions: Float, subject: int, reference: int) -> str:
    """Return the relation of one solid to another along the axis on which they are further apart.

    `positions` (N, 2) are those of `viewer_positions`.
    """
    right, away = positions[subject] - positions[reference]
    if abs(right) >= abs(away):
        return RIGHT if right > 0 else LEFT
    return BEHIND if away > 0 else FRONT


def holds(positions: Float, subject: int, relation: str, reference: int) -> bool:
    """Say whether a stated relation is true: the right sign on its axis, by at least `MARGIN_M`."""
    right, away = positions[subject] - positions[reference]
    gap = {LEFT: -right, RIGHT: right, FRONT: -away, BEHIND: away}[relation]
    return bool(gap >= MARGIN_M)
