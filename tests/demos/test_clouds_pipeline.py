"""The pipeline: what each step did, what is remembered, what still holds, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.options import CloudRequest, ReadOptions, Source
from demos.point_clouds.pipeline import Clouds, open3d_device
from demos.point_clouds.processed import Processed, measurements
from demos.point_clouds.scenes import new_scan, write_scan
from demos.point_clouds.shapes import Box, Plane, Segment, Shape
from demos.point_clouds.steps import parse_steps
from demos.point_clouds.writing import write
from hub.batch import Item, Watch
from hub.errors import Cancelled, InvalidInput
from hub.jobs import CancelToken
from tabletop.world import VALIDATION_SEEDS
from tests.demos.clouds import ball_mesh, table_with_things

Steps = list[dict[str, Any]]


@pytest.fixture(scope="module")
def clouds() -> Clouds:
    return Clouds()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clouds")
    write(table_with_things(), folder / "table.ply")
    write(ball_mesh(), folder / "ball.ply")
    write(replace(table_with_things(1), origin=np.array([500_000.0, 4_000_000.0, 50.0])), folder / "survey.ply")
    write_scan(folder / "scan.ply", new_scan(VALIDATION_SEEDS[5]))
    return folder


def source(path: Path) -> Source:
    return Source(path, path.name, hashlib.sha256(path.read_bytes()).digest())


@pytest.fixture
def run(clouds: Clouds, folder: Path) -> Callable[..., Processed]:
    def run(name: str, steps: Steps, watch: Watch | None = None, **more: Any) -> Processed:
        return clouds([CloudRequest(source(folder / name), steps=parse_steps(steps), **more)], watch)[0]

    return run


def kinds(shapes: tuple[Shape, ...]) -> list[str]:
    return [type(shape).__name__ for shape in shapes]


def test_every_step_reports_its_counts_its_time_and_what_it_found(run: Callable[..., Processed]) -> None:
    result = run("table.ply", [{"op": "voxel", "size": 0.02}, {"op": "planes", "then": "remove"}, {"op": "box"}])
    counts = [(report.before, report.after) for report in result.history]
    assert counts[0][0] == result.loaded.points == len(table_with_things())
    assert [before for before, _ in counts[1:]] == [after for _, after in counts[:-1]]
    assert counts[-1][1] == len(result.cloud)
    assert [report.title for report in result.history] == ["Voxel downsampling", "Planes", "Extent and box"]
    assert all(report.seconds > 0 for report in result.history)
    assert result.history[0].facts == {"size": 0.02}
    assert result.facts is not None
    assert result.facts.format == "PLY"
    assert result.truth is None


def test_adding_a_step_computes_that_one_and_taking_it_back_costs_nothing(folder: Path) -> None:
    clouds = Clouds()
    steps = parse_steps([{"op": "voxel", "size": 0.03}, {"op": "normals"}, {"op": "orient"}])

    def remembered(count: int) -> list[bool]:
        (result,) = clouds([CloudRequest(source(folder / "table.ply"), steps=steps[:count])])
        return [report.remembered for report in result.history]

    assert remembered(2) == [False, False]
    assert remembered(3) == [True, True, False]
    assert remembered(2) == [True, True]
    assert remembered(0) == []
    assert remembered(3) == [True, True, True]


def test_another_file_other_options_and_other_steps_are_not_mixed_up(run: Callable[..., Processed]) -> None:
    steps: Steps = [{"op": "voxel", "size": 0.05}]
    first = run("table.ply", steps)
    assert len(run("ball.ply", steps).cloud) != len(first.cloud)
    assert run("table.ply", steps, options=ReadOptions(unit="mm")).cloud.unit == "mm"
    assert len(run("table.ply", [{"op": "voxel", "size": 0.1}]).cloud) < len(first.cloud)
    assert len(run("table.ply", steps).cloud) == len(first.cloud)


def test_the_same_bytes_under_another_name_are_told_of_by_that_name(clouds: Clouds, folder: Path) -> None:
    first = source(folder / "table.ply")
    for name in ("table.ply", "other.pcd"):
        result = clouds([CloudRequest(replace(first, name=name), steps=parse_steps([{"op": "box"}]))])[0]
        assert name in result.script
        assert any(".pcd" in note for note in result.notes) == (name == "other.pcd")


def test_what_is_remembered_is_never_changed_by_later_steps(run: Callable[..., Processed]) -> None:
    steps: Steps = [{"op": "normals"}]
    first = run("table.ply", steps)
    assert first.cloud.normals is not None
    before = first.cloud.points.copy(), first.cloud.normals.copy()
    run("table.ply", [*steps, {"op": "orient"}, {"op": "voxel"}, {"op": "colour", "by": "normal"}])
    again = run("table.ply", steps)
    assert again.cloud.normals is not None
    np.testing.assert_array_equal(again.cloud.points, before[0])
    np.testing.assert_array_equal(again.cloud.normals, before[1])


def test_a_memory_too_small_to_remember_gives_the_same_answer(folder: Path, run: Callable[..., Processed]) -> None:
    steps: Steps = [{"op": "voxel", "size": 0.02}, {"op": "normals"}]
    forgetful = Clouds()
    forgetful.memo.max_bytes = 1000
    (result,) = forgetful([CloudRequest(source(folder / "table.ply"), steps=parse_steps(steps))])
    np.testing.assert_array_equal(result.cloud.points, run("table.ply", steps).cloud.points)
    assert forgetful.memo.bytes == 0


def test_shapes_hold_until_a_later_step_makes_them_wrong(run: Callable[..., Processed]) -> None:
    found: Steps = [{"op": "planes"}, {"op": "clusters"}, {"op": "distance", "bx": 1}]
    assert kinds(run("table.ply", found).shapes) == ["Plane", *["Box"] * 3, "Segment"]
    coloured = run("table.ply", [*found, {"op": "colour"}])
    assert kinds(coloured.shapes) == ["Plane", *["Box"] * 3, "Segment"]
    cropped = run("table.ply", [*found, {"op": "crop", "z_min": 0.02}])
    assert kinds(cropped.shapes) == ["Plane", "Segment"]  # a box may have lost its points
    boxed = run("table.ply", [*found, {"op": "box"}])
    assert [shape.label for shape in boxed.shapes if isinstance(shape, Box)] == [1, 2, 3, -1]


def test_boxes_stand_on_the_plane_that_an_earlier_step_found_and_removed(run: Callable[..., Processed]) -> None:
    result = run("table.ply", [{"op": "planes", "then": "remove"}, {"op": "voxel"}, {"op": "clusters"}])
    (plane,) = (shape for shape in result.shapes if isinstance(shape, Plane))
    boxes = [shape for shape in result.shapes if isinstance(shape, Box)]
    assert len(boxes) == 3
    for box in boxes:
        foot = box.centre - box.axes[:, 2] * box.size[2] / 2
        assert plane.normal @ foot + plane.offset == pytest.approx(0, abs=1e-9)


def test_a_step_that_cannot_be_taken_is_named(run: Callable[..., Processed]) -> None:
    with pytest.raises(InvalidInput, match="Step 2, Crop: Crop keeps no point"):
        run("table.ply", [{"op": "voxel"}, {"op": "crop", "x_min": 77}])
    with pytest.raises(InvalidInput, match=r"Step 1, .*needs a second cloud"):
        run("table.ply", [{"op": "compare"}])


def test_a_picture_needs_a_depth_picture_or_a_model(clouds: Clouds) -> None:
    picture = Image.new("RGB", (64, 48), "red")
    with pytest.raises(InvalidInput, match="cannot tell depth"):
        clouds([CloudRequest(picture=picture)])
    depth = np.full((48, 64), 1500.0, np.float32)
    (result,) = clouds([CloudRequest(picture=picture, depth=depth, steps=parse_steps([{"op": "planes"}]))])
    assert len(result.cloud) > 2000
    assert result.facts is None
    assert result.depth_m is not None
    np.testing.assert_allclose(result.depth_m[10:20, 10:20], 1.5)
    assert result.history[0].facts["planes"][0]["tilt in degrees"] == pytest.approx(90, abs=0.01)


def test_a_scan_of_a_scene_is_compared_with_its_truth(run: Callable[..., Processed]) -> None:
    result = run("scan.ply", [{"op": "planes"}, {"op": "clusters"}])
    assert result.truth is not None
    assert result.truth.plane is not None
    assert result.truth.plane.distance_mm < 1
    assert result.truth.all_own


def test_a_run_that_nobody_wants_stops_before_its_next_step(clouds: Clouds, folder: Path) -> None:
    token = CancelToken()
    watch = Watch([Item(None, token)])
    steps = parse_steps([{"op": "voxel", "size": 0.07}])
    token.cancel()
    with pytest.raises(Cancelled):
        clouds([CloudRequest(source(folder / "table.ply"), steps=steps)], watch)


def test_progress_names_the_step(clouds: Clouds, folder: Path) -> None:
    item = Item(None, CancelToken())
    steps = parse_steps([{"op": "voxel", "size": 0.06}, {"op": "box"}])
    clouds([CloudRequest(source(folder / "table.ply"), steps=steps)], Watch([item]))
    told = []
    while not item.updates.empty():
        told.append(item.updates.get().text)  # type: ignore[union-attr]
    assert told == ["Reading table.ply", "Step 1 of 2: Voxel downsampling", "Step 2 of 2: Extent and box"]


def test_measurements_are_plain_json_in_the_coordinates_of_the_file(run: Callable[..., Processed]) -> None:
    steps: Steps = [{"op": "planes"}, {"op": "clusters"}, {"op": "distance", "ax": 500_000, "bx": 500_001}]
    result = run("survey.ply", steps)
    measured = json.loads(json.dumps(measurements(result), allow_nan=False))
    assert abs(result.cloud.points).max() < 100  # the origin is taken off
    assert measured["extent"]["min"][0] == pytest.approx(499_999.5, abs=0.01)
    assert [shape["kind"] for shape in measured["shapes"]] == ["plane", "box", "box", "box", "segment"]
    plane = measured["shapes"][0]
    assert np.dot(plane["normal"], [500_000, 4_000_000, 50]) + plane["offset"] == pytest.approx(0, abs=0.01)
    assert measured["shapes"][1]["centre"][0] == pytest.approx(500_000, abs=0.6)
    assert [step["op"] for step in measured["steps"]] == ["planes", "clusters", "distance"]
    assert measured["points"] == measured["points_loaded"] == len(result.cloud)


def test_a_second_cloud_comes_in_the_frame_of_the_first(clouds: Clouds, folder: Path, tmp_path: Path) -> None:
    moved = replace(table_with_things(1), origin=np.array([500_000.5, 4_000_000.0, 50.0]))
    write(moved, tmp_path / "moved.ply")
    request = CloudRequest(
        source(folder / "survey.ply"), other=source(tmp_path / "moved.ply"), steps=parse_steps([{"op": "compare"}])
    )
    (result,) = clouds([request])
    assert 0.005 < result.history[0].facts["chamfer"] < 0.5
    alike = replace(request, other=source(folder / "survey.ply"))
    assert clouds([alike])[0].history[0].facts["chamfer"] == 0


def test_a_second_file_that_no_step_needs_is_not_read(clouds: Clouds, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.ply").write_bytes(b"ply\nformat binary_little_endian 1.0\n")
    request = CloudRequest(source(folder / "table.ply"), other=source(tmp_path / "broken.ply"))
    (result,) = clouds([request])
    assert "broken" not in result.script
    with pytest.raises(InvalidInput):
        clouds([replace(request, steps=parse_steps([{"op": "compare"}]))])


def test_open3d_computes_on_the_cpu_where_it_has_no_cuda() -> None:
    import open3d as o3d

    assert open3d_device("cpu") == "CPU:0"
    assert open3d_device("cuda:0") == ("CUDA:0" if o3d.core.cuda.is_available() else "CPU:0")


def test_a_mesh_keeps_its_faces_until_its_points_change(run: Callable[..., Processed]) -> None:
    kept = run("ball.ply", [{"op": "normals"}, {"op": "colour"}, {"op": "volume"}])
    assert isinstance(kept.cloud, Cloud)
    assert kept.cloud.triangles is not None
    assert kept.history[-1].faces_after == kept.loaded.triangles > 0
    assert kept.history[-1].facts["watertight"]
    assert run("ball.ply", [{"op": "voxel"}]).cloud.triangles is None
    assert not [shape for shape in kept.shapes if isinstance(shape, Segment)]
