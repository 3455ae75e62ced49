"""What a ControlNet request says: words, and up to three drawings of which each steers a ControlNet."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from PIL import Image

from demos.controlnet.expert_cards import DEPTHS
from hub import options
from hub.cards import ModelCard
from hub.diffusion.cards import abilities_of
from hub.diffusion.options import SamplingOptions, enough_steps, fitted
from hub.diffusion.requests import DrawingRequest
from hub.errors import InvalidInput
from tabletop.controls import HIGH, LOW

MOST_CONTROLS = 3
NOTHING = "nothing"
PICTURE, TRUTH, HAND, READY = "picture", "truth", "hand", "ready"
# What a ControlNet is shown, by the names of `hub.diffusion.control_cards`, and the ways to make it.
CONDITIONS = {
    "canny": ("Canny edges", (PICTURE, TRUTH, HAND, READY)),
    "depth": ("Depth", (PICTURE, TRUTH, READY)),
    "softedge": ("Soft edges", (PICTURE, HAND, READY)),
    "scribble": ("Scribble", (PICTURE, HAND, READY)),
    "lineart": ("Line drawing", (PICTURE, HAND, READY)),
    "mlsd": ("Straight lines", (PICTURE, HAND, READY)),
    "normalbae": ("Surface normals", (PICTURE, TRUTH, READY)),
    "openpose": ("Pose", (PICTURE, READY)),
    "seg": ("Segmentation", (PICTURE, READY)),
}
WAYS = {
    PICTURE: "made from the picture",
    TRUTH: "the truth of a New scene",
    HAND: "a drawing by hand",
    READY: "the picture as it is",
}
BY_MODELS = ("depth", "normalbae", "openpose", "seg")  # made from a picture by a model, not by a formula
SINGLE, UNION = "single", "union"
FITTING = "fitting"
DEPTH_KEYS = (FITTING, *(card.key for card in DEPTHS))


@dataclass(frozen=True)
class ControlOptions:
    """One control: what its ControlNet is shown, how that is made, and how much it decides."""

    shows: str = options.choice(
        NOTHING, (NOTHING, *CONDITIONS), label="ControlNet", info="What kind of drawing it follows."
    )
    made: str = options.choice(PICTURE, tuple(WAYS), label="Drawing", info="Where the drawing comes from.")
    low: int = options.number(LOW, 0, 500, step=5, label="Low threshold", info="Edges go on above it.")
    high: int = options.number(HIGH, 0, 500, step=5, label="High threshold", info="Edges begin above it.")
    blur_px: float = options.number(
        0.0, 0.0, 8.0, step=0.25, label="Blur first", info="Pixels. Takes away detail first."
    )
    field_of_view_deg: float = options.number(
        50.0,
        10.0,
        120.0,
        step=1,
        label="Field of view",
        info="Normals: degrees that the picture's width spans. 34 for a New scene, about 65 for a phone.",
    )
    weight: float = options.number(
        1.0, 0.0, 2.0, step=0.05, label="Weight", info="What the ControlNet adds is multiplied by it; 0: nothing."
    )
    begin: float = options.number(
        0.0, 0.0, 1.0, step=0.05, label="Start", info="Share of the steps after which it begins to act."
    )
    end: float = options.number(
        1.0, 0.0, 1.0, step=0.05, label="End", info="Share of the steps after which it acts no more."
    )

    @property
    def by_model(self) -> bool:
        """Whether a model makes the drawing."""
        return self.made == PICTURE and self.shows in BY_MODELS

    @property
    def by_depth(self) -> bool:
        """Whether that is a depth model."""
        return self.by_model and self.shows in ("depth", "normalbae")

    @property
    def label(self) -> str:
        """What people call what it shows."""
        return CONDITIONS[self.shows][0] if self.shows in CONDITIONS else NOTHING


@dataclass(frozen=True)
class ControlNetOptions(SamplingOptions):
    """How a picture is drawn, and what all controls share."""

    strength: float = options.number(
        0.8,
        0.0,
        1.0,
        step=0.05,
        label="Strength",
        info="How much of the start picture is redone: 0 keeps it, 1 forgets it.",
    )
    networks: str = options.choice(
        SINGLE,
        (SINGLE, UNION),
        label="Networks",
        info="One ControlNet for each drawing, or (Stable Diffusion XL) one union that reads them all.",
    )
    depth_model: str = options.choice(
        FITTING,
        DEPTH_KEYS,
        label="Depth model",
        info="Which one estimates depth and normals. Fitting: the embedded one for the embedded model, else "
        "Depth Anything V2 Small.",
    )


@dataclass(frozen=True)
class Guide:
    """One control of a request, with what its drawing is made from.

    Attributes:
        options: how it is made, and how much it decides.
        picture: RGB, as it was sent; None for a truth, which the scene's seed tells.
        seed: of the tabletop scene that the picture shows; None for any other picture.
        name: of the input that the picture came from.
    """

    options: ControlOptions
    picture: Image.Image | None = field(default=None, compare=False)
    seed: int | None = None
    name: str = "picture"

    def __post_init__(self) -> None:
        chosen = self.options
        if chosen.shows not in CONDITIONS:
            raise InvalidInput("No ControlNet is chosen.", "Choose one, for example Canny edges.")
        ways = CONDITIONS[chosen.shows][1]
        if chosen.made not in ways:
            raise InvalidInput(
                f"{chosen.label}: this drawing cannot be {WAYS[chosen.made]}.",
                f"Choose {' or '.join(f'{way} ({WAYS[way]})' for way in ways)}.",
            )
        if chosen.begin >= chosen.end:
            raise InvalidInput(
                f"{chosen.label}: it would act from {chosen.begin:g} to {chosen.end:g} of the steps, which is never.",
                "Choose a start below the end.",
            )
        if chosen.made == TRUTH and self.seed is None:
            raise InvalidInput(
                f"{chosen.label}: the truth of this picture is not known.",
                "Press New scene, or choose another drawing.",
            )
        if chosen.made != TRUTH and self.picture is None:
            raise InvalidInput(
                f"{chosen.label}: there is {'no drawing' if chosen.made == HAND else 'no picture'} yet.",
                "Draw one." if chosen.made == HAND else "Upload a picture, press New scene, or click an example.",
            )


@dataclass(frozen=True)
class ControlNetRequest(DrawingRequest):
    """One prompt to draw, once or several times, steered by drawings.

    Attributes:
        options: how.
        guides: one to three, of different kinds.
        start: RGB, what to start from; None for noise alone.
        measures: whether the result's depth is to be measured, too.
    """

    options: ControlNetOptions = ControlNetOptions()
    guides: tuple[Guide, ...] = ()
    start: Image.Image | None = field(default=None, compare=False)
    measures: bool = False

    def batch_key(self) -> Hashable | None:
        """Return what requests must share; their drawings are each picture's own."""
        base = super().batch_key()
        acting = tuple(
            (guide.options.shows, guide.options.weight, guide.options.begin, guide.options.end) for guide in self.guides
        )
        return (base, acting, self.options.networks, None if self.start is None else self.options.strength)

    def recorded(self) -> dict[str, Any]:
        """Return the options, without the pictures."""
        started = self.start is not None
        return {
            **super().recorded(),
            "strength": self.options.strength if started else None,
            "start": started,
            "controls": [asdict(guide.options) | {"scene_seed": guide.seed} for guide in self.guides],
        }

    def settled(self, card: ModelCard) -> tuple[ControlNetOptions, tuple[str, ...]]:
        """Return the options as a model can follow them, and notes of what that changed."""
        able = abilities_of(card)
        chosen, notes = fitted(self.options, able)
        if self.start is None:
            return chosen, notes
        steps, strength, more = enough_steps(chosen.steps, chosen.strength, able.most_steps)
        return replace(chosen, steps=steps, strength=strength), (*notes, *more)


@dataclass(frozen=True)
class SketchRequest:
    """Drawings to be made by models and looked at, without drawing a picture by them."""

    guides: tuple[Guide, ...]
    size: tuple[int, int]
    options: ControlNetOptions = ControlNetOptions()

    def batch_key(self) -> Hashable | None:
        """Return None: it runs alone."""
        return None

    def recorded(self) -> dict[str, Any]:
        """Return the options, without the pictures."""
        return {"controls": [asdict(guide.options) for guide in self.guides]}


def checked_guides(guides: Sequence[Guide]) -> tuple[Guide, ...]:
    """Return the controls of a request.

    Raises:
        InvalidInput: for none, too many, or two of the same kind.
    """
    if not guides:
        raise InvalidInput("There is no control.", "Choose a ControlNet for the first control.")
    if len(guides) > MOST_CONTROLS:
        raise InvalidInput(f"There are {len(guides)} controls.", f"Send at most {MOST_CONTROLS}.")
    kinds = [guide.options.label for guide in guides]
    twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
    if twice is not None:
        raise InvalidInput(f"Two controls are of one kind: {twice}.", "Choose another kind for one of them.")
    return tuple(guides)
