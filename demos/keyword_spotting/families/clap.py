"""CLAP: sounds and sentences in one space, so that a sound can be compared with any words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.keyword_spotting.families.face import Heard
from demos.keyword_spotting.families.typed import refuse_other_scripts, typed_words
from demos.keyword_spotting.spotting import F32, UNKNOWN
from hub.sounds import RATE_HZ
from hub.weights import LOCAL, SAFE_WEIGHTS

if TYPE_CHECKING:
    import torch
    from torch import Tensor

WINDOW_S = 2.0  # long enough for a bark or a knock; five repetitions fill the ten seconds that CLAP hears
SENTENCE = "This is a sound of {}."  # transformers' own for zero-shot audio classification
NEUTRAL = ("silence", "noise", "people talking", "music")  # what else it might be

NOTE = (
    "CLAP compares the sound with each of your words and with four others (" + ", ".join(NEUTRAL) + "), which together "
    f"are {UNKNOWN}: a high score says that a word fits best of these, not that it was said."
)


def candidates(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the typed words, and the neutral ones that are not among them."""
    taken = {word.casefold() for word in words}
    return (*words, *(word for word in NEUTRAL if word not in taken))


class Clap:
    """CLAP, as transformers' `zero-shot-audio-classification` pipeline uses it."""

    at_once = 4
    window_s = WINDOW_S
    notes = (NOTE,)

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import AutoFeatureExtractor, AutoTokenizer, ClapModel

        self.extractor = AutoFeatureExtractor.from_pretrained(folder, **LOCAL)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
        self.model: Any = ClapModel.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS).to(device).eval()

    def labels(self, words: str) -> tuple[str, ...]:
        """Return the typed words, and the label of everything else."""
        chosen = typed_words(words)
        refuse_other_scripts(chosen, "CLAP")
        return (*chosen, UNKNOWN)

    def prepare(self, labels: tuple[str, ...]) -> tuple[int, Tensor]:
        """Return how many words there are, and the embeddings of all candidates (C, D)."""
        words = labels[:-1]
        sentences = [SENTENCE.format(word) for word in candidates(words)]
        tokens = self.tokenizer(sentences, return_tensors="pt", padding=True).to(self.model.device)
        return len(words), self.model.get_text_features(**tokens).pooler_output

    def hear(self, windows: F32, prepared: tuple[int, Tensor] | None) -> Heard:
        """Hear windows; the extractor repeats each until it fills ten seconds, so that none is padded by another."""
        import soxr
        import torch

        rate_hz = self.extractor.sampling_rate
        raised = [soxr.resample(window, RATE_HZ, rate_hz) for window in windows]
        inputs = self.extractor(raised, sampling_rate=rate_hz, return_tensors="pt")
        given = inputs["input_features"].to(self.model.device, self.model.dtype)
        found = self.model.get_audio_features(given, is_longer=inputs["is_longer"].to(self.model.device))
        features = found.pooler_output
        scores = None
        if prepared is not None:
            count, sentences = prepared
            logits = (features @ sentences.T * self.model.logit_scale_a.exp()).float()
            shares = logits.softmax(-1)
            scores = torch.cat([shares[:, :count], shares[:, count:].sum(-1, keepdim=True)], 1).cpu().numpy()
        return Heard(scores, np.asarray(features.float().cpu()))
