"""`/text_to_image` over HTTP and what the tab does without a model, on a tiny model of the embedded kind."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from demos.text_to_image.demo import DEMO
from demos.text_to_image.options import TextToImageOptions
from demos.text_to_image.tab import true_caption
from hub import guard
from hub.diffusion.cards import TABLETOP, TEXT_TO_IMAGE, abilities_of
from hub.diffusion.controls import defaults, length_html, limits_html, marks_html
from hub.diffusion.options import fitted
from hub.diffusion.pictures import restored
from hub.options import checked
from hub.page import build, launch
from hub.runtime import Hub
from hub.settings import Settings
from tabletop.captions import parse
from tabletop.prompts import taught
from tests.app import RunningApp, free_port
from tests.hub.diffusion_cache import make_cache

QUICK = {"prompt": "a red cube", "steps": 2, "width": 64, "height": 64}


@pytest.fixture(scope="module")
def drawing_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    with pytest.MonkeyPatch.context() as patch:
        make_cache(tmp_path_factory.mktemp("weights"), patch).place(TABLETOP)
        hub = Hub(Settings(port=free_port(), models="embedded", temp_dir=tmp_path_factory.mktemp("uploads")))
        page = build(hub, (DEMO,))
        try:
            yield RunningApp(launch(page, hub, (DEMO,), block=False), hub, page)
        finally:
            page.close()


@pytest.fixture(scope="module")
def drawer(drawing_app: RunningApp) -> Client:
    return Client(drawing_app.url, verbose=False)


def ask(drawer: Client, **inputs: Any) -> dict[str, Any]:
    answer: dict[str, Any] = drawer.predict(**{**QUICK, **inputs}, api_name="/text_to_image")
    return answer


def test_the_answer_has_the_pictures_as_files_that_restore_every_setting(drawer: Client) -> None:
    answer = ask(drawer, pictures=2, seed=5, negative_prompt="blue", scheduler="euler", width=70)
    assert [picture["seed"] for picture in answer["pictures"]] == [5, 6]
    assert any("70 x 64" in note for note in answer["notes"])
    for picture in answer["pictures"]:
        opened = guard.picture(picture["file"])
        assert opened.image.size == (picture["width"], picture["height"]) == (64, 64)
        found = restored(opened.text, TextToImageOptions)
        kept = checked(TextToImageOptions, {**answer["options"], "seed": picture["seed"], "pictures": 1})
        assert checked(TextToImageOptions, found.values) == kept
        assert found.source == TABLETOP.source
        again = ask(drawer, **{**found.values, "strength": None})
        with Image.open(again["pictures"][0]["file"]) as redrawn:
            assert abs(np.asarray(redrawn).astype(int) - np.asarray(opened.image)).max() <= 1


def test_a_client_that_wants_them_is_sent_a_picture_of_every_step(drawer: Client) -> None:
    job = drawer.submit(**{**QUICK, "pictures": 2}, previews=True, api_name="/text_to_image")
    *steps, answer = list(job)
    assert [step["step"] for step in steps] == [1, 2]
    for step in steps:
        assert step["steps"] == 2
        for preview in step["previews"]:
            with Image.open(io.BytesIO(base64.b64decode(preview.partition(",")[2]))) as look:
                assert look.size == (64, 64)
    assert len(answer["pictures"]) == 2


def test_a_client_that_does_not_ask_gets_the_answer_only(drawer: Client) -> None:
    job = drawer.submit(**QUICK, api_name="/text_to_image")
    assert len(list(job)) == 1


def test_a_random_seed_is_told(drawer: Client) -> None:
    seeds = {ask(drawer, randomise=True)["pictures"][0]["seed"] for _ in range(3)}
    assert len(seeds) == 3
    assert ask(drawer, seed=9)["pictures"][0]["seed"] == 9


def test_a_start_picture_is_taken_and_named_in_the_record(drawer: Client, tmp_path: Path) -> None:
    Image.effect_noise((80, 50), 60).save(tmp_path / "start.png")
    answer = ask(drawer, start=handle_file(str(tmp_path / "start.png")), strength=0.5)
    assert answer["run"]["options"]["start"]
    assert answer["run"]["options"]["strength"] == 0.5
    assert "ImageOps.fit" in answer["code"]
    assert answer["notes"] == []
    assert restored(guard.picture(answer["pictures"][0]["file"]).text, TextToImageOptions).started


def test_what_was_done_to_a_start_picture_is_told(drawer: Client, tmp_path: Path) -> None:
    Image.new("RGBA", (80, 50), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    answer = ask(drawer, start=handle_file(str(tmp_path / "clear.png")))
    assert answer["notes"] == ["transparent parts were laid on white"]


def test_the_end_of_a_long_prompt_and_strange_words_are_told(drawer: Client) -> None:
    read = ask(drawer, prompt="a dog and " + "a red cube " * 400)["prompt"]
    assert read["unknown_words"] == ["dog"]
    assert read["tokens"] > read["limit"]
    assert read["cut_off"].endswith("cube")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"prompt": "x" * 20_000}, "Use at most"),
        ({"steps": 0}, "Steps"),
        ({"scheduler": "magic"}, "Choose ddim"),
        ({"pictures": 99}, "Pictures"),
        ({"seed": "many"}, "Seed"),
        ({"guidance": 1e9}, "Guidance"),
        ({"model": "no-such-model"}, TABLETOP.key),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(drawer: Client, inputs: dict[str, Any], said: str) -> None:
    with pytest.raises(AppError, match=said):
        ask(drawer, **inputs)


def test_eight_students_share_forward_passes_and_get_their_own_pictures(drawing_app: RunningApp) -> None:
    clients = [Client(drawing_app.url, verbose=False) for _ in range(8)]
    alone = [ask(clients[0], seed=seed, steps=4) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda pair: ask(pair[1], seed=pair[0], steps=4), enumerate(clients)))
    assert max(answer["run"]["batch_size"] for answer in together) > 1
    for one, other in zip(alone, together, strict=True):
        first, second = (
            np.asarray(guard.picture(each["pictures"][0]["file"]).image).astype(int) for each in (one, other)
        )
        assert abs(first - second).max() <= 1  # this model's layers are smaller than any real one's


def test_a_new_scene_is_described_in_words_that_the_model_knows() -> None:
    for _ in range(10):
        words = true_caption()
        assert parse(words) is not None
        assert not marks_html(words, taught())


def test_words_that_were_not_taught_are_marked_while_typing() -> None:
    assert "dog" in marks_html("a red dog", taught())
    assert "<b>" not in marks_html("<b>", taught())
    assert not marks_html("a red dog", None)


def test_a_prompt_that_is_certainly_too_long_is_said_to_be_while_typing() -> None:
    assert "48 tokens" in length_html("red " * 47, 48)
    assert not length_html("red " * 46, 48)


@pytest.mark.parametrize("card", TEXT_TO_IMAGE, ids=lambda card: card.key)
def test_the_defaults_of_a_model_are_settings_that_it_can_follow(card: Any) -> None:
    chosen = checked(TextToImageOptions, defaults(card))
    assert fitted(chosen, abilities_of(card)) == (chosen, ())


def test_the_limits_of_the_chosen_model_are_told_beside_the_settings() -> None:
    told = limits_html(TABLETOP)
    assert "64 to 256 pixels" in told
    assert "unipc" in told
    assert "lcm" not in told
