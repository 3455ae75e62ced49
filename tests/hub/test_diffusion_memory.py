"""Diffusion models in little memory: weights wait outside the device, pictures are decoded one by one, or in tiles."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from torch.utils._python_dispatch import TorchDispatchMode

from hub.demo import Loading
from hub.device import Device
from hub.diffusion.cards import SD_1_5, SDXL
from hub.diffusion.loading import make
from hub.diffusion.memory import decoding_bytes, fit_decoder, free_bytes
from hub.errors import OutOfMemory
from hub.jobs import CancelToken
from hub.pool import measured_bytes
from hub.runtime import Hub
from hub.settings import Settings
from tests.hub.diffusion_cache import Cache, make_cache
from tests.hub.toys import ToyPipeline


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_cache(tmp_path_factory.mktemp("weights"), patch)


class Alive(TorchDispatchMode):
    """Counts the bytes of all tensors that a computation has made and still holds."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, int] = {}
        self.peak = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self.held:
                    self.held[storage._cdata] = storage.nbytes()
                    weakref.finalize(storage, self.held.pop, storage._cdata, None)
        self.peak = max(self.peak, sum(self.held.values()))
        return result


def autoencoder() -> AutoencoderKL:
    """Return one of the proportions of Stable Diffusion's, with random weights."""
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(16, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=64,
    ).eval()


@torch.no_grad()
def test_decoding_takes_about_as_much_as_is_reckoned_with() -> None:
    decoder = autoencoder()
    with Alive() as alive:
        decoder.decode(torch.randn(1, 4, 24, 16))
    assert 0.5 < alive.peak / decoding_bytes(decoder, 128, 192) <= 1


@torch.no_grad()
def test_a_picture_is_decoded_the_same_alone_and_in_a_batch() -> None:
    decoder = autoencoder()
    assert not fit_decoder(decoder, 64, 64, free_bytes("cpu"))
    latents = torch.randn(3, 4, 8, 8)
    together = decoder.decode(latents).sample
    alone = torch.cat([decoder.decode(each[None]).sample for each in latents])
    assert torch.equal(together, alone)


@torch.no_grad()
def test_a_picture_too_large_for_the_memory_is_decoded_in_tiles_and_the_next_whole_again() -> None:
    decoder, latents = autoencoder(), torch.randn(1, 4, 24, 24)
    whole = decoder.decode(latents).sample
    room = decoding_bytes(decoder, 192, 192) // 2
    assert fit_decoder(decoder, 192, 192, room)
    with Alive() as alive:
        tiled = decoder.decode(latents).sample
    assert alive.peak < room
    assert tiled.shape == whole.shape
    assert not torch.equal(tiled, whole)
    assert not fit_decoder(decoder, 64, 64, room)
    assert torch.equal(decoder.decode(latents).sample, whole)


@pytest.mark.parametrize("card", [SD_1_5, SDXL], ids=lambda card: card.key)
def test_weights_that_wait_outside_draw_the_same_pictures(cache: Cache, card: Any) -> None:
    pictures = []
    for offload in (False, True):
        components = cache.load(card, offload)
        generator = torch.Generator().manual_seed(0)
        pipeline = make("text-to-image", components)
        asked = {"num_inference_steps": 2, "generator": generator, "height": 64, "width": 64, "output_type": "np"}
        pictures.append(pipeline("a cat", **asked).images)
        assert components.offloaded == offload
    np.testing.assert_array_equal(*pictures)
    assert measured_bytes([components]) < measured_bytes([cache.load(card)])


def test_a_model_too_large_for_the_gpu_waits_outside_where_it_can_and_is_refused_where_it_cannot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    hub = Hub(Settings(memory_gb=3.0, temp_dir=tmp_path))
    hub.__dict__["device"] = Device("cuda:0", "float16", "a small GPU")
    monkeypatch.setattr("hub.weights.fetch", lambda card, report: tmp_path)
    seen: list[Loading] = []

    def load(loading: Loading) -> ToyPipeline:
        seen.append(loading)
        return ToyPipeline()

    demo: Any = SimpleNamespace(slug="drawing", load=load)
    for card in (SD_1_5, SDXL):
        with hub.lease(demo, card, CancelToken(), lambda *_: None):
            pass
    assert [loading.offload for loading in seen] == [False, True]
    stuck = replace(SDXL, key="stuck", least_bytes=0)
    with pytest.raises(OutOfMemory), hub.lease(demo, stuck, CancelToken(), lambda *_: None):
        pass
