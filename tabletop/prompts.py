"""The words that prompts to the embedded diffusion model are made of: those of captions, and of empty tables."""

from __future__ import annotations

import re
from functools import cache

from tabletop.captions import vocabulary

EMPTY_WORDS = ("empty",)  # of tables with nothing on them, which captions never describe


@cache
def taught() -> frozenset[str]:
    """Return the words."""
    return frozenset(word for word in (*vocabulary(), *EMPTY_WORDS) if re.fullmatch(r"[a-z]+", word))
