"""The models that fill holes; the embedded one comes with a ControlNet that shows it the hole."""

from __future__ import annotations

from dataclasses import replace

from hub.diffusion.cards import INPAINTING, TABLETOP
from hub.diffusion.control_cards import INPAINT_CONTROL

EMBEDDED = replace(
    TABLETOP,
    memory_bytes=TABLETOP.memory_bytes + INPAINT_CONTROL.card.memory_bytes,
    needs=(INPAINT_CONTROL.card,),
    knows=f"{TABLETOP.knows} A small ControlNet, trained on the same scenes with holes, shows it what to fill.",
)
MODELS = (EMBEDDED, *(card for card in INPAINTING if card != TABLETOP))
