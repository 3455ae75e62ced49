"""What a model thinks the finished picture is, at every step: with the prompt, without it, and guided.

A denoiser sees z = a x + s e, where x is the finished picture (as latents), e is noise, and a^2 + s^2 = 1 are what the
schedule says of its time. It predicts e, or v = a e - s x. Either can be solved for x, whatever the scheduler does with
the prediction, so it is enough to listen to the denoiser: x = (z - s e) / a, or x = a z - s v.

Source: Salimans & Ho, Progressive distillation for fast sampling of diffusion models, 2022, appendix D.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST_SIGNAL = 1e-3  # below it, noise that is predicted says nothing about the picture


@dataclass(frozen=True)
class Step:
    """One step of B pictures; latents (B, C, h, w) as the autoencoder decodes them (scaled by its factor).

    Attributes:
        seen: what the denoiser was shown: the noisy picture.
        guess: what it takes the finished picture to be, guided.
        without: the same without the prompt (with the negative prompt); None where it was not asked.
        given: the same with the prompt, before guidance; None where `without` is.
    """

    seen: Tensor
    guess: Tensor
    without: Tensor | None = None
    given: Tensor | None = None


@dataclass
class Guesses:
    """The steps so far."""

    guidance: float
    steps: list[Step] = field(default_factory=list)

    def _add(self, seen: Tensor, predicted: Tensor, signal: float, noise: float, kind: str, guided: bool) -> None:
        """Solve for the picture; with guidance the first half of the rows is without the prompt."""

        def solved(rows: Tensor, prediction: Tensor) -> Tensor:
            if kind == "sample":
                return prediction
            if kind == "v_prediction":
                return signal * rows - noise * prediction
            return (rows - noise * prediction) / max(signal, SMALLEST_SIGNAL)

        if not guided:
            self.steps.append(Step(seen, solved(seen, predicted)))
            return
        (seen, _), (without, given) = seen.chunk(2), predicted.chunk(2)
        both = without + self.guidance * (given - without)
        self.steps.append(Step(seen, solved(seen, both), solved(seen, without), solved(seen, given)))


@contextmanager
def listening(denoiser: Any, scheduler: Any, guidance: float, pictures: int) -> Iterator[Guesses]:
    """Collect what a U-Net predicts while the body of the `with` runs a pipeline.

    Args:
        denoiser: a U-Net of diffusers; its outputs are only listened to.
        scheduler: the pipeline's.
        guidance: the scale.
        pictures: how many are drawn together; with guidance the U-Net gets twice as many rows.
    """
    guesses = Guesses(guidance)
    kind = scheduler.config.get("prediction_type", "epsilon")
    learned = scheduler.config.get("variance_type") in ("learned", "learned_range")

    def heard(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        rows = args[0] if args else kwargs["sample"]
        time = args[1] if len(args) > 1 else kwargs["timestep"]
        # A model that also learned how sure it is says that after what it predicts.
        channels = module.config.out_channels // (2 if learned else 1)
        signal = scheduler.alphas_cumprod[round(float(time))].item() ** 0.5
        predicted = output[0][:, :channels].float()
        # A U-Net for inpainting is shown the mask and the rest of the picture too, after the noisy one.
        guesses._add(
            rows[:, :channels].float(), predicted, signal, (1 - signal**2) ** 0.5, kind, len(rows) == 2 * pictures
        )

    handle = denoiser.register_forward_hook(heard, with_kwargs=True)
    try:
        yield guesses
    finally:
        handle.remove()


def of_flow(before: Tensor, after: Tensor, sigma: float, next_sigma: float) -> Step:
    """Return the step of a model that was trained to flow from noise to picture, from two latents along its way.

    z = (1 - sigma) x + sigma e moves along the velocity e - x, which one Euler step shows: x = z - sigma (e - x).
    """
    velocity = (after.float() - before.float()) / (next_sigma - sigma)
    return Step(before.float(), before.float() - sigma * velocity)
