"""The ControlNet demo without a page, on tiny models of every family: requests, pipeline and drawings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demos.controlnet import experts
from demos.controlnet.options import (
    ControlNetOptions,
    ControlOptions,
    Guide,
    SketchRequest,
    checked_guides,
)
from demos.controlnet.pipeline import Sketcher
from demos.controlnet.sketches import sketch
from hub.batch import Item, Step, Watch
from hub.cards import ModelCard
from hub.diffusion.cards import SD_1_5, SDXL, SDXL_TURBO, TABLETOP
from hub.diffusion.painting import Preview
from hub.errors import Cancelled, InvalidInput
from hub.jobs import CancelToken
from hub.pool import measured_bytes
from tests.demos.steered import BOX, NOISE, QUICK, SCENE, asked, guide, loaded, pixels
from tests.hub.diffusion_cache import Cache, make_cache

CANNY = ControlOptions("canny")
DEPTH = ControlOptions("depth", "truth")

# Model, drawings, networks, and whether a picture is started from. Together they are every pipeline there is.
FAMILIES: dict[str, tuple[ModelCard, tuple[str, ...], str, bool]] = {
    "embedded, two": (TABLETOP, ("canny", "depth"), "single", False),
    "embedded, two, from a picture": (TABLETOP, ("canny", "depth"), "single", True),
    "sd-1.5, three": (SD_1_5, ("softedge", "mlsd", "lineart"), "single", False),
    "sdxl, one": (SDXL, ("canny",), "single", False),
    "sdxl, two, from a picture": (SDXL, ("canny", "depth"), "single", True),
    "sdxl, union of two": (SDXL, ("scribble", "depth"), "union", False),
    "sdxl-turbo, union of one, from a picture": (SDXL_TURBO, ("lineart",), "single", True),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with pytest.MonkeyPatch.context() as patch:
        yield make_cache(tmp_path_factory.mktemp("weights"), patch)


@pytest.fixture(scope="module")
def edges(cache: Cache) -> Any:
    return loaded(cache, TABLETOP, asked())


def test_students_with_drawings_of_their_own_get_together_what_each_would_get_alone(edges: Any) -> None:
    pictures = (SCENE, BOX, NOISE)
    requests = [asked(guide(picture=one, low=10, high=30), seed=seed) for seed, one in enumerate(pictures)]
    assert len({request.batch_key() for request in requests}) == 1
    together = edges(requests)
    for request, result in zip(requests, together, strict=True):
        (alone,) = edges([request])
        assert abs(pixels(alone) - pixels(result)).max() <= 1
    assert abs(pixels(together[0]) - pixels(edges([asked(guide(picture=BOX), seed=0)])[0])).max() > 4


def test_what_decides_all_rows_of_a_forward_pass_keeps_requests_apart() -> None:
    requests = [
        asked(),
        asked(steps=3),
        asked(guide(weight=0.5)),
        asked(guide(begin=0.5)),
        asked(guide(end=0.5)),
        asked(guide("depth", "truth")),
        asked(guide(), guide("depth", "truth")),
        asked(start=NOISE),
        asked(start=NOISE, strength=0.4),
        asked(networks="union"),
    ]
    assert len({request.batch_key() for request in requests}) == len(requests)
    assert asked(strength=0.3).batch_key() == asked().batch_key()
    assert asked(guide(low=10)).batch_key() == asked().batch_key()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_steered_by_its_drawings(cache: Cache, name: str) -> None:
    card, kinds, networks, started = FAMILIES[name]
    guides = tuple(guide(kind, "truth" if kind == "depth" else "picture") for kind in kinds)
    steps, start = (2, NOISE) if started else (1, None)
    request = asked(*guides, start=start, networks=networks, steps=steps, strength=0.5)
    model = loaded(cache, card, request)
    (drawn,) = model([request])
    assert len(drawn.sketches) == len(kinds)
    assert all(made.image.size == drawn.drawn[0].image.size for made in drawn.sketches)
    unmoved = tuple(replace(each, options=replace(each.options, weight=0.0)) for each in guides)
    (without,) = model([replace(request, guides=unmoved)])
    assert abs(pixels(drawn) - pixels(without)).max() > 2


def test_a_control_acts_in_its_share_of_the_steps(edges: Any) -> None:
    results = [
        pixels(edges([asked(guide(weight=weight, begin=begin, end=end))])[0])
        for weight, begin, end in ((0, 0, 1), (1, 0, 1), (1, 0.5, 1), (1, 0, 0.5), (1, 0.9, 1))
    ]
    assert abs(results[4] - results[0]).max() <= 1  # no step begins so late
    for place, one in enumerate(results[:4]):
        assert not any((one == other).all() for other in results[:place])


def test_each_control_acts_by_its_own_weight(cache: Cache) -> None:
    both = asked(guide(), guide("depth", "truth"))
    model = loaded(cache, TABLETOP, both)
    results = [
        pixels(model([asked(guide(weight=first), guide("depth", "truth", weight=second))])[0])
        for first, second in ((0, 0), (1, 0), (0, 1), (1, 1))
    ]
    for place, one in enumerate(results):
        for other in results[:place]:
            assert abs(one - other).max() > 2


def test_models_with_other_controlnets_share_the_weights_of_the_model(cache: Cache, edges: Any) -> None:
    depth = loaded(cache, TABLETOP, asked(guide("depth", "truth")))
    both = measured_bytes([edges, depth])
    assert both < 0.8 * (measured_bytes([edges]) + measured_bytes([depth]))
    assert edges.components.denoiser is depth.components.denoiser


def test_a_drawing_is_made_once_for_many_prompts(edges: Any) -> None:
    request = asked()
    (made,) = edges.sketches(request)
    other = replace(request, options=replace(QUICK, prompt="a blue cone", seed=9))
    assert edges.sketches(other)[0] is made
    assert edges.sketches(asked(guide(weight=0.3)))[0] is made
    assert edges.sketches(asked(guide(low=20)))[0] is not made


def test_the_result_says_how_well_it_follows_its_drawing(cache: Cache) -> None:
    request = replace(asked(guide(), guide("depth"), pictures=2), measures=True)
    model = loaded(cache, TABLETOP, request)
    (drawn,) = model([request])
    assert len(drawn.agreements) == 2
    for edges_agree, depths_agree in drawn.agreements:
        assert 0 <= edges_agree.edge_f1 <= 1
        assert edges_agree.depth_error is None
        assert depths_agree.edge_f1 is None
    (unmeasured,) = model([replace(request, measures=False)])
    assert all(each.depth_error is None for each in unmeasured.agreements[0])


def test_a_cancelled_run_ends_within_a_step(edges: Any) -> None:
    token = CancelToken()
    seen = []

    class Leaving(Watch):
        def step(self, index: int, value: object) -> None:
            seen.append(value)
            token.cancel()

    request = asked(steps=40)
    with pytest.raises(Cancelled):
        edges([request], Leaving([Item(request, token)]))
    assert len(seen) == 1


def test_every_step_is_told_with_pictures(edges: Any) -> None:
    item = Item(asked(pictures=2, steps=3), CancelToken())
    edges([item.request], Watch([item]))
    steps = []
    while not item.updates.empty():
        update = item.updates.get()
        assert isinstance(update, Step)
        assert isinstance(update.value, Preview)
        assert len(update.value.looks) == 2
        steps.append(update.value.step)
    assert steps == [1, 2, 3]


@pytest.mark.parametrize("size", [(8, 8), (300, 9), (9, 280), (64, 64)], ids=str)
def test_a_picture_of_any_shape_becomes_a_drawing_of_the_results_size(edges: Any, size: tuple[int, int]) -> None:
    (drawn,) = edges([asked(guide(picture=NOISE.resize(size)), width=70, height=100)])
    assert drawn.drawn[0].image.size == drawn.sketches[0].image.size == (64, 96)
    assert any("70 x 100" in note for note in drawn.notes)


@pytest.mark.parametrize("made", ["picture", "hand", "ready"])
def test_an_empty_drawing_is_drawn_by_and_said(edges: Any, made: str) -> None:
    (drawn,) = edges([asked(guide(made=made, picture=Image.new("RGB", (64, 64))))])
    assert any("empty" in note for note in drawn.notes)


def test_thresholds_in_the_wrong_order_are_swapped_and_said() -> None:
    right, swapped = (sketch(guide(low=low, high=high), (64, 64)) for low, high in ((40, 90), (90, 40)))
    np.testing.assert_array_equal(np.asarray(swapped.image), np.asarray(right.image))
    assert not right.notes
    assert any("swapped" in note for note in swapped.notes)


def test_a_ready_drawing_is_shown_as_it_is() -> None:
    assert (np.asarray(sketch(guide(made="ready", picture=BOX), (64, 64)).image) == np.asarray(BOX)).all()
    colours = Image.fromarray(np.random.default_rng(0).choice([0, 120, 255], (40, 40, 3)).astype(np.uint8))
    scaled = sketch(guide("seg", "ready", colours), (64, 96)).image
    assert set(np.unique(np.asarray(scaled))) == {0, 120, 255}


def test_the_truth_of_a_scene_needs_no_model_and_no_picture() -> None:
    size = (96, 64)
    depth, normals, lines = (sketch(guide(kind, "truth"), size) for kind in ("depth", "normalbae", "canny"))
    assert depth.depth_m is not None
    assert depth.depth_m.shape == (64, 96)
    grey = np.asarray(depth.image)[..., 0].astype(int)
    seen = np.isfinite(depth.depth_m)
    assert np.corrcoef(grey[seen], 1 / depth.depth_m[seen])[0, 1] > 0.98
    assert np.asarray(normals.image).std((0, 1)).min() > 1
    assert 0 < (np.asarray(lines.image) == 255).mean() < 0.2


@pytest.mark.parametrize("model", ["depth-anything-tabletop", "depth-anything-v2-small", "depth-anything-v2-indoor"])
@pytest.mark.parametrize("kind", ["depth", "normalbae"])
def test_depth_models_make_depth_and_normals_without_a_diffusion_model(cache: Cache, model: str, kind: str) -> None:
    request = SketchRequest((guide(kind),), (64, 96), ControlNetOptions(depth_model=model))
    sketcher = loaded(cache, TABLETOP, request)
    assert isinstance(sketcher, Sketcher)
    ((made,),) = sketcher([request])
    assert made.image.size == (64, 96)
    assert len(sketcher.modules()) == 1
    if kind == "depth":
        assert (made.depth_m is None) == (model == "depth-anything-v2-small")


def test_poses_and_segmentations_are_made_by_models(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    request = SketchRequest((guide("openpose"), guide("seg")), (64, 96))
    sketcher = loaded(cache, SD_1_5, request)
    poses, classes = sketcher([request])[0]
    assert poses.image.size == classes.image.size == (64, 96)
    assert any("nobody" in note for note in poses.notes) or np.asarray(poses.image).any()
    monkeypatch.setattr(experts, "SURE_PERSON", 0.0)  # a tiny detector is sure of nothing
    people = sketcher.experts.pose(SCENE)
    assert people.shape == (5, 17, 3)
    assert np.isfinite(people).all()


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (lambda: guide(picture=None), "no picture"),
        (lambda: guide(made="hand", picture=None), "no drawing"),
        (lambda: Guide(DEPTH), "not known"),
        (lambda: guide("depth", "hand"), "cannot be"),
        (lambda: guide(begin=0.6, end=0.6), "never"),
        (lambda: Guide(ControlOptions(), SCENE), "No ControlNet"),
        (lambda: checked_guides(()), "no control"),
        (lambda: checked_guides((guide(), guide())), "of one kind"),
    ],
)
def test_a_control_that_cannot_be_is_refused_in_words(bad: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        bad()
    assert caught.value.action
