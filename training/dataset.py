"""A growing cache of rendered scenes, so that a training run reads pictures instead of rendering them.

The one idea: a cache folder is a table. Row i is the scene of the i-th seed of its range, and a column is one
memory-mapped file of fixed-size cells that is filled in any order, by several processes, over any number of runs. A row
is used once its cells are flagged as done, so a training run may start while the table still grows.

    python -m training.dataset --scenes 60000 --processes 2
    python -m training.dataset --split validation --scenes 1000
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS, TRAINING_SEEDS, VALIDATION_SEEDS, Scene

CACHE = Path(".cache/tabletop-128")
SEEDS = {"training": TRAINING_SEEDS, "validation": VALIDATION_SEEDS, "test": TEST_SEEDS}
CHUNK = 64  # scenes a process fills before it reports; an interrupted run loses at most this many per process

MAP_CELLS = 32  # cells along the side of the coarse map that says which solid is seen where


@dataclass(frozen=True)
class Column:
    """One file of a table: `of` makes a scene's cell, of type `dtype`; it is pickled, to run in other processes."""

    name: str
    dtype: np.dtype[Any]
    of: Callable[[Scene], NDArray[Any] | np.generic]


def views(size: int = 128) -> Column:
    """Return the column of pictures.

    Its cells have `rgb` (size, size, 3) uint8, and `solids` (32, 32) int8: -1 sky, 0 table, k + 1 the solid k.
    """
    dtype = np.dtype([("rgb", "u1", (size, size, 3)), ("solids", "i1", (MAP_CELLS, MAP_CELLS))])
    return Column(f"views-{size}", dtype, partial(_view, size=size, dtype=dtype))


def _view(scene: Scene, size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    view = render(scene, size)
    step = size // MAP_CELLS
    cell = np.zeros((), dtype)
    cell["rgb"] = view.rgb
    cell["solids"] = view.ids[step // 2 :: step, step // 2 :: step]
    return cell


class Table:
    """The scenes of one split, in columns under `folder`."""

    def __init__(self, folder: Path, split: str, rows: int) -> None:
        """Open or create a table of the first `rows` seeds of a split. More rows may be asked for later.

        Raises:
            ValueError: the split has fewer seeds.
        """
        if rows > len(SEEDS[split]):
            raise ValueError(f"expected at most {len(SEEDS[split])} rows of the {split} split, got {rows}")
        self.folder, self.split, self.rows = folder / split, split, rows
        self.folder.mkdir(parents=True, exist_ok=True)

    def scene(self, row: int) -> Scene:
        """Return the scene of a row."""
        return sample_scene(SEEDS[self.split][row])

    def cells(self, column: Column) -> NDArray[Any]:
        """Return the (rows,) memory-mapped cells of a column; those that are not `done` are zero."""
        return _mapped(self.folder / column.name, column.dtype, self.rows)

    def done(self, column: Column) -> NDArray[np.bool_]:
        """Return the (rows,) memory-mapped flags of the cells that are filled."""
        return _mapped(self.folder / f"{column.name}.done", np.dtype(np.bool_), self.rows)

    def fill(self, column: Column, wanted: NDArray[np.intp], processes: int = 1) -> None:
        """Fill the cells of the `wanted` rows that are not filled yet, in order, in chunks."""
        missing = wanted[~self.done(column)[wanted]]
        chunks = [missing[start : start + CHUNK] for start in range(0, len(missing), CHUNK)]
        if processes == 1:
            for chunk in chunks:
                _fill_chunk(chunk, self, column)
            return
        # spawn, not fork: a forked copy of a process that already runs threads (torch, open3d) may hang.
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            for _ in pool.imap_unordered(partial(_fill_chunk, table=self, column=column), chunks):
                pass


def _fill_chunk(chunk: NDArray[np.intp], table: Table, column: Column) -> None:
    cells, done = table.cells(column), table.done(column)
    for row in chunk:
        cells[row] = column.of(table.scene(int(row)))
        done[row] = True


def _mapped(path: Path, dtype: np.dtype[Any], rows: int) -> NDArray[Any]:
    """Map a file of `rows` cells, made or made longer (with zeros, without using disk) where needed."""
    size = rows * dtype.itemsize
    with path.open("ab"):
        if path.stat().st_size < size:
            os.truncate(path, size)
    return np.memmap(path, dtype, mode="r+", shape=(rows,))


def main() -> None:
    """Render the pictures of a split."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--split", choices=sorted(SEEDS), default="training")
    parser.add_argument("--scenes", type=int, default=60_000)
    parser.add_argument("--size", type=int, default=128, help="side of the pictures, pixels")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()

    # One thread each: the processes already use every core. Children read this when they start.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    table, column = Table(options.cache, options.split, options.scenes), views(options.size)
    start = time.monotonic()
    table.fill(column, np.arange(options.scenes), options.processes)
    print(f"{int(table.done(column).sum())} scenes rendered, {time.monotonic() - start:.0f} s in this run")


if __name__ == "__main__":
    main()
