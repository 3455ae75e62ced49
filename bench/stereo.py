"""Stereo: what the hub adds to OpenCV's matcher, CUDA against the CPU, and how accurate the dense methods are."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from bench.report import in_turns, publish, spread
from demos import discover
from demos.stereo import DEMO, FOLDER
from demos.stereo.calibration import read_calibration
from demos.stereo.families.dense import OpenCvDense
from demos.stereo.families.semi_global import CensusSemiGlobal
from demos.stereo.geometry import Calibration, depth_from_disparity
from demos.stereo.matching import Family, Pair
from demos.stereo.measurement import VALID, MarkedPoint
from demos.stereo.options import MatchOptions, MeasureRequest
from demos.stereo.placing import Ground, measure_between, place
from demos.stereo.scenes import SCENE_PX, ScenePair, new_scene
from hub.batch import Watch
from hub.runtime import Hub
from hub.settings import Settings
from tabletop.camera import project
from tabletop.sampling import sample_scene
from tabletop.solids import CUBE_EDGE, UNIT_HEIGHT, pose
from tabletop.world import TEST_SEEDS

ROUNDS = 20
WARM_UP = 3
CENSUS_ROUNDS = 3
SCENES = 20
SIZES_PX = (512, SCENE_PX)
INSIDE = 0.8  # of the way from a face's middle to its corners or rim
CORNER, RIM = INSIDE * CUBE_EDGE / 2, INSIDE * 0.5
FLAT = {
    "cube": ((-CORNER, -CORNER), (CORNER, -CORNER), (CORNER, CORNER), (-CORNER, CORNER)),
    "cylinder": ((-RIM, 0.0), (0.0, -RIM), (RIM, 0.0), (0.0, RIM)),
}
NEAR_M = 0.004  # a pixel this close to a point shows the point's surface
MOTORCYCLE = Calibration(994.978, 994.978, 311.193, 254.877, 0.193001, 31.086)
OPTIONS = MatchOptions(max_disparity=64)
METHODS: tuple[tuple[str, Family, MatchOptions], ...] = (
    ("StereoSGBM, balanced", OpenCvDense(), MatchOptions()),
    ("StereoSGBM, balanced, filtered", OpenCvDense(), MatchOptions(smoothing="wls")),
    ("StereoSGBM, fine", OpenCvDense(), MatchOptions(preset="fine")),
    ("StereoSGBM, fine, filtered", OpenCvDense(), MatchOptions(preset="fine", smoothing="wls")),
    ("StereoBM, balanced", OpenCvDense(block_matching=True), MatchOptions()),
    ("census and semi-global, balanced", CensusSemiGlobal(), MatchOptions()),
)


def raw_matcher(count: int = 64) -> cv2.StereoSGBM:
    """Return OpenCV's matcher with the numbers of the balanced preset."""
    window = 3 * 5**2
    return cv2.StereoSGBM.create(0, count, 5, window, 16 * window, 1, 63, 5, 100, 2, cv2.StereoSGBM_MODE_SGBM_3WAY)


def timed_pairs() -> list[tuple[str, NDArray[np.uint8], NDArray[np.uint8], Calibration, int]]:
    """Return name, left, right, calibration and range of the pairs that are timed."""
    left, right, _ = skimage.data.stereo_motorcycle()
    twice = [cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for picture in (left, right)]
    desk = [np.array(Image.open(FOLDER / f"desk-{side}.png").convert("RGB")) for side in ("left", "right")]
    oak = read_calibration((FOLDER / "oak-d-calibration.json").read_text(encoding="utf-8")).calibration
    return [
        ("OAK-D, 640 x 480", desk[0], desk[1], oak, 64),
        ("Motorcycle, 741 x 500", left, right, MOTORCYCLE, 64),
        ("Motorcycle, 1482 x 1000", twice[0], twice[1], MOTORCYCLE.scaled(2, 2), 128),
    ]


def plain_script(left: Image.Image, right: Image.Image, calibration: Calibration, count: int) -> NDArray[np.float32]:
    """Do what a script of a few lines does: match two pictures, leave out what has no match, and return depths."""
    found = raw_matcher(count).compute(np.asarray(left), np.asarray(right)).astype(np.float32) / 16
    return depths(np.where(found >= 0, found, np.float32(np.nan)), calibration)


def depths(disparity: NDArray[np.float32], calibration: Calibration) -> NDArray[np.float32]:
    """Return depths, metres, as a plain script computes them."""
    with np.errstate(divide="ignore"):
        scale = np.float32(calibration.baseline_m * calibration.focal_x_px)
        return np.asarray(scale / (disparity + np.float32(calibration.doffs_px)), np.float32)


def overhead() -> list[tuple[str, str]]:
    """Time each pair in a plain script and through the hub, in turns; each round has a pair of its own."""
    rows = []
    hub = Hub(Settings(models="embedded"))

    def through_the_hub(request: MeasureRequest, *, drawn: bool = False) -> None:
        measured = hub.run("bench", DEMO, DEMO.models[0], request).result
        depths(measured.disparity_px, request.calibration)
        if drawn:
            _ = measured.invalid, measured.disparity_error_px

    for name, left, right, calibration, count in timed_pairs():
        first, later = MatchOptions(max_disparity=count), MatchOptions("own", count, uniqueness=5)
        times: dict[str, list[float]] = {}
        for number in range(WARM_UP + ROUNDS):
            left[0, 0] = number % 256, number // 256, count  # a pair that no memory has seen
            pictures = Image.fromarray(left), Image.fromarray(right)
            request = MeasureRequest(*pictures, calibration, options=first)
            wide = [cv2.copyMakeBorder(picture, 0, 0, count, 0, cv2.BORDER_REPLICATE) for picture in (left, right)]
            wider = Image.fromarray(wide[0]), Image.fromarray(wide[1])
            runs: dict[str, Callable[[], object]] = {
                "a plain script": partial(plain_script, *pictures, calibration, count),
                "a plain script, borders searched too": partial(plain_script, *wider, calibration, count),
                "the hub, a new pair": partial(through_the_hub, request),
                "the hub, another setting on the same pair": partial(
                    through_the_hub, MeasureRequest(*pictures, calibration, options=later)
                ),
                "the hub, a third setting, error bars of all pixels and reasons of all holes too": partial(
                    through_the_hub,
                    MeasureRequest(*pictures, calibration, options=replace(later, large_penalty=17.0)),
                    drawn=True,
                ),
            }
            for what, run in runs.items():
                started = time.perf_counter()
                run()
                if number >= WARM_UP:
                    times.setdefault(what, []).append(time.perf_counter() - started)
        bare = times["a plain script"]
        for what, seconds in times.items():
            ratio = statistics.median(ours / theirs for ours, theirs in zip(seconds, bare, strict=True))
            target = " (target: at most 1.15)" if what.startswith("the hub") and "third" not in what else ""
            figure = "" if seconds is bare else f", {ratio:.2f} times the plain script{target}"
            rows.append((f"{name}, {count} disparities, {what}", f"{spread(seconds, 'ms', 1000)}{figure}"))
    return rows


def census() -> list[tuple[str, str]]:
    """Time the PyTorch path on the CPU, and on CUDA where there is a device."""
    import torch

    left, right, _ = skimage.data.stereo_motorcycle()
    pair = Pair(left, right, MOTORCYCLE)

    def timed(family: Family) -> float:
        started = time.perf_counter()
        family.match(pair, OPTIONS, Watch())
        return time.perf_counter() - started

    slow = CensusSemiGlobal("cpu")
    if not torch.cuda.is_available():
        timed(slow)
        values = [timed(slow) for _ in range(CENSUS_ROUNDS)]
        return [
            ("census and semi-global in PyTorch, 8 paths, CPU", spread(values)),
            ("the same on CUDA", "not measured: no CUDA device"),
        ]
    fast = CensusSemiGlobal("cuda")
    in_turns(lambda: timed(slow), lambda: timed(fast), 1)
    there, here = in_turns(lambda: timed(slow), lambda: timed(fast), CENSUS_ROUNDS)
    ratio = statistics.median(a / b for a, b in zip(there, here, strict=True))
    return [
        ("census and semi-global in PyTorch, 8 paths, CPU", spread(there)),
        ("the same on CUDA", spread(here, "ms", 1000)),
        ("CUDA, times faster (target: at least 10)", f"{ratio:.1f}"),
    ]


def accuracy() -> list[tuple[str, str]]:
    """Grade the dense methods on Middlebury's Motorcycle and on tabletop pairs of test seeds; speed does not matter."""
    return [*on_motorcycle(), *on_tabletop(), *of_solids()]


def on_motorcycle() -> list[tuple[str, str]]:
    """Grade the dense methods on Middlebury's Motorcycle, beside bare OpenCV."""
    left, right, truth = skimage.data.stereo_motorcycle()
    known = np.isfinite(truth)
    raw = raw_matcher()
    raw.setSpeckleWindowSize(100)
    raw.setSpeckleRange(2)
    found = raw.compute(left, right).astype(np.float32) / 16
    rows = [("Motorcycle, bare StereoSGBM", _graded(np.where(found >= 0, found, np.nan), None, truth, known))]
    for name, family, options in METHODS:
        matched = family.match(Pair(left, right, MOTORCYCLE), replace(options, max_disparity=64), Watch())
        assert matched.disparity_px is not None
        rows.append((f"Motorcycle, {name}", _graded(matched.disparity_px, matched.disparity_error_px, truth, known)))
    return rows


def on_tabletop() -> list[tuple[str, str]]:
    """Count the visible pixels of tabletop pairs within 1 px, with each method, at each size."""
    rows = []
    for size in SIZES_PX:
        scenes = [new_scene(seed, size) for seed in TEST_SEEDS[:SCENES]]
        for name, family, options in METHODS:
            shares = []
            for scene in scenes:
                matched = family.match(_pair(scene), options, Watch())
                assert matched.disparity_px is not None
                assert matched.disparity_error_px is not None
                visible = ~scene.truth.occluded & (scene.truth.disparity_px > 0)
                valid = visible & (matched.invalid == VALID)
                off = np.abs(matched.disparity_px - scene.truth.disparity_px)
                covered = off[valid] <= matched.disparity_error_px[valid]
                shares.append(((off[visible] < 1).mean(), (off[valid] < 1).mean(), covered.mean()))
            visible_share, valid_share, covered_share = (
                100 * float(np.mean(part)) for part in zip(*shares, strict=True)
            )
            rows.append(
                (
                    f"tabletop, {size} px, {name} (target: 95 % within 1 px)",
                    f"{visible_share:.1f} % of the visible pixels, {valid_share:.1f} % of those with a disparity; "
                    f"{covered_share:.0f} % within one sigma",
                )
            )
    return rows


def of_solids() -> list[tuple[str, str]]:
    """Measure lengths on the tops of cubes and cylinders, marked exactly, and compare them with the truth."""
    seeds = [seed for seed in TEST_SEEDS[: 4 * SCENES] if any(s.shape in FLAT for s in sample_scene(seed).solids)]
    scenes = [new_scene(seed) for seed in seeds[: 2 * SCENES]]
    rows = []
    for preset in ("balanced", "fine"):
        options = MatchOptions(preset=preset, click_error_px=0.05)  # the least: marks are where they should be
        lengths = [length for scene in scenes for length in lengths_of(scene, options)]
        for solids in ("large", "small"):
            for direction in ("across", "along"):
                chosen = [row for row in lengths if (row.size, row.along) == (solids, direction == "along")]
                error, sigma = (np.array([getattr(row, name) for row in chosen]) for name in ("error", "sigma"))
                middle, most = (100 * np.percentile(error, share) for share in (50, 90))
                near, once, twice = (100 * (error <= limit).mean() for limit in (0.02, sigma, 2 * sigma))
                rows.append(
                    (
                        f"lengths on {solids} solids, {direction} the line of sight, {preset} (target: within 2 %)",
                        f"median {middle:.2f} %, 90 % below {most:.2f} %; {near:.0f} % of {len(chosen)} within 2 %, "
                        f"{once:.0f} % within one sigma, {twice:.0f} % within two",
                    )
                )
    return rows


@dataclass(frozen=True)
class Length:
    """A length on the top of a solid; `error` and the predicted `sigma` are shares of it, 1 where it was not found."""

    size: str
    along: bool
    error: float
    sigma: float


def lengths_of(scene: ScenePair, options: MatchOptions) -> list[Length]:
    """Measure between four points on each flat top, at `INSIDE` of the way to its corners or its rim."""
    world = sample_scene(scene.seed)
    camera, width = world.camera, scene.left.width
    pair = _pair(scene)
    matched = OpenCvDense().match(pair, options, Watch())
    ground = Ground(scene.calibration, pair, matched, options.click_error_px, None)
    lengths = []
    for solid in world.solids:
        if solid.shape not in FLAT:
            continue
        turn, foot = pose(solid)
        corners = np.array([(x, y, UNIT_HEIGHT[solid.shape]) for x, y in FLAT[solid.shape]]) @ turn.T + foot
        pixels, depths = project(camera, corners, width)
        names = [str(corner) for corner in range(4) if _shown(scene, pixels[corner], depths[corner])]
        points, _ = place([MarkedPoint(name, *map(float, pixels[int(name)])) for name in names], ground)
        for found in measure_between(list(combinations(names, 2)), points):
            start, end = corners[int(found.start)], corners[int(found.end)]
            true = float(np.linalg.norm(end - start))
            sight = (start + end) / 2 - camera.position_m
            cosine = abs((end - start) @ sight) / (true * np.linalg.norm(sight))
            error = 1.0 if found.distance_m is None else abs(found.distance_m / true - 1)
            sigma = 0.0 if found.error_m is None else found.error_m / true
            lengths.append(Length(solid.size, bool(cosine > math.cos(math.radians(60))), error, sigma))
    return lengths


def _shown(scene: ScenePair, pixel: NDArray[np.float64], depth_m: float) -> bool:
    """Return whether both pictures show the surface at this depth."""
    column, row = (int(value) for value in np.rint(pixel))
    if not (0 <= column < scene.left.width and 0 <= row < scene.left.height) or scene.truth.occluded[row, column]:
        return False
    return bool(abs(depth_from_disparity(scene.calibration, scene.truth.disparity_px[row, column]) - depth_m) < NEAR_M)


def _pair(scene: ScenePair) -> Pair:
    return Pair(np.asarray(scene.left), np.asarray(scene.right), scene.calibration)


def _graded(
    disparity: NDArray[np.float32],
    error: NDArray[np.float32] | None,
    truth: NDArray[np.float32],
    known: NDArray[np.bool_],
) -> str:
    valid = known & ~np.isnan(disparity)
    off = np.abs(disparity - truth)
    graded = f"bad-2.0 {100 * (off[valid] > 2).mean():.1f} % of {100 * valid.sum() / known.sum():.1f} % filled"
    graded += f", {100 * (1 - (off[known] <= 2).mean()):.1f} % with holes as bad"
    if error is None:
        return graded
    return f"{graded}; {100 * (off[valid] <= error[valid]).mean():.0f} % within one sigma (target: 60 to 80 %)"


def main() -> None:
    """Run all, or what --speed or --accuracy asks for: they are written to two files."""
    discover()
    both = "--speed" not in sys.argv and "--accuracy" not in sys.argv
    if both or "--speed" in sys.argv:
        publish(
            "stereo",
            "Stereo measurement: the hub's cost, and CUDA",
            [*overhead(), *census()],
            f"Median and range; {ROUNDS} pairs and {CENSUS_ROUNDS} of the PyTorch path, in turns. The plain script "
            "runs OpenCV's StereoSGBM with the same numbers, threads and pictures, leaves out what has no match and "
            "computes depths. Through the hub means: the same and the depths, the check that the pair is one and "
            "rectified, matching with the picture's border searched too, the run's record and its code. Error bars are "
            "made for the points that are marked, and for all pixels when they are drawn. Motorcycle is Middlebury "
            "2014 at a quarter of its size, and that enlarged twice.",
        )
    if both or "--accuracy" in sys.argv:
        publish(
            "stereo",
            "Stereo measurement: accuracy",
            accuracy(),
            f"Motorcycle is Middlebury 2014 at a quarter of its size; tabletop pairs are {SCENES} of test seeds "
            f"({2 * SCENES} for lengths, of {SCENE_PX} px), seen from 0.8 to 0.9 m with a baseline of 7.5 cm, with "
            "grain. Lengths are between points marked exactly, at 80 % of the way from the middle of a flat top to its "
            "corners or rim; along: less than 60 degrees from the line of sight. Sigma: the predicted standard "
            "deviation.",
            file="stereo-accuracy",
        )


if __name__ == "__main__":
    main()
