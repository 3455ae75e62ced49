"""Fit the head of the keyword model on what Whisper's encoder, left as it is, makes of seconds of sound.

Whisper tells words apart so well that a linear map of the mean of its features is most of the way: nothing has to be
learned but 384 weights a word, which takes seconds. `training.keywords` goes on from the folder that this saves.

    python -m training.keyword_head --synthetic 6000 --output .cache/keywords/head
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import WhisperForAudioClassification

from training.keyword_states import EVERY_FOLD, StateOptions, States, gather, upper
from training.keywords import save_keyword_model
from training.loop import bfloat16_is_quick
from training.whisper import make_model, read_encoder


@dataclass(frozen=True)
class HeadOptions(StateOptions):
    """How to fit the head."""

    output: Path = Path(".cache/keywords/head")
    real_share: float = 0.5  # of the weight of all samples
    decay: float = 3e-4  # on the square of the head's weights
    iterations: int = 100


@torch.no_grad()
def listen(model: WhisperForAudioClassification, states: States, frozen: int) -> Tensor:
    """Return the mean over time of the encoder's features, (n, 384)."""
    means = []
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_is_quick("cpu")):
        for start in range(0, len(states.states), 50):
            chunk = torch.from_numpy(states.states[start : start + 50]).float()
            means.append(upper(model, chunk, frozen).float())
    return torch.cat(means)


def fit(
    means: Tensor, labels: NDArray[np.int64], weights: NDArray[np.float64], classes: int, options: HeadOptions
) -> tuple[Tensor, Tensor]:
    """Return the weights (classes, 384) and offsets (classes,) with the least weighted cross-entropy.

    Features are levelled for the fit; what is returned is for features as they are.
    """
    targets = torch.from_numpy(labels)
    shares = torch.from_numpy(weights / weights.sum()).float()
    middle, spread = means.mean(dim=0), means.std(dim=0) + 1e-3
    levelled = (means - middle) / spread
    slopes = torch.zeros(classes, means.shape[1], requires_grad=True)
    offsets = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([slopes, offsets], max_iter=options.iterations, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        each = nn.functional.cross_entropy(levelled @ slopes.T + offsets, targets, reduction="none")
        total = (each * shares).sum() + options.decay * slopes.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    scaled = (slopes / spread).detach()
    return scaled, offsets.detach() - scaled @ middle


def share_weights(folds: NDArray[np.int64], real_share: float) -> NDArray[np.float64]:
    """Return the weight of each sample, (n,): real ones, which have a fold, together have their share."""
    real = folds != EVERY_FOLD
    weights = np.ones(len(folds))
    if real.any() and not real.all():
        weights[real] = real_share / (1 - real_share) * (~real).sum() / real.sum()
    return weights


def set_head(model: WhisperForAudioClassification, slopes: Tensor, offsets: Tensor) -> None:
    """Write a linear map into the two layers of the model's head, which is one: through its singular vectors."""
    left, strengths, right = torch.linalg.svd(slopes, full_matrices=False)  # (labels, r), (r,), (r, 384)
    rank = len(strengths)
    with torch.no_grad():
        for part in (model.projector.weight, model.projector.bias, model.classifier.weight):
            part.zero_()
        model.projector.weight[:rank] = strengths.sqrt()[:, None] * right
        model.classifier.weight[:, :rank] = left * strengths.sqrt()
        model.classifier.bias.copy_(offsets)


def main() -> None:
    """Fit a head as the command line says, and save the model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in vars(HeadOptions()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    options = HeadOptions(**vars(parser.parse_args()))
    torch.set_num_threads(options.threads)

    model = make_model(read_encoder(options.whisper)).eval()
    states = gather(options)
    weights = share_weights(states.folds, options.real_share)
    means = listen(model, states, options.frozen)
    set_head(model, *fit(means, states.labels, weights, model.config.num_labels, options))
    save_keyword_model(model, options.output)


if __name__ == "__main__":
    main()
