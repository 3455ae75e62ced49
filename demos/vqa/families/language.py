"""Families that hand the picture to a language model as if it were words: only occlusion shows what mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

from demos.vqa.answers import Answers
from demos.vqa.families import writing
from demos.vqa.families.face import refuse_longer, refuse_other_scripts, refuse_wordless, remembered, unweighted
from demos.vqa.families.occlusion import Mattered, effort, occlusion
from demos.vqa.options import QuestionRequest
from hub import chat
from hub.batch import Watch
from hub.chat import Asked
from hub.memo import Memo
from hub.weights import LOCAL, SAFE_WEIGHTS
from hub.writing import refuse_control_tokens, stopping

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BLIP2_PROMPT = "Question: {} Answer:"  # Li et al. 2023, BLIP-2, section 4.1
CHAT_PROMPT = "{}"
MEMO_BYTES = 64_000_000

NO_ATTENTION_BLIP2 = (
    "No attention is shown: BLIP-2's language model sees 32 summaries of the picture, which belong to no place in it. "
    "Choose occlusion."
)
NO_ATTENTION_CHAT = (
    "No attention is shown: a chat model mixes picture and words in dozens of layers, and no single one of them says "
    "where it looked. Choose occlusion."
)
ONE_ANSWER = "a chat model writes one answer; its probability is that of this very wording, so a long one is improbable"


class Reader(Protocol):
    """A language model that reads pictures; `hub.chat.Chat` is one."""

    model: Any
    tokenizer: Any
    longest: int

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end an answer."""

    def ask(self, pictures: Sequence[Image.Image], instructions: Sequence[str]) -> Asked:
        """Return what the model is given for each picture and its instruction."""

    def write(self, asked: Asked, **arguments: Any) -> Tensor:
        """Generate answers with transformers' `arguments`; return the new tokens (N, T), padded on the right."""

    def reread(self, asked: Asked, tokens: Tensor) -> Tensor:
        """Return the logits (N, T, V) that each token of N answers was chosen from."""


@dataclass(frozen=True)
class Manner:
    """How a language model is asked.

    Attributes:
        prompt: the question goes into its braces.
        beams: whether several answers are searched for; else it writes one, while the user watches.
        english_only: whether questions in other scripts are refused.
        attention_note: why there is no attention to show.
    """

    prompt: str
    beams: bool
    english_only: bool
    attention_note: str


class Writer:
    """A language model that answers."""

    def __init__(self, reader: Reader, manner: Manner) -> None:
        self.reader = reader
        self.manner = manner
        self.model = reader.model
        self.tokenizer = reader.tokenizer

    def answer(self, requests: Sequence[QuestionRequest], watch: Watch) -> list[Answers]:
        """Write answers, all questions in one pass; see `demos.vqa.families.face.Family`."""
        chosen = requests[0].options
        for request in requests:
            self._refuse(request.options.question)
        each = chosen.answers if self.manner.beams else 1
        asked = self._ask([request.image for request in requests], [request.options.question for request in requests])
        room = self._room(asked)
        tokens = self.reader.write(
            asked,
            stopping_criteria=[stopping(range(len(requests)), self._texts, watch)],
            **writing.search(each, min(chosen.max_tokens, room)),
        )
        watch.raise_if_all_cancelled()
        counts, complete = writing.lengths(tokens, self.reader.end_tokens)
        found = writing.probabilities(self.reader.reread(asked, tokens), tokens, counts)
        texts = self._texts(tokens.tolist())
        rankings, best = [], []
        for place in range(len(requests)):
            own = slice(place * each, (place + 1) * each)
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
            note = self.manner.attention_note
            mattered = [Mattered(None, note, unweighted(request.options.question), note) for request in requests]
        single = (ONE_ANSWER,) if chosen.answers > each else ()
        return [
            Answers(
                ranking.answers,
                why.words,
                why.words_note,
                why.look,
                why.look_note,
                notes=(*writing.notes(ranking), *single),
            )
            for ranking, why in zip(rankings, mattered, strict=True)
        ]

    def _refuse(self, question: str) -> None:
        refuse_wordless(question)
        if self.manner.english_only:
            refuse_other_scripts(question)
        refuse_control_tokens(question, "question", self.tokenizer)

    def _ask(self, pictures: Sequence[Image.Image], questions: Sequence[str]) -> Asked:
        return self.reader.ask(pictures, [self.manner.prompt.format(question) for question in questions])

    def _room(self, asked: Asked) -> int:
        """Return how many tokens may be written: there is a place for each token but the last."""
        longest_read = int(asked.tensors["attention_mask"].sum(1).max())
        refuse_longer(longest_read, self.reader.longest)
        return self.reader.longest - longest_read + 1

    def _texts(self, rows: list[list[int]]) -> list[str]:
        return [text.strip() for text in self.tokenizer.batch_decode(rows, skip_special_tokens=True)]

    def _by_trial(
        self,
        requests: Sequence[QuestionRequest],
        whole: Sequence[float],
        written: Sequence[Tensor],
        watch: Watch,
    ) -> list[Mattered]:
        """Hide parts; `written` are the best answers, each (1, T), and `whole` their probabilities."""

        def judge(place: int, pictures: Sequence[Image.Image], questions: Sequence[str]) -> list[float]:
            tokens = written[place].expand(len(pictures), -1)
            logits = self.reader.reread(self._ask(pictures, questions), tokens)
            return writing.probabilities(logits, tokens, [tokens.shape[1]] * len(pictures))

        return occlusion(requests, whole, judge, effort(self.model), watch)


class Blip2:
    """BLIP-2: a frozen vision transformer and a frozen language model, joined by 32 query vectors."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import Blip2ForConditionalGeneration, Blip2Processor

        self.processor = Blip2Processor.from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        self.model: Any = Blip2ForConditionalGeneration.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        self.model.to(device).eval()
        self.longest: int = self.model.config.text_config.max_position_embeddings
        self.memo = Memo(MEMO_BYTES)

    @property
    def end_tokens(self) -> set[int]:
        """Tokens that end an answer, by the language model's own settings."""
        ends = self.model.language_model.generation_config.eos_token_id
        return set(ends) if isinstance(ends, list) else {ends}

    def ask(self, pictures: Sequence[Image.Image], instructions: Sequence[str]) -> Asked:
        """Put each picture's 32 vectors before its embedded prompt, and fill up on the left."""
        import torch

        embed = self.model.get_input_embeddings()
        rows = []
        for summary, text in zip(remembered(self.memo, pictures, self._summaries), instructions, strict=True):
            ids = torch.tensor(self.tokenizer(text).input_ids, device=self.model.device)
            rows.append(torch.cat([summary, embed(ids)]))
        lengths = torch.tensor([len(row) for row in rows], device=self.model.device)
        embedded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_side="left")
        longest = embedded.shape[1]
        mask = (torch.arange(longest, device=self.model.device) >= longest - lengths[:, None]).long()
        return Asked({"inputs_embeds": embedded, "attention_mask": mask}, longest)

    def write(self, asked: Asked, **arguments: Any) -> Tensor:
        """Generate with the language model, as `Blip2ForConditionalGeneration.generate` does."""
        written: Tensor = self.model.language_model.generate(**asked.tensors, **arguments)
        return written

    def reread(self, asked: Asked, tokens: Tensor) -> Tensor:
        """Run the language model over the picture's vectors, prompt and answer."""
        import torch

        each = tokens.shape[0] // asked.tensors["inputs_embeds"].shape[0]
        before, mask = (asked.tensors[name].repeat_interleave(each, 0) for name in ("inputs_embeds", "attention_mask"))
        after = self.model.get_input_embeddings()(tokens[:, :-1])
        logits: Tensor = self.model.language_model(
            inputs_embeds=torch.cat([before, after], 1),
            attention_mask=torch.nn.functional.pad(mask, (0, tokens.shape[1] - 1), value=1),
            use_cache=False,
            logits_to_keep=tokens.shape[1],
        ).logits
        return logits

    def _summaries(self, pictures: list[Image.Image]) -> Tensor:
        """Return (B, 32, d): what the language model is told of each picture."""
        pixels = self.processor.image_processor(pictures, return_tensors="pt").pixel_values
        found = self.model.get_image_features(pixels.to(self.model.device, self.model.dtype), return_dict=True)
        return found.pooler_output.to(self.model.dtype)


def blip2(folder: Path, device: str, dtype: torch.dtype) -> Writer:
    """Load a BLIP-2."""
    return Writer(Blip2(folder, device, dtype), Manner(BLIP2_PROMPT, True, True, NO_ATTENTION_BLIP2))


def smolvlm(folder: Path, device: str, dtype: torch.dtype) -> Writer:
    """Load a SmolVLM."""
    return Writer(chat.smolvlm(folder, device, dtype), Manner(CHAT_PROMPT, False, True, NO_ATTENTION_CHAT))


def qwen3_vl(folder: Path, device: str, dtype: torch.dtype) -> Writer:
    """Load a Qwen3-VL."""
    return Writer(chat.qwen3_vl(folder, device, dtype), Manner(CHAT_PROMPT, False, False, NO_ATTENTION_CHAT))
