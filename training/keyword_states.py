"""Keep what the lower layers of Whisper make of many seconds of sound, so that the upper ones can learn from it often.

The lower layers of the keyword model stay as Whisper's: what they make of a sound never changes, and is computed once.
Everything is drawn in chunks, each by its own seed, which are kept in files: the cache can be added to, stopped and
taken up again, and all folds of a cross-validation learn from the same.

    python -m training.keyword_states --real CLIPS
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import WhisperForAudioClassification

from training import voices
from training.clips import Clip, assign_folds, read_clips
from training.keyword_lessons import NUMBERS, Lessons
from training.loop import RunOptions, bfloat16_is_quick
from training.whisper import LogMel, make_model, read_encoder
from training.words import SILENCE, UNKNOWN

NO_PATH = Path()
CHUNK = 250  # synthetic seconds in a file of the cache
SPOILED = 100  # seconds in a file of real ones that say no word
EVERY_FOLD = -1  # the fold of what all may learn from


@dataclass(frozen=True)
class StateOptions(RunOptions):
    """What to learn from."""

    cache: Path = voices.CACHE
    states: Path = Path(".cache/keywords/states")
    whisper: Path = Path(".cache/keywords/whisper-tiny.en")  # as training.whisper says
    real: Path = NO_PATH  # a folder of real clips
    synthetic: int = 26_000  # seconds drawn
    noise: int = 8000  # seconds of noise and music besides
    variants: int = 24  # of each real clip; the first is the clip itself
    folds: int = 5  # of real speakers
    held_out: int = -2  # the fold to leave out, or -2
    frozen: int = 2  # of the layers, the lowest; the convolutions with them
    noise_seconds: int = 1200  # of noise and music, made before anything is drawn


@dataclass(frozen=True)
class States:
    """What the frozen layers make of seconds: `states` (n, 50, 384) float16, `labels` (n,), `folds` (n,)."""

    states: NDArray[np.float16]
    labels: NDArray[np.int64]
    folds: NDArray[np.int64]


def gather(options: StateOptions) -> States:
    """Draw what is not in the cache yet, and return all that may be learned from: the held-out fold is left out."""
    fill(options)
    chunks = []
    for path in _paths(options):
        with np.load(path) as saved:
            kept = saved["folds"] != options.held_out
            chunks.append([saved[name][kept] for name in ("states", "labels", "folds")])
    return States(*(np.concatenate(parts) for parts in zip(*chunks, strict=True)))


def _paths(options: StateOptions) -> list[Path]:
    paths = []
    for kind, seconds in (("synthetic", options.synthetic), ("noise", options.noise)):
        numbers = range(-(-seconds // CHUNK))
        paths += [options.states / f"{kind}-{options.seed}-{number:04d}.npz" for number in numbers]
    if options.real != NO_PATH:
        paths += [options.states / f"real-{options.folds}-{variant:03d}.npz" for variant in range(options.variants)]
    return paths


def fill(options: StateOptions) -> None:
    """Draw what is not in the cache yet."""
    options.states.mkdir(parents=True, exist_ok=True)
    missing = [path for path in _paths(options) if not path.exists()]
    if not missing:
        return
    model = make_model(read_encoder(options.whisper)).eval()
    model.set_attn_implementation("eager")
    lessons = Lessons(options.cache, np.random.default_rng(options.seed), options.noise_seconds)
    clips = read_clips(options.real) if options.real != NO_PATH else []
    folds = assign_folds(clips, options.folds)
    for path in missing:
        kind, seed, number = path.stem.split("-")
        lessons.rng = np.random.default_rng((int(seed), int(number)))
        if kind == "synthetic":
            drawn = [lessons.draw() for _ in range(CHUNK)]
            sounds, labels = [sound for sound, _ in drawn], np.array([label for _, label in drawn])
            chosen = np.full(CHUNK, EVERY_FOLD)
        elif kind == "noise":
            sounds, labels = lessons.draw_noise(CHUNK), np.full(CHUNK, NUMBERS[SILENCE])
            chosen = np.full(CHUNK, EVERY_FOLD)
        else:
            sounds, labels, chosen = _real_chunk(lessons, clips, folds, varied=int(number) > 0)
        states = lower(model, np.stack(sounds), options.frozen)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, states=states, labels=labels, folds=chosen)
        part.rename(path)
        print(path.name, flush=True)


def _real_chunk(
    lessons: Lessons, clips: list[Clip], folds: NDArray[np.int64], varied: bool
) -> tuple[list[NDArray[np.float32]], NDArray[np.int64], NDArray[np.int64]]:
    """Return every real clip once, and `SPOILED` seconds that say no word, made of two clips of one fold each."""
    sounds = [lessons.vary(clip.sound) if varied else clip.sound for clip in clips]
    labels, chosen = [NUMBERS[clip.word] for clip in clips], list(folds)
    while len(sounds) < len(clips) + SPOILED:
        first = int(lessons.rng.integers(len(clips)))
        second = int(lessons.rng.choice(np.flatnonzero(folds == folds[first])))
        if alike(clips[first].word, clips[second].word):
            continue
        spoiled = lessons.spoil(clips[first], clips[second])
        sounds.append(lessons.vary(spoiled) if varied else spoiled)
        labels.append(NUMBERS[UNKNOWN])
        chosen.append(folds[first])
    return sounds, np.array(labels), np.array(chosen)


def alike(first: str, second: str) -> bool:
    """Say whether two words begin or end so much alike that halves of them may make a word.

    >>> alike("three", "tree"), alike("bed", "bird"), alike("marvin", "go")
    (True, True, False)
    """
    return first[0] == second[0] or first[-1] == second[-1]


@torch.no_grad()
def lower(model: WhisperForAudioClassification, sounds: NDArray[np.float32], frozen: int) -> NDArray[np.float16]:
    """Return what the convolutions and the lowest layers make, (n, 50, 384), of seconds of sound (n, 16000)."""
    spectrogram, encoder, states = LogMel(), model.encoder, []
    for start in range(0, len(sounds), 50):
        mel = spectrogram(torch.from_numpy(sounds[start : start + 50]))
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_is_quick("cpu")):
            heard = torch.nn.functional.gelu(encoder.conv1(mel))
            state = torch.nn.functional.gelu(encoder.conv2(heard)).permute(0, 2, 1) + encoder.embed_positions.weight
            for layer in encoder.layers[:frozen]:
                state = layer(state, None)
        states.append(state.to(torch.float16).numpy())
    return np.concatenate(states)


def upper(model: WhisperForAudioClassification, states: Tensor, frozen: int) -> Tensor:
    """Return the mean over time, (n, 384), of what the other layers make of states (n, 50, 384)."""
    for layer in model.encoder.layers[frozen:]:
        states = layer(states, None)
    return model.encoder.layer_norm(states).mean(dim=1)


def main() -> None:
    """Fill the cache as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in vars(StateOptions()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    options = StateOptions(**vars(parser.parse_args()))
    torch.set_num_threads(options.threads)
    fill(options)


if __name__ == "__main__":
    main()
