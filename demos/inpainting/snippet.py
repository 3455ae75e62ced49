"""Show code: the few lines of plain OpenCV and diffusers code that repeat an inpainting run outside Lectern."""

from __future__ import annotations

from demos.inpainting.masks import CELL_PX, Region
from demos.inpainting.options import InpaintOptions, InpaintRequest
from demos.inpainting.pipeline import WITH_PRIOR
from hub.cards import ModelCard
from hub.diffusion.cards import abilities_of
from hub.diffusion.families import FAMILIES
from hub.diffusion.snippet import load_lines, scheduler_of
from hub.snippet import file_name, model_path

READ = """
picture = ImageOps.exif_transpose(Image.open("{picture}")).convert("RGB")
mask = Image.open("{mask}").convert("L").resize(picture.size, Image.Resampling.NEAREST)
mask = np.asarray(mask) > 127  # as it was marked: white is to change


def outside(mask):
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)

"""

SEEN = """
box, size = {box}, {size}  # what the model sees of the picture, and the size at which it draws
start = picture.resize(size, Image.Resampling.LANCZOS, box=box)
hole = np.asarray(Image.fromarray(mask).convert("L").crop(box).resize(size, Image.Resampling.BOX)) > 0
cells = hole.reshape({rows}, {cell}, {columns}, {cell}).any((1, 3)).repeat({cell}, 0).repeat({cell}, 1)
"""

CONTROL = """control = np.where(hole[..., None], -1, np.asarray(start) / np.float32(255))
control = torch.from_numpy(control.astype(np.float32)).permute(2, 0, 1)[None]
"""

DRAW = """
left, top, right, bottom = box
for seed in range({first}, {end}):
    drawn = pipeline(
        prompt={prompt},
        image=start,
        mask_image=Image.fromarray(cells),
        {arguments},
        {generator},
    ).images[0]
    result = np.array(picture)
    part = result[top:bottom, left:right]
    drawn = np.asarray(drawn.resize((right - left, bottom - top), Image.Resampling.LANCZOS), np.float32)
    {paste}
    Image.fromarray(result).save(f"picture-{{seed}}.png")
"""
PASTE = "part[:] = np.round(part + weights[top:bottom, left:right, None] * (drawn - part)).astype(np.uint8)"


def snippet(card: ModelCard, request: InpaintRequest, result: object = None) -> str:
    """Return code that fills the hole of `request`; the request says it all."""
    chosen, _ = request.settled(card)
    kind = "controlnet-inpaint" if _controlnets(card) else "inpaint"
    pipeline = FAMILIES[card.family].pipelines[kind]  # type: ignore[index]
    names = [pipeline, scheduler_of(request, card), "ControlNetModel" if _controlnets(card) else ""]
    lines = [
        "import cv2",
        "import numpy as np",
        "import torch",
        f"from diffusers import {', '.join(sorted(name for name in names if name))}",
        "from PIL import Image, ImageOps",
    ]
    region = request.region_for(card)
    return (
        "\n".join(lines)
        + "\n"
        + READ.format(picture=file_name("picture"), mask=file_name("mask"))
        + "\n".join(_mask_lines(request))
        + _seen(region, bool(_controlnets(card)))
        + "\n"
        + "\n".join(_load(card, request, pipeline))
        + "\n"
        + _draw(card, chosen, request)
    )


def _controlnets(card: ModelCard) -> list[ModelCard]:
    return [needed for needed in card.needs if needed.family == "controlnet"]


def _mask_lines(request: InpaintRequest) -> list[str]:
    """Return the lines that grow and feather the mask."""
    grow, feather = request.options.grow, request.options.feather
    whole = bool(request.mask.all())
    lines = []
    if grow and not whole:
        lines.append(f"mask = outside(mask) <= {grow}" if grow > 0 else f"mask = outside(~mask) > {-grow}")
    if request.options.pastes_back:
        feathered = f"np.clip(1 - outside(mask) / {feather + 1}, 0, 1).astype(np.float32)"
        lines.append(f"weights = {feathered if feather and not whole else 'mask.astype(np.float32)'}")
    return lines


def _seen(region: Region, controlled: bool) -> str:
    width, height = region.size
    seen = SEEN.format(box=region.box, size=region.size, rows=height // CELL_PX, columns=width // CELL_PX, cell=CELL_PX)
    return seen + (CONTROL if controlled else "")


def _load(card: ModelCard, request: InpaintRequest, pipeline: str) -> list[str]:
    lines = [
        f"controlnet = ControlNetModel.from_pretrained({model_path(needed)}, dtype=torch.float32)"
        for needed in _controlnets(card)
    ]
    more = "controlnet=controlnet, " if lines else ""
    lines += load_lines(request, card, pipeline, more=more)
    if card.ships_weights:  # whose latents have 16 channels
        lines += [
            "# With 4, the pipeline puts the picture back around the hole after every step; this U-Net has 16.",
            "pipeline.unet.register_to_config(in_channels=4)",
        ]
    return lines


def _draw(card: ModelCard, chosen: InpaintOptions, request: InpaintRequest) -> str:
    spelled = [
        f"num_inference_steps={chosen.steps}",
        f"guidance_scale={chosen.guidance!r}",
        f"width={chosen.width}",
        f"height={chosen.height}",
    ]
    if chosen.guided and chosen.negative_prompt:
        spelled.append(f"negative_prompt={chosen.negative_prompt!r}")
    if card.family != WITH_PRIOR:
        spelled.append(f"strength={chosen.strength!r}")
    if _controlnets(card):
        spelled += ["control_image=control", f"controlnet_conditioning_scale={abilities_of(card).control_weight!r}"]
    generator = "generator=torch.Generator().manual_seed(seed)"
    if card.family == WITH_PRIOR and chosen.guided:
        spelled = [*spelled[:4], f"negative_prompt={chosen.negative_prompt!r}"]
        generator = "generator=[torch.Generator().manual_seed(seed) for _ in range(2)]"
    return DRAW.format(
        first=chosen.seed,
        end=chosen.seed + chosen.pictures,
        prompt=repr(chosen.prompt),
        arguments=",\n        ".join(spelled),
        generator=generator,
        paste=PASTE if request.options.pastes_back else "part[:] = np.round(drawn).astype(np.uint8)",
    )
