"""The record of a run: plain values that say when, with what and how long."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from gradio.processing_utils import save_pil_to_cache
from PIL import Image

from hub.run import PNG_KEY, Run, Timings, record, versions
from tests.hub.test_runtime import EMBEDDED


def a_run(**options: Any) -> Run:
    return record(
        job_id="0123456789ab",
        demo="toy",
        card=EMBEDDED,
        device="CPU",
        dtype="float32",
        options=options,
        timings=Timings(queue_s=1.0, load_s=20.0, compute_s=300.0),
        batch_size=4,
    )


def test_the_record_survives_json() -> None:
    run = a_run(prompt='größer als 日本 "quoted"', strategy="beam")
    again = json.loads(json.dumps(run.as_dict()))
    assert again == run.as_dict()
    assert again["total_s"] == 321.0
    assert again["timings"] == {"queue_s": 1.0, "load_s": 20.0, "compute_s": 300.0}


def test_a_picture_that_gradio_saves_as_png_carries_the_record(tmp_path: Path) -> None:
    run, image = a_run(prompt="größer als 日本"), Image.new("RGB", (8, 8), "teal")
    stamped = run.stamped(image)
    assert PNG_KEY not in image.info
    with Image.open(save_pil_to_cache(stamped, str(tmp_path), format="png")) as saved:
        assert json.loads(saved.text[PNG_KEY]) == run.as_dict()  # type: ignore[attr-defined]
        assert saved.tobytes() == image.tobytes()


def test_a_run_started_before_its_parts_took_their_time() -> None:
    started = datetime.fromisoformat(a_run().started_at)
    ended = started + timedelta(seconds=321)
    assert abs(datetime.now(UTC) - ended) < timedelta(seconds=60)


def test_the_seed_is_recorded_where_there_is_one() -> None:
    assert a_run(seed=7).seed == 7
    assert a_run().seed is None


def test_versions_name_what_decides_a_result() -> None:
    assert {"python", "torch", "transformers", "numpy", "gradio"} <= set(versions())


def test_timings_add_up() -> None:
    assert Timings(1.0, 2.0, 3.0).total_s == pytest.approx(6.0)
