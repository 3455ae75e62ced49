"""What the point clouds tab does besides running: its step editor, its inputs, its tables and its files."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demos.point_clouds import DEMO, EXAMPLES, PICTURE_EXAMPLES
from demos.point_clouds.asking import asked
from demos.point_clouds.controls import loaded, taken_recipe
from demos.point_clouds.depth_file import read_depth
from demos.point_clouds.editor import added, changed, listed_html, options_line, steps_text, without_last
from demos.point_clouds.exports import flat, measurements_csv
from demos.point_clouds.facts import FileFacts
from demos.point_clouds.facts_html import facts_html, shown
from demos.point_clouds.formats_html import up_of
from demos.point_clouds.operations.registry import REGISTRY
from demos.point_clouds.options import Source
from demos.point_clouds.processed import StepReport
from demos.point_clouds.recipes import RECIPES
from demos.point_clouds.sources import places_of
from demos.point_clouds.steps import parse_steps
from hub.errors import InvalidInput
from hub.guard import Limits
from hub.inputs import SentFile
from tabletop.pictures import SCENE_KEY
from tests.demos.example_clouds import EXAMPLES as FOLDER

ROOT = Path(__file__).resolve().parents[2]
TITLES = {key: operation.title for key, operation in REGISTRY.items()}
TWO = '[{"op": "voxel", "size": 0.5}, {"op": "normals"}]'
SCAN = FOLDER / "table-scan.ply"


def sent(path: Path) -> tuple[SentFile, ...]:
    return (SentFile(path, path.name),)


def ops(text: str) -> list[str]:
    return [step["op"] for step in json.loads(text)]


# The step editor.


def test_a_step_that_is_added_comes_last_with_all_its_options() -> None:
    text = added(TWO, {"op": "crop", "z_min": 0.1})
    assert ops(text) == ["voxel", "normals", "crop"]
    assert json.loads(text)[2]["z_min"] == 0.1
    assert json.loads(text)[2]["keep"] == "inside"


def test_undo_takes_the_last_step_and_the_last_undo_leaves_no_text() -> None:
    text = without_last(TWO)
    assert ops(text) == ["voxel"]
    assert without_last(text) == ""
    assert without_last("") == ""


def test_a_step_can_be_taken_out_or_moved_up_wherever_it_stands() -> None:
    assert ops(changed(TWO, {"do": "delete", "step": 0})) == ["normals"]
    assert ops(changed(TWO, {"do": "up", "step": 1})) == ["normals", "voxel"]


def test_two_picked_points_become_a_distance_with_as_many_digits_as_it_deserves() -> None:
    text = changed("", {"do": "keep", "a": [389512.123456, 2.0, 0.1234567], "b": [389512.623456, 2.0, 0.1]})
    (step,) = json.loads(text)
    assert step["op"] == "distance"
    assert (step["ax"], step["az"], step["bx"]) == (389512.12346, 0.12346, 389512.62346)


@pytest.mark.parametrize(
    "wish",
    [
        {"do": "format the disk"},
        {"do": "delete", "step": "all"},
        {"do": "keep", "a": [1, 2], "b": [3, 4]},
        {"do": "keep", "a": [1, 2, "x"], "b": [3, 4, 5]},
        {"do": "keep", "a": [1, 2, float("nan")], "b": [3, 4, 5]},
    ],
)
def test_a_wish_that_the_page_does_not_have_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        changed(TWO, wish)


def test_more_steps_than_a_run_may_have_are_refused_when_the_last_is_added() -> None:
    many = steps_text([{"op": "normals"}] * 30)
    with pytest.raises(InvalidInput, match="at most 30"):
        added(many, {"op": "normals"})


def test_the_list_shows_each_step_with_what_was_chosen_and_says_what_is_wrong_with_the_text() -> None:
    html = listed_html(TWO, TITLES)
    assert html.count("<li>") == 2
    assert "size 0.5" in html
    assert "None yet" in listed_html("", TITLES)
    assert "&lt;b&gt;" in listed_html('[{"op": "<b>"}]', TITLES)
    (voxel,) = parse_steps('[{"op": "voxel"}]')
    assert options_line(voxel) == ""


def test_every_recipe_is_steps_that_there_are() -> None:
    for name in RECIPES:
        text, choice = taken_recipe(name)
        assert parse_steps(text)
        assert choice == ""
    with pytest.raises(InvalidInput):
        taken_recipe("Bake a cake")


def test_steps_that_were_saved_are_loaded_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "steps.json"
    path.write_text(TWO, encoding="utf-8")
    assert parse_steps(loaded(sent(path))) == parse_steps(TWO)


def test_every_operation_explains_itself_in_a_paragraph() -> None:
    for operation in REGISTRY.values():
        assert 80 < len(operation.explanation) < 1200, operation.key


def test_the_readme_lists_every_operation_in_its_group() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for group in {operation.group for operation in REGISTRY.values()}:
        keys = ", ".join(f"`{key}`" for key, operation in REGISTRY.items() if operation.group == group)
        assert f"| {group} | {keys} |" in readme


# What a run is asked.


def test_every_shipped_example_can_be_asked() -> None:
    for example in DEMO.examples:
        files = {name: sent(ROOT / example[name]) for name in ("file", "other", "depth") if example[name]}
        picture = example["picture"] and str(ROOT / example["picture"])
        request = asked(Limits(), **{**example, **files, "picture": picture})
        assert (request.file is None) == (request.picture is not None)
    for path, degrees in PICTURE_EXAMPLES.values():
        assert asked(Limits(), picture=str(ROOT / path), field_of_view_deg=degrees).picture is not None
    assert len(EXAMPLES) == len(DEMO.examples)


def test_a_new_scenes_picture_keeps_its_seed() -> None:
    path, _ = PICTURE_EXAMPLES["Tabletop scene"]
    picture = asked(Limits(), picture=str(ROOT / path)).picture
    assert picture is not None
    assert picture.info[SCENE_KEY] == "2000030"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "nothing to make a cloud of"),
        ({"file": sent(SCAN), "picture": str(FOLDER / "depth-pair-colours.png")}, "Send one of the two"),
        ({"file": sent(SCAN), "depth": sent(FOLDER / "depth-pair-depth.png")}, "Send one of the two"),
        ({"file": (*sent(SCAN), *sent(SCAN))}, "Several files"),
        ({"file": sent(FOLDER / "gone.ply")}, "no longer on the server"),
        ({"file": sent(SCAN), "save_as": "dwg"}, "Choose ply or pcd"),
        ({"file": sent(SCAN), "unit": "furlong"}, "Unit of the numbers"),
        ({"file": sent(SCAN), "steps": "voxel please"}, "not JSON"),
        ({"file": sent(SCAN), "steps": " " * 5 + "x" * 13_000}, "Use at most"),
        ({"file": sent(SCAN), "steps": '[{"op": "voxel", "size": -1}]'}, r"Step 1 \(voxel\)"),
    ],
)
def test_what_cannot_be_asked_gets_a_message_that_says_what_to_do(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        asked(Limits(), **values)


def test_a_file_that_is_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidInput, match="Send at most 1 MB"):
        asked(Limits(megabytes=1), file=sent(SCAN))


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "other name.ply"
    copy.write_bytes(SCAN.read_bytes())
    first, second = (asked(Limits(), file=sent(path)).file for path in (SCAN, copy))
    assert first is not None
    assert second is not None
    assert first.digest == second.digest
    assert second.name == "other name.ply"


# Depth pictures.


def depth_file(path: Path) -> Source:
    return Source(path, path.name, b"")


def test_sixteen_bits_of_depth_come_through(tmp_path: Path) -> None:
    depth = np.arange(600, 600 + 16 * 12, dtype=np.uint16).reshape(12, 16) * 90
    Image.fromarray(depth).save(tmp_path / "depth.png")
    Image.fromarray(depth.astype(np.float32) / 7).save(tmp_path / "depth.tiff")
    np.save(tmp_path / "depth.npy", depth)
    for name, divisor in (("depth.png", 1), ("depth.tiff", 7), ("depth.npy", 1)):
        values, notes = read_depth(depth_file(tmp_path / name), Limits())
        np.testing.assert_array_equal(values, (depth.astype(np.float32) / divisor))
        assert values.dtype == np.float32
        assert not notes


def test_unknown_depth_is_zero_whatever_it_was_written_as(tmp_path: Path) -> None:
    depth = np.full((9, 9), 2.0, dtype=np.float32)
    depth[0, :3] = np.nan, np.inf, -1.0
    np.save(tmp_path / "depth.npy", depth)
    values, _ = read_depth(depth_file(tmp_path / "depth.npy"), Limits())
    assert (values == 0).sum() == 3


def test_eight_bits_of_depth_are_taken_with_a_warning(tmp_path: Path) -> None:
    Image.fromarray(np.full((9, 9), 7, dtype=np.uint8)).save(tmp_path / "depth.png")
    _, notes = read_depth(depth_file(tmp_path / "depth.png"), Limits())
    assert "8 bits" in notes[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: Image.new("RGB", (9, 9), "red").save(path, "PNG"), "has colours"),
        (lambda path: Image.fromarray(np.zeros((9, 9), np.uint16)).save(path, "PNG"), "no depth anywhere"),
        (lambda path: Image.fromarray(np.ones((4, 9), np.uint16)).save(path, "PNG"), "only 9 x 4"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\nnot really"), "cannot be read"),
        (lambda path: path.write_bytes(b"\x93NUMPY and nothing more"), "damaged NumPy"),
        (lambda path: path.write_bytes(npy(np.ones((3, 9, 9)))), "shape"),
        (lambda path: path.write_bytes(npy(np.array([["a"]], dtype=object))), "damaged NumPy"),
    ],
)
def test_what_is_no_depth_picture_gets_a_message_that_says_what_to_send(
    tmp_path: Path, make: Any, message: str
) -> None:
    path = tmp_path / "depth"
    make(path)
    with pytest.raises(InvalidInput, match=message) as refused:
        read_depth(depth_file(path), Limits())
    assert "Send a 16-bit" in refused.value.action


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


# What is shown and saved.


def report(facts: dict[str, Any], text: str = '[{"op": "normals"}]') -> StepReport:
    (step,) = parse_steps(text)
    return StepReport(step, "Normals", 10, 9, 0, 0, 0.1, facts, (), False)


FACTS = {
    "fitness": 0.98765,
    "transform": np.eye(4).tolist(),
    "clusters": [{"name": "cluster 1", "points": 12345, "size": [1.0, 2.0, 3.0]}, {"name": "<b>", "points": 2}],
}


def test_facts_are_drawn_by_their_shape_and_escaped() -> None:
    html = facts_html(FACTS)
    assert html.count("<table") == 3
    assert "12,345" in html
    assert "1, 2, 3" in html
    assert "&lt;b&gt;" in html
    assert html.count("<td>1</td>") == 4  # the diagonal


def test_numbers_are_shown_with_the_digits_that_people_read() -> None:
    assert [shown(value) for value in (0.000123456, 1234.56, 5819700.04, float("nan"), 3, True)] == [
        "0.0001235",
        "1235",
        "5,819,700",
        "–",
        "3",
        "yes",
    ]


def test_every_measured_value_is_a_row_of_the_csv_with_the_unit_of_lengths() -> None:
    rows = list(csv.DictReader(io.StringIO(measurements_csv([report(FACTS)], "mm"))))
    values = {(row["item"], row["name"]): row["value"] for row in rows}
    assert values["", "fitness"] == "0.98765"
    assert values["clusters 1", "points"] == "12345"
    assert values["clusters 1", "size 3"] == "3.0"
    assert values["transform 2", "column 2"] == "1.0"
    assert {row["unit of lengths"] for row in rows} == {"mm"}
    assert ("", "points before", 10) in list(flat({"points before": 10}))


def test_the_inputs_that_a_kind_of_model_does_not_take_are_hidden() -> None:
    file, pictures, depth = places_of("Single picture")
    assert (file.visible, pictures.open, depth.visible) == ("hidden", True, False)
    file, pictures, depth = places_of("Files and scenes")
    assert (file.visible, pictures.open, depth.visible) == (True, False, True)


def test_a_cloud_in_a_cameras_frame_is_shown_the_right_way_up() -> None:
    facts = FileFacts("PLY", "", 1, 0, True, False, "m", (1.0, 1.0, 1.0), (), (), 1)
    camera = replace(facts, comments=("metres; left camera's frame: x right, y down, z forward",))
    assert [up_of(each) for each in (None, facts, camera, replace(facts, format="OBJ"))] == ["z", "z", "-y", "y"]
