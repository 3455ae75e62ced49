"""A Hugging Face cache filled with tiny diffusion checkpoints: cards are fetched and loaded from it as when offline."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from huggingface_hub import constants

from hub import cards, weights
from hub.cards import ModelCard
from hub.demo import Loading
from hub.device import Device
from hub.diffusion.control_cards import CONTROLS, INPAINT_CONTROL
from hub.diffusion.loading import Components, load_components
from hub.pool import Pool
from tests.demos import tiny_diffusion

CPU = Device("cpu", "float32", "CPU")
COMMIT = "0123456789abcdef0123456789abcdef01234567"  # what "main" points to
CONTROLNETS = {"sd-1.5": "controlnet", "sdxl": "controlnet-xl", "tabletop": "controlnet-tabletop"}


def checkpoint_of(card: ModelCard) -> str:
    """Return the name of the tiny checkpoint that stands for a card's weights."""
    for control in (*CONTROLS, INPAINT_CONTROL):
        if control.card == card:
            return "controlnet-union" if control.is_union else CONTROLNETS[control.base]
    return card.key.partition("+")[0]  # of a composed card, its model's


@dataclass
class Cache:
    """The cache, and a pool that shares what is loaded from it."""

    root: Path
    pool: Pool = field(default_factory=lambda: Pool(lambda: 10**10, 60))

    def place(self, card: ModelCard) -> Path:
        """Return the folder of a card's files, and save the tiny checkpoint there on the first call."""
        folder = self.folder(card)
        if not folder.exists():
            tiny_diffusion.save(checkpoint_of(card), folder)
            if card.embedded:
                write_checksums(folder)
        return folder

    def folder(self, card: ModelCard) -> Path:
        """Return where a card's files belong, with all around them that makes it a cache of the Hub."""
        if card.embedded:
            return self.root / "models" / card.source
        repository = self.root / "cache" / f"models--{card.source.replace('/', '--')}"
        commit = card.revision if card.pinned else COMMIT
        (repository / "refs").mkdir(parents=True, exist_ok=True)
        (repository / "refs" / "main").write_text(commit)
        return repository / "snapshots" / commit

    def loading(self, card: ModelCard, offload: bool = False) -> Loading:
        """Return what a demo's `load` would be given for a card, whose files are there."""
        for each in (card, *card.needs):
            if each.family != "lora":
                self.place(each)
        folder = weights.fetch(card, lambda *_: None)
        return Loading(card, folder, CPU, lambda *_: None, self.pool.component, offload)

    def load(self, card: ModelCard, offload: bool = False) -> Components:
        """Load a card."""
        return load_components(self.loading(card, offload))


def make_cache(root: Path, patch: pytest.MonkeyPatch) -> Cache:
    """Return an empty cache, which is the one that weights are fetched from as long as `patch` holds."""
    patch.setattr(constants, "HF_HUB_CACHE", str(root / "cache"))
    patch.setattr(constants, "HF_HUB_OFFLINE", True)
    patch.setattr(cards, "MODELS_DIR", root / "models")
    return Cache(root)


def write_checksums(folder: Path) -> None:
    """Write the SHA256SUMS of an embedded model with folders in it."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder).as_posix()}\n" for file in files
    ]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
