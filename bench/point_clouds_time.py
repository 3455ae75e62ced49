"""Point clouds: the hub's time and memory on a million points, beside the plain Open3D script that it exports."""

from __future__ import annotations

import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.point_clouds import source_of
from bench.report import in_turns, publish, spread
from demos import discover
from demos.point_clouds import DEMO
from demos.point_clouds.cloud import Cloud
from demos.point_clouds.options import CloudRequest, Source
from demos.point_clouds.scenes import new_scan
from demos.point_clouds.steps import parse_steps
from demos.point_clouds.writing import write
from hub.runtime import Hub
from hub.settings import Settings
from tabletop.world import TEST_SEEDS

POINTS, ROUNDS, WARM_UP = 1_000_000, 5, 1
SPREAD_M = 0.0004  # how far the points of a scan that is too small are scattered to make a million
STEPS: list[dict[str, Any]] = [
    {"op": "voxel", "size": 0.001},
    {"op": "statistical"},
    {"op": "normals"},
    {"op": "planes", "distance": 0.001},
    {"op": "clusters", "distance": 0.006},
]
FILE, SCRIPT = "scan.ply", "script.py"


def timing() -> list[tuple[str, str]]:
    """Time the hub against the script that it exports, in one process and in turns, and measure both peaks."""
    hub = Hub(Settings(models="embedded"))
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        files = iter([make_file(number) for number in range(WARM_UP + ROUNDS)])
        script = through_hub(hub, make_file(-1), parse_steps(STEPS))

        def ours() -> float:
            path = next(files)
            Path(FILE).unlink(missing_ok=True)
            Path(FILE).hardlink_to(path)  # the script reads a file of that name
            started = time.perf_counter()
            through_hub(hub, Path(FILE), parse_steps(STEPS))
            return time.perf_counter() - started

        def theirs() -> float:
            code = compile(script, SCRIPT, "exec")
            started = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, {"__name__": "__main__"})
            return time.perf_counter() - started

        in_turns(ours, theirs, WARM_UP)
        hub_s, script_s = in_turns(ours, theirs, ROUNDS)
        ratio = statistics.median(a / b for a, b in zip(hub_s, script_s, strict=True))
        Path(SCRIPT).write_text(script, encoding="utf-8")
        peaks = [f"{peak_megabytes(kind, Path.cwd()):,.0f} MB" for kind in ("hub", "script")]
    steps = ", ".join(str(step["op"]) for step in STEPS)
    return [
        (f"{POINTS:,} points, read, {steps}, save: the exported script", spread(script_s)),
        ("the same through the hub", f"{spread(hub_s)}, {ratio:.2f} times (target: at most 1.1)"),
        ("peak memory of the script, in a process of its own", peaks[1]),
        ("peak memory of the hub, with the process that reads files, in processes of their own", peaks[0]),
    ]


def make_file(number: int) -> Path:
    """Write a scan of a million points, each round another, so that nothing is remembered."""
    scan = new_scan(TEST_SEEDS[0])
    rng = np.random.default_rng([abs(number), number < 0])
    chosen = rng.integers(0, len(scan.points), POINTS)
    path = Path(f"scan{number}.ply")
    write(Cloud(scan.points[chosen] + rng.normal(0, SPREAD_M, (POINTS, 3)), scan.colours[chosen]), path)
    return path


def through_hub(hub: Hub, path: Path, steps: Any) -> str:
    """Run steps as the tab does, save the cloud as PLY, and return the script that does the same to scan.ply."""
    source = source_of(path)
    request = CloudRequest(file=Source(source.path, FILE, source.digest), steps=steps)
    made = hub.run("bench", DEMO, DEMO.models[0], request).result
    write(made.cloud, Path("hub.ply"))
    return made.script


def peak_megabytes(kind: str, folder: Path) -> float:
    """Return the largest memory of a fresh process that does the work once, with those it started."""
    command = [sys.executable, "-m", "bench.point_clouds_time", "peak", kind, str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    return float(answer.stdout.split()[-1])


def report_peak(kind: str, folder: Path) -> None:
    """Do the work once in `folder`, and print the largest memory of this process and of those it started."""
    with contextlib.chdir(folder):
        if kind == "hub":
            through_hub(Hub(Settings(models="embedded")), Path(FILE), parse_steps(STEPS))
        else:
            exec(compile(Path(SCRIPT).read_text(encoding="utf-8"), SCRIPT, "exec"), {"__name__": "__main__"})
    children = [word for task in Path("/proc/self/task").iterdir() for word in (task / "children").read_text().split()]
    kilobytes = 0
    for process in ("self", *children):
        status = Path(f"/proc/{process}/status").read_text()
        kilobytes += int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    print(kilobytes / 1000)


def main() -> None:
    """Time and measure; or, in a process of its own, do the work once and tell the peak."""
    discover()
    if "peak" in sys.argv:
        report_peak(sys.argv[-2], Path(sys.argv[-1]))
        return
    publish(
        "point_clouds_time",
        "Point clouds: the hub's cost",
        timing(),
        f"Median and range of {ROUNDS} rounds, in turns and in one process, each with a file that nothing remembers; "
        "both read a PLY, take the steps and save a PLY. Through the hub means: the queue, reading in a process of its "
        "own, checks, the run's record and its script. Peaks are of fresh processes, Open3D and Python included; what "
        "two processes share is counted twice.",
    )


if __name__ == "__main__":
    main()
