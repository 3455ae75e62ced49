"""Nougat: a page of a scientific paper in, its text as Markdown out. It transcribes; the question is searched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.vqa.answers import Answer, Answers
from demos.vqa.documents.search import keywords, tokens
from demos.vqa.documents.writing import Scribe, Seen
from demos.vqa.families.face import refuse_wordless, unweighted
from demos.vqa.options import QuestionRequest
from hub.batch import Watch
from hub.memo import Memo, fingerprint
from hub.weights import LOCAL, SAFE_WEIGHTS

if TYPE_CHECKING:
    import torch
    from PIL import Image

MEMO_BYTES = 128 * 2**20  # one encoded page takes about 2.4 MB in float32
EMPTY = "(no text)"
RUNNING_TEXT = re.compile(r"\w[^$*_|\\]*")  # a line that a mark around it cannot break

WORDS_NOTE = (
    "Nougat never sees the question: it writes down the page. Lines in bold share words with the question (keyword "
    "search)."
)
LOOK_NOTE = "No map is shown: the text speaks of the whole page."


class Nougat:
    """Donut's architecture, trained to write a page of a paper as Markdown with formulas in LaTeX."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import NougatProcessor, VisionEncoderDecoderModel

        self.processor = NougatProcessor.from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        model = VisionEncoderDecoderModel.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        self.model: Any = model.to(device).eval()
        self.longest: int = self.model.config.decoder.max_position_embeddings
        start = self.model.generation_config.decoder_start_token_id
        self.start: int = self.tokenizer.bos_token_id if start is None else start
        self.scribe = Scribe(self.model, self.tokenizer.eos_token_id, self.tokenizer.pad_token_id, self._text)
        self._memo = Memo(MEMO_BYTES)

    def answer(self, requests: Sequence[QuestionRequest], watch: Watch) -> list[Answers]:
        """Write each page down, and mark its lines that share words with the question.

        Raises:
            InvalidInput: for a question without words.
            Cancelled: when nobody wants the answers any more.
        """
        for request in requests:
            refuse_wordless(request.options.question)
        return [self._answer(request, watch, place) for place, request in enumerate(requests)]

    def _answer(self, request: QuestionRequest, watch: Watch, place: int) -> Answers:
        watch.raise_if_all_cancelled()
        (written,) = self.scribe.write(
            self._memo.get(fingerprint(request.image), lambda: self._seen(request.image), lambda seen: seen.nbytes),
            [self.start],
            watch,
            place,
            texts=1,
            max_tokens=min(request.options.max_tokens, self.longest),
            bad_words_ids=[[self.tokenizer.unk_token_id]],
        )
        text = self._text(written.tokens)
        return Answers(
            (Answer(text or EMPTY, written.probability),),
            words=unweighted(request.options.question),
            words_note=WORDS_NOTE,
            look_note=LOOK_NOTE,
            markdown=marked(text, request.options.question),
            notes=(f"mean probability of a token of the text: {written.mean_probability:.1%}", *written.cut_notes),
        )

    def _seen(self, picture: Image.Image) -> Seen:
        """Return what the encoder makes of a page, all of which is page."""
        pixels = self.processor.image_processor(picture, return_tensors="pt").pixel_values
        states = self.model.encoder(pixels.to(self.model.device, self.model.dtype)).last_hidden_state
        return Seen(states, states.new_ones(states.shape[:2]))

    def _text(self, tokens: Sequence[int]) -> str:
        """Return the text that tokens spell.

        transformers' own clean-up (`post_process_generation`) needs two more packages; only what makes the Markdown
        valid is done here.
        """
        spelt = self.tokenizer.decode(list(tokens), skip_special_tokens=True)
        spelt = spelt.replace("\\(", "$").replace("\\)", "$").replace("\\[", "$$").replace("\\]", "$$")
        return re.sub(r"\n{3,}", "\n\n", spelt).strip()


def marked(text: str, question: str) -> str:
    """Return Markdown with those lines of running text in bold that share most words with the question.

    Headings, tables, lists and formulas are left as they are, for a mark inside them would break them.
    """
    lines = text.split("\n")
    shared = [len(set(keywords(question)) & set(tokens(line))) for line in lines]
    most = max(shared)
    if not most:
        return text
    return "\n".join(
        f"**{line.strip()}**" if count == most and RUNNING_TEXT.fullmatch(line.strip()) else line
        for line, count in zip(lines, shared, strict=True)
    )
