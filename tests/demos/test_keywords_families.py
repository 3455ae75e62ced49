"""Every family of keyword spotters: tiny random checkpoints, loaded as the app does it while nothing can be reached."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import pipeline

from demos.keyword_spotting.families.clap import candidates
from demos.keyword_spotting.families.tree import Tree
from demos.keyword_spotting.families.typed import MOST_WORDS, typed_words
from demos.keyword_spotting.families.whisper_words import OTHER_WORDS, spellings
from demos.keyword_spotting.models import MODELS
from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.pipeline import SpottingPipeline, load
from demos.keyword_spotting.spotting import SILENCE, UNKNOWN, Spotting
from hub.demo import Loading
from hub.device import Device
from hub.errors import InvalidInput
from hub.sounds import Sound
from tests.demos import tiny_audio

pytestmark = pytest.mark.usefixtures("one_thread")

WORDS = "yes, no, a dog barking"
OPTIONS = SpottingOptions(words=WORDS, hop_s=0.5)
ANY_WORD = ("whisper-tiny-en", "whisper-base", "clap")
WHISPERS = ("whisper-tiny-en", "whisper-base")
each_model = pytest.mark.parametrize("key", tiny_audio.CHECKPOINTS)


def noise(seconds: float, seed: int = 0) -> Sound:
    rng = np.random.default_rng(seed)
    return Sound(0.1 * rng.standard_normal(round(16000 * seconds), dtype=np.float32))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {key: tiny_audio.save(key, root / key) for key in tiny_audio.CHECKPOINTS}


@pytest.fixture(scope="module")
def spotters(folders: dict[str, Path]) -> dict[str, SpottingPipeline]:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("the network is off")

    cards = {card.key: card for card in MODELS}
    cpu = Device("cpu", "float32", "CPU")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", unreachable)
        return {
            key: load(Loading(cards[key], folder, cpu, lambda *_: None, lambda _, build: build()))
            for key, folder in folders.items()
        }


def spotted(spotter: SpottingPipeline, sound: Sound, options: SpottingOptions = OPTIONS) -> Spotting:
    (found,) = spotter([SpottingRequest(sound, options)])
    return found


@each_model
def test_every_model_gives_scores_and_features_of_each_window(spotters: dict[str, SpottingPipeline], key: str) -> None:
    found = spotted(spotters[key], noise(3.2))
    windows = len(found.starts_s)
    assert windows == len(np.arange(0, 3.2 - found.window_s, 0.5)) + 1
    assert found.scores.shape == found.smoothed.shape == (windows, len(found.labels))
    assert found.features is not None
    assert found.features.shape == (windows, 32)
    np.testing.assert_allclose(found.scores.sum(1), 1, atol=1e-5)
    assert {UNKNOWN, SILENCE} & set(found.labels)
    assert np.ptp(found.scores, axis=0).max() > 1e-4  # it hears the difference between windows


@each_model
def test_a_result_does_not_depend_on_the_sounds_beside_it(spotters: dict[str, SpottingPipeline], key: str) -> None:
    options = SpottingOptions(words=WORDS, hop_s=0.5, threshold=0.05, smoothing=1, suppression_s=0.0)
    sounds = [noise(0.4, 1), noise(3.1, 2), noise(1.0, 3), noise(2.3, 4)]
    together = spotters[key]([SpottingRequest(sound, options) for sound in sounds])
    for sound, beside in zip(sounds, together, strict=True):
        alone = spotted(spotters[key], sound, options)
        np.testing.assert_allclose(beside.scores, alone.scores, atol=1e-5)
        assert beside.features is not None
        assert alone.features is not None
        np.testing.assert_allclose(beside.features, alone.features, atol=1e-4)
        assert [(one.word, one.start_s, one.end_s) for one in beside.detections] == [
            (one.word, one.start_s, one.end_s) for one in alone.detections
        ]


@each_model
def test_silence_and_what_are_no_numbers_never_fire(spotters: dict[str, SpottingPipeline], key: str) -> None:
    options = SpottingOptions(words=WORDS, threshold=0.05, smoothing=1)
    broken = np.full(16000, np.nan, np.float32)
    for samples in (np.zeros(16000, np.float32), broken, np.full(40000, 5e-5, np.float32)):
        found = spotted(spotters[key], Sound(samples), options)
        assert found.detections == ()
        assert found.labels[found.scores[0].argmax()] in (UNKNOWN, SILENCE)
        assert np.isfinite(found.scores).all()


@pytest.mark.parametrize("key", ["wav2vec2-ks", "hubert-ks", "ast-speech-commands"])
def test_a_classifier_scores_as_the_audio_classification_pipeline(
    spotters: dict[str, SpottingPipeline], folders: dict[str, Path], key: str
) -> None:
    sound = noise(1.0)
    found = spotted(spotters[key], sound)
    theirs = pipeline("audio-classification", model=str(folders[key]))(sound.samples, top_k=None)
    ours = dict(zip(found.labels, found.scores[0].tolist(), strict=True))
    for one in theirs:
        assert ours[one["label"]] == pytest.approx(one["score"], abs=1e-5)


def test_a_model_without_a_label_for_what_is_no_word_gets_one_and_says_so(
    spotters: dict[str, SpottingPipeline],
) -> None:
    found = spotted(spotters["ast-speech-commands"], noise(1.0))
    assert found.labels == (*tiny_audio.AST_LABELS, SILENCE)
    assert found.scores[0, -1] == 0
    assert any("takes for one of its words" in note for note in found.notes)


def test_clap_scores_as_the_zero_shot_pipeline_with_neutral_sounds_beside_the_words(
    spotters: dict[str, SpottingPipeline], folders: dict[str, Path]
) -> None:
    import soxr

    sound = noise(2.0)
    found = spotted(spotters["clap"], sound)
    asked = candidates(typed_words(WORDS))
    heard = pipeline("zero-shot-audio-classification", model=str(folders["clap"]))(
        soxr.resample(sound.samples, 16000, 48000), candidate_labels=list(asked)
    )
    theirs = {one["label"]: one["score"] for one in heard}
    assert found.labels == (*typed_words(WORDS), UNKNOWN)
    for label, score in zip(found.labels[:-1], found.scores[0], strict=False):
        assert score == pytest.approx(theirs[label], abs=1e-5)
    assert candidates(("Music", "rain")) == ("Music", "rain", "silence", "noise", "people talking")


@pytest.mark.parametrize("key", WHISPERS)
def test_the_tree_of_words_says_what_the_decoder_says_of_each_beginning_alone(
    spotters: dict[str, SpottingPipeline], key: str
) -> None:
    family: Any = spotters[key].family
    words = ("yes", "on", "on top", "a dog barking", "marvin")
    heard = torch.randn(3, 100, 32, generator=torch.Generator().manual_seed(0))
    tree: Tree = family.prepare((*words, UNKNOWN))
    with torch.inference_mode():
        prompts = family._prompts(heard, tree.english)
        ours, _ = tree.log_probabilities(family.model, prompts, heard)
        for row in range(3):
            for number, word in enumerate(words):
                expected = sum(likelihood(family, prompts[row], heard[row : row + 1], one) for one in spellings(word))
                if word == "on":  # what goes on to "on top" is not counted
                    beyond = (likelihood(family, prompts[row], heard[row : row + 1], one) for one in longer(family))
                    expected -= sum(beyond)
                assert ours[row, number].exp().item() == pytest.approx(expected, rel=1e-3)


def longer(family: Any) -> set[tuple[int, ...]]:
    """The beginnings of "on top" that begin with the whole of "on" and go one token further."""
    found = set()
    for one in spellings("on top"):
        whole = family.tokenizer(one.split(" top")[0].split(" TOP")[0], add_special_tokens=False).input_ids
        tokens = family.tokenizer(one, add_special_tokens=False).input_ids
        if tokens[: len(whole)] == whole:
            found.add(tuple(tokens[: len(whole) + 1]))
    return found


def likelihood(family: Any, prompt: torch.Tensor, heard: torch.Tensor, written: str | tuple[int, ...]) -> float:
    """The probability that a transcript begins so, one token after the other."""
    if isinstance(written, str):
        written = tuple(family.tokenizer(written, add_special_tokens=False).input_ids)
    tokens = [*prompt.tolist(), *written]
    states = family.model.model.decoder(torch.tensor([tokens[:-1]]), encoder_hidden_states=heard).last_hidden_state
    logs = family.model.proj_out(states[0]).log_softmax(-1)[len(prompt) - 1 :]
    return float(logs.gather(-1, torch.tensor(written)[:, None]).sum().exp())


def test_other_beginnings_are_weighed_down_against_the_words_that_are_listened_for(
    spotters: dict[str, SpottingPipeline],
) -> None:
    family: Any = spotters["whisper-tiny-en"].family
    sound = noise(2.0)
    tree = family.prepare(("yes", "no", UNKNOWN))
    with torch.inference_mode():
        given = family.extractor(sound.samples, sampling_rate=16000, return_tensors="pt").input_features
        heard = family.model.model.encoder(given).last_hidden_state
        words, other = tree.log_probabilities(family.model, family._prompts(heard, english=True), heard)
    shares = np.append(words[0].exp().numpy(), OTHER_WORDS * other[0].exp().item())
    found = spotted(spotters["whisper-tiny-en"], sound, SpottingOptions(words="yes, no"))
    np.testing.assert_allclose(found.scores[0], shares / shares.sum(), rtol=1e-3)


def test_a_multilingual_whisper_is_told_english_and_guesses_the_language_of_other_words(
    spotters: dict[str, SpottingPipeline],
) -> None:
    family: Any = spotters["whisper-base"].family
    heard = torch.randn(6, 100, 32, generator=torch.Generator().manual_seed(1))
    names = {number: mark for mark, number in family.languages.items()}
    with torch.inference_mode():
        told, guessed = family._prompts(heard, english=True), family._prompts(heard, english=False)
    assert {names[token] for token in told[:, 1].tolist()} == {"<|en|>"}
    assert {names[token] for token in guessed[:, 1].tolist()} <= {"<|en|>", "<|de|>", "<|ru|>"}
    assert family.prepare(("да", "fünf", UNKNOWN)).english is False
    assert spotted(spotters["whisper-base"], noise(1.0), SpottingOptions(words="да, нет")).labels[0] == "да"


@pytest.mark.parametrize("key", ["whisper-tiny-en", "clap"])
def test_an_english_model_refuses_other_scripts_with_what_to_choose(
    spotters: dict[str, SpottingPipeline], key: str
) -> None:
    with pytest.raises(InvalidInput, match=r"“да” is not in Latin letters\. Choose Whisper base"):
        spotters[key].labels("yes, да")
    assert spotters[key].labels("café, naïve")[:2] == ("café", "naïve")


@pytest.mark.parametrize("key", ANY_WORD)
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "there are none. Type some, separated by commas"),
        (" , ;\n", "there are none"),
        (", ".join(f"w{number}" for number in range(MOST_WORDS + 1)), "Use at most 40"),
        ("x" * 61, "has 61 characters. Use at most 60"),
        ("yes, !?", "“!\\?” is nothing that can be said"),
        ("_unknown_", "is nothing that can be said"),
    ],
)
def test_words_that_cannot_be_listened_for_are_named_with_what_to_do(
    spotters: dict[str, SpottingPipeline], key: str, words: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message.replace(". ", r"\. ")):
        spotters[key].labels(words)


def test_typed_words_are_taken_once_in_the_order_typed() -> None:
    assert typed_words(" yes,Yes ; no\nа, a  dog   barking,YES、jā") == ("yes", "no", "а", "a dog barking", "jā")
    assert typed_words("cafe\u0301, café") == ("café",)  # the same letter, written in two ways


@each_model
def test_half_precision_as_on_a_gpu_changes_digits_only(
    spotters: dict[str, SpottingPipeline], folders: dict[str, Path], key: str
) -> None:
    card = next(card for card in MODELS if card.key == key)
    device = Device("cpu", "bfloat16", "as a GPU")
    half = load(Loading(card, folders[key], device, lambda *_: None, lambda _, build: build()))
    full, found = spotted(spotters[key], noise(2.5)), spotted(half, noise(2.5))
    assert found.scores.dtype == found.smoothed.dtype == np.float32
    assert found.features is not None
    assert found.features.dtype == np.float32
    assert np.abs(found.scores - full.scores).mean() < 0.05


def test_fixed_words_do_not_depend_on_what_is_typed(spotters: dict[str, SpottingPipeline]) -> None:
    assert spotters["hubert-ks"].labels("anything") == spotters["hubert-ks"].labels("") == tiny_audio.SUPERB_LABELS
