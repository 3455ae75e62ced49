"""What the pipeline knows of a model: how long its windows are, what it can listen for, and that it hears windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from demos.keyword_spotting.spotting import F32


@dataclass(frozen=True)
class Heard:
    """What a model makes of N windows.

    Attributes:
        scores: (N, L), 0 to 1; None where nothing was listened for.
        features: (N, D), what its head reads, averaged over the window; a window of the user's own words is told apart
            by them.
    """

    scores: F32 | None
    features: F32


class Family(Protocol):
    """A loaded model. Windows are (N, window_s * 16000) float32, one channel at 16 kHz."""

    @property
    def model(self) -> Any:
        """The torch module."""

    @property
    def window_s(self) -> float:
        """How many seconds it hears at once."""

    @property
    def at_once(self) -> int:
        """How many windows one forward pass takes on a CPU: a second or two of work, after which Stop is heard."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of this model's scores."""

    def labels(self, words: str) -> tuple[str, ...]:
        """Return the names of the scores, among them one of `NOT_WORDS`; `words` are the typed ones.

        Raises:
            InvalidInput: for words that this model cannot listen for.
        """

    def prepare(self, labels: tuple[str, ...]) -> Any:
        """Return what `hear` needs to listen for `labels`; computed once a run, whatever the number of windows."""

    def hear(self, windows: F32, prepared: Any) -> Heard:
        """Hear windows, each by itself; with `prepared` None only their features are computed."""
