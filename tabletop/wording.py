"""The questions of `tabletop.questions` in other words, as people would type them.

The one idea: a canonical question is taken apart into its phrases (a name, a side, an attribute), each is said in
words that mean the same, and the phrases are set into one of several sentences; so every wording keeps the truth. Slips
of the keyboard come last, and only ones from which a reader can tell the word that was meant.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from string import Formatter, ascii_lowercase

import numpy as np

from tabletop.captions import vocabulary as captions_vocabulary
from tabletop.questions import Question
from tabletop.strangers import NOUNS, plural

# What a word of a name may be replaced with. Each means the same to anybody, or it is not here.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "cube": ("block", "box"),
    "cubes": ("blocks", "boxes"),
    "sphere": ("ball",),
    "spheres": ("balls",),
    "torus": ("ring", "donut", "doughnut"),
    "tori": ("rings", "donuts", "doughnuts", "toruses"),
    "solid": ("object", "thing", "item"),
    "solids": ("objects", "things", "items"),
    "large": ("big",),
    "small": ("little", "tiny"),
    "larger": ("bigger",),
    "smaller": ("littler", "tinier"),
    "fewer": ("less",),
    "colour": ("color",),
}
SIDE_WORDS: dict[str, tuple[str, ...]] = {
    "to the left of": ("left of", "on the left of", "on the left side of", "to the left side of"),
    "to the right of": ("right of", "on the right of", "on the right side of", "to the right side of"),
    "in front of": ("nearer than", "closer than", "nearer to us than", "before"),
    "behind": ("at the back of", "in back of", "further away than", "farther away than", "farther back than"),
}

# The fields of the sentences below that stand for one of several ways to say the same.
FIELDS: dict[str, tuple[str, ...]] = {
    "here": ("", "", "", " on the table", " in the picture", " in the image", " in this scene", " here"),
    "see": ("can you see", "do you see", "can we see", "does the picture show", "does the image show", "do we have"),
    "is": ("is", "is", "is", "stands", "lies", "can be seen", "do you see", "can you see"),
    "what_is": ("what is", "what is", "what's", "which solid is", "which object is", "which thing is"),
    "which": ("what", "what", "which"),
}

# The canonical form of each type, and the sentences that its phrases may be set into.
_FORMS: tuple[tuple[str, re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (name, re.compile(pattern), sentences)
    for name, pattern, sentences in (
        (
            "exist",
            r"is there an? (?P<name>.+)\?",
            (
                "is there {a_name}{here}?",
                "is there {a_name}{here}?",
                "is there any {name}{here}?",
                "{see} {a_name}{here}?",
                "{see} any {name}{here}?",
                "is {a_name} there?",
                "is {a_name} on the table?",
                "is {a_name} in the picture?",
                "is {a_name} to be seen{here}?",
                "does the scene contain {a_name}?",
                "has the picture got {a_name}?",
            ),
        ),
        (
            "count",
            r"how many (?P<names>.+) are there\?",
            (
                "how many {names} are there{here}?",
                "how many {names} are there{here}?",
                "how many {names} are{here}?",
                "how many {names} {see}{here}?",
                "how many {names}{here}?",
                "what is the number of {names}{here}?",
                "what's the number of {names}{here}?",
                "count the {names}{here}.",
                "tell me how many {names} there are{here}.",
                "say the number of {names}{here}.",
            ),
        ),
        (
            "attribute_of",
            r"what (?P<attribute>colour|shape|size) is the (?P<name>.+)\?",
            (
                "{which} {attribute} is {the_name}{here}?",
                "{which} {attribute} is {the_name}{here}?",
                "{which} {attribute} has {the_name}?",
                "{which} {attribute} does {the_name} have?",
                "what is the {attribute} of {the_name}{here}?",
                "what's the {attribute} of {the_name}{here}?",
                "{the_name} is {which} {attribute}?",
                "of {which} {attribute} is {the_name}?",
                "tell me the {attribute} of {the_name}.",
                "name the {attribute} of {the_name}{here}.",
            ),
        ),
        (
            "side",
            r"what is (?P<side>to the left of|to the right of|in front of|behind) the (?P<name>.+)\?",
            (
                "{what_is} {side} {the_name}{here}?",
                "{what_is} {side} {the_name}?",
                "what {is} {side} {the_name}?",
                "which object {is} {side} {the_name}?",
                "which thing {is} {side} {the_name}?",
                "{side} {the_name} is what?",
                "{side} {the_name} there is what?",
                "what is there {side} {the_name}?",
                "what is the thing {side} {the_name}?",
                "name the thing {side} {the_name}.",
                "name the object that is {side} {the_name}.",
            ),
        ),
        (
            "larger",
            r"is the (?P<name>.+) (?P<more>larger|smaller) than the (?P<other>.+)\?",
            (
                "is {the_name} {more} than {the_other}?",
                "is {the_name} {more} than {the_other}?",
                "is {the_other} {less} than {the_name}?",
                "is {the_name} the {more} one compared to {the_other}?",
                "compared to {the_other}, is {the_name} {more}?",
                "would you say {the_name} is {more} than {the_other}?",
                "is it true that {the_name} is {more} than {the_other}?",
                "is the size of {the_name} {more} than that of {the_other}?",
            ),
        ),
        (
            "more",
            r"are there (?P<more>more|fewer) (?P<names>.+) than (?P<others>.+)\?",
            (
                "are there {more} {names} than {others}{here}?",
                "are there {more} {names} than {others}{here}?",
                "are there {less} {others} than {names}{here}?",
                "{see} {more} {names} than {others}{here}?",
                "is it true that there are {more} {names} than {others}?",
                "would you say there are {more} {names} than {others}?",
            ),
        ),
        (
            "attribute",
            r"is the (?P<name>.+) (?P<value>(?:an? )?\S+)\?",
            (
                "is {the_name} {value}?",
                "is {the_name} {value}?",
                "is {the_name}{here} {value}?",
                "would you say {the_name} is {value}?",
                "is it true that {the_name} is {value}?",
                "is it right to say {the_name} is {value}?",
                "is {the_name} {value} or not?",
                "{the_name} is {value}, yes or no?",
                "does {the_name} look {value}?",
            ),
        ),
    )
)
_OPPOSITE = {"larger": "smaller", "smaller": "larger", "more": "fewer", "fewer": "more"}

OPENERS = ("please", "please tell me", "can you tell me", "could you tell me", "can you say", "tell me", "hey", "so")
CLOSERS = ("please", "do you know")

CANONICAL_SHARE = 0.3  # of the questions that `ask` leaves in the canonical wording
SLIP_SHARE = 0.25  # of all questions, those in which a word or two are mistyped
SECOND_SLIP_SHARE = 0.2  # of those


def ask(question: Question, rng: np.random.Generator) -> str:
    """Return a question as somebody may type it: in these words or others, with slips or without.

    One in none of the canonical forms keeps its words.
    """
    canonical = rng.random() < CANONICAL_SHARE or not is_canonical(question.text)
    text = question.text if canonical else reword(question, rng)
    if rng.random() < 0.3:
        text = text.rstrip("?.")
    if rng.random() < 0.3:
        text = text[0].upper() + text[1:]
    if rng.random() < SLIP_SHARE:
        text = mistype(text, rng)
        if rng.random() < SECOND_SLIP_SHARE:
            text = mistype(text, rng)
    return text


def is_canonical(text: str) -> bool:
    """Say whether a text has one of the forms of `tabletop.questions`, whatever its names."""
    return any(pattern.fullmatch(text) for _, pattern, _ in _FORMS)


def reword(question: Question, rng: np.random.Generator) -> str:
    """Return a canonical question in other words of the same truth, lower case.

    Raises:
        ValueError: the question is in none of the canonical forms.
    """
    for form, pattern, sentences in _FORMS:
        if match := pattern.fullmatch(question.text):
            text = _fill(_pick(sentences, rng), form, match.groupdict(), rng)
            break
    else:
        raise ValueError(f"expected a canonical question, got {question.text!r}")
    if rng.random() < 0.15:
        text = f"{_pick(OPENERS, rng)}{_pick((',', '', ''), rng)} {text}"
    if rng.random() < 0.06:
        text = f"{text[:-1]}, {_pick(CLOSERS, rng)}{text[-1]}"
    return text


def _fill(sentence: str, form: str, parts: dict[str, str], rng: np.random.Generator) -> str:
    """Set the phrases of a question, each in words drawn anew, into a sentence."""
    values: dict[str, str] = {}
    for _, field, _, _ in Formatter().parse(sentence):
        if field is None or field in values:
            continue
        if field in FIELDS:
            value = _pick(FIELDS[field], rng)
        elif field.startswith("a_"):
            value = _with_article(_synonyms(parts[field[2:]], rng))
        elif field.startswith("the_"):
            value = _definite(parts[field[4:]], rng)
        elif field == "less":
            value = _synonyms(_OPPOSITE[parts["more"]], rng)
        elif field == "side":
            value = _pick((parts["side"], *SIDE_WORDS[parts["side"]]), rng) if rng.random() < 0.6 else parts["side"]
        elif field == "value":
            article, _, word = parts["value"].rpartition(" ")
            value = _with_article(_synonyms(word, rng)) if article else _synonyms(word, rng)
        else:
            value = _synonyms(parts[field], rng)
        values[field] = value
    return sentence.format(**values)


def _synonyms(phrase: str, rng: np.random.Generator) -> str:
    words = phrase.split()
    return " ".join(_pick((word, *SYNONYMS[word]), rng) if word in SYNONYMS else word for word in words)


def _definite(phrase: str, rng: np.random.Generator) -> str:
    """Return a name that means one thing: "the red cube", "the cube that is red", "the red one"."""
    *before, last = phrase.split()
    if last == "solid" and before and rng.random() < 0.25:
        return f"the {_synonyms(' '.join(before), rng)} one"
    if len(before) == 1 and rng.random() < 0.07:
        return f"the {_synonyms(last, rng)} {_pick(('that', 'which'), rng)} is {_synonyms(before[0], rng)}"
    return f"{_pick(('the', 'the', 'the', 'the', 'this'), rng)} {_synonyms(phrase, rng)}"


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.random() * len(options))]


# --- Slips of the keyboard --------------------------------------------------------------------------------------------

SHORTEST_SLIP = 4  # letters of a word in which a slip is made
_WORD = re.compile(r"[a-z]+")


def mistype(text: str, rng: np.random.Generator) -> str:
    """Mistype one word of a text: a letter dropped, doubled, swapped with the next or replaced.

    Words that are not of `vocabulary()` are left alone, and the slip makes no word that could be meant for another.
    """
    places = [match for match in _WORD.finditer(text) if slips(match[0])]
    if not places:
        return text
    place = places[int(rng.random() * len(places))]
    return text[: place.start()] + _pick(slips(place[0]), rng) + text[place.end() :]


@cache
def slips(word: str) -> tuple[str, ...]:
    """Return the ways to mistype a word by one slip from which no other word of `vocabulary()` can be meant."""
    if word not in _slip_counts()[1] or len(word) < SHORTEST_SLIP:
        return ()
    counts, known = _slip_counts()
    return tuple(sorted(slip for slip in _one_slip(word) if slip not in known and counts[slip] == 1))


@cache
def _slip_counts() -> tuple[Counter[str], frozenset[str]]:
    """Return, for every mistyped word, how many words it could be meant for, and all words that are slipped in."""
    known = frozenset(word for word in vocabulary() if word.isalpha())
    strange = {word for noun in NOUNS for word in (noun, plural(noun))}
    return Counter([*(slip for word in known for slip in _one_slip(word)), *strange]), known


def _one_slip(word: str) -> set[str]:
    dropped = {word[:at] + word[at + 1 :] for at in range(len(word))}
    doubled = {word[:at] + word[at] + word[at:] for at in range(len(word))}
    swapped = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)}
    replaced = {word[:at] + letter + word[at + 1 :] for at in range(len(word)) for letter in ascii_lowercase}
    return (dropped | doubled | swapped | replaced) - {word}


@cache
def vocabulary() -> tuple[str, ...]:
    """Return every word and mark of the canonical questions and of their wordings, each once, in a fixed order."""
    phrases = [phrase for phrases in (*SYNONYMS.values(), *SIDE_WORDS.values(), *FIELDS.values()) for phrase in phrases]
    sentences = [re.sub(r"\{\w+\}", " ", sentence) for _, _, sentences in _FORMS for sentence in sentences]
    said = " ".join((*phrases, *sentences, *OPENERS, *CLOSERS, "one this that which"))
    return tuple(dict.fromkeys((*captions_vocabulary(), *re.findall(r"[a-z]+|[^a-z\s]", said))))
