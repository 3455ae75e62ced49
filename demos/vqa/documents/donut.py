"""Donut: a page and a question in, an answer out, without any reading of words in between (OCR-free)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.vqa.answers import Answer, Answers
from demos.vqa.documents.writing import Scribe, Seen
from demos.vqa.families.face import refuse_longer, refuse_other_scripts, refuse_wordless, unweighted
from demos.vqa.options import QuestionRequest
from hub.batch import Watch
from hub.memo import Memo, fingerprint
from hub.weights import LOCAL, SAFE_WEIGHTS
from hub.writing import refuse_control_tokens

if TYPE_CHECKING:
    import torch

# How its makers ask it: the task, then the question, then the mark that an answer follows.
# Source: Kim et al. 2022, Donut, arXiv:2111.15664, section 3.2.
PROMPT = "<s_docvqa><s_question>{question}</s_question><s_answer>"
ROOM = 16  # least tokens left for the answer
NO_ANSWER = "(no answer)"
MEMO_BYTES = 256 * 2**20  # one encoded page takes about 20 MB in float32

WORDS_NOTE = "No weights are shown: the decoder reads the question as part of what it has written so far."
LOOK_NOTE = "No map is shown: Donut's picture cells are merged four times over, too coarse to point at a word."


class Donut:
    """A Swin transformer that sees the page, joined to a BART decoder that writes the answer."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import DonutProcessor, VisionEncoderDecoderModel

        self.processor = DonutProcessor.from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        model = VisionEncoderDecoderModel.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        self.model: Any = model.to(device).eval()
        self.longest: int = self.model.config.decoder.max_position_embeddings
        self.scribe = Scribe(self.model, self.tokenizer.eos_token_id, self.tokenizer.pad_token_id, self._text)
        self._memo = Memo(MEMO_BYTES)

    def answer(self, requests: Sequence[QuestionRequest], watch: Watch) -> list[Answers]:
        """Answer each question; several about one page share what the encoder made of it.

        Raises:
            InvalidInput: for a question that this model cannot take.
            Cancelled: when nobody wants the answers any more.
        """
        openings = [self._opening(request.options.question) for request in requests]
        return [
            self._answer(request, opening, watch, place)
            for place, (request, opening) in enumerate(zip(requests, openings, strict=True))
        ]

    def _opening(self, question: str) -> list[int]:
        refuse_wordless(question)
        refuse_other_scripts(question)
        refuse_control_tokens(question, "question", self.tokenizer)
        opening: list[int] = self.tokenizer(PROMPT.format(question=question), add_special_tokens=False).input_ids
        refuse_longer(len(opening), self.longest - ROOM)
        return opening

    def _answer(self, request: QuestionRequest, opening: list[int], watch: Watch, place: int) -> Answers:
        watch.raise_if_all_cancelled()
        written = self.scribe.write(
            self._memo.get(fingerprint(request.image), lambda: self._seen(request), lambda seen: seen.nbytes),
            opening,
            watch,
            place,
            texts=request.options.answers,
            max_tokens=min(request.options.max_tokens, self.longest - len(opening) + 1),
            bad_words_ids=[[self.tokenizer.unk_token_id]],
        )
        ranked: dict[str, float] = {}
        for text in written:  # of those that read the same, the likeliest stands for all
            ranked.setdefault(self._text(text.tokens) or NO_ANSWER, text.probability)
        return Answers(
            tuple(Answer(text, probability) for text, probability in ranked.items()),
            words=unweighted(request.options.question),
            words_note=WORDS_NOTE,
            look_note=LOOK_NOTE,
            notes=written[0].cut_notes,
        )

    def _seen(self, request: QuestionRequest) -> Seen:
        """Return what the encoder makes of a page, all of which is page."""
        pixels = self.processor.image_processor(request.image, return_tensors="pt").pixel_values
        states = self.model.encoder(pixels.to(self.model.device, self.model.dtype)).last_hidden_state
        return Seen(states, states.new_ones(states.shape[:2]))

    def _text(self, tokens: Sequence[int]) -> str:
        """Return the answer that tokens spell, up to the mark that closes it and without any other mark."""
        spelt = self.tokenizer.decode(list(tokens)).partition("</s_answer>")[0]
        for mark in (self.tokenizer.eos_token, self.tokenizer.pad_token):
            spelt = spelt.replace(mark, "")
        return " ".join(re.sub(r"</?s_[^>]*>", " ", spelt).split())
