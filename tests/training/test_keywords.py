"""The keyword recipe: what it draws and leaves as it is, that it goes on, and that it saves a Whisper classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import pipeline

pytest.importorskip("soundfile", reason="soundfile reads recordings")
pytest.importorskip("soxr", reason="soxr resamples them")

from training.checkpoints import LIMIT_BYTES
from training.clips import Clip, assign_folds, loudest, second
from training.keyword_head import EVERY_CLIP, Features, HeadOptions, fit, set_head, share_weights
from training.keywords import NUMBERS, SAMPLES, Lessons, Options, Spotting, freeze, save_keyword_model, spot
from training.voices import CHUNK
from training.whisper import make_model
from training.words import LABELS, SILENCE, UNKNOWN, WORDS


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Options:
    """A cache in which every word is a chirp of its own, and a model that has heard none."""
    folder = tmp_path_factory.mktemp("keywords")
    cache = folder / "speech"
    cache.mkdir()
    texts = [*WORDS, *["other"] * (CHUNK - len(WORDS))]
    time_s = np.arange(8000) / 16000
    chirps = [np.sin(2 * np.pi * (200 + 40 * number) * time_s * (1 + time_s)) for number in range(CHUNK)]
    np.savez(
        cache / "espeak-000000.npz",
        texts=texts,
        voices=["espeak:chirp"] * CHUNK,
        lengths=[8000] * CHUNK,
        sound=np.round(20000 * np.concatenate(chirps)).astype(np.int16),
    )
    save_keyword_model(make_model(), folder / "start")
    return Options(
        cache=cache,
        work=folder / "work",
        output=folder / "keywords",
        start=folder / "start",
        samples=12,
        batch=4,
        noise_seconds=20,
        device="cpu",
    )


def test_drawn_seconds_are_of_every_kind_and_can_be_heard(options: Options) -> None:
    lessons = Lessons(options, np.random.default_rng(0))
    drawn = [lessons.draw() for _ in range(300)]
    assert all(sound.shape == (SAMPLES,) and np.isfinite(sound).all() for sound, _ in drawn)
    assert max(np.abs(sound).max() for sound, _ in drawn) <= 1
    labels = [label for _, label in drawn]
    assert labels.count(NUMBERS[UNKNOWN]) == pytest.approx(0.32 * 300, abs=30)
    assert labels.count(NUMBERS[SILENCE]) == pytest.approx(0.08 * 300, abs=15)
    assert len(set(labels)) > 30


def test_training_keeps_the_lower_layers_learns_the_others_and_goes_on(options: Options) -> None:
    trainer = Spotting(options)
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    trainer.run()
    after = dict(trainer.model.named_parameters())
    for part in ("conv1.weight", "embed_positions.weight", "layers.0.fc1.weight", "layers.1.fc2.weight"):
        assert torch.equal(after[f"encoder.{part}"], before[f"encoder.{part}"])
    for name in ("encoder.layers.3.fc1.weight", "encoder.layer_norm.weight", "classifier.weight"):
        assert not torch.equal(after[name], before[name])
    again = Spotting(options)
    assert again.seen == trainer.seen == 12
    assert torch.equal(again.model.classifier.weight, trainer.model.classifier.weight)


def test_a_saved_model_is_an_audio_classification_pipeline(options: Options, tmp_path: Path) -> None:
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


def test_a_fitted_head_says_what_it_was_taught_and_not_what_was_held_out() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 400)
    centres = rng.standard_normal((5, 384)).astype(np.float32)
    means = centres[labels] + 0.3 * rng.standard_normal((400, 384)).astype(np.float32)
    folds = np.where(np.arange(400) < 300, EVERY_CLIP, np.arange(400) % 2)
    wrong = np.where(folds == 1, (labels + 1) % 5, labels)  # lies, which must not be listened to
    options = HeadOptions(held_out=1, iterations=40)
    features = Features(means, wrong, folds)
    weights = share_weights(features, options)
    assert weights[folds == 1].sum() == 0
    assert weights[folds == 0].sum() / weights.sum() == pytest.approx(options.real_share)

    model = make_model()
    set_head(model, *fit(features, weights, options, len(LABELS)))
    said = model.classifier(model.projector(torch.from_numpy(means))).argmax(dim=1).numpy()
    assert (said == labels).mean() > 0.98
