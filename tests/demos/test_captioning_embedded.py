"""The captioning models that ship with Lectern, loaded as the hub loads them, on scenes of the test seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from demos.captioning import DEMO
from demos.captioning.models import TABLETOP_TOKENS
from demos.captioning.options import CaptionOptions, CaptionRequest
from demos.captioning.pipeline import Captioner
from hub import weights
from hub.batch import Item, Watch
from hub.demo import Loading
from hub.device import Device, resolve
from hub.errors import Cancelled
from hub.pool import measured_bytes
from tabletop.captions import PROMPTS, Verdict, caption, check, parse, vocabulary
from tabletop.relations import reading_order
from tabletop.render import View, render
from tabletop.sampling import sample_scene
from tabletop.world import SHAPES, TEST_SEEDS, Scene
from tests.demos.test_captioning import StopsAfter, run_code

ROOT = Path(__file__).resolve().parents[2]
SCENES = tuple(sample_scene(seed) for seed in TEST_SEEDS[300:316])
GRADED = tuple(sample_scene(seed) for seed in TEST_SEEDS[300:450])
BATCH = 50
CPU = Device("cpu", "float32", "CPU")
GRID = 8  # patches along a side of the picture


@pytest.fixture(scope="module")
def views() -> tuple[View, ...]:
    return tuple(render(scene, 128) for scene in SCENES)


@pytest.fixture(scope="module")
def pictures(views: tuple[View, ...]) -> tuple[Image.Image, ...]:
    return tuple(Image.fromarray(view.rgb) for view in views)


@pytest.fixture(scope="module")
def finished() -> Captioner:
    return load("blip-tabletop")


def load(key: str, device: Device = CPU) -> Captioner:
    card = DEMO.card(key)
    folder = weights.fetch(card, lambda *_: None)
    captioner = DEMO.load(Loading(card, folder, device, lambda *_: None, lambda _, build: build()))
    assert isinstance(captioner, Captioner)
    return captioner


def texts(captioner: Captioner, pictures: Sequence[Image.Image], chosen: CaptionOptions) -> list[str]:
    return [result.text for result in captioner([CaptionRequest(picture, chosen) for picture in pictures])]


def marks(captioner: Captioner, pictures: Sequence[Image.Image], scenes: Sequence[Scene] = SCENES) -> list[Verdict]:
    claims = [parse(text) for text in texts(captioner, pictures, CaptionOptions())]
    return [check(said, scene) for said, scene in zip(claims, scenes, strict=True) if said is not None]


def test_the_finished_model_says_what_is_true_of_scenes_it_never_saw(finished: Captioner) -> None:
    """A smoke test: the grade over thousands of test scenes is in the model's card."""
    verdicts: list[Verdict] = []
    for start in range(0, len(GRADED), BATCH):
        scenes = GRADED[start : start + BATCH]
        verdicts += marks(finished, [Image.fromarray(render(scene, 128).rgb) for scene in scenes], scenes)
    assert len(verdicts) == len(GRADED)
    assert sum(verdict.named for verdict in verdicts) >= 0.97 * sum(len(scene.solids) for scene in GRADED)
    assert sum(verdict.true for verdict in verdicts) >= 0.95 * len(GRADED)


def test_the_model_stopped_early_speaks_the_grammar_and_knows_less(
    finished: Captioner, pictures: tuple[Image.Image, ...]
) -> None:
    early = marks(load("blip-tabletop-early"), pictures)
    assert early
    assert sum(verdict.named for verdict in early) < sum(verdict.named for verdict in marks(finished, pictures))


@pytest.mark.parametrize(("form", "prompt"), PROMPTS.items())
def test_the_prompt_decides_the_form_of_the_caption(
    finished: Captioner, pictures: tuple[Image.Image, ...], form: str, prompt: str
) -> None:
    for text in texts(finished, pictures[:6], CaptionOptions(prompt=prompt)):
        assert text.startswith(prompt)
        assert parse(text) is not None
        assert (" table" in text) == (form in ("relational", "picture"))


def test_of_a_photo_the_model_can_only_say_tabletop_words(finished: Captioner) -> None:
    """What its card warns of: there is no word for a cat."""
    with Image.open(ROOT / "assets/examples/captioning/cat.png") as cat:
        (text,) = texts(finished, (cat.convert("RGB"),), CaptionOptions())
    assert set(text.replace(",", " ").split()) <= set(vocabulary())


@pytest.mark.parametrize("strategy", ["greedy", "beam"])
def test_a_scene_gets_the_same_caption_in_a_batch_of_other_sizes(finished: Captioner, strategy: str) -> None:
    chosen = CaptionOptions(strategy=strategy, candidates=2, beams=3)
    sizes = (128, 512, 64, 300, 128, 200, 96, 640)
    drawn = [Image.fromarray(render(scene, size).rgb) for scene, size in zip(SCENES, sizes, strict=False)]
    drawn[3] = drawn[3].crop((0, 60, 300, 240))
    requests = [CaptionRequest(picture, chosen) for picture in drawn]
    for request, together in zip(requests, finished(requests), strict=True):
        (alone,) = finished([request])
        for one, other in zip(together.candidates, alone.candidates, strict=True):
            assert one.text == other.text
            assert one.score == pytest.approx(other.score, abs=1e-4)


def test_the_model_looks_at_the_solid_it_names(
    finished: Captioner, views: tuple[View, ...], pictures: tuple[Image.Image, ...]
) -> None:
    """The word for a shape looks at the patches that show the solid, far more than their share of the picture."""
    looks, shares = [], []
    results = finished([CaptionRequest(picture) for picture in pictures])
    for scene, view, result in zip(SCENES, views, results, strict=True):
        words = iter(word for word in result.candidates[0].words if word.text.strip(",.") in SHAPES)
        if result.text != caption(scene):
            continue
        for place, word in zip(reading_order(scene), words, strict=True):
            cell = 128 // GRID
            shown = (view.ids == place + 1).reshape(GRID, cell, GRID, cell).mean((1, 3))
            assert word.attention is not None
            looks.append(float(word.attention[shown > 0.1].sum()))
            shares.append(float((shown > 0.1).mean()))
    assert len(looks) >= 8
    assert np.mean(looks) > 3 * np.mean(shares)


@pytest.mark.parametrize(
    "chosen",
    [
        CaptionOptions(),
        CaptionOptions(prompt="a picture of", strategy="beam", beams=8, candidates=5, max_tokens=128),
        CaptionOptions(strategy="sample", candidates=3, seed=11, temperature=1.5),
    ],
    ids=lambda chosen: chosen.strategy,
)
def test_the_code_shown_prints_the_same_captions(
    finished: Captioner, pictures: tuple[Image.Image, ...], tmp_path: Path, chosen: CaptionOptions
) -> None:
    request = CaptionRequest(pictures[0], chosen)
    code = DEMO.snippet(DEMO.card("blip-tabletop"), request, None)
    printed = run_code(code.replace("assets/models", str(ROOT / "assets/models")), request.image, tmp_path)
    (result,) = finished([request])
    assert printed == [found.text for found in result.candidates]


def test_the_longest_caption_asked_for_fits_the_model_s_places(
    finished: Captioner, pictures: tuple[Image.Image, ...], tmp_path: Path
) -> None:
    """Even of noise, at the highest temperature, after a long prompt; the code shown does not trip over it either."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8))
    chosen = CaptionOptions(prompt="a red cube, " * 10, strategy="sample", temperature=2.0, top_p=1.0, max_tokens=128)
    request = CaptionRequest(noise, replace(chosen, candidates=5))
    (result,) = finished([request])
    code = DEMO.snippet(DEMO.card("blip-tabletop"), request, None)
    printed = run_code(code.replace("assets/models", str(ROOT / "assets/models")), noise, tmp_path)
    assert printed == [found.text for found in result.candidates]


def test_the_cards_of_the_embedded_models_state_their_true_size(finished: Captioner) -> None:
    assert finished.family.longest == TABLETOP_TOKENS
    assert DEMO.card("blip-tabletop").memory_bytes == pytest.approx(measured_bytes([finished]), rel=0.05)


def test_every_example_of_a_scene_carries_the_seed_that_draws_it() -> None:
    seeds = []
    for example in DEMO.examples:
        with Image.open(ROOT / str(example["image"])) as picture:
            seed = picture.info.get("tabletop-seed")
            if seed is not None:
                seeds.append(int(seed))
                drawn = render(sample_scene(int(seed)), 512).rgb
                assert (np.asarray(picture) != drawn).mean() < 1e-4  # another processor rounds a few values otherwise
    assert len(seeds) == len(DEMO.examples) - 1  # and one photo
    assert all(seed in TEST_SEEDS for seed in seeds)


def test_the_alternatives_of_a_word_are_other_words_and_share_what_it_left(
    finished: Captioner, pictures: tuple[Image.Image, ...]
) -> None:
    (result,) = finished([CaptionRequest(pictures[0], CaptionOptions())])
    for word in result.candidates[0].words:
        shares = [other.probability for other in word.alternatives]
        assert word.text not in {other.text for other in word.alternatives}
        assert shares == sorted(shares, reverse=True)
        assert word.probability + sum(shares) <= 1 + 1e-5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_model_captions_in_half_precision_and_stops_when_cancelled(
    pictures: tuple[Image.Image, ...],
) -> None:
    cuda = resolve("cuda")
    captioner = load("blip-tabletop", cuda)
    assert (captioner.device, captioner.dtype) == (cuda.name, cuda.dtype)
    assert {weight.device.type for weight in captioner.modules()[0].parameters()} == {"cuda"}
    verdicts = marks(captioner, pictures)
    assert sum(verdict.named for verdict in verdicts) >= 0.9 * sum(len(scene.solids) for scene in SCENES)
    request = CaptionRequest(pictures[0])
    with pytest.raises(Cancelled):
        captioner([request], Watch([Item(request, StopsAfter(6))]))
    (after,) = captioner([request])
    assert parse(after.text) is not None
