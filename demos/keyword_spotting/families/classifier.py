"""Models that were trained to tell a fixed list of words apart: any `AutoModelForAudioClassification`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.keyword_spotting.families.face import Heard
from demos.keyword_spotting.spotting import F32, SILENCE, UNKNOWN
from hub.sounds import RATE_HZ
from hub.weights import LOCAL, SAFE_WEIGHTS

if TYPE_CHECKING:
    import torch

WINDOW_S = 1.0  # of a clip of Speech Commands, which these models learned from
KNOWS_WORDS_ONLY = (
    "This model has no label for other speech or for noise: whatever it hears, it takes for one of its words. Use a "
    "high threshold, and expect false alarms."
)
_NO_WORD = {"unknown": UNKNOWN, "_unknown_": UNKNOWN, "silence": SILENCE, "_silence_": SILENCE}


class Classifier:
    """Whisper's encoder, wav2vec 2.0, HuBERT or AST, with a head for a fixed list of words."""

    at_once = 16

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

        self.extractor = AutoFeatureExtractor.from_pretrained(folder, **LOCAL)
        self.model: Any = (
            AutoModelForAudioClassification.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS).to(device).eval()
        )
        self.window_s = float(getattr(self.extractor, "chunk_length", WINDOW_S))
        names = self.model.config.id2label
        own = [_NO_WORD.get(str(names[index]).lower(), str(names[index])) for index in range(len(names))]
        complete = UNKNOWN in own or SILENCE in own
        self._labels = tuple(own) if complete else (*own, SILENCE)
        self.notes: tuple[str, ...] = () if complete else (KNOWS_WORDS_ONLY,)

    def labels(self, words: str) -> tuple[str, ...]:
        """Return the words it was trained on; the typed ones mean nothing to it."""
        return self._labels

    def prepare(self, labels: tuple[str, ...]) -> bool:
        """Return that it shall listen: its head knows its words."""
        return True

    def hear(self, windows: F32, prepared: bool | None) -> Heard:
        """Hear windows of equal length, so that none is padded and no mask is needed."""
        import torch

        inputs = self.extractor(list(windows), sampling_rate=RATE_HZ, return_tensors="pt")
        inputs = inputs.to(self.model.device, self.model.dtype)
        read: list[torch.Tensor] = []
        # The head of a speech encoder projects each moment and then averages; that of AST is given one vector.
        head = getattr(self.model, "projector", self.model.classifier)
        watching = head.register_forward_pre_hook(lambda _, given: read.append(given[0]))
        try:
            logits = self.model(**inputs).logits
        finally:
            watching.remove()
        features = read[0].float()
        features = features.mean(1) if features.ndim == 3 else features
        scores = logits.float().softmax(-1)
        missing = len(self._labels) - scores.shape[1]  # 1 where this model has no name for what is no word
        scores = torch.nn.functional.pad(scores, (0, missing))
        return Heard(scores.cpu().numpy(), features.cpu().numpy())
