"""Grade a keyword model on real voices, on other words, on an hour without speech, over noise and at other rates."""

from __future__ import annotations

import argparse
import platform
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from transformers import WhisperFeatureExtractor, WhisperForAudioClassification

from training.clips import (
    Clip,
    assign_folds,
    read_clips,
    read_foreign_words,
    read_more_words,
    read_noises,
    read_other_words,
)
from training.intervals import percent
from training.keywords import spot
from training.sounds import RATE_HZ, Sound, mix, nonspeech
from training.words import COMMANDS, LABELS, UNKNOWN, WORDS

MODEL = Path("assets/models/whisper-keywords")
RATES_HZ = (8000, 22_050, 44_100, 48_000)
SNRS_DB = (20, 10, 5, 0, -5)
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
TEST_SEED = 2_000_000  # of noises, none of which were trained with
HOP_S, SUPPRESSED_S = 0.2, 1.0  # of a detector: between windows, after a detection
SMOOTHED = (2, 3, 4)  # windows averaged
PIECE_S = 20.0  # of each kind of noise in a row


@dataclass(frozen=True)
class Listener:
    """What hears clips: `models` has one, or one for each fold of speakers, which then never heard that fold."""

    name: str
    models: tuple[WhisperForAudioClassification, ...]

    def scores(self, sounds: NDArray[np.float32], folds: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return scores (n, labels) of seconds (n, 16000) whose speakers are in the folds (n,)."""
        if len(self.models) == 1:
            return spot(self.models[0], sounds)
        scores = np.zeros((len(sounds), len(LABELS)), dtype=np.float32)
        for fold, model in enumerate(self.models):
            if (folds == fold).any():
                scores[folds == fold] = spot(model, sounds[folds == fold])
        return scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this grader."""
    parser.add_argument("--model", type=Path, default=MODEL, help="the model, for all that is no real keyword")
    parser.add_argument("--synthetic", type=Path, help="the model before it heard real clips")
    parser.add_argument("--folds", type=Path, nargs="*", default=[], help="the models of folds 0, 1, ... of speakers")
    parser.add_argument("--clips", type=Path, default=Path(".cache/keywords/clips"))
    parser.add_argument("--packages", type=Path, default=Path(".cache/keywords/packages"), help="see training.clips")
    parser.add_argument("--minutes", type=float, default=60.0, help="of sound without speech")
    parser.add_argument("--threads", type=int, default=2)


def evaluate(options: argparse.Namespace) -> str:
    """Listen to everything and return the report, in Markdown."""
    torch.set_num_threads(options.threads)
    clips = read_clips(options.clips)
    folds = assign_folds(clips, max(len(options.folds), 1))
    final = _load(options.model)
    listeners = []
    if options.synthetic:
        listeners.append(Listener("synthetic voices alone", (_load(options.synthetic),)))
    if options.folds:
        name = f"real voices added, {len(options.folds)}-fold over speakers"
        listeners.append(Listener(name, tuple(_load(folder) for folder in options.folds)))
    speakers = len({clip.speaker for clip in clips})
    lines = [
        f"# Keywords in {len(clips)} real clips of {speakers} speakers",
        "",
        f"Graded is {options.model.name}. A clip is understood if its word has the highest of the {len(LABELS)} "
        "scores. Shares with their 95 % Wilson interval and counts. A real clip is only ever heard by a model that "
        "did not learn from its speaker.",
        "",
    ]
    for listener in listeners:
        lines += _report_clips(listener, clips, folds)
    lines += _report_others(Listener(options.model.name, (final,)), options.packages)
    lines += _report_silence(final, options.minutes, options.packages)
    lines += [f"A second of audio takes {_seconds(final, options.model) * 1000:.0f} ms (median of 50, spectrogram "
              f"included, {options.threads} threads, {platform.machine()})."]  # fmt: skip
    return "\n".join(lines) + "\n"


def _load(folder: Path) -> WhisperForAudioClassification:
    return WhisperForAudioClassification.from_pretrained(folder, dtype=torch.float32).eval()


# --- Real keywords ----------------------------------------------------------------------------------------------------


def _report_clips(listener: Listener, clips: Sequence[Clip], folds: NDArray[np.int64]) -> list[str]:
    sounds = np.stack([clip.sound for clip in clips])
    words = [clip.word for clip in clips]
    scores = listener.scores(sounds, folds)
    said = best_labels(scores)
    lines = [
        f"## {listener.name}",
        "",
        "| clips | understood | taken for another word | not taken for a word |",
        "|---|---|---|---|",
        f"| all 30 words | {_outcomes(words, said)} |",
        f"| the ten commands | {_outcomes(*_only(words, said, COMMANDS))} |",
    ]
    rng = np.random.default_rng(TEST_SEED)
    for snr in SNRS_DB:
        noisy = np.stack([mix(clip.sound, nonspeech(rng, 1.0), snr) for clip in clips]).astype(np.float32)
        lines.append(f"| all, noise at {snr} dB | {_outcomes(words, best_labels(listener.scores(noisy, folds)))} |")
    lines += ["", "| rate of the file | the same word as at 16 kHz | understood |", "|---|---|---|"]
    for rate in RATES_HZ:
        other = np.stack([resampled(resampled(clip.sound, RATE_HZ, rate), rate, RATE_HZ) for clip in clips])
        heard = best_labels(listener.scores(other, folds))
        same, right = _equal(said, heard), _equal(words, heard)
        lines.append(f"| {rate / 1000:g} kHz | {percent(same, len(clips))} | {percent(right, len(clips))} |")
    lines += ["", "| threshold | words found | of the ten commands | another word said |", "|---|---|---|---|"]
    for threshold in THRESHOLDS:
        found = best_labels(scores, threshold)
        right, commands = _equal(words, found), _only(words, found, COMMANDS)
        wrong = sum(a != b and b in WORDS for a, b in zip(words, found, strict=True))
        shares = ((right, len(words)), (_equal(*commands), len(commands[0])), (wrong, len(words)))
        lines.append(f"| {threshold:g} | " + " | ".join(percent(*share) for share in shares) + " |")
    return [*lines, "", *confusions(words, said), ""]


def best_labels(scores: NDArray[np.float32], threshold: float = 0.0) -> list[str]:
    """Return the label with the highest of the scores (n, labels), `UNKNOWN` where that is under the threshold."""
    best = scores.max(axis=1) >= threshold
    return [LABELS[number] if sure else UNKNOWN for number, sure in zip(scores.argmax(axis=1), best, strict=True)]


def _equal(words: Sequence[str], said: Sequence[str]) -> int:
    return sum(word == name for word, name in zip(words, said, strict=True))


def _outcomes(words: Sequence[str], said: Sequence[str]) -> str:
    """Return the cells: understood, another word, none."""
    right = _equal(words, said)
    none = sum(name not in WORDS for name in said)
    return " | ".join(percent(number, len(words)) for number in (right, len(words) - right - none, none))


def _only(words: Sequence[str], said: Sequence[str], kept: Sequence[str]) -> tuple[list[str], list[str]]:
    pairs = [(word, name) for word, name in zip(words, said, strict=True) if word in kept]
    return [word for word, _ in pairs], [name for _, name in pairs]


def confusions(words: Sequence[str], said: Sequence[str]) -> list[str]:
    """Return the confusion matrix, one row for each word, without its zeros."""
    lines = ["| the word | clips | understood | heard instead |", "|---|---|---|---|"]
    for word in sorted(set(words), key=WORDS.index):
        heard = Counter(name for truth, name in zip(words, said, strict=True) if truth == word)
        right, total = heard.pop(word, 0), words.count(word)
        instead = ", ".join(f"{name} {times}" for name, times in heard.most_common())
        lines.append(f"| {word} | {total} | {right} | {instead} |")
    return lines


def resampled(sound: Sound, rate_hz: int, to_hz: int) -> Sound:
    """Return a sound at another rate; a second stays a second."""
    changed: Sound = soxr.resample(sound, rate_hz, to_hz).astype(np.float32)
    return changed[:to_hz] if len(changed) >= to_hz else np.pad(changed, (0, to_hz - len(changed)))


# --- What is no keyword -----------------------------------------------------------------------------------------------


def _report_others(listener: Listener, packages: Path) -> list[str]:
    """Report real voices that say other words: by threshold, and by set of recordings."""
    sets: dict[str, list[Clip]] = {}
    for clip in read_other_words(packages):
        sets.setdefault(f"English, {clip.speaker}", []).append(clip)
    sets["other languages, ktuberling"] = read_foreign_words(packages)
    heard = {name: listener.scores(_stacked(clips), np.zeros(len(clips), dtype=int)) for name, clips in sets.items()}
    english = np.concatenate([scores for name, scores in heard.items() if name.startswith("English")])
    lines = [
        "## Other words of real voices",
        "",
        "How many are taken for a keyword: letters and words of packages' recordings, none of which was learned from.",
        "",
        "| threshold | English, all | " + " | ".join(sets) + " |",
        "|---" * (len(sets) + 2) + "|",
    ]
    for threshold in (0.0, *THRESHOLDS):
        cells = [percent(_accepted(scores, threshold), len(scores)) for scores in (english, *heard.values())]
        lines.append(f"| {threshold:g} | " + " | ".join(cells) + " |")
    more = read_more_words(packages)
    said = best_labels(spot(listener.models[0], _stacked(more)))
    missed = ", ".join(
        f"{clip.word} ({clip.speaker}) as {name}" for clip, name in zip(more, said, strict=True) if clip.word != name
    )
    right = _equal([clip.word for clip in more], said)
    lines += [
        "",
        f"Keywords of the same voices: {percent(right, len(more))} understood; missed: {missed or 'none'}.",
        "",
    ]
    return lines


def _stacked(clips: Sequence[Clip]) -> Sound:
    return np.stack([clip.sound for clip in clips])


def _accepted(scores: NDArray[np.float32], threshold: float) -> int:
    """Count the scores (n, labels) of which a keyword's is the highest, and reaches the threshold."""
    return sum(name in WORDS for name in best_labels(scores, threshold))


def _report_silence(model: WhisperForAudioClassification, minutes: float, packages: Path) -> list[str]:
    """Count the detections in noise, music and desktop sounds."""
    rng = np.random.default_rng(TEST_SEED)
    pieces = [np.concatenate([noise, np.zeros(RATE_HZ, dtype=np.float32)]) for noise in read_noises(packages)]
    recorded_s = sum(len(piece) for piece in pieces) / RATE_HZ
    pieces += [
        nonspeech(rng, PIECE_S) * rng.uniform(0.05, 2) for _ in range(round((60 * minutes - recorded_s) / PIECE_S))
    ]
    heard = [stream_scores(model, piece) for piece in pieces]
    hours = sum(len(piece) for piece in pieces) / RATE_HZ / 3600
    lines = [
        "## Without speech",
        "",
        f"{60 * hours:.0f} minutes of noise and music made with seeds that were not trained with, and "
        f"{recorded_s:.0f} s of recorded desktop sounds; a window each {HOP_S} s, the mean of some in a row "
        f"compared with the threshold, silence for {SUPPRESSED_S:g} s after a detection. False alarms:",
        "",
        "| threshold | " + " | ".join(f"mean of {smoothed}" for smoothed in SMOOTHED) + " |",
        "|---" * (len(SMOOTHED) + 1) + "|",
    ]
    for threshold in THRESHOLDS:
        alarms = [sum(detections(scores, threshold, smoothed) for scores in heard) for smoothed in SMOOTHED]
        lines.append(
            f"| {threshold:g} | " + " | ".join(f"{number} ({number / hours:.1f} an hour)" for number in alarms) + " |"
        )
    return [*lines, ""]


def stream_scores(model: WhisperForAudioClassification, sound: Sound) -> NDArray[np.float32]:
    """Return the scores (windows, words) of the keywords, a second in each window, one every `HOP_S`."""
    hop = round(HOP_S * RATE_HZ)
    sound = np.pad(sound, (0, max(RATE_HZ - len(sound), 0))).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(sound, RATE_HZ)[::hop]
    return spot(model, windows)[:, : len(WORDS)]


def detections(scores: NDArray[np.float32], threshold: float, smoothed: int = SMOOTHED[0]) -> int:
    """Count how often the smoothed score of a word reaches a threshold, not counting `SUPPRESSED_S` after each time.

    >>> detections(np.array([[0.0], [0.9], [0.9], [0.9], [0.0]], dtype=np.float32), 0.8)
    1
    """
    if len(scores) < smoothed:
        return 0
    smooth = np.lib.stride_tricks.sliding_window_view(scores, smoothed, axis=0).mean(axis=-1).max(axis=1)
    count, quiet_until = 0, 0
    for place, score in enumerate(smooth):
        if place >= quiet_until and score >= threshold:
            count, quiet_until = count + 1, place + round(SUPPRESSED_S / HOP_S)
    return count


def _seconds(model: WhisperForAudioClassification, folder: Path) -> float:
    """Return the median time that a second of audio takes."""
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    sound, times = nonspeech(np.random.default_rng(TEST_SEED), 1.0), []
    with torch.inference_mode():
        for _ in range(50):
            start = time.perf_counter()
            model(extractor(sound, sampling_rate=RATE_HZ, return_tensors="pt").input_features)
            times.append(time.perf_counter() - start)
    return float(np.median(times))
