from __future__ import annotations

import csv
import io
import json
from itertools import pairwise
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.stereo.measurement import Dimension, MarkedPoint, MeasuredPoint
from demos.stereo.points import dimensions_csv, parse_dimensions, parse_points, points_csv
from hub.errors import InvalidInput

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples" / "stereo"
TWO = (MarkedPoint("left edge", 138.0, 219.0, 102.0, 219.5), MarkedPoint("pt2", 264.25, 216.0))


def measured(point: MarkedPoint, **found: object) -> MeasuredPoint:
    values = {
        "u_right_px": point.u_right_px,
        "v_right_px": point.v_right_px,
        "disparity_px": 36.0,
        "disparity_error_px": 0.7,
        "position_m": np.array([-0.335, -0.055, 0.9435]),
        "covariance_m2": np.diag([4e-4, 1e-4, 9e-4]),
        "source": "hand",
    }
    return MeasuredPoint(point, **{**values, **found})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "payload",
    [
        "name,u,v,u_right,v_right\nleft edge,138,219,102,219.5\npt2,264.25,216,,\n",
        "left edge,138,219,102,219.5\n\npt2,264.25,216\n",  # no headers
        "# a comment\r\nPoint, U left (px), V left, U right, V right\r\nleft edge, 138, 219, 102, 219.5\r\n,264.25,216",
        "name;u_px;v_px;u_right_px;v_right_px\nleft edge;138;219;102;219,5\npt2;264,25;216\n",  # decimal commas
        {
            "headers": ["name", "u", "v", "u right", "v right", "z (cm)"],
            "data": [["left edge", 138, 219, 102, 219.5, 94.3], ["", "264.25", 216, None, "", ""], ["", None] * 3],
        },
        {"data": [["left edge", 138, 219, 102, 219.5], ["pt2", 264.25, 216]]},
        [["left edge", 138, 219, 102, 219.5], ["pt2", 264.25, 216.0, None, None], []],
        [["name", "v", "u", "u_right", "v_right"], ["left edge", 219, 138, 102, 219.5], ["pt2", 216, 264.25]],
        [{"name": "left edge", "u": 138, "v": 219, "u_right": 102, "v_right": 219.5}, {"u_px": 264.25, "v_px": 216}],
        '[["left edge", 138, 219, 102, 219.5], ["pt2", 264.25, 216]]',
    ],
)
def test_a_table_is_read_in_whatever_shape_it_comes(payload: object) -> None:
    assert parse_points(payload) == TWO


def test_what_a_gradio_table_sends_is_read() -> None:
    table = gr.Dataframe(headers=["name", "u", "v"])
    sent = table.data_model(headers=["name", "u", "v"], data=[("a", 1, 2), ("b", "3", "4.5"), ("", "", "")])
    assert parse_points(sent) == (MarkedPoint("a", 1, 2), MarkedPoint("b", 3, 4.5))


@pytest.mark.parametrize(
    "payload", [None, "", "  \n", [], [[]], {"headers": ["name", "u", "v"], "data": [["", "", ""]]}]
)
def test_no_table_is_no_points(payload: object) -> None:
    assert parse_points(payload) == ()


def test_the_reference_file_is_read_with_its_own_columns() -> None:
    points = parse_points((EXAMPLES / "oak_d_lite.csv").read_text(encoding="utf-8"))
    assert len(points) == 12
    assert points[1] == MarkedPoint("pt2", 264, 216, 234, 217)


def test_points_without_a_name_get_one_that_is_free() -> None:
    assert [point.name for point in parse_points([["", 1, 1], ["pt1", 2, 2], [None, 3, 3], ["pt4", 4, 4]])] == [
        "pt2",
        "pt1",
        "pt3",
        "pt4",
    ]
    assert [point.name for point in parse_points("1,2\n3,4")] == ["pt1", "pt2"]


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ([["a", 1, 2], ["a", 3, 4]], "Row 2: there is a point a already"),
        ([["a", 1, 2], ["b", "left", 4]], r"Row 2 \(b\): u should be a number of pixels, and is 'left'"),
        ([["a", float("nan"), 2]], r"Row 1 \(a\): u .* is nan"),
        ([["a", 1, float("inf")]], r"v .* is inf"),
        ([["a", 1, 1e9]], "v "),
        ([["a", True, 2]], "u "),
        ([["a", 1]], "v .* is nothing"),
        ([["a", 1, 2, None, 5]], "u_right is missing"),
        ([["=HYPERLINK(1)", 1, 2]], "no name"),
        ([["<b>", 1, 2]], "no name"),
        ([["a" * 41, 1, 2]], "no name"),
        ([[[1], 1, 2]], "no name"),
        ([["", i, i] for i in range(201)], "201 points are too many"),
        ("[1, 2", "not JSON"),
        (5, "not one"),
        ([1, 2], "not one"),
        ("name,u,v\n" + "," * 200_000, "characters"),
        ({"points": 1}, "not one"),
    ],
)
def test_a_bad_table_is_refused_and_the_row_is_named(payload: object, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        parse_points(payload)


cells = (
    st.none() | st.text(max_size=8) | st.floats() | st.integers() | st.booleans() | st.lists(st.integers(), max_size=2)
)
rows = st.lists(cells, max_size=6) | st.dictionaries(st.sampled_from(["name", "u", "v", "u_right", "x"]), cells)
tables = st.text() | st.lists(rows) | st.fixed_dictionaries({"headers": st.none() | rows, "data": st.lists(rows)})


@given(tables | cells | st.binary())
def test_anything_at_all_is_points_or_a_refusal(payload: object) -> None:
    for parse in (parse_points, lambda payload: parse_dimensions(payload, TWO)):
        try:
            assert isinstance(parse(payload), tuple)
        except InvalidInput as error:
            assert error.cause  # noqa: PT017 (either outcome is right)


def test_nothing_said_pairs_the_points_as_they_come() -> None:
    points = parse_points([[name, 1, 2] for name in "abcde"])
    assert parse_dimensions("", points) == (("a", "b"), ("c", "d"))
    assert parse_dimensions(None, points) == (("a", "b"), ("c", "d"))
    assert parse_dimensions(" None ", points) == ()
    assert parse_dimensions(None, ()) == ()


@pytest.mark.parametrize(
    "payload",
    [
        "a-b-1, b-1 - c",
        "a-b-1; b-1→c",
        "a-b-1\nb-1-c",
        "a,b-1\nb-1,c",
        "from,to,length\na,b-1,3\nb-1,c,4",
        "dimension,from,to\nd1,a,b-1\nd2,b-1,c",
        [["a", "b-1"], ["b-1", "c"]],
        ["a-b-1", "b-1-c"],
        [{"from": "a", "to": "b-1"}, {"start": "b-1", "end": "c"}],
        {"headers": ["from", "to", "distance (cm)"], "data": [["a", "b-1", 3], ["b-1", "c", ""], ["", "", ""]]},
        json.dumps([["a", "b-1"], ["b-1", "c"]]),
    ],
)
def test_dimensions_are_read_in_whatever_shape_they_come(payload: object) -> None:
    points = parse_points([[name, 1, 2] for name in ("a", "b-1", "c")])
    assert parse_dimensions(payload, points) == (("a", "b-1"), ("b-1", "c"))


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ("a-d", "no point 'd'. Points are: a, b"),
        ("a-b, a", "'a' is no pair"),
        ("a-a", "with itself"),
        ([["a", "z"]], "no pair|no point"),
        ([{"from": "a"}], "no point ''"),
        ("\n".join(["a-b"] * 1001), "too many"),
    ],
)
def test_a_dimension_that_cannot_be_is_refused_and_named(payload: object, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        parse_dimensions(payload, parse_points("a,1,2\nb,3,4"))


names = st.text("abcäß019_ .()'-", min_size=1, max_size=12).filter(lambda text: text.strip()[:1].isalnum())
pixels = st.floats(-5000, 5000)
marks = st.builds(MarkedPoint, names.map(str.strip), pixels, pixels)
marks |= st.builds(MarkedPoint, names.map(str.strip), pixels, pixels, pixels, st.none() | pixels)


@given(st.lists(marks, max_size=8, unique_by=lambda point: point.name), st.sampled_from(["mm", "cm", "m", "in"]))
def test_exported_points_and_dimensions_read_back_as_what_was_asked(points: list[MarkedPoint], unit: str) -> None:
    assert parse_points(points_csv([measured(point) for point in points], unit)) == tuple(points)
    pairs = [(first.name, last.name) for first, last in pairwise(points)]
    asked = [Dimension(start, end, 0.312, 0.004) for start, end in pairs]
    if pairs:
        assert parse_dimensions(dimensions_csv(asked, unit), points) == tuple(pairs)


def test_a_partner_that_a_matcher_found_does_not_come_back_as_marked_by_hand() -> None:
    mark = MarkedPoint("a", 10, 20)
    text = points_csv([measured(mark, u_right_px=4.5, v_right_px=20.0, source="dense")])
    assert "4.5,20,dense" in text
    assert parse_points(text) == (mark,)


def test_an_export_says_its_units_errors_reasons_and_truth() -> None:
    lost = measured(
        TWO[1], position_m=None, covariance_m2=None, disparity_px=None, source="none", reason="no match, sorry"
    )
    known = measured(TWO[0], true_position_m=np.array([-0.33, -0.05, 0.94]))
    lines = list(csv.DictReader(io.StringIO(points_csv([known, lost], "mm"))))
    assert (lines[0]["z_mm"], lines[0]["z_error_mm"], lines[0]["true_z_mm"]) == ("943.5", "30", "940")
    assert (lines[1]["z_mm"], lines[1]["reason"]) == ("", "no match, sorry")
    inches = dimensions_csv([Dimension("a", "b", 0.254, 0.0254), Dimension("a", "c", None, None, "at infinity")], "in")
    assert inches == "from,to,distance_in,error_in,reason\na,b,10,1,\na,c,,,at infinity\n"
