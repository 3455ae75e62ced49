"""Draws every picture of a batch as if it were alone, to the last bit, on a CPU.

The same sum can be added up in another order when more rows are computed together, and differs in its last bit; twenty
steps later a pixel has another value. On a CPU that is so of two kinds of layers of a U-Net: 1 x 1 convolutions, and
what is made of the time, whose input has one row for each picture. They take little of the time, so they are computed
picture by picture, and what takes most of it is computed for all together. The order also depends on how the numbers
lie in memory: an autoencoder hands over latents with the channels last. So all begin in the same order. Found by
comparing every layer's output of 1 to 16 rows with oneDNN 3.12 and MKL 2024.2; tests compare whole pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Forward = Callable[..., "Tensor"]


@contextmanager
def as_if_alone(network: Any, pictures: int, guided: bool) -> Iterator[None]:
    """Let a U-Net or a ControlNet compute each of several pictures as it would a single one, while the `with` lasts.

    Args:
        network: nobody else uses it meanwhile: its layers are changed, and put back.
        pictures: how many are drawn together.
        guided: whether each has two rows: the first half of all rows is without the prompt.
    """
    import torch

    on_cpu = next(network.parameters()).device.type == "cpu"
    with ExitStack() as undo:
        if on_cpu:
            undo.callback(network.register_forward_pre_hook(_in_order, with_kwargs=True).remove)
        if on_cpu and pictures > 1:
            for layer in network.modules():
                time = isinstance(layer, torch.nn.Linear)
                # With a single row to a picture, all convolutions depend on how many there are.
                if time or (isinstance(layer, torch.nn.Conv2d) and (layer.kernel_size == (1, 1) or not guided)):
                    layer.forward = by_picture(layer.forward, pictures, 2 if time else 4)
                    undo.callback(delattr, layer, "forward")
        yield


def _in_order(network: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return a network's inputs with the numbers of all pictures (B, C, h, w) in that order in memory."""

    def ordered(value: Any) -> Any:
        return value.contiguous() if getattr(value, "ndim", 0) == 4 else value

    return tuple(map(ordered, inputs)), {name: ordered(value) for name, value in named.items()}


def by_picture(forward: Forward, pictures: int, axes: int = 0) -> Forward:
    """Return `forward` for the rows of one picture after the other, where its input has `axes` axes (0: any)."""

    def apart(rows: Tensor) -> Tensor:
        import torch

        if axes not in (0, rows.dim()) or len(rows) % pictures:
            return forward(rows)
        each = [forward(rows[place::pictures].contiguous()) for place in range(pictures)]
        return torch.stack(each, 1).flatten(0, 1)

    return apart
