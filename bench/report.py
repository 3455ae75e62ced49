"""What all benchmarks share: the machine in words, repeated timing in turns, and a committed table of results."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from hub.run import versions

RESULTS_DIR = Path(__file__).parent / "results"


def machine() -> str:
    """Describe the machine and the libraries in one line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    libraries = ", ".join(f"{name} {number}" for name, number in versions().items())
    return f"{os.cpu_count()} cores, {model}; {libraries}"


def in_turns(first: Callable[[], float], second: Callable[[], float], rounds: int) -> tuple[list[float], list[float]]:
    """Measure two things alternately, so that a drift of the machine's speed hits both alike."""
    pairs = [(first(), second()) for _ in range(rounds)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def spread(values: Sequence[float], unit: str = "s", scale: float = 1.0) -> str:
    """Format median and range."""
    scaled = [value * scale for value in values]
    return f"{statistics.median(scaled):.3g} {unit} ({min(scaled):.3g} to {max(scaled):.3g})"


def publish(name: str, title: str, rows: Sequence[tuple[str, str]], remark: str, *, file: str = "") -> None:
    """Print a table, and write it to bench/results/NAME.md when the benchmark was started with --write.

    Args:
        name: of the benchmark's module.
        title: over the table.
        rows: what was measured, and the figure.
        remark: below the table.
        file: the name of the result, where it is not the module's.
    """
    lines = [f"# {title}", "", "| what | measured |", "| --- | --- |"]
    lines += [f"| {what} | {figure} |" for what, figure in rows]
    lines += [
        "",
        remark,
        "",
        f"Machine: {machine()}. {datetime.now(UTC):%Y-%m-%d}. `python -m bench.{name} --write`",
        "",
    ]
    text = "\n".join(lines)
    print(text)
    if "--write" in sys.argv:
        RESULTS_DIR.mkdir(exist_ok=True)
        (RESULTS_DIR / f"{file or name}.md").write_text(text, encoding="utf-8")
