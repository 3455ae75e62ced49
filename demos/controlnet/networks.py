"""Which networks a request needs: its ControlNets, and the models that make its drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from demos.controlnet.expert_cards import EXPERTS, POSE, SEGMENTATION
from demos.controlnet.options import FITTING, UNION, ControlNetOptions, ControlNetRequest, Guide, SketchRequest
from hub import depth_cards
from hub.cards import ModelCard
from hub.diffusion.cards import composed
from hub.diffusion.control_cards import Control, controls_for, with_controls
from hub.diffusion.requests import with_lora
from hub.errors import InvalidInput


@dataclass(frozen=True)
class Nets:
    """The ControlNets of a request.

    Attributes:
        controls: one for each condition, in their order; or a union alone.
        modes: for a union, what kind each condition is.
        notes: what the user should know of how they were chosen.
    """

    controls: tuple[Control, ...]
    modes: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def conditions_for(card: ModelCard) -> tuple[str, ...]:
    """Return what can be shown to the ControlNets that fit a model, those of single networks first."""
    by_kind = sorted(controls_for(card), key=lambda control: control.is_union)
    return tuple(dict.fromkeys(condition for control in by_kind for condition in control.conditions))


def nets_for(card: ModelCard, conditions: Sequence[str], networks: str) -> Nets:
    """Return the ControlNets that read some drawings.

    Args:
        card: the model.
        conditions: what the drawings are, all different.
        networks: "single" or "union"; where there is only one of them, it is that one.

    Raises:
        InvalidInput: when the model has no ControlNet for one of them, or the union confuses two.
    """
    offered = conditions_for(card)
    for condition in conditions:
        if condition not in offered:
            raise InvalidInput(
                f"{card.label} has no ControlNet for {condition}.",
                f"Choose {' or '.join(offered)}, or another model."
                if offered
                else "Choose another model: this one has no ControlNets.",
            )
    union = next((control for control in controls_for(card) if control.is_union), None)
    single = {name: control for control in controls_for(card) if not control.is_union for name in control.conditions}
    lacking = [condition for condition in conditions if condition not in single]
    if union is None or (networks != UNION and not lacking):
        note = ("this model has no union: each drawing has a ControlNet of its own",) if networks == UNION else ()
        return Nets(tuple(single[condition] for condition in conditions), notes=note)
    modes = tuple(union.conditions[condition] for condition in conditions)
    if len(set(modes)) < len(modes):
        raise InvalidInput(
            f"The union does not tell {' and '.join(conditions)} apart.", "Keep one of those that it reads as the same."
        )
    note = () if networks == UNION else (f"the union reads the drawings: it alone knows {' and '.join(lacking)}",)
    return Nets((union,), modes, note)


def depth_card(card: ModelCard, options: ControlNetOptions) -> ModelCard:
    """Return the depth model that a request asks for, or that fits the model."""
    if options.depth_model == FITTING:
        return depth_cards.TABLETOP if card.embedded else depth_cards.RELATIVE
    return next(expert for expert in EXPERTS if expert.key == options.depth_model)


def experts_for(
    card: ModelCard, guides: Sequence[Guide], options: ControlNetOptions, measures: bool = False
) -> tuple[ModelCard, ...]:
    """Return the models that make the drawings of a request, and that measure its result."""
    wanted = []
    if measures or any(guide.options.by_depth for guide in guides):
        wanted.append(depth_card(card, options))
    shown = {guide.options.shows for guide in guides if guide.options.by_model}
    return (*wanted, *([POSE] if "openpose" in shown else []), *([SEGMENTATION] if "seg" in shown else []))


def completed(card: ModelCard, request: ControlNetRequest | SketchRequest) -> ModelCard:
    """Return the card that a request runs on: the model with all it needs, or for drawings only the models for those.

    Raises:
        InvalidInput: when something does not fit the model.
    """
    if isinstance(request, SketchRequest):
        first, *others = experts_for(card, request.guides, request.options)
        return composed(first, others) if others else first
    conditions = [guide.options.shows for guide in request.guides]
    nets = nets_for(card, conditions, request.options.networks)
    whole = with_lora(with_controls(card, nets.controls), request)
    experts = experts_for(card, request.guides, request.options, request.measures)
    return composed(whole, experts) if experts else whole
