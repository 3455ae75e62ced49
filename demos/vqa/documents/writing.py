"""Letting a model write about one page: token by token, stopped when nobody waits any more, and judged after.

As in `demos.vqa.families.writing` every text is read once more by the model that wrote it. Pages are answered one after
the other, for their prompts differ in length and these decoders count places from the left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from demos.vqa.families.writing import lengths, search
from hub.batch import Watch
from hub.writing import stopping

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Seen:
    """One encoded page: `states` (1, P, hidden), and a `mask` (1, P) that is 0 where a place is padding."""

    states: Tensor
    mask: Tensor

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return int(self.states.nbytes + self.mask.nbytes)


@dataclass(frozen=True)
class Written:
    """One text that a model wrote.

    Attributes:
        tokens: without the prompt, and without the token that ends it.
        probability: the product over its tokens and the one that ends it.
        mean_probability: the geometric mean over the same, by which long texts can be compared.
        complete: whether the model ended the text itself, rather than being cut off.
    """

    tokens: tuple[int, ...]
    probability: float
    mean_probability: float
    complete: bool

    @property
    def cut_notes(self) -> tuple[str, ...]:
        """Say that the text was cut off, where it was."""
        if self.complete:
            return ()
        return (f'the text was cut at {len(self.tokens)} tokens; raise "Longest answer" for more of it',)


@dataclass(frozen=True)
class Scribe:
    """A model whose decoder writes about an encoded page.

    Attributes:
        model: a transformers encoder-decoder.
        end: the token that ends a text.
        padding: the token that fills up the texts that end before others.
        decode: turns tokens into the text that is shown while it grows.
    """

    model: Any
    end: int
    padding: int
    decode: Callable[[Sequence[int]], str]

    def write(
        self, seen: Seen, opening: Sequence[int], watch: Watch, place: int, *, texts: int, max_tokens: int, **more: Any
    ) -> list[Written]:
        """Write as many texts as asked for about one page, as likely as can be found; likeliest first.

        Args:
            seen: what the encoder made of the page.
            opening: the tokens the decoder starts from.
            watch: asked before each token; hears of the text so far where only one is written.
            place: which request of the watch this is.
            texts: how many.
            max_tokens: at most so many are written.
            **more: other arguments of transformers' `generate`.

        Raises:
            Cancelled: when nobody wants any answer any more.
        """
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        start = torch.tensor([list(opening)], device=seen.states.device)
        rows = self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=seen.states),
            attention_mask=seen.mask,
            decoder_input_ids=start,
            eos_token_id=self.end,
            pad_token_id=self.padding,
            forced_eos_token_id=None,  # BART forces an end at the last token: a text cut off would look complete
            stopping_criteria=[stopping([place], lambda rows: [self.decode(row) for row in rows], watch)],
            **search(texts, max_tokens),
            **more,
        )[:, len(opening) :]
        watch.raise_if_all_cancelled()
        return sorted(self._judged(seen, start, rows), key=lambda text: -text.probability)

    def _judged(self, seen: Seen, start: Tensor, rows: Tensor) -> list[Written]:
        """Read N texts (N, T) again, all in one pass."""
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        count, length = rows.shape
        out = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=seen.states.expand(count, -1, -1)),
            attention_mask=seen.mask.expand(count, -1),
            decoder_input_ids=torch.cat([start.expand(count, -1), rows[:, :-1]], 1),
            use_cache=False,
        )
        counts, complete = lengths(rows, {self.end})
        logits = out.logits[:, -length:]
        texts = []
        for place, (number, ended) in enumerate(zip(counts, complete, strict=True)):
            row, mine = rows[place, :number], logits[place, :number].double()  # one by one: they are large
            log = float((mine.gather(-1, row[:, None])[:, 0] - mine.logsumexp(-1)).sum())
            tokens = tuple(row.tolist()[: number - ended])
            texts.append(Written(tokens, math.exp(log), math.exp(log / number), ended))
        return texts
