"""Show code: the few lines of plain transformers code that repeat a captioning run outside Lectern."""

from __future__ import annotations

import re

from demos.captioning.families import DEFAULT_INSTRUCTION
from demos.captioning.models import TABLETOP_TOKENS
from demos.captioning.options import CaptionRequest
from hub.cards import ModelCard
from hub.snippet import PICTURE_NAME, arguments, model_path, revision_argument

LOAD = {
    "blip": """
from transformers import BlipForConditionalGeneration, BlipProcessor

processor = BlipProcessor.from_pretrained({path})
model = BlipForConditionalGeneration.from_pretrained({path}, dtype=torch.float32)
""",
    "vision-encoder-decoder": """
from transformers import AutoImageProcessor, AutoTokenizer, VisionEncoderDecoderModel

image_processor = AutoImageProcessor.from_pretrained({path})
tokenizer = AutoTokenizer.from_pretrained({path})
model = VisionEncoderDecoderModel.from_pretrained({path}, dtype=torch.float32)
""",
    "git": """
from transformers import AutoProcessor, GitForCausalLM

processor = AutoProcessor.from_pretrained({path})
model = GitForCausalLM.from_pretrained({path}, dtype=torch.float32)
""",
    "blip2": """
from transformers import Blip2ForConditionalGeneration, Blip2Processor

processor = Blip2Processor.from_pretrained({path})
model = Blip2ForConditionalGeneration.from_pretrained({path}, dtype=torch.float32)
""",
    "smolvlm": """
from transformers import Idefics3Processor, SmolVLMForConditionalGeneration

# SmolVLMProcessor does the same to pictures, but needs torchvision and num2words for videos.
processor = Idefics3Processor.from_pretrained({path})
model = SmolVLMForConditionalGeneration.from_pretrained({path}, dtype=torch.float32)
""",
    "qwen3-vl": """
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor


class PictureProcessor(Qwen3VLProcessor):  # without its video half, which needs torchvision
    def __init__(self, image_processor, tokenizer, chat_template=None):
        super().__init__(image_processor, tokenizer, chat_template=chat_template)


processor = PictureProcessor.from_pretrained({path})
model = Qwen3VLForConditionalGeneration.from_pretrained({path}, dtype=torch.float32)
""",
}

CHAT = """
question = [{{"type": "image", "image": picture}}, {{"type": "text", "text": {instruction}}}]
inputs = processor.apply_chat_template(
    [{{"role": "user", "content": question}}],
    add_generation_prompt=True,
    tokenize=True,
    return_dict=True,
    return_tensors="pt",
)
{seed}tokens = model.generate(**inputs, {arguments})
tokens = tokens[:, inputs["input_ids"].shape[1] :]
"""

WRITE = {
    "blip": """
inputs = processor(images=picture{text}, return_tensors="pt")
{seed}tokens = model.generate(**inputs, {arguments})
""",
    "vision-encoder-decoder": """
pixels = image_processor(picture, return_tensors="pt").pixel_values
{seed}tokens = model.generate(pixels, {arguments})
""",
    "git": """
pixels = processor(images=picture, return_tensors="pt").pixel_values
{seed}tokens = model.generate(pixel_values=pixels, {arguments})
""",
    "blip2": """
inputs = processor(images=picture, text={prompt}, return_tensors="pt")
{seed}tokens = model.generate(**inputs, {arguments})
""",
    "smolvlm": CHAT,
    "qwen3-vl": CHAT,
}

# Where a model has no processor that takes a prompt, the caption's first tokens are put together by hand.
WRITE_AFTER_PROMPT = {
    "vision-encoder-decoder": """
pixels = image_processor(picture, return_tensors="pt").pixel_values
start = [model.config.decoder_start_token_id, *tokenizer({prompt}, add_special_tokens=False).input_ids]
{seed}tokens = model.generate(pixels, decoder_input_ids=torch.tensor([start]), {arguments})
""",
    "git": """
pixels = processor(images=picture, return_tensors="pt").pixel_values
start = [processor.tokenizer.cls_token_id, *processor.tokenizer({prompt}, add_special_tokens=False).input_ids]
{seed}tokens = model.generate(pixel_values=pixels, input_ids=torch.tensor([start]), {arguments})
""",
}

PRECISION = "# float32, on the CPU. A GPU run is in half precision: its last digits differ, now and then a word.\n"

PRINT = """
for caption in {decoder}.batch_decode(tokens, skip_special_tokens=True):
    print(caption.strip())
"""


def snippet(card: ModelCard, request: CaptionRequest, result: object = None) -> str:
    """Return code that prints the captions of `request`, whose picture it calls picture.png.

    The request says it all: the result is not needed.
    """
    chosen = request.options
    family = card.family
    generate = chosen.generate_arguments()
    if card.embedded:  # its decoder has few places, one for each word and mark
        used = len(re.findall(r"\w+|[^\w\s]", chosen.prompt))
        generate["max_new_tokens"] = min(chosen.max_tokens, TABLETOP_TOKENS - used)
    load = LOAD[family].format(path=model_path(card) + revision_argument(card))
    write = WRITE_AFTER_PROMPT.get(family, WRITE[family]) if chosen.prompt else WRITE[family]
    write = write.format(
        prompt=repr(chosen.prompt),
        text=f", text={chosen.prompt!r}" if chosen.prompt else "",
        instruction=repr(chosen.prompt or DEFAULT_INSTRUCTION),
        seed=f"torch.manual_seed({chosen.seed})\n" if chosen.strategy == "sample" else "",
        arguments=arguments(generate),
    )
    imports, _, rest = load.lstrip("\n").partition("\n\n")
    picture = f'picture = ImageOps.exif_transpose(Image.open("{PICTURE_NAME}")).convert("RGB")\n'
    printed = PRINT.format(decoder="tokenizer" if family == "vision-encoder-decoder" else "processor")
    return f"import torch\nfrom PIL import Image, ImageOps\n{imports}\n\n{PRECISION}{rest}\n{picture}{write}{printed}"
