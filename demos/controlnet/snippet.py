"""Show code: plain OpenCV, transformers and diffusers code that repeats a ControlNet run outside Lectern."""

from __future__ import annotations

from collections.abc import Sequence

from demos.controlnet.networks import Nets, depth_card, nets_for
from demos.controlnet.options import (
    HAND,
    PICTURE,
    READY,
    TRUTH,
    ControlNetOptions,
    ControlNetRequest,
    ControlOptions,
    Guide,
    SketchRequest,
)
from hub.cards import ModelCard
from hub.depth_cards import SKY_FROM_M, TABLETOP
from hub.diffusion.families import FAMILIES
from hub.diffusion.snippet import drawing_lines, load_lines, scheduler_of
from hub.snippet import file_name, model_path, revision_argument

BY_CODE = ("canny", "softedge", "scribble", "lineart", "mlsd", "depth")  # what is short enough to be spelled out
OPEN = """def opened(name):
    picture = ImageOps.exif_transpose(Image.open(name)).convert("RGB")
    return ImageOps.fit(picture, ({width}, {height}), Image.Resampling.LANCZOS)
"""
BLUR = "picture = Image.fromarray(cv2.GaussianBlur(np.asarray(picture), (0, 0), {blur!r}))"
GREY = "grey = cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2GRAY)"
ESTIMATING = """from transformers import AutoImageProcessor, AutoModelForDepthEstimation
from transformers import pipeline as estimating"""


def snippet(card: ModelCard, request: ControlNetRequest | SketchRequest, result: object = None) -> str:
    """Return code that makes the drawings of `request`, and draws its pictures by them."""
    if isinstance(request, SketchRequest):
        return "# Run the demo: its code makes these drawings, too."
    chosen, _ = request.settled(card)
    nets = nets_for(card, [guide.options.shows for guide in request.guides], chosen.networks)
    union = any(control.is_union for control in nets.controls)
    family = FAMILIES[card.family]
    pipeline = (family.union if union else family.pipelines)[
        "controlnet" if request.start is None else "controlnet-image-to-image"
    ]
    network = "ControlNetUnionModel" if union else "ControlNetModel"
    names = sorted(name for name in (network, pipeline, scheduler_of(request, card)) if name)
    sketches = [line for guide in request.guides for line in _sketch(guide, card, chosen)]
    return "\n".join(
        [
            "import cv2",
            "import numpy as np",
            "import torch",
            f"from diffusers import {', '.join(names)}",
            "from PIL import Image, ImageOps",
            *([ESTIMATING] if any("estimating(" in line for line in sketches) else []),
            "",
            "",
            OPEN.format(width=chosen.width, height=chosen.height),
            "",
            "drawings = []",
            *sketches,
            *([f'start = opened("{file_name("start")}")'] if request.start is not None else []),
            "",
            *_networks(nets, card, network),
            *load_lines(request, card, pipeline, "controlnet=controlnet, "),
            _draw(request, chosen, nets, union),
        ]
    )


def _sketch(guide: Guide, card: ModelCard, chosen: ControlNetOptions) -> list[str]:
    """Return the lines that add the drawing of a control to the list."""
    asked = guide.options
    if asked.made == READY:
        return [f'drawings.append(opened("{file_name(guide.name)}"))']
    if asked.made == PICTURE and asked.shows in BY_CODE:
        blur = [BLUR.format(blur=asked.blur_px)] if asked.blur_px and asked.shows not in ("softedge", "depth") else []
        return [
            f'picture = opened("{file_name(guide.name)}")',
            *blur,
            *(_depth(depth_card(card, chosen)) if asked.shows == "depth" else _lines(asked)),
            'drawings.append(Image.fromarray(drawing).convert("RGB"))',
        ]
    what = {TRUTH: "the truth of the scene", HAND: "what was drawn by hand"}.get(asked.made, "what a model made")
    return [f'drawings.append(opened("drawing-{asked.shows}.png"))  # {what}: download it below the result']


def _lines(asked: ControlOptions) -> list[str]:
    """Return the lines that make white lines on black, `drawing`, of `picture`."""
    if asked.shows == "canny":
        return [GREY, f"drawing = cv2.Canny(grey, {asked.low}, {asked.high})"]
    if asked.shows == "scribble":
        return [
            GREY,
            "pen = max(2, round(min(grey.shape) / 100))",
            "disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (pen + 1, pen + 1))",
            f"drawing = cv2.dilate(cv2.Canny(grey, {asked.low}, {asked.high}), disc)",
        ]
    if asked.shows == "softedge":
        return [
            BLUR.format(blur=max(asked.blur_px, 1.0)),
            f"{GREY}.astype(np.float32)",
            "steep = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))",
            "steep /= max(float(np.percentile(steep, 99.5)), 1.0)",
            "drawing = np.rint(255 * np.clip(steep, 0, 1)).astype(np.uint8)",
        ]
    if asked.shows == "lineart":
        return [
            f"{GREY}.astype(np.float32)",
            "around = cv2.GaussianBlur(grey, (0, 0), max(1.0, min(grey.shape) / 40))",
            "dark = np.clip(2 * (1 - (grey + 1) / (around + 1)), 0, 1)",
            "drawing = np.rint(255 * dark).astype(np.uint8)",
        ]
    return [
        GREY,
        "drawing = np.zeros_like(grey)",
        "found = cv2.createLineSegmentDetector().detect(grey)[0]",
        "for x, y, to_x, to_y in [] if found is None else found.reshape(-1, 4):",
        "    if np.hypot(to_x - x, to_y - y) >= max(grey.shape) / 20:",
        "        cv2.line(drawing, (round(x), round(y)), (round(to_x), round(to_y)), 255, 1)",
    ]


def _depth(card: ModelCard) -> list[str]:
    """Return the lines that estimate the nearness, `drawing`, of `picture`."""
    where = f"{model_path(card)}{revision_argument(card)}"
    lines = [
        "depth_model = AutoModelForDepthEstimation.from_pretrained(",
        f"    {where},",
        "    dtype=torch.float32,",
        ").eval()",
        "processor = AutoImageProcessor.from_pretrained(",
        f"    {where},",
        '    backend="pil",',
        ")",
        'estimator = estimating("depth-estimation", model=depth_model, image_processor=processor)',
        'said = estimator(picture)["predicted_depth"].detach().float().numpy().reshape(picture.size[::-1])',
    ]
    if "relative" in card.label:
        return [
            *lines,
            "near = (said - said.min()) / max(said.max() - said.min(), 1e-9)",
            "drawing = np.rint(255 * near).astype(np.uint8)",
        ]
    sky = f"np.where(said > {SKY_FROM_M}, 0, 1 / said)  # beyond is this model's word for sky"
    return [
        *lines,
        f"near = {sky if card == TABLETOP else '1 / said'}",
        "drawing = np.rint(255 * near / near.max()).astype(np.uint8)",
    ]


def _networks(nets: Nets, card: ModelCard, network: str) -> list[str]:
    """Return the lines that load the ControlNets as `controlnet`: one, or a list."""
    loaded = [_network(control.card, card, network) for control in nets.controls]
    if len(loaded) == 1:
        first, *others = loaded[0]
        return [f"controlnet = {first}", *others]
    lines = [f"    {line}" for each in loaded for line in (*each[:-1], f"{each[-1]},")]
    return ["controlnet = [", *lines, "]"]


def _network(own: ModelCard, card: ModelCard, network: str) -> list[str]:
    where = f"{model_path(own)}{revision_argument(own)}"
    dtype = "float32" if own.embedded else FAMILIES[card.family].cuda_dtype or "float16"
    variant = f", variant={own.variant!r}" if own.variant else ""
    return [f"{network}.from_pretrained(", f"    {where},", f"    dtype=torch.{dtype}{variant},", ")"]


def _draw(request: ControlNetRequest, chosen: ControlNetOptions, nets: Nets, union: bool) -> str:
    acting = [guide.options for guide in request.guides]
    alone = len(acting) == 1 and not union

    def spelled(values: Sequence[float]) -> str:
        numbers = [float(value) for value in values]  # diffusers takes no integers
        return repr(numbers[0] if alone else numbers)

    drawing = "control_image" if union or request.start is not None else "image"
    arguments = [
        f"{drawing}={'drawings[0]' if alone else 'drawings'}",
        *([f"control_mode={list(nets.modes)!r}"] if union else []),
        f"controlnet_conditioning_scale={spelled([each.weight for each in acting])}",
        f"control_guidance_start={spelled([each.begin for each in acting])}",
        f"control_guidance_end={spelled([each.end for each in acting])}",
        f"num_inference_steps={chosen.steps}",
        f"guidance_scale={chosen.guidance!r}",
    ]
    if chosen.guided and chosen.negative_prompt:
        arguments.append(f"negative_prompt={chosen.negative_prompt!r}")
    if request.start is not None:
        arguments += ["image=start", f"strength={chosen.strength!r}"]
    return drawing_lines(chosen, arguments)
