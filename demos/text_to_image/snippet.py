"""Show code: the few lines of plain diffusers code that repeat a text-to-image run outside Lectern."""

from __future__ import annotations

from demos.text_to_image.options import TextToImageOptions, TextToImageRequest
from hub.cards import ModelCard
from hub.diffusion.families import FAMILIES
from hub.diffusion.snippet import drawing_lines, load_lines, scheduler_of
from hub.snippet import file_name

START = """from PIL import Image, ImageOps

start = ImageOps.exif_transpose(Image.open("{name}")).convert("RGB")
start = ImageOps.fit(start, ({width}, {height}), Image.Resampling.LANCZOS)
"""


def snippet(card: ModelCard, request: TextToImageRequest, result: object = None) -> str:
    """Return code that draws the pictures of `request`; the request says it all."""
    chosen, _ = request.settled(card)
    started = request.start is not None
    pipeline = FAMILIES[card.family].pipelines["image-to-image" if started else "text-to-image"]
    names = sorted(name for name in (pipeline, scheduler_of(request, card)) if name)
    lines = [
        "import torch",
        f"from diffusers import {', '.join(names)}",
        START.format(name=file_name("start"), width=chosen.width, height=chosen.height) if started else "",
        *load_lines(request, card, pipeline),
    ]
    return "\n".join(lines) + "\n" + _draw(chosen, started)


def _draw(chosen: TextToImageOptions, started: bool) -> str:
    spelled = [f"num_inference_steps={chosen.steps}", f"guidance_scale={chosen.guidance!r}"]
    if chosen.guided and chosen.negative_prompt:
        spelled.append(f"negative_prompt={chosen.negative_prompt!r}")
    if started:
        spelled += ["image=start", f"strength={chosen.strength!r}"]
    else:
        spelled += [f"width={chosen.width}", f"height={chosen.height}"]
    return drawing_lines(chosen, spelled)
