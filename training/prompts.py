"""What people may ask a diffusion model of tabletop scenes for, and the tokenizer that reads it.

Prompts are captions (`tabletop.captions`) that may say less than all: sizes and the table may be left out, solids come
in any order, and a relation is said from either side. Two phrasings are added for tables with nothing on them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from tabletop.captions import NUMBERS, vocabulary
from tabletop.prompts import EMPTY_WORDS
from tabletop.relations import RELATIONS, holds, relation_between, viewer_positions
from tabletop.world import COLOURS, MAX_SOLIDS, SHAPES, SIZES, TINTS, Scene

MAX_TOKENS = 48  # start, end, and 41 of the longest prompt of four solids; what is over is cut off
START, END = "<|startoftext|>", "<|endoftext|>"

# Shares of all prompts.
RELATIONAL, PICTURE, SEEN, COUNTED = 0.45, 0.15, 0.05, 0.05  # the rest just name the solids
ALL_SIZES, NO_SIZES = 0.5, 0.3  # in the rest each size is said or not
TABLE = 0.6
LOOSE_RELATION = 0.15  # of relations, those along the axis on which the two solids are nearer to each other


@dataclass(frozen=True)
class Contents:
    """What can be said of a picture.

    Attributes:
        solids: (shape, colour, size) of each.
        places_m: (N, 2) float64, right and away of where the viewer is.
        tint: of the table.
    """

    solids: tuple[tuple[str, str, str], ...]
    places_m: NDArray[np.float64]
    tint: str


def contents(scene: Scene) -> Contents:
    """Return what can be said of a scene."""
    solids = tuple((solid.shape, solid.colour, solid.size) for solid in scene.solids)
    places = viewer_positions(scene) if solids else np.zeros((0, 2))
    return Contents(solids, places, scene.tint)


def part_of(seen: Contents, solids: Sequence[int]) -> Contents:
    """Return what can be said of a picture where only these solids are looked at."""
    chosen = list(solids)
    return Contents(tuple(seen.solids[index] for index in chosen), seen.places_m[chosen], seen.tint)


def prompt(seen: Contents, rng: np.random.Generator) -> str:
    """Draw one of the prompts that a picture answers."""
    table = rng.random() < TABLE
    if not seen.solids:
        words = f"{'an empty ' if rng.random() < 0.8 else 'a '}{f'{seen.tint} ' if table else ''}table"
        words = words if table or "empty" in words else "an empty table"
        return f"a picture of {words}" if rng.random() < 0.2 else words
    order = [int(index) for index in rng.permutation(len(seen.solids))]
    sizes = rng.random()
    names = [
        _name(seen.solids[index], sizes < ALL_SIZES or (sizes > ALL_SIZES + NO_SIZES and rng.random() < 0.5))
        for index in order
    ]
    on_table = f" on a {seen.tint} table" if table else ""
    form = rng.random()
    if len(order) > 1 and form < RELATIONAL:
        return _chain(seen, order, names, rng) + on_table
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    form -= RELATIONAL
    if 0 <= form < PICTURE:
        return f"a picture of {listed}{on_table}"
    form -= PICTURE
    if 0 <= form < SEEN:
        return f"i see {listed}"
    form -= SEEN
    if 0 <= form < COUNTED:
        counted = "is one solid" if len(names) == 1 else f"are {NUMBERS[len(names)]} solids"
        return f"there {counted}, {listed}"
    # Outside the captions' grammar for several solids, but what people type.
    return f"{listed}{on_table}"


def _chain(seen: Contents, order: list[int], names: list[str], rng: np.random.Generator) -> str:
    words = names[0]
    for place in range(1, len(order)):
        subject, reference = order[place - 1], order[place]
        relation = relation_between(seen.places_m, subject, reference)
        if rng.random() < LOOSE_RELATION:
            true = [each for each in RELATIONS if holds(seen.places_m, subject, each, reference)]
            relation = true[int(rng.integers(len(true)))]
        words += f"{', which is' if place > 1 else ''} {relation} {names[place]}"
    return words


def _name(solid: tuple[str, str, str], with_size: bool) -> str:
    shape, colour, size = solid
    words = f"{size} {colour} {shape}" if with_size else f"{colour} {shape}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


# --- For tables of training data --------------------------------------------------------------------------------------

FACTS = np.dtype([("kinds", "i1", (MAX_SOLIDS, 3)), ("places_m", "f4", (MAX_SOLIDS, 2)), ("tint", "u1")])


def facts(scene: Scene) -> NDArray[np.void]:
    """Return the contents of a scene as a cell of a table; solids that are not there are -1."""
    cell, seen = np.zeros((), FACTS), contents(scene)
    cell["kinds"], cell["tint"] = -1, TINTS.index(seen.tint)
    for index, (shape, colour, size) in enumerate(seen.solids):
        cell["kinds"][index] = SHAPES.index(shape), COLOURS.index(colour), SIZES.index(size)
    cell["places_m"][: len(seen.solids)] = seen.places_m
    return cell


def contents_of(cell: NDArray[np.void], mirrored: bool) -> Contents:
    """Return what a cell of `facts` says, or what its mirror image would."""
    kinds = [kind for kind in cell["kinds"] if kind[0] >= 0]
    places = cell["places_m"][: len(kinds)].astype(np.float64) * (-1 if mirrored else 1, 1)
    solids = tuple((SHAPES[shape], COLOURS[colour], SIZES[size]) for shape, colour, size in kinds)
    return Contents(solids, places, TINTS[cell["tint"]])


# --- The tokenizer ----------------------------------------------------------------------------------------------------


def make_tokenizer() -> CLIPTokenizer:
    """Return a CLIP tokenizer in which every word of the prompts is one token, and any other text is bytes."""
    words = [word for word in (*vocabulary(), *EMPTY_WORDS) if re.fullmatch(r"[a-z]+", word)]
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Lowercase()
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    learner.decoder = decoders.BPEDecoder("</w>")
    trainer = trainers.BpeTrainer(vocab_size=5000, show_progress=False, end_of_word_suffix="</w>", min_frequency=1)
    learner.train_from_iterator([" ".join(words)], trainer)
    merges = [tuple(merge) for merge in json.loads(learner.to_str())["model"]["merges"]]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    entries = (*letters, *(f"{letter}</w>" for letter in letters), *("".join(merge) for merge in merges), START, END)
    vocab = {entry: index for index, entry in enumerate(dict.fromkeys(entries))}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=MAX_TOKENS)
