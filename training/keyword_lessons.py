"""Draw seconds of sound with their labels, for the keyword model to learn from: words, other speech, and neither.

Synthetic speech is drawn afresh each time: an utterance of one of the engines (`training.voices`), at another pace,
elsewhere in the second, in another room, over another noise, through another microphone. Real clips have their room
and noise already and are changed less.

Real clips say nothing but keywords. A model that learned from them as they are would take whatever sounds like their
microphones for a keyword, so that each also teaches what is none: played backwards, or as the first half of one word
with the second half of another.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training import voices
from training.clips import Clip
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
from training.whisper import SECONDS
from training.words import LABELS, SILENCE, UNKNOWN, WORDS, sounds_known

SAMPLES = SECONDS * RATE_HZ
SHIFT = round(0.3 * RATE_HZ)  # of the middle of a word from the middle of the second, at most
NUMBERS = {label: number for number, label in enumerate(LABELS)}
UNKNOWN_SHARE, SILENCE_SHARE = 0.3, 0.08  # of the samples
PARTIAL_SHARE = 0.02  # ... and keywords of which only the beginning or end is in the second: unknown as well
ENGINE_SHARES = {"espeak": 0.2, "flite": 0.12, "festival": 0.08, "hibari": 0.18, "piper": 0.17, "kokoro": 0.25}
MIRRORED = ("no", "on", "wow", "nine")  # played backwards, another keyword or the same


class Lessons:
    """Draws with `rng`, which may be set anew, from a cache of synthetic speech and from noises made at the start."""

    def __init__(self, cache: Path, rng: np.random.Generator, noise_seconds: int = 1200) -> None:
        self.rng = rng
        self.noise = np.concatenate([nonspeech(rng, 10.0) for _ in range(noise_seconds // 10)])
        self.spoken: dict[tuple[str, str], list[voices.Utterance]] = {}  # by label and engine
        for one in voices.read(cache):
            if one.text in NUMBERS or not any(sounds_known(word) for word in one.text.split()):
                label = one.text if one.text in NUMBERS else UNKNOWN
                self.spoken.setdefault((label, one.voice.partition(":")[0]), []).append(one)
        missing = [label for label in (*WORDS, UNKNOWN) if not any(label == spoken for spoken, _ in self.spoken)]
        if missing:
            raise ValueError(f"expected every word in {cache}, found none that says {missing[0]}")

    def draw(self) -> tuple[Sound, int]:
        """Return a second of sound, (16000,), without a real voice, and the number of its label."""
        kind = self.rng.random()
        if kind < SILENCE_SHARE:
            return self._finish(self._background(), quiet=True), NUMBERS[SILENCE]
        if kind < SILENCE_SHARE + UNKNOWN_SHARE:
            return self._finish(self._scene(self._placed(self._utterance(UNKNOWN)))), NUMBERS[UNKNOWN]
        word = WORDS[self.rng.integers(len(WORDS))]
        if kind > 1 - PARTIAL_SHARE:
            return self._finish(self._scene(self._partial(self._utterance(word)))), NUMBERS[UNKNOWN]
        return self._finish(self._scene(self._placed(self._utterance(word)))), NUMBERS[word]

    def draw_noise(self, number: int) -> list[Sound]:
        """Return seconds (16000,) of noise and music, made for this once: what a detector hears one after the other."""
        seconds: list[Sound] = []
        while len(seconds) < number:
            piece = nonspeech(self.rng, 10.0) * np.float32(10 ** (self.rng.uniform(-26, 6) / 20))
            seconds += [
                piece[start : start + SAMPLES] for start in range(0, len(piece) - SAMPLES, round(0.4 * RATE_HZ))
            ]
        return [np.clip(sound, -1, 1).astype(np.float32) for sound in seconds[:number]]

    def vary(self, clip: Sound) -> Sound:
        """Change a real clip (16000,): pace and size of the mouth, place, room, microphone, noise, level."""
        rng = self.rng
        sound = stretch(clip, rng.uniform(0.82, 1.2))
        sound = place(sound, SAMPLES, (SAMPLES - len(sound)) // 2 + int(rng.uniform(-0.12, 0.12) * RATE_HZ))
        if rng.random() < 0.2:
            sound = room(sound, rng)
        if rng.random() < 0.5:
            sound = colour(sound, rng)
        if rng.random() < 0.6:
            sound = mix(sound, self._background(), rng.uniform(0, 30))
        return self._finish(self._narrowed(sound))

    def spoil(self, clip: Clip, other: Clip) -> Sound:
        """Make of two real clips a second (16000,) that says no word."""
        if self.rng.random() < 0.5 and clip.word not in MIRRORED:
            return clip.sound[::-1].copy()
        return spliced(clip.sound, other.sound)

    def _utterance(self, label: str) -> Sound:
        """Return a word of one of the engines, in -1 to 1, at a pace of its own."""
        engines = [name for name in ENGINE_SHARES if (label, name) in self.spoken]
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
        speech = mix(speech, rng.standard_normal(SAMPLES, dtype=np.float32), rng.uniform(25, 50))  # a recording's hiss
        if rng.random() < 0.7:
            speech = mix(speech, self._background(), rng.uniform(-5, 20))
        return self._narrowed(speech)

    def _narrowed(self, speech: Sound) -> Sound:
        """Send one in ten through a telephone, two in ten through what keeps no high frequencies."""
        kind = self.rng.random()
        if kind < 0.1:
            return telephone(speech)
        return band(speech, 0, self.rng.uniform(3000, 7500)) if kind < 0.3 else speech

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


def spliced(first: Sound, second: Sound) -> Sound:
    """Return the first half of one word and the second half of another, each split where half its energy has passed."""
    energies = [np.cumsum(np.square(sound, dtype=np.float64)) for sound in (first, second)]
    ends, starts = (int(np.searchsorted(energy, energy[-1] / 2)) for energy in energies)
    fade = np.linspace(1, 0, min(320, ends, SAMPLES - starts), dtype=np.float32)  # 20 ms
    begin, rest = first[:ends].copy(), second[starts:].copy()
    begin[len(begin) - len(fade) :] *= fade
    rest[: len(fade)] *= fade[::-1]
    overlap = begin[len(begin) - len(fade) :] + rest[: len(fade)]
    joined = np.concatenate([begin[: len(begin) - len(fade)], overlap, rest[len(fade) :]])
    return place(joined, SAMPLES, (SAMPLES - len(joined)) // 2)
