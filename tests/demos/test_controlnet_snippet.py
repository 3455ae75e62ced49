"""Show code of the ControlNet demo: it repeats a run outside Lectern, and can be read for every model and drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demos.controlnet.networks import completed
from demos.controlnet.options import ControlNetRequest
from demos.controlnet.snippet import snippet
from hub.cards import ModelCard
from hub.diffusion.cards import CONTROLLED, TABLETOP
from hub.diffusion.loading import make
from tests.demos.steered import BOX, NOISE, asked, guide, loaded, pixels
from tests.hub.diffusion_cache import Cache, make_cache
from tests.shown_code import run_code


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_cache(tmp_path_factory.mktemp("weights"), patch)


@pytest.mark.parametrize(
    "request_",
    [
        asked(guide(low=40, high=90, weight=0.7), pictures=2, negative_prompt="blue"),
        asked(guide(made="ready", picture=BOX), scheduler="euler", guidance=1.0),
        asked(guide(begin=0.4), guide("depth"), start=NOISE, strength=0.9, prompt='it\'s "red"'),
    ],
    ids=["edges", "ready", "two, from a picture"],
)
def test_the_code_of_a_run_draws_the_same_pixels_outside_lectern(
    cache: Cache, tmp_path: Path, request_: ControlNetRequest
) -> None:
    model = loaded(cache, TABLETOP, request_)
    card = completed(TABLETOP, request_)
    (drawn,) = model([request_])
    models = tmp_path / "assets" / "models"
    (plain,) = (cache.load(TABLETOP),)
    make("text-to-image", plain).save_pretrained(models / TABLETOP.source)
    for each in card.needs:
        (models / each.source).symlink_to(cache.folder(each))
    for name, picture in (("picture", request_.guides[0].picture), ("start", request_.start)):
        if picture is not None:
            picture.save(tmp_path / f"{name}.png")
    run_code(snippet(card, request_), tmp_path)
    for picture, mine in zip(drawn.drawn, pixels(drawn), strict=True):
        with Image.open(tmp_path / f"picture-{picture.seed}.png") as theirs:
            assert abs(np.asarray(theirs).astype(np.int16) - mine).max() <= 1


@pytest.mark.parametrize("card", CONTROLLED, ids=lambda card: card.key)
@pytest.mark.parametrize("networks", ["single", "union"])
def test_every_model_and_drawing_has_code_that_python_can_read(card: ModelCard, networks: str) -> None:
    ways: Mapping[str, str] = {"openpose": "ready"}
    for kinds in (("canny",), ("depth",), ("canny", "depth"), ("softedge",), ("openpose", "seg"), ("scribble", "mlsd")):
        if card == TABLETOP and not set(kinds) <= {"canny", "depth"}:
            continue
        guides = [guide(kind, ways.get(kind, "picture"), blur_px=1.5) for kind in kinds]
        request = asked(*guides, networks=networks, scheduler="own")
        code = snippet(completed(card, request), request)
        compile(code, "code.py", "exec")
        assert all(len(line) <= 120 for line in code.splitlines())
