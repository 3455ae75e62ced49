"""What each diffusion model can be asked for: sizes, steps, guidance, schedulers, and where it starts.

The tabs read their sliders and defaults from here, and refuse what a model was not made for before it is run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

OWN = "own"  # the scheduler that the model came with
MULTISTEP = ("ddim", "dpm++", "euler", "unipc")


@dataclass(frozen=True)
class Abilities:
    """The ranges of one model, and its defaults.

    Attributes:
        base: which weights it descends from; ControlNets and LoRAs fit the base that they were trained on.
        native_px: the side of the square pictures that it was trained on, and the default.
        smallest_px: of either side.
        largest_px: of either side.
        step_px: sides are multiples of it.
        steps: the default.
        most_steps: of the slider.
        guidance: the default scale. A model with `guided` False was distilled without it: its scale stays 0, and it
            reads no negative prompt.
        guided: whether guidance and negative prompts have an effect.
        schedulers: by the names of `hub.diffusion.schedulers`; the first is the default.
        prompt_tokens: what the text encoder reads, its start and end included; the rest is cut off.
        strength: how much of a start picture is redone, by default.
        inpaint_strength: the same for what lies under a mask.
        control_weight: how much a ControlNet decides, by default.
    """

    base: str
    native_px: int
    smallest_px: int
    largest_px: int
    step_px: int = 8
    steps: int = 25
    most_steps: int = 100
    guidance: float = 7.5
    guided: bool = True
    schedulers: tuple[str, ...] = ("dpm++", "ddim", "euler", "unipc")
    prompt_tokens: int = 77
    strength: float = 0.6
    inpaint_strength: float = 1.0
    control_weight: float = 1.0

    def rounded(self, side_px: int) -> int:
        """Return the side nearest to `side_px` that the model can draw.

        >>> ABILITIES["sd-1.5"].rounded(515)
        512
        >>> ABILITIES["sd-1.5"].rounded(5000)
        1024
        """
        return self.step_px * round(min(max(side_px, self.smallest_px), self.largest_px) / self.step_px)


_SD_1_5 = Abilities("sd-1.5", 512, 256, 1024)
_SDXL = Abilities("sdxl", 1024, 512, 1536, steps=30, guidance=5.0, schedulers=("euler", "dpm++", "ddim", "unipc"))
_SDXL = replace(_SDXL, control_weight=0.5)


def _turbo(abilities: Abilities) -> Abilities:
    """Return what is left of a model that was distilled to draw in one to four large steps."""
    few = replace(abilities, steps=2, most_steps=8, guidance=0.0, guided=False)
    return replace(few, schedulers=(OWN, "euler", "lcm"))  # the scheduler that it was distilled for takes them best


ABILITIES = {
    "tabletop-diffusion": Abilities(
        "tabletop",
        native_px=128,
        smallest_px=64,
        largest_px=256,
        step_px=32,  # a cell of the latents has 8 px, and the U-Net halves them twice
        steps=20,
        guidance=3.0,
        schedulers=MULTISTEP,
        prompt_tokens=48,
    ),
    "sd-1.5": _SD_1_5,
    "sd-turbo": _turbo(Abilities("sd-2.1", 512, 256, 768)),
    "sdxl-turbo": _turbo(replace(_SDXL, native_px=512, smallest_px=256, largest_px=1024)),
    "sdxl": _SDXL,
    "z-image-turbo": Abilities(
        "z-image",
        native_px=1024,
        smallest_px=512,
        largest_px=2048,
        step_px=16,
        steps=8,
        most_steps=20,
        guidance=0.0,
        guided=False,
        schedulers=(OWN,),
        prompt_tokens=512,
    ),
    "sd-1.5-inpainting": _SD_1_5,
    "sdxl-inpainting": replace(_SDXL, guidance=7.5, inpaint_strength=0.99),
    "kandinsky-2.2-inpainting": Abilities(
        "kandinsky-2.2",
        native_px=768,
        smallest_px=512,
        largest_px=1024,
        step_px=64,
        steps=50,
        guidance=4.0,
        schedulers=(OWN,),
    ),
}
