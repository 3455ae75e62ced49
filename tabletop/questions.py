"""Questions about tabletop scenes with their answers, one true answer each.

The one idea: a question is asked only where nobody could argue about its answer, and a yes-or-no question only where
the scene has both a yes and a no to offer; which of the two is asked is then a coin toss, so that guessing earns half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from tabletop.captions import NUMBERS
from tabletop.relations import BEHIND, FRONT, LEFT, MARGIN_M, RIGHT, holds, relation_between, viewer_positions
from tabletop.world import COLOURS, SHAPES, SIZES, Scene, Solid

QuestionType = Literal[
    "exist", "count", "colour", "shape", "size", "left", "right", "front", "behind", "attribute", "comparison"
]
QUESTION_TYPES: tuple[QuestionType, ...] = get_args(QuestionType)

PLURALS = {"cube": "cubes", "sphere": "spheres", "cylinder": "cylinders", "cone": "cones", "torus": "tori"}
SIDES: dict[QuestionType, str] = {"left": LEFT, "right": RIGHT, "front": FRONT, "behind": BEHIND}


@dataclass(frozen=True)
class Question:
    """A question in the canonical wording, lower case, and its answer in one or two words."""

    type: QuestionType
    text: str
    answer: str


def questions(scene: Scene, rng: np.random.Generator) -> tuple[Question, ...]:
    """Return a question of every type that the scene allows, in the order of `QUESTION_TYPES`.

    Another `rng` asks other questions about the same scene.
    """
    asked = []
    for kind in QUESTION_TYPES:
        offers = sorted(set(_OFFERS[kind](scene)))
        if kind in YES_OR_NO:
            wanted = "yes" if rng.random() < 0.5 else "no"
            both = {answer for _, answer in offers} == {"yes", "no"}
            offers = [offer for offer in offers if both and offer[1] == wanted]
        if offers:
            text, answer = offers[rng.integers(len(offers))]
            asked.append(Question(kind, text, answer))
    return tuple(asked)


YES_OR_NO: tuple[QuestionType, ...] = ("exist", "attribute", "comparison")

# What may be asked: pairs of a question and its answer.
Offers = Iterator[tuple[str, str]]


def _exist(scene: Scene) -> Offers:
    """Ask for what is there, and for what differs from it in one attribute and is not."""
    there = {(solid.colour, solid.shape) for solid in scene.solids}
    for colour, shape in there:
        yield f"is there {_with_article(f'{colour} {shape}')}?", "yes"
        near = [(other, shape) for other in COLOURS] + [(colour, other) for other in SHAPES]
        for near_colour, near_shape in near:
            if (near_colour, near_shape) not in there:
                yield f"is there {_with_article(f'{near_colour} {near_shape}')}?", "no"


def _count(scene: Scene) -> Offers:
    yield "how many solids are there?", NUMBERS[len(scene.solids)]
    for shape in SHAPES:
        yield f"how many {PLURALS[shape]} are there?", NUMBERS[sum(solid.shape == shape for solid in scene.solids)]
    for colour in COLOURS:
        number = NUMBERS[sum(solid.colour == colour for solid in scene.solids)]
        yield f"how many {colour} solids are there?", number


def _colour(scene: Scene) -> Offers:
    for solid in scene.solids:
        for name in _names(scene, solid, (solid.shape, f"{solid.size} {solid.shape}")):
            yield f"what colour is the {name}?", solid.colour


def _shape(scene: Scene) -> Offers:
    for solid in scene.solids:
        for name in _names(scene, solid, (f"{solid.colour} solid", f"{solid.size} {solid.colour} solid")):
            yield f"what shape is the {name}?", solid.shape


def _size(scene: Scene) -> Offers:
    for solid in scene.solids:
        for name in _names(scene, solid, (solid.shape, f"{solid.colour} {solid.shape}")):
            yield f"what size is the {name}?", solid.size


def _side(relation: str) -> Callable[[Scene], Offers]:
    """Ask what is on one side of a solid where exactly one other is, and is so mainly."""

    def offers(scene: Scene) -> Offers:
        positions = viewer_positions(scene)
        for reference, solid in enumerate(scene.solids):
            others = [index for index in range(len(scene.solids)) if index != reference]
            there = [index for index in others if holds(positions, index, relation, reference)]
            # A solid within the margin could be called either way: then nothing is asked.
            axis = 0 if relation in (LEFT, RIGHT) else 1
            clear = all(abs(positions[index, axis] - positions[reference, axis]) >= MARGIN_M for index in others)
            if len(there) == 1 and clear and relation_between(positions, there[0], reference) == relation:
                found = scene.solids[there[0]]
                yield f"what is {relation} the {_name(scene, solid)}?", f"{found.colour} {found.shape}"

    return offers


def _attribute(scene: Scene) -> Offers:
    for solid in scene.solids:
        for name in _names(scene, solid, (solid.shape,)):
            for colour in COLOURS:
                yield f"is the {name} {colour}?", _yes(colour == solid.colour)
        for name in _names(scene, solid, (f"{solid.colour} {solid.shape}",)):
            for size in SIZES:
                yield f"is the {name} {size}?", _yes(size == solid.size)
        for name in _names(scene, solid, (f"{solid.colour} solid",)):
            for shape in SHAPES:
                yield f"is the {name} a {shape}?", _yes(shape == solid.shape)


def _comparison(scene: Scene) -> Offers:
    for solid in scene.solids:
        for other in scene.solids:
            if solid.size != other.size:
                pair = f"the {_name(scene, solid)}", f"the {_name(scene, other)}"
                yield f"is {pair[0]} larger than {pair[1]}?", _yes(solid.size == "large")
                yield f"is {pair[0]} smaller than {pair[1]}?", _yes(solid.size == "small")
    there = sorted({solid.shape for solid in scene.solids})
    numbers = {shape: sum(solid.shape == shape for solid in scene.solids) for shape in there}
    for shape in there:
        for other_shape in there:
            if numbers[shape] != numbers[other_shape]:
                more = numbers[shape] > numbers[other_shape]
                yield f"are there more {PLURALS[shape]} than {PLURALS[other_shape]}?", _yes(more)
                yield f"are there fewer {PLURALS[shape]} than {PLURALS[other_shape]}?", _yes(not more)


_OFFERS: dict[QuestionType, Callable[[Scene], Offers]] = {
    "exist": _exist,
    "count": _count,
    "colour": _colour,
    "shape": _shape,
    "size": _size,
    **{kind: _side(relation) for kind, relation in SIDES.items()},
    "attribute": _attribute,
    "comparison": _comparison,
}


def _names(scene: Scene, solid: Solid, phrases: tuple[str, ...]) -> list[str]:
    """Keep the phrases that mean this solid and no other of the scene."""
    return [phrase for phrase in phrases if sum(_means(phrase, other) for other in scene.solids) == 1]


def _means(phrase: str, solid: Solid) -> bool:
    return set(phrase.split()) <= {solid.size, solid.colour, solid.shape, "solid"}


def _name(scene: Scene, solid: Solid) -> str:
    """Return the shortest of the usual names that means this solid alone; all three words always do."""
    full = f"{solid.size} {solid.colour} {solid.shape}"
    return _names(scene, solid, (f"{solid.colour} {solid.shape}", full))[0]


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"
