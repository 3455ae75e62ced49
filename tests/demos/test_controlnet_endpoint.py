"""`/controlnet` over HTTP, and the drawings below the controls, on tiny models of the embedded kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from demos.controlnet import DEMO, live
from demos.controlnet.asking import PICTURES, Sent, guides
from demos.controlnet.controls import restored_controls
from demos.controlnet.networks import completed
from demos.controlnet.options import ControlNetOptions, ControlNetRequest, ControlOptions, Guide
from demos.controlnet.tab import scene
from hub import guard
from hub.canvas import PNG_START
from hub.diffusion.cards import SD_1_5, TABLETOP
from hub.diffusion.pictures import restored
from hub.errors import InvalidInput
from hub.page import build, launch
from hub.pictures import data_uri
from hub.runtime import Hub
from hub.settings import Settings
from tabletop.captions import parse
from tabletop.pictures import scene_seed
from tests.app import RunningApp, free_port
from tests.demos import tiny_experts
from tests.hub.diffusion_cache import make_cache

QUICK = {"prompt": "a red cube", "steps": 2, "width": 64, "height": 64}
LIMITS = guard.Limits()
EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples" / "controlnet"
SCENE, CUBE, SCRIBBLE = (EXAMPLES / f"{name}.png" for name in ("two-solids", "cube", "scribble"))


@pytest.fixture(scope="module")
def steered_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    with pytest.MonkeyPatch.context() as patch:
        cache = make_cache(tmp_path_factory.mktemp("weights"), patch)
        kinds = ("canny", "depth")
        asked = ControlNetRequest(guides=tuple(Guide(ControlOptions(kind), Image.new("RGB", (8, 8))) for kind in kinds))
        whole = completed(TABLETOP, asked)
        tiny_experts.place(cache, whole)
        cache.loading(whole)
        hub = Hub(Settings(port=free_port(), models="embedded", temp_dir=tmp_path_factory.mktemp("uploads")))
        page = build(hub, (DEMO,))
        try:
            yield RunningApp(launch(page, hub, (DEMO,), block=False), hub, page)
        finally:
            page.close()


@pytest.fixture(scope="module")
def steered(steered_app: RunningApp) -> Client:
    return Client(steered_app.url, verbose=False)


def ask(client: Client, **inputs: Any) -> dict[str, Any]:
    sent = {name: handle_file(str(value)) if isinstance(value, Path) else value for name, value in inputs.items()}
    answer: dict[str, Any] = client.predict(**{**QUICK, **sent}, api_name="/controlnet")
    return answer


def test_the_answer_has_pictures_and_drawings_and_says_how_they_agree(steered: Client) -> None:
    answer = ask(steered, picture=SCENE, low=50, high=90, shows_2="depth", made_2="truth", weight_2=0.5, pictures=2)
    assert len(answer["pictures"]) == 2
    edges, depth = answer["controls"]
    assert (edges["shows"], edges["made"], edges["low"], edges["high"]) == ("canny", "picture", 50, 90)
    assert (depth["shows"], depth["made"], depth["weight"]) == ("depth", "truth", 0.5)
    for control in answer["controls"]:
        with Image.open(control["drawing"]) as drawn:
            assert drawn.size == (64, 64)
            assert np.asarray(drawn).any()
    for picture in answer["pictures"]:
        assert 0 <= picture["agreement"][0]["edge_f1"] <= 1
    assert "tabletop-controlnet-depth" in answer["code"]


def test_a_picture_restores_all_settings_of_its_controls_and_draws_the_same_again(steered: Client) -> None:
    asked = {"low": 60, "high": 120, "blur_px": 0.5, "weight": 1.4, "begin": 0.1, "end": 0.9, "seed": 3}
    first = ask(steered, picture=SCENE, shows_3="depth", made_3="truth", **asked)["pictures"][0]
    found = restored(guard.picture(first["file"]).text, ControlNetOptions)
    controls = restored_controls(found)
    assert {name: controls[name] for name in asked if name != "seed"} == {
        name: value for name, value in asked.items() if name != "seed"
    }
    assert (controls["shows"], controls["shows_2"], controls["made_2"]) == ("canny", "depth", "truth")
    again = ask(steered, picture=SCENE, **controls, **{**found.values, "strength": None})["pictures"][0]
    with Image.open(first["file"]) as one, Image.open(again["file"]) as other:
        assert abs(np.asarray(one).astype(int) - np.asarray(other)).max() <= 1


def test_a_client_that_wants_them_is_sent_a_picture_of_every_step(steered: Client) -> None:
    job = steered.submit(**QUICK, picture=handle_file(str(SCENE)), previews=True, api_name="/controlnet")
    *steps, answer = list(job)
    assert [step["step"] for step in steps] == [1, 2]
    assert answer["pictures"]


def test_depth_is_estimated_and_the_result_measured_on_request(steered: Client) -> None:
    answer = ask(steered, picture=SCENE, shows="depth", measures=True)
    assert answer["controls"][0]["made"] == "picture"
    assert answer["run"]["options"]["controls"][0]["shows"] == "depth"
    assert "estimator" in answer["code"]


def test_a_start_picture_is_taken_with_a_drawing(steered: Client) -> None:
    answer = ask(steered, picture=SCENE, start=CUBE, strength=0.9)
    assert answer["run"]["options"]["start"] is True
    assert answer["run"]["options"]["strength"] == 0.9
    assert "ControlNetImg2Img" in answer["code"]


@pytest.mark.parametrize("way", ["canvas", "upload"])
def test_a_scribble_may_be_drawn_or_uploaded(steered: Client, way: str) -> None:
    strokes = Image.new("L", (100, 100))
    strokes.paste(255, (30, 40, 70, 44))
    if way == "canvas":
        answer = ask(steered, hand=data_uri(strokes, "PNG"), made="hand")
    else:
        answer = ask(steered, picture=SCRIBBLE, made="hand")
    with Image.open(answer["controls"][0]["drawing"]) as drawn:
        white = (np.asarray(drawn) == 255).mean()
    assert 0 < white < 0.2


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "no picture"),
        ({"made": "hand"}, "no drawing"),
        ({"picture": SCENE, "shows": "openpose"}, "Choose canny or depth"),
        ({"picture": SCENE, "shows": "magic"}, "not offered"),
        ({"picture": SCENE, "made": "magic"}, "not offered"),
        ({"picture": SCRIBBLE, "shows": "depth", "made": "truth"}, "not known"),
        ({"picture": SCENE, "shows_2": "canny"}, "of one kind"),
        ({"picture": SCENE, "begin": 0.5, "end": 0.2}, "start below the end"),
        ({"picture": SCENE, "weight": 5}, "0 to 2"),
        ({"picture": SCENE, "low": "many"}, "Send a number"),
        ({"picture": SCENE, "depth_model": "magic"}, "not offered"),
        ({"hand": "no picture", "made": "hand"}, "data URL"),
        ({"hand": PNG_START + "AAAA", "made": "hand"}, "Send|Save"),
        ({"picture": SCENE, "model": "sd-1.5"}, "not offered while"),
    ],
    ids=lambda value: "-".join(str(each) for each in value if each != "picture") if isinstance(value, dict) else "",
)
def test_what_cannot_be_drawn_is_refused_in_words(steered: Client, inputs: dict[str, Any], said: str) -> None:
    with pytest.raises(AppError, match=said):
        ask(steered, **inputs)


def test_a_new_scene_comes_with_a_prompt_in_other_colours() -> None:
    picture, prompt = scene()
    assert scene_seed(picture.info) is not None
    assert parse(prompt) is not None


def test_a_drawing_is_shown_as_it_is_set_without_any_model() -> None:
    values: dict[str, Any] = {
        "picture": str(SCENE),
        "shows": "canny",
        "low": 100,
        "high": 200,
        "width": 64,
        "height": 64,
    }
    shown = live.live(values, TABLETOP, LIMITS)
    assert shown.count("<img") == 1
    assert live.live({**values, "low": 20, "high": 40}, TABLETOP, LIMITS) != shown
    both = live.live({**values, "shows_2": "depth"}, TABLETOP, LIMITS)
    assert both.count("<img") == 1
    assert "Make the drawings" in both
    with pytest.raises(InvalidInput, match="no picture"):
        live.live({**values, "picture": None}, TABLETOP, LIMITS)
    nine = live.live({**values, "shows": "mlsd", "width": 512, "height": 512}, SD_1_5, LIMITS)
    assert "Straight lines" in nine


def test_each_control_may_have_a_picture_of_its_own() -> None:
    values = {
        "picture": str(SCENE),
        "picture_3": str(CUBE),
        "shows": "canny",
        "shows_2": "depth",
        "shows_3": "scribble",
    }
    found, _ = guides(Sent.of(values), LIMITS)
    assert [each.name for each in found] == [PICTURES[0], PICTURES[0], PICTURES[2]]
    assert found[0].picture is found[1].picture
    assert found[2].picture is not None
    with Image.open(CUBE) as own:
        assert (np.asarray(found[2].picture) == np.asarray(own.convert("RGB"))).all()


def test_an_example_of_a_scene_tells_its_truth() -> None:
    found, _ = guides(Sent.of({"picture": str(SCENE), "shows": "depth", "made": "truth"}), LIMITS)
    assert found[0].seed == 2_000_000
