"""Semi-global matching written out in PyTorch, on CUDA as on a CPU.

The one idea: comparing two pixels says little, so each pixel's costs are added up along paths that run to it from all
sides, where a change of disparity on the way costs extra. One step along a path needs only the step before, so a path
is a loop over rows (or columns), and everything else is done at once. All sums are whole numbers: every device gives
the same answer to the last bit, up to the parabola between disparities.

Sources: Zabih & Woodfill, Non-parametric local transforms for computing visual correspondence, ECCV 1994 (census);
Hirschmüller, Stereo processing by semiglobal matching and mutual information, PAMI 30(2), 2008 (equations 13 and 14,
the paths and their sum); Mei et al., On building an accurate stereo matching system on graphics hardware, ICCV
workshops 2011 (census and absolute differences together).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.stereo.families.dense import FIXED_POINT, SPECKLE_PX, SPECKLE_STEP_PX
from demos.stereo.families.holes import holes
from demos.stereo.matching import F32, U8, Matched, Pair
from demos.stereo.measurement import FILTERED, OUTSIDE, VALID
from demos.stereo.options import MatchOptions
from demos.stereo.search_range import SearchRange, chosen_range
from demos.stereo.uncertainty import disparity_error
from hub.batch import Watch

if TYPE_CHECKING:
    from torch import Tensor

CENSUS_HEIGHT, CENSUS_WIDTH = 7, 9  # pixels; 62 comparisons fit a 64-bit number
MOST_DIFFERENCE = 20  # grey levels beyond which two pixels are simply different
DIFFERENCE_WEIGHT = 2  # of a grey level, in census bits
WORST = 62 + DIFFERENCE_WEIGHT * MOST_DIFFERENCE  # the greatest cost, and that of a partner outside the picture
SMALL_PENALTY, LARGE_PENALTY = 2, 60  # P1 and P2, in census bits
UNIQUENESS = 2  # percent; sums over eight paths differ less than single costs
BLOCK_SIZE = 7  # what the window amounts to, for the error model
MOST_CELLS = {"cpu": 60_000_000, "cuda": 600_000_000}  # pixels x disparities; a cell takes about 5 bytes


@dataclass(frozen=True)
class Aggregated:
    """What the paths say of H x W pixels.

    Attributes:
        disparity_px: (H, W) float32, the best disparity, between whole ones.
        unique: (H, W) bool, whether it clearly beats all others.
        right_px: (H, W) int64, the best whole disparity of each pixel of the right picture.
    """

    disparity_px: Tensor
    unique: Tensor
    right_px: Tensor


class CensusSemiGlobal:
    """Census and absolute differences, aggregated along four or eight paths."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def modules(self) -> list[Any]:
        """Return nothing: there are no weights."""
        return []

    def match(self, pair: Pair, chosen: MatchOptions, watch: Watch) -> Matched:
        """Match; a pair with too many pixels and disparities for this device's memory is made smaller first."""
        import torch

        assert pair.right is not None
        searched, origin = chosen_range(pair, chosen)
        search = searched.ends
        height, width = pair.left.shape[:2]
        most = MOST_CELLS["cuda" if self.device.startswith("cuda") else "cpu"]
        factor = min(1.0, (most / (height * width * searched.count)) ** (1 / 3))
        left, right = pair.left, pair.right
        notes: tuple[str, ...] = ()
        matched_px = None
        if factor < 1:
            matched_px = (max(1, round(width * factor)), max(1, round(height * factor)))
            left, right, searched = _smaller(left, right, searched, matched_px)
            notes = (f"matched at {left.shape[1]} x {left.shape[0]} pixels, to fit the device's memory",)
        paths = 4 if chosen.preset == "quick" else 8
        watch.progress(f"Matching {searched.count} disparities along {paths} paths")
        with torch.inference_mode():
            found = aggregate(
                torch.from_numpy(left.copy()).to(self.device),
                torch.from_numpy(right.copy()).to(self.device),
                searched,
                paths=paths,
                uniqueness=chosen.uniqueness if chosen.preset == "own" else UNIQUENESS,
                watch=watch,
            )
            disparity, unique, from_right = (
                value.cpu().numpy() for value in (found.disparity_px, found.unique, found.right_px)
            )
        left_right = chosen.left_right if chosen.preset == "own" else 1
        disparity, invalid = _checked(disparity, unique, from_right, searched, left_right)
        if factor < 1:
            disparity, invalid = _enlarged(disparity, invalid, (width, height))
        error = disparity_error(pair.left, pair.right, disparity, BLOCK_SIZE)
        facts = {"range searched": f"{searched} ({origin})", "paths": str(paths)}
        return Matched(
            disparity,
            invalid,
            error,
            by_pixel=matched_px is None,  # enlarged, neighbours are one
            matched_px=matched_px,
            search=search,
            facts=facts,
            notes=notes,
        )


def aggregate(
    left: Tensor, right: Tensor, searched: SearchRange, *, paths: int, uniqueness: int, watch: Watch
) -> Aggregated:
    """Match two pictures (H, W, 3) uint8 on their device.

    Args:
        left: RGB.
        right: likewise.
        searched: disparities.
        paths: 4 (along rows and columns) or 8 (and the diagonals).
        uniqueness: percent by which the best disparity must beat all but its neighbours.
        watch: asked now and then whether to stop.
    """
    costs = cost_volume(left, right, searched)
    total = path_sums(costs, diagonals=paths == 8, watch=watch)
    return _winners(total, searched, uniqueness)


def census(grey: Tensor) -> Tensor:
    """Return (H, W) int64: for each pixel one bit for each of its 62 neighbours, set where that one is darker."""
    import torch

    down, across = CENSUS_HEIGHT // 2, CENSUS_WIDTH // 2
    height, width = grey.shape
    around = torch.nn.functional.pad(grey[None, None].float(), (across, across, down, down), mode="replicate")[0, 0]
    bits = torch.zeros(grey.shape, dtype=torch.int64, device=grey.device)
    for row in range(CENSUS_HEIGHT):
        for column in range(CENSUS_WIDTH):
            if (row, column) != (down, across):
                darker = around[row : row + height, column : column + width] < grey
                bits = (bits << 1) | darker
    return bits


def bits_set(numbers: Tensor) -> Tensor:
    """Count the set bits of non-negative int64 numbers.

    Source: Warren, Hacker's Delight, 2nd ed., section 5-1 (halves added in place).
    """
    numbers = numbers - ((numbers >> 1) & 0x5555555555555555)
    numbers = (numbers & 0x3333333333333333) + ((numbers >> 2) & 0x3333333333333333)
    numbers = (numbers + (numbers >> 4)) & 0x0F0F0F0F0F0F0F0F
    for half in (8, 16, 32):
        numbers = numbers + (numbers >> half)
    return numbers & 0x7F


def cost_volume(left: Tensor, right: Tensor, searched: SearchRange) -> Tensor:
    """Return (H, D, W) uint8: how unlike each left pixel and its candidates are; `WORST` outside the picture."""
    import torch

    height, width = left.shape[:2]
    weights = torch.tensor([77, 150, 29], device=left.device)  # BT.601's luma in 256ths, for the census only
    here, there = (census((picture.int() * weights).sum(-1) >> 8) for picture in (left, right))
    left_levels, right_levels = left.short(), right.short()
    costs = torch.full((height, searched.count, width), WORST, dtype=torch.uint8, device=left.device)
    for place, disparity in enumerate(range(searched.minimum_px, searched.minimum_px + searched.count)):
        start, end = max(disparity, 0), min(width + disparity, width)
        if start >= end:
            continue
        mine, theirs = slice(start, end), slice(start - disparity, end - disparity)
        unlike = bits_set(here[:, mine] ^ there[:, theirs])
        apart = (left_levels[:, mine] - right_levels[:, theirs]).abs().sum(-1)
        costs[:, place, mine] = (unlike + DIFFERENCE_WEIGHT * (apart // 3).clamp(max=MOST_DIFFERENCE)).to(torch.uint8)
    return costs


def path_sums(costs: Tensor, *, diagonals: bool, watch: Watch) -> Tensor:
    """Return (H, D, W) int16: the costs (H, D, W) summed along the paths to each pixel."""
    import torch

    total = torch.zeros(costs.shape, dtype=torch.int16, device=costs.device)
    _sweep(costs, total, (-1, 0, 1) if diagonals else (0,), watch)
    turned = torch.zeros((costs.shape[2], costs.shape[1], costs.shape[0]), dtype=torch.int16, device=costs.device)
    _sweep(costs.permute(2, 1, 0).contiguous(), turned, (0,), watch)
    return total.add_(turned.permute(2, 1, 0))


def _sweep(costs: Tensor, total: Tensor, slants: tuple[int, ...], watch: Watch) -> None:
    """Add to `total` (N, D, M) the paths that run down and up the first axis of `costs`, all of them side by side.

    Args:
        costs: (N, D, M) uint8.
        total: (N, D, M) int16.
        slants: how far each path moves along the last axis at each step: -1, 0 or 1.
        watch: asked now and then whether to stop.
    """
    import torch

    steps, disparities, across = costs.shape
    # (direction, slant, disparity, place): with a border of two disparities, so that d - 1 and d + 1 always exist.
    beyond = 20_000
    state = torch.full((2, len(slants), disparities + 2, across), beyond, dtype=torch.int16, device=costs.device)
    for step in range(steps):
        if step % 64 == 0:
            watch.raise_if_all_cancelled()
        rows = (step, steps - 1 - step)
        own = torch.stack([costs[row] for row in rows])[:, None].to(torch.int16)
        if step == 0:
            path = own.expand(2, len(slants), disparities, across)
        else:
            before = state[:, :, 1:-1]
            least = before.amin(2, keepdim=True)
            stepped = torch.minimum(state[:, :, :-2], state[:, :, 2:]).add_(SMALL_PENALTY)
            best = torch.minimum(before, stepped)
            best = torch.minimum(best, least + LARGE_PENALTY).sub_(least)
            path = best.add_(own)
        for direction, row in enumerate(rows):
            total[row] += path[direction].sum(0, dtype=torch.int16)
        state[:, :, 1:-1] = _slid(path, own, slants)


def _slid(path: Tensor, own: Tensor, slants: tuple[int, ...]) -> Tensor:
    """Move each path along the last axis by its slant; a path that comes in from outside starts with its own costs."""
    import torch

    if slants == (0,):
        return path
    moved = []
    for place, slant in enumerate(slants):
        one = torch.roll(path[:, place], slant, -1) if slant else path[:, place]
        if slant:
            edge = 0 if slant > 0 else -1
            one[..., edge] = path[:, place, :, edge]
        moved.append(one)
    return torch.stack(moved, 1)


def _winners(total: Tensor, searched: SearchRange, uniqueness: int) -> Aggregated:
    """Choose each pixel's disparity from the sums (H, D, W), and each right pixel's from the same sums."""
    import torch

    height, count, width = total.shape
    best, place = total.min(1)
    around = torch.arange(count, device=total.device)[None, :, None]
    second = total.masked_fill((around - place[:, None]).abs() <= 1, 32_767).amin(1)
    unique = second.int() * (100 - uniqueness) >= best.int() * 100

    inner = place.clamp(1, count - 2)[:, None]
    low, middle, high = (total.gather(1, inner + step)[:, 0].float() for step in (-1, 0, 1))
    bend = low + high - 2 * middle
    offset = torch.where((inner[:, 0] == place) & (bend > 0), (low - high) / (2 * bend).clamp(min=1), 0.0)
    disparity = place + offset.clamp(-0.5, 0.5) + searched.minimum_px

    right_best = torch.full((height, width), 32_767, dtype=total.dtype, device=total.device)
    right = torch.full((height, width), searched.minimum_px, dtype=torch.int64, device=total.device)
    for number in range(count):
        shift = searched.minimum_px + number
        start, end = max(-shift, 0), min(width - shift, width)  # right pixels whose left partner is in the picture
        if start >= end:
            continue
        candidate = total[:, number, start + shift : end + shift]
        better = candidate < right_best[:, start:end]
        right_best[:, start:end] = torch.where(better, candidate, right_best[:, start:end])
        right[:, start:end] = torch.where(better, shift, right[:, start:end])
    return Aggregated(disparity.float(), unique, right)


def _checked(disparity: F32, unique: Any, from_right: Any, searched: SearchRange, left_right: int) -> tuple[F32, U8]:
    """Smooth outliers, check left against right, remove speckles; return disparities and why some are missing."""
    import cv2

    width = disparity.shape[1]
    disparity = np.asarray(cv2.medianBlur(disparity, 3), np.float32)
    columns = np.arange(width)
    landing = columns - disparity
    found = unique.copy()
    if left_right >= 0:
        there = np.clip(np.rint(landing), 0, width - 1).astype(int)
        found &= np.abs(np.take_along_axis(from_right, there, 1) - disparity) <= left_right + 0.5
    steps = np.rint(disparity * FIXED_POINT).astype(np.int16)
    empty = (searched.minimum_px - 1) * FIXED_POINT
    steps[~found] = empty
    cv2.filterSpeckles(steps, empty, SPECKLE_PX, SPECKLE_STEP_PX * FIXED_POINT)
    removed = found & (steps == empty)
    invalid = holes(disparity, found & ~removed)
    invalid[removed] = FILTERED
    invalid[((landing < -0.5) | (landing > width - 0.5)) & (invalid == VALID)] = OUTSIDE
    disparity[invalid != VALID] = np.nan
    return disparity, invalid


def _smaller(left: U8, right: U8, searched: SearchRange, size: tuple[int, int]) -> tuple[U8, U8, SearchRange]:
    """Return the pair at `size` (width, height), and the range to search there."""
    import cv2

    factor = size[0] / left.shape[1]
    pictures = [
        np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8) for picture in (left, right)
    ]
    count = math.ceil(searched.count * factor / 16) * 16
    return pictures[0], pictures[1], SearchRange(math.floor(searched.minimum_px * factor), count)


def _enlarged(disparity: F32, invalid: U8, size: tuple[int, int]) -> tuple[F32, U8]:
    """Return disparities and reasons at `size` (width, height), each pixel taking its nearest one's."""
    import cv2

    factor = size[0] / disparity.shape[1]
    larger = cv2.resize(disparity * np.float32(factor), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(larger, np.float32), np.asarray(
        cv2.resize(invalid, size, interpolation=cv2.INTER_NEAREST), np.uint8
    )
