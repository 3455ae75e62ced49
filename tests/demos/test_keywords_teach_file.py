"""Taught words as a file: what comes back, and what is refused."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from demos.keyword_spotting.models import MODELS
from demos.keyword_spotting.taught import Taught
from demos.keyword_spotting.teach import learn
from demos.keyword_spotting.teach_file import KEY, MOST_BYTES, read, weights_of, written
from hub.errors import InvalidInput
from tests.demos.taught_words import bank, noises, said

CARD = MODELS[0]
SUMS = weights_of(CARD)


@pytest.fixture(scope="module")
def taught() -> Taught:
    examples = {"香蕉": said("banana", 3, 7), "<b>pear</b>": said("pear", 4, 7)}
    return learn(examples, bank(), CARD.source, CARD.revision, weights=SUMS).taught


def changed(taught: Taught, about: dict[str, Any] | None = None, **arrays: Any) -> bytes:
    """The file with other things in its header, or other arrays (None: without it)."""
    data = written(taught)
    length = int.from_bytes(data[:8], "little")
    told = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][KEY]) | (about or {})
    kept = {name: array for name, array in {**load(data), **arrays}.items() if array is not None}
    return save(kept, {KEY: json.dumps(told)})


def refused(data: bytes, folder: Path) -> str:
    path = folder / "words.safetensors"
    path.write_bytes(data)
    with pytest.raises(InvalidInput) as told:
        read(path, CARD)
    return str(told.value)


def test_words_come_back_as_they_were_and_score_the_same(taught: Taught, tmp_path: Path) -> None:
    path = tmp_path / "words.safetensors"
    path.write_bytes(written(taught))
    again = read(path, CARD)
    assert (again.words, again.counts) == (taught.words, taught.counts)
    assert (again.source, again.revision, again.weights) == (CARD.source, CARD.revision, SUMS)
    assert (again.scores(noises(30, 1)) == taught.scores(noises(30, 1))).all()
    assert written(again) == written(taught)


def test_the_header_says_in_json_what_it_is_and_what_for(taught: Taught) -> None:
    data = written(taught)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    about = json.loads(header["__metadata__"][KEY])
    assert about["words"] == ["香蕉", "<b>pear</b>"]
    assert about["examples"] == [3, 4]
    assert about["model"] == {"source": CARD.source, "revision": CARD.revision, "weights_sha256": SUMS}
    assert about["window_s"] == 1.0
    assert len(SUMS) == 64


def test_words_of_another_model_are_refused(taught: Taught, tmp_path: Path) -> None:
    for other in (replace(taught, source="superb/other"), replace(taught, revision="a" * 40)):
        assert "taught with the model" in refused(written(other), tmp_path)
    assert "another version" in refused(written(replace(taught, weights="0" * 64)), tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"\xff" * 8, struct.pack("<Q", 2) + b"{}", struct.pack("<Q", 2**60) + b"{}", b"RIFF" + bytes(100)],
)
def test_a_file_of_another_kind_is_refused(data: bytes, tmp_path: Path) -> None:
    assert "Choose a file that was downloaded here" in refused(data, tmp_path)


def test_a_pickle_and_an_archive_are_refused_unopened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "exploded",)

    with zipfile.ZipFile(tmp_path / "words.zip", "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Bomb()))
    for data in (pickle.dumps(Bomb()), (tmp_path / "words.zip").read_bytes()):
        assert "never opened" in refused(data, tmp_path)
    assert not (tmp_path / "exploded").exists()


def test_a_file_that_was_cut_off_or_changed_is_refused(taught: Taught, tmp_path: Path) -> None:
    data = written(taught)
    for cut in (4, 100, len(data) // 2, len(data) - 1):
        refused(data[:cut], tmp_path)
    refused(data + b"more", tmp_path)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "words.safetensors"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(InvalidInput, match="16 MiB"):
        read(path, CARD)


def test_other_tensors_are_refused(taught: Taught, tmp_path: Path) -> None:
    assert "no taught words" in refused(save({"a": np.zeros(3, np.float32)}), tmp_path)
    assert "no taught words" in refused(save({"a": np.zeros(3, np.float32)}, {KEY: "[1"}), tmp_path)
    assert "another version of Lectern" in refused(changed(taught, {"version": 2}), tmp_path)


def test_arrays_that_do_not_fit_each_other_are_refused(taught: Taught, tmp_path: Path) -> None:
    wide = np.zeros((2, 7), np.float32)
    cases: list[dict[str, Any]] = [
        {"prototypes": wide},
        {"others": wide},
        {"slopes": np.zeros(3, np.float32)},
        {"levelling": wide},
        {"middle": wide},
        {"middle": None},
        {"more": wide},
    ]
    for arrays in cases:
        assert "another size" in refused(changed(taught, None, **arrays), tmp_path)


def test_numbers_that_are_none_are_refused(taught: Taught, tmp_path: Path) -> None:
    for slopes in (np.array([np.nan, 1], np.float32), np.array([3e38, 1], np.float32), np.ones(2, np.float64)):
        assert "numbers that are none" in refused(changed(taught, slopes=slopes), tmp_path)


@pytest.mark.parametrize(
    "about",
    [
        {"words": []},
        {"words": ["a"]},
        {"words": "ab"},
        {"words": ["a", 7]},
        {"words": ["a", "_unknown_"]},
        {"words": ["a", "A"]},
        {"words": ["a", "b" * 500]},
        {"words": ["a"] * 40},
        {"examples": [3]},
        {"examples": [3, 0]},
        {"examples": [3, "4"]},
        {"examples": [3, True]},
        {"model": None},
        {"model": {"source": 1}},
        {"format": "other"},
    ],
)
def test_a_header_that_says_nonsense_is_refused(taught: Taught, about: dict[str, Any], tmp_path: Path) -> None:
    refused(changed(taught, about), tmp_path)
