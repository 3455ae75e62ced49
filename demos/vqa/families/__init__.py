"""The model families: what differs between one answerer and the next, behind one face.

A family takes a batch of pictures, each with a question of its own, and gives ranked answers: how probable each is, and
what in picture and question the best one hangs on. The picture itself is encoded only once where the architecture
allows it.

Processors and models come from local files only: safetensors, no remote code. Torchvision is not needed: pictures go
through the Pillow variants of the image processors.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from demos.vqa.families.blip import Blip
from demos.vqa.families.face import Family
from demos.vqa.families.language import blip2, qwen3_vl, smolvlm
from demos.vqa.families.vilt import Vilt

if TYPE_CHECKING:
    import torch

__all__ = ["FAMILIES", "Family"]

FAMILIES: dict[str, Callable[[Path, str, torch.dtype], Family]] = {
    "blip": Blip,
    "vilt": Vilt,
    "blip2": blip2,
    "smolvlm": smolvlm,
    "qwen3-vl": qwen3_vl,
}
