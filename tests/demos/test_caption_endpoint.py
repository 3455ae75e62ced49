"""`/caption` over HTTP, with the pictures people really send."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tabletop.captions import parse
from tabletop.render import render
from tabletop.sampling import sample_scene
from tabletop.world import TEST_SEEDS
from tests.app import RunningApp

SCENE = sample_scene(TEST_SEEDS[11], count=2)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(render(SCENE, 256).rgb)


def caption(client: Client, path: Path, **options: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.predict(image=handle_file(str(path)), api_name="/caption", **options)
    return answer


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "bmp", "tiff"])
def test_each_common_format_gives_a_caption_in_the_grammar(
    client: Client, picture: Image.Image, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"scene.{kind}"
    picture.save(path, quality=95)
    assert parse(caption(client, path)["caption"]) is not None


def test_a_photo_turned_by_its_orientation_tag_gives_the_same_caption(
    client: Client, picture: Image.Image, tmp_path: Path
) -> None:
    upright, turned = tmp_path / "upright.png", tmp_path / "turned.png"
    picture.save(upright)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side: turn by 90 degrees to view
    picture.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif)
    assert caption(client, turned)["caption"] == caption(client, upright)["caption"]


def test_transparent_grey_and_deep_pictures_are_taken(client: Client, picture: Image.Image, tmp_path: Path) -> None:
    grey = picture.convert("L")
    for name, image in {
        "alpha": picture.convert("RGBA"),
        "grey": grey,
        "deep": grey.convert("I").point(lambda value: value * 257).convert("I;16"),
    }.items():
        path = tmp_path / f"{name}.png"
        image.save(path)
        assert caption(client, path)["caption"]


def test_an_animation_is_captioned_by_its_first_frame_and_says_so(
    client: Client, picture: Image.Image, tmp_path: Path
) -> None:
    path = tmp_path / "moving.gif"
    picture.save(path, save_all=True, append_images=[Image.new("RGB", picture.size, "white")])
    assert any("first of 2 frames" in note for note in caption(client, path)["notes"])


def test_a_heic_picture_is_refused_with_what_to_do(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "phone.heic"
    path.write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64))
    with pytest.raises(AppError, match="Save it as JPEG or PNG"):
        caption(client, path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "magic"}, "Choose greedy or beam or sample"),
        ({"beams": 1000}, "out of range. Choose a number from 1 to 8"),
        ({"beams": "3"}, "expected a number from 1 to 8, got .*3"),
        ({"temperature": "NaN"}, "expected a number"),
        ({"model": "blip-base"}, "Choose blip-tabletop"),
        ({"prompt": "x" * 10_000}, "Use at most 200"),
    ],
)
def test_options_out_of_range_are_refused(
    client: Client, picture: Image.Image, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    path = tmp_path / "scene.png"
    picture.save(path)
    with pytest.raises(AppError, match=message):
        caption(client, path, **options)


def test_an_option_left_empty_takes_its_default(client: Client, picture: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "scene.png"
    picture.save(path)
    assert caption(client, path, beams=None, seed=None)["run"]["options"]["beams"] == 3


def test_a_whole_class_at_once_gets_the_caption_each_would_get_alone(
    client: Client, app: RunningApp, picture: Image.Image, tmp_path: Path
) -> None:
    path = tmp_path / "scene.png"
    picture.save(path)
    alone = caption(client, path)["caption"]

    def student(_: int) -> dict[str, Any]:
        return caption(Client(app.url, verbose=False), path)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(student, range(12)))
    assert {answer["caption"] for answer in answers} == {alone}
    assert max(answer["run"]["batch_size"] for answer in answers) > 1
    assert app.hub.gate.peak == 1
    assert app.hub.pool.loads <= 2


def test_a_path_of_the_server_is_not_read(client: Client, app: RunningApp) -> None:
    stolen = {"path": str(Path(__file__).resolve()), "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError):
        client.predict(image=stolen, api_name="/caption")


def test_a_link_is_not_followed(client: Client, app: RunningApp) -> None:
    linked = {"path": f"{app.url}config", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError, match="links are not followed"):
        client.predict(image=linked, api_name="/caption")
