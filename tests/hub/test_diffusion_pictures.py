"""Files of drawings: pictures with their settings, sheets of steps, animations, and the HTML that shows them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hub import guard
from hub.diffusion import film, stage
from hub.diffusion.film import COLUMNS
from hub.diffusion.options import SamplingOptions
from hub.diffusion.pictures import filling, of_one, restored, save_png
from hub.diffusion.prompts import Reading, Word
from hub.diffusion.sampler import Film
from hub.errors import InvalidInput
from hub.run import PNG_KEY, Run, Timings

PICTURE = Image.effect_noise((32, 24), 80).convert("RGB")
CHOSEN = SamplingOptions("a <b>cube</b>", "red", 7, 2.5, "euler", 96, 64, 3, 11)


def run_of(options: dict[str, object]) -> Run:
    return Run(
        id="1",
        demo="text_to_image",
        model="Tabletop",
        source="tabletop-diffusion",
        revision="main",
        embedded=True,
        device="CPU",
        dtype="float32",
        options=options,
        seed=11,
        timings=Timings(0, 0, 1),
        batch_size=1,
        started_at="",
        versions={"torch": "2"},
    )


def test_a_saved_picture_gives_back_every_setting_of_its_own(tmp_path: Path) -> None:
    run = of_one(run_of({**CHOSEN.__dict__, "start": False}), 12, {"width": 64})
    picture = guard.picture(save_png(PICTURE, tmp_path / "p.png", run))
    found = restored(picture.text, SamplingOptions)
    assert SamplingOptions(**found.values) == replace(CHOSEN, seed=12, pictures=1, width=64)
    assert (found.demo, found.source, found.started) == ("text_to_image", "tabletop-diffusion", False)
    np.testing.assert_array_equal(np.asarray(picture.image), np.asarray(PICTURE))
    assert json.loads(picture.text[PNG_KEY])["versions"] == {"torch": "2"}


@pytest.mark.parametrize(
    "text",
    [
        {},
        {PNG_KEY: "not json"},
        {PNG_KEY: "[]"},
        {PNG_KEY: "[" * 100_000},
        {PNG_KEY: "{}"},
        {PNG_KEY: json.dumps({"options": {"steps": 10**6}, "demo": "", "source": ""})},
        {PNG_KEY: json.dumps({"options": {"prompt": ["a"]}, "demo": "", "source": ""})},
    ],
)
def test_a_picture_that_says_nothing_or_nonsense_is_refused(text: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        restored(text, SamplingOptions)


def test_a_start_picture_fills_the_frame_and_keeps_its_shapes() -> None:
    filled = filling(Image.new("RGB", (300, 100), "red"), (64, 96))
    assert filled.size == (64, 96)
    assert filled.getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("count", [1, COLUMNS, COLUMNS + 3])
def test_the_sheet_holds_each_guess_and_below_it_what_was_seen(count: int) -> None:
    rng = np.random.default_rng(0)
    guessed, seen = rng.integers(0, 256, (2, count, 6, 8, 3), dtype=np.uint8)
    sheet = np.asarray(film.sheet(Film(seen, guessed)))
    rows = -(-count // COLUMNS)
    assert sheet.shape == (2 * rows * 6, COLUMNS * 8, 3)
    for number in range(count):
        row, column = divmod(number, COLUMNS)
        for half, frames in ((0, guessed), (rows, seen)):
            top = (row + half) * 6
            np.testing.assert_array_equal(sheet[top : top + 6, column * 8 : column * 8 + 8], frames[number])


@pytest.mark.parametrize("kind", film.ENDINGS)
def test_an_animation_has_every_step_and_ends_with_the_picture(tmp_path: Path, kind: film.Kind) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 12, 16, 3), dtype=np.uint8)
    with Image.open(film.animated(frames, PICTURE, kind, tmp_path / f"a.{film.ENDINGS[kind]}")) as opened:
        assert opened.n_frames == 6  # type: ignore[attr-defined]
        assert opened.size == PICTURE.size
        opened.seek(5)
        last = np.asarray(opened.convert("RGB")).astype(int)
    assert abs(last - np.asarray(PICTURE)).mean() < (12 if kind == "GIF" else 0.01)  # a GIF has 256 colours


def shown(count: int = 1, words: tuple[str, ...] = ("a", "cube")) -> tuple[list[stage.Shown], Reading]:
    reading = Reading(tuple(Word(word, (place,), True) for place, word in enumerate(words, 1)), 4, 48)
    maps = np.full((48, 8, 8), 1 / 48, np.float32)
    return [
        stage.Shown(f"file={seed}.png", "p.png", (128, 128), seed, "film.jpg", 20, maps) for seed in range(count)
    ], reading


def test_the_stage_says_the_true_size_and_how_it_is_enlarged() -> None:
    one, many = stage.stage_html(*shown(), "r"), stage.stage_html(*shown(8), "r")
    assert "128 × 128 pixels, shown 4 times as large" in one
    assert "shown 2 times as large" in many
    assert all(f"seed {seed}" in many for seed in range(8))


def test_what_the_user_wrote_is_shown_as_text() -> None:
    drawn = stage.stage_html(*shown(words=("<img", "src=x", 'onerror="x">')), "r")
    assert "<img src=x" not in drawn.replace("\n", "")
    assert "&lt;img" in drawn


def test_unknown_words_and_those_cut_off_are_marked() -> None:
    pictures, _ = shown()
    reading = Reading((Word("dog", (1,), False), Word("end", (), True)), 60, 48, "end")
    drawn = stage.words_html(reading, pictures)
    assert "drawn-unknown" in drawn
    assert "drawn-cut" in drawn
    assert drawn.count("data-word") == 1  # what is not read acted nowhere
