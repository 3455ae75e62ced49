"""Tabletop: scenes a second on one core, drawing the scene and rendering it with 2x supersampling."""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")  # read once, by NumPy's import

import time

from bench.report import publish, spread
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import VALIDATION_SEEDS

ROUNDS = 5
SCENES = {64: 60, 128: 60, 256: 20, 512: 6, 1024: 2}  # a round, by size in pixels: one or two seconds
TARGET = {128: " (target: at least 30)"}


def scenes_per_second(size: int, scenes: int) -> float:
    """Draw and render `scenes` scenes once; return how many this process does in a second of its processor time."""
    start = time.process_time()
    for seed in VALIDATION_SEEDS[:scenes]:
        render(sample_scene(seed), size, supersample=2)
    return scenes / (time.process_time() - start)


def main() -> None:
    """Measure every size, held to one core, after a few scenes that build the search trees."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    scenes_per_second(size=64, scenes=10)
    rows = []
    for size, scenes in SCENES.items():
        rates = [scenes_per_second(size, scenes) for _ in range(ROUNDS)]
        rows.append((f"{size} x {size}{TARGET.get(size, '')}", spread(rates, "scenes/s")))
    publish(
        "tabletop",
        "Tabletop scenes a second on one core",
        rows,
        f"Drawn and rendered, 2x supersampled, 1 to 4 solids. Median and range of {ROUNDS} rounds over the same seeds, "
        "in processor time, so that other programs on the core do not count.",
    )


if __name__ == "__main__":
    main()
