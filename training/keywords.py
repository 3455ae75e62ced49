"""Teach the encoder of Whisper tiny.en to spot 35 words in a second of audio, and save it as a Hugging Face folder.

Whisper already hears speech; what is left is to tell a few words apart, from everything else, in a short time. Three
ideas carry the recipe:

1. Nobody is recorded for it: synthesisers say the words (`training.voices`), and every time a word is drawn it is
   spoken at another pace, elsewhere in the second, in another room, over another noise (`training.keyword_lessons`).
2. The lower layers stay as Whisper's millions of real voices made them: what the upper ones learn from synthetic
   voices then holds for real ones. What the lower layers make of a sound is computed once (`training.keyword_states`).
3. A few real voices are worth many synthetic ones. With `--real-share` real clips are mixed in; `--held-out` leaves out
   the speakers of one fold, to measure what that brings (`training.grade_keywords`). The last run starts halfway back
   to the model that knew synthetic voices alone, which was the surer of noise, and hears more noise.

What is saved is the average of the weights over the last tenth of the steps, which generalises better than the last.

    python -m training.voices --utterances 2000
    python -m training.keyword_head --synthetic 6000 --output .cache/keywords/head
    python -m training.keywords --start .cache/keywords/head --samples 100000 --learning-rate 5e-4 --encoder-rate 0.4
    python -m training.keywords --start .cache/keywords/synthetic --real CLIPS --real-share 0.4 --samples 10000 \
        --work .cache/keywords/run-real --output .cache/keywords/real
    python -m training.keywords --start .cache/keywords/real --blend .cache/keywords/synthetic --real CLIPS \
        --real-share 0.3 --noise-share 0.2 --encoder-rate 0.4 --samples 6400 \
        --work .cache/keywords/run-final --output .cache/keywords/final

A run that was stopped goes on where its last checkpoint was.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from transformers import WhisperForAudioClassification

from training.checkpoints import write_checksums
from training.clips import assign_folds, read_clips
from training.keyword_lessons import NUMBERS
from training.keyword_states import EVERY_FOLD, NO_PATH, StateOptions, gather, upper
from training.loop import Trainer, run
from training.whisper import POSITIONS, LogMel, make_extractor, make_model, read_encoder
from training.words import LABELS, SILENCE

SHARD = "10MB"  # safetensors files stay under the 10 MiB that Spaces and git take without LFS


@dataclass(frozen=True)
class Options(StateOptions):
    """How to train the keyword model."""

    batch: int = 64
    learning_rate: float = 3e-4  # of the head
    work: Path = Path(".cache/keywords/run")
    output: Path = Path(".cache/keywords/synthetic")
    start: Path = NO_PATH  # a saved model to go on from, instead of Whisper's encoder
    blend: Path = NO_PATH  # another, with whose weights those of the start are averaged
    real_share: float = 0.0  # of a batch
    noise_share: float = 0.15  # of a batch: silence, noise, music
    encoder_rate: float = 0.3  # learning rate of the encoder, as a share of the head's
    label_smoothing: float = 0.05
    dropout: float = 0.1  # in the layers that learn
    masked: int = 8  # of the 50 states in time, at most: a stretch of each second is left out
    weight_decay: float = 0.01
    warm_up: float = 0.05


class Spotting(Trainer):
    """What is particular to this recipe: AdamW at two rates, frozen layers, averaged weights, two files of weights."""

    LOSSES = ("words_loss",)

    def __init__(self, options: Options) -> None:
        torch.manual_seed(options.seed)
        if options.start != NO_PATH:
            model = WhisperForAudioClassification.from_pretrained(options.start, dtype=torch.float32)
        else:
            model = make_model(read_encoder(options.whisper))
        if options.blend != NO_PATH:
            blend(model, WhisperForAudioClassification.from_pretrained(options.blend, dtype=torch.float32))
        model.set_attn_implementation("eager")  # whose backward pass is quicker on a CPU
        freeze(model, options.frozen)
        for layer in model.encoder.layers[options.frozen :]:
            layer.dropout = options.dropout
        model.to(options.device).train()
        self.averaged = AveragedModel(model, avg_fn=average).requires_grad_(False)
        self.spotting = options
        super().__init__(options, model, self.averaged, make_extractor())
        if not self.seen:
            self.optimizers = self._make_optimizers()
        self.lessons = gather(options)
        real = self.lessons.folds != EVERY_FOLD
        silent = self.lessons.labels == NUMBERS[SILENCE]
        self.spoken, self.noise, self.real = (np.flatnonzero(kind) for kind in (~real & ~silent, ~real & silent, real))

    def losses(self) -> tuple[Tensor, ...]:
        """Return the cross-entropy of a batch."""
        options = self.spotting
        real, noise = (round(share * options.batch) for share in (options.real_share, options.noise_share))
        numbers = (options.batch - real - noise, real, noise)
        pools = (self.spoken, self.real, self.noise)
        chosen = np.concatenate(
            [self.rng.choice(pool, number) for pool, number in zip(pools, numbers, strict=True) if number]
        )
        states = torch.from_numpy(self.lessons.states[chosen]).to(options.device).float()
        states *= self._masks(len(states)).to(options.device)
        labels = torch.from_numpy(self.lessons.labels[chosen]).to(options.device)
        logits = self.model.classifier(self.model.projector(upper(self.model, states, options.frozen))).float()
        return (nn.functional.cross_entropy(logits, labels, label_smoothing=options.label_smoothing),)

    def _masks(self, number: int) -> Tensor:
        """Return 0 where a stretch of up to `masked` states is left out, else 1: (number, 50, 1).

        Source: Park et al., SpecAugment (2019), section 2, time masking; here on what the frozen layers make.
        """
        lengths = self.rng.integers(0, self.spotting.masked + 1, (number, 1))
        starts = self.rng.integers(0, POSITIONS - lengths + 1)
        places = np.arange(POSITIONS)
        inside = (places >= starts) & (places < starts + lengths)
        return torch.from_numpy(~inside[..., None]).float()

    def examine(self) -> str:
        """Return, in words, how many of the real clips that are not learned from are understood."""
        truths, said = self._listened
        if not truths:
            return "no real clips to listen to"
        numbers = spot(self.averaged.module, said).argmax(axis=1)
        right = sum(LABELS[number] == truth for number, truth in zip(numbers, truths, strict=True))
        return f"{right} of {len(truths)} real clips understood ({right / len(truths):.1%})"

    @cached_property
    def _listened(self) -> tuple[list[str], NDArray[np.float32]]:
        options = self.spotting
        clips = read_clips(options.real) if options.real != NO_PATH else []
        folds = assign_folds(clips, options.folds)
        kept = [
            clip for clip, fold in zip(clips, folds, strict=True) if options.real_share == 0 or fold == options.held_out
        ]
        sounds = np.array([clip.sound for clip in kept], dtype=np.float32)
        return [clip.word for clip in kept], sounds

    def _step(self) -> list[float]:
        losses = super()._step()
        self.averaged.update_parameters(self.model)
        return losses

    def _make_optimizers(self) -> list[torch.optim.Optimizer]:
        options = self.spotting
        head = [*self.model.projector.parameters(), *self.model.classifier.parameters()]
        encoder = [weight for weight in self.model.encoder.parameters() if weight.requires_grad]
        groups = [
            {"params": head, "lr": options.learning_rate, "peak_lr": options.learning_rate},
            {"params": encoder, "lr": options.learning_rate, "peak_lr": options.encoder_rate * options.learning_rate},
        ]
        return [torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=options.weight_decay, fused=True)]

    def _restore(self) -> None:
        self.optimizers = self._make_optimizers()
        super()._restore()

    def _export(self, folder: Path) -> None:
        save_keyword_model(self.averaged.module, folder)
        print(f"{folder.name} after {self.seen} samples: {self.examine()}", flush=True)


@torch.no_grad()
def blend(model: WhisperForAudioClassification, other: WhisperForAudioClassification) -> None:
    """Put a model's weights halfway between its own and another's, which has gone on from it or from which it went on.

    Source: Wortsman et al., Robust fine-tuning of zero-shot models (2022), section 3.
    """
    for weight, others in zip(model.parameters(), other.parameters(), strict=True):
        weight.lerp_(others, 0.5)


def average(averaged: Tensor, latest: Tensor, steps: Tensor | int) -> Tensor:
    """Return the average of weights over about the last tenth of the steps so far."""
    return averaged.lerp(latest, 9 / (9 + float(steps)))


def freeze(model: WhisperForAudioClassification, layers: int) -> None:
    """Keep the convolutions, the positions and the lowest layers as they are."""
    encoder = model.encoder
    for part in (encoder.conv1, encoder.conv2, encoder.embed_positions, *encoder.layers[:layers]):
        part.requires_grad_(False)


@torch.no_grad()
def spot(model: WhisperForAudioClassification, sounds: NDArray[np.float32], batch: int = 64) -> NDArray[np.float32]:
    """Return the scores (n, labels), which sum to 1, of seconds of sound (n, 16000)."""
    training = model.training
    model.eval()
    spectrogram = LogMel(str(model.device))
    scores = []
    for start in range(0, len(sounds), batch):
        heard = torch.from_numpy(sounds[start : start + batch].copy()).to(model.device)
        scores.append(model(spectrogram(heard)).logits.float().softmax(dim=1).cpu().numpy())
    model.train(training)
    return np.concatenate(scores)


def save_keyword_model(model: WhisperForAudioClassification, folder: Path) -> None:
    """Save a model (as float16, in shards) and its feature extractor to a folder, with the SHA256SUMS of its files."""
    folder.mkdir(parents=True, exist_ok=True)
    copied = make_model().to(torch.float16)
    copied.load_state_dict(model.state_dict())
    for shard in folder.glob("model*.safetensors*"):  # of another number of shards
        shard.unlink()
    copied.save_pretrained(folder, max_shard_size=SHARD)
    make_extractor().save_pretrained(folder)
    write_checksums(folder)


def main() -> None:
    """Train with the options given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in vars(Options()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    options = Options(**vars(parser.parse_args()))
    run(lambda: Spotting(options), options.threads)


if __name__ == "__main__":
    main()
