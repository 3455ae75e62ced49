"""What a spotting request says: a sound, and how keywords are looked for in it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass, field
from typing import Any

from demos.keyword_spotting.taught import Taught
from hub import options
from hub.sounds import Sound

LONG_S = 30.0  # a sound that is longer runs alone


@dataclass(frozen=True)
class SpottingOptions:
    """How keywords are looked for; the same for a file and for the live microphone."""

    words: str = options.text(
        "",
        400,
        label="Words to listen for",
        info="Separated by commas. Only for models that take any word; the others have words of their own.",
        placeholder="yes, no, a dog barking",
    )
    threshold: float = options.number(
        0.7, 0.05, 1.0, step=0.01, label="Threshold", info="A word is detected when its score gets this high."
    )
    smoothing: int = options.number(
        2, 1, 10, step=1, label="Smoothing", info="Windows in a row whose scores are averaged before the threshold."
    )
    suppression_s: float = options.number(
        1.0, 0.0, 5.0, step=0.1, label="Suppression", info="Seconds after a detection in which no other is reported."
    )
    hop_s: float = options.number(0.2, 0.05, 1.0, step=0.05, label="Hop", info="Seconds from one window to the next.")
    top_k: int = options.number(5, 1, 37, step=1, label="Best words shown", info="How many of the highest scores.")


@dataclass(frozen=True)
class SpottingRequest:
    """One sound to look for keywords in.

    Attributes:
        sound: what was sent.
        options: how it is looked through.
        explain: whether to find out, by covering parts of the best window, which of them mattered.
        taught: words of the user's own, which take the place of the model's.
        played: path of the file as it was uploaded, where the page plays it back.
    """

    sound: Sound = field(compare=False)
    options: SpottingOptions = SpottingOptions()
    explain: bool = False
    taught: Taught | None = field(default=None, compare=False)
    played: str | None = field(default=None, compare=False)

    def batch_key(self) -> Hashable | None:
        """Return what requests must share: the typed words, which are the labels of the model that takes any.

        A long sound runs alone: nobody else's second of sound shall wait until all of it has been heard.
        """
        return None if self.sound.seconds > LONG_S else self.options.words

    def recorded(self) -> dict[str, Any]:
        """Return the options as plain JSON values, and what is known of the sound."""
        heard = {"seconds": round(self.sound.seconds, 3), "rate_hz": self.sound.rate_hz}
        return {**asdict(self.options), **heard, "taught": self.taught.words if self.taught else None}
