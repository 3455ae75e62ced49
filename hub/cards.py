"""A model card: what a demo may load, and everything the user should know before trusting it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MODELS_DIR = Path(__file__).resolve().parent.parent / "assets" / "models"


@dataclass(frozen=True)
class ModelCard:
    """One model a demo offers in its picker."""

    key: str  # short and stable: used by the API and in settings
    label: str  # what the picker shows
    source: str  # a folder under assets/models (embedded) or a Hub id "owner/name"
    task: str  # the Hub's pipeline tag
    family: str  # which loading code of the demo reads it
    licence: str  # SPDX id where there is one
    download_bytes: int  # 0 for an embedded model
    memory_bytes: int  # weights in memory in float32, as on a CPU; the pool replaces it by what it measures
    knows: str  # what it was trained on, in one sentence
    limits: str  # what it cannot do, in one sentence
    citation: str
    batch_limit: int = 32  # most requests in one forward pass: large models need the memory for themselves
    revision: str = "main"  # a commit of the Hub repository; "main" where no public source names one
    group: str = ""  # what kind of thing it answers, where a demo offers several kinds: the picker shows one at a time
    package: str = ""  # the installed package that is or brings the method; `source` then names it, e.g. cv2.StereoSGBM
    variant: str = ""  # which form of the weights is fetched where a repository has several, e.g. "fp16"
    files: tuple[str, ...] = ()  # patterns of the files that are fetched; empty: all that is safe to read
    least_bytes: int = 0  # memory on a GPU where the weights may wait outside and come over in turn; 0: they cannot
    needs: tuple[ModelCard, ...] = ()  # other repositories that are fetched and loaded with it

    @property
    def embedded(self) -> bool:
        """Whether it is here without any download: weights that ship with Lectern, or a method of a library."""
        return bool(self.package) or "/" not in self.source

    @property
    def ships_weights(self) -> bool:
        """Whether it is a model that this project trained, in a folder of its own."""
        return self.embedded and not self.package

    @property
    def folder(self) -> Path:
        """The folder of an embedded model.

        Raises:
            ValueError: for a Hub model, which has no folder until it is fetched, and for a library's method.
        """
        if not self.ships_weights:
            raise ValueError(f"{self.key} has no folder under assets/models")
        return MODELS_DIR / self.source

    @property
    def pinned(self) -> bool:
        """Whether the revision is a fixed commit (always so for an embedded model)."""
        return self.embedded or len(self.revision) == 40
