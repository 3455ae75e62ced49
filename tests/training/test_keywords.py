"""The keyword recipe: what it draws and leaves as it is, that it goes on, and that it saves a Whisper classifier."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import pipeline

pytest.importorskip("soundfile", reason="soundfile reads recordings")
pytest.importorskip("soxr", reason="soxr resamples them")

import soundfile

from training import keyword_states
from training.checkpoints import LIMIT_BYTES
from training.clips import Clip, assign_folds, loudest, second
from training.keyword_head import HeadOptions, fit, set_head, share_weights
from training.keyword_lessons import NUMBERS, SAMPLES, Lessons, spliced
from training.keyword_states import EVERY_FOLD, StateOptions, gather, lower, upper
from training.keywords import Options, Spotting, average, freeze, save_keyword_model, spot
from training.whisper import make_extractor, make_model
from training.words import LABELS, SILENCE, UNKNOWN, WORDS

SAID = 100  # utterances in the cache of synthetic speech


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which every word is a chirp of its own."""
    cache = tmp_path_factory.mktemp("speech")
    texts = [*WORDS, *["other"] * (SAID - len(WORDS) - 2), "sky", "birds"]
    time_s = np.arange(8000) / 16000
    chirps = [np.sin(2 * np.pi * (200 + 40 * number) * time_s * (1 + time_s)) for number in range(SAID)]
    np.savez(
        cache / "espeak-000000.npz",
        texts=texts,
        voices=["espeak:chirp"] * SAID,
        lengths=[8000] * SAID,
        sound=np.round(20000 * np.concatenate(chirps)).astype(np.int16),
    )
    return cache


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips of four speakers."""
    folder = tmp_path_factory.mktemp("clips")
    rows = ["file,word,speaker"]
    for number, word in enumerate(("yes", "go", "bed", "tree", "yes", "go", "bed", "tree")):
        sound = 0.1 * np.random.default_rng(number).standard_normal(SAMPLES)
        soundfile.write(folder / f"{number}.wav", sound, 16000)
        rows.append(f"{number}.wav,{word},{number // 2}")
    (folder / "clips.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of the cache of states of a few seconds."""
    monkeypatch.setattr(keyword_states, "CHUNK", 6)
    monkeypatch.setattr(keyword_states, "SPOILED", 4)
    monkeypatch.setattr(keyword_states, "read_encoder", lambda folder: None)


def test_drawn_seconds_are_of_every_kind_and_can_be_heard(speech: Path) -> None:
    lessons = Lessons(speech, np.random.default_rng(0), noise_seconds=20)
    drawn = [lessons.draw() for _ in range(300)]
    assert all(sound.shape == (SAMPLES,) and np.isfinite(sound).all() for sound, _ in drawn)
    assert max(np.abs(sound).max() for sound, _ in drawn) <= 1
    labels = [label for _, label in drawn]
    assert labels.count(NUMBERS[UNKNOWN]) == pytest.approx(0.32 * 300, abs=30)
    assert labels.count(NUMBERS[SILENCE]) == pytest.approx(0.08 * 300, abs=15)
    assert len(set(labels)) > 30


def test_what_sounds_like_a_keyword_is_not_learned_as_another_word(speech: Path) -> None:
    said = Lessons(speech, np.random.default_rng(0), noise_seconds=20).spoken
    assert {one.text for one in said[UNKNOWN, "espeak"]} == {"other", "sky"}


def test_a_real_clip_that_is_spoiled_or_varied_is_still_a_second(speech: Path) -> None:
    lessons = Lessons(speech, np.random.default_rng(0), noise_seconds=20)
    ramp = np.linspace(-0.5, 0.5, SAMPLES, dtype=np.float32)
    clips = [Clip(word, "one", ramp) for word in ("no", "yes")]
    for number in range(20):
        spoiled = lessons.spoil(clips[number % 2], clips[1])
        assert spoiled.shape == (SAMPLES,)
        assert clips[number % 2].word == "yes" or not np.array_equal(spoiled, ramp[::-1])  # "no" backwards is "on"
        varied = lessons.vary(spoiled)
        assert varied.shape == (SAMPLES,)
        assert np.abs(varied).max() <= 1


def test_halves_of_two_words_are_joined_where_half_their_energy_has_passed() -> None:
    low, high = np.zeros((2, SAMPLES), dtype=np.float32)
    low[4000:8000], high[6000:12000] = 0.25, 0.75
    joined = spliced(low, high)
    assert np.count_nonzero(joined == 0.25) == pytest.approx(2000, abs=330)
    assert np.count_nonzero(joined == 0.75) == pytest.approx(3000, abs=330)


def test_states_are_drawn_once_and_those_of_a_held_out_fold_left_out(
    speech: Path, clips: Path, tmp_path: Path, small: None
) -> None:
    options = StateOptions(
        cache=speech,
        states=tmp_path,
        real=clips,
        synthetic=12,
        noise=6,
        variants=2,
        folds=2,
        noise_seconds=20,
        device="cpu",
    )
    everything = gather(options)
    assert everything.states.shape == (12 + 6 + 2 * (8 + 4), 50, 384)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    kept = gather(replace(options, held_out=1))
    assert set(kept.folds) == {EVERY_FOLD, 0}
    assert (kept.folds == 0).sum() == (everything.folds == 0).sum()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written


def test_lower_and_upper_layers_together_are_the_encoder() -> None:
    model = make_model().eval()
    sounds = 0.1 * np.random.default_rng(0).standard_normal((2, SAMPLES), dtype=np.float32)
    features = make_extractor()(list(sounds), sampling_rate=16000, return_tensors="pt").input_features
    with torch.no_grad():
        whole = model.encoder(features).last_hidden_state.mean(dim=1)
        parts = upper(model, torch.from_numpy(lower(model, sounds, 2)).float(), 2)
    torch.testing.assert_close(parts, whole, atol=0.05, rtol=0.05)


def test_training_keeps_the_lower_layers_learns_the_others_and_goes_on(
    speech: Path, clips: Path, tmp_path: Path, small: None
) -> None:
    save_keyword_model(make_model(), tmp_path / "start")
    options = Options(
        cache=speech,
        states=tmp_path / "states",
        work=tmp_path / "work",
        output=tmp_path / "keywords",
        start=tmp_path / "start",
        real=clips,
        real_share=0.5,
        synthetic=12,
        noise=6,
        variants=2,
        folds=2,
        held_out=0,
        samples=12,
        batch=4,
        noise_seconds=20,
        device="cpu",
    )
    trainer = Spotting(options)
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    trainer.run()
    after = dict(trainer.model.named_parameters())
    for part in ("conv1.weight", "embed_positions.weight", "layers.0.fc1.weight", "layers.1.fc2.weight"):
        assert torch.equal(after[f"encoder.{part}"], before[f"encoder.{part}"])
    averaged = dict(trainer.averaged.module.named_parameters())
    for name in ("encoder.layers.3.fc1.weight", "encoder.layer_norm.weight", "classifier.weight"):
        moved, moved_less = ((one[name] - before[name]).abs().sum() for one in (after, averaged))
        assert 0 < moved_less < moved
    again = Spotting(options)
    assert again.seen == trainer.seen == 12
    assert torch.equal(again.model.classifier.weight, trainer.model.classifier.weight)
    assert torch.equal(
        dict(again.averaged.named_parameters())["module.classifier.weight"], averaged["classifier.weight"]
    )


def test_the_average_follows_the_last_tenth_of_the_steps() -> None:
    averaged = torch.zeros(1)
    for step in range(1, 1001):
        averaged = average(averaged, torch.tensor([float(step)]), step)
    assert 850 < averaged.item() < 950


def test_a_saved_model_is_an_audio_classification_pipeline(tmp_path: Path) -> None:
    model = make_model()
    freeze(model, 4)
    save_keyword_model(model, tmp_path)
    assert all(path.stat().st_size <= LIMIT_BYTES for path in tmp_path.iterdir())
    listener = pipeline("audio-classification", model=str(tmp_path), dtype=torch.float32)
    sound = 0.1 * np.random.default_rng(0).standard_normal(SAMPLES, dtype=np.float32)
    heard = listener({"raw": sound, "sampling_rate": 16000}, top_k=3)
    scores = spot(model.eval(), sound[None])[0]
    assert [one["label"] for one in heard] == [LABELS[number] for number in np.argsort(-scores)[:3]]
    assert heard[0]["score"] == pytest.approx(float(scores.max()), abs=0.01)


def test_folds_share_no_speaker_and_are_of_about_one_size() -> None:
    speakers = [number % 11 for number in range(100)]
    clips = [Clip("yes", str(speaker), np.zeros(16000, np.float32)) for speaker in speakers]
    folds = assign_folds(clips, 5)
    assert {len({folds[row] for row in range(100) if speakers[row] == speaker}) for speaker in range(11)} == {1}
    assert np.bincount(folds).min() >= 15


def test_the_loudest_second_holds_the_word_and_a_short_one_is_filled() -> None:
    sound = np.zeros(48000, np.float32)
    sound[[100, 47900]] = 0.05
    sound[30000:36000] = 1
    assert loudest(sound).sum() == pytest.approx(6000, abs=1)
    assert second(np.ones(4000, np.float32)).shape == (16000,)


def test_a_fitted_head_says_what_it_was_taught_and_real_clips_have_their_share_of_it() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 400)
    centres = rng.standard_normal((5, 384)).astype(np.float32)
    means = torch.from_numpy(centres[labels] + 0.3 * rng.standard_normal((400, 384)).astype(np.float32))
    folds = np.where(np.arange(400) < 300, EVERY_FOLD, np.arange(400) % 2)
    weights = share_weights(folds, 0.7)
    assert weights[folds != EVERY_FOLD].sum() / weights.sum() == pytest.approx(0.7)
    taught = np.where(folds == EVERY_FOLD, (labels + 1) % 5, labels)  # synthetic voices lie, and weigh nothing
    model = make_model()
    set_head(model, *fit(means, taught, share_weights(folds, 1.0 - 1e-9), len(LABELS), HeadOptions(iterations=40)))
    said = model.classifier(model.projector(means)).argmax(dim=1).numpy()
    assert (said == labels).mean() > 0.98
