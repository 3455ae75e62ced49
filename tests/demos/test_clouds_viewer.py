"""What the viewer of point clouds is sent: the choice of points, the data file, and the words on the page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demos.point_clouds import payload
from demos.point_clouds.cloud import Cloud
from demos.point_clouds.payload import MOST_POINTS, pack, view_of
from demos.point_clouds.shapes import Box, Plane, Segment
from demos.point_clouds.viewer import viewer_html

CUBE = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
FACE = np.array([[0, 1, 2], [1, 2, 3]], np.int32)


@dataclass(frozen=True)
class Parsed:
    header: dict[str, Any]
    positions: np.ndarray  # (N, 3)
    colours: np.ndarray  # (N, 4)
    triangles: np.ndarray  # (M, 3)


def parsed(data: bytes) -> Parsed:
    """Read a data file as its description says."""
    assert data[:4] == b"LCV1"
    length = int.from_bytes(data[4:8], "little")
    header = json.loads(data[8 : 8 + length])
    start, count, faces = 8 + length, header["points"], header["triangles"]
    assert start % 4 == 0
    assert len(data) == start + 16 * count + 12 * faces
    return Parsed(
        header,
        np.frombuffer(data, "<f4", 3 * count, start).reshape(-1, 3),
        np.frombuffer(data, np.uint8, 4 * count, start + 12 * count).reshape(-1, 4),
        np.frombuffer(data, "<u4", 3 * faces, start + 16 * count).reshape(-1, 3),
    )


def packed(cloud: Cloud, *shapes: Box | Plane | Segment) -> Parsed:
    return parsed(pack(cloud, view_of(cloud), shapes))


def html_of(cloud: Cloud, folder: Path, **options: Any) -> str:
    return viewer_html(cloud, (), folder, "test", **options)


def rows(*arrays: np.ndarray) -> set[tuple[float, ...]]:
    return {tuple(row) for row in np.hstack(arrays).tolist()}


def test_positions_with_the_offset_added_are_the_users_coordinates() -> None:
    origin = np.array([512_000.0, 5_400_000.0, 100.0])
    sent = packed(Cloud(CUBE * 0.25, origin=origin))
    users = sent.positions.astype(np.float64) + sent.header["offset"]
    assert rows(users) == rows(CUBE * 0.25 + origin)


def test_every_point_keeps_its_own_colour() -> None:
    colours = np.arange(24, dtype=np.uint8).reshape(8, 3)
    sent = packed(Cloud(CUBE, colours))
    users = sent.positions.astype(np.float64) + sent.header["offset"]
    assert rows(users, sent.colours[:, :3]) == rows(CUBE, colours)
    assert (sent.colours[:, 3] == 255).all()


def test_a_large_cloud_is_thinned_out_evenly_and_always_alike() -> None:
    points = np.random.default_rng(3).uniform(size=(3 * MOST_POINTS, 3))
    one, two = (packed(Cloud(points)) for _ in range(2))
    assert len(one.positions) == MOST_POINTS
    assert (one.positions == two.positions).all()
    per_octant = np.unique((one.positions > 0) @ [1, 2, 4], return_counts=True)[1]
    assert per_octant == pytest.approx(MOST_POINTS / 8, rel=0.03)
    first = np.unique((one.positions[: MOST_POINTS // 10] > 0) @ [1, 2, 4], return_counts=True)[1]
    assert first == pytest.approx(MOST_POINTS / 80, rel=0.1)  # what is drawn while the cloud moves is even too


def test_extents_are_those_of_all_points_and_the_middle_is_at_zero() -> None:
    sent = packed(Cloud(CUBE * [2, 4, 6] + 10))
    assert sent.header["low"] == [-1, -2, -3]
    assert sent.header["high"] == [1, 2, 3]
    assert sent.header["offset"] == [11, 12, 13]


def test_a_few_points_far_away_do_not_make_the_first_view_useless(tmp_path: Path) -> None:
    near = np.random.default_rng(7).uniform(size=(10_000, 3))
    cloud = Cloud(np.concatenate([near, [[0.5, 0.5, 150.0], [-40.0, 0.5, 160.0]]]))
    sent = packed(cloud)
    low, high = (np.array(sent.header[end]) + sent.header["offset"] for end in ("low", "high"))
    assert (low <= near.min(axis=0)).all()
    assert (high >= near.max(axis=0)).all()
    assert (high - low < 2).all()
    assert len(sent.positions) == len(cloud)
    assert "2 far from the others lie outside the first view" in html_of(cloud, tmp_path)
    assert "outside the first view" not in html_of(Cloud(near), tmp_path)


def test_a_mesh_keeps_its_faces_and_loses_only_points_without_any() -> None:
    sent = packed(Cloud(CUBE, triangles=FACE + 2))
    corners = sent.positions[sent.triangles] + np.array(sent.header["offset"])
    assert (corners == CUBE[FACE + 2]).all()
    assert len(sent.positions) == 4


def test_a_mesh_of_too_many_faces_is_shown_as_points_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload, "MOST_FACES", 1)
    cloud = Cloud(CUBE, triangles=FACE)
    assert not len(packed(cloud).triangles)
    assert "2 faces are too many to draw" in html_of(cloud, tmp_path)


def test_boxes_planes_and_lengths_lie_in_the_frame_of_the_points() -> None:
    turned = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    box = Box(np.array([0.5, 0.5, 1.0]), turned, np.array([1.0, 2, 3]), 0, "cube")
    plane = Plane(np.array([0.0, 0, 1]), 0.0, CUBE[[0, 2, 6, 4]], 1, "table")
    segment = Segment(CUBE[0], CUBE[7], "diagonal")
    first, second, third = packed(Cloud(CUBE), box, plane, segment).header["shapes"]
    assert (first["kind"], first["centre"], first["size"]) == ("box", [0, 0, 0.5], [1, 2, 3])
    assert first["axes"][0] == turned[:, 0].tolist()  # the viewer takes one direction after the other
    assert second["outline"] == (CUBE[[0, 2, 6, 4]] - 0.5).tolist()
    assert (third["start"], third["end"], third["name"]) == ([-0.5] * 3, [0.5] * 3, "diagonal")


def test_a_cloud_without_colours_is_coloured_by_height_along_the_axis_that_is_up() -> None:
    view = view_of(Cloud(CUBE), up="-y")
    lowest = view.colours[view.points[:, 1] > 0]
    highest = view.colours[view.points[:, 1] < 0]
    assert view.by_height
    assert len(np.unique(lowest, axis=0)) == len(np.unique(highest, axis=0)) == 1
    assert lowest.sum(axis=1).max() < highest.sum(axis=1).min()  # darker below


def test_a_single_point_can_be_shown(tmp_path: Path) -> None:
    cloud = Cloud(np.array([[1.0, 2.0, 3.0]]))
    assert packed(cloud).header["offset"] == [1, 2, 3]
    assert "1 point, all shown." in html_of(cloud, tmp_path)


# The words


def test_thinning_out_is_said_with_both_counts(tmp_path: Path) -> None:
    shown = html_of(Cloud(np.random.default_rng(4).uniform(size=(1_000_000, 3))), tmp_path)
    assert "200,000 of 1,000,000 points shown; steps and files use all of them." in shown
    assert (tmp_path / "view-test.bin").stat().st_size < 16 * MOST_POINTS + 1000


def test_unit_extents_and_origin_are_said(tmp_path: Path) -> None:
    shown = html_of(Cloud(CUBE * 250, unit="mm", origin=np.array([512_000.0, 0, 0.5])), tmp_path)
    assert "250.0 × 250.0 × 250.0 mm along x, y and z. In millimetres." in shown
    assert "(512,000, 0, 0.5) is subtracted" in shown
    assert "No unit is known: lengths are plain numbers." in html_of(Cloud(CUBE), tmp_path)


def test_the_colour_bar_runs_over_the_values_that_are_known(tmp_path: Path) -> None:
    values = np.array([np.nan, 1, 2, 3, 4, 5, 6, np.inf], np.float32)
    shown = html_of(Cloud(CUBE, np.zeros((8, 3), np.uint8), values=values), tmp_path, values_name="Distance, m <b>")
    assert "Distance, m &lt;b&gt;" in shown
    assert "<span>1.000</span><span>3.500</span><span>6.000</span>" in shown


def test_a_cloud_with_colours_of_its_own_has_no_colour_bar(tmp_path: Path) -> None:
    assert "cloud-colours" not in html_of(Cloud(CUBE, np.zeros((8, 3), np.uint8)), tmp_path)


def test_names_of_shapes_reach_the_page_only_as_data(tmp_path: Path) -> None:
    box = Box(np.zeros(3), np.eye(3), np.ones(3), 0, "<script>alert(1)</script>")
    assert "alert" not in viewer_html(Cloud(CUBE), [box], tmp_path, "test")
    assert parsed((tmp_path / "view-test.bin").read_bytes()).header["shapes"][0]["name"] == box.name


def test_a_key_that_is_no_plain_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="letters, digits and hyphens"):
        viewer_html(Cloud(CUBE), (), tmp_path, "../key")
