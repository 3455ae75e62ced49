"""Show code: the plain OpenCV, transformers or torch code that repeats a measurement outside Lectern.

What the run found out about the pair before matching (its size, its straightening, the range of disparities) stands in
the code as numbers; everything after that is done again.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from demos.stereo import surface, template
from demos.stereo.families import semi_global, sparse
from demos.stereo.families.dense import PRESETS, DenseSettings, settings_of
from demos.stereo.measurement import Measurement
from demos.stereo.options import MatchOptions, MeasureRequest
from demos.stereo.points import METRES
from demos.stereo.snippet_parts import (
    BLOCK_MATCHER,
    CENSUS,
    CHECK_RIGHT,
    DENSE,
    DEPTH,
    FILTER,
    KEYPOINTS,
    NO_PICTURES,
    OWN,
    PARTNERS,
    PICTURE,
    PICTURES,
    PLACES,
    SEMI_GLOBAL_MATCHER,
    SHRINK,
    SIFT,
    SPECKLES,
    STRAIGHTEN,
    SURFACE,
    VALID,
)
from demos.stereo.wording import DECIMALS
from hub.cards import ModelCard
from hub.snippet import model_path, revision_argument

ARRAY = re.compile(r"\b(F32|F64|U8)\b")


def snippet(card: ModelCard, request: MeasureRequest, result: Measurement) -> str:
    """Return code that prints the lines of `wording.summary`; it calls the pictures left.png and right.png."""
    parts = (*_numbers(request, result), *_matching(card, request, result), _places(request, result))
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _numbers(request: MeasureRequest, result: Measurement) -> list[str]:
    c = result.calibration
    points = {
        point.name: (
            point.u_px,
            point.v_px,
            point.u_right_px,
            point.v_px if point.v_right_px is None else point.v_right_px,
        )
        for point in (measured.marked for measured in result.points)
    }
    rows = "".join(f"    {name!r}: {row!r},\n" for name, row in points.items())
    lines = [
        f"fx, fy, cx, cy = {c.focal_x_px!r}, {c.focal_y_px!r}, {c.centre_x_px!r}, {c.centre_y_px!r}  # pixels",
        f"baseline, doffs = {c.baseline_m!r}, {c.doffs_px!r}  # metres, pixels",
        f"points = {{  # u, v; and u, v in the right picture where they were marked\n{rows}}}",
        f"dimensions = {list(request.dimensions)!r}",
    ]
    return ["import math\n\nimport numpy as np", "\n".join(lines)]


def _places(request: MeasureRequest, result: Measurement) -> str:
    unit = request.options.unit
    per_metre, decimals, shown = (1.0, 4, "(no unit)") if result.relative else (1 / METRES[unit], DECIMALS[unit], unit)
    return PLACES.format(per_metre=per_metre, decimals=decimals, unit=shown)


def _matching(card: ModelCard, request: MeasureRequest, result: Measurement) -> list[str]:
    """Return the parts between the numbers and the places."""
    if result.left is None:
        return [NO_PICTURES]
    parts = [PICTURE if result.right is None else PICTURES]
    if request.left is not None and request.left.size != result.left.size:
        parts.append(SHRINK.format(size=result.left.size))
    if result.homographies is not None:
        here, there = (repr(homography.tolist()) for homography in result.homographies)
        parts.append(STRAIGHTEN.format(here=here, there=there))
    stereo = result.right is not None
    if stereo:
        assert result.search is not None
        lowest, highest = result.search
        origin = "as set" if request.options.max_disparity else "suggested from the pair"
        parts.append(f"lowest, count = {lowest}, {highest - lowest + 1}  # disparities, pixels; {origin}")
    return [
        *parts,
        *_method(card, request.options, stereo, result.matched_px),
        *_surface(card, result.matched_px),
        *([_looks(), PARTNERS] if stereo else ["partner = dense"]),
    ]


def _surface(card: ModelCard, matched_px: tuple[int, int] | None) -> list[str]:
    """Return how a disparity is read off at a place between pixels."""
    by_pixel = card.family in ("sgbm", "block-matching", "census-sgm") and matched_px is None
    functions = [surface.disparity_at, *([surface.plane_at] if by_pixel else [])]
    most = "math.inf" if card.family == "depth-estimation" else "1.0"
    return [_sources(functions), SURFACE if by_pixel else OWN.format(most=most)]


def _looks() -> str:
    """Return how a patch is slid along its row, and how its peak is judged."""
    constants = {
        name: value for name, value in vars(template).items() if name.isupper() and isinstance(value, int | float)
    }
    numbers = "\n".join(f"{name} = {value}" for name, value in constants.items())
    parts = (template.Peak, template.score_curve, template.peak_of, template.judged)
    return f"from dataclasses import dataclass\n\n{numbers}\n\n\n{_sources(parts)}"


def _sources(parts: Iterable[Any]) -> str:
    """Return the source of functions and classes, with numpy's own name for arrays."""
    return "\n\n".join(map(_source, parts))


@cache
def _source(part: Any) -> str:
    return ARRAY.sub("np.ndarray", inspect.getsource(part))


def _method(card: ModelCard, chosen: MatchOptions, stereo: bool, matched_px: tuple[int, int] | None) -> list[str]:
    path = model_path(card) + revision_argument(card) if not card.package else ""
    if card.family in ("sgbm", "block-matching"):
        return _dense(settings_of(chosen), chosen.smoothing == "wls", card.family == "block-matching")
    if card.family == "census-sgm":
        return _census(chosen, matched_px)
    if card.family == "sift":
        found = SIFT.format(keypoints=sparse.MOST_KEYPOINTS, contrast=sparse.LEAST_CONTRAST, ratio=sparse.RATIO)
        return [
            found,
            f"matches = matches[np.abs(matches[:, 1] - matches[:, 3]) <= {sparse.EPIPOLAR_PX}]\ndisparity = None",
        ]
    if card.family == "keypoint-matching":
        return [KEYPOINTS.format(path=path, score=sparse.LEAST_SCORE, rows=sparse.EPIPOLAR_PX)]
    scale = _dense(PRESETS["balanced"], False, False) if stereo else []
    return [*scale, DEPTH.format(path=path)]


def _dense(settings: DenseSettings, filtered: bool, block_matching: bool) -> list[str]:
    window = 3 * settings.block_size**2
    matcher = BLOCK_MATCHER if block_matching else SEMI_GLOBAL_MATCHER
    parts = [
        matcher.format(
            block=max(settings.block_size, 5) if block_matching else settings.block_size,
            small=int(settings.small_penalty * window),
            large=int(settings.large_penalty * window),
            left_right=settings.left_right,
            uniqueness=settings.uniqueness,
        )
    ]
    if settings.match_right and settings.left_right >= 0:
        parts.append(CHECK_RIGHT.format(left_right=settings.left_right))
    if settings.speckle_px:
        parts.append(SPECKLES.format(speckle=settings.speckle_px))
    return [*parts, DENSE, *([FILTER] if filtered else []), VALID]


def _census(chosen: MatchOptions, matched_px: tuple[int, int] | None) -> list[str]:
    """Return the whole algorithm: it is in no library, so its own source is the plain code."""
    functions: tuple[Any, ...] = (
        semi_global.Aggregated,
        semi_global.aggregate,
        semi_global.census,
        semi_global.bits_set,
        semi_global.cost_volume,
        semi_global.path_sums,
        semi_global._sweep,
        semi_global._slid,
        semi_global._winners,
    )
    smaller = larger = ""
    if matched_px is not None:
        functions += (semi_global._smaller,)
        smaller = f"small_left, small_right, searched = _smaller(left, right, searched, {matched_px})\n"
        larger = (
            "disparity *= np.float32(left.shape[1] / width)\n"
            "disparity = cv2.resize(disparity, left.shape[1::-1], interpolation=cv2.INTER_NEAREST)\n"
        )
    own = chosen.preset == "own"
    return [
        CENSUS.format(
            height=semi_global.CENSUS_HEIGHT,
            width=semi_global.CENSUS_WIDTH,
            most=semi_global.MOST_DIFFERENCE,
            weight=semi_global.DIFFERENCE_WEIGHT,
            worst=semi_global.WORST,
            small=semi_global.SMALL_PENALTY,
            large=semi_global.LARGE_PENALTY,
            functions=_sources(functions),
            smaller=smaller,
            larger=larger,
            paths=4 if chosen.preset == "quick" else 8,
            uniqueness=chosen.uniqueness if own else semi_global.UNIQUENESS,
            left_right=chosen.left_right if own else 1,
        )
    ]
