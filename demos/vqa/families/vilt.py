"""ViLT for questions: one transformer reads patches and words as one sequence, and picks the answer from a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from demos.vqa.answers import Answer, Answers
from demos.vqa.families.face import refuse_longer, refuse_other_scripts, refuse_wordless, unknown_words, weighted
from demos.vqa.families.occlusion import Mattered, effort, occlusion
from demos.vqa.options import QuestionRequest
from hub.batch import Watch
from hub.errors import InvalidInput
from hub.weights import LOCAL, SAFE_WEIGHTS
from hub.writing import refuse_control_tokens

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LONGEST_SIDE = 1333 / 800  # of the picture as ViLT reads it, in its shorter sides; Kim et al. 2021, section 4.2

PROBABILITY_NOTE = (
    "this model judges each answer of its list by itself (a sigmoid, as it was trained), so the probabilities need not "
    "sum to 1"
)
LOOK_NOTE = (
    "Attention of the last layer from the token that the answer is picked by to the patches of the picture, mean over "
    "its heads. It hints at what mattered, and proves nothing."
)
WORDS_NOTE = (
    "Attention of the last layer from the token that the answer is picked by to the words of the question, mean over "
    "its heads; the heaviest word counts 1."
)


@dataclass(frozen=True)
class _Judged:
    """What the model makes of B questions.

    Attributes:
        probabilities: (B, answers of the list).
        attention: (B, words, patches) of the deciding token, mean over heads; padding included.
        grids: rows and columns of patches of each picture.
        spans: where each token stands in the question; empty for the marks around it and for padding.
    """

    probabilities: Tensor
    attention: Tensor
    grids: list[tuple[int, int]]
    spans: list[list[tuple[int, int]]]


class Vilt:
    """ViLT with a classifier over the common answers of VQAv2: `ViltForQuestionAnswering`."""

    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from transformers import ViltForQuestionAnswering, ViltProcessor

        self.processor = ViltProcessor.from_pretrained(folder, **LOCAL)
        self.tokenizer = self.processor.tokenizer
        self.model: Any = ViltForQuestionAnswering.from_pretrained(folder, dtype=dtype, **SAFE_WEIGHTS)
        self.model.to(device).eval()

    def answer(self, requests: Sequence[QuestionRequest], watch: Watch) -> list[Answers]:
        """Classify, all questions in one pass; see `demos.vqa.families.face.Family`."""
        chosen = requests[0].options
        questions = [request.options.question for request in requests]
        for request in requests:
            self._refuse(request)
        judged = self._judge([request.image for request in requests], questions)
        values, labels = judged.probabilities.topk(min(chosen.answers, judged.probabilities.shape[1]))

        if chosen.look == "occlusion":

            def judge(place: int, pictures: Sequence[Image.Image], shorter: Sequence[str]) -> list[float]:
                found: list[float] = self._judge(pictures, shorter).probabilities[:, labels[place, 0]].tolist()
                return found

            mattered = occlusion(requests, values[:, 0].tolist(), judge, effort(self.model), watch)
        else:
            mattered = [self._by_attention(question, judged, place) for place, question in enumerate(questions)]
        names = self.model.config.id2label
        return [
            Answers(
                tuple(Answer(names[label], value) for label, value in zip(labels[place].tolist(), row, strict=True)),
                why.words,
                why.words_note,
                why.look,
                why.look_note,
                notes=(PROBABILITY_NOTE, *unknown_words(questions[place], self.tokenizer)),
            )
            for place, (row, why) in enumerate(zip(values.tolist(), mattered, strict=True))
        ]

    def _refuse(self, request: QuestionRequest) -> None:
        question = request.options.question
        refuse_wordless(question)
        refuse_other_scripts(question)
        refuse_control_tokens(question, "question", self.tokenizer)
        refuse_longer(len(self.tokenizer(question).input_ids), self.model.config.max_position_embeddings)
        short, long = sorted(request.image.size)
        reader = self.processor.image_processor
        thinnest = reader.size_divisor / int(LONGEST_SIDE * reader.size["shortest_edge"])
        if short / long < thinnest:
            raise InvalidInput(
                f"The picture is {long / short:.0f} times as long as wide; this model reads at most "
                f"{int(1 / thinnest)} times.",
                "Crop it.",
            )

    def _patches(self, image: Image.Image) -> tuple[Tensor, tuple[int, int]]:
        """Return (1 + P, d) the class token and the embedded patches, row by row, and how many rows and columns.

        `ViltModel` would do it for a batch, but it pads, and draws the order of the patches at random.
        """
        import torch

        embeddings = self.model.vilt.embeddings
        pixels = self.processor.image_processor(image, return_tensors="pt").pixel_values
        patches = embeddings.patch_embeddings(pixels.to(self.model.device))
        rows, columns = patches.shape[-2:]
        side = self.model.config.image_size // self.model.config.patch_size
        places = embeddings.position_embeddings[:, 1:].mT.unflatten(-1, (side, side))
        places = torch.nn.functional.interpolate(places, size=(rows, columns), mode="bilinear", align_corners=True)
        first = embeddings.cls_token + embeddings.position_embeddings[:, :1]
        return torch.cat([first, (patches + places).flatten(2).mT], 1)[0], (rows, columns)

    def _judge(self, pictures: Sequence[Image.Image], questions: Sequence[str]) -> _Judged:
        """Run the model once; patches and words are padded on the right, and the padding masked."""
        import torch

        given = self.tokenizer(list(questions), padding=True, return_offsets_mapping=True, return_tensors="pt")
        embedded = [self._patches(picture) for picture in pictures]
        patches = torch.nn.utils.rnn.pad_sequence([each for each, _ in embedded], batch_first=True)
        counts = torch.tensor([len(each) for each, _ in embedded], device=patches.device)
        out = self.model(
            input_ids=given.input_ids.to(patches.device),
            attention_mask=given.attention_mask.to(patches.device),
            image_embeds=patches,
            pixel_mask=(torch.arange(patches.shape[1], device=patches.device) < counts[:, None]).long(),
            output_attentions=True,
        )
        spans = [[(start, end) for start, end in row] for row in given.offset_mapping.tolist()]
        attention = out.attentions[-1].mean(1)[:, 0].float()
        return _Judged(out.logits.float().sigmoid(), attention, [grid for _, grid in embedded], spans)

    def _by_attention(self, question: str, judged: _Judged, place: int) -> Mattered:
        spans, (rows, columns) = judged.spans[place], judged.grids[place]
        first = len(spans) + 1  # past the words and the picture's own class token
        shares = judged.attention[place, first : first + rows * columns].cpu().numpy()
        look = (shares / shares.sum()).reshape(rows, columns)
        words = weighted(question, spans, judged.attention[place, : len(spans)].tolist())
        return Mattered(look, LOOK_NOTE, words, WORDS_NOTE)
