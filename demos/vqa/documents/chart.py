"""DePlot: a picture of a chart in, the table of its numbers out. It makes the table only; the question is searched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageFont

from demos.vqa.answers import Answer, Answers
from demos.vqa.documents.search import keywords, likeness, tokens
from demos.vqa.documents.writing import Scribe, Seen
from demos.vqa.families.face import refuse_wordless, unweighted
from demos.vqa.options import QuestionRequest
from hub.batch import Watch
from hub.memo import Memo, fingerprint
from hub.weights import LOCAL, SAFE_WEIGHTS

if TYPE_CHECKING:
    import torch

# What it was trained to see above the chart. Source: Liu et al. 2023, DePlot, arXiv:2212.10505; the model's card.
HEADER = "Generate underlying data table of the figure below:"
HEADER_PX = 36  # height of the header's letters, as in training
LINE_BREAK = "<0x0A>"  # how its tokenizer spells the end of a row
MEMO_BYTES = 128 * 2**20  # one encoded chart takes about 6 MB in float32

WORDS_NOTE = (
    "DePlot never sees the question: it turns the chart into a table. Cells in bold share a word with the question "
    "(keyword search); reading the answer off the table is up to you."
)
LOOK_NOTE = "No map is shown: the table speaks of the whole chart."


class DePlot:
    """A Pix2Struct: a vision transformer that keeps the chart's shape, and a decoder that writes the table."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import Pix2StructForConditionalGeneration, Pix2StructProcessor

        self.processor = Pix2StructProcessor.from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        model = Pix2StructForConditionalGeneration.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        self.model: Any = model.to(device).eval()
        self.scribe = Scribe(self.model, self.tokenizer.eos_token_id, self.tokenizer.pad_token_id, self._text)
        self._memo = Memo(MEMO_BYTES)

    def answer(self, requests: Sequence[QuestionRequest], watch: Watch) -> list[Answers]:
        """Turn each chart into a table, and mark its cells that share words with the question.

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
            [self.model.config.text_config.decoder_start_token_id],
            watch,
            place,
            texts=1,
            max_tokens=request.options.max_tokens,
        )
        text = self._text(written.tokens)
        return Answers(
            (Answer(text, written.probability),),
            words=unweighted(request.options.question),
            words_note=WORDS_NOTE,
            look_note=LOOK_NOTE,
            markdown=table(text, request.options.question),
            notes=(f"mean probability of a token of the table: {written.mean_probability:.1%}", *written.cut_notes),
        )

    def _seen(self, picture: Image.Image) -> Seen:
        """Return what the encoder makes of a chart."""
        patches = with_header(self.processor.image_processor, picture).to(self.model.device)
        flat, mask = patches["flattened_patches"].to(self.model.dtype), patches["attention_mask"]
        return Seen(self.model.encoder(flattened_patches=flat, attention_mask=mask).last_hidden_state, mask)

    def _text(self, tokens: Sequence[int]) -> str:
        """Return the table that tokens spell, a line a row."""
        spelt = self.tokenizer.decode(list(tokens), skip_special_tokens=True).replace(LINE_BREAK, "\n")
        return "\n".join(" ".join(row.split()) for row in spelt.split("\n") if row.strip())


def with_header(image_processor: Any, picture: Image.Image) -> Any:
    """Draw the header above a chart, and cut both into patches.

    The image processor would do both at once, but with a font that it downloads. Pillow's own is as plain.
    """
    import numpy as np

    letters = ImageFont.load_default(HEADER_PX).font_bytes  # type: ignore[union-attr]
    drawn = image_processor.render_header(np.asarray(picture).transpose(2, 0, 1), HEADER, font_bytes=letters)
    return image_processor(Image.fromarray(drawn.transpose(1, 2, 0)), is_vqa=False, return_tensors="pt")


def table(text: str, question: str) -> str:
    r"""Return DePlot's rows (cells between bars) as a Markdown table, cells that share a word with the question bold.

    A first row "TITLE | ..." becomes a line above the table.

    >>> print(table("TITLE | Rain\nMonth | mm\nMay | 62", "rain in may?"))
    **Rain**
    <BLANKLINE>
    | Month | mm |
    | --- | --- |
    | **May** | 62 |
    """
    rows = [[_plain(cell) for cell in row.split("|")] for row in text.split("\n") if row.strip()]
    title = ""
    if rows and rows[0][0].upper() == "TITLE":
        title = " ".join(cell for cell in rows.pop(0)[1:] if cell)
    wanted = keywords(question)
    columns = max((len(row) for row in rows), default=0)
    shown = [[_marked(cell, wanted) for cell in row] + [""] * (columns - len(row)) for row in rows]
    laid = [f"| {' | '.join(row)} |" for row in shown]
    if laid:
        laid.insert(1, f"| {' | '.join(['---'] * columns)} |")
    above = [f"**{title}**", ""] if title else []
    return "\n".join(above + laid)


def _plain(cell: str) -> str:
    """Return a cell's text with Markdown's marks escaped."""
    return re.sub(r"([\\`*_\[\]<>#$])", r"\\\1", cell.strip())


def _marked(cell: str, wanted: Sequence[str]) -> str:
    shared = any(likeness(word, other) > 0 for word in wanted for other in tokens(cell))
    return f"**{cell}**" if shared else cell
