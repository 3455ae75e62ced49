"""Requests to draw, from many people at once, as few runs of a pipeline; what is drawn from is each demo's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hub.batch import Watch
from hub.diffusion.cards import abilities_of
from hub.diffusion.families import Kind
from hub.diffusion.loading import Components
from hub.diffusion.lora import Lora
from hub.diffusion.lora_files import LoraFile, load_lora
from hub.diffusion.options import SamplingOptions
from hub.diffusion.prompts import Reading, read
from hub.diffusion.requests import DrawingRequest
from hub.diffusion.sampler import Adapted, Drawing, Drawn, Frames, Sampler, Watching
from hub.memo import Memo

LORA_BYTES = 500_000_000  # of files that were sent, kept as long as the model

Request = TypeVar("Request", bound=DrawingRequest)


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
    options: SamplingOptions
    reading: Reading
    notes: tuple[str, ...]


class Painter(Generic[Request]):
    """A diffusion model of any family, and how one demo draws with it.

    A demo derives its pipeline from this, and says what it draws from: `kind`, `drawings`, `more`; where it does more
    with a picture than to show it, `finished`.
    """

    def __init__(self, components: Components, known: Collection[str] | None = None) -> None:
        self.components = components
        self.sampler = Sampler(components)
        self.known = known  # the words that the model was taught; None where no list is known
        self.abilities = abilities_of(components.card)
        self.device = components.device
        self.dtype = components.dtype
        self.loras = Memo(LORA_BYTES)

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return self.components.modules()

    def kind(self, request: Request) -> Kind:
        """Return what the pipeline does for a request, and for all that share its batch key."""
        return "text-to-image"

    def drawings(self, request: Request) -> list[Drawing]:
        """Return the pictures to draw, one for each seed; a demo may derive from `Drawing` to say more of each."""
        chosen, _ = request.settled(self.components.card)
        return [Drawing(chosen.prompt, chosen.negative_prompt, seed) for seed in chosen.seeds()]

    def more(self, request: Request, drawings: Sequence[Drawing]) -> Mapping[str, Any]:
        """Return further arguments of the pipeline for some drawings of requests that share a batch key."""
        return {}

    def compare_at(self, request: Request) -> Sequence[int]:
        """Return the steps, from 1, at which guidance is to be compared."""
        return ()

    def finished(self, request: Request, drawn: Sequence[Drawn]) -> Pictures:
        """Return what is handed back of a request's pictures."""
        card = self.components.card
        chosen, notes = request.settled(card)
        tokenizer, limit = self.components.tokenizer, self.abilities.prompt_tokens
        reading = read(tokenizer, chosen.prompt, limit, self.known)
        negative = read(tokenizer, chosen.negative_prompt, limit, self.known)
        said = [*notes, *reading.notes(), *(note.replace("prompt", "negative prompt") for note in negative.notes())]
        return Pictures(tuple(drawn), chosen, reading, tuple(said))

    def __call__(self, requests: Sequence[Request], watch: Watch | None = None) -> list[Pictures]:
        """Draw the pictures of all requests, as many together as the model's card allows.

        Args:
            requests: they share their batch key.
            watch: hears of every step, as `Preview`s.

        Raises:
            Cancelled: when nobody wants the pictures any more.
            InvalidInput: when a LoRA does not fit the model.
        """
        watch = watch or Watch()
        adapted = self._adapted(requests[0])
        waiting = [(place, drawing) for place, request in enumerate(requests) for drawing in self.drawings(request)]
        most = self.components.card.batch_limit
        drawn: list[list[Drawn]] = [[] for _ in requests]
        while waiting:
            # The pictures of a request that nobody waits for any more are not begun.
            wanted = [each for each in waiting if not watch.cancelled(each[0])]
            watch.raise_if_all_cancelled()
            now, waiting = wanted[:most], wanted[most:]
            if not now:
                break
            for (place, _), picture in zip(now, self._together(now, requests[0], adapted, watch), strict=True):
                drawn[place].append(picture)
        return [self.finished(request, pictures) for request, pictures in zip(requests, drawn, strict=True)]

    def _together(
        self, now: Sequence[tuple[int, Drawing]], request: Request, adapted: Adapted, watch: Watch
    ) -> list[Drawn]:
        """Draw pictures in one run of the pipeline; `now` are the places of their requests, and what to draw."""
        places, drawings = [place for place, _ in now], [drawing for _, drawing in now]

        def stepped(number: int, count: int, looks: Frames) -> None:
            for place in dict.fromkeys(places):
                own = [row for row, owner in enumerate(places) if owner == place]
                watch.step(place, Preview(number, count, looks[own]))

        chosen, _ = request.settled(self.components.card)
        return self.sampler(
            self.kind(request),
            drawings,
            chosen,
            Watching(stepped, watch.raise_if_all_cancelled, self.compare_at(request)),
            self.more(request, drawings),
            adapted,
        )

    def _adapted(self, request: Request) -> Adapted:
        """Return the LoRA of a request; one that has a card came with the components."""
        return Adapted(self._sent(request.lora), request.options.lora_scale, request.options.fused)

    def _sent(self, lora: object) -> Lora | None:
        if not isinstance(lora, LoraFile):
            return None
        return self.loras.get(lora.digest, lambda: load_lora(lora, self.components), lambda loaded: loaded.bytes)
