"""Show code: the few lines of plain diffusers code that repeat a text-to-image run outside Lectern."""

from __future__ import annotations

from demos.text_to_image.options import TextToImageRequest
from demos.text_to_image.pipeline import least_strength, settled
from hub.cards import ModelCard
from hub.diffusion.families import FAMILIES
from hub.diffusion.options import SamplingOptions
from hub.diffusion.schedulers import SCHEDULERS
from hub.snippet import file_name, model_path, revision_argument

START = """from PIL import Image, ImageOps

start = ImageOps.exif_transpose(Image.open("{name}")).convert("RGB")
start = ImageOps.fit(start, ({width}, {height}), Image.Resampling.LANCZOS)
"""

DRAW = """
for seed in range({first}, {end}):
    picture = pipeline(
        {prompt},
        {arguments},
        generator=torch.Generator().manual_seed(seed),
    ).images[0]
    picture.save(f"picture-{{seed}}.png")
"""


def snippet(card: ModelCard, request: TextToImageRequest, result: object = None) -> str:
    """Return code that draws the pictures of `request`; the request says it all."""
    chosen, _ = settled(request, card)
    family = FAMILIES[card.family]
    started = request.start is not None
    pipeline = family.pipelines["image-to-image" if started else "text-to-image"]
    scheduler = None if chosen.scheduler == "own" else SCHEDULERS[chosen.scheduler]
    names = sorted(name for name in (pipeline, scheduler) if name)
    lines = [
        "import torch",
        f"from diffusers import {', '.join(names)}",
        START.format(name=file_name("start"), width=chosen.width, height=chosen.height) if started else "",
        *_load(card, pipeline),
    ]
    if scheduler is not None:
        lines.append(f"pipeline.scheduler = {scheduler}.from_config(pipeline.scheduler.config)")
    return "\n".join(lines) + "\n" + _draw(request, chosen)


def _load(card: ModelCard, pipeline: str) -> list[str]:
    """Return the lines that load a pipeline: on the CPU where the model ships with Lectern, else on a GPU."""
    if card.embedded:
        return [f"pipeline = {pipeline}.from_pretrained({model_path(card)}, dtype=torch.float32)"]
    dtype = FAMILIES[card.family].cuda_dtype or "float16"
    variant = f", variant={card.variant!r}" if card.variant else ""
    return [
        f"pipeline = {pipeline}.from_pretrained(",
        f"    {model_path(card)}{revision_argument(card)},",
        f"    dtype=torch.{dtype}{variant},",
        ').to("cuda")',
    ]


def _draw(request: TextToImageRequest, chosen: SamplingOptions) -> str:
    spelled = [f"num_inference_steps={chosen.steps}", f"guidance_scale={chosen.guidance!r}"]
    if chosen.guided and chosen.negative_prompt:
        spelled.append(f"negative_prompt={chosen.negative_prompt!r}")
    if request.start is None:
        spelled += [f"width={chosen.width}", f"height={chosen.height}"]
    else:
        spelled += ["image=start", f"strength={least_strength(request.options)!r}"]
    return DRAW.format(
        first=chosen.seed,
        end=chosen.seed + chosen.pictures,
        prompt=repr(chosen.prompt),
        arguments=",\n        ".join(spelled),
    )
