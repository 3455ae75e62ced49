"""BLIP for questions: the question is read with the picture in view, and the answer written from what was read.

Three transformers in a row: one encodes the picture, one reads the question and looks at the picture in every layer,
one writes the answer and looks at the question in every layer. The first knows nothing of the question, so its work is
kept: the second question about a picture costs only the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from demos.vqa.answers import Answers, QuestionWord
from demos.vqa.families import writing
from demos.vqa.families.face import (
    F32,
    refuse_longer,
    refuse_other_scripts,
    refuse_wordless,
    remembered,
    unknown_words,
    weighted,
)
from demos.vqa.families.occlusion import Mattered, effort, occlusion
from demos.vqa.options import QuestionRequest
from hub.batch import Watch
from hub.memo import Memo
from hub.weights import LOCAL, SAFE_WEIGHTS
from hub.writing import refuse_control_tokens, stopping

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ANSWER_TOKENS = 10  # answers of its training are one to three words; Li et al. 2022, BLIP, write at most 10 tokens
MEMO_BYTES = 64_000_000

LOOK_NOTE = (
    "Attention, last layers, mean over heads: from the answer to the words of the question, and from each word to the "
    "picture. It hints at what mattered, and proves nothing."
)
WORDS_NOTE = (
    "Attention: how much the answer looked at each word of the question, last layer, mean over heads; the heaviest "
    "word counts 1."
)


@dataclass(frozen=True)
class _Read:
    """B questions, read with their pictures in view.

    Attributes:
        states: (B, L, d) what the answer is written from.
        mask: (B, L) 1 for a token of the question, 0 for padding.
        look: (B, L, P) attention of each token to the picture's patches.
        spans: (B, L, 2) where each token stands in the question; empty for the marks around it.
    """

    states: Tensor
    mask: Tensor
    look: Tensor
    spans: list[list[tuple[int, int]]]


class Blip:
    """BLIP, or its like: `BlipForQuestionAnswering`."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import BlipForQuestionAnswering, BlipProcessor

        self.processor = BlipProcessor.from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        self.model: Any = BlipForQuestionAnswering.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        self.model.to(device).eval()
        heed_mask(self.model)
        self.text = self.model.config.text_config
        self.side = self.model.config.vision_config.image_size // self.model.config.vision_config.patch_size
        self.memo = Memo(MEMO_BYTES)

    def answer(self, requests: Sequence[QuestionRequest], watch: Watch) -> list[Answers]:
        """Answer by beam search, all questions in one pass; see `demos.vqa.families.face.Family`."""
        chosen = requests[0].options
        questions = [request.options.question for request in requests]
        for question in questions:
            self._refuse(question)
        read = self._read([request.image for request in requests], questions, self.memo)
        watch.raise_if_all_cancelled()
        tokens = self._write(read, chosen.answers, min(chosen.max_tokens, ANSWER_TOKENS), watch)
        watch.raise_if_all_cancelled()
        counts, complete = writing.lengths(tokens, {self.text.sep_token_id})
        logits, attention = self._reread(read, tokens)
        found = writing.probabilities(logits, tokens, counts)
        texts = [text.strip() for text in self.tokenizer.batch_decode(tokens, skip_special_tokens=True)]
        rankings, best = [], []
        for place in range(len(requests)):
            own = slice(place * chosen.answers, (place + 1) * chosen.answers)
            rankings.append(writing.ranked(texts[own], found[own], counts[own], complete[own]))
            best.append(own.start + rankings[-1].best)

        if chosen.look == "occlusion":
            mattered = self._by_trial(
                requests,
                [ranking.answers[0].probability for ranking in rankings],
                [tokens[row : row + 1, : counts[row]] for row in best],
                watch,
            )
        else:
            mattered = [
                self._by_attention(question, read, place, attention[row, : max(1, rankings[place].tokens)].mean(0))
                for place, (question, row) in enumerate(zip(questions, best, strict=True))
            ]
        return [
            Answers(
                ranking.answers,
                why.words,
                why.words_note,
                why.look,
                why.look_note,
                notes=(*writing.notes(ranking), *unknown_words(question, self.tokenizer)),
            )
            for question, ranking, why in zip(questions, rankings, mattered, strict=True)
        ]

    def _refuse(self, question: str) -> None:
        refuse_wordless(question)
        refuse_other_scripts(question)
        refuse_control_tokens(question, "question", self.tokenizer)
        refuse_longer(len(self.tokenizer(question).input_ids), self.text.max_position_embeddings)

    def _encode(self, pictures: list[Image.Image]) -> Tensor:
        """Return (B, 1 + P, d): what each picture's class token and patches hold."""
        pixels = self.processor.image_processor(pictures, return_tensors="pt").pixel_values
        seen: Tensor = self.model.vision_model(pixels.to(self.model.device, self.model.dtype)).last_hidden_state
        return seen

    def _read(self, pictures: Sequence[Image.Image], questions: Sequence[str], memo: Memo) -> _Read:
        """Read the questions. `BlipForQuestionAnswering` itself goes on to read their padding; here it is masked."""
        import torch

        given = self.tokenizer(list(questions), padding=True, return_offsets_mapping=True, return_tensors="pt")
        mask = given.attention_mask.to(self.model.device)
        out = self.model.text_encoder(
            input_ids=given.input_ids.to(self.model.device),
            attention_mask=mask,
            encoder_hidden_states=torch.stack(remembered(memo, pictures, self._encode)),
            output_attentions=True,
        )
        look = out.cross_attentions[-1].mean(1)[:, :, 1:]  # without the picture's class token
        spans = [[(start, end) for start, end in row] for row in given.offset_mapping.tolist()]
        return _Read(out.last_hidden_state, mask, look, spans)

    def _write(self, read: _Read, answers: int, max_new_tokens: int, watch: Watch) -> Tensor:
        """Return (B * answers, T) tokens, without the one that starts an answer."""
        rows = read.states.shape[0]
        start = read.mask.new_full((rows, 1), self.text.bos_token_id)

        def decode(tokens: list[list[int]]) -> list[str]:
            return [text.strip() for text in self.tokenizer.batch_decode(tokens, skip_special_tokens=True)]

        written = self.model.text_decoder.generate(
            input_ids=start,
            eos_token_id=self.text.sep_token_id,
            pad_token_id=self.text.pad_token_id,
            encoder_hidden_states=read.states,
            encoder_attention_mask=read.mask,
            stopping_criteria=[stopping(range(rows), decode, watch)],
            **writing.search(answers, min(max_new_tokens, self.text.max_position_embeddings)),
        )
        return written[:, 1:]

    def _reread(self, read: _Read, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (N, T, V) that chose each token, and the attention (N, T, L) to the question then."""
        import torch

        each = tokens.shape[0] // read.states.shape[0]
        start = tokens.new_full((tokens.shape[0], 1), self.text.bos_token_id)
        out = self.model.text_decoder(
            input_ids=torch.cat([start, tokens[:, :-1]], 1),
            encoder_hidden_states=read.states.repeat_interleave(each, 0),
            encoder_attention_mask=read.mask.repeat_interleave(each, 0),
            output_attentions=True,
            use_cache=False,
        )
        return out.logits, out.cross_attentions[-1].mean(1)

    def _by_attention(self, question: str, read: _Read, place: int, attention: Tensor) -> Mattered:
        """Follow the answer's attention (L,) to the question's tokens, and from them to the picture."""
        shares = (attention.float() @ read.look[place].float()).cpu().numpy()
        look: F32 = (shares / shares.sum()).reshape(self.side, self.side)
        words: tuple[QuestionWord, ...] = weighted(question, read.spans[place], attention.tolist())
        return Mattered(look, LOOK_NOTE, words, WORDS_NOTE)

    def _by_trial(
        self, requests: Sequence[QuestionRequest], whole: Sequence[float], written: Sequence[Tensor], watch: Watch
    ) -> list[Mattered]:
        """Hide parts; `written` are the best answers, each (1, T), and `whole` their probabilities."""

        def judge(place: int, pictures: Sequence[Image.Image], questions: Sequence[str]) -> list[float]:
            tokens = written[place].expand(len(pictures), -1)
            logits, _ = self._reread(self._read(pictures, questions, Memo(0)), tokens)
            return writing.probabilities(logits, tokens, [tokens.shape[1]] * len(pictures))

        return occlusion(requests, whole, judge, effort(self.model), watch)


def heed_mask(model: Any) -> None:
    """Make the answer's cross-attention heed the question's padding mask.

    `BlipTextAttention` of transformers 5.23 takes it under the name `attention_mask`, by which its
    `BlipTextSelfAttention` means the mask of self-attention: in cross-attention it looks at padding too.
    """

    def rename(module: Any, unnamed: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return unnamed, {"encoder_attention_mask": named.get("attention_mask"), **named}

    for layer in model.text_decoder.bert.encoder.layer:
        layer.crossattention.self.register_forward_pre_hook(rename, with_kwargs=True)
