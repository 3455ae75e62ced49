"""The text-to-image pipeline: prompts in, pictures out, with every step on the way and where each word acted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.text_to_image.options import TextToImageOptions, TextToImageRequest
from demos.text_to_image.words import known_to
from hub.batch import Watch
from hub.cards import ModelCard
from hub.demo import Loading
from hub.diffusion.cards import abilities_of
from hub.diffusion.options import fitted
from hub.diffusion.pictures import filling
from hub.diffusion.prompts import Reading, read

if TYPE_CHECKING:
    from hub.diffusion.sampler import Drawing, Drawn, Frames, Sampler

COMPARED_STEPS = 5


@dataclass(frozen=True)
class Preview:
    """The pictures of one request after a step: `looks` (P, H, W, 3) are quick looks at what they are going to be."""

    step: int
    steps: int
    looks: Frames


@dataclass(frozen=True)
class Pictures:
    """What was drawn.

    Attributes:
        drawn: one for each seed.
        options: as the model could follow them.
        reading: how the model read the prompt.
        notes: what the user should know of how the request was taken.
    """

    drawn: tuple[Drawn, ...]
    options: TextToImageOptions
    reading: Reading
    notes: tuple[str, ...]


class Painter:
    """A text-to-image model of any family."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self.components = sampler.components
        self.abilities = abilities_of(self.components.card)
        self.device = self.components.device
        self.dtype = self.components.dtype

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return self.components.modules()

    def __call__(self, requests: Sequence[TextToImageRequest], watch: Watch | None = None) -> list[Pictures]:
        """Draw the pictures of all requests, as many together as the model's card allows.

        Args:
            requests: they share all options but prompts and seeds, as `TextToImageRequest.batch_key` says.
            watch: hears of every step.

        Raises:
            Cancelled: when nobody wants the pictures any more.
        """
        watch = watch or Watch()
        chosen, notes = settled(requests[0], self.components.card)
        waiting = [(place, drawing) for place, request in enumerate(requests) for drawing in self._drawings(request)]
        most = self.components.card.batch_limit
        drawn: list[list[Drawn]] = [[] for _ in requests]
        while waiting:
            # The pictures of a request that nobody waits for any more are not begun.
            wanted = [each for each in waiting if not watch.cancelled(each[0])]
            watch.raise_if_all_cancelled()
            now, waiting = wanted[:most], wanted[most:]
            if not now:
                break
            for (place, _), picture in zip(now, self._together(now, requests[0], chosen, watch), strict=True):
                drawn[place].append(picture)
        return [self._pictures(request, pictures, notes) for request, pictures in zip(requests, drawn, strict=True)]

    def _together(
        self,
        now: Sequence[tuple[int, Drawing]],
        request: TextToImageRequest,
        chosen: TextToImageOptions,
        watch: Watch,
    ) -> list[Drawn]:
        """Draw pictures in one run of the pipeline; `now` are the places of their requests, and what to draw."""
        from hub.diffusion.sampler import Watching

        places = [place for place, _ in now]
        started = request.start is not None
        steps = steps_taken(chosen, started)

        def stepped(number: int, count: int, looks: Frames) -> None:
            for place in dict.fromkeys(places):
                own = [row for row, owner in enumerate(places) if owner == place]
                watch.step(place, Preview(number, count, looks[own]))

        even = np.linspace(1, steps, min(COMPARED_STEPS, steps)).round().astype(int).tolist()
        watching = Watching(stepped, watch.raise_if_all_cancelled, even if request.compares else ())
        return self.sampler(
            "image-to-image" if started else "text-to-image",
            [drawing for _, drawing in now],
            chosen,
            watching,
            {"strength": least_strength(chosen)} if started else {},
        )

    def _drawings(self, request: TextToImageRequest) -> list[Drawing]:
        from hub.diffusion.sampler import Drawing

        chosen, _ = settled(request, self.components.card)
        start = None if request.start is None else filling(request.start, (chosen.width, chosen.height))
        return [Drawing(chosen.prompt, chosen.negative_prompt, seed, start) for seed in chosen.seeds()]

    def _pictures(self, request: TextToImageRequest, drawn: Sequence[Drawn], notes: tuple[str, ...]) -> Pictures:
        chosen, notes = settled(request, self.components.card)
        known, limit = known_to(self.components.card), self.abilities.prompt_tokens
        reading = read(self.components.parts["tokenizer"], chosen.prompt, limit, known)
        negative = read(self.components.parts["tokenizer"], chosen.negative_prompt, limit, known)
        said = [*notes, *reading.notes(), *(note.replace("prompt", "negative prompt") for note in negative.notes())]
        return Pictures(tuple(drawn), chosen, reading, tuple(said))


def settled(request: TextToImageRequest, card: ModelCard) -> tuple[TextToImageOptions, tuple[str, ...]]:
    """Return the options as a model can follow them, and notes of what that changed."""
    return fitted(request.options, abilities_of(card))


def least_strength(chosen: TextToImageOptions) -> float:
    """Return the strength, raised to what leaves one step to take."""
    return max(chosen.strength, 1 / chosen.steps)


def steps_taken(chosen: TextToImageOptions, started: bool) -> int:
    """Return how many steps are taken: from a start picture, only the last ones."""
    return max(1, int(chosen.steps * least_strength(chosen))) if started else chosen.steps


def load(loading: Loading) -> Painter:
    """Load the model of a card, from the folder the hub fetched."""
    from hub.diffusion.loading import load_components
    from hub.diffusion.sampler import Sampler

    return Painter(Sampler(load_components(loading)))
