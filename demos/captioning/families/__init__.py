"""The model families: what differs between one captioner and the next, behind one face.

Each family does three things with a batch of pictures: `prepare` what the model reads, `write` captions token by token,
and `reread` finished captions in one teacher-forced pass, which says how probable each token was and where in the
picture the model looked for it. The picture itself is encoded only once where the architecture allows it.

Processors and models come from local files only: safetensors, no remote code. Torchvision is not needed: pictures go
through the Pillow variants of the image processors.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from demos.captioning.families.face import F32, Family, Prepared, Reread
from demos.captioning.families.language import DEFAULT_INSTRUCTION, Blip2, qwen3_vl, smolvlm
from demos.captioning.families.looking import Blip, Git, VisionEncoderDecoder

if TYPE_CHECKING:
    import torch

__all__ = ["DEFAULT_INSTRUCTION", "F32", "FAMILIES", "Family", "Prepared", "Reread"]

FAMILIES: dict[str, Callable[[Path, str, torch.dtype], Family]] = {
    "blip": Blip,
    "vision-encoder-decoder": VisionEncoderDecoder,
    "git": Git,
    "blip2": Blip2,
    "smolvlm": smolvlm,
    "qwen3-vl": qwen3_vl,
}
