"""Scripts: run alone, in a process of its own, one gives the points that the app gives."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open3d as o3d
import pytest
from PIL import Image

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.registry import REGISTRY
from demos.point_clouds.options import CloudRequest, Source
from demos.point_clouds.pipeline import Clouds
from demos.point_clouds.processed import Processed
from demos.point_clouds.snippet import snippet
from demos.point_clouds.steps import parse_steps
from demos.point_clouds.writing import write
from tests.demos.clouds import ball_mesh, table_with_things

# Together they take every operation, on points and on meshes, with what is chosen from the cloud and with own values.
RUNS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "things on a table": (
        "table.ply",
        [
            {"op": "crop", "x_min": -0.45, "keep": "inside"},
            {"op": "statistical"},
            {"op": "radius"},
            {"op": "planes"},
            {"op": "voxel"},
            {"op": "clusters"},
            {"op": "colour", "by": "label"},
            {"op": "box"},
            {"op": "distance", "bx": 0.3},
        ],
    ),
    "colours and normals": (
        "table.ply",
        [
            {"op": "planes", "count": 2, "share": 1, "then": "remove"},
            {"op": "normals", "neighbours": 12, "radius": 0.05},
            {"op": "orient", "towards": "viewpoint", "z": 2.0},
            {"op": "colour", "by": "normal"},
            {"op": "colour", "by": "distance from a point", "x": 0.1},
            {"op": "clusters", "ground": "nothing", "distance": 0.02},
            {"op": "colour", "by": "curvature"},
            {"op": "colour", "by": "distance from the largest plane"},
            {"op": "normals"},
            {"op": "orient", "towards": "consistently", "neighbours": 10},
            {"op": "colour", "by": "height"},
            {"op": "farthest", "points": 300},
        ],
    ),
    "a mesh and its points": (
        "ball.ply",
        [
            {"op": "volume"},
            {"op": "colour", "by": "height", "axis": "x"},
            {"op": "sample", "points": 3000},
            {"op": "ball_pivoting"},
            {"op": "normals"},
            {"op": "colour", "by": "normal"},
            {"op": "alpha"},
        ],
    ),
    "a surface": ("ball.ply", [{"op": "normals"}, {"op": "orient"}, {"op": "poisson"}, {"op": "volume"}]),
    "two clouds": ("table.ply", [{"op": "compare"}, {"op": "register"}]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clouds")
    table = table_with_things()
    write(table, folder / "table.ply")
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    write(Cloud(table.points @ turn.T + [0.02, 0, 0.01], table.colours), folder / "other.ply")
    write(ball_mesh(), folder / "ball.ply")
    return folder


@pytest.fixture(scope="module")
def clouds() -> Clouds:
    return Clouds()


def source(path: Path) -> Source:
    return Source(path, path.name, hashlib.sha256(path.read_bytes()).digest())


def processed(clouds: Clouds, folder: Path, name: str) -> Processed:
    file, steps = RUNS[name]
    other = source(folder / "other.ply") if name == "two clouds" else None
    (result,) = clouds([CloudRequest(source(folder / file), other=other, steps=parse_steps(steps))])
    return result


def ran(script: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=300, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_runs_take_every_operation() -> None:
    assert {step["op"] for _, steps in RUNS.values() for step in steps} == set(REGISTRY)


@pytest.mark.parametrize("name", list(RUNS))
def test_the_script_of_a_run_gives_the_same_points_colours_normals_and_faces(
    clouds: Clouds, folder: Path, name: str
) -> None:
    cloud = processed(clouds, folder, name).cloud
    script = processed(clouds, folder, name).script
    assert "demos" not in script
    assert "lectern" not in script.lower()
    printed = ran(script, folder)
    if cloud.triangles is None:
        made = o3d.t.io.read_point_cloud(str(folder / "result.ply")).point
    else:
        mesh = o3d.t.io.read_triangle_mesh(str(folder / "result.ply"))
        np.testing.assert_array_equal(mesh.triangle.indices.numpy(), cloud.triangles)
        made = mesh.vertex
    np.testing.assert_allclose(made.positions.numpy(), cloud.points + cloud.origin, rtol=0, atol=1e-9)
    if cloud.normals is not None:
        np.testing.assert_array_equal(made.normals.numpy().astype(np.float32), cloud.normals)
    if cloud.colours is not None:
        colours = made.colors.numpy()  # of a mesh Open3D reads them as 0..1
        np.testing.assert_array_equal(colours if colours.dtype == np.uint8 else np.rint(255 * colours), cloud.colours)
    assert f"{len(cloud):,}" in printed.splitlines()[-1]


def test_the_script_of_a_depth_picture_gives_the_same_points(clouds: Clouds, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.indices((48, 64))
    depth = (1500 + 4 * rows + 2 * columns).astype(np.uint16)
    picture = Image.fromarray(rng.integers(0, 256, (48, 64, 3)).astype(np.uint8))
    Image.fromarray(depth).save(tmp_path / "depth.png")
    picture.save(tmp_path / "picture.png")
    steps = parse_steps([{"op": "crop", "x_min": 0}, {"op": "planes"}])
    (result,) = clouds([CloudRequest(picture=picture, depth=depth.astype(np.float32), steps=steps)])
    ran(result.script, tmp_path)
    made = o3d.t.io.read_point_cloud(str(tmp_path / "result.ply")).point
    np.testing.assert_allclose(made.positions.numpy(), result.cloud.points, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(made.colors.numpy(), result.cloud.colours)


def test_what_a_script_prints_is_what_was_measured(clouds: Clouds, folder: Path) -> None:
    result = processed(clouds, folder, "things on a table")
    printed = ran(result.script, folder)
    sizes = [
        sorted(map(float, re.findall(r"[\d.]+(?:e-?\d+)?", line.partition("size [")[2].partition("]")[0])))
        for line in printed.splitlines()
        if line.startswith("cluster")
    ]
    found = next(report.facts["clusters"] for report in result.history if report.step.op == "clusters")
    assert len(sizes) == len(found) == 3
    for size, row in zip(sizes, found, strict=True):
        assert size == pytest.approx(sorted([row["length"], row["width"], row["height"]]), rel=1e-6)


def test_a_script_says_its_versions_and_show_code_shows_it(clouds: Clouds, folder: Path) -> None:
    result = processed(clouds, folder, "a surface")
    assert f"Open3D {o3d.__version__} and NumPy {np.__version__}" in result.script
    assert snippet(None, None, result) == result.script  # type: ignore[arg-type]
    for number, report in enumerate(result.history, start=1):
        assert f"# Step {number}: {report.title}" in result.script


def test_a_name_cannot_break_out_of_a_comment(clouds: Clouds, folder: Path, tmp_path: Path) -> None:
    data = (folder / "table.ply").read_bytes()
    named = Source(folder / "table.ply", 'a"""\nprint("x").ply', hashlib.sha256(data).digest())
    (result,) = Clouds()([CloudRequest(named)])
    compile(result.script, "script", "exec")
    assert '\nprint("x")' not in result.script
