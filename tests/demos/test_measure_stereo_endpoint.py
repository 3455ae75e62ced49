"""`/measure_stereo` over HTTP: what a client sends, what it gets, and the files it downloads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from demos.stereo import DEMO, EXAMPLES

ROOT = Path(__file__).resolve().parents[2]
SCENE = DEMO.examples[0]
OAK = EXAMPLES["OAK-D Lite table: twelve points"]


def measure(client: Client, example: dict[str, Any], **options: Any) -> dict[str, Any]:
    inputs = {**example, **options}
    for side in ("left", "right"):
        if isinstance(inputs[side], str):
            inputs[side] = handle_file(str(ROOT / inputs[side]))
    answer: dict[str, Any] = client.predict(**inputs, api_name="/measure_stereo")
    return answer


@pytest.fixture(scope="module")
def scene(client: Client) -> dict[str, Any]:
    return measure(client, SCENE)


def test_a_pair_with_two_points_gives_their_distance_with_its_error_and_the_truth(scene: dict[str, Any]) -> None:
    (line,) = scene["dimensions"]
    assert line["error_m"] > 0
    assert abs(line["distance_m"] - line["true_distance_m"]) < 3 * line["error_m"]
    for point in scene["points"]:
        assert np.shape(point["covariance_m2"]) == (3, 3)
        assert point["disparity_px"] > 0
    assert scene["has_scale"]


def test_the_client_downloads_the_files_of_an_answer_and_they_agree(scene: dict[str, Any]) -> None:
    import cv2

    files = {name: Path(path) for name, path in scene["files"].items()}
    assert set(files) == {"points_csv", "dimensions_csv", "disparity_png", "disparity_pfm", "cloud_ply"}
    steps = np.asarray(Image.open(files["disparity_png"]))
    exact = cv2.imread(str(files["disparity_pfm"]), cv2.IMREAD_UNCHANGED)
    assert exact is not None
    both = (steps > 0) & np.isfinite(exact)
    assert both.mean() > 0.5
    assert np.abs(steps[both] / 256 - exact[both]).max() <= 1 / 512 + 1e-6
    record = json.loads(Image.open(files["disparity_png"]).text["lectern"])  # type: ignore[attr-defined]
    assert record["id"] == scene["run"]["id"]
    assert files["cloud_ply"].read_bytes().startswith(b"ply\nformat binary_little_endian 1.0\n")


def test_points_that_were_exported_can_be_sent_again(client: Client, scene: dict[str, Any]) -> None:
    table = Path(scene["files"]["points_csv"]).read_text(encoding="utf-8")
    again = measure(client, SCENE, points=table)
    assert again["summary"] == scene["summary"]


def test_points_with_partners_need_no_pictures(client: Client) -> None:
    answer = measure(client, OAK)
    lengths_cm = [100 * line["distance_m"] for line in answer["dimensions"]]
    assert lengths_cm == pytest.approx([31.2, 21.1, 16.6, 24.2, 16.9, 23.8], abs=0.1)
    assert set(answer["files"]) == {"points_csv", "dimensions_csv"}


def test_the_calibration_may_be_text_of_another_format(client: Client) -> None:
    middlebury = (
        "cam0=[452.9 0 298.85; 0 452.9 245.52; 0 0 1]\ncam1=[452.9 0 298.85; 0 452.9 245.52; 0 0 1]\nbaseline=75"
    )
    assert measure(client, OAK, calibration=middlebury)["dimensions"] == measure(client, OAK)["dimensions"]


def test_points_may_be_rows_instead_of_text(client: Client) -> None:
    answer = measure(client, OAK, points=[["a", 138, 219, 102, 219], ["b", 264, 216, 234, 217]], dimensions="a-b")
    assert 100 * answer["dimensions"][0]["distance_m"] == pytest.approx(31.2, abs=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"calibration": ""}, "There is no calibration"),
        ({"calibration": "zoom: 3"}, "Read are our own JSON"),
        ({"points": "pt1,138"}, "Correct the table|pixels|v should"),
        ({"points": "a,b\n" * 9000}, "Use at most"),
        ({"dimensions": "pt1-pt99"}, "there is no point .*pt99"),
        ({"unit": "furlong"}, "Choose mm or cm or m or in"),
        ({"max_disparity": 10_000}, "Choose a number from 0 to 512"),
        ({"points": "pt1,138,219", "dimensions": "none"}, ""),
    ],
)
def test_what_cannot_be_measured_gets_a_message_that_says_what_to_do(
    client: Client, change: dict[str, Any], message: str
) -> None:
    if message:
        with pytest.raises(AppError, match=message):
            measure(client, OAK, **change)
    else:
        (point,) = measure(client, OAK, **change)["points"]
        assert point["position_m"] is None
        assert "no pictures" in point["reason"]


def test_a_point_at_infinity_is_said_to_be_there_and_has_no_number(client: Client) -> None:
    answer = measure(client, OAK, points="far,300,200,300,200", dimensions="none")
    (point,) = answer["points"]
    assert point["position_m"] is None
    assert "infinity" in point["reason"]


def test_the_pictures_of_a_pair_must_be_two_of_one_size(client: Client, tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    Image.open(ROOT / SCENE["right"]).resize((256, 256)).save(small)
    with pytest.raises(AppError, match="256 x 256"):
        measure(client, SCENE, right=str(small))
    with pytest.raises(AppError, match="same picture"):
        measure(client, SCENE, right=SCENE["left"])
