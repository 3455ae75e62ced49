"""Low-rank adaptations (LoRA): a small file that changes what a diffusion model draws.

Fine-tuning adds a matrix to each weight matrix W. LoRA learns that matrix as a product of two thin ones, up @ down, of
rank r, so it has r (m + n) numbers instead of m n. With a scale s from 0 to 1 a layer then computes

    y = W x + s · (alpha / r) · up (down x)

There are two ways to do it, both here. Beside: each layer's output gets its second term from a hook, and the weights
stay as they are. Fused: W + s · (alpha / r) · up @ down is worked out once and takes the place of W, which costs memory
but nothing per step. The weights are shared by everybody, so either is put on for one call, behind the device gate, and
taken off again; fused weights are new tensors, and taking them off puts the old ones back untouched.

Source: Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models, arXiv:2106.09685, section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hub.diffusion.steady import by_picture

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hub.diffusion.loading import Components

DEFAULT_SCALE = 0.8


@dataclass(frozen=True, eq=False)
class Layer:
    """What a LoRA adds to one linear layer or convolution.

    Attributes:
        part: of the model, e.g. "unet".
        name: of the layer in it.
        down: (r, n) for a linear layer, (r, n, height, width) for a convolution.
        up: (m, r), or (m, r, 1, 1).
        strength: alpha / r.
    """

    part: str
    name: str
    down: Tensor
    up: Tensor
    strength: float

    def to(self, device: str, dtype: torch.dtype) -> Layer:
        """Return the same on a device."""
        return replace(self, down=self.down.to(device, dtype), up=self.up.to(device, dtype))

    def product(self) -> Tensor:
        """Return strength · up @ down in float32, in the shape of the layer's weight."""
        flat = self.up.float().flatten(1) @ self.down.float().flatten(1)
        return self.strength * flat.reshape(self.up.shape[0], *self.down.shape[1:])


@dataclass(frozen=True, eq=False)
class Lora:
    """A LoRA that fits a model.

    Attributes:
        name: of its file.
        digest: SHA-256 of its file.
        layers: what it changes.
    """

    name: str
    digest: str
    layers: tuple[Layer, ...]

    @property
    def bytes(self) -> int:
        """Return what its matrices take in memory."""
        return sum(matrix.numel() * matrix.element_size() for each in self.layers for matrix in (each.down, each.up))

    @property
    def rank(self) -> int:
        """Return the largest rank of its layers."""
        return max(layer.down.shape[0] for layer in self.layers)


@contextmanager
def applied(
    components: Components, lora: Lora | None, scale: float = DEFAULT_SCALE, fuse: bool = False, pictures: int = 1
) -> Iterator[None]:
    """Let a LoRA act on a model for the body of the `with`, and leave the model as it was.

    Call it where nobody else uses the model: inside a pipeline, which the hub runs behind the device gate.

    Args:
        components: the model.
        lora: read by `hub.diffusion.lora_files.load_lora` for this model; None does nothing.
        scale: 0 is the model itself, bit for bit; 1 is the LoRA as it was trained.
        fuse: whether to add it to the weights instead of computing it beside them.
        pictures: how many are drawn together; on a CPU each is computed as if it were alone (hub.diffusion.steady).
    """
    apart = pictures if components.device == "cpu" else 1
    with ExitStack() as undo:
        if lora is not None and scale != 0:
            # Weights that wait elsewhere come over as they are, so nothing can take their place.
            fuses = fuse and not components.offloaded
            for layer in lora.layers:
                module = components.parts[layer.part].get_submodule(layer.name)
                undo.callback(_fuse(module, layer, scale) if fuses else _set_beside(module, layer, scale, apart))
        yield


def _set_beside(module: Any, layer: Layer, scale: float, pictures: int) -> Callable[[], None]:
    """Add the layer's second term to its output; return what takes it away."""
    import torch.nn.functional as F

    def second_term(rows: Tensor) -> Tensor:
        if layer.down.ndim == 4:
            thin = F.conv2d(rows, layer.down, None, module.stride, module.padding, module.dilation)
            return scale * layer.strength * F.conv2d(thin, layer.up)
        return scale * layer.strength * F.linear(F.linear(rows, layer.down), layer.up)

    computed = second_term if pictures == 1 else by_picture(second_term, pictures)

    def add(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output + computed(inputs[0])

    remove: Callable[[], None] = module.register_forward_hook(add).remove
    return remove


def _fuse(module: Any, layer: Layer, scale: float) -> Callable[[], None]:
    """Put the sum in the place of the weight; return what puts the weight back, which is never written to."""
    weight = module.weight
    original = weight.data
    weight.data = (original.float() + scale * layer.product()).to(original.dtype)

    def restore() -> None:
        weight.data = original

    return restore
