"""LayoutLM: marks the answer among the words that were read on a page, knowing what they say and where they stand.

The model gives every word piece two logits, for beginning and for ending the answer. A span's score is the sum of the
two at its ends; the score of "the page does not say" is the sum at the first token, which stands for the whole page. A
page too long for the model is read in overlapping windows.

Source: Xu et al. 2020, LayoutLM, arXiv:1912.13318; spans and the score of no answer: Devlin et al. 2019, BERT,
arXiv:1810.04805, section 4.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from demos.vqa.answers import Answer, Answers, Box
from demos.vqa.documents.reading import Page, Reader, marked
from demos.vqa.families.face import refuse_longer, refuse_other_scripts, refuse_wordless, unweighted
from demos.vqa.options import QuestionRequest
from hub.batch import Watch
from hub.weights import LOCAL, SAFE_WEIGHTS
from hub.writing import refuse_control_tokens

if TYPE_CHECKING:
    import torch

F64 = NDArray[np.float64]

GRID = 1000  # places of words are counted in thousandths of the page
LONGEST_ANSWER = 15  # tokens; what transformers' pipeline for this task takes too
LONGEST_QUESTION = 128  # tokens, so that a window has room for the page

WORDS_NOTE = "No weights are shown: the model reads question and page together."
LOOK_NOTE = "No map is shown: the words of the first answer are marked on the page instead."


class LayoutLM:
    """Reads the page by OCR, then marks the span of words that answers the question."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import AutoTokenizer, LayoutLMForQuestionAnswering

        # The page's words come one by one; each must be cut into pieces as it would be inside a sentence.
        self.tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True, **LOCAL)
        model = LayoutLMForQuestionAnswering.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        self.model: Any = model.to(device).eval()
        config = self.model.config
        # RoBERTa's positions begin after the padding token's, LayoutLM's at 0: so two of its places go unused.
        self.longest = min(self.tokenizer.model_max_length, config.max_position_embeddings)
        self.reader = Reader()

    def answer(self, requests: Sequence[QuestionRequest], watch: Watch) -> list[Answers]:
        """Read each page and mark its answers; a page asked about again is not read again.

        Raises:
            InvalidInput: for a page without text, or a question that this model cannot take.
            Cancelled: when nobody wants the answers any more.
        """
        for request in requests:
            self._refuse(request.options.question)
        results = []
        for request in requests:
            watch.raise_if_all_cancelled()
            watch.progress("Reading the page")
            page = self.reader.read(request.image)
            results.append(self._answer(page, request, watch))
        return results

    def _refuse(self, question: str) -> None:
        refuse_wordless(question)
        refuse_other_scripts(question)
        refuse_control_tokens(question, "question", self.tokenizer)
        asked = self.tokenizer(question.split(), is_split_into_words=True, add_special_tokens=False).input_ids
        refuse_longer(len(asked), min(LONGEST_QUESTION, self.longest // 2))

    def _answer(self, page: Page, request: QuestionRequest, watch: Watch) -> Answers:
        words = page.words
        best: dict[tuple[int, int], float] = {}
        nothing = np.inf
        for ids, start, end in self._windows(request.options.question, words, watch):
            nothing = min(nothing, start[0] + end[0])
            for span, score in spans(ids, start, end).items():
                best[span] = max(score, best.get(span, -np.inf))
        probabilities = shares(np.array([*best.values(), nothing]))
        order = sorted(zip(best, probabilities, strict=False), key=lambda pair: -pair[1])
        (first, last), likeliest = order[0]
        notes = list(page.notes)
        if probabilities[-1] > likeliest:
            notes.append(f"most likely the page does not say ({probabilities[-1]:.1%}); these are the best of the rest")
        return Answers(
            tuple(
                Answer(" ".join(word.text for word in words[begin : stop + 1]), float(probability))
                for (begin, stop), probability in order[: request.options.answers]
            ),
            words=unweighted(request.options.question),
            words_note=WORDS_NOTE,
            look_note=LOOK_NOTE,
            boxes=marked(words, set(range(first, last + 1))),
            notes=tuple(notes),
        )

    def _windows(self, question: str, words: Sequence[Box], watch: Watch) -> list[tuple[list[int | None], F64, F64]]:
        """Run the model over the page, window by window.

        Returns:
            For each window of T tokens: the word each token belongs to (None: not one of the page's), and the logits
            (T,) of beginning and ending the answer.
        """
        import torch

        asked = question.split()
        encoded = self.tokenizer(
            asked,
            [word.text for word in words],
            is_split_into_words=True,
            truncation="only_second",
            max_length=self.longest,
            stride=self.longest // 4,
            return_overflowing_tokens=True,
            return_token_type_ids=True,
        )
        places = [on_grid(word) for word in words]
        windows = []
        for window, tokens in enumerate(encoded.input_ids):
            watch.raise_if_all_cancelled()
            sides = encoded.sequence_ids(window)
            owners = [owner if side == 1 else None for owner, side in zip(encoded.word_ids(window), sides, strict=True)]
            ends = [GRID if token == self.tokenizer.sep_token_id else 0 for token in tokens]
            boxes = [[end] * 4 if owner is None else places[owner] for owner, end in zip(owners, ends, strict=True)]
            given = {
                "input_ids": tokens,
                "bbox": boxes,
                "attention_mask": encoded.attention_mask[window],
                "token_type_ids": encoded.token_type_ids[window],
            }
            out = self.model(
                **{name: torch.tensor([values], device=self.model.device) for name, values in given.items()}
            )
            start, end = (logits[0].double().cpu().numpy() for logits in (out.start_logits, out.end_logits))
            windows.append((owners, start, end))
        return windows


def on_grid(word: Box) -> list[int]:
    """Return a word's left, top, right and bottom in thousandths of the page."""
    return [int(GRID * share) for share in (word.left, word.top, word.right, word.bottom)]


def spans(owners: Sequence[int | None], start: F64, end: F64) -> dict[tuple[int, int], float]:
    """Return the score of each span of words that one window may answer with: its first and last word, and its score.

    Where word pieces give several scores to the same words, the best counts.
    """
    found: dict[tuple[int, int], float] = {}
    for first, begins in enumerate(owners):
        for last in range(first, min(first + LONGEST_ANSWER, len(owners))):
            stops = owners[last]
            if begins is None or stops is None:
                break
            score = float(start[first] + end[last])
            found[begins, stops] = max(score, found.get((begins, stops), -np.inf))
    return found


def shares(scores: F64) -> F64:
    """Return the softmax of scores (S,)."""
    raised = np.exp(scores - scores.max())
    return raised / raised.sum()
