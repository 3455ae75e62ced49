"""Show code repeats the run: executed as it stands, on the user's file, with the model that was used."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from demos.keyword_spotting import convert
from demos.keyword_spotting.families import FAMILIES
from demos.keyword_spotting.models import MODELS
from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.pipeline import SpottingPipeline
from demos.keyword_spotting.snippet import TAUGHT_NAME, snippet
from demos.keyword_spotting.spotting import Spotting
from demos.keyword_spotting.taught import Space, Taught
from demos.keyword_spotting.teach_file import written
from hub.cards import ModelCard
from hub.snippet import SOUND_NAME
from hub.sounds import sound
from tests.demos import tiny_audio

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).resolve().parents[2]
CARDS = {card.key: card for card in MODELS}
OPTIONS = SpottingOptions(
    words="yes, on, on top, a dog barking", threshold=0.2, smoothing=2, suppression_s=0.3, hop_s=0.25, top_k=3
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    names = {key: CARDS[key].source.replace("/", "--") for key in tiny_audio.CHECKPOINTS}  # as on the Hub: ".en" tells
    return {key: tiny_audio.save(key, root / name) for key, name in names.items()}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing but the user's file and the embedded models."""
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def record(folder: Path, seconds: float, rate_hz: int = 22050) -> None:
    rng = np.random.default_rng(0)
    loudness = np.repeat(rng.uniform(0, 0.3, 40), round(rate_hz * seconds / 40) + 1)[: round(rate_hz * seconds)]
    stereo = loudness[:, None] * rng.standard_normal((len(loudness), 2))
    soundfile.write(folder / SOUND_NAME, np.clip(stereo, -1, 1), rate_hz, format="FLAC")


def run(card: ModelCard, folder: Path, here: Path, options: SpottingOptions, taught: Taught | None = None) -> str:
    """Run a model as the app does and its code as the user does; return what the code printed."""
    spotter = SpottingPipeline(FAMILIES[card.family](folder, "cpu", torch.float32), "cpu", "float32", card.source)
    request = SpottingRequest(sound(here / SOUND_NAME), options, taught=taught)
    spotter.revision = card.revision
    (result,) = spotter([request])
    code = snippet(card, request, result)
    assert "import demos" not in code
    assert "import hub" not in code
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "code.py", "exec"), {})
    printed = out.getvalue()
    assert told(printed) == told_by(result, options)
    return printed


def told(printed: str) -> tuple[list[str], list[str]]:
    """What the code says was best, with the scores, and what was detected."""
    lines = printed.splitlines()
    return [line for line in lines if not line.startswith("Detected")], [
        line.split(":")[1].split()[0] for line in lines if line.startswith("Detected")
    ]


def told_by(result: Spotting, options: SpottingOptions) -> tuple[list[str], list[str]]:
    """The same of the run."""
    window, best = result.best
    scores = result.scores[window]
    lines = [f"Best: {result.labels[best]} {scores[best]:.3f} at {result.starts_s[window]:.2f} s"]
    lines += [f"{scores[one]:.3f} {result.labels[one]}" for one in (-scores).argsort(kind="stable")[: options.top_k]]
    if len(result.starts_s) == 1 and not result.detections:
        return lines, ["nothing"]
    return lines, [one.word.split()[0] for one in result.detections]


@pytest.mark.parametrize("seconds", [0.7, 4.1])
@pytest.mark.parametrize("key", tiny_audio.CHECKPOINTS)
def test_the_code_of_every_family_repeats_the_run(
    folders: dict[str, Path], here: Path, key: str, seconds: float
) -> None:
    record(here, seconds)
    card = replace(CARDS[key], source=f"{folders[key]}")
    run(card, folders[key], here, OPTIONS)


def test_the_code_lets_a_multilingual_whisper_guess_the_language(folders: dict[str, Path], here: Path) -> None:
    record(here, 1.5)
    card = replace(CARDS["whisper-base"], source=f"{folders['whisper-base']}")
    run(card, folders["whisper-base"], here, replace(OPTIONS, words="да, fünf"))


def test_the_code_of_the_embedded_model_repeats_a_run_over_a_long_sound(here: Path) -> None:
    record(here, 3.3, 16000)
    card = MODELS[0]
    printed = run(card, card.folder, here, replace(OPTIONS, threshold=0.1, smoothing=1))
    assert re.search(r"^Best: \w+ 0\.\d{3} at \d\.\d\d s$", printed, re.MULTILINE)


def test_the_code_finds_an_installed_model_in_the_cache(
    folders: dict[str, Path], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HOME", str(here / "home"))
    convert.cache_folder().parent.mkdir(parents=True)
    convert.cache_folder().symlink_to(folders["whisper-tiny-en"])
    record(here, 1.0)
    run(CARDS["whisper-tiny-en-offline"], convert.cache_folder(), here, OPTIONS)


def test_silence_and_what_was_noted_of_the_file_are_in_the_code(here: Path) -> None:
    soundfile.write(here / SOUND_NAME, np.zeros(32000), 16000, format="WAV")
    card = MODELS[0]
    request = SpottingRequest(sound(here / SOUND_NAME), OPTIONS)
    (result,) = SpottingPipeline(FAMILIES[card.family](card.folder, "cpu", torch.float32), "cpu", "float32")([request])
    code = snippet(card, request, result)
    assert "# Lectern noted of this file: it is silent" in code
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "code.py", "exec"), {})
    assert "Detected" not in out.getvalue()


@pytest.mark.parametrize("key", ["whisper-keywords", "wav2vec2-ks", "ast-speech-commands", "whisper-base", "clap"])
def test_the_code_tells_words_of_the_users_own_apart_by_the_downloaded_file(
    folders: dict[str, Path], here: Path, key: str
) -> None:
    card = CARDS[key]
    folder = card.folder if card.ships_weights else folders[key]
    card = card if card.ships_weights else replace(card, source=str(folder))
    width = 384 if card.ships_weights else 32
    taught = some_words(card, width)
    (here / TAUGHT_NAME).write_bytes(written(taught))
    record(here, 3.1)
    printed = run(card, folder, here, replace(OPTIONS, words=""), taught)
    assert "knock" in printed or "hum" in printed


def some_words(card: ModelCard, width: int) -> Taught:
    rng = np.random.default_rng(1)
    unit = lambda count: (x := rng.standard_normal((count, width), np.float32)) / np.linalg.norm(x, axis=1)[:, None]  # noqa: E731
    return Taught(
        words=("knock", "hum", "_unknown_"),
        source=card.source,
        revision=card.revision,
        weights="",
        counts=(3, 3),
        space=Space(rng.standard_normal(width, np.float32), rng.standard_normal((width, width), np.float32)),
        prototypes=unit(2),
        others=unit(40),
        slopes=np.array([20, 15], np.float32),
        offsets=np.array([2, 3], np.float32),
    )
