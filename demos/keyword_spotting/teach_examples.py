"""Examples of a word to be taught: found in what was recorded, checked, and varied a little.

A recording may hold a word several times with pauses between: each is an example of its own, a second long.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from demos.keyword_spotting.spotting import F32, NOT_WORDS, UNKNOWN
from hub.errors import InvalidInput
from hub.sound_files import FULL_SCALE
from hub.sounds import CLIPPED, RATE_HZ, SILENT, Sound

EXAMPLE_S = 1.0  # what keyword models hear at once
SIZE = round(EXAMPLE_S * RATE_HZ)
MOST_WORDS, MOST_EXAMPLES = 10, 30  # in all; of each word
MOST_CHARS = 40  # of a word's name
MOST_NAME_CHARS = 60  # shown of a file's name

PIECE = RATE_HZ // 50  # samples whose loudness is looked at: 20 ms
LOUD = 0.1  # of the loudest piece (-20 dB): what is softer is a pause, or the room
ABOVE_ROOM = 3.0  # times as loud as the softest tenth of the pieces, or it is the room as well ...
ALWAYS_LOUD = 0.7  # ... unless it is nearly as loud as the loudest piece: a noise has no pauses
PAUSE_S = 0.25  # a shorter pause is part of a word, as before the p of "stop"
ONE_WORD_S = 1.2  # a recording no longer than this holds one example, whatever its pauses
BRIEF_S = 0.06  # a shorter sound beside longer ones is a click
SOFT_PEAK = 0.05  # of full scale: -26 dB
SHIFT = RATE_HZ // 10  # of the variants
PACE = 1.08  # of the variants, faster and slower: another pace, and another size of mouth
NOISE = 10 ** (-20 / 20)  # root mean square of a variant's noise, of the example's


@dataclass(frozen=True, eq=False)
class Example:
    """One example of a word.

    Attributes:
        word: its name; "_unknown_" for a sound that is none of the words.
        samples: (16000,), a second.
        origin: where it comes from: a file's name, or which recording.
        notes: what is odd about it.
    """

    word: str
    samples: F32
    origin: str
    notes: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """Name it on the page: the same samples have the same name."""
        return hashlib.sha256(self.samples.tobytes()).hexdigest()[:12]


Examples = tuple[Example, ...]


def checked_word(name: object) -> str:
    """Return a word's name without surrounding space, in the one form that Unicode has for it.

    Raises:
        InvalidInput: for no name, a long one, one that is no text, or one that a label of the models has.
    """
    if not isinstance(name, str):
        raise InvalidInput("The name of the word is no text.", "Type the word you are going to teach.")
    word = unicodedata.normalize("NFC", " ".join(name.split()))
    if not word:
        raise InvalidInput("The word has no name yet.", "Type the word you are going to teach, then record it.")
    if len(word) > MOST_CHARS:
        raise InvalidInput(f"The name of the word has {len(word)} characters.", f"Use at most {MOST_CHARS}.")
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") for letter in word):
        raise InvalidInput("The name of the word holds characters that cannot be shown.", "Use letters and digits.")
    if word.casefold() in NOT_WORDS:
        raise InvalidInput(f"{word} is what the models call sounds that are no words.", "Choose another name.")
    return word


def added(examples: Examples, word: str, sound: Sound, origin: str) -> Examples:
    """Return the examples with those that a sound holds.

    A word with the same name, but for capitals, is the same word.

    Raises:
        InvalidInput: when the sound is silent or is there already, or there are too many examples or words.
    """
    known = {one.word.casefold(): one.word for one in examples}
    word = known.get(word.casefold(), word)
    names = {one.word for one in examples} - {UNKNOWN}
    if word not in names | {UNKNOWN} and len(names) >= MOST_WORDS:
        raise InvalidInput(f"There are {MOST_WORDS} words already.", "Clear one of them first.")
    found = found_in(sound)
    if {one.key for one in found} <= {one.key for one in examples}:
        raise InvalidInput("This recording is among the examples already.", "Record another: a copy teaches nothing.")
    if sum(one.word == word for one in examples) + len(found) > MOST_EXAMPLES:
        raise InvalidInput(
            f"With these {len(found)}, there would be more than {MOST_EXAMPLES} examples.", "Delete some, or stop here."
        )
    shown = origin if len(origin) <= MOST_NAME_CHARS else f"{origin[:MOST_NAME_CHARS]}…"
    return (*examples, *(replace(one, word=word, origin=f"{shown} {one.origin}".strip()) for one in found))


def found_in(sound: Sound) -> list[Example]:
    """Cut a sound into examples: the second around each thing that is said in it.

    Raises:
        InvalidInput: when nothing can be heard in it.
    """
    spans = spans_of(sound.samples)
    if not spans:
        raise InvalidInput("Nothing can be heard in the sound.", "Come closer to the microphone, and record again.")
    found = []
    for number, (start, end) in enumerate(spans):
        samples, notes = _second(sound.samples, start, end)
        place = f"{number + 1} of {len(spans)}" if len(spans) > 1 else ""
        found.append(Example("", samples, place, (*notes, *_oddities(samples))))
    return found


def spans_of(samples: F32) -> list[tuple[int, int]]:
    """Return where something is said in a sound (n,), as pairs of first sample and the one after the last."""
    pieces = np.pad(samples, (0, -len(samples) % PIECE)).reshape(-1, PIECE)
    loudness = np.sqrt(np.square(pieces, dtype=np.float64).mean(axis=1))
    if loudness.max() < SILENT:
        return []
    room = float(np.quantile(loudness, 0.1))
    loudest = float(loudness.max())
    least = min(max(LOUD * loudest, ABOVE_ROOM * room), ALWAYS_LOUD * loudest)
    loud = np.flatnonzero(loudness >= least)
    gaps = np.flatnonzero(np.diff(loud) * PIECE > PAUSE_S * RATE_HZ)
    starts = loud[np.concatenate([[0], gaps + 1])]
    ends = loud[np.concatenate([gaps, [len(loud) - 1]])] + 1
    spans = [(int(start) * PIECE, min(int(end) * PIECE, len(samples))) for start, end in zip(starts, ends, strict=True)]
    if len(samples) <= ONE_WORD_S * RATE_HZ:
        return [(spans[0][0], spans[-1][1])]
    longest = max(end - start for start, end in spans)
    return [(start, end) for start, end in spans if end - start >= BRIEF_S * RATE_HZ or end - start == longest]


def _second(samples: F32, start: int, end: int) -> tuple[F32, tuple[str, ...]]:
    """Return the second (16000,) around a span; of a longer span, its loudest second."""
    notes = []
    if end - start > SIZE:
        energy = np.concatenate([[0.0], np.cumsum(np.square(samples[start:end], dtype=np.float64))])
        first = start + int(np.argmax(energy[SIZE:] - energy[:-SIZE]))
        notes.append(f"{(end - start) / RATE_HZ:.1f} s long: its loudest second is used")
    else:
        first = (start + end - SIZE) // 2
        if start == 0:
            notes.append("loud from the very start: its beginning may be cut off")
        elif end == len(samples):
            notes.append("loud to the very end: its end may be cut off")
    cut = np.zeros(SIZE, dtype=np.float32)
    left, right = max(first, 0), min(first + SIZE, len(samples))
    cut[left - first : right - first] = samples[left:right]
    return cut, tuple(notes)


def _oddities(samples: F32) -> tuple[str, ...]:
    """Say what spoils an example."""
    notes = []
    if float(np.abs(samples).max()) < SOFT_PEAK:
        notes.append("very quiet: come closer to the microphone")
    if float((np.abs(samples) >= FULL_SCALE).mean()) >= CLIPPED:
        notes.append("clipped: too loud, or too close to the microphone")
    return tuple(notes)


def variants(samples: F32) -> F32:
    """Return an example (16000,) and four variants, (5, 16000): earlier in a noise, later, and from other voices.

    A live microphone hears a word anywhere in its window, which moves the model's features.
    """
    level = float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
    noise = np.random.default_rng(0).standard_normal(SIZE).astype(np.float32)
    earlier, later = np.roll(samples, -SHIFT), np.roll(samples, SHIFT)
    earlier[-SHIFT:], later[:SHIFT] = 0, 0
    noisy = earlier + noise * np.float32(NOISE * level)
    return np.stack([samples, noisy, later, _paced(samples, PACE), _paced(samples, 1 / PACE)])


def _paced(samples: F32, factor: float) -> F32:
    """Play an example `factor` times as long about its middle, and as much lower."""
    middle = (SIZE - 1) / 2
    places = (np.arange(SIZE) - middle) / factor + middle
    return np.interp(places, np.arange(SIZE), samples, left=0, right=0).astype(np.float32)


def without(examples: Examples, wish: object) -> Examples:
    """Return the examples after what was asked for in their list.

    Args:
        examples: so far.
        wish: {"do": "delete", "key"} or {"do": "clear", "word"}.

    Raises:
        InvalidInput: when it is neither.
    """
    match wish:
        case {"do": "delete", "key": str() as key}:
            return tuple(one for one in examples if one.key != key)
        case {"do": "clear", "word": str() as word}:
            return tuple(one for one in examples if one.word != word)
    raise InvalidInput("The page asked for something unknown.", "Reload the page.")


def words_of(examples: Sequence[Example]) -> tuple[str, ...]:
    """Return the words in the order in which they were begun, without "_unknown_"."""
    return tuple(dict.fromkeys(one.word for one in examples if one.word != UNKNOWN))
