"""`/point_cloud` over HTTP: what a client sends, what it gets, and the files it downloads."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from demos.point_clouds import DEMO, EXAMPLES, PICTURE_EXAMPLES
from demos.point_clouds.scenes import new_scan
from tests.demos.example_clouds import EXAMPLES as FOLDER
from tests.demos.example_clouds import SCAN_SEED

ROOT = Path(__file__).resolve().parents[2]
FILES = ("file", "other", "picture", "depth")
SCAN, THINGS, VASE, PAIR = (
    EXAMPLES[name] for name in ("Scan of a table", "Things on a table", "Vase, a mesh in millimetres", "Depth camera")
)


def ask(client: Client, example: dict[str, Any], **changes: Any) -> dict[str, Any]:
    inputs = {**example, **changes}
    for name in FILES:
        if isinstance(inputs.get(name), str | Path):
            inputs[name] = handle_file(str(ROOT / inputs[name]))
    answer: dict[str, Any] = client.predict(**inputs, api_name="/point_cloud")
    return answer


@pytest.fixture(scope="module")
def things(client: Client) -> dict[str, Any]:
    return ask(client, THINGS, save_as="csv")


def test_a_file_without_steps_is_counted_and_comes_back_as_it_was(client: Client) -> None:
    answer = ask(client, SCAN)
    true = new_scan(SCAN_SEED)
    assert answer["cloud"]["points"] == answer["cloud"]["points_loaded"] == len(true.points)
    assert answer["cloud"]["unit"] == "m"
    np.testing.assert_allclose(answer["cloud"]["extent"]["size"], np.ptp(true.points, axis=0), rtol=1e-6)
    header = Path(answer["files"]["cloud_ply"]).read_bytes().partition(b"end_header")[0].decode()
    assert f"element vertex {len(true.points)}" in header
    assert answer["run"]["id"] in header


def test_the_things_on_a_table_are_found_and_compared_with_the_truth(things: dict[str, Any]) -> None:
    planes, clusters = things["steps"]
    assert (planes["op"], clusters["op"]) == ("planes", "clusters")
    assert things["truth"]["plane"]["distance_mm"] < 1
    assert things["truth"]["plane"]["angle_deg"] < 0.5
    assert [solid["cluster"] >= 0 for solid in things["truth"]["solids"]] == [True] * 3
    assert {shape["kind"] for shape in things["shapes"]} == {"plane", "box"}


def test_the_client_downloads_the_files_of_an_answer_and_they_agree(things: dict[str, Any]) -> None:
    files = {name: Path(path) for name, path in things["files"].items()}
    assert set(files) == {"cloud_ply", "cloud_csv", "measurements_csv", "steps_json", "script_py"}
    with files["measurements_csv"].open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert {row["unit of lengths"] for row in rows} == {"m"}
    assert {row["operation"] for row in rows} == {"planes", "clusters"}
    steps = json.loads(files["steps_json"].read_text(encoding="utf-8"))
    assert [step["op"] for step in steps] == ["planes", "clusters"]
    assert files["script_py"].read_text(encoding="utf-8") == things["code"]
    with files["cloud_csv"].open(encoding="utf-8") as opened:
        assert sum(1 for _ in opened) >= things["cloud"]["points"]


def test_steps_that_were_saved_are_applied_to_another_file(client: Client, things: dict[str, Any]) -> None:
    saved = Path(things["files"]["steps_json"]).read_text(encoding="utf-8")
    answer = ask(client, SCAN, file=FOLDER / "view-1.ply", steps=saved)
    assert [step["op"] for step in answer["steps"]] == ["planes", "clusters"]
    assert answer["cloud"]["points_loaded"] != things["cloud"]["points_loaded"]
    assert answer["truth"] is None


def test_steps_may_be_a_list_instead_of_text(client: Client) -> None:
    answer = ask(client, SCAN, steps=[{"op": "voxel", "size": 0.01}])
    assert answer["cloud"]["points"] < answer["cloud"]["points_loaded"] / 5
    assert answer["steps"][0]["points_after"] == answer["cloud"]["points"]


def test_a_mesh_is_measured_in_the_unit_that_was_asked_for(client: Client) -> None:
    answer = ask(client, VASE)
    assert answer["cloud"]["unit"] == "mm"
    assert answer["cloud"]["triangles"] == 11376
    np.testing.assert_allclose(answer["cloud"]["extent"]["size"], [100, 161, 100], atol=0.1)
    (volume,) = [step["found"]["volume"] for step in answer["steps"] if step["op"] == "volume"]
    assert volume == pytest.approx(158140, rel=1e-3)
    glb = ask(client, VASE, steps="", save_as="glb")
    assert Path(glb["files"]["cloud_glb"]).read_bytes().startswith(b"glTF")


def test_the_script_of_an_answer_makes_its_cloud_without_lectern(
    client: Client, tmp_path: Path, things: dict[str, Any]
) -> None:
    (tmp_path / "table-scan.ply").write_bytes((FOLDER / "table-scan.ply").read_bytes())
    (tmp_path / "code.py").write_text(things["code"], encoding="utf-8")
    done = subprocess.run([sys.executable, "code.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_depth_cameras_pair_becomes_a_cloud_in_metres(client: Client) -> None:
    answer = ask(client, PAIR)
    assert answer["cloud"]["unit"] == "m"
    assert 0.2 < answer["cloud"]["extent"]["size"][0] < 2
    assert answer["cloud"]["points"] > 50_000


def test_a_picture_needs_a_depth_model_and_gets_its_cloud_from_one(client: Client) -> None:
    path, degrees = PICTURE_EXAMPLES["Tabletop scene"]
    with pytest.raises(AppError, match="Single picture"):
        ask(client, {}, picture=path)
    answer = ask(client, {}, picture=path, field_of_view_deg=degrees, model="depth-anything-tabletop")
    assert answer["cloud"]["points"] > 10_000
    assert answer["run"]["source"] == "depth-anything-tabletop"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file": None}, "nothing to make a cloud of"),
        ({"steps": '[{"op": "melt"}]'}, "Operations are: "),
        ({"steps": '[{"op": "voxel", "size": "fine"}]'}, r"Step 1 \(voxel\)"),
        ({"steps": "[" * 100_000}, "Use at most"),
        ({"steps": '[{"op": "register"}]'}, "second cloud"),
        ({"steps": '[{"op": "volume"}]'}, "Step 1"),
        ({"steps": '[{"op": "crop", "z_min": 50}]'}, "keeps no point"),
        ({"unit": "furlong"}, "Choose as the file says or m"),
        ({"save_as": "dwg"}, "Choose ply or pcd"),
        ({"picture": FOLDER / "depth-pair-colours.png"}, "Send one of the two"),
    ],
)
def test_what_cannot_be_done_gets_a_message_that_says_what_to_do(
    client: Client, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(AppError, match=message) as refused:
        ask(client, SCAN, **change)
    assert "Traceback" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.ply", b""),
        ("notes.ply", b"these are notes, and no cloud\n"),
        ("cut.ply", (FOLDER / "table-scan.ply").read_bytes()[:5000]),
        (
            "huge.ply",
            b"ply\nformat binary_little_endian 1.0\nelement vertex 3000000000\nproperty float x\n"
            b"property float y\nproperty float z\nend_header\n" + bytes(900),
        ),
        ("no points.obj", b"# nothing\no empty\n"),
        ("outside.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n"),
    ],
)
def test_a_bad_file_gets_a_message_and_the_next_one_is_read(
    client: Client, tmp_path: Path, name: str, content: bytes
) -> None:
    bad = tmp_path / name
    bad.write_bytes(content)
    with pytest.raises(AppError) as refused:
        ask(client, SCAN, file=bad)
    assert "Traceback" not in str(refused.value)
    assert "bug" not in str(refused.value).lower()
    assert ask(client, SCAN, file=FOLDER / "view-1.ply")["cloud"]["points"] == 34158


def test_the_endpoint_lists_every_option(client: Client) -> None:
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/point_cloud"]
    names = [parameter["parameter_name"] for parameter in described["parameters"]]
    assert names[:5] == ["file", "other", "picture", "depth", "steps"]
    assert {"unit", "sampling", "depth_scale", "save_as", "model"} <= set(names)
    assert set(DEMO.examples[0]) <= set(names)
