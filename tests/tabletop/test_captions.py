"""Captions: what is said of a scene reads back as true, and what is changed reads back as false."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabletop.camera import world_to_camera
from tabletop.captions import (
    FORMS,
    NUMBERS,
    PROMPTS,
    Form,
    NamedSolid,
    caption,
    check,
    parse,
    vocabulary,
)
from tabletop.mirror import mirrored
from tabletop.relations import (
    BEHIND,
    FRONT,
    LEFT,
    OPPOSITE,
    RELATIONS,
    RIGHT,
    centres_px,
    holds,
    reading_order,
    relation_between,
    viewer_positions,
)
from tabletop.sampling import sample_scene
from tabletop.world import COLOURS, MAX_SOLIDS, SHAPES, SIZES, TINTS, Camera, Light, Scene, Solid

seeds = st.integers(0, 3_000_000)
counts = st.integers(1, MAX_SOLIDS)
forms = st.sampled_from(FORMS)

FRONT_CAMERA = Camera(position_m=(0.0, -0.8, 0.5), target_m=(0.0, 0.0, 0.0), fov_deg=36.0)


def a_scene(*solids: Solid, tint: str = "mint", camera: Camera = FRONT_CAMERA) -> Scene:
    return Scene(seed=0, tint=tint, solids=solids, camera=camera, light=Light((0.0, 0.0, 1.0)))


RED_CUBE = Solid("cube", "red", "large", x_m=-0.10, y_m=0.0, yaw_rad=0.0)
BLUE_SPHERE = Solid("sphere", "blue", "small", x_m=0.05, y_m=0.02, yaw_rad=0.0)
ORANGE_CONE = Solid("cone", "orange", "small", x_m=0.08, y_m=-0.12, yaw_rad=0.0)
SCENE = a_scene(BLUE_SPHERE, ORANGE_CONE, RED_CUBE)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (
            "relational",
            "a large red cube to the left of a small blue sphere, which is behind a small orange cone on a mint table",
        ),
        ("short", "i see a red cube, a blue sphere and an orange cone"),
        ("list", "there are three solids, a large red cube, a small blue sphere and a small orange cone"),
        ("picture", "a picture of a large red cube, a small blue sphere and a small orange cone on a mint table"),
    ],
)
def test_each_form_names_the_solids_from_left_to_right(form: Form, words: str) -> None:
    assert caption(SCENE, form) == words


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("relational", "a small orange cone on a grey table"),
        ("short", "i see an orange cone"),
        ("list", "there is one solid, a small orange cone"),
        ("picture", "a picture of a small orange cone on a grey table"),
    ],
)
def test_one_solid_alone_needs_no_relation(form: Form, words: str) -> None:
    assert caption(a_scene(ORANGE_CONE, tint="grey"), form) == words


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a form out of"):
        caption(SCENE, "poem")  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(seeds, counts, forms)
def test_every_caption_parses_and_is_true_and_complete(seed: int, count: int, form: Form) -> None:
    scene = sample_scene(seed, count)
    claims = parse(caption(scene, form))
    assert claims is not None
    verdict = check(claims, scene)
    assert verdict.true, verdict.mistakes
    assert verdict.complete
    assert verdict.named == verdict.total == count


@settings(max_examples=60, deadline=None)
@given(seeds, forms)
def test_every_caption_of_a_form_starts_with_its_prompt_and_uses_the_vocabulary(seed: int, form: Form) -> None:
    words = caption(sample_scene(seed), form)
    assert words.startswith(PROMPTS[form])
    assert set(words.replace(",", " ,").split()) <= set(vocabulary())
    others = [prompt for name, prompt in PROMPTS.items() if name != form and prompt]
    assert not any(words.startswith(prompt) for prompt in others)


@settings(max_examples=100, deadline=None)
@given(seeds, counts, forms, st.randoms(use_true_random=False))
def test_a_caption_with_one_attribute_changed_is_false(seed: int, count: int, form: Form, rng: random.Random) -> None:
    scene = sample_scene(seed, count)
    claims = parse(caption(scene, form))
    assert claims is not None
    place = rng.randrange(count)
    named = claims.solids[place]
    there = {(solid.colour, solid.shape) for solid in scene.solids}
    changes = [replace(named, colour=colour) for colour in COLOURS if (colour, named.shape) not in there]
    changes += [replace(named, shape=shape) for shape in SHAPES if (named.colour, shape) not in there]
    for changed in changes:
        solids = (*claims.solids[:place], changed, *claims.solids[place + 1 :])
        verdict = check(replace(claims, solids=solids), scene)
        assert not verdict.true
        assert verdict.named == count - 1
        assert [mistake.kind for mistake in verdict.mistakes] == ["solid"]


@settings(max_examples=60, deadline=None)
@given(seeds, counts)
def test_a_wrong_size_count_table_or_relation_is_found(seed: int, count: int) -> None:
    scene = sample_scene(seed, count)
    relational, listed = parse(caption(scene)), parse(caption(scene, "list"))
    assert relational is not None
    assert listed is not None

    other_size = replace(relational.solids[0], size=SIZES[1 - SIZES.index(relational.solids[0].size or "")])
    twins = {(solid.colour, solid.shape) for solid in scene.solids}
    if len(twins) == count:
        verdict = check(replace(relational, solids=(other_size, *relational.solids[1:])), scene)
        assert [mistake.kind for mistake in verdict.mistakes] == ["size"]
        assert verdict.complete

    assert [m.kind for m in check(replace(listed, count=count + 1), scene).mistakes] == ["count"]
    other_tint = next(tint for tint in TINTS if tint != scene.tint)
    assert [m.kind for m in check(replace(relational, tint=other_tint), scene).mistakes] == ["tint"]
    for place, stated in enumerate(relational.relations):
        wrong = replace(stated, relation=OPPOSITE[stated.relation])
        relations = (*relational.relations[:place], wrong, *relational.relations[place + 1 :])
        assert [m.kind for m in check(replace(relational, relations=relations), scene).mistakes] == ["relation"]


def test_a_solid_named_twice_is_a_mistake() -> None:
    claims = parse("i see a red cube and a red cube")
    assert claims is not None
    assert not check(claims, SCENE).true


def test_two_solids_that_differ_in_size_alone_may_be_named_in_either_order() -> None:
    scene = a_scene(RED_CUBE, replace(RED_CUBE, size="small", x_m=0.1))
    for words in (
        "a small red cube and a large red cube",
        "a red cube and a red cube",
        "a red cube and a large red cube",
    ):
        claims = parse(words)
        assert claims is not None
        assert check(claims, scene).true
        assert check(claims, scene).complete


@pytest.mark.parametrize(
    "text",
    [
        "a red cube",
        "an orange cone",
        "A Red Cube.",
        "a red cube , a blue sphere and a green cone",
        "a small pink torus in front of a cyan cylinder",
        "a picture of a red cube",
    ],
)
def test_what_may_be_left_out_may_be_left_out(text: str) -> None:
    assert parse(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "red cube",
        "a orange cone",
        "an red cube",
        "a red small cube",
        "a white cube",
        "a red cube and",
        "a red cube a blue sphere",
        "a red cube to the left of a blue sphere and a green cone",
        "a red cube behind a blue sphere behind a green cone",
        "there are one solids, a red cube and a blue",
        "there is three solid, a red cube",
        "a red cube on a red table",
        "i see a red cube on a mint table",
        "a photo of a dog",
    ],
)
def test_what_is_outside_the_grammar_is_said_to_be(text: str) -> None:
    assert parse(text) is None


def test_claims_say_what_was_said_and_nothing_else() -> None:
    claims = parse("there are two solids, a red cube and a small blue sphere")
    assert claims is not None
    assert claims.solids == (NamedSolid("red", "cube"), NamedSolid("blue", "sphere", "small"))
    assert (claims.count, claims.tint, claims.relations) == (2, None, ())


@settings(max_examples=60, deadline=None)
@given(seeds, counts)
def test_relations_are_those_of_the_viewers_own_axes(seed: int, count: int) -> None:
    scene = sample_scene(seed, count)
    transform = world_to_camera(scene.camera)
    positions = viewer_positions(scene)
    for a, b in itertools.permutations(range(count), 2):
        relation = relation_between(positions, a, b)
        assert holds(positions, a, relation, b)
        assert holds(positions, b, OPPOSITE[relation], a)
        assert not holds(positions, a, OPPOSITE[relation], b)
        # The camera's own x and z of two points of the table, found another way.
        first, second = (
            transform[:3, :3] @ (scene.solids[i].x_m, scene.solids[i].y_m, 0.0) + transform[:3, 3] for i in (a, b)
        )
        if relation in (LEFT, RIGHT):
            assert (first[0] > second[0]) == (relation == RIGHT)
        else:
            assert (first[2] > second[2]) == (relation == BEHIND)


def test_a_relation_is_stated_along_the_axis_of_the_larger_gap() -> None:
    positions = viewer_positions(SCENE)
    assert relation_between(positions, 2, 0) == LEFT
    assert relation_between(positions, 1, 0) == FRONT
    assert {relation_between(positions, a, b) for a, b in itertools.permutations(range(3), 2)} == set(RELATIONS)


@settings(max_examples=40, deadline=None)
@given(seeds, counts)
def test_the_mirror_image_swaps_left_and_right_and_nothing_else(seed: int, count: int) -> None:
    scene = sample_scene(seed, count)
    image = mirrored(scene)
    assert mirrored(image) == scene
    there, here = centres_px(image, 128), centres_px(scene, 128)
    assert abs(there[:, 0] - (127 - here[:, 0])).max() < 1e-9
    assert abs(there[:, 1] - here[:, 1]).max() < 1e-9
    assert reading_order(image) == reading_order(scene)[::-1]
    swapped = {LEFT: RIGHT, RIGHT: LEFT, FRONT: FRONT, BEHIND: BEHIND}
    for a, b in itertools.permutations(range(count), 2):
        direct = relation_between(viewer_positions(scene), a, b)
        assert relation_between(viewer_positions(image), a, b) == swapped[direct]


def test_the_vocabulary_has_each_word_once_and_every_word_of_the_world() -> None:
    words = vocabulary()
    assert len(words) == len(set(words)) <= 90
    assert {*SHAPES, *COLOURS, *SIZES, *TINTS, *NUMBERS} <= set(words)
