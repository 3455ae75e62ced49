"""`/inpaint` over HTTP, on a tiny model of the embedded kind."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from demos.inpainting import DEMO
from demos.inpainting.models import EMBEDDED
from demos.inpainting.options import InpaintOptions
from hub import guard
from hub.diffusion.pictures import restored
from hub.options import checked
from hub.page import build, launch
from hub.pictures import data_uri
from hub.runtime import Hub
from hub.settings import Settings
from tests.app import RunningApp, free_port
from tests.hub.diffusion_cache import Cache, make_cache
from tests.shown_code import run_code

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "examples" / "inpainting"
SCENE, MASK = FOLDER / "two-solids.png", FOLDER / "two-solids-mask.png"
QUICK = {"prompt": "a red cube", "steps": 2, "grow": 0, "feather": 0}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with pytest.MonkeyPatch.context() as patch:
        cache = make_cache(tmp_path_factory.mktemp("weights"), patch)
        for card in (EMBEDDED, *EMBEDDED.needs):
            cache.place(card)
        yield cache


@pytest.fixture(scope="module")
def app(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    hub = Hub(Settings(port=free_port(), models="embedded", temp_dir=tmp_path_factory.mktemp("uploads")))
    page = build(hub, (DEMO,))
    try:
        yield RunningApp(launch(page, hub, (DEMO,), block=False), hub, page)
    finally:
        page.close()


@pytest.fixture(scope="module")
def client(app: RunningApp) -> Client:
    return Client(app.url, verbose=False)


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"), np.int16)


def ask(client: Client, **inputs: Any) -> dict[str, Any]:
    given: dict[str, Any] = {**QUICK, "picture": SCENE, **inputs}
    sent = {name: handle_file(str(value)) if isinstance(value, Path) else value for name, value in given.items()}
    answer: dict[str, Any] = client.predict(**sent, api_name="/inpaint")
    return answer


def changed(answer: dict[str, Any]) -> np.ndarray:
    return np.asarray(abs(pixels(answer["pictures"][0]["file"]) - pixels(SCENE)).max(2) > 0)


def test_only_what_the_mask_marks_is_changed(client: Client) -> None:
    answer = ask(client, mask=MASK)
    mask = pixels(MASK).max(2) > 0
    assert not changed(answer)[~mask].any()
    assert changed(answer)[mask].mean() > 0.8
    assert answer["mask"]["pixels"] == mask.sum()
    assert answer["region"] == {"box": [0, 0, 128, 128], "size": [128, 128]}


def test_points_and_drawings_are_masks_too_and_all_add_up(client: Client) -> None:
    drawn = Image.new("L", (64, 64))
    drawn.paste(255, (0, 0, 20, 20))  # half the size of the picture
    by_points = ask(client, points="40,98")
    assert any("exactly" in note for note in by_points["notes"])
    by_drawing = ask(client, drawing=data_uri(drawn, "PNG"))
    assert by_drawing["mask"]["pixels"] == 1600
    together = ask(client, points="40,98", drawing=data_uri(drawn, "PNG"))
    assert together["mask"]["pixels"] == by_points["mask"]["pixels"] + 1600


def test_the_picture_that_comes_back_restores_every_setting_and_the_same_pixels(client: Client) -> None:
    answer = ask(client, mask=MASK, pictures=2, seed=5, strength=0.9, feather=3, scheduler="euler")
    assert [picture["seed"] for picture in answer["pictures"]] == [5, 6]
    opened = guard.picture(answer["pictures"][1]["file"])
    found = restored(opened.text, InpaintOptions)
    assert found.source == EMBEDDED.source
    kept = checked(InpaintOptions, {**answer["options"], "seed": 6, "pictures": 1})
    assert checked(InpaintOptions, found.values) == kept
    values = {name: value for name, value in found.values.items() if name not in ("width", "height")}
    again = ask(client, mask=MASK, **values)
    np.testing.assert_array_equal(pixels(again["pictures"][0]["file"]), np.asarray(opened.image))


@pytest.mark.parametrize(
    "inputs",
    [
        {"grow": 3, "feather": 4, "pictures": 2},
        {"grow": -2, "strength": 0.6, "negative_prompt": "blue"},
        {"region": "masked", "padding": 10, "scheduler": "unipc"},
        {"paste_back": "off", "guidance": 1.0},
    ],
    ids=["grown", "shrunk", "masked", "whole"],
)
def test_the_code_of_a_run_fills_the_same_pixels_outside_lectern(
    client: Client, cache: Cache, tmp_path: Path, inputs: dict[str, Any]
) -> None:
    answer = ask(client, mask=MASK, **inputs)
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "models").symlink_to(cache.root / "models")
    (tmp_path / "picture.png").write_bytes(SCENE.read_bytes())
    (tmp_path / "mask.png").write_bytes(MASK.read_bytes())
    run_code(answer["code"], tmp_path)
    for picture in answer["pictures"]:
        theirs = pixels(tmp_path / f"picture-{picture['seed']}.png")
        assert abs(theirs - pixels(picture["file"])).max() <= 1


def test_a_client_that_wants_them_is_sent_the_steps_in_their_place(client: Client) -> None:
    sent = {**QUICK, "picture": handle_file(str(SCENE)), "mask": handle_file(str(MASK))}
    *steps, answer = list(client.submit(**sent, previews=True, api_name="/inpaint"))
    assert [step["step"] for step in steps] == [1, 2]
    mask = pixels(MASK).max(2) > 0
    for step in steps:
        with Image.open(io.BytesIO(base64.b64decode(step["previews"][0].partition(",")[2]))) as look:
            assert (np.asarray(look)[~mask] == pixels(SCENE)[~mask]).all()
    assert len(answer["pictures"]) == 1


def test_a_mask_of_another_size_and_a_mask_of_everything_are_told_of(client: Client, tmp_path: Path) -> None:
    Image.new("L", (60, 90), 255).save(tmp_path / "white.png")
    answer = ask(client, mask=tmp_path / "white.png")
    assert any("60 x 90" in note for note in answer["notes"])
    assert any("whole picture" in note for note in answer["notes"])


def test_the_result_has_the_size_of_the_picture(client: Client, tmp_path: Path) -> None:
    Image.effect_noise((301, 203), 60).convert("RGB").save(tmp_path / "odd.png")
    answer = ask(client, picture=tmp_path / "odd.png", mask=MASK, steps=1)
    assert (answer["pictures"][0]["width"], answer["pictures"][0]["height"]) == (301, 203)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "Nothing is marked"),
        ({"mask": FOLDER / "black.png"}, "Nothing is marked"),
        ({"picture": None, "mask": MASK}, "no picture yet"),
        ({"points": "here"}, "Write x,y"),
        ({"points": "500,5"}, "outside"),
        ({"points": "5,5"}, "Click one of the solids"),
        ({"drawing": "scribble"}, "data URL"),
        ({"mask": MASK, "grow": -100}, "Shrink it less"),
        ({"mask": MASK, "strength": 3}, "Strength"),
        ({"mask": MASK, "region": "somewhere"}, "Choose auto"),
        ({"mask": MASK, "model": "no-such-model"}, EMBEDDED.key),
    ],
)
def test_what_cannot_be_filled_is_refused_in_words(
    client: Client, tmp_path: Path, inputs: dict[str, Any], said: str
) -> None:
    if inputs.get("mask") == FOLDER / "black.png":
        Image.new("L", (128, 128)).save(tmp_path / "black.png")
        inputs = {"mask": tmp_path / "black.png"}
    with pytest.raises(AppError, match=said) as caught:
        ask(client, **inputs)
    assert "Traceback" not in str(caught.value)
