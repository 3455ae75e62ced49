"""From depth pictures to points: intrinsics, unprojection, and which pixels are no surface.

A pixel's depth is along the optical axis, and its point lies on the ray through the pixel. Points come as a scan has
them, x to the right, y away from the camera and z up, so that "height" means the same as in any other file.

Source: Hartley & Zisserman, Multiple View Geometry, 2nd ed., section 6.1 (pinhole camera).
"""

from __future__ import annotations

import inspect
import json
import math
import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.point_clouds.cloud import F32, F64, U8, Cloud
from demos.point_clouds.options import ReadOptions
from hub.errors import InvalidInput

ASPECT = 0.01  # pictures whose proportions differ by more than this do not show the same
# A surface seen at less than 5 degrees is taken for a curtain of pixels between one thing and another behind it. The
# table of New scene is seen at 9 degrees at its far edge.
GRAZING_DEG = 5.0
LEAST_POINTS = 10
INTRINSICS_HELP = 'Write "fx, fy, cx, cy" in pixels of the depth picture, or JSON with those names.'


@dataclass(frozen=True)
class Intrinsics:
    """Focal lengths and principal point in pixels; pixel centres are at whole numbers."""

    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def from_field_of_view(cls, degrees: float, width: int, height: int) -> Intrinsics:
        """Return those of a camera without distortion whose picture's width spans `degrees`."""
        focal = width / 2 / math.tan(math.radians(degrees) / 2)
        return cls(focal, focal, (width - 1) / 2, (height - 1) / 2)

    def scaled(self, across: float, down: float) -> Intrinsics:
        """Return those of the picture resized by these factors: its corners, not its corner pixels, stay corners."""
        return Intrinsics(
            self.fx * across, self.fy * down, (self.cx + 0.5) * across - 0.5, (self.cy + 0.5) * down - 0.5
        )


@dataclass(frozen=True, eq=False)
class Pictured:
    """A cloud made from a picture.

    Attributes:
        cloud: metres, x right, y away from the camera, z up.
        depth_m: (H, W) float32, the depth of each pixel along the optical axis; NaN where none was kept.
        facts: what people may want to know, as plain values.
        notes: what they must know.
        code: lines of a Python script that has imported np, o3d and o3c (= o3d.core); they end with `cloud`, an
            o3d.t.geometry.PointCloud, and `origin`, which is 0.
    """

    cloud: Cloud
    depth_m: F32
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    code: tuple[str, ...] = ()


def parse_intrinsics(text: str, width: int, height: int) -> Intrinsics:
    """Read intrinsics of a picture of `width` x `height` pixels.

    JSON may name the size they were measured at ("width" and "height", pixels); they are then scaled to the picture's.

    Raises:
        InvalidInput: for text that is neither, a focal length that is not positive, or a principal point outside.
    """
    try:
        values = json.loads(text) if text.lstrip().startswith("{") else None
        if values is None:
            numbers = [float(word) for word in re.split(r"[\s,;]+", text.strip())]
            values = dict(zip(("fx", "fy", "cx", "cy"), numbers, strict=True))
        fx, fy, cx, cy = (float(values[name]) for name in ("fx", "fy", "cx", "cy"))
        across, down = width / float(values.get("width", width)), height / float(values.get("height", height))
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError, RecursionError) as error:
        raise InvalidInput("The intrinsics cannot be read.", INTRINSICS_HELP) from error
    if not (across > 0 and down > 0 and abs(across / down - 1) <= ASPECT):
        raise InvalidInput(
            f"The intrinsics are of a picture with other proportions than {width} x {height}.", INTRINSICS_HELP
        )
    scaled = Intrinsics(fx, fy, cx, cy).scaled(across, down)
    if not (0 < scaled.fx < math.inf and 0 < scaled.fy < math.inf):
        raise InvalidInput("A focal length must be above 0 pixels.", INTRINSICS_HELP)
    if not (-1 < scaled.cx < width and -1 < scaled.cy < height):
        raise InvalidInput(
            f"The principal point {cx:g}, {cy:g} lies outside the picture of {width} x {height} pixels.",
            INTRINSICS_HELP,
        )
    return scaled


def rgbd_cloud(picture: Image.Image | None, depth: NDArray[Any], options: ReadOptions) -> Pictured:
    """Make a cloud of a depth picture and, where there is one, the colour picture of the same view.

    The colours are resized to the depth's pixels; the intrinsics are the depth picture's.

    Args:
        picture: RGB, of any size, registered to the depth picture: the same proportions.
        depth: (H, W) in units of which `options.depth_scale` make a metre; 0, negative and NaN are unknown.
        options: intrinsics or field of view, scale, and the farthest depth kept.

    Raises:
        InvalidInput: for pictures of different proportions, bad intrinsics, or when no depth is left.
    """
    height, width = depth.shape
    if picture is not None and abs((picture.width / picture.height) / (width / height) - 1) > ASPECT:
        raise InvalidInput(
            f"The colours have {picture.width} x {picture.height} pixels and the depth {width} x {height}: they do not "
            "show the same view.",
            "Send a pair that the camera's software has registered to each other, or the depth alone.",
        )
    colours, code, notes = None, ["from PIL import Image", ""], []
    if picture is not None:
        colours = np.asarray(resized(picture, width, height))
        code += [*resizing_code(picture, width, height), "colours = np.asarray(picture)"]
        if picture.size != (width, height):
            notes.append(f"The colours were resized to the depth's {width} x {height} pixels.")
    code.append('depth = np.array(Image.open("depth.png"), dtype=np.float32)  # of a .npy file: np.load')
    code.append(f"depth_m = depth.astype(np.float64) / {options.depth_scale!r}")
    made = unproject(
        depth.astype(np.float64) / options.depth_scale,
        colours,
        intrinsics_of(options, width, height),
        farthest_m=options.farthest_m,
    )
    camera = "its intrinsics" if options.intrinsics else f"{options.field_of_view_deg:g} degrees across"
    return replace(made, facts={"camera": camera, **made.facts}, notes=(*notes, *made.notes), code=(*code, *made.code))


def intrinsics_of(options: ReadOptions, width: int, height: int) -> Intrinsics:
    """Return what the options say of the camera: its intrinsics, or else its field of view."""
    if options.intrinsics:
        return parse_intrinsics(options.intrinsics, width, height)
    return Intrinsics.from_field_of_view(options.field_of_view_deg, width, height)


def resized(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Return an RGB picture of this size, each pixel the mean of what it covers."""
    picture = picture.convert("RGB")
    return picture if picture.size == (width, height) else picture.resize((width, height), Image.Resampling.BOX)


def resizing_code(picture: Image.Image, width: int, height: int) -> list[str]:
    """Return the lines of a script that open the picture as `resized` returns it."""
    code = ['picture = Image.open("picture.png").convert("RGB")']
    if picture.size != (width, height):
        code.append(f"picture = picture.resize(({width}, {height}), Image.Resampling.BOX)")
    return code


def unproject(
    depth_m: F64, colours: U8 | None, camera: Intrinsics, *, farthest_m: float, with_normals: bool = False
) -> Pictured:
    """Place every pixel whose depth is known, near enough, and of a surface that faces the camera.

    Args:
        depth_m: (H, W) float64 along the optical axis, metres; 0, negative and NaN are unknown.
        colours: (H, W, 3) uint8, or None.
        camera: of the depth picture.
        farthest_m: what lies beyond is left out.
        with_normals: whether the points get the normals of the pixel grid, towards the camera: only where depth is
            smooth, for the steps of a sensor's depth make them useless.

    Raises:
        InvalidInput: when hardly any point is left.
    """
    arguments = (camera.fx, camera.fy, camera.cx, camera.cy)
    near, grid = unprojected(depth_m, *arguments, farthest_m)
    normals, kept = facing(grid, GRAZING_DEG)
    known, near_count, count = int((depth_m > 0).sum()), int(near.sum()), int(kept.sum())
    if count < LEAST_POINTS:
        raise InvalidInput(
            f"Of {depth_m.size:,} pixels only {count:,} have a depth below {farthest_m:g} m on a surface.",
            "Check the depth units in a metre, and the farthest depth kept.",
        )
    notes = []
    if near_count < known:
        notes.append(f"{known - near_count:,} pixels farther than {farthest_m:g} m were left out.")
    if count < near_count:
        notes.append(
            f"{near_count - count:,} pixels at the edges of things, where depth trails off into what is behind, were "
            f"left out (surfaces seen at less than {GRAZING_DEG:g} degrees)."
        )
    cloud = Cloud(
        grid[kept],
        None if colours is None else colours[kept],
        normals[kept].astype(np.float32) if with_normals else None,
        unit="m",
    )
    facts = {
        "depth picture": f"{depth_m.shape[1]} x {depth_m.shape[0]} pixels",
        "focal length": f"{camera.fx:.1f} px",
        "depth": f"{depth_m[kept].min():.3g} to {depth_m[kept].max():.3g} m",
    }
    code = [
        "",
        *"\n\n".join(inspect.getsource(function) for function in (unprojected, facing)).splitlines(),
        "",
        f"near, grid = unprojected(depth_m, {', '.join(map(repr, arguments))}, {farthest_m!r})",
        f"normals, kept = facing(grid, {GRAZING_DEG!r})",
        "cloud = o3d.t.geometry.PointCloud(o3c.Tensor(grid[kept]))",
    ]
    if colours is not None:
        code.append("cloud.point.colors = o3c.Tensor(colours[kept])")
    if with_normals:
        code.append("cloud.point.normals = o3c.Tensor(normals[kept].astype(np.float32).astype(np.float64))")
    code.append("origin = np.zeros(3)")
    kept_m = np.where(kept, depth_m, np.nan).astype(np.float32)
    return Pictured(cloud, kept_m, facts, tuple(notes), tuple(code))


# The next two are copied into scripts as they stand, so they know nothing but NumPy.


def unprojected(
    depth_m: np.ndarray, fx: float, fy: float, cx: float, cy: float, farthest_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return which pixels (H, W) have a depth up to the farthest, and all points (H, W, 3); NaN where there is none."""
    near = (depth_m > 0) & (depth_m <= farthest_m)  # never true of NaN
    depth = np.where(near, depth_m, np.nan)
    rows, columns = np.indices(depth.shape)
    return near, np.stack([depth * (columns - cx) / fx, depth, depth * (cy - rows) / fy], axis=-1)


def facing(grid: np.ndarray, least_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """Return normals (H, W, 3) towards the camera, and where the surface is seen at `least_deg` degrees or more.

    Along rows and columns the nearer one of the two neighbours tells where the surface goes, so that an edge is no
    slope; a pixel between two things, of neither, is far from both.
    """
    slopes = []
    for axis in (0, 1):
        step = np.diff(grid, axis=axis)
        ends = [(1, 0), (0, 1)]
        before, after = (
            np.pad(step, [end if side == axis else (0, 0) for side in range(3)], constant_values=np.nan) for end in ends
        )
        lengths = [np.nan_to_num((side**2).sum(axis=-1, keepdims=True), nan=np.inf) for side in (before, after)]
        slopes.append(np.where(lengths[0] <= lengths[1], before, after))
    normals = np.cross(slopes[1], slopes[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        rays = grid / np.linalg.norm(grid, axis=-1, keepdims=True)
    sine = (normals * rays).sum(axis=-1)
    normals = np.where(sine[..., None] > 0, -normals, normals)
    return normals, np.abs(sine) >= np.sin(np.radians(least_deg))  # never true of NaN
