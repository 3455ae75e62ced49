"""What a question says: a picture, the words, and how the answer is to be given."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import Image

from hub import options
from hub.errors import InvalidInput

MAX_QUESTION_CHARS = 300


@dataclass(frozen=True)
class AnswerOptions:
    """The question, and how it is answered."""

    question: str = options.text(
        "",
        MAX_QUESTION_CHARS,
        label="Question",
        info="Ask about the picture in plain English.",
        placeholder="what colour is the cube?",
    )
    answers: int = options.number(5, 1, 10, step=1, label="Answers", info="How many ranked answers are shown.")
    look: str = options.choice(
        "attention",
        ("attention", "occlusion"),
        label="What mattered",
        info="attention: where the model looked, at once. occlusion: how the answer suffers if a part is hidden; slow.",
    )
    max_tokens: int = options.number(
        64, 4, 512, step=1, label="Longest answer", info="In tokens; for models that write freely, and for documents."
    )

    def __post_init__(self) -> None:
        if not self.question:
            raise InvalidInput("There is no question yet.", "Type one, or click an example.")


@dataclass(frozen=True)
class QuestionRequest:
    """One question about one picture.

    Attributes:
        image: RGB.
        options: the question and how it is answered.
        notes: what was done to the upload to get the picture.
        scene_seed: seed of the tabletop scene it shows, where that is known.
    """

    image: Image.Image = field(compare=False)
    options: AnswerOptions
    notes: tuple[str, ...] = ()
    scene_seed: int | None = None

    def batch_key(self) -> Hashable | None:
        """Return what requests must share: everything but picture and question."""
        return self.options.answers, self.options.look, self.options.max_tokens

    def recorded(self) -> dict[str, Any]:
        """Return the options, without the picture."""
        return asdict(self.options)
