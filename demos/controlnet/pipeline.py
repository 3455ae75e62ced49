"""The ControlNet pipeline: prompts and drawings in, pictures out; and the drawings alone, without a diffusion model."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from PIL import Image

from demos.controlnet import preprocessors
from demos.controlnet.agreement import Agreement, depth_error
from demos.controlnet.experts import Experts, load_experts
from demos.controlnet.networks import Nets, nets_for
from demos.controlnet.options import ControlNetRequest, Guide, SketchRequest
from demos.controlnet.sketches import Size, Sketch, estimated, sketch
from hub.batch import Watch
from hub.demo import Loading
from hub.diffusion.controlling import control_arguments
from hub.diffusion.families import FAMILIES, Kind
from hub.diffusion.loading import Components, load_components
from hub.diffusion.painting import Painter, Pictures
from hub.diffusion.pictures import filling
from hub.diffusion.prompts import known_to
from hub.diffusion.sampler import Drawing, Drawn
from hub.memo import Memo, fingerprint
from tabletop.controls import edge_f1
from tabletop.prompts import taught

SKETCH_BYTES = 200_000_000  # of drawings, kept for the next prompt


@dataclass(frozen=True)
class Steered(Drawing):
    """One picture to be drawn, and what its ControlNets are shown."""

    sketches: tuple[Image.Image, ...] = ()


@dataclass(frozen=True)
class Controlled(Pictures):
    """What was drawn by drawings.

    Attributes:
        guides: what was asked for.
        sketches: what each ControlNet was shown.
        agreements: for each picture, how well it follows each of them.
    """

    guides: tuple[Guide, ...] = ()
    sketches: tuple[Sketch, ...] = ()
    agreements: tuple[tuple[Agreement, ...], ...] = ()


class ControlNets(Painter[ControlNetRequest]):
    """A diffusion model with ControlNets, and the models that make their drawings."""

    def __init__(self, components: Components, experts: Experts) -> None:
        super().__init__(components, known_to(components.card, taught()))
        self.experts = experts
        self._sketches = Memo(SKETCH_BYTES)

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return [*super().modules(), *self.experts.modules()]

    def kind(self, request: ControlNetRequest) -> Kind:
        """Return what the pipeline does."""
        return "controlnet" if request.start is None else "controlnet-image-to-image"

    def drawings(self, request: ControlNetRequest) -> list[Drawing]:
        """Return the pictures to draw, with what their ControlNets are shown."""
        size = self._size(request)
        start = None if request.start is None else filling(request.start, size)
        shown = tuple(made.image for made in self.sketches(request))
        return [
            Steered(each.prompt, each.negative_prompt, each.seed, start, sketches=shown)
            for each in super().drawings(request)
        ]

    def more(self, request: ControlNetRequest, drawings: Sequence[Drawing]) -> Mapping[str, Any]:
        """Return the drawings, and when and how much each acts, as diffusers' pipelines take them."""
        nets, acting = self._nets(request), [guide.options for guide in request.guides]
        shown = [drawing.sketches for drawing in drawings if isinstance(drawing, Steered)]
        by_control = [list(column) for column in zip(*shown, strict=True)]
        given = control_arguments(self.kind(request), self.components, by_control, self._size(request), nets.modes)
        # One network takes numbers, and no integers; several, and a union, take a list of them.
        alone = len(acting) == 1 and not self.components.union
        for name, values in (
            ("controlnet_conditioning_scale", [float(each.weight) for each in acting]),
            ("control_guidance_start", [float(each.begin) for each in acting]),
            ("control_guidance_end", [float(each.end) for each in acting]),
        ):
            given[name] = values[0] if alone else values
        if request.start is not None:
            chosen, _ = request.settled(self.components.card)
            given["strength"] = chosen.strength
        return given

    def finished(self, request: ControlNetRequest, drawn: Sequence[Drawn]) -> Controlled:
        """Return the pictures with what steered them, and how well they follow it."""
        pictures = super().finished(request, drawn)
        made = self.sketches(request)
        notes = [*pictures.notes, *self._nets(request).notes, *(note for each in made for note in each.notes)]
        agreements = tuple(self._agreements(request, each.image, made) for each in drawn)
        if request.measures and not any(one.depth_error is not None for each in agreements for one in each):
            notes.append("the result's depth was not measured: no control says in metres how deep it should be")
        known = {each.name: getattr(pictures, each.name) for each in fields(pictures)} | {"notes": tuple(notes)}
        return Controlled(**known, guides=request.guides, sketches=made, agreements=agreements)

    def sketches(self, request: ControlNetRequest) -> tuple[Sketch, ...]:
        """Return the drawings of a request; those that were made before are not made again."""
        size = self._size(request)
        return tuple(
            self._sketches.get(
                _identity(guide, size),
                lambda guide=guide: sketch(guide, size, self.experts),  # type: ignore[misc]
                lambda made: 3 * size[0] * size[1] * (1 if made.depth_m is None else 4),
            )
            for guide in request.guides
        )

    def _size(self, request: ControlNetRequest) -> Size:
        chosen, _ = request.settled(self.components.card)
        return chosen.width, chosen.height

    def _nets(self, request: ControlNetRequest) -> Nets:
        conditions = [guide.options.shows for guide in request.guides]
        return nets_for(self.components.card, conditions, request.options.networks)

    def _agreements(
        self, request: ControlNetRequest, result: Image.Image, made: Sequence[Sketch]
    ) -> tuple[Agreement, ...]:
        depth_m = estimated(result, self.experts)[1] if request.measures else None
        found = []
        for guide, each in zip(request.guides, made, strict=True):
            f1 = error = None
            if guide.options.shows == "canny":
                edges = preprocessors.canny(np.asarray(result), guide.options.low, guide.options.high)
                f1 = edge_f1(edges, np.asarray(each.image.convert("L")))
            if depth_m is not None and each.depth_m is not None:
                error = depth_error(depth_m, each.depth_m)
            found.append(Agreement(f1, error))
        return tuple(found)


class Sketcher:
    """The models that make drawings, alone."""

    def __init__(self, experts: Experts, device: str, dtype: str) -> None:
        self.experts = experts
        self.device = device
        self.dtype = dtype

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return self.experts.modules()

    def __call__(self, requests: Sequence[SketchRequest], watch: Watch | None = None) -> list[tuple[Sketch, ...]]:
        """Return the drawings of each request.

        Raises:
            Cancelled: when nobody wants them any more.
        """
        made = []
        for request in requests:
            if watch is not None:
                watch.raise_if_all_cancelled()
            made.append(tuple(sketch(guide, request.size, self.experts) for guide in request.guides))
        return made


def _identity(guide: Guide, size: Size) -> Hashable:
    """Return what decides a drawing; how much it acts does not."""
    asked = replace(guide.options, weight=1.0, begin=0.0, end=1.0)
    return asked, size, guide.seed, None if guide.picture is None else fingerprint(guide.picture)


def load(loading: Loading) -> ControlNets | Sketcher:
    """Load what a card of `networks.completed` names, from the folders the hub fetched."""
    experts = load_experts(loading)
    if loading.card.family not in FAMILIES:
        return Sketcher(experts, loading.device.name, loading.device.dtype)
    return ControlNets(load_components(loading), experts)
