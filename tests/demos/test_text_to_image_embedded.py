"""The embedded text-to-image model: the same pixels alone and together, bit for bit, and what it is to draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demos.text_to_image.options import TextToImageOptions, TextToImageRequest
from demos.text_to_image.pipeline import TextToImage, load
from hub.demo import Loading
from hub.device import Device
from hub.diffusion.cards import TABLETOP
from hub.diffusion.lora_files import checked_lora
from hub.diffusion.options import BESIDE, FUSED
from hub.pool import Pool
from tests.demos.tiny_lora import save_lora

CPU = Device("cpu", "float32", "CPU")
START = Image.effect_noise((128, 128), 60).convert("RGB")
STEPS = 3

Changed = Callable[[TextToImageRequest], TextToImageRequest]


@pytest.fixture(scope="module")
def painter() -> TextToImage:
    pool = Pool(lambda: 10**10, 60)
    return load(Loading(TABLETOP, TABLETOP.folder, CPU, lambda *_: None, pool.component))


@pytest.fixture(scope="module")
def lora(painter: TextToImage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_lora(painter.components, tmp_path_factory.mktemp("lora") / "look.safetensors", strength=0.05)


def asked(**options: object) -> TextToImageRequest:
    return TextToImageRequest(TextToImageOptions(**{"prompt": "a red cube", "steps": STEPS, **options}))  # type: ignore[arg-type]


def drawn(painter: TextToImage, request: TextToImageRequest) -> list[np.ndarray]:
    (pictures,) = painter([request])
    return [np.asarray(each.image) for each in pictures.drawn]


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("how", ["plain", "started", BESIDE, FUSED])
def test_a_picture_is_the_same_alone_and_with_others_to_the_last_bit(
    painter: TextToImage, lora: Path, how: str, guidance: float
) -> None:
    request = asked(guidance=guidance, pictures=3, seed=4)
    if how == "started":
        request = replace(request, start=START)
    elif how != "plain":
        options = replace(request.options, lora_use=how)
        request = replace(request, options=options, lora=checked_lora(lora))
    together = drawn(painter, request)
    for place, seed in enumerate(request.options.seeds()):
        own = replace(request, options=replace(request.options, pictures=1, seed=seed))
        np.testing.assert_array_equal(drawn(painter, own)[0], together[place])


def test_a_start_picture_is_followed_the_more_the_less_of_it_is_redone(painter: TextToImage) -> None:
    def distance(strength: float) -> float:
        request = replace(asked(strength=strength, steps=10), start=START)
        return float(abs(drawn(painter, request)[0].astype(int) - np.asarray(START)).mean())

    assert distance(0.1) < distance(1.0)
