"""Draws pictures with a pipeline of diffusers, watched at every step, for many people at once.

What is drawn together shares steps, scheduler, guidance and size; prompts and seeds are each picture's own. All noise
of a picture comes from a generator of its own on the CPU, so neither its neighbours nor the device decide it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hub.diffusion import attention, guesses, schedulers
from hub.diffusion.families import Kind
from hub.diffusion.loading import Components, make
from hub.diffusion.lora import DEFAULT_SCALE, Lora, applied
from hub.diffusion.memory import fit_decoder, free_bytes
from hub.diffusion.options import SamplingOptions
from hub.diffusion.preview import QuickLook, to_bytes, to_pixels
from hub.diffusion.steady import as_if_alone

if TYPE_CHECKING:
    from torch import Tensor

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Drawing:
    """One picture to be drawn.

    Attributes:
        start: what to start from, at the size of the picture; None for noise alone.
    """

    prompt: str
    negative_prompt: str
    seed: int
    start: Image.Image | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Film:
    """How a picture came about: N steps in quick looks (N, H, W, 3), which are small for a large picture.

    Attributes:
        seen: the noisy picture that the model was shown at each step.
        guessed: what it took the finished picture to be.
    """

    seen: Frames
    guessed: Frames


@dataclass(frozen=True)
class Compared:
    """What guidance does at one step, as the autoencoder draws it; (H, W, 3).

    Attributes:
        step: from 1.
        without: the guess without the prompt (with the negative prompt).
        given: the guess with the prompt.
        guided: the guess that is used.
    """

    step: int
    without: Frames
    given: Frames
    guided: Frames


@dataclass(frozen=True)
class Drawn:
    """A finished picture.

    Attributes:
        maps: (T, h, w) where each token of the prompt acted, shares of a cell; None where the model has none.
        compared: what guidance did, at the steps that were asked for.
    """

    image: Image.Image
    seed: int
    film: Film
    maps: NDArray[np.float32] | None = None
    compared: tuple[Compared, ...] = ()


@dataclass(frozen=True)
class Watching:
    """Whom a run reports to.

    Attributes:
        step: called after each step with its number from 1, how many there are, and (B, H, W, 3) quick looks of the
            guesses.
        check: called before each step; raises `Cancelled` when nobody wants the pictures any more.
        compare_at: the steps, from 1, at which guidance is to be compared.
    """

    step: Callable[[int, int, Frames], None] = lambda number, count, looks: None
    check: Callable[[], None] = lambda: None
    compare_at: Sequence[int] = ()


@dataclass(frozen=True)
class Adapted:
    """What changes a model for one run, and leaves it as it was.

    Attributes:
        lora: None is the one that the components hold, if any.
        scale: 0 is the model itself; 1 is the LoRA as it was trained.
        fuse: whether it is added to the weights instead of being computed beside them.
    """

    lora: Lora | None = None
    scale: float = DEFAULT_SCALE
    fuse: bool = False


class Sampler:
    """Draws with the components of one model."""

    def __init__(self, components: Components) -> None:
        self.components = components
        self.look = QuickLook.fit(components.decoder)

    def __call__(
        self,
        kind: Kind,
        drawings: Sequence[Drawing],
        options: SamplingOptions,
        watching: Watching = Watching(),
        more: Mapping[str, Any] | None = None,
        adapted: Adapted = Adapted(),
    ) -> list[Drawn]:
        """Draw pictures together.

        Args:
            kind: what the pipeline does.
            drawings: prompts and seeds; all start from a picture or none does.
            options: what they share, as `hub.diffusion.options.fitted` to the model.
            watching: who is told of the steps.
            more: further arguments of the pipeline, such as `strength`, or a mask; they go before the usual ones.
            adapted: the LoRA that acts on the model meanwhile.

        Raises:
            Cancelled: when nobody wants the pictures any more.
        """
        scheduler = schedulers.make(options.scheduler, self.components.scheduler_config)
        pipeline = make(kind, self.components, scheduler)
        run = _Run(self, pipeline, watching)
        components, denoiser = self.components, self.components.denoiser
        # Slicing, always: a picture that is decoded alone is the same in every batch.
        fit_decoder(components.decoder, options.width, options.height, free_bytes(components.device))
        with ExitStack() as listeners:
            lora = adapted.lora or components.lora
            listeners.enter_context(applied(components, lora, adapted.scale, adapted.fuse, len(drawings)))
            for network in (denoiser, *components.controlnets):
                listeners.enter_context(as_if_alone(network, len(drawings), options.guided))
            if hasattr(scheduler, "alphas_cumprod"):
                run.guesses = listeners.enter_context(
                    guesses.listening(denoiser, scheduler, options.guidance, len(drawings))
                )
            else:
                run.listen_to(scheduler)
            seen = listeners.enter_context(attention.watching(denoiser, len(drawings), options.width / options.height))
            given = {**arguments(kind, drawings, options), **(more or {})}
            images = pipeline(**given, callback_on_step_end=run.stepped).images
        found = seen.maps()
        maps = None if found is None else found.cpu().numpy()
        return [
            Drawn(
                image,
                drawing.seed,
                run.film(place),
                None if maps is None else maps[place],
                run.compared(place),
            )
            for place, (image, drawing) in enumerate(zip(images, drawings, strict=True))
        ]


def arguments(kind: Kind, drawings: Sequence[Drawing], options: SamplingOptions) -> dict[str, Any]:
    """Return what a pipeline of `kind` is called with."""
    import torch

    given: dict[str, Any] = {
        "prompt": [drawing.prompt for drawing in drawings],
        "num_inference_steps": options.steps,
        "guidance_scale": options.guidance,
        "generator": [torch.Generator("cpu").manual_seed(drawing.seed) for drawing in drawings],
    }
    if options.guided:
        given["negative_prompt"] = [drawing.negative_prompt for drawing in drawings]
    if kind != "image-to-image":  # which takes its size from the start picture
        given |= {"width": options.width, "height": options.height}
    starts = [drawing.start for drawing in drawings if drawing.start is not None]
    if starts:
        given["image"] = starts
    return given


class _Run:
    """What is collected while a pipeline draws."""

    def __init__(self, sampler: Sampler, pipeline: Any, watching: Watching) -> None:
        self.sampler = sampler
        self.pipeline = pipeline
        self.watching = watching
        self.guesses: guesses.Guesses | None = None
        self._before: Tensor | None = None  # latents before the present step, for models that flow
        self._seen: list[Frames] = []
        self._guessed: list[Frames] = []
        self._steps: dict[int, guesses.Step] = {}
        watching.check()

    def stepped(self, pipeline: Any, index: int, time: Any, values: dict[str, Any]) -> dict[str, Any]:
        """Look at a step that has just ended."""
        self.watching.check()
        step = self._step(index, values["latents"])
        self._seen.append(self.sampler.look(step.seen))
        self._guessed.append(self.sampler.look(step.guess))
        if index + 1 in self.watching.compare_at:
            self._steps[index + 1] = step
        self.watching.step(index + 1, pipeline.num_timesteps, self._guessed[-1])
        return {}

    def listen_to(self, scheduler: Any) -> None:
        """Remember what each step of a model that flows begins with; the scheduler is this run's own."""
        step = scheduler.step

        def remembering(output: Tensor, time: Any, sample: Tensor, *more: Any, **named: Any) -> Any:
            self._before = sample
            return step(output, time, sample, *more, **named)

        scheduler.step = remembering

    def _step(self, index: int, latents: Tensor) -> guesses.Step:
        if self.guesses is not None:
            return self.guesses.steps.pop()
        assert self._before is not None, "the scheduler takes a step before it ends"
        scheduler = self.pipeline.scheduler
        first = (getattr(scheduler, "begin_index", None) or 0) + index
        return guesses.of_flow(
            self._before, latents, float(scheduler.sigmas[first]), float(scheduler.sigmas[first + 1])
        )

    def film(self, place: int) -> Film:
        """Return the steps of one picture."""
        seen, guessed = ([frames[place] for frames in kept] for kept in (self._seen, self._guessed))
        if not seen:
            empty = np.zeros((0, 1, 1, 3), np.uint8)
            return Film(empty, empty)
        return Film(np.stack(seen), np.stack(guessed))

    def compared(self, place: int) -> tuple[Compared, ...]:
        """Return what guidance did to one picture."""
        found = []
        for number, step in self._steps.items():
            if step.without is not None and step.given is not None:
                rows = [part[place : place + 1] for part in (step.without, step.given, step.guess)]
                import torch

                drawn = to_bytes(to_pixels(self.sampler.components.decoder, torch.cat(rows)))
                found.append(Compared(number, *drawn))
        return tuple(found)
