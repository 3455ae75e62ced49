"""Real recordings of words, with their speakers: what the keyword model is judged by, and may adapt to.

Single words of Speech Commands come in a folder with a table; other real voices come from Debian packages, which
`dpkg -x` unpacks without installing them: asterisk-core-sounds-en-wav (CC BY-SA 3.0), ktuberling-data and klettres-data
(GPL-2+, CC0), sound-theme-freedesktop and alsa-utils (noises).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from training.sounds import RATE_HZ, Sound
from training.words import DIGITS, UNKNOWN, sounds_known

ASTERISK, KLETTRES, KTUBERLING = "asterisk/sounds/en_US_f_Allison", "klettres", "ktuberling/sounds"
_WORDS = """
activated added calling cancelled disabled enabled extension goodbye hello hours invalid is location lowercase
minute minutes number removed second seconds sorry time transfer uppercase with your vm-and vm-delete vm-deleted
vm-duration vm-Family vm-Friends vm-from vm-INBOX vm-last vm-login vm-message vm-messages vm-Old vm-password
vm-press vm-received vm-saved vm-Urgent vm-Work digits/10 digits/11 digits/12 digits/13 digits/15 digits/20
digits/30 digits/50 digits/hundred digits/thousand digits/million digits/billion digits/minus digits/dollars
digits/pound digits/star digits/today digits/tomorrow digits/yesterday digits/oclock digits/at
"""
ASTERISK_WORDS = tuple(_WORDS.split())


@dataclass(frozen=True)
class Clip:
    """One second with a word in it: `sound` (16000,), -1 to 1."""

    word: str
    speaker: str
    sound: Sound


def read_clips(folder: Path) -> list[Clip]:
    """Read the clips that a folder's clips.csv (file, word, speaker) lists, each cut or filled to a second."""
    with (folder / "clips.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    return [Clip(row["word"], row["speaker"], second(read_sound(folder / row["file"]))) for row in rows]


def read_more_words(packages: Path) -> list[Clip]:
    """Read the keywords that unpacked packages hold: digits on the telephone, "dog", "no", "tree" and "forward"."""
    share = packages / "usr/share"
    named = {f"{ASTERISK}/digits/{number}.wav": word for number, word in enumerate(DIGITS)}
    named |= {f"{KLETTRES}/{accent}/syllab/{word}.ogg": word for accent in ("en", "en_GB") for word in ("dog", "no")}
    named |= {f"{KTUBERLING}/en/tv_tree.ogg": "tree", f"{ASTERISK}/vm-forward.wav": "forward"}
    return [Clip(word, _speaker(share / name), loudest(read_sound(share / name))) for name, word in named.items()]


def read_other_words(packages: Path) -> list[Clip]:
    """Read the English letters and words of unpacked packages that are no keywords, and begin with none."""
    share = packages / "usr/share"
    asterisk = share / ASTERISK
    paths = [asterisk / f"{word}.wav" for word in ASTERISK_WORDS]
    paths += [*asterisk.glob("letters/[a-z].wav"), *asterisk.glob("phonetic/[a-z]_p.wav")]
    paths += [*asterisk.glob("digits/day-*.wav"), *asterisk.glob("digits/mon-*.wav")]
    paths += [path for path in (share / KTUBERLING / "en").glob("*.ogg") if path.stem != "tv_tree"]
    for accent in ("en", "en_GB"):
        paths += [path for path in (share / KLETTRES / accent).rglob("*.ogg") if path.stem not in ("dog", "no")]
    kept = [path for path in sorted(paths) if not sounds_known(path.stem.split("_")[-1])]
    return [Clip(UNKNOWN, _speaker(path), loudest(read_sound(path))) for path in kept]


def read_foreign_words(packages: Path) -> list[Clip]:
    """Read the words of other languages of unpacked packages: real voices that say no English keyword."""
    share = packages / "usr/share"
    paths = [path for path in (share / KTUBERLING).glob("*/*.ogg") if path.parent.name != "en"]
    return [Clip(UNKNOWN, _speaker(path), loudest(read_sound(path))) for path in sorted(paths)]


def read_noises(packages: Path) -> list[Sound]:
    """Read the bells, knocks and beeps of a desktop, without the files in which somebody speaks."""
    paths = (packages / "usr/share/sounds").rglob("*.oga")
    return [read_sound(path) for path in sorted(paths) if not path.stem.startswith("audio-channel")]


def read_sound(path: Path) -> Sound:
    """Read any file that libsndfile knows as one channel at 16 kHz, (n,), -1 to 1."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = sound.mean(axis=1)
    return mono if rate == RATE_HZ else soxr.resample(mono, rate, RATE_HZ).astype(np.float32)


def second(sound: Sound) -> Sound:
    """Cut or fill a sound at both ends to a second, (16000,)."""
    if len(sound) > RATE_HZ:
        return sound[(len(sound) - RATE_HZ) // 2 :][:RATE_HZ]
    missing = RATE_HZ - len(sound)
    return np.pad(sound, (missing // 2, missing - missing // 2))


def loudest(sound: Sound) -> Sound:
    """Return the second with the most energy, (16000,), of a sound whose quiet ends are cut off first."""
    loud = np.flatnonzero(np.abs(sound) > 0.01 * np.abs(sound).max(initial=1e-9))
    sound = sound[loud[0] : loud[-1] + 1] if len(loud) else sound
    if len(sound) <= RATE_HZ:
        return second(sound)
    energy = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])
    start = int(np.argmax(energy[RATE_HZ:] - energy[:-RATE_HZ]))
    return sound[start : start + RATE_HZ]


def assign_folds(clips: Sequence[Clip], folds: int) -> np.ndarray:
    """Return the fold of each clip, (n,): no speaker is in two, and their sizes are as even as that allows."""
    sizes = np.zeros(folds, dtype=int)
    fold_of = {}
    for speaker, number in sorted(Counter(clip.speaker for clip in clips).items(), key=lambda one: (-one[1], one[0])):
        fold_of[speaker] = int(sizes.argmin())
        sizes[fold_of[speaker]] += number
    return np.array([fold_of[clip.speaker] for clip in clips])


def _speaker(path: Path) -> str:
    """Name the voice of a package's file: each package has one for each language."""
    return "asterisk" if path.suffix == ".wav" else "/".join(path.parts[path.parts.index("share") + 1 : -1][:3])
