"""The captioning pipeline: pictures and options in, captions with the model's confidence in every word out.

Generation says which words a model chose, not how sure it was of them: sampling draws from warped probabilities, and
beams are ranked by sums. So every finished caption is read once more by the model that wrote it ("teacher forcing"),
all candidates of a batch together. That one pass gives each word's probability and the attention behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.captioning.families import F32, FAMILIES, Family, Prepared, Reread
from demos.captioning.options import CaptionOptions, CaptionRequest
from demos.captioning.words import tokens_of_words
from hub.batch import Watch
from hub.demo import Loading
from hub.errors import InvalidInput
from hub.writing import refuse_control_tokens, stopping

if TYPE_CHECKING:
    from torch import Tensor

ALTERNATIVES = 3  # other tokens shown for each word


@dataclass(frozen=True)
class Alternative:
    """What might have stood in a word's place: a token's text, and its probability there."""

    text: str
    probability: float


@dataclass(frozen=True)
class Word:
    """One word of a caption.

    Attributes:
        text: the word, with the punctuation that touches it.
        probability: of its tokens, given the picture and the words before, from the model's raw logits; 1 for a word of
            the prompt, about which the model was not asked.
        attention: (h, w) shares of the picture, summing to 1; None for a word of the prompt, or where none is shown.
        given: whether the word is the prompt's.
        alternatives: the likeliest other tokens in the place of the word's first one, likeliest first.
    """

    text: str
    probability: float
    attention: F32 | None = field(compare=False)
    given: bool = False
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class Caption:
    """One caption; `words` joined by spaces are its text.

    Attributes:
        log_probability: natural logarithm, of all tokens the model wrote, with the one that ends the caption.
        score: the mean of it over those tokens, which is how beams are ranked.
        complete: whether the model ended the caption itself, rather than being cut off.
    """

    text: str
    words: tuple[Word, ...]
    log_probability: float
    score: float
    complete: bool


@dataclass(frozen=True)
class Captions:
    """The captions of one picture: best first for beams, in the order drawn for samples."""

    candidates: tuple[Caption, ...]
    attention_note: str
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The first caption."""
        return self.candidates[0].text


@dataclass(frozen=True)
class _Judged:
    """What a model's logits say of one caption's T tokens."""

    chosen: F32  # (T,) log-probability of each token
    others: list[list[int]]  # (T, ALTERNATIVES) the likeliest other tokens in its place
    other_probabilities: list[list[float]]


class Captioner:
    """A captioning model of any family."""

    def __init__(self, family: Family, device: str, dtype: str) -> None:
        self.family = family
        self.device = device
        self.dtype = dtype

    @classmethod
    def from_folder(cls, family: str, folder: Path, device: str = "cpu", dtype: str = "float32") -> Captioner:
        """Load the model in `folder`, without any network."""
        import torch

        return cls(FAMILIES[family](folder, device, getattr(torch, dtype)), device, dtype)

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return [self.family.model]

    def __call__(self, requests: Sequence[CaptionRequest], watch: Watch | None = None) -> list[Captions]:
        """Caption one picture per request; requests of one call share their options (but for the seed).

        Raises:
            InvalidInput: for a prompt that this model cannot take.
            Cancelled: when nobody wants the captions any more.
        """
        import torch

        watch = watch or Watch()
        chosen = requests[0].options
        refuse_control_tokens(chosen.prompt, "prompt", self.family.tokenizer)
        with torch.inference_mode():
            prepared = self.family.prepare([request.image for request in requests], chosen.prompt)
            arguments = {**chosen.generate_arguments(), "max_new_tokens": self._room(prepared, chosen)}
            with _seeded(chosen, self.device):
                stop = stopping(range(len(requests)), lambda rows: self._so_far(prepared, rows), watch)
                tokens = self.family.write(prepared, **arguments, stopping_criteria=[stop])
            watch.raise_if_all_cancelled()
            reread = self.family.reread(prepared, tokens)
            judged = _judged(reread, tokens)

        notes = self._notes(prepared, chosen)
        results = []
        for place, request in enumerate(requests):
            own = range(place * chosen.written, (place + 1) * chosen.written)
            candidates = tuple(
                self._caption(prepared, tokens[row].tolist(), judged[row], self._look(reread, row, request))
                for row in own
            )
            cut = (
                ()
                if all(caption.complete for caption in candidates)
                else (f"the caption was cut at {tokens.shape[1]} tokens",)
            )
            results.append(Captions(candidates, self.family.attention_note, notes + cut))
        return results

    def _room(self, prepared: Prepared, chosen: CaptionOptions) -> int:
        """Return how many tokens may be written: the decoder has a place for each token but the last."""
        room = self.family.longest - prepared.length + 1
        if room < 1:
            raise InvalidInput(
                f"The prompt has {len(prepared.opening)} tokens; this model reads at most {self.family.longest}.",
                "Shorten the prompt.",
            )
        return min(chosen.max_tokens, room)

    def _caption(self, prepared: Prepared, tokens: list[int], judged: _Judged, attention: F32 | None) -> Caption:
        """Put one caption together from its tokens (T,), how they were judged, and attention (T, h, w)."""
        ends = [place for place, token in enumerate(tokens) if token in self.family.end_tokens]
        body = tokens[: ends[0]] if ends else tokens
        counted = judged.chosen[: len(body) + bool(ends)]
        caption = [*prepared.opening, *body]
        (text,) = self._decoded([caption])
        words = []
        for word, places in zip(text.split(), tokens_of_words(caption, self._decoded), strict=True):
            own = [place - len(prepared.opening) for place in places if place >= len(prepared.opening)]
            if own:
                look = None if attention is None else attention[own].mean(0)
                probability = float(np.exp(judged.chosen[own].sum()))
                words.append(Word(word, probability, look, alternatives=self._alternatives(judged, own[0])))
            else:
                words.append(Word(word, 1.0, None, given=True))
        return Caption(text, tuple(words), float(counted.sum()), float(counted.mean()), complete=bool(ends))

    def _alternatives(self, judged: _Judged, place: int) -> tuple[Alternative, ...]:
        ends = self.family.end_tokens
        texts = ["(end)" if token in ends else self.family.tokenizer.decode([token]) for token in judged.others[place]]
        pairs = zip(texts, judged.other_probabilities[place], strict=True)
        return tuple(Alternative(text.strip(), probability) for text, probability in pairs)

    def _look(self, reread: Reread, row: int, request: CaptionRequest) -> F32 | None:
        if reread.attention is None:
            return None
        return self.family.over_picture(reread.attention[row], request.image.size)

    def _notes(self, prepared: Prepared, chosen: CaptionOptions) -> tuple[str, ...]:
        notes = []
        if chosen.strategy == "greedy" and chosen.candidates > 1:
            notes.append("greedy decoding writes one caption; choose beam or sample for more")
        tokenizer = self.family.tokenizer
        if tokenizer.unk_token_id in prepared.opening:
            read = ((word, tokenizer(word, add_special_tokens=False).input_ids) for word in chosen.prompt.split())
            unknown = ", ".join(word for word, tokens in read if tokenizer.unk_token_id in tokens)
            notes.append(f"the prompt has words that this model does not know: {unknown}")
        return tuple(notes)

    def _so_far(self, prepared: Prepared, rows: list[list[int]]) -> list[str]:
        return self._decoded([[*prepared.opening, *row] for row in rows])

    def _decoded(self, captions: list[list[int]]) -> list[str]:
        return [text.strip() for text in self.family.tokenizer.batch_decode(captions, skip_special_tokens=True)]


@contextmanager
def _seeded(chosen: CaptionOptions, device: str) -> Iterator[None]:
    """Seed torch's random numbers for sampling and put them back after: `generate` takes no generator of its own."""
    if chosen.strategy != "sample":
        yield
        return
    import torch

    with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
        torch.manual_seed(chosen.seed)
        yield


def _judged(reread: Reread, tokens: Tensor) -> list[_Judged]:
    """Read probabilities off the logits, caption by caption, for logits in float32 are large."""
    import torch

    found = []
    for logits, row in zip(reread.logits, tokens, strict=True):
        log_probabilities = torch.log_softmax(logits.float(), -1)
        chosen = log_probabilities.gather(-1, row[:, None])
        values, ids = log_probabilities.scatter(-1, row[:, None], -torch.inf).topk(ALTERNATIVES)
        found.append(_Judged(chosen[:, 0].cpu().numpy(), ids.tolist(), values.exp().tolist()))
    return found


def load(loading: Loading) -> Captioner:
    """Load the model of a card, from the folder the hub fetched."""
    return Captioner.from_folder(loading.card.family, loading.folder, loading.device.name, loading.device.dtype)
