"""What every request to draw says, whatever is drawn from: options, the LoRA, and who is told of the steps."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from hub.cards import ModelCard
from hub.diffusion.cards import LORAS, abilities_of, composed
from hub.diffusion.lora_files import LoraFile, checked_lora
from hub.diffusion.lora_hub import lora_of_hub
from hub.diffusion.options import SamplingOptions, fitted, new_seed
from hub.errors import InvalidInput
from hub.options import checked

if TYPE_CHECKING:
    from hub.inputs import SentFile

Options = TypeVar("Options", bound=SamplingOptions)
AnyLora = LoraFile | ModelCard  # a file that was sent, or one that ships with Lectern or is on the Hub


@dataclass(frozen=True)
class DrawingRequest:
    """One prompt to draw, once or several times; demos add what else they draw from.

    Attributes:
        options: how.
        lora: what changes the model meanwhile.
        notes: what was done to the inputs.
        streams: whether a client of the endpoint wants to be sent the steps.
    """

    options: SamplingOptions = field(default_factory=SamplingOptions)
    lora: AnyLora | None = None
    notes: tuple[str, ...] = ()
    streams: bool = False

    def batch_key(self) -> Hashable | None:
        """Return what requests must share; prompts and seeds are each picture's own. Demos add to it."""
        chosen = self.options
        lora = None if self.lora is None else (lora_key(self.lora), chosen.lora_scale, chosen.lora_use)
        return (chosen.steps, chosen.guidance, chosen.scheduler, chosen.width, chosen.height, lora)

    def recorded(self) -> dict[str, Any]:
        """Return the options as plain JSON values; those of a LoRA only where there is one."""
        values = asdict(self.options)
        if self.lora is None:
            return values | {"lora": None, "lora_scale": None, "lora_use": None}
        if isinstance(self.lora, LoraFile):
            return values | {"lora": None, "lora_file": self.lora.name, "lora_sha256": self.lora.digest}
        return values | {"lora_revision": self.lora.revision}

    def settled(self, card: ModelCard) -> tuple[SamplingOptions, tuple[str, ...]]:
        """Return the options as a model can follow them, and notes of what that changed."""
        return fitted(self.options, abilities_of(card))


def lora_key(lora: AnyLora) -> Hashable:
    """Return what tells one LoRA's weights from another's."""
    return lora.digest if isinstance(lora, LoraFile) else (lora.key, lora.revision)


def chosen_options(kind: type[Options], values: Mapping[str, Any], randomise: object = False) -> Options:
    """Return checked options of what a page or a client sent, with a new seed where one is wanted."""
    return checked(kind, {**values, "seed": new_seed()} if randomise else values)


def chosen_lora(name: str, files: Sequence[SentFile] | None) -> AnyLora | None:
    """Return the LoRA that is asked for: by name, or as a file that was sent; None for none.

    Args:
        name: the key of one of `LORAS`, or owner/name of one on the Hub.
        files: at most one.

    Raises:
        InvalidInput: for both at once, and for what is no LoRA.
    """
    if files:
        if name:
            raise InvalidInput("There are two LoRAs: a name and a file.", "Clear one of them.")
        return replace(checked_lora(files[0].path), name=files[0].name[:80])
    if not name:
        return None
    return next((lora for lora in LORAS if lora.key == name), None) or lora_of_hub(name)


def with_lora(card: ModelCard, request: DrawingRequest) -> ModelCard:
    """Return the card that a request runs on: the model, with the LoRA that has a card of its own."""
    return composed(card, [request.lora]) if isinstance(request.lora, ModelCard) else card
