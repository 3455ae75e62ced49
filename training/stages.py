"""The loop of a stage of the diffusion models: long, taken up again in many sittings, with averaged weights.

A stage keeps three things: the weights that are trained, their running average, which is what gets used, and the
optimizer's state. `latest.pt` holds all of them; a saved model alone is enough to go on from too, with a short warm-up.
"""

from __future__ import annotations

import csv
import os
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.loop import bfloat16_is_quick
from training.muon import Muon, orthogonal

SAVE_S = 240  # of training, between two checkpoints
LOG_STEPS = 50


@dataclass(frozen=True)
class StageOptions:
    """How to run a stage. It ends after `samples`; the learning rate is constant, then falls over the last `fall`."""

    work: Path = Path(".cache/diffusion")  # for the state, the log and what is prepared once
    output: Path = Path(".cache/diffusion/pipeline")
    samples: int = 100_000
    batch: int = 32  # of each process
    learning_rate: float = 1e-3  # of AdamW
    muon_learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warm_up: int = 6_000  # samples, after every start
    fall: float = 0.4  # share of the stage
    average: float = 0.998  # of the averaged weights, kept from step to step
    threads: int = 1
    seed: int = 0
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


class Stage(ABC):
    """What a stage is made of, and its loop. `model` is trained and averaged; `head` is trained and thrown away."""

    NAME: ClassVar[str]
    LOSSES: ClassVar[tuple[str, ...]]  # their names, in the order of `losses`

    def __init__(self, options: StageOptions, model: nn.Module, head: nn.Module | None = None, seen: int = 0) -> None:
        self.options = options
        self.rank, self.processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self.model, self.head = model.to(options.device), (head or nn.Module()).to(options.device)
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(options.average), use_buffers=False)
        self.average.requires_grad_(False)
        self.learned = [p for p in (*self.model.parameters(), *self.head.parameters()) if p.requires_grad]
        self.optimizers = make_optimizers(self.model, self.head, options)
        self.seen, self.seconds = seen, 0.0
        options.work.mkdir(parents=True, exist_ok=True)
        self.checkpoint = options.work / f"{self.NAME}.pt"
        if self.checkpoint.exists():
            self._restore()
        self.started = self.seen
        # The seed counts what was seen, so that a run taken up again does not draw the same batches twice.
        self.rng = np.random.default_rng((options.seed, self.seen, self.rank))
        torch.manual_seed(int(self.rng.integers(2**31)))

    @abstractmethod
    def losses(self) -> tuple[Tensor, ...]:
        """Draw a batch and return its losses, whose sum is to be made small."""

    @abstractmethod
    def examine(self) -> str:
        """Return, in words, how the averaged weights do on the validation seeds."""

    @abstractmethod
    def export(self) -> None:
        """Save the averaged weights as a pipeline."""

    def run(self) -> None:
        """Train until `samples` have been seen, saving the state and the pipeline on the way."""
        options, saved, losses = self.options, time.monotonic(), []
        while self.seen < options.samples:
            start = time.monotonic()
            losses.append(self._step())
            self.seen += options.batch * self.processes
            self.seconds += time.monotonic() - start
            if self.rank > 0:
                continue
            finished = self.seen >= options.samples
            if len(losses) >= LOG_STEPS or finished:
                self._log(losses)
                losses = []
            if time.monotonic() - saved >= SAVE_S or finished:
                self.save()
                saved = time.monotonic()

    def save(self) -> None:
        """Write the checkpoint and the pipeline, and print how it does."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "head": self.head.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "state": {"seen": self.seen, "seconds": self.seconds},
        }
        part = self.checkpoint.with_suffix(".part")  # a crash while writing must not cost the last good one
        torch.save(state, part)
        part.rename(self.checkpoint)
        self.export()
        print(f"{self.NAME} after {self.seen} samples: {self.examine()}", flush=True)

    def _step(self) -> list[float]:
        """Learn from one batch of each process; return this one's losses."""
        options = self.options
        for optimizer, peak in zip(self.optimizers, (options.learning_rate, options.muon_learning_rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * self._rate()
        quick = torch.autocast(options.device, torch.bfloat16, enabled=bfloat16_is_quick(options.device))
        with quick:
            losses = self.losses()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        if self.processes > 1:
            gradients = [p.grad for p in self.learned if p.grad is not None]
            together = nn.utils.parameters_to_vector(gradients)
            dist.all_reduce(together)
            nn.utils.vector_to_parameters(together / self.processes, gradients)
        nn.utils.clip_grad_norm_(self.learned, 1.0)
        with quick:  # for Muon's iteration, which needs no more than that
            for optimizer in self.optimizers:
                optimizer.step()
        self.average.update_parameters(self.model)
        return [loss.item() for loss in losses]

    def _rate(self) -> float:
        """Return the share of the learning rate: up after a start, constant, down at the end of the stage."""
        options = self.options
        up = (self.seen - self.started + options.batch) / max(options.warm_up, 1)
        down = (options.samples - self.seen) / max(options.fall * options.samples, 1)
        return max(min(1.0, up, down), 1e-3)

    def _log(self, losses: list[list[float]]) -> None:
        row = (self.seen, round(self.seconds), *(f"{mean:.4f}" for mean in np.mean(losses, axis=0)))
        with (self.options.work / f"{self.NAME}.csv").open("a", newline="") as file:
            if not file.tell():
                csv.writer(file).writerow(("samples", "seconds", *self.LOSSES))
            csv.writer(file).writerow(row)
        print(*row, flush=True)

    def _restore(self) -> None:
        saved = torch.load(self.checkpoint, map_location=self.options.device, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.head.load_state_dict(saved["head"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.seen, self.seconds = saved["state"]["seen"], saved["state"]["seconds"]


class KernelMuon(Muon):
    """Muon for convolutions too: a kernel (out, in, height, width) is a matrix of `out` rows.

    After 1,600 crops the picture loss of the autoencoder was 0.29, AdamW's 0.43 (and 0.28 after twice as many).
    """

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Update every kernel once; of several processes each computes its share of the updates, for all."""
        rank, processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        for group in self.param_groups:
            # The largest first, so that the shares are about equal.
            kernels = sorted((k for k in group["params"] if k.grad is not None), key=Tensor.numel, reverse=True)
            updates = []
            for place, kernel in enumerate(kernels):
                velocity = self.state[kernel].setdefault("velocity", torch.zeros_like(kernel))
                velocity.lerp_(kernel.grad, 1 - group["momentum"])
                momentum = kernel.grad.lerp(velocity, group["momentum"]).flatten(1)
                updates.append(orthogonal(momentum) if place % processes == rank else torch.zeros_like(momentum))
            if processes > 1:
                together = nn.utils.parameters_to_vector(updates)
                dist.all_reduce(together)
                nn.utils.vector_to_parameters(together, updates)
            for kernel, update in zip(kernels, updates, strict=True):
                scale = 0.2 * max(update.shape) ** 0.5
                kernel.mul_(1 - group["lr"] * group["weight_decay"])
                kernel.sub_(update.view_as(kernel), alpha=group["lr"] * scale)


def make_optimizers(model: nn.Module, head: nn.Module, options: StageOptions) -> list[torch.optim.Optimizer]:
    """Give the kernels and matrices of hidden layers to Muon, and all the rest to AdamW, without decay."""
    ends = ("conv_in", "conv_out", "quant_conv", "embed")  # of pixels, latents, steps and words
    learned = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    hidden = [p for name, p in learned if p.ndim in (2, 4) and not any(end in name for end in ends)]
    others = [p for _, p in learned if not any(p is each for each in hidden)] + list(head.parameters())
    adamw = torch.optim.AdamW(others, options.learning_rate, (0.9, 0.98), weight_decay=0.0, fused=True)
    return [adamw, KernelMuon(hidden, options.muon_learning_rate, options.weight_decay)]


def prepare(threads: int) -> None:
    """Set up this process, and the link to the other processes where torchrun started several."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # AdamW's averages get below 1e-38, where a CPU takes many times longer
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if "WORLD_SIZE" in os.environ and not dist.is_initialized():  # set by torchrun
        dist.init_process_group("gloo", timeout=timedelta(days=7))  # a run may be paused
