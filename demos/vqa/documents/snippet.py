"""Show code: the few lines of plain library code that repeat a run on a document or chart outside Lectern."""

from __future__ import annotations

from demos.vqa.documents.chart import HEADER, HEADER_PX, LINE_BREAK
from demos.vqa.documents.donut import NO_ANSWER, PROMPT
from demos.vqa.documents.layout import LONGEST_ANSWER
from demos.vqa.documents.nougat import EMPTY
from demos.vqa.documents.reading import POOR, READ_PX, SAME_HEIGHT
from demos.vqa.documents.search import ALIKE, NEIGHBOUR, SHARPNESS, keywords
from demos.vqa.families.writing import search
from demos.vqa.options import QuestionRequest
from hub.cards import ModelCard
from hub.snippet import PICTURE_NAME, arguments, model_path, revision_argument

PICTURE = f'picture = ImageOps.exif_transpose(Image.open("{PICTURE_NAME}")).convert("RGB")'

PRECISION = "# float32, on the CPU. A GPU run is in half precision: its last digits differ, now and then a word."

READ = """
# Read the page: pieces of text, each a list of words (text, sureness, left, top, right, bottom) in shares of the page.
read = RapidOCR(params={{"Global.log_level": "error", "Global.max_side_len": {read_px}}})
found = read(picture, return_word_box=True, use_cls=False)
if found.txts and sum(found.scores) < {poor} * len(found.scores):  # is it upside down?
    found = read(picture, return_word_box=True, use_cls=True)
pieces = []
for words in found.word_results:
    piece = []
    for text, sure, corners in words:
        across = [min(max(x / picture.width, 0.0), 1.0) for x, y in corners]
        down = [min(max(y / picture.height, 0.0), 1.0) for x, y in corners]
        piece.append((text, sure, min(across), min(down), max(across), max(down)))
    if piece:
        pieces.append(piece)


def top(piece):
    return min(word[3] for word in piece)


def bottom(piece):
    return max(word[5] for word in piece)


# Join pieces that stand on the same height into lines.
rows = []
for piece in sorted(pieces, key=lambda piece: (top(piece) + bottom(piece), piece[0][2])):
    for row in rows:
        beside = min(row, key=lambda other: abs(other[0][2] - piece[0][2]))
        shared = min(bottom(beside), bottom(piece)) - max(top(beside), top(piece))
        if shared >= {same_height} * min(bottom(beside) - top(beside), bottom(piece) - top(piece)):
            row.append(piece)
            break
    else:
        rows.append([piece])
lines = [[word for piece in sorted(row, key=lambda piece: piece[0][2]) for word in piece] for row in rows]
"""

OCR_LINES = """import math
import re
import unicodedata
from difflib import SequenceMatcher

from PIL import Image, ImageOps
from rapidocr import RapidOCR

{picture}
{read}

# Search it: which line has most of the question's content words? Rare words weigh more.
def tokens(text):
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    for token in re.findall(r"\\d+(?:[.,:/-]\\d+)*|[^\\W\\d_]+", plain):
        if token[0].isdigit():
            yield re.sub(r",(?=\\d{{3}}(?:\\D|$))", "", token)
        else:
            yield token[:-1] if len(token) > 3 and token.endswith("s") and not token.endswith("ss") else token


def likeness(one, other):
    if one == other or min(len(one), len(other)) < 4 or not (one.isalpha() and other.isalpha()):
        return float(one == other)
    ratio = SequenceMatcher(None, one, other).ratio()
    return ratio if ratio >= {alike} else 0.0


texts = [" ".join(word[0] for word in line) for line in lines]
sure = [sum(word[1] for word in line) / len(line) for line in lines]
scores, weight = [0.0] * len(lines), 0.0
for keyword in {keywords}:
    has = [max((likeness(keyword, token) for token in tokens(text)), default=0.0) for text in texts]
    rare = math.log1p(len(lines) / max(1, sum(share > 0 for share in has)))
    weight += rare
    for place in range(len(lines)):
        near = max(has[max(place - 1, 0) : place + 2])
        scores[place] += rare * max(has[place], {neighbour} * near)
raised = [math.exp({sharpness} * score / (weight or 1)) for score in scores]
chances = [share / sum(raised) * sure for share, sure in zip(raised, sure)]
for place in sorted(range(len(lines)), key=lambda place: -chances[place])[:{answers}]:
    print(f"{{chances[place]:.3f}} {{texts[place]}}")
"""

LAYOUTLM = """import math

import torch
from PIL import Image, ImageOps
from rapidocr import RapidOCR
from transformers import AutoTokenizer, LayoutLMForQuestionAnswering

{precision}
tokenizer = AutoTokenizer.from_pretrained({path}, add_prefix_space=True)
model = LayoutLMForQuestionAnswering.from_pretrained({path}, dtype=torch.float32)

{picture}
{read}
words = [word for line in lines for word in line]
boxes = [[int(1000 * share) for share in word[2:]] for word in words]

# Let the model mark the answer, window by window of a long page.
longest = min(tokenizer.model_max_length, model.config.max_position_embeddings)
encoded = tokenizer(
    {question}.split(),
    [word[0] for word in words],
    is_split_into_words=True,
    truncation="only_second",
    max_length=longest,
    stride=longest // 4,
    return_overflowing_tokens=True,
    return_token_type_ids=True,
)
found, nothing = {{}}, math.inf
for window, ids in enumerate(encoded.input_ids):
    owners = [w if s == 1 else None for w, s in zip(encoded.word_ids(window), encoded.sequence_ids(window))]
    ends = [1000 if token == tokenizer.sep_token_id else 0 for token in ids]
    with torch.inference_mode():
        out = model(
            input_ids=torch.tensor([ids]),
            bbox=torch.tensor([[boxes[w] if w is not None else [end] * 4 for w, end in zip(owners, ends)]]),
            attention_mask=torch.tensor([encoded.attention_mask[window]]),
            token_type_ids=torch.tensor([encoded.token_type_ids[window]]),
        )
    nothing = min(nothing, (out.start_logits[0, 0] + out.end_logits[0, 0]).item())  # "the page does not say"
    for first in range(len(ids)):
        for last in range(first, min(first + {longest_answer}, len(ids))):
            if owners[first] is None or owners[last] is None:
                break
            span = (owners[first], owners[last])
            score = (out.start_logits[0, first] + out.end_logits[0, last]).item()
            found[span] = max(score, found.get(span, score))
chances = torch.tensor([*found.values(), nothing], dtype=torch.float64).softmax(-1).tolist()
for chance, (first, last) in sorted(zip(chances, found), key=lambda pair: -pair[0])[:{answers}]:
    print(f"{{chance:.3f}}", *(word[0] for word in words[first : last + 1]))
"""

DONUT = """import re

import torch
from PIL import Image, ImageOps
from transformers import DonutProcessor, VisionEncoderDecoderModel

{precision}
processor = DonutProcessor.from_pretrained({path})
model = VisionEncoderDecoderModel.from_pretrained({path}, dtype=torch.float32)

{picture}
pixels = processor.image_processor(picture, return_tensors="pt").pixel_values
prompt = processor.tokenizer({prompt}, add_special_tokens=False, return_tensors="pt").input_ids
room = model.config.decoder.max_position_embeddings - prompt.shape[1] + 1
texts = model.generate(
    pixels,
    decoder_input_ids=prompt,
    max_new_tokens=min({max_tokens}, room),
    {beams},
    bad_words_ids=[[processor.tokenizer.unk_token_id]],
    forced_eos_token_id=None,
    eos_token_id=processor.tokenizer.eos_token_id,
    pad_token_id=processor.tokenizer.pad_token_id,
)[:, prompt.shape[1] :]

# How sure is it of each? Read them again.
with torch.inference_mode():
    start = torch.cat([prompt.repeat(len(texts), 1), texts[:, :-1]], 1)
    logits = model(pixels.repeat(len(texts), 1, 1, 1), decoder_input_ids=start).logits[:, -texts.shape[1] :]
chances = {{}}
for text, chosen in zip(texts, logits.log_softmax(-1).gather(-1, texts[..., None])[..., 0]):
    ends = (text == processor.tokenizer.eos_token_id).nonzero().flatten().tolist()
    length = ends[0] if ends else len(text)
    answer = processor.decode(text[:length]).partition("</s_answer>")[0]
    answer = " ".join(re.sub(r"</?s_[^>]*>", " ", answer.replace(processor.tokenizer.pad_token, "")).split())
    answer = answer or {no_answer}
    chances[answer] = max(chances.get(answer, 0.0), chosen[: length + 1].sum().exp().item())
for answer in sorted(chances, key=lambda answer: -chances[answer]):
    print(f"{{chances[answer]:.3f}} {{answer}}")
"""

DEPLOT = """import numpy as np
import torch
from PIL import Image, ImageFont, ImageOps
from transformers import Pix2StructForConditionalGeneration, Pix2StructProcessor

{precision}
processor = Pix2StructProcessor.from_pretrained({path})
model = Pix2StructForConditionalGeneration.from_pretrained({path}, dtype=torch.float32)

{picture}
# DePlot never sees your question: it writes the table behind the chart. The processor would draw the header itself, but
# with a font that it downloads.
letters = ImageFont.load_default({header_px}).font_bytes
header = {header}
drawn = processor.image_processor.render_header(np.asarray(picture).transpose(2, 0, 1), header, font_bytes=letters)
patches = processor.image_processor(Image.fromarray(drawn.transpose(1, 2, 0)), is_vqa=False, return_tensors="pt")
tokens = model.generate(
    **patches,
    decoder_input_ids=torch.tensor([[model.config.text_config.decoder_start_token_id]]),
    max_new_tokens={max_tokens},
    num_beams=1,
    do_sample=False,
)
text = processor.decode(tokens[0, 1:], skip_special_tokens=True).replace({line_break}, "\\n")
for row in text.split("\\n"):
    if row.strip():
        print(" ".join(row.split()))
"""

NOUGAT = """import re

import torch
from PIL import Image, ImageOps
from transformers import NougatProcessor, VisionEncoderDecoderModel

{precision}
processor = NougatProcessor.from_pretrained({path})
model = VisionEncoderDecoderModel.from_pretrained({path}, dtype=torch.float32)

{picture}
# Nougat never sees your question: it writes down the page.
pixels = processor.image_processor(picture, return_tensors="pt").pixel_values
tokens = model.generate(
    pixels,
    max_new_tokens=min({max_tokens}, model.config.decoder.max_position_embeddings),
    num_beams=1,
    do_sample=False,
    bad_words_ids=[[processor.tokenizer.unk_token_id]],
    forced_eos_token_id=None,
)
text = processor.decode(tokens[0, 1:], skip_special_tokens=True)
for latex, markdown in (("\\\\(", "$"), ("\\\\)", "$"), ("\\\\[", "$$"), ("\\\\]", "$$")):
    text = text.replace(latex, markdown)
print(re.sub(r"\\n{{3,}}", "\\n\\n", text).strip() or {empty})
"""

TEMPLATES = {"ocr-lines": OCR_LINES, "layoutlm": LAYOUTLM, "donut": DONUT, "deplot": DEPLOT, "nougat": NOUGAT}


def document_snippet(card: ModelCard, request: QuestionRequest) -> str:
    """Return code that prints the answers of `request`, best first, about a picture that it calls picture.png."""
    chosen = request.options
    return TEMPLATES[card.family].format(
        path=model_path(card) + revision_argument(card),
        picture=PICTURE,
        precision=PRECISION,
        read=READ.format(same_height=SAME_HEIGHT, poor=POOR, read_px=READ_PX).rstrip(),
        question=repr(chosen.question),
        prompt=repr(PROMPT.format(question=chosen.question)),
        answers=chosen.answers,
        max_tokens=chosen.max_tokens,
        beams=arguments({name: value for name, value in search(chosen.answers, 0).items() if name != "max_new_tokens"}),
        keywords=list(keywords(chosen.question)),
        alike=ALIKE,
        neighbour=NEIGHBOUR,
        sharpness=SHARPNESS,
        longest_answer=LONGEST_ANSWER,
        header=repr(HEADER),
        header_px=HEADER_PX,
        line_break=repr(LINE_BREAK),
        no_answer=repr(NO_ANSWER),
        empty=repr(EMPTY),
    )
