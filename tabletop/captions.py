"""Captions of tabletop scenes: say a scene in words, read the words back, and check them against the scene.

The one idea: the grammar is regular and every form starts with its own words, so that any caption, a model's included,
parses back to claims (solids, count, relations, table) that are simply true or false.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from tabletop.relations import RELATIONS, holds, reading_order, relation_between, viewer_positions
from tabletop.world import COLOURS, MAX_SOLIDS, SHAPES, SIZES, TINTS, Scene, Solid

Form = Literal["relational", "short", "list", "picture"]
FORMS: tuple[Form, ...] = get_args(Form)

# The words that ask a captioner for a form. "relational" is what it says when it is asked for nothing.
PROMPTS: dict[Form, str] = {"relational": "", "short": "i see", "list": "there", "picture": "a picture of"}

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")[: MAX_SOLIDS + 1]


def caption(scene: Scene, form: Form = "relational") -> str:
    """Describe a scene in one of the `FORMS`, its solids in reading order, left to right.

    Every solid of the scene is named, and a sentence of the relational form relates each one to the next.

    Raises:
        ValueError: `form` is none of `FORMS`.
    """
    order = reading_order(scene)
    solids = [scene.solids[index] for index in order]
    full = [_noun_phrase(solid) for solid in solids]
    if form == "relational":
        positions, chain = viewer_positions(scene), full[0]
        for place in range(1, len(order)):
            relation = relation_between(positions, order[place - 1], order[place])
            chain += f"{', which is' if place > 1 else ''} {relation} {full[place]}"
        return f"{chain} on a {scene.tint} table"
    if form == "short":
        return f"i see {_enumeration([_noun_phrase(solid, with_size=False) for solid in solids])}"
    if form == "list":
        counted = "is one solid" if len(solids) == 1 else f"are {NUMBERS[len(solids)]} solids"
        return f"there {counted}, {_enumeration(full)}"
    if form == "picture":
        return f"a picture of {_enumeration(full)} on a {scene.tint} table"
    raise ValueError(f"expected a form out of {FORMS}, got {form!r}")


def _noun_phrase(solid: Solid, with_size: bool = True) -> str:
    words = f"{solid.size} {solid.colour} {solid.shape}" if with_size else f"{solid.colour} {solid.shape}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _enumeration(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


@dataclass(frozen=True)
class NamedSolid:
    """A solid as a caption names it; `size` is None where the caption does not say."""

    colour: str
    shape: str
    size: str | None = None

    def __str__(self) -> str:
        return " ".join(word for word in (self.size, self.colour, self.shape) if word)


@dataclass(frozen=True)
class NamedRelation:
    """A relation as a caption states it; `subject` and `reference` count the solids as the caption names them."""

    subject: int
    relation: str
    reference: int


@dataclass(frozen=True)
class Claims:
    """Everything that a caption says; None where it does not say."""

    solids: tuple[NamedSolid, ...]
    relations: tuple[NamedRelation, ...] = ()
    count: int | None = None
    tint: str | None = None


def _one_of(words: tuple[str, ...]) -> str:
    return f"(?:{'|'.join(words)})"


_SOLID = rf"a(?:n(?= [aeiou])|(?! [aeiou])) (?:{_one_of(SIZES)} )?{_one_of(COLOURS)} {_one_of(SHAPES)}"
_SOLID_WORDS = re.compile(rf"\ban? (?:({_one_of(SIZES)}) )?({_one_of(COLOURS)}) ({_one_of(SHAPES)})\b")
_RELATION_WORDS = re.compile(rf"\b{_one_of(RELATIONS)}\b")
_ENUMERATION = rf"{_SOLID}(?:(?:, {_SOLID})* and {_SOLID})?"
_TABLE = rf"(?: on a (?P<tint>{_one_of(TINTS)}) table)?"
_SENTENCES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_SOLID}(?: {_one_of(RELATIONS)} {_SOLID}(?:, which is {_one_of(RELATIONS)} {_SOLID})*)?{_TABLE}",
        rf"(?:i see )?{_ENUMERATION}",
        rf"there (?:is (?P<one>one) solid|are (?P<many>{_one_of(NUMBERS)}) solids), {_ENUMERATION}",
        rf"a picture of {_ENUMERATION}{_TABLE}",
    )
)


def parse(text: str) -> Claims | None:
    """Read a caption back into its claims; None where it is outside the grammar.

    Case, spaces around commas and a final stop do not matter. The size of a solid, the table and the words "i see" may
    be left out.

    >>> parse("a red cube")
    Claims(solids=(NamedSolid(colour='red', shape='cube', size=None),), relations=(), count=None, tint=None)
    """
    plain = re.sub(r"\s*,\s*", ", ", " ".join(text.lower().split())).removesuffix(".").strip()
    match = next((found for sentence in _SENTENCES if (found := sentence.fullmatch(plain))), None)
    if match is None:
        return None
    facts = match.groupdict()
    number = facts.get("one") or facts.get("many")
    solids = tuple(NamedSolid(colour, shape, size or None) for size, colour, shape in _SOLID_WORDS.findall(plain))
    chain = tuple(NamedRelation(place, words, place + 1) for place, words in enumerate(_RELATION_WORDS.findall(plain)))
    return Claims(solids, chain, NUMBERS.index(number) if number else None, facts.get("tint"))


MistakeKind = Literal["solid", "size", "relation", "count", "tint"]


@dataclass(frozen=True)
class Mistake:
    """One claim that is false of the scene, with the truth in plain words."""

    kind: MistakeKind
    text: str


@dataclass(frozen=True)
class Verdict:
    """How a caption's claims stand against its scene.

    `named` is the number of the scene's `total` solids that are named with the right colour and shape.
    """

    named: int
    total: int
    mistakes: tuple[Mistake, ...]

    @property
    def true(self) -> bool:
        """Every stated fact is true (though some solid may go unnamed)."""
        return not self.mistakes

    @property
    def complete(self) -> bool:
        """Every solid of the scene is named with the right colour and shape."""
        return self.named == self.total


def check(claims: Claims, scene: Scene) -> Verdict:
    """Check every claim against the scene.

    A solid that is not there is one mistake; its relations are not counted again.
    """
    found = _match(claims.solids, scene.solids)
    mistakes: list[Mistake] = []
    for named, index in zip(claims.solids, found, strict=True):
        if index is None:
            mistakes.append(Mistake("solid", f"there is no such {named}"))
        elif named.size not in (None, scene.solids[index].size):
            mistakes.append(Mistake("size", f"the {named.colour} {named.shape} is {scene.solids[index].size}"))
    positions = viewer_positions(scene)
    for stated in claims.relations:
        subject, reference = found[stated.subject], found[stated.reference]
        if subject is not None and reference is not None and not holds(positions, subject, stated.relation, reference):
            pair = f"the {claims.solids[stated.subject]} is not {stated.relation} the {claims.solids[stated.reference]}"
            mistakes.append(Mistake("relation", pair))
    if claims.count not in (None, len(scene.solids)):
        mistakes.append(Mistake("count", f"the number of solids is {NUMBERS[len(scene.solids)]}"))
    if claims.tint not in (None, scene.tint):
        mistakes.append(Mistake("tint", f"the table is {scene.tint}"))
    return Verdict(sum(index is not None for index in found), len(scene.solids), tuple(mistakes))


def _match(named: tuple[NamedSolid, ...], solids: tuple[Solid, ...]) -> list[int | None]:
    """Give each named solid one of the scene's: those right in everything first, then those right but for the size."""
    found: list[int | None] = [None] * len(named)
    free = set(range(len(solids)))
    for size_matters in (True, False):
        for place, claim in enumerate(named):
            if found[place] is not None:
                continue
            for index in sorted(free):
                solid = solids[index]
                same_size = claim.size == solid.size or not size_matters
                if (claim.colour, claim.shape) == (solid.colour, solid.shape) and same_size:
                    found[place] = index
                    free.remove(index)
                    break
    return found


def vocabulary() -> tuple[str, ...]:
    """Return every word and mark of the captions, the questions and their answers, each once, in a fixed order."""
    sentences = "a an , and which is are on table i see there solid solids picture of to the left right in front behind"
    asking = "? how many what colour shape size does same as than more fewer larger smaller yes no nothing"
    plurals = "cubes spheres cylinders cones tori"
    words = (*sentences.split(), *NUMBERS, *SIZES, *COLOURS, *SHAPES, *TINTS, *asking.split(), *plurals.split())
    return tuple(dict.fromkeys(words))
