"""Files that are damaged, lie or kill their reader: each is refused in words, and nothing else is harmed."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest

from demos.point_clouds.parsers.__main__ import ABORT
from demos.point_clouds.reading import CloudLimits, read
from demos.point_clouds.worker import ROOT, ReadLimits, Worker
from hub.errors import InvalidInput
from tests.demos import cloud_files as files
from tests.demos.cloud_files import source

GB = 10**9
LAUGHS = "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;'>]>"


def patched(content: bytes, place: int, kind: str, value: int) -> bytes:
    """Return the bytes with one number replaced."""
    return content[:place] + struct.pack(kind, value) + content[place + struct.calcsize(kind) :]


def zipped(content: bytes) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("box.x3d", content)
    return stream.getvalue()


def lying_gltf(**changes: object) -> bytes:
    """Return a GLB whose first accessor says something untrue."""
    document, numbers = files.gltf()
    document["accessors"][0].update(changes)
    return files.glb(document, numbers)


CORNERS_3DS = files.TRIANGLES[0].astype("<u2").tobytes()
FLOATS = ("float x", "float y", "float z")
BOMB = b"<!-- " + bytes(10_000_000) + b" -->"
BAD = {
    "empty.ply": (b"", "The file is empty"),
    "text.ply": (b"Dear Sir,\nplease find enclosed nothing.\n", "named .ply, but it holds other text"),
    "letter.txt": (b"Dear Sir,\nplease find enclosed nothing.\n", "named .txt, but it holds other text"),
    "noise.obj": (bytes(range(256)) * 4, "named .obj, but it holds bytes"),
    "unknown.bin": (bytes(range(256)) * 4, "is no 3D file"),
    "picture.ply": (b"\x89PNG\r\n\x1a\n" + bytes(50), "This is a picture"),
    "scene.fbx": (b"Kaydara FBX Binary  \0" + bytes(50), "This is an FBX file"),
    "claim.ply": (
        files.ply_header("binary_little_endian", *FLOATS, count=250_000_000) + bytes(900),
        "250,000,000 points but holds 75",
    ),
    "claim-text.ply": (files.ply_header("ascii", *FLOATS, count=250_000_000) + b"0 0 0\n" * 100, "250,000,000 points"),
    "claim-faces.ply": (files.ply(faces=True).replace(b"face 6", b"face 600000000"), "600,000,000 faces"),
    "cut.ply": (files.ply()[:-5], "8 points but holds 7"),
    "cut-text.ply": (files.ply_text(faces=False).rsplit(b"\n", 3)[0], "8 points but holds"),
    "cut-faces.ply": (files.ply_text()[:-12], "6 faces but holds 5"),
    "cut-header.ply": (files.ply()[:40], "its header does not end"),
    "no-points.ply": (files.ply_header("ascii", *FLOATS, count=0), "holds no points"),
    "no-place.ply": (files.ply_header("ascii", "float u", count=1) + b"1\n", "names no vertices with x, y and z"),
    "minus.ply": (files.ply().replace(b"vertex 8", b"vertex -8"), "cannot be understood"),
    "twice.ply": (files.ply().replace(b"float y", b"float x"), "cannot be understood at “property float x”"),
    "twice.pcd": (files.pcd().replace(b"x y z", b"x x z"), "cannot be understood"),
    "words.ply": (files.ply_text().replace(b"1.0 2.0", b"one two"), "cannot be read"),
    "outside.ply": (files.ply_text().replace(b"4 0 1 3 2", b"4 0 1 3 9"), "names point 9"),
    "all-nan.xyz": (b"nan nan nan\n" * 5, "None of the file's 5 points has a usable place"),
    "absurd.xyz": (b"1e300 0 0\n", "has a usable place"),
    "two.xyz": (b"1 2\n3 4\n5 6\n", "named .xyz, but it holds other text"),
    "ragged.xyz": (b"1 2 3\n" * 50 + b"1 2 3 4\n", "one has 3 numbers, another 4"),
    "words.csv": (b"x,y,z\n1,2,3\n1,b,3\n", "“b” is no number"),
    "claim.pts": (b"250000000\n" + b"1 2 3\n" * 9, "250,000,000 points but holds 9"),
    "molecule.xyz": (b"2\nwater\nH 0 0 0\nO 0 0 1\n", "The rows are no numbers: “H 0 0 0”"),
    "claim.pcd": (files.pcd().replace(b"POINTS 8", b"POINTS 90000000"), "90,000,000 points but holds 8"),
    "cut.pcd": (files.pcd("ascii").rsplit(b"\n", 3)[0], "8 points but holds"),
    "cut-header.pcd": (files.pcd()[:99], "its header does not end"),
    "odd.pcd": (files.pcd().replace(b"SIZE 4 4", b"SIZE 4 5"), "cannot be understood"),
    "bomb.pcd": (
        files.pcd().partition(b"DATA")[0].replace(b"POINTS 8", b"POINTS 90000000")
        + b"DATA binary_compressed\n"
        + struct.pack("<II", 40, 90_000_000 * 28)
        + bytes(40),
        "90,000,000 points",
    ),
    "cut-compressed.pcd": (files.open3d_pcd()[:-20], "8 points"),
    "cut.las": (files.las(".las")[:-30], "8 points but holds"),
    "cut.laz": (files.las(".laz")[:-30], "damaged or cut off"),
    "claim.las": (patched(files.las(".las"), 107, "<I", 190_000_000), "190,000,000 points but holds 8"),
    "bomb.laz": (patched(files.las(".laz"), 107, "<I", 4_000_000_000), "The file has 4,000,000,000 points"),
    "records.las": (patched(files.las(".las"), 100, "<I", 4_000_000_000), "header is wrong"),
    "empty.obj": (b"# nothing\no box\n", "holds no points"),
    "words.obj": (b"v 1 2 three\nv 0 0 0\nf 1 2 2\n", "“three” is no number"),
    "outside.obj": (files.obj() + b"\nf 1 2 99\n", "names point 98"),
    "zero.obj": (files.obj() + b"\nf 0 1 2\n", "names point -1"),
    "flat.obj": (b"v 1 2\nv 3 4\n", "fewer than three numbers"),
    "cut.stl": (files.stl()[:-7], "12 faces but holds 11"),
    "claim.stl": (patched(files.stl(), 80, "<I", 60_000_000), "60,000,000 faces but holds 12"),
    "cut-text.stl": (files.stl(text=True)[:-90], "it is cut off"),
    "hollow.stl": (b"solid nothing\nendsolid nothing\n", "holds no faces"),
    "claim.off": (files.off().replace(b"8 6 0", b"250000000 6 0"), "250,000,000 points"),
    "short.off": (files.off().rsplit(b"\n", 1)[0], "6 faces but holds 5"),
    "outside.off": (files.off().replace(b"4 0 1 3 2", b"4 0 1 3 8"), "names point 8"),
    "odd.off": (b"OFF\nmany few\n", "does not say how many"),
    "four.off": (b"4OFF\n1 0 0\n1 2 3 4\n", "more than three dimensions"),
    "cut.glb": (files.glb(*files.gltf())[:-9], "cut off"),
    "claim.glb": (lying_gltf(count=250_000_000), "reaches beyond its data"),
    "minus.glb": (lying_gltf(count=-1), "reaches beyond its data"),
    "outside.glb": (files.glb(*files.gltf(indices=[0, 1, 8])), "names point 8"),
    "sparse.glb": (lying_gltf(sparse={}), "stores points sparsely"),
    "elsewhere.gltf": (b'{"asset": {"version": "2.0"}, "buffers": [{"uri": "box.bin"}]}', "in another file, “box.bin”"),
    "old.gltf": (b'{"asset": {"version": "1.0"}}', "glTF of version 1.0"),
    "broken.gltf": (b'{"asset": {"version": "2.0"', "JSON of the glTF file cannot be read"),
    "bare.gltf": (b'{"asset": {"version": "2.0"}}', "holds no points"),
    "wrong.glb": (lying_gltf(componentType="many"), "breaks its format's rules"),
    "cut.3ds": (files.three_ds()[:-40], "named .3ds, but it holds bytes"),
    "bare.x3d": (b"<?xml version='1.0'?><X3D><Scene/></X3D>", "no points"),
    "outside.x3d": (files.x3d().replace(b"'0 1 3 2", b"'0 1 99 2"), "names point 99"),
    "minus.x3d": (files.x3d().replace(b"'0 1 3 2", b"'0 1 -17 2"), "names point -17"),
    "words.x3d": (files.x3d().replace(b"3.0'", b"three'"), "cannot be read"),
    "halves.x3d": (files.x3d().replace(b"3.0'", b"'"), "no whole points"),
    "open.x3d": (files.x3d()[:-20], "cannot be read"),
    "outside.dae": (files.dae().replace(b"<p>0 1", b"<p>0 99"), "Invalid data index"),
    "minus.dae": (files.dae().replace(b"<p>0 1", b"<p>0 -9"), "names point -9"),
    "outside.3ds": (files.three_ds().replace(CORNERS_3DS, b"\0\0\1\0\x60\xea"), "names point 60,000"),
    "laughs.x3d": (files.x3d(before=LAUGHS), "defines entities"),
    "laughs.dae": (files.dae(before=LAUGHS), "defines entities"),
    "cut.dae": (files.dae()[:-300], "cannot be read"),
    "bare.dae": (b"<?xml version='1.0'?><COLLADA version='1.4.1'></COLLADA>", "cannot be read"),
    "page.x3d": (b"<html><body>Not found</body></html>", "named .x3d, but it holds other text"),
    "bomb.x3dz": (gzip.compress(BOMB), "packed (gzip)"),
    "bomb.zae": (zipped(BOMB), "packed (ZIP)"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_words(name: str, tmp_path: Path) -> None:
    content, expected = BAD[name]
    with pytest.raises(InvalidInput) as refused:
        read(source(tmp_path, name, content))
    assert expected in refused.value.cause
    assert refused.value.action.endswith(".")


def test_files_with_random_damage_are_read_or_refused_and_nothing_else() -> None:
    generator = np.random.default_rng(2)
    worker = Worker()
    with tempfile.TemporaryDirectory() as folder:
        for sample in files.SAMPLES * 4:
            content = np.frombuffer(sample.make(), np.uint8).copy()
            places = generator.integers(0, len(content), generator.integers(1, 20))
            content[places] = generator.integers(0, 256, len(places))
            cut = content[: generator.integers(1, 2 * len(content))].tobytes()  # half of them stay whole
            try:
                assert len(read(source(Path(folder), sample.name, cut), worker=worker).cloud) > 0
            except InvalidInput as refusal:
                assert refusal.cause.endswith(".")  # noqa: PT017
    worker.close()


def test_a_crash_of_the_reader_is_a_refusal_and_the_next_file_is_read(tmp_path: Path) -> None:
    worker = Worker()
    sent = source(tmp_path, "plain.xyz", files.rows())
    with pytest.raises(InvalidInput, match="makes its reader crash"):
        worker.parse(sent.path, sent.name, ABORT, 100)
    assert worker.pid is None
    assert len(read(sent, worker=worker).cloud) == 8
    worker.close()


@pytest.mark.parametrize("name", ["deep.dae", "deep.x3d"])
def test_a_file_that_kills_its_native_reader_does_no_harm(name: str, tmp_path: Path) -> None:
    """Assimp's readers of XML call themselves for every level, and overflow the stack."""
    levels = 300_000
    if name.endswith(".dae"):
        start, tag, end = (
            b"<COLLADA><library_visual_scenes><visual_scene id='s'>",
            b"node",
            b"</visual_scene></library_visual_scenes></COLLADA>",
        )
    else:
        start, tag, end = b"<X3D><Scene>", b"Transform", b"</Scene></X3D>"
    deep = start + b"<%b>" % tag * levels + b"</%b>" % tag * levels + end
    worker = Worker()
    with pytest.raises(InvalidInput, match="makes its reader crash"):
        read(source(tmp_path, name, deep), worker=worker)
    assert len(read(source(tmp_path, "plain.xyz", files.rows()), worker=worker).cloud) == 8
    worker.close()


def test_a_file_that_needs_too_much_memory_is_refused_and_the_reader_lives_on(tmp_path: Path) -> None:
    sent = source(tmp_path, "huge.ply", files.ply_header("binary_little_endian", *FLOATS, count=40_000_000))
    os.truncate(sent.path, sent.path.stat().st_size + 40_000_000 * 12)  # a hole: it takes no room on the disk
    worker = Worker()
    limits = CloudLimits(points=50_000_000, process=ReadLimits(megabytes=1200))
    with pytest.raises(InvalidInput, match=r"needs more than 1\.2 GB of memory"):
        read(sent, limits=limits, worker=worker)
    pid = worker.pid
    assert len(read(source(tmp_path, "plain.xyz", files.rows()), worker=worker).cloud) == 8
    assert worker.pid == pid is not None
    worker.close()


def test_a_file_that_takes_too_long_is_refused_and_its_reader_ended(tmp_path: Path) -> None:
    worker = Worker()
    sent = source(tmp_path, "plain.xyz", files.rows())
    with pytest.raises(InvalidInput, match=r"took longer than 0\.01 s"):  # its process alone starts more slowly
        read(sent, limits=CloudLimits(process=ReadLimits(seconds=0.01)), worker=worker)
    assert worker.pid is None
    assert len(read(sent, worker=worker).cloud) == 8
    worker.close()


def test_one_process_serves_all_files_and_threads(tmp_path: Path) -> None:
    worker = Worker()
    sent = [source(tmp_path, f"{count}.xyz", b"1 2 3\n" * count) for count in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        clouds = list(pool.map(lambda one: (read(one, worker=worker).cloud, worker.pid), sent))
    assert [len(cloud) for cloud, _ in clouds] == list(range(1, 9))
    assert len({pid for _, pid in clouds}) == 1
    worker.close()


def test_the_arrays_are_mapped_and_may_be_changed_and_no_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    worker = Worker()
    cloud = read(source(tmp_path, "little.ply", files.ply()), worker=worker).cloud
    assert not any(scratch.iterdir())
    assert not cloud.points.flags.owndata
    cloud.points[0] = 5.0
    assert np.array_equal(cloud.points[0], [5.0, 5.0, 5.0])
    worker.close()


def test_the_reader_ends_with_its_parent(tmp_path: Path) -> None:
    sent = source(tmp_path, "plain.xyz", files.rows())
    program = (
        "import os, pathlib, sys\n"
        "from demos.point_clouds.worker import Worker\n"
        "worker = Worker()\n"
        "worker.parse(pathlib.Path(sys.argv[1]), 'plain.xyz', 'xyz', 100)\n"
        "print(worker.pid, flush=True)\n"
        "os._exit(1)  # as if it were killed: nothing is tidied up\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", program, str(sent.path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    pid = int(parent.stdout)
    if psutil.pid_exists(pid):
        psutil.Process(pid).wait(timeout=60)
    assert not psutil.pid_exists(pid)
