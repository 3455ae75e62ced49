"""Taught words as a file: one safetensors file, whose header says in JSON what they are and which model they are for.

A safetensors file is a header and numbers. Reading one runs nothing, whoever made it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from demos.keyword_spotting.spotting import F32, UNKNOWN
from demos.keyword_spotting.taught import Space, Taught
from demos.keyword_spotting.teach_examples import EXAMPLE_S, MOST_WORDS, checked_word
from hub.cards import ModelCard
from hub.errors import InvalidInput

FORMAT, VERSION = "lectern-taught-words", 1
ENDING = ".safetensors"
MOST_BYTES = 16 * 2**20
MOST_WIDTH, MOST_OTHERS = 2048, 4096  # of the features; of the other sounds
LARGEST = 1e6  # of its numbers, which are below 100: scores of larger ones could overflow
KEY = "lectern"  # of the JSON in the header
TAKE_OURS = "Choose a file that was downloaded here, under Teach it your word."


def weights_of(card: ModelCard) -> str:
    """Return the SHA-256 that names the weights of a model that ships with Lectern: that of its SHA256SUMS.

    "" for a Hub model, which its revision names.
    """
    if not card.ships_weights:
        return ""
    return hashlib.sha256((card.folder / "SHA256SUMS").read_bytes()).hexdigest()


def written(taught: Taught) -> bytes:
    """Return the file of taught words."""
    from safetensors.numpy import save

    about = {
        "format": FORMAT,
        "version": VERSION,
        "words": list(taught.words[:-1]),
        "examples": list(taught.counts),
        "model": {"source": taught.source, "revision": taught.revision, "weights_sha256": taught.weights},
        "window_s": EXAMPLE_S,
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in _arrays(taught).items()}
    return save(arrays, {KEY: json.dumps(about)})


def read(path: Path, card: ModelCard) -> Taught:
    """Read a file of taught words that is to be used with a model.

    Raises:
        InvalidInput: when it is no such file, is damaged or too large, or was taught with another model.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise InvalidInput(
            f"The file has {size / 2**20:.0f} MiB; taught words have at most {MOST_BYTES / 2**20:.0f}.", TAKE_OURS
        )
    data = path.read_bytes()
    arrays, about = _opened(data), _about(data)
    words, counts = _named(about)
    model = about.get("model")
    if not isinstance(model, dict) or not all(
        isinstance(model.get(name), str) for name in ("source", "revision", "weights_sha256")
    ):
        raise _foreign("does not say which model it is for")
    if (model["source"], model["revision"]) != (card.source, card.revision):
        raise InvalidInput(
            f"These words were taught with the model {model['source'][:60]!r}, not with {card.source!r}.",
            "Choose the model they were taught with, or teach them again.",
        )
    if model["weights_sha256"] != weights_of(card):
        raise InvalidInput(
            f"These words were taught with another version of {card.label}.", "Teach them again with this one."
        )
    return _taught(arrays, words, counts, model)


def _arrays(taught: Taught) -> dict[str, F32]:
    return {
        "middle": taught.space.middle,
        "levelling": taught.space.levelling,
        "prototypes": taught.prototypes,
        "others": taught.others,
        "slopes": taught.slopes,
        "offsets": taught.offsets,
    }


def _foreign(what: str) -> InvalidInput:
    return InvalidInput(f"The file {what}.", TAKE_OURS)


def _opened(data: bytes) -> dict[str, Any]:
    """Return the arrays of a safetensors file; the library checks that they lie within it, one after the other."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if data[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise _foreign("is a pickle or an archive, which is never opened, for it could run a program")
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _foreign("is damaged, or no safetensors file") from error


def _about(data: bytes) -> dict[str, Any]:
    """Return the JSON in the header."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    try:
        about = json.loads(header["__metadata__"][KEY])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _foreign("holds no taught words") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise _foreign("holds no taught words")
    if about.get("version") != VERSION:
        raise InvalidInput("The file comes from another version of Lectern.", "Teach the words again.")
    return about


def _named(about: dict[str, Any]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the words, checked as if they had been typed, and how many examples each had."""
    words, counts = about.get("words"), about.get("examples")
    if not isinstance(words, list) or not isinstance(counts, list) or not 1 <= len(words) <= MOST_WORDS:
        raise _foreign(f"does not name 1 to {MOST_WORDS} words")
    if len(counts) != len(words) or not all(type(count) is int and 1 <= count < 10_000 for count in counts):
        raise _foreign("does not say how many examples each word had")
    names = tuple(checked_word(word) for word in words)
    if len({name.casefold() for name in names}) != len(names):
        raise _foreign("names a word twice")
    return names, tuple(counts)


def _taught(arrays: dict[str, Any], words: tuple[str, ...], counts: tuple[int, ...], model: dict[str, str]) -> Taught:
    """Put the words together from arrays whose sizes fit each other."""
    width = arrays["middle"].shape[-1] if "middle" in arrays and arrays["middle"].ndim == 1 else 0
    others = len(arrays["others"]) if "others" in arrays and arrays["others"].ndim == 2 else 0
    if not 1 <= width <= MOST_WIDTH or not 1 <= others <= MOST_OTHERS:
        raise _foreign("has numbers of another size than taught words")
    shapes = {
        "middle": (width,),
        "levelling": (width, width),
        "prototypes": (len(words), width),
        "others": (others, width),
        "slopes": (len(words),),
        "offsets": (len(words),),
    }
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise _foreign("has numbers of another size than taught words")
    if any(array.dtype != np.float32 or not (np.abs(array) <= LARGEST).all() for array in arrays.values()):
        raise _foreign("holds numbers that are none")
    return Taught(
        words=(*words, UNKNOWN),
        source=model["source"],
        revision=model["revision"],
        weights=model["weights_sha256"],
        counts=counts,
        space=Space(arrays["middle"], arrays["levelling"]),
        prototypes=arrays["prototypes"],
        others=arrays["others"],
        slopes=arrays["slopes"],
        offsets=arrays["offsets"],
    )
