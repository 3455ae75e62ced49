"""Clouds survive a way out and back in every format, as exactly as the format says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from demos.point_clouds.cloud import UNITS, Cloud
from demos.point_clouds.options import Source
from demos.point_clouds.reading import read
from demos.point_clouds.writing import EXPORTS, Export, write
from hub.errors import InvalidInput
from tests.demos.cloud_files import COLOURS, CORNERS, NORMALS, TRIANGLES

ORIGINS = (np.zeros(3), np.array([500_000.0, 4_500_000.0, 0.0]), np.array([-2e6, 0.0, 123.0]))
FLOAT32_STEP = 2.0**-24  # half of it, as a share of a number


@st.composite
def clouds(draw: st.DrawFn) -> Cloud:
    """Clouds and meshes with and without colours and normals, near 0 and far from it."""
    count = draw(st.integers(1, 12))
    numbers = st.floats(-1000, 1000, width=draw(st.sampled_from([32, 64])))
    points = draw(arrays.arrays(np.float64, (count, 3), elements=numbers))
    colours = draw(st.none() | arrays.arrays(np.uint8, (count, 3)))
    normals = None
    if draw(st.booleans()):
        axes = draw(arrays.arrays(np.float64, (count, 3), elements=st.floats(-1, 1)))
        axes[np.linalg.norm(axes, axis=1) < 0.1] = [0, 0, 1]
        normals = (axes / np.linalg.norm(axes, axis=1, keepdims=True)).astype(np.float32)
    corners = arrays.arrays(np.int32, (draw(st.integers(1, 5)), 3), elements=st.integers(0, count - 1))
    triangles = draw(st.none() | corners)
    unit = draw(st.sampled_from(["", *UNITS]))
    return Cloud(points, colours, normals, triangles, unit=unit, origin=draw(st.sampled_from(ORIGINS)))


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cloud=clouds())
def test_points_colours_normals_and_faces_survive(export: Export, cloud: Cloud, tmp_path: Path) -> None:
    path = tmp_path / f"cloud{export.ending}"
    write(cloud, path)
    loaded = read(Source(path, path.name, b""))
    back = loaded.cloud
    places, wanted = back.points + back.origin, cloud.points + cloud.origin
    if export.ending == ".glb":
        assert back.unit == "m"
        metres = UNITS.get(cloud.unit, 1.0)
        step = FLOAT32_STEP * np.abs(cloud.points).max() + 1e-15 * np.abs(wanted).max()
        assert np.abs(places / metres - wanted).max() <= 2 * step + 1e-40
    else:
        assert np.array_equal(places, wanted)
    assert_same(back.colours, cloud.colours)
    if cloud.normals is None:
        assert back.normals is None
    else:
        assert back.normals is not None
        assert np.allclose(back.normals, cloud.normals, atol=1e-6)
    assert_same(back.triangles, cloud.triangles if export.faces else None)


def assert_same(one: np.ndarray | None, other: np.ndarray | None) -> None:
    """Check that both are there and equal, or neither is there."""
    if one is None or other is None:
        assert one is other
    else:
        assert np.array_equal(one, other)


BOX = Cloud(CORNERS, COLOURS, NORMALS, TRIANGLES.astype(np.int32), unit="mm")


@pytest.mark.parametrize("ending", [".ply", ".pcd", ".obj", ".glb"])
def test_open3d_reads_what_is_written(ending: str, tmp_path: Path) -> None:
    import open3d as o3d

    path = tmp_path / f"box{ending}"
    write(BOX, path)
    if ending in (".obj", ".glb"):
        mesh = o3d.t.io.read_triangle_mesh(path)
        assert len(mesh.triangle.indices) == 12
        size = np.ptp(mesh.vertex.positions.numpy(), axis=0)
        assert np.allclose(size, np.array([1, 2, 3]) * (0.001 if ending == ".glb" else 1))
        return
    cloud = o3d.t.io.read_point_cloud(path)
    assert np.array_equal(cloud.point.positions.numpy(), CORNERS)
    assert np.array_equal(cloud.point.colors.numpy(), COLOURS)
    assert np.allclose(cloud.point.normals.numpy(), NORMALS)


def test_open3d_reads_rows_and_pcd_of_survey_coordinates(tmp_path: Path) -> None:
    import open3d as o3d

    survey = Cloud(CORNERS + 0.123, origin=np.array([500_000.0, 4_500_000.0, 0.0]))
    for ending in (".xyz", ".pcd", ".ply"):
        write(survey, tmp_path / f"survey{ending}")
        places = o3d.io.read_point_cloud(str(tmp_path / f"survey{ending}")).points
        assert np.array_equal(np.asarray(places), survey.points + survey.origin)


def test_floats_are_written_where_they_lose_nothing_and_doubles_where_they_would(tmp_path: Path) -> None:
    write(Cloud(CORNERS), tmp_path / "near.ply")
    assert b"property float x" in (tmp_path / "near.ply").read_bytes()
    write(Cloud(CORNERS + 0.1), tmp_path / "fine.ply")
    assert b"property double x" in (tmp_path / "fine.ply").read_bytes()


def test_comments_and_unit_stand_in_the_header_and_keep_to_their_lines(tmp_path: Path) -> None:
    write(BOX, tmp_path / "box.ply", ["lectern {}", "two\nend_header"])
    facts = read(Source(tmp_path / "box.ply", "box.ply", b"")).facts
    assert facts.comments == ("unit mm", "lectern {}", "two end_header")
    assert facts.unit == "mm"


def test_labels_and_values_are_columns_of_the_table(tmp_path: Path) -> None:
    labelled = Cloud(CORNERS, labels=np.arange(8, dtype=np.int32) - 1, values=np.full(8, 0.1, np.float32))
    write(labelled, tmp_path / "box.csv")
    lines = (tmp_path / "box.csv").read_text().splitlines()
    assert lines[:2] == ["x,y,z,label,value", "0.0,0.0,0.0,-1,0.1"]
    write(labelled, tmp_path / "box.ply")
    assert read(Source(tmp_path / "box.ply", "box.ply", b"")).facts.dropped == ("label",)


def test_an_unknown_ending_and_an_empty_cloud_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"not written as \.stl"):
        write(BOX, tmp_path / "box.stl")
    with pytest.raises(InvalidInput, match="no points to write"):
        write(Cloud(np.empty((0, 3))), tmp_path / "none.ply")
