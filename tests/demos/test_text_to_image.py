"""The text-to-image demo without a page, on a tiny model of the embedded kind: pipeline, code and lessons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demos.text_to_image.lessons import NOTHING, VALUES, VARIED, difference, grid, grid_html, grid_picture, varied
from demos.text_to_image.options import TextToImageOptions, TextToImageRequest
from demos.text_to_image.pipeline import TextToImage, load
from demos.text_to_image.snippet import snippet
from hub.batch import Item, Step, Watch
from hub.diffusion.cards import SD_TURBO, TABLETOP, TEXT_TO_IMAGE
from hub.diffusion.loading import make
from hub.diffusion.painting import Pictures, Preview
from hub.diffusion.prompts import known_to
from hub.errors import Cancelled, InvalidInput
from hub.jobs import CancelToken
from hub.runtime import Outcome
from tabletop.prompts import taught
from tests.hub.diffusion_cache import Cache, make_cache
from tests.shown_code import run_code

QUICK = TextToImageOptions("a red cube", steps=3, width=64, height=64)
START = Image.effect_noise((90, 70), 80).convert("RGB")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_cache(tmp_path_factory.mktemp("weights"), patch)


@pytest.fixture(scope="module")
def painter(cache: Cache) -> TextToImage:
    return load(cache.loading(TABLETOP))


def asked(**changes: object) -> TextToImageRequest:
    return TextToImageRequest(replace(QUICK, **changes))  # type: ignore[arg-type]


def pixels(pictures: Pictures) -> list[np.ndarray]:
    return [np.asarray(drawn.image).astype(np.int16) for drawn in pictures.drawn]


def test_students_who_ask_together_get_what_each_would_get_alone(painter: TextToImage) -> None:
    requests = [asked(prompt=f"a {colour} cube", seed=seed) for seed, colour in enumerate(["red", "blue", "green"])]
    assert len({request.batch_key() for request in requests}) == 1
    for request, together in zip(requests, painter(requests), strict=True):
        (alone,) = painter([request])
        assert abs(pixels(alone)[0] - pixels(together)[0]).max() <= 1


def test_what_decides_all_rows_of_a_forward_pass_keeps_requests_apart() -> None:
    keys = [
        asked(),
        asked(steps=4),
        asked(guidance=5.0),
        asked(scheduler="euler"),
        asked(width=96),
        replace(asked(), start=START),
        replace(asked(strength=0.3), start=START),
        replace(asked(), compares=True),
    ]
    assert len({request.batch_key() for request in keys}) == len(keys)
    assert asked(strength=0.3).batch_key() == asked().batch_key()  # without a start it decides nothing


def test_several_pictures_have_the_seeds_that_follow(painter: TextToImage) -> None:
    (several,) = painter([asked(pictures=3, seed=4)])
    assert [drawn.seed for drawn in several.drawn] == [4, 5, 6]
    (second,) = painter([asked(seed=5)])
    assert abs(pixels(several)[1] - pixels(second)[0]).max() <= 1
    assert abs(pixels(several)[0] - pixels(several)[1]).max() > 20


def test_more_pictures_than_the_model_takes_at_once_are_all_drawn_and_told_of(painter: TextToImage) -> None:
    items = [Item(asked(pictures=7, steps=1), CancelToken()), Item(asked(pictures=4, steps=1), CancelToken())]
    drawn = painter([item.request for item in items], Watch(items))
    assert [len(each.drawn) for each in drawn] == [7, 4]
    counts = []
    for item in items:
        while not item.updates.empty():
            update = item.updates.get()
            assert isinstance(update, Step)
            assert isinstance(update.value, Preview)
            counts.append(len(update.value.looks))
    assert counts == [7, 1, 3]  # eight at once: the second student's first picture came with the first student's


def test_a_cancelled_run_ends_within_a_step(painter: TextToImage) -> None:
    token = CancelToken()

    class Leaving(Watch):
        steps = 0

        def step(self, index: int, value: object) -> None:
            self.steps += 1
            token.cancel()

    request = asked(steps=40)
    watch = Leaving([Item(request, token)])
    with pytest.raises(Cancelled):
        painter([request], watch)
    assert watch.steps == 1


def test_a_neighbour_who_leaves_takes_nobody_along(painter: TextToImage) -> None:
    gone, stays = CancelToken(), CancelToken()
    gone.cancel()
    items = [Item(asked(seed=1), gone), Item(asked(seed=2), stays)]
    _, kept = painter([item.request for item in items], Watch(items))
    assert kept.drawn[0].seed == 2


@pytest.mark.parametrize(
    "prompt", ["", "a dog", "红色立方体", "a red cube " * 450], ids=["empty", "dog", "script", "long"]
)
def test_any_prompt_is_drawn_and_what_was_not_understood_is_said(painter: TextToImage, prompt: str) -> None:
    (drawn,) = painter([asked(prompt=prompt)])
    assert drawn.drawn[0].image.size == (64, 64)
    assert bool(drawn.notes) == bool(prompt)


def test_a_size_that_does_not_divide_is_rounded_and_said(painter: TextToImage) -> None:
    (drawn,) = painter([asked(width=70, height=100)])
    assert drawn.drawn[0].image.size == (64, 96)
    assert any("70 x 100" in note for note in drawn.notes)


@pytest.mark.parametrize("strength", [0.0, 0.01, 0.5, 1.0])
def test_a_start_picture_of_any_shape_and_strength_is_taken(painter: TextToImage, strength: float) -> None:
    (drawn,) = painter([replace(asked(strength=strength), start=START)])
    assert drawn.drawn[0].image.size == (64, 64)
    assert len(drawn.drawn[0].film.guessed) == max(1, int(3 * strength))


def test_guidance_is_compared_on_request(painter: TextToImage) -> None:
    (drawn,) = painter([replace(asked(), compares=True)])
    compared = drawn.drawn[0].compared
    assert [each.step for each in compared] == [1, 2, 3]
    same = replace(compared[0], given=compared[0].without)
    assert (difference(same) == 128).all()


@pytest.mark.parametrize(
    "request_",
    [
        asked(pictures=2, negative_prompt="blue"),
        asked(scheduler="dpm++", guidance=1.0),
        asked(scheduler="unipc"),
        replace(asked(strength=0.7, prompt='it\'s "red"'), start=START),
    ],
    ids=["two", "unguided", "unipc", "start"],
)
def test_the_code_of_a_run_draws_the_same_pixels_outside_lectern(
    painter: TextToImage, tmp_path: Path, request_: TextToImageRequest
) -> None:
    (drawn,) = painter([request_])
    make("text-to-image", painter.components).save_pretrained(tmp_path / "assets/models" / TABLETOP.source)
    START.save(tmp_path / "start.png")
    run_code(snippet(TABLETOP, request_), tmp_path)
    for picture, mine in zip(drawn.drawn, pixels(drawn), strict=True):
        with Image.open(tmp_path / f"picture-{picture.seed}.png") as theirs:
            assert abs(np.asarray(theirs).astype(np.int16) - mine).max() <= 1


@pytest.mark.parametrize("card", TEXT_TO_IMAGE, ids=lambda card: card.key)
def test_every_model_has_code_that_python_can_read(card: object) -> None:
    for request in (asked(), replace(asked(scheduler="own"), start=START)):
        code = snippet(card, request)  # type: ignore[arg-type]
        compile(code, "code.py", "exec")
        assert all(len(line) < 120 for line in code.splitlines())


def test_only_the_embedded_models_words_are_listed() -> None:
    assert {"red", "cube", "left", "empty"} <= taught()
    assert known_to(TABLETOP, taught()) == taught()
    assert known_to(SD_TURBO, taught()) is None


def test_a_grid_has_every_combination_row_by_row() -> None:
    planned = grid(asked(pictures=4), "guidance", "1, 3", "seed", "0; 7; 9")
    assert [(one.options.seed, one.options.guidance) for one in planned.requests] == [
        (seed, guidance) for seed in (0, 7, 9) for guidance in (1.0, 3.0)
    ]
    assert all(one.options.pictures == 1 for one in planned.requests)
    assert planned.columns == ("guidance 1.0", "guidance 3.0")
    single = grid(asked(), "scheduler", "DDIM, euler", NOTHING, "")
    assert [one.options.scheduler for one in single.requests] == ["ddim", "euler"]


@pytest.mark.parametrize("name", VARIED)
def test_the_values_that_are_offered_can_be_drawn(name: str) -> None:
    assert len(varied(name, VALUES[name])) == 4


@pytest.mark.parametrize(
    ("across", "values", "down", "more"),
    [
        ("steps", "2, many", NOTHING, ""),
        ("steps", "0", NOTHING, ""),
        ("steps", " , ", NOTHING, ""),
        ("scheduler", "magic", NOTHING, ""),
        ("seed", "1,2", "seed", "3"),
        ("prompt", "a", NOTHING, ""),
        ("seed", ",".join(map(str, range(7))), "steps", "1,2,3,4,5,6"),
    ],
)
def test_a_grid_that_cannot_be_drawn_is_refused(across: str, values: str, down: str, more: str) -> None:
    with pytest.raises(InvalidInput):
        grid(asked(), across, values, down, more)


def test_a_grid_is_drawn_as_far_as_it_is_and_at_last_as_one_picture(painter: TextToImage) -> None:
    planned = grid(asked(steps=1), "seed", "0, 1", "scheduler", "ddim, euler")
    replies = [Outcome(painter([one])[0], None, "") for one in planned.requests]  # type: ignore[arg-type]
    html = grid_html([*replies[:2], InvalidInput("Too <large>.", "Do.")], planned)
    assert html.count("<img") == 2
    assert "Too &lt;large&gt;." in html
    whole = grid_picture(replies, planned)
    assert whole.width == 128
    assert whole.height > 128


def test_the_same_options_mean_less_to_a_model_that_can_do_less() -> None:
    chosen, notes = asked(steps=30).settled(SD_TURBO)
    assert chosen.guidance == 0
    assert chosen.steps < 30
    assert len(notes) >= 3
