"""The loop of a training run: one process or several, a budget of time, and everything kept so that it can be resumed.

A recipe is a `Trainer` that says what its losses are and how its model is examined; everything else is the same for
all. Losses are summed, gradients averaged over the processes of torchrun, matrices of the transformers' layers trained
by Muon and the rest by AdamW.
"""

from __future__ import annotations

import csv
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from transformers import PreTrainedModel, ProcessorMixin

from training.checkpoints import save_checkpoint
from training.muon import Muon


@dataclass(frozen=True)
class RunOptions:
    """How to run any recipe; a recipe's options derive from these and add their own.

    `samples` caps the run where `minutes` would not; the learning rate decays to zero by whichever.
    """

    work: Path = Path(".cache/run")  # for the state of the run and its log
    output: Path = Path(".cache/run/model")
    minutes: float = 60.0
    samples: int = 0
    batch: int = 64  # of each process
    learning_rate: float = 1e-3  # of AdamW
    muon_learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: float = 0.02  # share of the run
    early: float = 0.12  # share of the run after which the early checkpoint is saved
    threads: int = 1
    seed: int = 0
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def run(make: Callable[[], Trainer], threads: int) -> None:
    """Make a trainer and run it, together with the other processes where torchrun started several."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # AdamW's averages get below 1e-38, where a CPU takes many times longer
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if "WORLD_SIZE" in os.environ:  # set by torchrun
        dist.init_process_group("gloo")
    make().run()
    if dist.is_initialized():
        dist.destroy_process_group()


class Trainer(ABC):
    """Everything that a run is made of, and the loop. `head` is trained with the model and thrown away afterwards."""

    LOSSES: ClassVar[tuple[str, ...]]  # their names, in the order of `losses`

    def __init__(self, options: RunOptions, model: PreTrainedModel, head: nn.Module, processor: ProcessorMixin) -> None:
        self._options, self.model, self.head, self.processor = options, model, head, processor
        self.rank, self.processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self.optimizers = make_optimizers(model, head, options)
        self.seen, self.seconds = 0, 0.0  # of training, pauses not counted
        options.work.mkdir(parents=True, exist_ok=True)
        self.checkpoint = options.work / "latest.pt"
        if self.checkpoint.exists():
            self._restore()
        # The seed counts what was seen, so that a run taken up again does not draw the same batches twice.
        self.rng = np.random.default_rng((options.seed, self.seen, self.rank))

    @abstractmethod
    def losses(self) -> tuple[Tensor, ...]:
        """Draw a batch and return its losses, whose sum is to be made small."""

    @abstractmethod
    def examine(self) -> str:
        """Return, in words, how the model does on the validation seeds."""

    @property
    def progress(self) -> float:
        """The share of the budget that is used, 0 to 1."""
        options = self._options
        share = self.seen / options.samples if options.samples else self.seconds / (60 * options.minutes)
        return min(share, 1.0)

    def run(self) -> None:
        """Train until the budget is used, saving the state, the model and the log on the way."""
        options = self._options
        saved = examined = self.seconds
        early = self.progress < options.early
        losses: list[list[float]] = []
        while self.progress < 1:
            start = time.monotonic()
            self._set_learning_rates()
            losses.append(self._step())
            self.seen += options.batch * self.processes
            self.seconds += self._mean(time.monotonic() - start)
            if self.rank > 0:
                continue

            finished = self.progress == 1
            if len(losses) >= 50 or finished:
                self._log(losses)
                losses = []
            if self.seconds - saved >= 120 or finished:
                saved = self.seconds
                self._save()
            if early and self.progress >= options.early:
                early = False
                self._export(options.output.with_name(f"{options.output.name}-early"))
            if self.seconds - examined >= 300 or finished:
                examined = self.seconds
                self._export(options.output)

    def _step(self) -> list[float]:
        """Learn from one batch of each process; return this one's losses."""
        device = self._options.device
        quick = torch.autocast(device, torch.bfloat16, enabled=bfloat16_is_quick(device))
        with quick:
            losses = self.losses()
        self.model.zero_grad()
        self.head.zero_grad()
        torch.stack(losses).sum().backward()
        learned = [p for p in (*self.model.parameters(), *self.head.parameters()) if p.grad is not None]
        if self.processes > 1:
            gradients = [p.grad for p in learned if p.grad is not None]
            together = nn.utils.parameters_to_vector(gradients)
            dist.all_reduce(together)
            nn.utils.vector_to_parameters(together / self.processes, gradients)
        nn.utils.clip_grad_norm_(learned, 1.0)
        with quick:  # for Muon's iteration, which needs no more than that
            for optimizer in self.optimizers:
                optimizer.step()
        return [loss.item() for loss in losses]

    def _mean(self, seconds: float) -> float:
        """Return the mean over the processes, so that all of them see the same progress and stop together."""
        if self.processes == 1:
            return seconds
        total = torch.tensor(seconds, dtype=torch.float64)
        dist.all_reduce(total)
        return total.item() / self.processes

    def _set_learning_rates(self) -> None:
        """Rise during the warm-up, then fall to nothing in a straight line: the end of the fall is what sharpens it."""
        warm_up = self._options.warm_up
        rate = min(self.progress / warm_up + 1e-3, (1 - self.progress) / (1 - warm_up))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * rate

    def _log(self, losses: list[list[float]]) -> None:
        means = (f"{mean:.4f}" for mean in np.mean(losses, axis=0))
        row = (self.seen, round(self.seconds), f"{self.progress:.3f}", *means)
        with (self._options.work / "log.csv").open("a", newline="") as file:
            if not file.tell():
                csv.writer(file).writerow(("samples", "seconds", "progress", *self.LOSSES))
            csv.writer(file).writerow(row)
        print(*row, flush=True)

    def _export(self, folder: Path) -> None:
        save_checkpoint(self.model, self.processor, folder)
        print(f"{folder.name} after {self.seen} samples: {self.examine()}", flush=True)

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "head": self.head.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "state": {"seen": self.seen, "seconds": self.seconds},
        }
        part = self.checkpoint.with_suffix(".part")  # a crash while writing must not cost the last good one
        torch.save(state, part)
        part.rename(self.checkpoint)

    def _restore(self) -> None:
        saved = torch.load(self.checkpoint, map_location=self._options.device, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.head.load_state_dict(saved["head"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            peaks = [group["peak_lr"] for group in optimizer.param_groups]  # of the options, which may have changed
            optimizer.load_state_dict(state)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["peak_lr"] = peak
        self.seen, self.seconds = saved["state"]["seen"], saved["state"]["seconds"]


@cache
def bfloat16_is_quick(device: str) -> bool:
    """bfloat16 halves the time where the hardware multiplies it, and doubles it on a CPU that does not."""
    return device != "cpu" or torch.cpu._is_avx512_bf16_supported()


def make_optimizers(model: nn.Module, head: nn.Module, options: RunOptions) -> list[torch.optim.Optimizer]:
    """Give the matrices of the transformers' layers to Muon, and all the rest to AdamW, without decay."""
    named = list(model.named_parameters())
    hidden = [p for name, p in named if ".layer" in name and p.ndim == 2]
    others = [p for name, p in named if not any(p is q for q in hidden)] + list(head.parameters())
    optimizers = [
        torch.optim.AdamW(others, options.learning_rate, (0.9, 0.98), weight_decay=0.0, fused=True),
        Muon(hidden, options.muon_learning_rate, options.weight_decay),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers
