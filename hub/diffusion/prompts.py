"""How a model reads a prompt: in tokens, of which it has room for only so many, and whose words it may not know."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from hub.cards import ModelCard


@dataclass(frozen=True)
class Word:
    """One word of a prompt, as people see it: what stands between two blanks.

    Attributes:
        text: with the punctuation that touches it.
        places: of its tokens in what the text encoder reads, the start token being 0; empty where it is cut off.
        known: whether the model was taught it; always so where no list of its words is known.
    """

    text: str
    places: tuple[int, ...]
    known: bool

    @property
    def cut(self) -> bool:
        """Whether no token of it is read."""
        return not self.places


@dataclass(frozen=True)
class Reading:
    """What a model gets of a prompt.

    Attributes:
        words: all of them, those that are cut off too.
        tokens: that the whole prompt would take, start and end included.
        limit: the tokens that are read, start and end included.
        lost: the end of the prompt, which is not read.
    """

    words: tuple[Word, ...]
    tokens: int
    limit: int
    lost: str = ""

    @property
    def unknown(self) -> tuple[str, ...]:
        """The words that the model was not taught, each once."""
        return tuple(
            dict.fromkeys(bare for word in self.words if not word.known for bare in [word.text.strip(".,;:!?")])
        )

    def notes(self) -> tuple[str, ...]:
        """Say what is not read, and what is not understood."""
        said = []
        if self.lost:
            shown = self.lost if len(self.lost) <= 80 else f"{self.lost[:80]} ..."
            said.append(f"the prompt takes {self.tokens} tokens and {self.limit} are read; cut off: “{shown}”")
        if self.unknown:
            shown = ", ".join(self.unknown[:8]) + (", ..." if len(self.unknown) > 8 else "")
            said.append(f"words that this model was not taught: {shown}")
        return tuple(said)


def read(tokenizer: Any, prompt: str, limit: int, known: Collection[str] | None = None) -> Reading:
    """Return how a model reads a prompt.

    Args:
        tokenizer: the model's, of transformers.
        prompt: as typed.
        limit: the tokens that are read, start and end included.
        known: the words that the model was taught; None where no list is known.
    """
    encoded = tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False)
    spans: list[tuple[int, int]] = [tuple(span) for span in encoded["offset_mapping"]]
    special = 2
    room = limit - special
    words = []
    for match in re.finditer(r"\S+", prompt):
        own = [place for place, (start, end) in enumerate(spans) if start < match.end() and end > match.start()]
        places = tuple(place + 1 for place in own if place < room)
        words.append(Word(match.group(), places, knows(match.group(), known)))
    lost = prompt[spans[room][0] :].strip() if len(spans) > room else ""
    return Reading(tuple(words), len(spans) + special, limit, lost)


def known_to(card: ModelCard, taught: Collection[str]) -> Collection[str] | None:
    """Return the words that a model was taught: `taught` for this project's own, None where no list is known."""
    return taught if card.ships_weights else None


def knows(word: str, known: Collection[str] | None) -> bool:
    """Tell whether a word is known, whatever its case and punctuation.

    >>> knows("Cube,", {"cube"}), knows("dog", {"cube"}), knows("立方体", {"cube"}), knows(",", {"cube"})
    (True, False, False, True)
    """
    if known is None:
        return True
    bare = word.strip(".,;:!?").lower()
    return not bare or bare in known
