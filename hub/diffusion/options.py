"""What every drawing is asked for: the words, and how the noise is turned into a picture."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, replace
from typing import TypeVar

from hub import options
from hub.diffusion.abilities import OWN, Abilities
from hub.diffusion.lora import DEFAULT_SCALE

MOST_SIDE_PX = 2048
MOST_STEPS = 100
MOST_PICTURES = 8
MOST_CHARS = 10_000  # far more than any model reads: what is cut off is shown, not refused
SEEDS = 2**31  # 0 to 2^31 - 1
BESIDE, FUSED = "beside", "fused"


@dataclass(frozen=True)
class SamplingOptions:
    """What to draw, and how. A model cannot do everything that is declared here: see `fitted`."""

    prompt: str = options.text(
        "",
        MOST_CHARS,
        label="Prompt",
        info="What to draw. Empty: whatever the model likes.",
        placeholder="a red cube and a blue sphere",
    )
    negative_prompt: str = options.text(
        "", MOST_CHARS, label="Negative prompt", info="What to move away from; needs a guidance above 1."
    )
    steps: int = options.number(
        20, 1, MOST_STEPS, step=1, label="Steps", info="How often the model takes some of the noise away."
    )
    guidance: float = options.number(
        3.0,
        0.0,
        20.0,
        step=0.1,
        label="Guidance",
        info="How far to go from what the model would draw without the prompt. 1 and less: no guidance.",
    )
    scheduler: str = options.choice(
        "ddim",
        ("ddim", "dpm++", "euler", "unipc", "lcm", OWN),
        label="Scheduler",
        info="How a step is computed: DDIM, DPM++ 2M, Euler, UniPC, LCM, or the model's own.",
    )
    width: int = options.number(128, 64, MOST_SIDE_PX, step=8, label="Width", info="In pixels.")
    height: int = options.number(128, 64, MOST_SIDE_PX, step=8, label="Height", info="In pixels.")
    pictures: int = options.number(
        1, 1, MOST_PICTURES, step=1, label="Pictures", info="Their seeds count up from the seed."
    )
    seed: int = options.number(
        0, 0, SEEDS - MOST_PICTURES, step=1, label="Seed", info="Decides the noise: same seed, same picture."
    )
    lora: str = options.text(
        "", 200, label="LoRA", info="A small file that changes what the model draws: owner/name of one on the Hub."
    )
    lora_scale: float = options.number(
        DEFAULT_SCALE, 0.0, 1.0, step=0.05, label="LoRA scale", info="0 is the model itself, 1 the LoRA as trained."
    )
    lora_use: str = options.choice(
        BESIDE,
        (BESIDE, FUSED),
        label="LoRA use",
        info="Computed beside the weights, or added to them for the run and taken off again.",
    )

    @property
    def guided(self) -> bool:
        """Whether every step asks the model twice, with and without the prompt."""
        return self.guidance > 1

    @property
    def fused(self) -> bool:
        """Whether a LoRA is added to the weights."""
        return self.lora_use == FUSED

    def seeds(self) -> tuple[int, ...]:
        """Return the seed of each picture."""
        return tuple(range(self.seed, self.seed + self.pictures))


Options = TypeVar("Options", bound=SamplingOptions)


def fitted(wanted: Options, abilities: Abilities) -> tuple[Options, tuple[str, ...]]:
    """Return what a model can do that comes nearest to what is wanted, and notes of all that was changed."""
    notes = []
    changes: dict[str, object] = {}
    width, height = abilities.rounded(wanted.width), abilities.rounded(wanted.height)
    if (width, height) != (wanted.width, wanted.height):
        changes |= {"width": width, "height": height}
        notes.append(
            f"{wanted.width} x {wanted.height} pixels became {width} x {height}: sides are multiples of "
            f"{abilities.step_px} from {abilities.smallest_px} to {abilities.largest_px} here"
        )
    if wanted.scheduler not in abilities.schedulers:
        changes["scheduler"] = abilities.schedulers[0]
        notes.append(f"this model is not drawn with {wanted.scheduler}; {abilities.schedulers[0]} was used")
    if wanted.steps > abilities.most_steps:
        changes["steps"] = abilities.most_steps
        notes.append(f"{wanted.steps} steps became {abilities.most_steps}, the most that make sense for this model")
    if not abilities.guided and wanted.guidance:
        changes["guidance"] = 0.0
        notes.append("this model was distilled to draw without guidance, which was set to 0")
    changed = replace(wanted, **changes)  # type: ignore[arg-type]
    if wanted.negative_prompt and not changed.guided:
        notes.append("without guidance a negative prompt has no effect")
    return changed, tuple(notes)


def enough_steps(steps: int, strength: float, most_steps: int) -> tuple[int, float, tuple[str, ...]]:
    """Return steps and strength of a run that starts from a picture, and a note of what that changed.

    Of all steps only the last steps x strength are taken, rounded down: where that would be none, more are planned.

    >>> enough_steps(20, 0.6, 100)
    (20, 0.6, ())
    >>> enough_steps(2, 0.3, 8)[:2], enough_steps(20, 0.0, 100)[:2]
    ((4, 0.3), (100, 0.01))
    """
    if int(steps * strength) >= 1:
        return steps, strength, ()
    wanted = math.ceil(1 / strength) if strength > 0 else most_steps + 1
    planned, kept = (wanted, strength) if wanted <= most_steps else (most_steps, 1 / most_steps)
    note = f"strength {strength:g} leaves none of {steps} steps to take: {planned} were planned, and the last one taken"
    return planned, kept, (note,)


def new_seed() -> int:
    """Return a seed that nobody chose."""
    return secrets.randbelow(SEEDS - MOST_PICTURES)
