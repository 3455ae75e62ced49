"""Whisper as a listener for any words: how probable is it that the model would write one of them?

Whisper writes what it hears, token by token. Instead of letting it write, each typed word is put to it: the product of
the probabilities of the word's tokens is that of the transcript beginning with the word. All words are asked in one
pass of the decoder, as a tree in which words with the same beginning share its tokens.

Source: Radford et al. 2022, Robust speech recognition via large-scale weak supervision (arXiv:2212.04356).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.keyword_spotting.families.face import Heard
from demos.keyword_spotting.families.tree import Tree
from demos.keyword_spotting.families.typed import refuse_other_scripts, typed_words
from demos.keyword_spotting.spotting import F32, UNKNOWN
from hub.sounds import RATE_HZ
from hub.weights import LOCAL, SAFE_WEIGHTS

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Whisper hears 30 seconds, most of which would be padding. Its positions are sinusoids, so the first of them serve a
# shorter time as they are. Of ten words in 58 clips of Speech Commands, tiny.en takes 93 % right with 1 second, 97 %
# with 2, 95 % with 3 and 97 % with 5 (measured with the word in the middle), and 2 cost a tenth of what 30 do.
WINDOW_S = 2
POSITIONS_PER_S = 50

# How much less any one other word is expected than the words that are listened for. At 0.1 and a threshold of 0.5,
# tiny.en took none of 147 other words for one of the ten, and found 86 % of them; at 1 it found 74 %.
OTHER_WORDS = 0.1

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
DIGITS = {word: str(number) for number, word in enumerate(NUMBERS)}

NOTE = (
    "A score compares how probable it is that the transcript begins with your word with the likeliest other beginning: "
    "Whisper is made for sentences, hears a word best when it is said alone, and never writes sounds such as a bark."
)


def spellings(word: str) -> tuple[str, ...]:
    """Return how Whisper may write a word at the beginning of a transcript.

    >>> spellings("yes")
    (' yes', ' Yes', ' YES')
    >>> spellings("two")
    (' two', ' Two', ' TWO', ' 2')
    """
    cases = [word, word[0].upper() + word[1:], word.upper()]
    if word.casefold() in DIGITS:
        cases.append(DIGITS[word.casefold()])
    spaced = [f" {case}" for case in cases]
    return tuple(dict.fromkeys(spaced if word.isascii() else spaced + cases))  # many scripts have no spaces


class WhisperWords:
    """Any `WhisperForConditionalGeneration`, English or multilingual, with its hearing cut to a short window."""

    at_once = 8
    window_s = float(WINDOW_S)
    notes = (NOTE,)

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        import torch
        from transformers import AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration

        self.tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
        self.extractor = WhisperFeatureExtractor.from_pretrained(folder, chunk_length=WINDOW_S, **LOCAL)
        self.model: Any = WhisperForConditionalGeneration.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        encoder = self.model.model.encoder
        encoder.config.max_source_positions = WINDOW_S * POSITIONS_PER_S
        encoder.embed_positions = torch.nn.Embedding.from_pretrained(
            encoder.embed_positions.weight[: WINDOW_S * POSITIONS_PER_S].clone()
        )
        self.model.to(device).eval()
        self.languages: dict[str, int] = getattr(self.model.generation_config, "lang_to_id", None) or {}

    def labels(self, words: str) -> tuple[str, ...]:
        """Return the typed words, and the label of everything else."""
        chosen = typed_words(words)
        if not self.languages:
            refuse_other_scripts(chosen, "This Whisper")
        return (*chosen, UNKNOWN)

    def prepare(self, labels: tuple[str, ...]) -> Tree:
        """Return the tree of all spellings of the words."""
        words = labels[:-1]
        written = [self.tokenizer(list(spellings(word)), add_special_tokens=False).input_ids for word in words]
        return Tree(written, english=all(word.isascii() for word in words))

    def hear(self, windows: F32, prepared: Tree | None) -> Heard:
        """Hear windows of equal length."""
        import torch

        inputs = self.extractor(list(windows), sampling_rate=RATE_HZ, return_tensors="pt")
        given = inputs.input_features.to(self.model.device, self.model.dtype)
        heard = self.model.model.encoder(given).last_hidden_state  # (N, positions, D)
        scores = None
        if prepared is not None:
            words, other = prepared.log_probabilities(self.model, self._prompts(heard, prepared.english), heard)
            other = other + torch.tensor(OTHER_WORDS).log()
            scores = torch.cat([words, other[:, None]], 1).softmax(-1).cpu().numpy()
        return Heard(scores, heard.float().mean(1).cpu().numpy())

    def _prompts(self, heard: Tensor, english: bool) -> Tensor:
        """Return the tokens before the transcript (N, P): a multilingual model is told the language, or guesses it."""
        import torch

        start, transcribe, plain = (
            self.tokenizer.convert_tokens_to_ids(f"<|{mark}|>")
            for mark in ("startoftranscript", "transcribe", "notimestamps")
        )
        first = torch.full((len(heard), 1), start, device=heard.device)
        last = torch.full_like(first, plain)
        if not self.languages:
            return torch.cat([first, last], 1)
        if english:
            language = torch.full_like(first, self.languages["<|en|>"])
        else:
            choices = torch.tensor(sorted(self.languages.values()), device=heard.device)
            guessed = self.model.model.decoder(first, encoder_hidden_states=heard, use_cache=False).last_hidden_state
            logits = self.model.proj_out(guessed[:, -1])[:, choices]
            language = choices[logits.argmax(-1)][:, None]
        return torch.cat([first, language, torch.full_like(first, transcribe), last], 1)
