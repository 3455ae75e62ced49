"""3D files of every kind become the same box, and the code that is shown reads the same."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from demos.point_clouds.formats import FORMATS
from demos.point_clouds.options import ReadOptions, Source
from demos.point_clouds.reading import CloudLimits, Loaded, read
from demos.point_clouds.worker import Worker
from hub.errors import Cancelled, InvalidInput
from tests.demos import cloud_files as files
from tests.demos.cloud_files import COLOURS, CORNERS, NORMALS, SAMPLES, Sample, source

SURVEY = np.array([500_000.0, 4_500_000.0, 100.0])  # where a survey's coordinates may lie, metres
NAMES = [sample.name for sample in SAMPLES]


def ordered(points: np.ndarray) -> np.ndarray:
    """Return the different points in a fixed order."""
    return np.unique(np.round(points, 5), axis=0)


def run_code(loaded: Loaded, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Run the code that is shown with the file, next to the file."""
    import open3d as o3d

    monkeypatch.chdir(folder)
    names: dict = {"np": np, "o3d": o3d}
    exec("\n".join(loaded.code), names)
    return names


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_every_kind_of_file_gives_the_box_with_all_it_holds(sample: Sample, tmp_path: Path) -> None:
    loaded = read(source(tmp_path, sample.name, sample.make()))
    cloud, facts = loaded.cloud, loaded.facts
    if sample.same_order and not sample.name.endswith(".stl"):
        assert np.allclose(cloud.points, CORNERS, atol=1e-6)
    assert np.allclose(ordered(cloud.points), CORNERS, atol=1e-5)
    assert (facts.faces, facts.colours or ".gl" in sample.name) == (
        sample.faces,
        sample.colours or ".gl" in sample.name,
    )
    assert facts.points == len(cloud) > 0
    assert np.allclose(facts.extent, [1, 2, 3], atol=1e-6)
    if sample.colours:
        assert cloud.colours is not None
        assert (cloud.colours == COLOURS).all()
    if sample.normals:
        assert cloud.normals is not None
        assert np.allclose(cloud.normals, NORMALS, atol=1e-6)
    if sample.faces:
        assert cloud.triangles is not None
        a, b, c = (cloud.points[cloud.triangles[:, corner]] for corner in range(3))
        assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6 == pytest.approx(6.0)  # the volume, faces outwards


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_the_code_reads_the_same_points_in_the_same_order(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = read(source(tmp_path, sample.name, sample.make()))
    made = run_code(loaded, tmp_path, monkeypatch)
    geometry = made["mesh"].vertex if sample.faces else made["cloud"].point
    assert np.array_equal(geometry.positions.numpy(), loaded.cloud.points)
    if loaded.cloud.colours is not None:
        assert np.array_equal(np.rint(geometry.colors.numpy() * 255), loaded.cloud.colours)
    if loaded.cloud.normals is not None:
        assert np.allclose(geometry.normals.numpy(), loaded.cloud.normals, atol=1e-7)
    if loaded.cloud.triangles is not None:
        assert np.array_equal(made["mesh"].triangle.indices.numpy(), loaded.cloud.triangles)


def test_there_is_a_sample_of_every_format() -> None:
    endings = {Path(sample.name).suffix for sample in SAMPLES}
    assert all(endings & set(form.endings) for form in FORMATS)


def test_colours_of_glb_are_linear_and_become_srgb(tmp_path: Path) -> None:
    cloud = read(source(tmp_path, "box.glb", files.glb(*files.gltf()))).cloud
    assert cloud.colours is not None
    assert (cloud.colours == [255, 0, 255]).all()
    document, numbers = files.gltf(mode=0)
    document["accessors"][2]["normalized"] = False
    half = np.full((8, 4), 0.5, dtype="<f4").tobytes()
    document["bufferViews"][2] = {"buffer": 0, "byteOffset": len(numbers), "byteLength": len(half)}
    document["accessors"][2]["componentType"] = 5126
    grey = read(source(tmp_path, "grey.glb", files.glb(document, numbers + half))).cloud.colours
    assert grey is not None
    assert (grey == 188).all()  # half the light


@pytest.mark.parametrize(
    ("kind", "code", "white", "grey"),
    [
        ("uchar", "u1", 255, 128),
        ("ushort", "<u2", 65535, 128 * 257),
        ("float", "<f4", 1.0, 128 / 255),
        ("int", "<i4", 255, 128),
    ],
)
def test_colours_of_8_and_16_bits_and_fractions_are_told_apart(
    kind: str, code: str, white: float, grey: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*(f"float {axis}" for axis in "xyz"), *(f"{kind} {name}" for name in ("red", "green", "blue"))]
    rows = np.zeros(2, dtype=[("place", "<f4", 3), ("colour", code, 3)])
    rows["colour"] = [[white, grey, 0], [0, 0, white]]
    header = files.ply_header("binary_little_endian", *names, count=2)
    loaded = read(source(tmp_path, "two.ply", header + rows.tobytes()))
    assert loaded.cloud.colours is not None
    assert loaded.cloud.colours.tolist() == [[255, 128, 0], [0, 0, 255]]
    made = run_code(loaded, tmp_path, monkeypatch)
    assert np.array_equal(np.rint(made["cloud"].point.colors.numpy() * 255), loaded.cloud.colours)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("moved.glb", files.glb(*files.gltf(node={"translation": [5, 6, 7], "scale": [2, 2, 2]}))),
        ("matrix.glb", files.glb(*files.gltf(node={"matrix": [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 5, 6, 7, 1]}))),
        ("moved.x3d", files.x3d(transform="translation='5 6 7' scale='2 2 2'")),
        ("points.x3d", files.x3d(points=True, transform="translation='5 6 7' scale='2 2 2'")),
        ("moved.dae", files.dae(metres="2", translate="2.5 3 3.5")),
        ("z-up.dae", files.dae(metres="2", translate="2.5 3 3.5", up="Z_UP")),
    ],
)
def test_what_nodes_do_to_their_meshes_is_done(name: str, content: bytes, tmp_path: Path) -> None:
    cloud = read(source(tmp_path, name, content)).cloud
    assert np.allclose(ordered(cloud.points + cloud.origin), CORNERS * 2 + [5, 6, 7], atol=1e-5)
    assert cloud.unit == "m"


def test_a_strip_and_a_fan_give_triangles_that_face_one_way(tmp_path: Path) -> None:
    strip, fan = (
        read(source(tmp_path, f"{mode}.glb", files.glb(*files.gltf(mode=mode, indices=indices)))).cloud
        for mode, indices in ((5, [0, 1, 2, 3]), (6, [0, 1, 3, 2]))
    )
    for cloud in (strip, fan):
        assert cloud.triangles is not None
        a, b, c = (cloud.points[cloud.triangles[:, corner]] for corner in range(3))
        normals = np.cross(b - a, c - a)
        assert len(normals) == 2
        assert (normals[0] * normals[1]).sum() > 0


def test_coordinates_far_from_0_are_shifted_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = SURVEY + np.random.default_rng(1).random((50, 3)) * 80
    loaded = read(source(tmp_path, "survey.xyz", "\n".join(" ".join(map(repr, p)) for p in places.tolist()).encode()))
    assert np.abs(loaded.cloud.points).max() < 200
    assert np.array_equal(loaded.cloud.points + loaded.cloud.origin, places)
    assert any("far from 0" in note for note in loaded.notes)
    made = run_code(loaded, tmp_path, monkeypatch)
    assert np.array_equal(made["cloud"].point.positions.numpy(), loaded.cloud.points)
    assert np.array_equal(made["origin"], loaded.cloud.origin)


def test_points_without_a_usable_place_are_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = files.rows(" ", COLOURS) + b"nan 0 0 1 2 3\n0 inf 0 1 2 3\n0 0 1e300 1 2 3\n"
    loaded = read(source(tmp_path, "holes.xyz", lines))
    assert np.array_equal(loaded.cloud.points, CORNERS)
    assert any(note.startswith("3 of 11 points were left out") for note in loaded.notes)
    made = run_code(loaded, tmp_path, monkeypatch)
    assert np.array_equal(made["cloud"].point.positions.numpy(), CORNERS)


def test_faces_at_points_that_are_left_out_go_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = read(source(tmp_path, "holes.off", files.off().replace(b"0.0 0.0 0.0", b"nan 0.0 0.0")))
    assert len(loaded.cloud) == 7
    assert loaded.cloud.triangles is not None
    assert 0 < len(loaded.cloud.triangles) < 12
    mesh = run_code(loaded, tmp_path, monkeypatch)["mesh"]
    assert np.array_equal(mesh.triangle.indices.numpy(), loaded.cloud.triangles)


THINNED = ("little.ply", "points.ply", "text.pcd", "binary.pcd", "compressed.pcd", "plain.xyz", "scan.pts",
           "survey.las", "survey.laz", "points.obj", "points.glb", "points.x3d")  # fmt: skip


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.name in THINNED], ids=lambda s: s.name)
def test_too_many_points_are_thinned_out_evenly_and_it_is_said(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = read(source(tmp_path, sample.name, sample.make()), limits=CloudLimits(points=3))
    assert np.allclose(loaded.cloud.points, CORNERS[::3], atol=1e-6)
    assert any("8 points: one in 3 was kept" in note for note in loaded.notes)
    made = run_code(loaded, tmp_path, monkeypatch)
    assert np.array_equal(made["cloud"].point.positions.numpy(), loaded.cloud.points)


@pytest.mark.parametrize("name", ["squares.ply", "text.ply", "box.obj", "binary.stl", "box.off", "box.glb", "box.dae"])
def test_a_mesh_of_too_many_vertices_is_refused(name: str, tmp_path: Path) -> None:
    sample = next(sample for sample in SAMPLES if sample.name == name)
    with pytest.raises(InvalidInput, match="at most 3 are taken"):
        read(source(tmp_path, name, sample.make()), limits=CloudLimits(points=3))


def test_a_file_that_is_too_large_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="Send at most 1 MB"):
        read(source(tmp_path, "large.xyz", b"0 0 0\n" * 200_000), limits=CloudLimits(megabytes=1))


def test_the_unit_is_the_files_unless_the_user_says_another(tmp_path: Path) -> None:
    sent = source(tmp_path, "box.obj", files.obj())
    assert read(sent).cloud.unit == "mm"
    loaded = read(sent, ReadOptions(unit="cm"))
    assert (loaded.cloud.unit, loaded.facts.unit) == ("cm", "mm")
    assert any("they are taken as cm" in note for note in loaded.notes)


@pytest.mark.parametrize("method", ["uniform", "Poisson disk"])
def test_a_mesh_can_be_sampled_and_the_code_samples_the_same(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = read(source(tmp_path, "box.obj", files.obj()), ReadOptions(sampling=method, samples=300))
    assert len(loaded.cloud) == 300
    assert loaded.cloud.triangles is None
    on_a_side = np.isclose(loaded.cloud.points, 0) | np.isclose(loaded.cloud.points, [1, 2, 3])
    assert on_a_side.any(axis=1).all()
    made = run_code(loaded, tmp_path, monkeypatch)
    assert np.allclose(made["cloud"].point.positions.numpy(), loaded.cloud.points, atol=1e-12)


def test_a_cloud_cannot_be_sampled_and_that_is_said(tmp_path: Path) -> None:
    loaded = read(source(tmp_path, "plain.xyz", files.rows()), ReadOptions(sampling="uniform"))
    assert len(loaded.cloud) == 8
    assert any("no faces to sample" in note for note in loaded.notes)


def test_comments_and_what_is_not_kept_are_in_the_facts(tmp_path: Path) -> None:
    header = files.ply_header(
        "ascii", "float x", "float y", "float z", "float quality", count=1, extra=("comment seed 7",)
    )
    facts = read(source(tmp_path, "one.ply", header + b"1 2 3 4\n")).facts
    assert facts.comments == ("seed 7",)
    assert facts.dropped == ("quality",)
    assert facts.encoding == "ascii"


def test_reading_stops_when_nobody_wants_the_result(tmp_path: Path) -> None:
    def cancelled() -> None:
        raise Cancelled

    names = [f"float {axis}" for axis in "xyz"]
    header = files.ply_header("binary_little_endian", *names, faces=600_000)
    mixed = struct.pack("<B3iB4i", 3, 0, 1, 2, 4, 0, 1, 2, 3) * 300_000  # such faces are read one by one: it takes long
    worker = Worker()
    with pytest.raises(Cancelled):
        read(source(tmp_path, "mixed.ply", header + bytes(96) + mixed), check=cancelled, worker=worker)
    assert worker.pid is None
    assert len(read(source(tmp_path, "plain.xyz", files.rows()), worker=worker).cloud) == 8
    worker.close()


MODELS = Path("/usr/share/assimp/models")


@pytest.mark.skipif(not MODELS.is_dir(), reason="Debian's assimp-testmodels is not installed")
def test_every_file_that_assimp_is_tested_with_is_read_or_refused_and_the_reader_lives_on(tmp_path: Path) -> None:
    endings = {ending for form in FORMATS for ending in form.endings}
    found = [path for path in sorted(MODELS.rglob("*")) if path.is_file()]
    found = [path for path in found if path.suffix.lower() in endings or "invalid" in path.parts]
    outcomes = [outcome(path, tmp_path) for path in found]
    clouds = [loaded for loaded in outcomes if isinstance(loaded, Loaded)]
    assert len(clouds) > 70
    assert all(len(loaded.cloud) and np.isfinite(loaded.cloud.points).all() for loaded in clouds)
    refusals = [refusal for refusal in outcomes if isinstance(refusal, InvalidInput)]
    assert all(refusal.cause and refusal.action for refusal in refusals)
    assert not [refusal for refusal in refusals if "crash" in refusal.cause]


def outcome(path: Path, folder: Path) -> Loaded | InvalidInput:
    """Read a file, or return why it was refused."""
    copy = folder / path.name
    copy.symlink_to(path)
    try:
        return read(Source(copy, path.name, b""))
    except InvalidInput as refusal:
        return refusal
    finally:
        copy.unlink()
