"""How a scene looks: Lambert's law, a sky-and-table ambient light, a highlight and soft shadows, in linear light.

Everything is single precision and written out sum by sum, so that the same scene gives the same bytes every time.

Source: Blinn 1977, "Models of light reflection for computer synthesized pictures" (highlight); IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from tabletop.casting import (
    F32,
    SKY,
    TABLE,
    Hits,
    Indices,
    blocked_share,
    hit_points,
    meet_table_plane,
    solid_normals,
    window,
)
from tabletop.grain import grain
from tabletop.solids import bounding_rims, footprint_radius_m, height_m
from tabletop.world import Scene, Solid

# sRGB, chosen by eye on a contact sheet: solids strong and apart in hue even when shaded, tables pale.
COLOUR_SRGB = {
    "red": (214, 26, 32),
    "orange": (250, 118, 8),
    "yellow": (250, 212, 30),
    "green": (38, 156, 58),
    "cyan": (24, 198, 210),
    "blue": (28, 70, 214),
    "purple": (116, 42, 176),
    "pink": (250, 116, 178),
}
TINT_SRGB = {
    "mint": (186, 228, 204),
    "sand": (236, 218, 176),
    "sky": (180, 212, 242),
    "lilac": (210, 196, 238),
    "rose": (244, 200, 206),
    "grey": (208, 208, 208),
}

# Strength of each light; together they put a table in the middle of the lamp's pool a little below white.
DIRECT = 0.86
AMBIENT = 0.36
SPECULAR, SHININESS_DOUBLINGS = 0.50, 6  # the cosine to the power of 2**6 = 64

TABLE_GRAIN = 0.6  # of the solids' grain: pale surfaces show it more

LAMP_RADIUS = 0.13  # of the lamp's disc, at unit distance: what makes a shadow soft away from what casts it
SHADOW_RAYS = 16  # per pixel in small pictures, shared out over its subpixels
SHADOW_RAYS_LARGE = 64  # on the table from `LARGE_PX` on, where the steps of 16 would show
LARGE_PX = 320
SKIN_M = 2e-4  # a shadow ray starts this far off its surface

SRGB_STEPS = 1 << 14  # of the table that encodes linear light: a fifth of an 8-bit step, where it is coarsest


def shade(scene: Scene, centres: Hits, samples: Hits, grain_amplitude: float = 0.0) -> NDArray[np.uint8]:
    """Return the picture (S, S, 3), sRGB: sky, table and solids, each weighted by the share of the pixel it covers.

    Args:
        scene: what is shown.
        centres: what the (S, S) pixel centres meet.
        samples: what the (F S, F S) samples meet, F x F of them to a pixel.
        grain_amplitude: how far the grain takes the colours of solids from their own, as a share; 0: not at all.
    """
    size = centres.ids.shape[0]
    factor = samples.ids.shape[0] // size
    seen = (samples.ids == TABLE).astype(np.float32)
    lit = _table_light(scene, samples, factor)
    if grain_amplitude:
        where = np.nonzero(samples.ids == TABLE)
        points = hit_points(scene, samples, where)
        points[:, 2] = 0.0
        albedo = _albedo(scene, points, TABLE_GRAIN * grain_amplitude)
        seen[where] *= albedo
        lit[where] *= albedo
    table_share, lit_share = _pixel_means(seen, factor), _pixel_means(lit, factor)
    sky_share = _pixel_means((samples.ids == SKY).astype(np.float32), factor)
    ambient, direct = _table_colours(scene, centres)
    picture = table_share[..., None] * ambient + lit_share[..., None] * direct
    picture += sky_share[..., None] * _sky_colours(scene, centres)

    where = np.nonzero(samples.ids > TABLE)
    pixel = (where[0] // factor) * size + where[1] // factor
    colours = np.minimum(_solid_colours(scene, samples, where, factor, grain_amplitude), 1.0) / factor**2
    for channel in range(3):
        total = np.bincount(pixel, weights=colours[:, channel], minlength=size * size)
        picture[..., channel] += total.reshape(size, size).astype(np.float32)
    return _encode_srgb(picture)


def _table_colours(scene: Scene, centres: Hits) -> tuple[F32, F32]:
    """Return the table's linear colours (S, S, 3) by ambient light, and by the lamp when nothing shades it.

    Near a solid the ambient light fades, as from a sphere of the solid's size, and takes on some of its colour.
    """
    depth, _, _ = meet_table_plane(np.array(scene.camera.position_m, dtype=np.float32), centres.rays)
    depth = np.clip(depth, 0, 4)  # also behind solids, whose pixels the table may share
    x = np.float32(scene.camera.position_m[0]) + depth * centres.rays[0]
    y = np.float32(scene.camera.position_m[1]) + depth * centres.rays[1]
    light = scene.light.direction
    # The lamp's pool of light on the table, its middle moved towards the lamp.
    pool_x, pool_y = x - np.float32(0.25 * light[0]), y - np.float32(0.25 * light[1])
    pool = 1.10 - 0.80 * np.minimum(pool_x * pool_x + pool_y * pool_y, 0.6)
    tint = _linear(TINT_SRGB[scene.tint])
    direct = (np.float32(DIRECT * light[2]) * pool)[..., None] * tint
    ambient = (np.float32(AMBIENT) * pool)[..., None] * tint
    for solid in scene.solids:
        dx, dy = x - np.float32(solid.x_m), y - np.float32(solid.y_m)
        radius = 0.5 * (footprint_radius_m(solid) + min(footprint_radius_m(solid), height_m(solid)))
        spread = 1 + (dx * dx + dy * dy) * np.float32(1 / radius**2)
        share = np.minimum(np.float32(2.2) / (spread * np.sqrt(spread)), np.float32(0.85))
        for channel, reflected in enumerate(_linear(COLOUR_SRGB[solid.colour])):
            ambient[..., channel] *= 1 - share * (1 - np.float32(0.45) * reflected)
    return ambient, direct


def _sky_colours(scene: Scene, centres: Hits) -> F32:
    """Return the backdrop (S, S, 3), linear: a wall in the table's tint, brightest just above the table."""
    up = centres.rays[2] / np.sqrt(np.sum(centres.rays**2, axis=0))
    fade = np.clip((up + 0.34) / 0.34, 0, 1)  # from the lowest edge that a table shows, to the level of the eye
    tint = _linear(TINT_SRGB[scene.tint])
    wall = 0.7 * tint + 0.3 * tint.mean()
    backdrop: F32 = (np.float32(0.92) - np.float32(0.62) * np.sqrt(fade))[..., None] * wall
    return backdrop


def _albedo(scene: Scene, points: F32, grain_amplitude: float) -> F32:
    """Return by how much (N,) the grain at world points (N, 3) multiplies a surface's colour."""
    return np.float32(1) + np.float32(grain_amplitude) * grain(points, scene.seed)


def _solid_colours(scene: Scene, samples: Hits, where: Indices, factor: int, grain_amplitude: float) -> F32:
    """Return the linear colours (M, 3) of the samples at `where`, all of which meet solids."""
    owners = samples.ids[where]
    points = hit_points(scene, samples, where)
    normals, colours = np.empty_like(points), np.empty_like(points)
    height = np.empty(len(points), dtype=np.float32)  # 0 at the table to 1 at the solid's top
    for number, solid in enumerate(scene.solids, start=1):
        mine = np.nonzero(owners == number)[0]
        normals[mine] = solid_normals(solid, points[mine])
        colours[mine] = _linear(COLOUR_SRGB[solid.colour])
        height[mine] = points[mine, 2] / np.float32(height_m(solid))
        if grain_amplitude:
            colours[mine] *= _albedo(scene, points[mine], grain_amplitude)[:, None]

    light = np.array(scene.light.direction, dtype=np.float32)
    facing = np.maximum(_dot(normals, light), 0.0)
    facing *= _solid_light(scene, points, normals, owners, _subpixel(where, factor), factor)

    view = -samples.rays[:, where[0], where[1]].T
    view /= np.sqrt(_dot(view, view))[:, None]
    halfway = view + light
    halfway /= np.sqrt(_dot(halfway, halfway))[:, None]
    gleam = np.clip(_dot(normals, halfway), 0, 1)
    for _ in range(SHININESS_DOUBLINGS):
        gleam *= gleam
    grazing = np.square(np.square(1 - np.clip(_dot(normals, view), 0, 1)))
    highlight = np.float32(SPECULAR) * gleam * np.minimum(4 * facing, 1.0)
    highlight += np.float32(0.10) * grazing * (0.4 + 0.6 * facing)

    overhead = 0.5 + 0.5 * normals[:, 2]
    shelter = 0.45 + 0.55 * np.minimum(2.2 * np.maximum(height, 0), 1.0)  # dim where solid and table meet
    bounce = (np.float32(0.30) * (1 - overhead))[:, None] * _linear(TINT_SRGB[scene.tint])  # light off the table
    ambient = shelter[:, None] * ((np.float32(AMBIENT) * (0.35 + 0.65 * overhead))[:, None] + bounce)
    shaded: F32 = colours * (ambient + (np.float32(DIRECT + 0.08) * facing)[:, None]) + highlight[:, None]
    return shaded


# Shadows: the lamp is a disc, and each subpixel looks at its own share of points on it. All pixels together use the
# same points, so the blur is smooth, without noise, and the same every time.


@lru_cache(maxsize=256)
def _lamp(direction: tuple[float, float, float], groups: int, rays: int) -> F32:
    """Return directions (`groups`, rays / groups, 3) to points spread evenly over the lamp's disc.

    Source: Vogel 1979, "A better way to construct the sunflower head", equation 1.
    """
    light = np.asarray(direction)
    sideways = np.cross(light, (0.0, 0.0, 1.0))
    sideways /= np.linalg.norm(sideways)
    upwards = np.cross(sideways, light)
    each = max(1, rays // groups)
    index = np.arange(each * groups)
    radius, angle = LAMP_RADIUS * np.sqrt((index + 0.5) / len(index)), index * math.pi * (3 - math.sqrt(5))
    disc = np.outer(radius * np.cos(angle), sideways) + np.outer(radius * np.sin(angle), upwards)
    return (light + disc).astype(np.float32).reshape(each, groups, 3).transpose(1, 0, 2)


def _subpixel(where: Indices, factor: int) -> NDArray[np.intp]:
    """Return which subpixel of its pixel (0 to factor² - 1) each sample is."""
    return (where[0] % factor) * factor + where[1] % factor


def _table_light(scene: Scene, samples: Hits, factor: int) -> F32:
    """Return the share (N, N) of the lamp that each sample on the table sees; 0 for samples elsewhere."""
    size = samples.ids.shape[0]
    lit = (samples.ids == TABLE).astype(np.float32)
    lamp = _lamp(scene.light.direction, factor**2, SHADOW_RAYS if size // factor < LARGE_PX else SHADOW_RAYS_LARGE)
    light = np.asarray(scene.light.direction)
    slope = light[:2] / light[2]
    for solid in scene.solids:
        middle, radius = np.array([solid.x_m, solid.y_m]), footprint_radius_m(solid)
        blur = 1 + LAMP_RADIUS * height_m(solid) / light[2] ** 2 / radius
        rims = bounding_rims(solid)
        rims[:, :2] = (rims[:, :2] - middle) * blur + middle - rims[:, 2:] * slope  # the shadow of each corner
        rims[:, 2] = 0.0
        rows, columns = window(scene.camera, rims, size)
        where = np.nonzero(lit[rows, columns])
        where = where[0] + rows.start, where[1] + columns.start
        points = hit_points(scene, samples, where)
        near = _near_segment(points, solid, reach=-slope * height_m(solid), radius=blur * radius)
        where = where[0][near], where[1][near]
        lit[where] *= 1 - blocked_share(solid, points[near], lamp, _subpixel(where, factor))
    return lit


def _near_segment(points: F32, solid: Solid, reach: NDArray[np.float64], radius: float) -> NDArray[np.intp]:
    """Return the indices of table points within `radius` of the line from the solid's foot along `reach` (x, y)."""
    x, y = points[:, 0] - np.float32(solid.x_m), points[:, 1] - np.float32(solid.y_m)
    along = np.clip((x * np.float32(reach[0]) + y * np.float32(reach[1])) / np.float32(reach @ reach), 0, 1)
    x, y = x - along * np.float32(reach[0]), y - along * np.float32(reach[1])
    return np.nonzero(x * x + y * y < np.float32(radius**2))[0]


def _solid_light(
    scene: Scene, points: F32, normals: F32, owners: NDArray[np.int16], subpixel: NDArray[np.intp], factor: int
) -> F32:
    """Return the share (M,) of the lamp in sight of points (M, 3) on solids; only a torus can shade itself."""
    lit = np.ones(len(points), dtype=np.float32)
    lamp = _lamp(scene.light.direction, factor**2, SHADOW_RAYS)
    light = np.array(scene.light.direction, dtype=np.float32)
    starts = points + np.float32(SKIN_M) * normals
    faces_lamp = _dot(normals, light) > -LAMP_RADIUS
    for number, solid in enumerate(scene.solids, start=1):
        middle = np.array([solid.x_m, solid.y_m, height_m(solid) / 2], dtype=np.float32)
        radius = math.hypot(footprint_radius_m(solid), height_m(solid) / 2)
        offset = middle - points
        along = _dot(offset, light)
        aside = _dot(offset, offset) - along * along
        reach = np.float32(radius) + np.float32(LAMP_RADIUS) * np.maximum(along, 0)
        near = faces_lamp & (along > -radius) & (aside < reach * reach)
        if solid.shape != "torus":
            near &= owners != number
        chosen = np.nonzero(near)[0]
        lit[chosen] *= 1 - blocked_share(solid, starts[chosen], lamp, subpixel[chosen])
    return lit


# Arithmetic.


def _dot(a: F32, b: F32) -> F32:
    """Return the dot products (N,) of rows (N, 3) with rows (N, 3) or one vector (3,).

    Written out, since a library's matrix product may differ in the last bit from one machine to the next.
    """
    product: F32 = a[:, 0] * b[..., 0] + a[:, 1] * b[..., 1] + a[:, 2] * b[..., 2]
    return product


def _pixel_means(samples: F32, factor: int) -> F32:
    """Average an (N, N) array over blocks of `factor` x `factor`."""
    total = sum(samples[row::factor, column::factor] for row in range(factor) for column in range(factor))
    return np.asarray(total, dtype=np.float32) / np.float32(factor**2)


@cache
def _linear(srgb: tuple[int, int, int]) -> F32:
    """Return linear light (3,), 0 to 1, of an 8-bit sRGB colour."""
    value = np.asarray(srgb) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


@cache
def _srgb_table() -> NDArray[np.uint8]:
    """Return 8-bit sRGB of `SRGB_STEPS` even steps of linear light from 0 to 1."""
    linear = np.arange(SRGB_STEPS) / (SRGB_STEPS - 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint8)


def _encode_srgb(linear: F32) -> NDArray[np.uint8]:
    """Return 8-bit sRGB of linear light; clipped to 0..1."""
    steps = np.clip(linear, 0, 1) * np.float32(SRGB_STEPS - 1) + np.float32(0.5)
    return _srgb_table()[steps.astype(np.int32)]
