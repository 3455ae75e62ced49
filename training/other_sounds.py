"""Make the other sounds that words a user teaches are told apart from: assets/keyword_spotting/other_sounds.ogg.

A word that was taught with five examples is only known once it is known what it is not. These are 300 seconds, each
with one sound in its middle: words said by synthesisers (35 words by five voices each, which show besides how much
one word varies from voice to voice, and 65 words once), and noise and music. other_sounds.csv names them in order.

    python -m training.voices
    python -m training.other_sounds

They ship as sound, so that any model can hear them. What the embedded model makes of them ships besides, so that nobody
waits for it; it is made again whenever that model is trained again (and goes unused until then):

    python -m training.other_sounds --features-only
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from safetensors.numpy import save_file
from transformers import WhisperForAudioClassification

from training import voices
from training.clips import loudest
from training.sounds import RATE_HZ, Sound, colour, mix, nonspeech, room, root_mean_square
from training.whisper import LogMel
from training.words import WORDS

VOICES_A_WORD, OTHER_WORDS, NOISES = 5, 65, 60
ENGINES = ("kokoro", "flite", "espeak", "hibari", "espeak")  # in turn; of the last there are hundreds of voices
NOISE = "_noise_"
QUALITY = 0.6  # of Vorbis, 0 to 1: about 100 kbit/s at 16 kHz would be 1
BLOCK = 4096  # samples written at once: libsndfile's Vorbis writer overflows its stack at whole files
SEED = 60_060
SOUNDS, TABLE, FEATURES = "other_sounds.ogg", "other_sounds.csv", "other_sounds.safetensors"


@dataclass(frozen=True)
class OtherSound:
    """One second, (16000,), and the word that is said in it, by which voice."""

    word: str
    voice: str
    sound: Sound


def other_sounds(said: list[voices.Utterance], rng: np.random.Generator) -> Iterator[OtherSound]:
    """Draw the sounds: each word by voices as different as there are, each voice in a room and over a noise of its own.

    Raises:
        ValueError: a word was not said by enough voices yet.
    """
    order = [said[number] for number in rng.permutation(len(said))]
    for word in WORDS:
        left = [one for one in order if one.text == word]
        for turn in range(VOICES_A_WORD):
            engine = ENGINES[turn % len(ENGINES)]
            if not left:
                raise ValueError(f"expected {VOICES_A_WORD} voices that say {word!r}, found {turn}")
            left.sort(key=lambda one: not one.voice.startswith(engine))  # stable: the engine's own first
            yield _recorded(left.pop(0), rng)
    others = [one for one in order if one.text not in WORDS and " " not in one.text]
    for number in range(OTHER_WORDS):
        engine = ENGINES[number % len(ENGINES)]
        others.sort(key=lambda one: not one.voice.startswith(engine))
        yield _recorded(others.pop(0), rng)
    for _ in range(NOISES):
        yield OtherSound(NOISE, "", _levelled(nonspeech(rng, 1.0), rng))


def _recorded(one: voices.Utterance, rng: np.random.Generator) -> OtherSound:
    """Put what a voice said into a room, before a microphone, over a noise."""
    sound = loudest(one.sound.astype(np.float32) / np.float32(32768))
    if rng.random() < 0.5:
        sound = room(sound, rng)
    if rng.random() < 0.8:
        sound = colour(sound, rng)
    return OtherSound(one.text, one.voice, _levelled(mix(sound, nonspeech(rng, 1.0), rng.uniform(10, 40)), rng))


def _levelled(sound: Sound, rng: np.random.Generator) -> Sound:
    level = 10 ** (rng.uniform(-35, -20) / 20)
    return np.clip(sound * np.float32(level / (root_mean_square(sound) + 1e-9)), -1, 1).astype(np.float32)


def write(sounds: list[OtherSound], folder: Path) -> None:
    """Write the sounds as one file, a second each, and the table of what they are."""
    joined = np.concatenate([one.sound for one in sounds])
    with soundfile.SoundFile(
        folder / SOUNDS, "w", RATE_HZ, 1, format="OGG", subtype="VORBIS", compression_level=1 - QUALITY
    ) as file:
        for start in range(0, len(joined), BLOCK):
            file.write(joined[start : start + BLOCK])
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["word", "voice"])
        writer.writerows((one.word, one.voice) for one in sounds)


@torch.no_grad()
def write_features(model: Path, folder: Path, batch: int = 20) -> None:
    """Write the mean over time of what a model's encoder makes of each second, (300, 384) float16.

    The header names the model's weights by the SHA-256 of its SHA256SUMS.
    """
    joined, _ = soundfile.read(folder / SOUNDS, dtype="float32")
    seconds = torch.from_numpy(joined.reshape(-1, RATE_HZ))
    loaded = WhisperForAudioClassification.from_pretrained(model, dtype=torch.float32).eval()
    spectrogram = LogMel()
    heard = [loaded.encoder(spectrogram(part)).last_hidden_state.mean(dim=1) for part in seconds.split(batch)]
    weights = hashlib.sha256((model / "SHA256SUMS").read_bytes()).hexdigest()
    save_file({"features": torch.cat(heard).half().numpy()}, folder / FEATURES, {"weights_sha256": weights})


def main() -> None:
    """Make the files from what the synthesisers have said so far."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, default=voices.CACHE, help="what training.voices made")
    parser.add_argument("--output", type=Path, default=Path("assets/keyword_spotting"))
    parser.add_argument("--model", type=Path, default=Path("assets/models/whisper-keywords"))
    parser.add_argument("--features-only", action="store_true", help="keep the sounds, hear them with another model")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    if not options.features_only:
        write(list(other_sounds(list(voices.read(options.cache)), np.random.default_rng(SEED))), options.output)
    write_features(options.model, options.output)


if __name__ == "__main__":
    main()
