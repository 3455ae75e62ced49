"""The inpainting pipeline without a page, on tiny models of every family: what is masked changes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from demos.inpainting.masks import Mask
from demos.inpainting.models import EMBEDDED, MODELS
from demos.inpainting.options import InpaintOptions, InpaintRequest, request_to_fill
from demos.inpainting.pipeline import Filled, Filling, Inpainting, load, with_holes
from hub.batch import Item, Step, Watch
from hub.cards import ModelCard
from hub.diffusion.abilities import ABILITIES
from hub.diffusion.cards import SD_1_5, SD_TURBO, abilities_of
from hub.diffusion.painting import Preview
from hub.errors import Cancelled
from hub.jobs import CancelToken
from tests.hub.diffusion_cache import Cache, make_cache

QUICK = InpaintOptions("a red cube", steps=3, grow=0, feather=0)
SIDE_PX = 64  # of what the tiny models draw


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with pytest.MonkeyPatch.context() as patch:
        for key, able in ABILITIES.items():
            patch.setitem(ABILITIES, key, replace(able, native_px=SIDE_PX, smallest_px=SIDE_PX))
        yield make_cache(tmp_path_factory.mktemp("weights"), patch)


@pytest.fixture(scope="module")
def inpainting(cache: Cache) -> Inpainting:
    return load(cache.loading(EMBEDDED))


def picture(size: tuple[int, int] = (64, 64), seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (size[1] // 8, size[0] // 8, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def box(size: tuple[int, int], left: int, top: int, right: int, bottom: int) -> Mask:
    mask = np.zeros((size[1], size[0]), np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def asked(size: tuple[int, int] = (64, 64), seed: int = 0, **changes: object) -> InpaintRequest:
    mask = box(size, size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2)
    return request_to_fill(picture(size, seed), mask, replace(QUICK, seed=seed, **changes))  # type: ignore[arg-type]


def filled(inpainting: Inpainting, request: InpaintRequest) -> Filled:
    (result,) = inpainting([request])
    assert isinstance(result, Filled)
    return result


def change(request: InpaintRequest, result: Filled, number: int = 0) -> np.ndarray:
    before = np.asarray(request.picture, np.int16)
    return np.asarray(abs(np.asarray(result.drawn[number].image, np.int16) - before).max(2))


@pytest.mark.parametrize("card", MODELS, ids=lambda card: card.key)
def test_every_family_fills_the_hole_and_leaves_the_rest_as_it_was(cache: Cache, card: ModelCard) -> None:
    model = load(cache.loading(card))
    steps = min(3, abilities_of(card).most_steps)
    requests = [asked((96, 64), seed, steps=steps, guidance=2.0, feather=2) for seed in (0, 1)]
    together = model(requests)
    for request, result in zip(requests, together, strict=True):
        assert isinstance(result, Filled)
        changed = change(request, result)
        assert result.drawn[0].image.size == (96, 64)
        assert changed[request.weights == 0].max() == 0
        assert changed[request.hole].max() > 20
        assert len(result.drawn[0].film.guessed) >= 1 or card.family == "kandinsky-2-2"
    alone = np.asarray(filled(model, requests[1]).drawn[0].image, np.int16)
    assert abs(alone - np.asarray(together[1].drawn[0].image)).max() <= 1


def test_the_embedded_model_is_shown_the_hole_by_its_controlnet(inpainting: Inpainting) -> None:
    assert len(inpainting.components.controlnets) == 1
    request = asked()
    assert inpainting.kind(request) == "controlnet-inpaint"
    fillings = [each for each in inpainting.drawings(request) if isinstance(each, Filling)]
    shown = with_holes(fillings).numpy()[0].transpose(1, 2, 0)
    assert (shown[request.hole] == -1).all()
    np.testing.assert_allclose(shown[~request.hole] * 255, np.asarray(request.picture)[~request.hole], atol=1e-3)


def test_the_same_request_gives_the_same_pixels_alone_and_among_others(inpainting: Inpainting) -> None:
    requests = [asked(seed=seed, prompt=f"a {colour} cube") for seed, colour in enumerate(["red", "blue", "green"])]
    assert len({request.batch_key() for request in requests}) == 1
    for request, result in zip(requests, inpainting(requests), strict=True):
        np.testing.assert_array_equal(
            np.asarray(result.drawn[0].image), np.asarray(filled(inpainting, request).drawn[0].image)
        )


def test_what_decides_the_whole_batch_keeps_requests_apart() -> None:
    keys = [
        asked(),
        asked(steps=4),
        asked(strength=0.5),
        asked(region="masked"),
        asked(region="whole"),
        asked((96, 64)),
        asked((96, 64), region="masked"),
    ]
    assert len({request.batch_key() for request in keys}) == len(keys)
    other = request_to_fill(picture(), box((64, 64), 3, 3, 60, 20), replace(QUICK, grow=3, prompt="else"))
    assert other.batch_key() == asked().batch_key()


@pytest.mark.parametrize("card", [EMBEDDED, SD_1_5], ids=lambda card: card.key)
@pytest.mark.parametrize("region", ["auto", "masked", "whole"])
def test_requests_that_share_a_batch_are_drawn_at_one_size(card: ModelCard, region: str) -> None:
    sizes: dict[object, set[tuple[int, int]]] = {}
    rng = np.random.default_rng(0)
    for _ in range(60):
        size = [(64, 64), (128, 128), (96, 64), (200, 200), (192, 128)][rng.integers(5)]
        left, top, wide, high = (int(rng.integers(1, 56)) for _ in range(4))
        mask = box(size, left, top, left + wide, top + high)
        options = replace(QUICK, region=region, padding=int(rng.integers(0, 40)))
        request = request_to_fill(picture(size), mask, options)
        sizes.setdefault(request.batch_key(), set()).add(request.region_for(card).size)
    assert all(len(found) == 1 for found in sizes.values())


def test_several_pictures_fill_one_hole_with_the_seeds_that_follow(inpainting: Inpainting) -> None:
    result = filled(inpainting, asked(pictures=3, seed=4))
    assert [drawn.seed for drawn in result.drawn] == [4, 5, 6]
    images = [np.asarray(drawn.image, np.int16) for drawn in result.drawn]
    assert abs(images[0] - images[1]).max() > 20
    assert len(result.raw) == 3


@pytest.mark.parametrize("size", [(64, 64), (61, 103), (200, 130), (1000, 750)])
@pytest.mark.parametrize("region", ["masked", "whole"])
def test_the_result_has_the_size_of_the_picture_and_only_the_hole_changed(
    inpainting: Inpainting, size: tuple[int, int], region: str
) -> None:
    request = asked(size, region=region, grow=3, feather=4, steps=1)
    result = filled(inpainting, request)
    assert result.drawn[0].image.size == size
    changed = change(request, result)
    assert changed[request.weights == 0].max() == 0
    assert changed[request.hole].mean() > 2


def test_without_paste_back_the_whole_region_is_what_the_model_drew(inpainting: Inpainting) -> None:
    request = asked(paste_back="off")
    result = filled(inpainting, request)
    np.testing.assert_array_equal(np.asarray(result.drawn[0].image), np.asarray(result.raw[0]))
    assert change(request, result)[request.weights == 0].max() > 0  # the autoencoder alone sees to that


def test_a_large_picture_is_drawn_in_its_masked_region_only(cache: Cache) -> None:
    size = (4000, 3000)
    mask = box(size, 3900, 2950, 3960, 2980)
    request = request_to_fill(Image.new("RGB", size, "teal"), mask, replace(QUICK, steps=1, padding=64))
    result = filled(load(cache.loading(SD_1_5)), request)
    assert result.drawn[0].image.size == size
    left, top, right, bottom = result.region.box
    assert (right, bottom) == size
    assert right - left == bottom - top < 250
    assert result.drawn[0].film.guessed.shape[2] <= 512
    assert change(request, result)[~mask].max() == 0


def test_the_steps_are_shown_in_their_place(inpainting: Inpainting) -> None:
    items = [Item(asked(seed=seed), CancelToken()) for seed in (0, 1)]
    results = inpainting([item.request for item in items], Watch(items))
    for item, result in zip(items, results, strict=True):
        before = np.asarray(item.request.picture, np.int16)
        steps = []
        while not item.updates.empty():
            update = item.updates.get()
            assert isinstance(update, Step)
            assert isinstance(update.value, Preview)
            steps.append(update.value)
        assert [step.step for step in steps] == [1, 2, 3]
        for frames in (*(step.looks for step in steps), result.drawn[0].film.guessed, result.drawn[0].film.seen):
            for frame in frames:
                assert frame.shape == before.shape
                assert abs(frame.astype(np.int16) - before)[item.request.weights == 0].max() == 0


@pytest.mark.parametrize("strength", [0.0, 0.01, 0.5, 1.0])
def test_any_strength_takes_at_least_one_step(inpainting: Inpainting, strength: float) -> None:
    result = filled(inpainting, asked(strength=strength))
    assert len(result.drawn[0].film.guessed) == max(1, int(3 * strength))


def test_a_cancelled_run_ends_within_a_step(inpainting: Inpainting) -> None:
    token = CancelToken()

    class Leaving(Watch):
        steps = 0

        def step(self, index: int, value: object) -> None:
            self.steps += 1
            token.cancel()

    request = asked(steps=40)
    watch = Leaving([Item(request, token)])
    with pytest.raises(Cancelled):
        inpainting([request], watch)
    assert watch.steps == 1


@pytest.mark.parametrize(
    "prompt", ["", "a dog", "红色立方体", "a red cube " * 450], ids=["empty", "dog", "script", "long"]
)
def test_any_prompt_is_drawn_and_what_was_not_understood_is_said(inpainting: Inpainting, prompt: str) -> None:
    result = filled(inpainting, asked(prompt=prompt, steps=1))
    assert bool(result.notes) == bool(prompt)


def test_a_mask_that_covers_everything_is_drawn_and_said(inpainting: Inpainting) -> None:
    request = request_to_fill(picture(), np.ones((64, 64), np.bool_), replace(QUICK, steps=1))
    assert any("whole picture" in note for note in request.notes)
    assert filled(inpainting, request).drawn[0].image.size == (64, 64)


def test_a_distilled_model_is_asked_without_guidance(cache: Cache) -> None:
    result = filled(load(cache.loading(SD_TURBO)), asked(steps=30))
    assert result.options.guidance == 0
    assert result.options.steps < 30
