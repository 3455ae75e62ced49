"""Show code: the few lines of plain transformers code that repeat a question outside Lectern."""

from __future__ import annotations

from demos.vqa.documents import DOCUMENT_FAMILIES, document_snippet
from demos.vqa.families.blip import ANSWER_TOKENS
from demos.vqa.families.language import BLIP2_PROMPT
from demos.vqa.families.writing import search
from demos.vqa.options import QuestionRequest
from hub.cards import ModelCard
from hub.snippet import PICTURE_NAME, arguments, model_path, revision_argument

LOAD = {
    "blip": """
from transformers import BlipForQuestionAnswering, BlipProcessor

processor = BlipProcessor.from_pretrained({path})
model = BlipForQuestionAnswering.from_pretrained({path}, dtype=torch.float32)
""",
    "vilt": """
from transformers import ViltForQuestionAnswering, ViltProcessor

processor = ViltProcessor.from_pretrained({path})
model = ViltForQuestionAnswering.from_pretrained({path}, dtype=torch.float32)
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

SEARCH = """
inputs = processor(images=picture, text={text}, return_tensors="pt")
found = model.generate(**inputs, {arguments}, output_scores=True, return_dict_in_generate=True)
"""

AFTER_PROMPT = """found.sequences = found.sequences[:, inputs["input_ids"].shape[1] :]
"""

CHAT = """
question = [{{"type": "image", "image": picture}}, {{"type": "text", "text": {text}}}]
inputs = processor.apply_chat_template(
    [{{"role": "user", "content": question}}],
    add_generation_prompt=True,
    tokenize=True,
    return_dict=True,
    return_tensors="pt",
)
found = model.generate(**inputs, {arguments}, output_scores=True, return_dict_in_generate=True)
"""

ASK = {
    "blip": SEARCH,
    "vilt": """
inputs = processor(images=picture, text={text}, return_tensors="pt")
probabilities = model(**inputs).logits[0].sigmoid()  # trained so: each answer of its list is judged by itself
best = probabilities.topk({count})
""",
    "blip2": SEARCH + AFTER_PROMPT,
    "smolvlm": CHAT + AFTER_PROMPT,
    "qwen3-vl": CHAT + AFTER_PROMPT,
}

# Without a length penalty a beam's score is the logarithm of its answer's probability.
PRINT_BEAMS = """
for answer, score in zip(processor.batch_decode(found.sequences, skip_special_tokens=True), found.sequences_scores):
    print(f"{score.exp():.3f} {answer.strip()}")
"""

PRINT_ONE = """
chosen = torch.stack([scores[0] for scores in found.scores]).log_softmax(-1).amax(-1)  # of each token, by greedy search
print(f"{chosen.sum().exp():.3f} {processor.batch_decode(found.sequences, skip_special_tokens=True)[0].strip()}")
"""

PRINT_LABELS = """
for probability, label in zip(best.values, best.indices):
    print(f"{probability:.3f} {model.config.id2label[label.item()]}")
"""

PRECISION = "# float32, on the CPU. A GPU run is in half precision: its last digits differ, now and then a word.\n"


def snippet(card: ModelCard, request: QuestionRequest, result: object = None) -> str:
    """Return code that prints the answers to `request`, likeliest first, whose picture it calls picture.png.

    The request says it all: the result is not needed.
    """
    family = card.family
    if family in DOCUMENT_FAMILIES:
        return document_snippet(card, request)
    chosen = request.options
    several = family in ("blip", "blip2") and chosen.answers > 1
    tokens = min(chosen.max_tokens, ANSWER_TOKENS) if family == "blip" else chosen.max_tokens
    ask = ASK[family].format(
        text=repr(BLIP2_PROMPT.format(chosen.question) if family == "blip2" else chosen.question),
        arguments=arguments(search(chosen.answers if several else 1, tokens)),
        count=chosen.answers,
    )
    load = LOAD[family].format(path=model_path(card) + revision_argument(card))
    imports, _, rest = load.lstrip("\n").partition("\n\n")
    picture = f'picture = ImageOps.exif_transpose(Image.open("{PICTURE_NAME}")).convert("RGB")\n'
    shown = PRINT_LABELS if family == "vilt" else PRINT_BEAMS if several else PRINT_ONE
    return f"import torch\nfrom PIL import Image, ImageOps\n{imports}\n\n{PRECISION}{rest}\n{picture}{ask}{shown}"
