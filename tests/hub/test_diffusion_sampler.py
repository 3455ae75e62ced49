"""Drawing, on tiny random checkpoints of every family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hub.cards import ModelCard
from hub.diffusion import schedulers
from hub.diffusion.abilities import ABILITIES
from hub.diffusion.cards import SD_1_5, TABLETOP, TEXT_TO_IMAGE, Z_IMAGE_TURBO
from hub.diffusion.loading import make
from hub.diffusion.options import SamplingOptions
from hub.diffusion.sampler import Drawing, Frames, Sampler, Watching
from hub.errors import Cancelled
from tests.demos.tiny_diffusion import PICTURE_PX
from tests.hub.diffusion_cache import Cache, make_cache

START = Image.effect_noise((PICTURE_PX, PICTURE_PX), 80).convert("RGB")
OPTIONS = SamplingOptions(steps=4, width=PICTURE_PX, height=PICTURE_PX)
TWO = (Drawing("a cat", "", 5), Drawing("a blue cube", "red", 6))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_cache(tmp_path_factory.mktemp("weights"), patch)


@pytest.fixture(scope="module")
def tabletop(cache: Cache) -> Sampler:
    return Sampler(cache.load(TABLETOP))


def as_bytes(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(np.int16)


@pytest.mark.parametrize("card", TEXT_TO_IMAGE, ids=lambda card: card.key)
def test_a_family_draws_with_and_without_a_start_and_shows_every_step(cache: Cache, card: ModelCard) -> None:
    sampler, able = Sampler(cache.load(card)), ABILITIES[card.key]
    chosen = replace(OPTIONS, guidance=able.guidance, scheduler=able.schedulers[0])
    told: list[tuple[int, int]] = []

    def step(number: int, count: int, looks: Frames) -> None:
        told.append((number, count))
        assert looks.shape == (2, PICTURE_PX, PICTURE_PX, 3)

    for kind, more in (("text-to-image", {}), ("image-to-image", {"strength": 0.5})):
        told.clear()
        drawings = TWO if kind == "text-to-image" else [replace(each, start=START) for each in TWO]
        drawn = sampler(kind, drawings, chosen, Watching(step), more)  # type: ignore[arg-type]
        steps = 4 if kind == "text-to-image" else 2
        assert told == [(number, steps) for number in range(1, steps + 1)]
        for picture, drawing in zip(drawn, drawings, strict=True):
            assert picture.image.size == (PICTURE_PX, PICTURE_PX)
            assert picture.seed == drawing.seed
            assert picture.film.guessed.shape == (steps, PICTURE_PX, PICTURE_PX, 3)
            assert (picture.maps is None) == (card is Z_IMAGE_TURBO)  # a transformer without cross-attention


@pytest.mark.parametrize("name", ABILITIES["tabletop-diffusion"].schedulers)
def test_listening_changes_no_pixel_of_what_the_plain_pipeline_draws(tabletop: Sampler, name: str) -> None:
    chosen = replace(OPTIONS, scheduler=name)
    drawn = tabletop("text-to-image", TWO, chosen)
    config = tabletop.components.scheduler_config
    for mine, drawing in zip(drawn, TWO, strict=True):
        pipeline = make("text-to-image", tabletop.components, schedulers.make(name, config))
        (plain,) = pipeline(
            prompt=drawing.prompt,
            negative_prompt=drawing.negative_prompt,
            num_inference_steps=4,
            guidance_scale=3.0,
            width=PICTURE_PX,
            height=PICTURE_PX,
            generator=torch.Generator().manual_seed(drawing.seed),
        ).images
        assert abs(as_bytes(mine.image) - as_bytes(plain)).max() <= 1


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_a_picture_is_the_same_alone_and_in_a_batch(tabletop: Sampler, guidance: float) -> None:
    many = [Drawing(f"a cat {number}", "", number) for number in range(6)]
    chosen = replace(OPTIONS, guidance=guidance)
    together = tabletop("text-to-image", many, chosen)
    for drawing, one in zip(many, together, strict=True):
        (alone,) = tabletop("text-to-image", [drawing], chosen)
        # Bit for bit at the embedded model's size (see test_diffusion_steady); these layers are smaller than any real.
        assert abs(as_bytes(alone.image) - as_bytes(one.image)).max() <= 1
    assert not any("forward" in vars(layer) for layer in tabletop.components.denoiser.modules())


def test_a_run_that_nobody_wants_ends_before_its_next_step(tabletop: Sampler) -> None:
    calls: list[int] = []

    def check() -> None:
        if len(calls) == 2:
            raise Cancelled

    watching = Watching(lambda number, count, looks: calls.append(number), check)
    with pytest.raises(Cancelled):
        tabletop("text-to-image", TWO, replace(OPTIONS, steps=50), watching)
    assert calls == [1, 2]
    assert not tabletop.components.denoiser._forward_hooks  # and nobody listens on


def test_guidance_is_compared_at_the_steps_that_are_asked_for(tabletop: Sampler) -> None:
    drawn = tabletop("text-to-image", TWO, OPTIONS, Watching(compare_at=(1, 4)))
    for picture in drawn:
        assert [each.step for each in picture.compared] == [1, 4]
        assert all(part.shape == (PICTURE_PX, PICTURE_PX, 3) for part in (picture.compared[0].guided,))
    last = drawn[0].compared[-1]
    assert abs(as_bytes(drawn[0].image) - last.guided.astype(np.int16)).max() <= 1  # what the last step leaves
    assert (last.without != last.given).any()


def test_without_guidance_there_is_nothing_to_compare(tabletop: Sampler) -> None:
    (drawn, _) = tabletop("text-to-image", TWO, replace(OPTIONS, guidance=1.0), Watching(compare_at=(1, 4)))
    assert drawn.compared == ()
    assert len(drawn.film.guessed) == 4


def test_the_attention_of_a_place_is_shared_among_all_tokens(cache: Cache) -> None:
    for card in (TABLETOP, SD_1_5):
        drawn = Sampler(cache.load(card))("text-to-image", TWO, OPTIONS)
        for picture in drawn:
            assert picture.maps is not None
            np.testing.assert_allclose(picture.maps.sum(0), 1.0, atol=1e-4)
        assert drawn[0].maps is not None
        assert drawn[1].maps is not None
        assert abs(drawn[0].maps - drawn[1].maps).max() > 0


def test_pictures_need_not_be_square(tabletop: Sampler) -> None:
    wide = replace(OPTIONS, width=2 * PICTURE_PX)
    (drawn,) = tabletop("text-to-image", TWO[:1], wide)
    assert drawn.image.size == (2 * PICTURE_PX, PICTURE_PX)
    assert drawn.maps is not None
    assert drawn.maps.shape[2] == 2 * drawn.maps.shape[1]
