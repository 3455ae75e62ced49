"""Save a trained model the way every embedded model is saved: half precision, safetensors, checksums."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path

import torch
from transformers import PreTrainedModel, ProcessorMixin

LIMIT_BYTES = 10 * 2**20  # of one file: what Spaces and git take without LFS


def save_checkpoint(model: PreTrainedModel, processor: ProcessorMixin, folder: Path) -> None:
    """Save a model (as float16) and its processor to a folder, with the SHA256SUMS of its files.

    Raises:
        ValueError: a file is over `LIMIT_BYTES`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).to("cpu", torch.float16).save_pretrained(folder)
    processor.save_pretrained(folder)
    write_checksums(folder)


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 of every file of a model folder but its card to SHA256SUMS, as `sha256sum --check` reads it.

    Raises:
        ValueError: a file is over `LIMIT_BYTES`.
    """
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name not in ("README.md", "SHA256SUMS")
    )
    for path in files:
        path.chmod(0o644)  # safetensors makes its files their owner's alone
        if path.stat().st_size > LIMIT_BYTES:
            raise ValueError(f"expected files of at most {LIMIT_BYTES} bytes, got {path} of {path.stat().st_size}")
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n" for path in files
    ]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
