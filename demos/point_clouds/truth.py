"""What is true of a cloud of a New scene, beside what was found in it.

A file may say that it is a scan of a scene; it is believed only when its points are those of that scan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.point_clouds.cloud import F64, Cloud
from demos.point_clouds.operations.compare import chamfer
from demos.point_clouds.scenes import Scan, dimensions_m, scan_named, seen_from_camera
from demos.point_clouds.shapes import Box, Plane, Shape
from tabletop.casting import TABLE
from tabletop.pictures import scene_picture, scene_seed
from tabletop.render import MAX_SIZE, MIN_SIZE
from tabletop.solids import footprint_radius_m, height_m
from tabletop.world import Scene, Solid

SAME_M = 1e-5  # two points are the same up to what text with five digits after the point rounds
AROUND_M = 0.005  # a point this close to a solid's bounding cylinder is the solid's: cylinders are 15 mm apart
PURE = 0.95  # share of a cluster's points that must be one solid's
UPRIGHT_DEG = 10.0


@dataclass(frozen=True)
class PlaneTruth:
    """How far the first plane found is from the table top: millimetres at the table's middle, degrees."""

    distance_mm: float
    angle_deg: float


@dataclass(frozen=True)
class SolidTruth:
    """One solid and what was found of it.

    Attributes:
        name: such as "small red cube".
        cluster: the one cluster that is this solid and nothing else; -1 where there is none, or several.
        true_mm: shorter and longer width, and height, of its smallest upright box.
        found_mm: the same of the cluster's box; None where there is no such cluster or it has no box.
        error: the largest relative error of the three.
    """

    name: str
    cluster: int
    true_mm: tuple[float, float, float]
    found_mm: tuple[float, float, float] | None = None
    error: float | None = None


@dataclass(frozen=True)
class TruthReport:
    """What was found in a scan, beside what is true of it; None and () where it was not looked for.

    Attributes:
        plane: the first plane that was found, which should be the table.
        solids: every solid, once clusters were looked for.
        strays: clusters that are no solid by themselves: parts of the table, of a solid, or several solids together.
        chamfer_mm: of a cloud made from a picture, to the surfaces that the picture shows.
    """

    plane: PlaneTruth | None = None
    solids: tuple[SolidTruth, ...] = ()
    strays: int = 0
    chamfer_mm: float | None = None

    @property
    def all_own(self) -> bool:
        """Whether every solid is its own cluster, and there is no other."""
        return bool(self.solids) and not self.strays and all(solid.cluster >= 0 for solid in self.solids)

    @property
    def sentence(self) -> str:
        """What people are told first."""
        said = []
        if self.plane:
            said.append(
                f"The plane is {self.plane.distance_mm:.2f} mm and {self.plane.angle_deg:.2f} degrees off the table."
            )
        if self.solids:
            own = sum(solid.cluster >= 0 for solid in self.solids)
            said.append(f"{own} of {len(self.solids)} solids are a cluster of their own.")
            if self.strays:
                clusters = "1 cluster is" if self.strays == 1 else f"{self.strays} clusters are"
                said.append(f"{clusters} no solid.")
        errors = [solid.error for solid in self.solids if solid.error is not None]
        if errors:
            said.append(f"Their dimensions are right to {100 * max(errors):.1f} %.")
        if self.chamfer_mm is not None:
            said.append(f"The Chamfer distance to what the picture really shows is {self.chamfer_mm:.1f} mm.")
        return " ".join(said) or "The truth of this scene is known: find its table and its solids to compare."

    @property
    def facts(self) -> dict[str, Any]:
        """The same as plain values, in the shapes of `Changed.facts`."""
        facts: dict[str, Any] = {}
        if self.plane:
            facts |= {"table off by mm": self.plane.distance_mm, "table tilted by degrees": self.plane.angle_deg}
        if self.solids:
            facts |= {"clusters that are no solid": self.strays, "solids": [_row(solid) for solid in self.solids]}
        if self.chamfer_mm is not None:
            facts["chamfer mm"] = self.chamfer_mm
        return facts


def known(cloud: Cloud, comments: Sequence[str]) -> Scan | None:
    """Return the scan that a cloud is, as it was read and before any step; None for any other cloud.

    Args:
        cloud: what was read.
        comments: of its file, one of which may name a scan.
    """
    scan = scan_named(comments)
    if scan is None or len(scan.points) != len(cloud) or cloud.triangles is not None:
        return None
    same = np.abs(cloud.points + cloud.origin - scan.points).max() <= SAME_M
    return scan if same else None


def known_picture(picture: Image.Image) -> int | None:
    """Return the seed of the scene whose picture this is, pixel by pixel; None for any other picture."""
    seed = scene_seed({str(name): value for name, value in picture.info.items() if isinstance(value, str)})
    if seed is None or picture.width != picture.height or not MIN_SIZE <= picture.width <= MAX_SIZE:
        return None
    same = np.array_equal(np.asarray(picture.convert("RGB")), np.asarray(_rendered(seed, picture.width)))
    return seed if same else None


@lru_cache(maxsize=2)
def _rendered(seed: int, size: int) -> Image.Image:
    return scene_picture(seed, size)


def compare_picture(seed: int, size: int, cloud: Cloud) -> TruthReport:
    """Tell how far a cloud made from the picture of scene `seed`, `size` x `size`, is from what the picture shows."""
    seen = seen_from_camera(seed, size)
    return TruthReport(chamfer_mm=1000 * chamfer(replace(cloud, points=cloud.points + cloud.origin), seen))


def compare(scan: Scan, cloud: Cloud, shapes: Sequence[Shape]) -> TruthReport:
    """Tell how what was found in a scan stands against the truth.

    Args:
        scan: of `known`.
        cloud: after all steps, its numbers still metres of the scan's frame.
        shapes: what the steps found: planes, and boxes of clusters, whose label is that of the cluster's points.
    """
    planes = [shape for shape in shapes if isinstance(shape, Plane)]
    plane = against_table(planes[0], cloud.origin) if planes else None
    boxes = {shape.label: shape for shape in shapes if isinstance(shape, Box) and shape.label >= 0}
    if cloud.labels is None or not boxes:
        return TruthReport(plane)
    points, labels = cloud.points + cloud.origin, cloud.labels
    clusters = {label: owner_of(scan.scene, points[labels == label]) for label in boxes}
    found = []
    for number, solid in enumerate(scan.scene.solids, start=TABLE + 1):
        mine = [label for label, owner in clusters.items() if owner == number]
        found.append(_against(solid, mine[0] if len(mine) == 1 else -1, boxes))
    return TruthReport(plane, tuple(found), len(clusters) - sum(solid.cluster >= 0 for solid in found))


def against_table(plane: Plane, origin: F64) -> PlaneTruth:
    """Compare a plane with the table top, z = 0; `origin` (3,) is that of the plane's frame, metres."""
    normal = plane.normal / np.linalg.norm(plane.normal)
    distance_m = abs(plane.offset - float(normal @ origin))
    angle_deg = math.degrees(math.acos(min(1.0, abs(float(normal[2])))))
    return PlaneTruth(1000 * distance_m, angle_deg)


def owner_of(scene: Scene, points: F64) -> int:
    """Return what a cluster's points (N, 3), metres, are: k + 1 for solid k, `TABLE`, or -1 for a mixture."""
    if not len(points):
        return -1
    counts = np.bincount(owners(scene, points), minlength=len(scene.solids) + 1)
    most = int(counts.argmax())
    return most if counts[most] >= PURE * len(points) else -1


def owners(scene: Scene, points: F64) -> NDArray[np.intp]:
    """Return what each point (N, 3), metres, is: k + 1 for solid k, by its bounding cylinder, otherwise `TABLE`."""
    ids = np.full(len(points), TABLE, np.intp)
    for number, solid in enumerate(scene.solids, start=TABLE + 1):
        away = np.hypot(points[:, 0] - solid.x_m, points[:, 1] - solid.y_m) - footprint_radius_m(solid)
        ids[(away < AROUND_M) & (points[:, 2] < height_m(solid) + AROUND_M)] = number
    return ids


def _against(solid: Solid, cluster: int, boxes: dict[int, Box]) -> SolidTruth:
    name = f"{solid.size} {solid.colour} {solid.shape}"
    true_mm = _in_mm(dimensions_m(solid))
    if cluster < 0:
        return SolidTruth(name, cluster, true_mm)
    found_mm = _in_mm(standing(boxes[cluster]))
    error = max(abs(ours / theirs - 1) for ours, theirs in zip(found_mm, true_mm, strict=True))
    return SolidTruth(name, cluster, true_mm, found_mm, error)


def standing(box: Box) -> tuple[float, float, float]:
    """Return a box's shorter and longer width and its height, in its unit.

    The height is the edge nearest to the vertical; in a box that lies askew no edge is one, and they come by length.
    """
    upright = int(np.abs(box.axes[2]).argmax())
    if abs(box.axes[2, upright]) < math.cos(math.radians(UPRIGHT_DEG)):
        shorter, longer, height = sorted(map(float, box.size))
        return shorter, longer, height
    shorter, longer = sorted(float(size) for axis, size in enumerate(box.size) if axis != upright)
    return shorter, longer, float(box.size[upright])


def _row(solid: SolidTruth) -> dict[str, Any]:
    row: dict[str, Any] = {"solid": solid.name, "cluster": solid.cluster if solid.cluster >= 0 else "none of its own"}
    for number, name in enumerate(("width", "length", "height")):
        row[f"{name}, true mm"] = solid.true_mm[number]
        row[f"{name}, found mm"] = None if solid.found_mm is None else solid.found_mm[number]
    return row | {"largest error %": None if solid.error is None else 100 * solid.error}


def _in_mm(lengths_m: tuple[float, float, float]) -> tuple[float, float, float]:
    first, second, third = lengths_m
    return 1000 * first, 1000 * second, 1000 * third
