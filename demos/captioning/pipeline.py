"""The captioning pipeline: pictures and options in, captions with the model's confidence in every word out.

Generation says which words a model chose, not how sure it was of them: sampling draws from warped probabilities, and
beams are ranked by sums. So every finished caption is read once more by the model that wrote it ("teacher forcing"),
all candidates of a batch together. That one pass gives each word's probability and the attention behind it.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from demos.captioning.families import F32, FAMILIES, Family, Prepared, Reread
from demos.captioning.words import word_of_each_token
from hub import options
from hub.batch import Watch
from hub.demo import Loading
from hub.errors import InvalidInput

if TYPE_CHECKING:
    from torch import Tensor

STEP_S = 0.25  # least time between two intermediate captions sent to the page


@dataclass(frozen=True)
class CaptionOptions:
    """How a caption is written."""

    prompt: str = options.text(
        "",
        200,
        label="Prompt",
        info="How the caption begins; a chat model takes it as an instruction. Empty: the model decides.",
        placeholder="a picture of",
    )
    strategy: str = options.choice(
        "greedy",
        ("greedy", "beam", "sample"),
        label="Decoding",
        info="greedy: always the likeliest word. beam: the likeliest sentence of several. sample: drawn at random.",
    )
    beams: int = options.number(3, 1, 8, step=1, label="Beams", info="Sentences kept side by side (beam).")
    temperature: float = options.number(
        1.0, 0.1, 2.0, step=0.05, label="Temperature", info="Below 1: safer words; above 1: bolder ones (sample)."
    )
    top_p: float = options.number(
        0.9, 0.05, 1.0, step=0.05, label="Top p", info="Draw only among the words that make up this much (sample)."
    )
    max_tokens: int = options.number(
        64, 4, 128, step=1, label="Longest caption", info="In tokens: words or pieces of words."
    )
    candidates: int = options.number(1, 1, 5, step=1, label="Captions", info="How many to write (beam, sample).")
    seed: int = options.number(0, 0, 2**31 - 1, step=1, label="Seed", info="Same seed, same draw (sample).")

    def __post_init__(self) -> None:
        if self.strategy == "beam" and self.candidates > self.beams:
            raise InvalidInput(
                f"{self.beams} beams cannot give {self.candidates} captions.",
                "Raise the number of beams, or ask for fewer captions.",
            )

    @property
    def written(self) -> int:
        """How many captions are written; greedy decoding has only one."""
        return 1 if self.strategy == "greedy" else self.candidates

    def generate_arguments(self) -> dict[str, Any]:
        """Return the arguments of transformers' `generate` that stand for these options."""
        arguments: dict[str, Any] = {"max_new_tokens": self.max_tokens}
        if self.strategy == "greedy":
            return {**arguments, "do_sample": False, "num_beams": 1}
        if self.strategy == "beam":
            return {**arguments, "do_sample": False, "num_beams": self.beams, "num_return_sequences": self.candidates}
        # top_k=0 takes off generate's silent limit of 50 words.
        drawn = {"do_sample": True, "num_beams": 1, "temperature": self.temperature, "top_p": self.top_p, "top_k": 0}
        return {**arguments, **drawn, "num_return_sequences": self.candidates}


@dataclass(frozen=True)
class CaptionRequest:
    """One picture (RGB) to caption."""

    image: Image.Image = field(compare=False)
    options: CaptionOptions = CaptionOptions()

    def batch_key(self) -> Hashable | None:
        """Return what requests must share; a sampled caption is drawn alone, so that only its seed decides it."""
        chosen = self.options
        if chosen.strategy == "sample":
            return None
        return chosen.prompt, tuple(sorted(chosen.generate_arguments().items()))

    def recorded(self) -> dict[str, Any]:
        """Return the options, without the picture."""
        return asdict(self.options)


@dataclass(frozen=True)
class Word:
    """One word of a caption.

    Attributes:
        text: the word, with the punctuation that touches it.
        probability: of its tokens, given the picture and the words before, from the model's raw logits; None for a word
            of the prompt.
        attention: (h, w) shares of the picture, summing to 1; None for a word of the prompt, or where none is shown.
        given: whether the word is the prompt's.
    """

    text: str
    probability: float | None
    attention: F32 | None = field(compare=False)
    given: bool = False


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
        self._refuse_control_tokens(chosen.prompt)
        with torch.inference_mode():
            prepared = self.family.prepare([request.image for request in requests], chosen.prompt)
            arguments = {**chosen.generate_arguments(), "max_new_tokens": self._room(prepared, chosen)}
            with _seeded(chosen, self.device):
                tokens = self.family.write(
                    prepared, **arguments, stopping_criteria=self._stopping(prepared, len(requests), watch)
                )
            watch.raise_if_all_cancelled()
            reread = self.family.reread(prepared, tokens)
            log_probabilities = _log_probabilities(reread, tokens)

        notes = self._notes(prepared, chosen)
        results = []
        for place, request in enumerate(requests):
            own = range(place * chosen.written, (place + 1) * chosen.written)
            candidates = tuple(
                self._caption(prepared, tokens[row].tolist(), log_probabilities[row], self._attention(reread, row, request))
                for row in own
            )
            cut = () if all(caption.complete for caption in candidates) else (f"Cut at {tokens.shape[1]} tokens.",)
            results.append(Captions(candidates, self.family.attention_note, notes + cut))
        return results

    def _refuse_control_tokens(self, prompt: str) -> None:
        """Refuse a prompt that spells one of the model's control tokens, such as its placeholder for the picture."""
        tokenizer = self.family.tokenizer
        control = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
        for token in sorted(control | set(tokenizer.all_special_tokens)):
            if token in prompt:
                raise InvalidInput(f"The prompt holds {token}, which is a command to this model.", "Leave it out.")

    def _room(self, prepared: Prepared, chosen: CaptionOptions) -> int:
        """Return how many tokens may be written: the decoder has a place for each token but the last."""
        room = self.family.longest - prepared.length + 1
        if room < 1:
            raise InvalidInput(
                f"The prompt has {len(prepared.opening)} tokens; this model reads at most {self.family.longest}.",
                "Shorten the prompt.",
            )
        return min(chosen.max_tokens, room)

    def _stopping(self, prepared: Prepared, pictures: int, watch: Watch) -> list[Any]:
        """Return the criterion through which a cancelled request stops before the next token."""
        import torch

        last_step = time.monotonic()

        def stop(tokens: Tensor, scores: Any, **unused: Any) -> Tensor:
            nonlocal last_step
            watch.raise_if_all_cancelled()
            rows_each = tokens.shape[0] // pictures
            now = time.monotonic()
            if rows_each == 1 and now - last_step >= STEP_S:
                last_step = now
                for place, row in enumerate(tokens[:, -self._new(tokens, prepared) :].tolist()):
                    watch.step(place, self._decoded([*prepared.opening, *row]))
            left = [watch.cancelled(place) for place in range(pictures)]
            return torch.tensor(left, device=tokens.device).repeat_interleave(rows_each)

        return [stop]

    def _caption(
        self, prepared: Prepared, tokens: list[int], log_probabilities: F32, attention: F32 | None
    ) -> Caption:
        """Put one caption together from its tokens (T,), their log-probabilities (T,) and attention (T, h, w)."""
        ends = [place for place, token in enumerate(tokens) if token in self.family.end_tokens]
        body = tokens[: ends[0]] if ends else tokens
        counted = log_probabilities[: len(body) + bool(ends)]
        opening = prepared.opening
        text = self._decoded([*opening, *body])
        words = word_of_each_token([*opening, *body], self._decoded)
        built = []
        for place, word in enumerate(text.split()):
            mine = [index - len(opening) for index in words[place] if index >= len(opening)]
            if not mine:
                built.append(Word(word, None, None, given=True))
                continue
            look = None if attention is None else attention[mine].mean(0)
            built.append(Word(word, float(np.exp(log_probabilities[mine].sum())), look))
        return Caption(text, tuple(built), float(counted.sum()), float(counted.mean()), complete=bool(ends))

    def _attention(self, reread: Reread, row: int, request: CaptionRequest) -> F32 | None:
        if reread.attention is None:
            return None
        return self.family.over_picture(reread.attention[row], request.image.size)

    def _notes(self, prepared: Prepared, chosen: CaptionOptions) -> tuple[str, ...]:
        notes = []
        if chosen.strategy == "greedy" and chosen.candidates > 1:
            notes.append("Greedy decoding writes one caption; choose beam or sample for more.")
        if self.family.tokenizer.unk_token_id in prepared.opening:
            notes.append("The prompt has words that are not in this model's vocabulary; it reads them as unknown.")
        return tuple(notes)
