"""Files are told by what they hold, whatever they are called."""

from __future__ import annotations

import pytest

from demos.point_clouds.formats import BY_KEY, FORMATS, HEAD_BYTES, Format, detect, ending_of
from demos.point_clouds.parsers import MODULES, parser
from hub.errors import InvalidInput
from tests.demos.cloud_files import SAMPLES, Sample, ply


def told(content: bytes, name: str) -> tuple[Format, tuple[str, ...]]:
    return detect(content[:HEAD_BYTES], len(content), name)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_file_is_told_by_its_content_with_and_without_its_name(sample: Sample) -> None:
    content = sample.make()
    form, notes = told(content, sample.name)
    assert ending_of(sample.name) in form.endings
    assert not notes
    nameless, notes = told(content, "upload")
    assert nameless is form
    assert not notes


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_wrong_name_is_said_and_the_content_wins(sample: Sample) -> None:
    wrong = "scan.las" if not sample.name.endswith((".las", ".laz")) else "scan.ply"
    form, notes = told(sample.make(), wrong)
    assert ending_of(sample.name) in form.endings
    assert notes == (f"The file is named {ending_of(wrong)}, but its content is {form.name}: it was read as that.",)


def test_text_named_ply_is_refused_and_rows_named_ply_are_read_as_rows() -> None:
    with pytest.raises(InvalidInput, match=r"named \.ply, but it holds other text") as refused:
        told(b"Dear Sir,\n", "scan.ply")
    assert refused.value.action == "Save it again as PLY, or send another."
    form, notes = told(b"1 2 3\n4 5 6\n", "scan.ply")
    assert form.name == "XYZ"
    assert notes


def test_capital_letters_in_names_are_no_matter() -> None:
    assert told(ply(), "SCAN.PLY") == (BY_KEY["ply"], ())


@pytest.mark.parametrize("name", ["scan", ".ply", "scan.ply.txt", "a.b.OBJ"])
def test_the_ending_is_what_stands_after_the_last_dot(name: str) -> None:
    assert ending_of(name) == {"scan": "", ".ply": "", "scan.ply.txt": ".txt", "a.b.OBJ": ".obj"}[name]


def test_every_format_has_its_reader_and_its_own_endings() -> None:
    assert {form.key for form in FORMATS} == set(MODULES)
    assert all(callable(parser(form.key)) for form in FORMATS)
    endings = [ending for form in FORMATS for ending in form.endings]
    assert len(endings) == len(set(endings))


def test_every_cell_of_the_table_of_formats_says_something() -> None:
    cells = [(form.name, form.stored, form.colours, form.normals, form.faces, form.unit) for form in FORMATS]
    assert all(all(row) for row in cells)
