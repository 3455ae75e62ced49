"""What the inpainting tab shows of a run, and the endpoint's answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from demos.inpainting import masks
from demos.inpainting.options import InpaintRequest
from demos.inpainting.pipeline import Filled
from hub.cards import ModelCard
from hub.diffusion.answers import answered
from hub.diffusion.painting import Pictures
from hub.diffusion.result import explained_html
from hub.diffusion.stage import zoom
from hub.files import address, answer_file, result_path
from hub.pictures import data_uri, shrunk
from hub.runtime import Outcome
from hub.settings import Settings

SHOWN_PX = 1024  # the longer side of the pictures between which one slides
PART_PX = 256  # of those in the explanation
HOLE_GREY = 64  # what a hole looks like on the page


def compared_html(filled: Filled, request: InpaintRequest, settings: Settings) -> str:
    """Draw a slider between before and after for each picture, and say where the mask can be had."""
    size = filled.before.size
    width = size[0] * zoom(size, len(filled.drawn)) if max(size) <= SHOWN_PX else SHOWN_PX
    before = written(filled.before, settings, "before.png")
    columns = np.flatnonzero(request.hole.any(0))
    at = round(100 * float(columns.mean() + 0.5) / size[0])  # in the middle of the hole, both can be seen
    pairs = "".join(
        _pair_html(before, written(drawn.image, settings, f"after-{drawn.seed}.png"), size, width, drawn.seed, at)
        for drawn in filled.drawn
    )
    mask = result_path(settings, "mask.png")
    masks.picture_of(request.mask).save(mask)
    return (
        f'<div class="before-afters">{pairs}</div>'
        f'<p class="drawn-hint">Slide to compare. <a href="{address(mask)}" download="mask.png">The mask as it was '
        "marked</a>, for another run or for the code below.</p>"
    )


def written(picture: Image.Image, settings: Settings, name: str) -> str:
    """Write a picture, at most `SHOWN_PX` large, and return its address."""
    path = result_path(settings, name)
    shrunk(picture, SHOWN_PX).save(path)
    return address(path)


def _pair_html(before: str, after: str, size: tuple[int, int], width: int, seed: int, at: int) -> str:
    kind = "pixels" if max(size) < PART_PX else ""
    shape = f"aspect-ratio:{size[0]}/{size[1]}"
    return (
        f'<figure class="before-after" style="width:{width}px;--at:{at}%"><div style="{shape}">'
        f'<img class="{kind}" src="{before}" alt="before" /><img class="after {kind}" src="{after}" alt="after" />'
        f'<i></i><input type="range" min="0" max="100" value="{at}" aria-label="before and after, seed {seed}" />'
        "</div><figcaption><span>before</span><span>after</span></figcaption></figure>"
    )


def explained(pictures: Pictures) -> str:
    """Say in HTML what the mask did, with the pictures that the model was given and gave."""
    assert isinstance(pictures, Filled)
    region, steps, strength = pictures.region, pictures.options.steps, pictures.strength
    shown = masks.shown(pictures.before, region)
    hole = np.asarray(pictures.hole) > 0
    seen = np.where(hole[..., None], HOLE_GREY, np.asarray(shown)).astype(np.uint8)
    parts = {
        "what the model sees": Image.fromarray(seen),
        "what it fills: whole cells of 8 × 8 pixels": pictures.hole,
        "what it drew": pictures.raw[0],
        "how much of it was pasted: white is all": pictures.weights,
    }
    drawn = "".join(
        f'<figure><img src="{data_uri(shrunk(part, PART_PX), "PNG")}" alt="" /><figcaption>{name}</figcaption></figure>'
        for name, part in parts.items()
    )
    (left, top, right, bottom), (width, height) = region.box, region.size
    whole = "the whole picture" if region.shape == pictures.before.size else f"x {left} to {right}, y {top} to {bottom}"
    return (
        f'<div class="inpainting-parts">{drawn}</div>'
        f"<p>The model saw {whole} ({right - left} × {bottom - top} pixels) at {width} × {height}, the size it draws. "
        f"{_way(pictures.card)}</p>"
        f"<p><b>Strength</b> {strength:g}: of {steps} planned steps the last {int(steps * strength)} were taken. At 1 "
        "the hole starts from noise alone; below, from the old picture with noise on it, whose "
        "large shapes and colours survive.</p>"
        "<p><b>Grow</b> moves the edge of the mask: shadows and soft edges of the old thing lie outside of what is "
        "marked tightly, and the model takes a rim that is left for a part of the picture to go on with. "
        "<b>Feather</b> mixes old and new over some pixels around the hole, which hides the seam: the autoencoder "
        "gives no pixel back exactly as it was. <b>Paste back</b> puts all other pixels back bit for bit.</p>"
        + explained_html(pictures)
    )


def _way(card: ModelCard) -> str:
    """Say how a model of this kind is made to fill a hole."""
    blended = (
        "After every step the latents outside of the hole are replaced by those of the picture, with as much noise as "
        "the step leaves: what grows in the hole always sees the true surroundings."
    )
    if any(needed.family == "controlnet" for needed in card.needs):
        return (
            f"{blended} The U-Net itself was never told of holes: a ControlNet, a copy of its first half, is shown the "
            "picture with the hole at -1 and adds to the U-Net's features what fits there."
        )
    if "inpainting" in card.key:
        return (
            "Its U-Net was trained for this: besides the noisy latents it reads the mask and the latents of the "
            "picture with the hole, nine channels in place of four, at every step."
        )
    return f"{blended} The U-Net was never told of holes, so it may draw what does not fit."


def answer(outcome: Outcome, request: InpaintRequest, settings: Settings) -> dict[str, Any]:
    """Return the JSON answer of the endpoint."""
    filled: Filled = outcome.result
    path = result_path(settings, "mask.png")
    filled.weights.save(path)
    said = answered(outcome, request, settings)
    return {
        **said,
        "mask": {"pixels": int(request.mask.sum()), "file": answer_file(path)},
        "region": {"box": list(filled.region.box), "size": list(filled.region.size)},
    }
