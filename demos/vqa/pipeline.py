"""The question answering pipeline: pictures and questions in, ranked answers with probabilities out.

What an answer is differs: one model writes it, one picks it from a list, one marks words on a page. So each family
answers in its own way (see `demos.vqa.families.face`), and this is only what the hub holds on to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from demos.vqa.answers import Answers
from demos.vqa.documents import DOCUMENT_FAMILIES
from demos.vqa.families import FAMILIES, Family
from demos.vqa.models import TABLETOP_MEANINGS
from demos.vqa.options import QuestionRequest
from demos.vqa.vocabulary import strange_words
from hub.batch import Watch
from hub.demo import Loading
from hub.errors import InvalidInput

NO_MEANINGS: Mapping[str, str] = MappingProxyType({})
DENIALS = ("no", "zero", "nothing", "unknown")  # what a model may say about what it does not know


class Answerer:
    """A question answering model of any family.

    Args:
        family: the loaded model.
        device: as torch spells it.
        dtype: the precision its weights are held in.
        meanings: notes on answers that need one, by the answer's text; given for models of one small world, which
            refuse what they would invent.
    """

    def __init__(self, family: Family, device: str, dtype: str, meanings: Mapping[str, str] = NO_MEANINGS) -> None:
        self.family = family
        self.device = device
        self.dtype = dtype
        self.meanings = meanings
        reader: Any = family  # one that knows one small world has a tokenizer of its words
        self._known = frozenset(reader.tokenizer.get_vocab()) if meanings else frozenset()

    @classmethod
    def from_folder(
        cls,
        family: str,
        folder: Path,
        device: str = "cpu",
        dtype: str = "float32",
        meanings: Mapping[str, str] = NO_MEANINGS,
    ) -> Answerer:
        """Load the model in `folder`, without any network."""
        import torch

        build = {**FAMILIES, **DOCUMENT_FAMILIES}[family]
        return cls(build(folder, device, getattr(torch, dtype)), device, dtype, meanings)

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return [] if self.family.model is None else [self.family.model]

    def __call__(self, requests: Sequence[QuestionRequest], watch: Watch | None = None) -> list[Answers]:
        """Answer one question per request; requests of one call share everything but picture and question.

        Raises:
            InvalidInput: for a question that this model cannot take.
            Cancelled: when nobody wants the answers any more.
        """
        import torch

        with torch.inference_mode():
            found = self.family.answer(requests, watch or Watch())
        if not self.meanings:
            return found
        return [self.in_its_world(request, answers) for request, answers in zip(requests, found, strict=True)]

    def in_its_world(self, request: QuestionRequest, answers: Answers) -> Answers:
        """Explain an answer of a model that knows one small world, or refuse it where it is an invention.

        Such a model is taught to deny what its world does not have, and mostly does. Where the question has a word it
        does not know and it still claims something, nobody should believe it.

        Raises:
            InvalidInput: names the words.
        """
        answer = answers.ranked[0].text
        strange = () if answer in DENIALS else strange_words(request.options.question, self._known)
        if strange:
            words = ", ".join(f"“{word[:40]}”" for word in strange[:5])
            raise InvalidInput(
                f"This model does not know {words}, and its answer would be an invention.",
                "Ask in other words about the solids on the table, or choose a model of the Hub.",
            )
        meaning = self.meanings.get(answer)
        return answers if meaning is None else replace(answers, notes=(*answers.notes, meaning))


def load(loading: Loading) -> Answerer:
    """Load the model of a card, from the folder the hub fetched."""
    card = loading.card
    meanings = TABLETOP_MEANINGS if card.ships_weights else NO_MEANINGS
    return Answerer.from_folder(card.family, loading.folder, loading.device.name, loading.device.dtype, meanings)
