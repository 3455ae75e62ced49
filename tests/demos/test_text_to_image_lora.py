"""LoRAs in the text-to-image demo, on a tiny model of the embedded kind: what they change, and what they leave."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from safetensors.torch import load_file, save_file

from demos.text_to_image import DEMO
from demos.text_to_image.options import TextToImageOptions, TextToImageRequest
from demos.text_to_image.pipeline import TextToImage, load
from demos.text_to_image.snippet import snippet
from hub import guard
from hub.diffusion.cards import CLAY, TABLETOP
from hub.diffusion.loading import make
from hub.diffusion.lora_files import LoraFile, checked_lora
from hub.diffusion.options import BESIDE, FUSED
from hub.diffusion.pictures import restored
from hub.diffusion.requests import chosen_lora, with_lora
from hub.errors import InvalidInput
from hub.inputs import SentFile
from hub.page import build, launch
from hub.runtime import Hub
from hub.settings import Settings
from tests.app import RunningApp, free_port
from tests.demos.tiny_lora import save_lora
from tests.hub.diffusion_cache import Cache, make_cache, write_checksums
from tests.shown_code import run_code

QUICK: dict[str, Any] = {"prompt": "a red cube", "steps": 2, "width": 64, "height": 64}
BASE = TextToImageRequest(TextToImageOptions(**QUICK))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_cache(tmp_path_factory.mktemp("weights"), patch)


@pytest.fixture(scope="module")
def painter(cache: Cache) -> TextToImage:
    return load(cache.loading(TABLETOP))


@pytest.fixture(scope="module")
def file(painter: TextToImage, tmp_path_factory: pytest.TempPathFactory) -> LoraFile:
    return checked_lora(save_lora(painter.components, tmp_path_factory.mktemp("lora") / "look.safetensors"))


@pytest.fixture(scope="module")
def clay(painter: TextToImage, cache: Cache) -> Path:
    """The place of the LoRA that ships with Lectern, filled."""
    path = save_lora(painter.components, cache.root / "models" / CLAY.source / CLAY.files[0], seed=1)
    write_checksums(path.parent)
    return path


@pytest.fixture(scope="module")
def drawer(cache: Cache, clay: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    cache.place(TABLETOP)
    hub = Hub(Settings(port=free_port(), models="embedded", temp_dir=tmp_path_factory.mktemp("uploads")))
    page = build(hub, (DEMO,))
    try:
        app = RunningApp(launch(page, hub, (DEMO,), block=False), hub, page)
        yield Client(app.url, verbose=False)
    finally:
        page.close()


def with_file(file: LoraFile, scale: float = 0.8, use: str = BESIDE, **more: Any) -> TextToImageRequest:
    return replace(BASE, options=replace(BASE.options, lora_scale=scale, lora_use=use, **more), lora=file)


def pixels(painter: TextToImage, request: TextToImageRequest) -> np.ndarray:
    (pictures,) = painter([request])
    return np.stack([np.asarray(drawn.image).astype(int) for drawn in pictures.drawn])


@pytest.mark.parametrize("use", [BESIDE, FUSED])
def test_a_scale_of_0_is_the_model_itself_and_afterwards_it_is_as_it_was(
    painter: TextToImage, file: LoraFile, use: str
) -> None:
    before = pixels(painter, BASE)
    assert abs(pixels(painter, with_file(file, use=use)) - before).max() > 20
    np.testing.assert_array_equal(pixels(painter, with_file(file, 0.0, use)), before)
    np.testing.assert_array_equal(pixels(painter, BASE), before)


def test_beside_and_fused_draw_the_same_but_for_rounding(painter: TextToImage, file: LoraFile) -> None:
    beside, fused = (pixels(painter, with_file(file, use=use)) for use in (BESIDE, FUSED))
    assert abs(beside - fused).max() <= 1


def test_a_larger_scale_changes_more(painter: TextToImage, file: LoraFile) -> None:
    before = pixels(painter, BASE)
    changes = [abs(pixels(painter, with_file(file, scale)) - before).mean() for scale in (0.1, 0.4, 1.0)]
    assert changes == sorted(changes)


def test_what_the_lora_is_and_how_it_is_used_keeps_requests_apart(
    painter: TextToImage, file: LoraFile, tmp_path: Path
) -> None:
    other = checked_lora(save_lora(painter.components, tmp_path / "look.safetensors", seed=2))
    requests = [
        BASE,
        with_file(file),
        with_file(file, 0.5),
        with_file(file, use=FUSED),
        with_file(other),
        replace(BASE, lora=CLAY),
    ]
    assert len({request.batch_key() for request in requests}) == len(requests)
    assert with_file(file).batch_key() == with_file(replace(file, name="other name")).batch_key()
    assert replace(BASE, options=replace(BASE.options, lora_scale=0.1)).batch_key() == BASE.batch_key()


@pytest.mark.parametrize("use", [BESIDE, FUSED])
def test_the_code_of_a_run_with_a_lora_draws_the_same_pixels_outside_lectern(
    painter: TextToImage, file: LoraFile, tmp_path: Path, use: str
) -> None:
    request = with_file(file, 0.7, use)
    drawn = pixels(painter, request)
    make("text-to-image", painter.components).save_pretrained(tmp_path / "assets/models" / TABLETOP.source)
    (tmp_path / file.name).write_bytes(file.path.read_bytes())
    run_code(snippet(TABLETOP, request), tmp_path)
    with Image.open(tmp_path / "picture-0.png") as theirs:
        assert abs(np.asarray(theirs).astype(int) - drawn[0]).max() <= 1


def test_a_name_is_one_of_ours_or_of_the_hub_and_goes_with_no_file(file: LoraFile) -> None:
    assert chosen_lora("", ()) is None
    assert chosen_lora(CLAY.key, ()) == CLAY
    assert with_lora(TABLETOP, BASE) == TABLETOP
    assert with_lora(TABLETOP, replace(BASE, lora=CLAY)).needs == (CLAY,)
    sent = SentFile(file.path, "my clay.safetensors")
    chosen = chosen_lora("", (sent,))
    assert isinstance(chosen, LoraFile)
    assert (chosen.name, chosen.digest) == ("my clay.safetensors", file.digest)
    with pytest.raises(InvalidInput, match="two LoRAs"):
        chosen_lora("clay", (sent,))
    with pytest.raises(InvalidInput, match="owner/name"):
        chosen_lora("no name of a repository", ())


def test_a_picture_says_which_lora_it_was_drawn_with(drawer: Client, file: LoraFile) -> None:
    sent = {"lora_file": handle_file(str(file.path)), "lora_scale": 0.4, "lora_use": FUSED}
    answer = drawer.predict(**QUICK, **sent, api_name="/text_to_image")
    recorded = answer["run"]["options"]
    assert (recorded["lora_file"], recorded["lora_sha256"]) == (file.name, file.digest)
    found = restored(guard.picture(answer["pictures"][0]["file"]).text, TextToImageOptions)
    assert (found.lora_file, found.values["lora_scale"], found.values["lora_use"]) == (file.name, 0.4, FUSED)
    assert f"weight_name='{file.name}'" in answer["code"]
    plain = drawer.predict(**QUICK, api_name="/text_to_image")
    assert plain["run"]["options"]["lora_scale"] is None
    assert "lora" not in plain["code"]


def test_the_lora_that_ships_with_lectern_is_asked_for_by_name(drawer: Client, clay: Path) -> None:
    answer = drawer.predict(**QUICK, lora=CLAY.key, api_name="/text_to_image")
    assert answer["run"]["options"]["lora"] == CLAY.key
    assert CLAY.label in answer["run"]["model"]
    assert answer["run"]["source"] == TABLETOP.source
    assert f"assets/models/{CLAY.source}" in answer["code"]
    as_file = drawer.predict(**QUICK, lora_file=handle_file(str(clay)), api_name="/text_to_image")
    first, second = (guard.picture(each["pictures"][0]["file"]).image for each in (answer, as_file))
    assert first.tobytes() == second.tobytes()


def test_what_is_no_lora_or_one_of_another_model_is_refused_in_words(
    drawer: Client, file: LoraFile, tmp_path: Path
) -> None:
    wider = {
        name: torch.cat([matrix, matrix]) if "lora_B" in name else matrix
        for name, matrix in load_file(file.path).items()
    }
    save_file(wider, tmp_path / "other.safetensors")
    (tmp_path / "notes.safetensors").write_text("lecture notes")
    with (tmp_path / "model.ckpt").open("wb") as pickled:
        pickle.dump({"lora": 1}, pickled)
    for name, said in (
        ("other.safetensors", "does not fit Tabletop"),
        ("notes.safetensors", "Send a LoRA"),
        ("model.ckpt", "is a pickle"),
    ):
        with pytest.raises(AppError, match=said):
            drawer.predict(**QUICK, lora_file=handle_file(str(tmp_path / name)), api_name="/text_to_image")
    with pytest.raises(AppError, match="is not offered while LECTERN_MODELS=embedded"):
        drawer.predict(**QUICK, lora="somebody/clay", api_name="/text_to_image")
