"""What tests of the ControlNet demo ask for: controls of a scene, quick requests, and pipelines of tiny models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.controlnet.networks import completed
from demos.controlnet.options import ControlNetOptions, ControlNetRequest, ControlOptions, Guide, SketchRequest
from demos.controlnet.pipeline import Controlled, load
from hub.cards import ModelCard
from tabletop.pictures import scene_picture
from tests.demos import tiny_experts
from tests.hub.diffusion_cache import Cache

SEED = 2_000_005
QUICK = ControlNetOptions("a red cube", steps=2, width=64, height=64)
SCENE = scene_picture(SEED, 128)
NOISE = Image.effect_noise((90, 70), 80).convert("RGB")
BOX = Image.new("RGB", (64, 64), "white")
BOX.paste("black", (16, 16, 48, 48))


def loaded(cache: Cache, card: ModelCard, request: ControlNetRequest | SketchRequest) -> Any:
    whole = completed(card, request)
    tiny_experts.place(cache, whole)
    return load(cache.loading(whole))


def guide(shows: str = "canny", made: str = "picture", picture: Image.Image | None = SCENE, **more: Any) -> Guide:
    options = ControlOptions(shows, made, **more)
    return Guide(options, None if made == "truth" else picture, SEED if made == "truth" else None)


def asked(*guides: Guide, start: Image.Image | None = None, **changes: Any) -> ControlNetRequest:
    return ControlNetRequest(replace(QUICK, **changes), guides=guides or (guide(),), start=start)


def pixels(result: Controlled) -> NDArray[np.int16]:
    return np.stack([np.asarray(drawn.image) for drawn in result.drawn]).astype(np.int16)
