"""Show code, for all tabs that draw: lines of plain diffusers code that load a model, and put a LoRA on it."""

from __future__ import annotations

from collections.abc import Sequence

from hub.cards import ModelCard
from hub.diffusion.abilities import OWN
from hub.diffusion.families import FAMILIES
from hub.diffusion.lora_files import LoraFile
from hub.diffusion.options import SamplingOptions
from hub.diffusion.requests import DrawingRequest
from hub.diffusion.schedulers import SCHEDULERS
from hub.snippet import model_path, revision_argument

DRAW = """
for seed in range({first}, {end}):
    picture = pipeline(
        {prompt},
        {arguments},
        generator=torch.Generator().manual_seed(seed),
    ).images[0]
    picture.save(f"picture-{{seed}}.png")
"""


def scheduler_of(request: DrawingRequest, card: ModelCard) -> str:
    """Return the class of diffusers that a request is drawn with; "" for the model's own."""
    chosen, _ = request.settled(card)
    return "" if chosen.scheduler == OWN else SCHEDULERS[chosen.scheduler]


def load_lines(request: DrawingRequest, card: ModelCard, pipeline: str, more: str = "") -> list[str]:
    """Return the lines that make `pipeline`: on the CPU where the model ships with Lectern, else on a GPU.

    Args:
        request: what is drawn.
        card: of the model.
        pipeline: a class of diffusers, imported beside `scheduler_of`.
        more: further arguments, such as "controlnet=controlnet, ".
    """
    if card.embedded:
        lines = [
            f"pipeline = {pipeline}.from_pretrained(",
            f"    {model_path(card)}, {more}dtype=torch.float32",
            ")",
        ]
    else:
        dtype = FAMILIES[card.family].cuda_dtype or "float16"
        variant = f", variant={card.variant!r}" if card.variant else ""
        lines = [
            f"pipeline = {pipeline}.from_pretrained(",
            f"    {model_path(card)}{revision_argument(card)},",
            f"    {more}dtype=torch.{dtype}{variant},",
            ').to("cuda")',
        ]
    scheduler = scheduler_of(request, card)
    if scheduler:
        lines.append(f"pipeline.scheduler = {scheduler}.from_config(pipeline.scheduler.config)")
    return lines + lora_lines(request)


def drawing_lines(chosen: SamplingOptions, arguments: Sequence[str]) -> str:
    """Return the lines that draw a picture for each seed with `pipeline`, and save it.

    Args:
        chosen: the options as the model can follow them.
        arguments: of the pipeline, spelled out, besides the prompt and the generator.
    """
    return DRAW.format(
        first=chosen.seed,
        end=chosen.seed + chosen.pictures,
        prompt=repr(chosen.prompt),
        arguments=",\n        ".join(arguments),
    )


def lora_lines(request: DrawingRequest) -> list[str]:
    """Return the lines that put the LoRA of a request on the pipeline; none where it has none."""
    lora, scale = request.lora, request.options.lora_scale
    if lora is None:
        return []
    if isinstance(lora, LoraFile):
        where = f'".", weight_name={lora.name!r}'
    else:
        where = f"{model_path(lora)}{revision_argument(lora)}, weight_name={lora.files[0]!r}"
    return [
        f'pipeline.load_lora_weights({where}, adapter_name="lora")  # needs: pip install peft',
        f"pipeline.fuse_lora(lora_scale={scale!r})"
        if request.options.fused
        else f'pipeline.set_adapters("lora", {scale!r})',
    ]
