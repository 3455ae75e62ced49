"""Questions about tabletop scenes with their answers, one true answer each.

The one idea: a question is asked only where nobody could argue about its answer, and a yes-or-no question only where
the scene has both a yes and a no to offer; which of the two is asked is then a coin toss, so that guessing earns half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from tabletop.captions import NUMBERS
from tabletop.relations import BEHIND, FRONT, LEFT, MARGIN_M, OPPOSITE, RIGHT, holds, relation_between, viewer_positions
from tabletop.world import COLOURS, SHAPES, SIZES, Scene, Solid

QuestionType = Literal[
    "exist", "count", "colour", "shape", "size", "left", "right", "front", "behind", "attribute", "comparison"
]
QUESTION_TYPES: tuple[QuestionType, ...] = get_args(QuestionType)

PLURALS = {"cube": "cubes", "sphere": "spheres", "cylinder": "cylinders", "cone": "cones", "torus": "tori"}
SIDES: dict[QuestionType, str] = {"left": LEFT, "right": RIGHT, "front": FRONT, "behind": BEHIND}


NOTHING = "nothing"  # the answer where what is asked about is not there: "what colour is the torus?" without a torus


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
    asked = (question_of_type(scene, kind, rng) for kind in QUESTION_TYPES)
    return tuple(question for question in asked if question is not None)


def question_of_type(scene: Scene, kind: QuestionType, rng: np.random.Generator, even: bool = False) -> Question | None:
    """Return one question of a type; None where the scene does not allow one.

    With `even`, every answer that the type has to offer is as likely as any other, however many questions lead to it.
    """
    offers = sorted(set(_OFFERS[kind](scene)))
    if kind in YES_OR_NO:
        wanted = "yes" if rng.random() < 0.5 else "no"
        both = {answer for _, answer in offers} == {"yes", "no"}
        offers = [offer for offer in offers if both and offer[1] == wanted]
    if even and offers:
        answers = sorted({answer for _, answer in offers})
        wanted = answers[rng.integers(len(answers))]
        offers = [offer for offer in offers if offer[1] == wanted]
    return Question(kind, *offers[rng.integers(len(offers))]) if offers else None


def false_premise(scene: Scene, rng: np.random.Generator) -> Question:
    """Return a question about a solid that is not there, or about a side on which nothing stands.

    The answer is `NOTHING`, or "no" where the question asks for yes or no.
    """
    offers = _FALSE_OFFERS[rng.integers(len(_FALSE_OFFERS))](scene) or _absent_sides(scene)
    return offers[rng.integers(len(offers))]


def further_question(scene: Scene, rng: np.random.Generator) -> Question:
    """Return a question that people ask though `questions` does not: "is there a cube?", "how many large cubes?".

    Its kind is drawn first, then its answer, then the question, so that none of them is rare.
    """
    offers = _FURTHER[rng.integers(len(_FURTHER))](scene)
    answers = sorted({question.answer for question in offers})
    wanted = answers[rng.integers(len(answers))]
    offers = [question for question in offers if question.answer == wanted]
    return offers[rng.integers(len(offers))]


def question_of_table(scene: Scene) -> Question:
    """Return the question for the colour of the table, which is said in the words of `tabletop.world.TINTS`."""
    return Question("colour", "what colour is the table?", scene.tint)


def offered(scene: Scene) -> tuple[Question, ...]:
    """Return every question that may be asked of a scene, on false premises too, with its answer."""
    asked = [Question(kind, *offer) for kind in QUESTION_TYPES for offer in sorted(set(_OFFERS[kind](scene)))]
    others = [question for offers in (*_FALSE_OFFERS, *_FURTHER) for question in offers(scene)]
    return tuple(dict.fromkeys((*asked, question_of_table(scene), *others)))


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


# --- False premises ---------------------------------------------------------------------------------------------------


def _absent_pairs(scene: Scene) -> list[str]:
    """Return the names, colour and shape, that differ from a solid of the scene in one of the two and mean none."""
    there = {(solid.colour, solid.shape) for solid in scene.solids}
    near = {(other, shape) for _, shape in there for other in COLOURS}
    near |= {(colour, other) for colour, _ in there for other in SHAPES}
    return [f"{colour} {shape}" for colour, shape in sorted(near - there)]


def _absent_sides(scene: Scene) -> list[Question]:
    return [
        Question(kind, f"what is {relation} the {name}?", NOTHING)
        for name in _absent_pairs(scene)
        for kind, relation in SIDES.items()
    ]


def _empty_sides(scene: Scene) -> list[Question]:
    """Ask what is on a side of a solid where all others stand clearly on the other side of it."""
    positions, asked = viewer_positions(scene), []
    for reference, solid in enumerate(scene.solids):
        others = [index for index in range(len(scene.solids)) if index != reference]
        for kind, relation in SIDES.items():
            if all(holds(positions, index, OPPOSITE[relation], reference) for index in others):
                asked.append(Question(kind, f"what is {relation} the {_name(scene, solid)}?", NOTHING))
    return asked


def _absent_colours(scene: Scene) -> list[Question]:
    names = [shape for shape in SHAPES if not any(_means(shape, solid) for solid in scene.solids)]
    return [Question("colour", f"what colour is the {name}?", NOTHING) for name in names]


def _absent_shapes(scene: Scene) -> list[Question]:
    names = [f"{colour} solid" for colour in COLOURS if not any(_means(colour, solid) for solid in scene.solids)]
    return [Question("shape", f"what shape is the {name}?", NOTHING) for name in names]


def _absent_sizes(scene: Scene) -> list[Question]:
    return [Question("size", f"what size is the {name}?", NOTHING) for name in _absent_pairs(scene)]


def _absent_attributes(scene: Scene) -> list[Question]:
    shapes = [shape for shape in SHAPES if not any(_means(shape, solid) for solid in scene.solids)]
    asked = [Question("attribute", f"is the {shape} {colour}?", "no") for shape in shapes for colour in COLOURS]
    return asked + [
        Question("attribute", f"is the {name} {size}?", "no") for name in _absent_pairs(scene) for size in SIZES
    ]


def _absent_comparisons(scene: Scene) -> list[Question]:
    there = [_name(scene, solid) for solid in scene.solids]
    pairs = [pair for name in there for absent in _absent_pairs(scene) for pair in ((name, absent), (absent, name))]
    return [
        Question("comparison", f"is the {first} {word} than the {second}?", "no")
        for first, second in pairs
        for word in ("larger", "smaller")
    ]


_FALSE_OFFERS: tuple[Callable[[Scene], list[Question]], ...] = (
    _absent_sides,
    _empty_sides,
    _absent_colours,
    _absent_shapes,
    _absent_sizes,
    _absent_attributes,
    _absent_comparisons,
)


# --- Further questions ------------------------------------------------------------------------------------------------


def _number(scene: Scene, phrase: str) -> int:
    return sum(_means(phrase, solid) for solid in scene.solids)


def _is_there(scene: Scene, phrases: Iterable[str]) -> list[Question]:
    return [
        Question("exist", f"is there {_with_article(phrase)}?", _yes(_number(scene, phrase) > 0)) for phrase in phrases
    ]


def _one_word_exists(scene: Scene) -> list[Question]:
    return _is_there(scene, [*SHAPES, *(f"{word} solid" for word in (*COLOURS, *SIZES))])


def _size_exists(scene: Scene) -> list[Question]:
    """Ask for the solids that are there, and for the same in the other size or colour or shape."""
    there = [(solid.colour, solid.shape) for solid in scene.solids]
    phrases = [f"{size} {colour} {shape}" for colour, shape in there for size in SIZES]
    return _is_there(scene, [*phrases, *(f"{size} {shape}" for size in SIZES for shape in SHAPES)])


def _table_exists(scene: Scene) -> list[Question]:
    return [Question("exist", "is there a table?", "yes")]


def _counts_of_two_words(scene: Scene) -> list[Question]:
    there = [(solid.size, solid.colour, solid.shape) for solid in scene.solids]
    names = [(f"{size} solid", f"{size} solids") for size in SIZES]
    names += [(f"{colour} {shape}", f"{colour} {PLURALS[shape]}") for _, colour, shape in there]
    names += [(f"{size} {shape}", f"{size} {PLURALS[shape]}") for size in SIZES for shape in SHAPES]
    names += [(pair, f"{pair.split()[0]} {PLURALS[pair.split()[1]]}") for pair in _absent_pairs(scene)[:4]]
    return [Question("count", f"how many {many} are there?", NUMBERS[_number(scene, one)]) for one, many in names]


def _numbers_compared(scene: Scene) -> list[Question]:
    numbers = {shape: _number(scene, shape) for shape in SHAPES}
    return [
        Question("comparison", f"are there {word} {PLURALS[first]} than {PLURALS[second]}?", _yes(truth))
        for first in SHAPES
        for second in SHAPES
        if first != second and numbers[first] + numbers[second] > 0
        for word, truth in (("more", numbers[first] > numbers[second]), ("fewer", numbers[first] < numbers[second]))
    ]


_FURTHER: tuple[Callable[[Scene], list[Question]], ...] = (
    _one_word_exists,
    _one_word_exists,
    _size_exists,
    _counts_of_two_words,
    _counts_of_two_words,
    _numbers_compared,
    _table_exists,
)


# --- Names ------------------------------------------------------------------------------------------------------------


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
