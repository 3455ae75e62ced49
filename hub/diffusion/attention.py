"""Where each word of a prompt acts: the cross-attention of a U-Net, averaged over heads, layers and steps.

The U-Net's own computation is left as it is (and with it every pixel): hooks take the queries and keys that it makes,
and the attention is computed from these a second time, which costs little where pictures are small.

Source: Tang et al., What the DAAM: interpreting Stable Diffusion using cross attention, ACL 2023.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

MOST_CELLS = 1024  # 32 x 32: finer layers see edges rather than things, and cost most
CROSS = "attn2"  # diffusers' name for the attention to the prompt


@dataclass
class Attention:
    """Attention so far: a sum over layers and steps for each size of the grid.

    Attributes:
        rows: how many of the last rows of a forward pass see the prompt; those before are without it.
        aspect: width over height of the pictures.
    """

    rows: int
    aspect: float
    sums: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    counted: int = 0

    def add(self, queries: Tensor, keys: Tensor, heads: int, scale: float) -> None:
        """Add one layer at one step: queries (R, L, D) of L cells, keys (R, T, D) of T tokens."""
        cells = queries.shape[1]
        if cells > MOST_CELLS:
            return
        query, key = (part[-self.rows :].float().unflatten(-1, (heads, -1)).transpose(1, 2) for part in (queries, keys))
        share = (query @ key.transpose(-1, -2) * scale).softmax(-1).mean(1)  # (B, L, T)
        height = round((cells / self.aspect) ** 0.5)
        if height * (cells // height) != cells:
            return
        grid = share.transpose(1, 2).unflatten(-1, (height, cells // height))
        size = (height, cells // height)
        self.sums[size] = self.sums.get(size, 0) + grid
        self.counted += 1

    def maps(self) -> Tensor | None:
        """Return shares (B, T, h, w) at the finest grid, each cell's shares summing to 1; None where none was seen."""
        import torch.nn.functional as F

        if not self.sums:
            return None
        finest = max(self.sums)
        enlarged = [F.interpolate(each, finest, mode="bilinear", align_corners=False) for each in self.sums.values()]
        total: Tensor = sum(enlarged[1:], enlarged[0]) / self.counted
        return total


@contextmanager
def watching(denoiser: Any, rows: int, aspect: float) -> Iterator[Attention]:
    """Collect the cross-attention of a U-Net while the body of the `with` runs a pipeline."""
    seen = Attention(rows, aspect)
    queries: dict[int, Tensor] = {}
    handles = []
    for name, layer in denoiser.named_modules():
        if name.rpartition(".")[2] != CROSS or not hasattr(layer, "to_q"):
            continue

        def keep(module: Any, inputs: Any, output: Tensor, layer: Any = layer) -> None:
            queries[id(layer)] = output

        def add(module: Any, inputs: Any, output: Tensor, layer: Any = layer) -> None:
            seen.add(queries.pop(id(layer)), output, layer.heads, layer.scale)

        handles += [layer.to_q.register_forward_hook(keep), layer.to_k.register_forward_hook(add)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
