"""What happens in the view in which words are taught: examples come and go, are heard and learned from, and tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from demos.keyword_spotting import teach_bank, teach_file
from demos.keyword_spotting.draw import result_html
from demos.keyword_spotting.models import FIXED
from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.spotting import F32, UNKNOWN, Spotting
from demos.keyword_spotting.taught import Taught
from demos.keyword_spotting.teach import Bank, Lesson, bank_of, learn
from demos.keyword_spotting.teach_draw import examples_html, lesson_html, read_html
from demos.keyword_spotting.teach_examples import (
    EXAMPLE_S,
    Examples,
    added,
    checked_word,
    variants,
    without,
    words_of,
)
from hub.cards import ModelCard
from hub.demo import Demo
from hub.draw import hint_html
from hub.errors import InvalidInput, UserError
from hub.events import session_of, told_to_user
from hub.files import address, result_path
from hub.inputs import SentFile
from hub.options import checked
from hub.runtime import Hub, Reply
from hub.sounds import Sound, sound

MOST_FILES = 30  # sent at once
A_WINDOW_EACH_SECOND = SpottingOptions(hop_s=EXAMPLE_S)
LIMITS = "It knows these words by their examples alone: a word that sounds alike, another voice or a noise may fool it."
SOUNDS = [".wav", ".flac", ".ogg", ".mp3"]
NAME = "taught-words.safetensors"


@dataclass(frozen=True)
class Teaching:
    """The sounds that must be heard before something can be learned: the bank's, if it is new, and the examples."""

    card: ModelCard
    examples: Examples
    bank: Bank | None

    @cached_property
    def by_word(self) -> dict[str, list[F32]]:
        """The examples of each word, then those of none: (V, 16000), V variants of each."""
        words = [*words_of(self.examples), *([UNKNOWN] if any(one.word == UNKNOWN for one in self.examples) else [])]
        return {word: [variants(one.samples) for one in self.examples if one.word == word] for word in words}

    @cached_property
    def requests(self) -> Sequence[SpottingRequest]:
        """Return one sound of them all, a window for each second: the bank, if it is new, then word by word."""
        heard = [] if self.bank else [teach_bank.sounds()]
        heard += [one for examples in self.by_word.values() for one in examples]
        return [SpottingRequest(Sound(np.concatenate(heard).ravel()), A_WINDOW_EACH_SECOND)]


@dataclass(frozen=True)
class Trial:
    """One sound in which taught words are looked for."""

    request: SpottingRequest

    @property
    def requests(self) -> Sequence[SpottingRequest]:
        """Return the one request."""
        return [self.request]


class Teacher:
    """What the view does: no state but the banks, which are the same for everyone."""

    def __init__(self, hub: Hub, demo: Demo) -> None:
        self.hub, self.demo = hub, demo
        self.banks: dict[tuple[str, str], Bank] = {}

    # --- The examples -------------------------------------------------------------------------------------------------

    def record(self, path: str | None, word: object, is_word: bool, examples: Examples) -> tuple[Any, ...]:
        """Add what was recorded; return the examples, their list, an empty recorder, and what happened."""
        if not path:  # the recorder was emptied
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        with told_to_user():
            named = checked_word(word) if is_word else UNKNOWN
            number = sum(one.word.casefold() == named.casefold() for one in examples) + 1
            more = added(examples, named, sound(path, self.hub.sound_limits), f"recording {number}")
            return more, examples_html(more), None, hint_html(_told(named, len(more) - len(examples)))

    def send(self, files: tuple[SentFile, ...], word: object, is_word: bool, examples: Examples) -> tuple[Any, ...]:
        """Add files; one that cannot be used costs no other."""
        with told_to_user():
            named = checked_word(word) if is_word else UNKNOWN
            more, refused = examples, []
            for file in files[:MOST_FILES]:
                try:
                    more = added(more, named, sound(file.path, self.hub.sound_limits), file.name)
                except UserError as error:
                    refused.append(f"{file.name[:60]}: {error.cause}")
            if files and len(refused) == len(files[:MOST_FILES]):
                raise InvalidInput(" ".join(refused[:3]), f"Send {', '.join(SOUNDS)} files of the word.")
            told = _told(named, len(more) - len(examples))
            if len(files) > MOST_FILES:
                refused.append(f"only the first {MOST_FILES} files were taken")
            return more, examples_html(more), None, hint_html(" ".join([told, *refused]))

    def change(self, examples: Examples, event: gr.EventData) -> tuple[Examples, str]:
        """Do what was asked for in the list."""
        with told_to_user():
            left = without(examples, event._data)
            return left, examples_html(left)

    # --- Learning -----------------------------------------------------------------------------------------------------

    def plan(self, examples: Examples, model: str) -> Teaching:
        """Say what must be heard."""
        card = self.card(model)
        if not words_of(examples):
            raise InvalidInput("There is no example of a word yet.", "Type a word, and record it three to ten times.")
        return Teaching(card, examples, self.bank(card))

    def bank(self, card: ModelCard) -> Bank | None:
        """Return what is known of other sounds with a model; None until it has heard them."""
        if _model(card) not in self.banks:
            bank = teach_bank.shipped(card)
            if bank is not None:
                self.banks[_model(card)] = bank
        return self.banks.get(_model(card))

    def draw(self, replies: Sequence[Reply], teaching: Teaching) -> Sequence[Any]:
        """Return what was learned, once everything was heard: twice, how good it is, the file, the switch, the list."""
        if not replies:
            return [gr.skip()] * 6
        lesson = self.learned(features_of(replies[0]), teaching)
        return (*self.shown(lesson.taught, lesson_html(lesson)), examples_html(teaching.examples, lesson.verdicts))

    def shown(self, taught: Taught, html: str) -> tuple[Any, ...]:
        """Return the words for the states `own` and `taught`, what is shown of them, their file, and the switch on."""
        path = result_path(self.hub.settings, NAME)
        path.write_bytes(teach_file.written(taught))
        return taught, taught, html, gr.DownloadButton(value=str(path), interactive=True), True

    def learned(self, heard: F32, teaching: Teaching) -> Lesson:
        """Learn from the features (n, D) of the seconds of a teaching."""
        bank, model = teaching.bank, _model(teaching.card)
        if bank is None:
            known = teach_bank.words()
            bank = self.banks.setdefault(model, bank_of(heard[: len(known)], known))
            heard = heard[len(known) :]
        each = heard.reshape(len(teaching.examples), -1, heard.shape[1])
        sizes = [len(sounds) for sounds in teaching.by_word.values()]
        examples = dict(zip(teaching.by_word, np.split(each, np.cumsum(sizes)[:-1]), strict=True))
        negatives = examples.pop(UNKNOWN, each[:0]).reshape(-1, heard.shape[1])
        return learn(examples, bank, *model, weights=teach_file.weights_of(teaching.card), negatives=negatives)

    # --- Using what was learned ---------------------------------------------------------------------------------------

    def try_plan(self, audio: str | None, own: Taught | None, model: str, **options: Any) -> Trial:
        """Say what to look through."""
        self.card(model)
        if own is None:
            raise InvalidInput("No words have been taught yet.", "Record examples and press Teach, or open a file.")
        chosen = checked(SpottingOptions, options)
        heard = sound(audio, self.hub.sound_limits)
        return Trial(SpottingRequest(heard, chosen, taught=own, played=audio))

    def try_draw(self, replies: Sequence[Reply], trial: Trial) -> Sequence[Any]:
        """Draw what was heard."""
        if not replies:
            return [gr.skip()]
        if isinstance(replies[0], UserError):
            raise replies[0]
        played = trial.request.played
        source = None if played is None else address(Path(played))
        return [result_html(replies[0].result, trial.request, LIMITS, source)]

    def open_file(self, files: tuple[SentFile, ...], model: str) -> tuple[Any, ...]:
        """Read taught words; return what `shown` does, and an empty file input."""
        with told_to_user():
            if not files:
                raise InvalidInput("There is no file.", "Choose one that was downloaded here.")
            taught = teach_file.read(files[0].path, self.card(model))
            return (*self.shown(taught, read_html(taught)), None)

    def stop(self, browser: gr.Request) -> Any:
        """Stop what is being heard for this view."""
        stopped = self.hub.jobs.cancel(session_of(browser), self.demo.slug)
        return gr.skip() if stopped else hint_html("Nothing is running.")  # a stopped run says so itself

    def card(self, model: str) -> ModelCard:
        """Return the chosen model.

        Raises:
            InvalidInput: when it has no features to learn with.
        """
        card = self.demo.card(model)
        if card.group != FIXED:
            raise InvalidInput(f"{card.label} has no features to learn words with.", f"Choose {self.first.label}.")
        return card

    @property
    def first(self) -> ModelCard:
        """The model to offer in place of one that cannot be taught."""
        return self.demo.models[0]


def features_of(reply: Reply) -> F32:
    """Return the features (n, D) of the n seconds of a sound.

    Raises:
        UserError: why it could not be heard.
        InvalidInput: when the model has no features, or does not hear seconds.
    """
    if isinstance(reply, UserError):
        raise reply
    spotting: Spotting = reply.result
    if spotting.features is None or spotting.window_s != EXAMPLE_S:
        raise InvalidInput("This model has no features of a second of sound to learn with.", "Choose another model.")
    return spotting.features.astype(np.float32)


def _model(card: ModelCard) -> tuple[str, str]:
    return card.source, card.revision


def _told(word: str, number: int) -> str:
    """Say what was added."""
    what = "sounds that are none of the words" if word == UNKNOWN else word
    return f"{number} added to {what}. Add more, or press Teach."
