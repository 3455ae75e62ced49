"""The mirror image of a scene, as a scene."""

from __future__ import annotations

from dataclasses import replace

from tabletop.world import Scene


def mirrored(scene: Scene) -> Scene:
    """Return the scene reflected in the plane x = 0, camera and light with it.

    Its picture is the scene's picture flipped left to right, and captions made from it are true of the flipped picture.
    """

    def flipped(vector: tuple[float, float, float]) -> tuple[float, float, float]:
        return (-vector[0], vector[1], vector[2])

    camera = replace(scene.camera, position_m=flipped(scene.camera.position_m), target_m=flipped(scene.camera.target_m))
    solids = tuple(replace(solid, x_m=-solid.x_m, yaw_rad=-solid.yaw_rad) for solid in scene.solids)
    light = replace(scene.light, direction=flipped(scene.light.direction))
    return replace(scene, solids=solids, camera=camera, light=light)
