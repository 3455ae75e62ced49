"""Questions about what the tabletop world does not have: dogs, cars, brown cubes, people and the weather.

The one idea: what is not in the world is not in the picture, so a yes-or-no question about it is answered "no", a count
"zero", and any other question `UNKNOWN`. Nouns of three kinds teach it: written ones, made-up ones, and colours and
shapes that the world lacks. `STRANGE_QUESTIONS`, for grading, share no noun with them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from tabletop.captions import NUMBERS
from tabletop.questions import PLURALS, SIDES, Question, QuestionType
from tabletop.world import COLOURS, SIZES, Scene

T = TypeVar("T")

UNKNOWN = "unknown"  # the answer to an open question about what the world does not have
REFUSALS = ("no", NUMBERS[0], UNKNOWN, "nothing")  # the answers that invent nothing

_NOUNS = """
dog cow horse pig goat duck fox bear wolf rabbit frog fish bird eagle owl snake spider bee ant fly tiger zebra camel
monkey whale shark turtle crab snail worm puppy hen rooster pigeon swan deer moose rat hamster squirrel bat seal
man woman boy girl child baby teacher doctor policeman farmer king queen soldier singer dancer student nurse cook
father sister friend stranger crowd player driver thief clown pirate hero ghost angel monster robot alien dragon
car truck train plane ship bicycle motorcycle tractor helicopter taxi scooter van ferry submarine wagon trailer
house castle church school bridge tower tent barn garage hotel hospital library museum factory shop kitchen bathroom
chair sofa bed desk shelf lamp mirror carpet curtain pillow blanket cupboard drawer stool bench door wall floor
ceiling roof stairs fence gate garden street road river lake sea beach island mountain hill valley desert forest
tree flower grass leaf bush cactus mushroom sun moon star cloud rain snow wind storm rainbow fire smoke shadow rock
apple pear cherry grape lemon peach plum strawberry melon carrot tomato onion cabbage bean pea corn bread butter
egg meat sausage soup salad rice noodle cake cookie chocolate candy sugar salt pepper honey juice milk tea beer wine
cup glass plate bowl spoon fork kettle pan pot oven fridge bucket basket barrel bag jar tin parcel envelope
hat coat shirt dress skirt sock shoe boot glove scarf belt watch necklace jacket sweater tie button
book pen paper letter newspaper map frame poster stamp pencil ruler eraser crayon notebook folder scissors
phone computer keyboard screen television radio camera printer battery cable laptop tablet speaker lens
hammer saw nail screw drill axe rope chain ladder shovel rake brush broom needle thread key lock knife sword shield
guitar drum violin trumpet flute harp bell whistle doll kite puzzle card coin medal crown jewel diamond candle match
hand foot head face eye nose mouth ear hair arm leg finger tooth bone heart
pyramid prism hexagon triangle square rectangle circle line arrow cross dome tube disc wedge pentagon helix
"""
NOUNS = tuple(_NOUNS.split())
FOREIGN_COLOURS = ("brown", "black", "white", "golden", "maroon")
FOREIGN_VALUES = ("heavy", "wooden", "round", "broken", "empty", "hot", "alive", "striped", "old", "wet")
IRREGULAR = {"man": "men", "woman": "women", "child": "children", "foot": "feet", "tooth": "teeth", "leaf": "leaves"}
IRREGULAR |= {"shelf": "shelves", "knife": "knives", "thief": "thieves", "wolf": "wolves", "policeman": "policemen"}
IRREGULAR |= {noun: noun for noun in ("deer", "fish", "scissors", "stairs", "sheep", "hair", "corn", "rice")}

# Open questions; {noun} is one of the strangers.
OPEN = (
    "where is the {noun}?",
    "where is {noun}?",
    "what is the {noun} doing?",
    "what does the {noun} do?",
    "who is the {noun}?",
    "who owns the {noun}?",
    "why is the {noun} here?",
    "how old is the {noun}?",
    "how much is the {noun}?",
    "how heavy is the {noun}?",
    "when was the {noun} made?",
    "what is the {noun} made of?",
    "what is the {noun} called?",
    "what is the name of the {noun}?",
    "what is on the {noun}?",
    "what is in the {noun}?",
    "what is under the {noun}?",
    "what kind of {noun} is this?",
    "which {noun} is it?",
    "which {noun} do you like?",
    "tell me about the {noun}.",
    "describe the {noun}.",
    "what about the {noun}?",
    "what is a {noun}?",
    "{noun}?",
    "who is in the picture?",
    "who is this?",
    "who made you?",
    "who are you?",
    "who took the picture?",
    "what is your name?",
    "how are you?",
    "what time is it?",
    "what day is it?",
    "where are we?",
    "where was this made?",
    "when was this picture taken?",
    "why is it so dark?",
    "what is the weather like?",
    "what is the meaning of this?",
    "what do you think?",
    "hello",
    "thank you",
    "what is two and two?",
    "what do they say?",
)

_FRAMES = ("exist", "count", "colour", "shape", "size", "side", "attribute", "comparison", "open", "foreign")
_FRAME_SHARES = (0.14, 0.1, 0.1, 0.05, 0.06, 0.1, 0.12, 0.08, 0.15, 0.1)
_ONSETS = "b bl d dr f g gl h j k l m n p pl r s sk st t tr v w z"
_SYLLABLES = tuple(onset + vowel for onset in _ONSETS.split() for vowel in "aeiou")
_ENDINGS = ("", "b", "d", "ff", "g", "k", "l", "m", "n", "p", "r", "sh", "t", "x", "ck", "ng", "mp")


def stranger(scene: Scene, rng: np.random.Generator, nouns: Sequence[str] = NOUNS) -> Question:
    """Return a question about something that the world does not have, in a canonical form, or an open question.

    One noun in four is made up, so that what counts is that a word is not of this world.
    """
    frame = rng.choice(_FRAMES, p=_FRAME_SHARES)
    noun, other = (_noun(rng, nouns) for _ in range(2))
    colour, size = _of(COLOURS, rng), _of(SIZES, rng)
    solid = _of(scene.solids, rng)
    there = f"{solid.colour} {solid.shape}"
    kind: QuestionType
    relation = ""
    if frame == "side":
        kind, relation = _of(tuple(SIDES.items()), rng)
        return Question(kind, f"what is {relation} the {noun}?", UNKNOWN)
    if frame == "foreign":
        return _foreign(solid.shape, rng)
    if frame == "open":
        return Question("exist", _of(OPEN, rng).format(noun=noun), UNKNOWN)
    if frame == "exist":
        adjective = _of(("", "", "", f"{colour} ", f"{size} ", f"{size} {colour} "), rng)
        place = _of(("", "", "", "", f" {_of(tuple(SIDES.values()), rng)} the {there}"), rng)
        return Question("exist", f"is there {with_article(adjective + noun)}{place}?", "no")
    if frame == "count":
        adjective = _of(("", "", "", f"{colour} ", f"{size} "), rng)
        return Question("count", f"how many {adjective}{plural(noun)} are there?", NUMBERS[0])
    if frame == "attribute":
        value = _of((colour, colour, size, with_article(solid.shape), with_article(other)), rng)
        return Question("attribute", f"is the {noun} {value}?", "no")
    if frame == "comparison":
        than = _of((there, other), rng)
        word = _of(("larger", "smaller"), rng)
        first, second = (noun, than) if rng.random() < 0.5 else (than, noun)
        if rng.random() < 0.6:
            return Question("comparison", f"is the {first} {word} than the {second}?", "no")
        more = _of((plural(other), PLURALS[solid.shape]), rng)
        return Question("comparison", f"are there more {plural(noun)} than {more}?", "no")
    adjective = _of(("", "", "", f"{colour} " if frame != "colour" else f"{size} "), rng)
    return Question(_of_type(frame), f"what {frame} is the {adjective}{noun}?", UNKNOWN)


def _of_type(frame: str) -> QuestionType:
    return {"colour": "colour", "shape": "shape", "size": "size"}[frame]  # type: ignore[return-value]


def _foreign(shape: str, rng: np.random.Generator) -> Question:
    """Ask about a colour or a property that no solid of the world has."""
    colour = _of(FOREIGN_COLOURS, rng)
    things = _of((PLURALS[shape], "solids"), rng)
    offers: tuple[Question, ...] = (
        Question("exist", f"is there a {colour} {shape}?", "no"),
        Question("count", f"how many {colour} {things} are there?", NUMBERS[0]),
        Question("attribute", f"is the {shape} {_of((colour, *FOREIGN_VALUES), rng)}?", "no"),
        Question("size", f"what size is the {colour} {shape}?", UNKNOWN),
        Question("shape", f"what shape is the {colour} solid?", UNKNOWN),
    )
    return _of(offers, rng)


def _noun(rng: np.random.Generator, nouns: Sequence[str]) -> str:
    """Draw a noun of the list, or make one up."""
    if rng.random() >= 0.25:
        return _of(nouns, rng)
    return "".join(_of(_SYLLABLES, rng) for _ in range(rng.integers(1, 4))) + _of(_ENDINGS, rng)


def plural(noun: str) -> str:
    """Return the plural of a noun.

    >>> plural("bus"), plural("cherry"), plural("toy"), plural("man")
    ('buses', 'cherries', 'toys', 'men')
    """
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if re.search("(?:s|x|z|ch|sh)$", noun):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if re.search("[^aeiou]y$", noun) else f"{noun}s"


def with_article(words: str) -> str:
    """Put "a" or "an" before words."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _of(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.random() * len(options))]


def vocabulary() -> tuple[str, ...]:
    """Return the words of the open questions, without the nouns, each once, in a fixed order."""
    said = " ".join(sentence.replace("{noun}", "") for sentence in OPEN)
    return tuple(dict.fromkeys((UNKNOWN, *re.findall(r"[a-z]+", said))))


# --- For grading ------------------------------------------------------------------------------------------------------

# Sentences and the strangers to put into them, none of which is a noun, a colour or a property of those above.
_STRANGE_FRAMES: dict[str, str] = {
    "is there a {}?": "cat lion giraffe penguin kangaroo butterfly grandmother wizard rocket piano",
    "Is there a {} in the picture?": "bus cottage bathtub waterfall banana pizza mug helmet telephone balloon",
    "is there any {} here": "cheese water coffee bacon money jewelry furniture steam sunshine mud",
    "can you see a {}?": "donkey lizard volcano lighthouse couch vase pineapple teapot wrench football",
    "are there any {} on the table?": "potatoes sandwiches biscuits napkins magazines dice peanuts",
    "is there a red {}?": "motorbike sandal umbrella tulip mango lantern backpack rug",
    "is there a {} behind the cube?": "hedgehog waiter windmill wardrobe cliff oak bottle wallet microphone trombone",
    "do you see the {}?": "elephant parrot gorilla president airport fireplace pond burger toaster saxophone",
    "does the picture show a {}": "crocodile dolphin astronaut skyscraper toilet cave palm kiwi hoodie cello",
    "how many {} are there?": "cats sheep octopuses uncles buses canoes cushions bananas bottles",
    "How many {} can you see in the image": "mosquitoes beetles pandas tourists ambulances muffins elbows",
    "how many beige {} are there?": "cubes solids balls cones koalas",
    "what colour is the {}?": "cat elephant bus couch rug banana mug umbrella piano beard",
    "what color is the {} in the picture?": "lion parrot ambulance cottage jug potato saucepan helmet calendar teddy",
    "what size is the {}?": "giraffe canoe wardrobe mango vase stapler balloon octagon",
    "what shape is the {}?": "cushion pizza bathtub bottle pond monitor ellipse",
    "what is to the left of the {}?": "kangaroo rocket fireplace pineapple teapot",
    "what is behind the {}?": "wizard bus waterfall sandwich microphone",
    "what is in front of the {}": "donkey windmill toilet hamburger wallet",
    "is the {} blue?": "butterfly motorbike chandelier ocean cheese jeans umbrella telephone football cello",
    "is the {} larger than the cube?": "penguin grandmother skyscraper mug trapezoid",
    "are there more {} than cubes?": "lizards buses potatoes sandals balloons",
    "where is the {}?": "cat president airport bottle wallet",
    "what is the {} doing?": "gorilla waiter astronaut parrot uncle",
}
STRANGE_QUESTIONS = (
    *(sentence.format(noun) for sentence, nouns in _STRANGE_FRAMES.items() for noun in nouns.split()),
    "is the sphere made of plastic?",
    "is it raining?",
    "is anybody in the picture?",
    "is somebody holding the cube?",
    "is there a silver sphere?",
    "is the cone beige?",
    "what season is it?",
    "who won the election?",
    "who painted this?",
    "what is the capital of France?",
    "how do I bake lasagne?",
    "why did they leave?",
    "what language do they speak?",
    "when is lunch?",
)
