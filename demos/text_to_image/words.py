"""The words that the embedded model was taught: those of the captions of tabletop scenes."""

from __future__ import annotations

import re
from functools import cache

from hub.cards import ModelCard

EMPTY_WORDS = ("empty",)  # of tables with nothing on them, which captions never describe


@cache
def taught() -> frozenset[str]:
    """Return the words of the embedded model's prompts."""
    from tabletop.captions import vocabulary

    return frozenset(word for word in (*vocabulary(), *EMPTY_WORDS) if re.fullmatch(r"[a-z]+", word))


def known_to(card: ModelCard) -> frozenset[str] | None:
    """Return the words that a model was taught, or None where no list of them is known."""
    return taught() if card.ships_weights else None
