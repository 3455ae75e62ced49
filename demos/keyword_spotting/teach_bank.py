"""The other sounds that ship with Lectern: what taught words are told apart from (made by training/other_sounds.py)."""

from __future__ import annotations

import csv
from functools import cache

import numpy as np

from demos.keyword_spotting.folders import ASSETS
from demos.keyword_spotting.spotting import F32
from demos.keyword_spotting.teach import Bank, bank_of
from demos.keyword_spotting.teach_file import weights_of
from hub.cards import ModelCard
from hub.sounds import RATE_HZ, sound

SOUNDS, TABLE, FEATURES = (ASSETS / f"other_sounds.{ending}" for ending in ("ogg", "csv", "safetensors"))


@cache
def words() -> tuple[str, ...]:
    """Return the word in each sound; a name that begins with "_" is no word."""
    with TABLE.open(encoding="utf-8", newline="") as table:
        return tuple(row["word"] for row in csv.DictReader(table))


@cache
def sounds() -> F32:
    """Return the sounds, (M, 16000), a second each."""
    return sound(SOUNDS).samples.reshape(len(words()), RATE_HZ)


def shipped(card: ModelCard) -> Bank | None:
    """Return what the model of a card makes of the sounds, if that ships: made with the very weights it has now."""
    from safetensors import safe_open

    if not card.ships_weights or not FEATURES.is_file():
        return None
    with safe_open(FEATURES, "numpy") as file:
        if file.metadata()["weights_sha256"] != weights_of(card):
            return None
        return bank_of(file.get_tensor("features").astype(np.float32), words())
