"""The vocabulary and the typed scene graph of the tabletop world.

World frame: right-handed, metres, z up; the table top is the plane z = 0, x to the viewer's right, y away from them.
Camera frame: OpenCV's, x right, y down, z forward, pixels counted from the centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

SHAPES = ("cube", "sphere", "cylinder", "cone", "torus")
COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
SIZES = ("small", "large")
TINTS = ("mint", "sand", "sky", "lilac", "rose", "grey")

WIDTH_M = {"small": 0.05, "large": 0.09}  # overall width of a solid; a factor of 1.8 apart, to outdo perspective
MAX_SOLIDS = 6

# Disjoint seed ranges, written down once. Nothing outside TRAINING is ever trained on.
TRAINING_SEEDS = range(1_000_000)
VALIDATION_SEEDS = range(1_000_000, 1_010_000)
TEST_SEEDS = range(2_000_000, 2_010_000)


@dataclass(frozen=True)
class Solid:
    """One solid resting on the table at world position (`x_m`, `y_m`), turned by `yaw_rad` about the vertical."""

    shape: str
    colour: str
    size: str
    x_m: float
    y_m: float
    yaw_rad: float


@dataclass(frozen=True)
class Camera:
    """A pinhole camera looking from `position_m` at `target_m` (world frame), without roll.

    `fov_deg` is the full field of view of the (square) picture; the principal point is its centre.
    """

    position_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    fov_deg: float


@dataclass(frozen=True)
class Light:
    """A distant light: `direction` is the unit vector from the table towards the light (world frame)."""

    direction: tuple[float, float, float]


@dataclass(frozen=True)
class Scene:
    """Everything there is to know about one scene; `seed` is the number it was sampled from."""

    seed: int
    tint: str
    solids: tuple[Solid, ...]
    camera: Camera
    light: Light
