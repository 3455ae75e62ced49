"""The model families: what differs between one keyword spotter and the next, behind one face.

A family says how long its windows are and which labels its scores have, and hears a batch of windows. All windows of a
batch are equally long, so that no model ever sees padding that another window asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from demos.keyword_spotting.families.clap import Clap
from demos.keyword_spotting.families.classifier import Classifier
from demos.keyword_spotting.families.face import Family, Heard
from demos.keyword_spotting.families.whisper_words import WhisperWords

if TYPE_CHECKING:
    import torch

__all__ = ["FAMILIES", "Family", "Heard"]

FAMILIES: dict[str, Callable[[Path, str, torch.dtype], Family]] = {
    "classifier": Classifier,
    "clap": Clap,
    "whisper-words": WhisperWords,
}
