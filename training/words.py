"""The words that the keyword model knows, and how the words that it must not take for them are drawn.

A label is one of the 35 words of Speech Commands v0.02, or `UNKNOWN` (any other speech), or `SILENCE` (no speech at
all: quiet, noise, music).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
OTHERS = ("bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow")
LATER = ("backward", "follow", "forward", "learn", "visual")  # added in v0.02
WORDS = COMMANDS + DIGITS + OTHERS + LATER
UNKNOWN, SILENCE = "_unknown_", "_silence_"
LABELS = (*WORDS, UNKNOWN, SILENCE)

DICTIONARY = Path("/usr/share/dict/american-english-small")  # Debian's wamerican-small
HOMOPHONES = {
    *("know", "to", "too", "won", "ate", "for", "fore", "fo", "write", "rite", "wright", "awn", "offed", "sics", "dun"),
    *("sheilas", "burd", "byrd", "burred", "hows", "faux", "ought", "oft", "en", "an", "foreword", "nein", "tu", "ah"),
}

# Words that differ from a keyword by a sound, which random words seldom do.
_NEIGHBOURS = """
yet yeah yell guess chess less mess nest yep ness gnaw now nor mow low so show throw though toe new knee cup pup app
pop hub ape op us town gown noun dawn done dot doubt drown brown lift laughed theft let lest light night ride rye
bright bride rat rate wrong in own inn arm awe ounce of cough loft soft hoff step stock shop top stab stoop stuff spot
goat gold grow glow ghost cold gum guy gay hero zeal xerox wand wine want once gun run fun when tool do chew due
twice tune shoe free thee tray tea fee thrill fall door fought form far fur fire fine fight hive live dive file sick
sit fix mix sticks sex sip heaven eleven sever several center age aid at eat hate ace it neither mine line nice
night's lime known bad bet head bid beg bread bud ben burn word third beard board bert curd heard cap cut kit bat
hat can cast dock doll dug fog log tog dodge door hobby heavy puppy sappy have hippie mouse how hose horse louse out
shout martin marble carving starving shield shelter shiver tiller drew trick true dream street tear well why waver
vow wild hollow fellow fall awkward afford foreign upward burn turn earn lawn line lurk vision usual casual
"""
_PHONETIC = """
alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo
sierra tango uniform victor whiskey x-ray yankee zulu
"""
NEIGHBOURS, PHONETIC = tuple(_NEIGHBOURS.split()), tuple(_PHONETIC.split())


@cache
def unknown_words() -> tuple[str, ...]:
    """Return the other words to train with: lower case, 2 to 10 letters, none that sounds like a keyword.

    Raises:
        FileNotFoundError: Debian's package wamerican-small is not installed.
    """
    words = DICTIONARY.read_text(encoding="utf-8").split()
    plain = {word for word in words if word.isascii() and word.isalpha() and word.islower() and 2 <= len(word) <= 10}
    return tuple(sorted(word for word in plain if not sounds_known(word)))


def sounds_known(word: str) -> bool:
    """Say whether a word is a keyword, is spoken like one, or is one with a short ending.

    >>> sounds_known("know"), sounds_known("birds"), sounds_known("north")
    (True, True, False)
    """
    inflected = any(word.startswith(known) and len(word) - len(known) <= 3 for known in WORDS if len(known) > 2)
    return word in WORDS or word in HOMOPHONES or inflected


def draw_unknown(rng: np.random.Generator) -> str:
    """Draw what is said instead of a keyword: a neighbour of one, any word, or two or three words in a row."""
    kind = rng.random()
    if kind < 0.35:
        return str(rng.choice(NEIGHBOURS))
    if kind < 0.4:
        return str(rng.choice(PHONETIC))
    number = 1 if kind < 0.8 else rng.integers(2, 4)
    return " ".join(rng.choice(unknown_words(), number))
