"""Weights: embedded ones are verified, Hub ones come from the cache or the Hub, pickles never."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from hub import cards, weights
from hub.cards import ModelCard
from hub.errors import ModelUnavailable
from tests.hub.test_runtime import EMBEDDED, ONLINE
from tests.hub.toys import write_checksums

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PINNED = replace(ONLINE, revision=COMMIT)


def nothing(text: str, fraction: float | None) -> None:
    """Report to nobody."""


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cards, "MODELS_DIR", tmp_path)
    folder = EMBEDDED.folder
    folder.mkdir()
    save_file({"weight": torch.arange(4.0)}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    write_checksums(folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of ONLINE in an empty cache of Hugging Face's; the Hub cannot be reached."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "cache" / "models--someone--big"


def lay_out(cache: Path, *names: str) -> None:
    """Lay out a cached snapshot as huggingface_hub does, with real tensors."""
    snapshot = cache / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    for name in names:
        if name.endswith(".safetensors"):
            save_file({"weight": torch.arange(4.0)}, snapshot / name)
        else:
            (snapshot / name).write_text("{}")


def test_an_embedded_model_is_its_folder_once_verified(embedded: Path) -> None:
    assert weights.fetch(EMBEDDED, nothing) == embedded


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_damaged_or_missing_file_of_an_embedded_model_is_named(embedded: Path, name: str) -> None:
    whole = (embedded / name).read_bytes()
    (embedded / name).write_bytes(whole[:-1] + b"?")
    with pytest.raises(ModelUnavailable, match=f"toy/{name} is damaged"):
        weights.fetch(EMBEDDED, nothing)
    (embedded / name).unlink()
    with pytest.raises(ModelUnavailable, match=f"toy/{name} is damaged"):
        weights.fetch(EMBEDDED, nothing)
    (embedded / name).write_bytes(whole)  # and once it is mended, it is taken
    assert weights.fetch(EMBEDDED, nothing) == embedded


def test_an_embedded_model_that_is_not_there_says_so() -> None:
    card = replace(EMBEDDED, source="no-such-model")
    with pytest.raises(ModelUnavailable, match="no-such-model is missing"):
        weights.fetch(card, nothing)


def test_a_hub_model_has_no_folder_until_it_is_fetched() -> None:
    with pytest.raises(ValueError, match="no folder"):
        _ = ONLINE.folder
    assert EMBEDDED.pinned
    assert PINNED.pinned
    assert not ONLINE.pinned


@pytest.mark.parametrize("card", [ONLINE, PINNED], ids=["main", "pinned"])
def test_a_model_that_is_neither_here_nor_reachable_names_the_command_that_fetches_it(
    card: ModelCard, cache: Path
) -> None:
    with pytest.raises(ModelUnavailable, match=r"embedded model, or run `hf download someone/big"):
        weights.fetch(card, nothing)
    assert not weights.is_cached(card)


@pytest.mark.parametrize("card", [ONLINE, PINNED], ids=["main", "pinned"])
def test_a_cached_model_is_fetched_offline(card: ModelCard, cache: Path) -> None:
    lay_out(cache, "config.json", "model.safetensors")
    assert weights.is_cached(card)
    folder = weights.fetch(card, nothing)
    assert torch.equal(load_file(folder / "model.safetensors")["weight"], torch.arange(4.0))


def test_of_several_forms_of_the_weights_only_the_one_that_is_asked_for_is_downloaded(local_hub: LocalHub) -> None:
    names = ("model.safetensors", "unet/model.safetensors", "unet/model.fp16.safetensors", "unet/config.json")
    local_hub.files = {name: name.encode() for name in names}
    card = replace(ONLINE, variant="fp16", files=("*.json", "unet/*.fp16.safetensors"))
    folder = weights.fetch(card, nothing)
    fetched = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert fetched == {"unet/model.fp16.safetensors", "unet/config.json"}
    assert weights.is_cached(card)
    assert not weights.is_cached(ONLINE)  # which is another form of it


def test_a_form_of_the_weights_that_a_repository_has_not_is_named(local_hub: LocalHub) -> None:
    local_hub.files = {"unet/model.safetensors": b"1"}
    with pytest.raises(ModelUnavailable, match=r"unet/\*\.fp16\.safetensors at revision main"):
        weights.fetch(replace(ONLINE, files=("unet/*.fp16.safetensors",)), nothing)


def test_what_a_model_needs_of_other_repositories_is_fetched_with_it(cache: Path) -> None:
    lay_out(cache, "config.json", "model.safetensors")
    needing = replace(ONLINE, needs=(replace(ONLINE, key="other", label="Other", source="someone/else"),))
    assert not weights.is_cached(needing)
    with pytest.raises(ModelUnavailable, match="Other is not on this machine"):
        weights.fetch(needing, nothing)
    lay_out(cache.with_name("models--someone--else"), "model.safetensors")
    assert weights.is_cached(needing)
    assert weights.fetch(needing, nothing) == cache / "snapshots" / COMMIT


def test_the_command_that_fetches_a_model_names_what_is_used_of_it(cache: Path) -> None:
    command = f"hf download someone/big --revision {COMMIT} --include '*.json' --include 'unet/*.safetensors'"
    with pytest.raises(ModelUnavailable) as caught:
        weights.fetch(replace(PINNED, files=("*.json", "unet/*.safetensors")), nothing)
    assert f"`{command}`" in str(caught.value)


def test_pickled_weights_are_refused(cache: Path) -> None:
    lay_out(cache, "config.json", "pytorch_model.bin")
    assert not weights.is_cached(ONLINE)
    with pytest.raises(ModelUnavailable, match="pickled weights are refused"):
        weights.fetch(ONLINE, nothing)


def test_the_hub_is_not_reachable_where_it_is_switched_off(cache: Path) -> None:
    weights.hub_reachable.cache_clear()
    assert not weights.hub_reachable()
    weights.hub_reachable.cache_clear()


@dataclass
class LocalHub:
    """A Hub on this machine: real HTTP, one repository."""

    files: dict[str, bytes] = field(default_factory=dict)
    refuses: str = ""  # the X-Error-Code of every answer
    cuts_off: bool = False  # breaks every download in the middle
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if self.refuses:
            return 403 if self.refuses == "GatedRepo" else 404, {"X-Error-Code": self.refuses}, b"{}"
        repository = "/api/models/someone/big"
        if path.startswith(f"{repository}/revision/"):
            return 200, {}, json.dumps({"id": "someone/big", "sha": COMMIT, "siblings": []}).encode()
        if path.startswith(f"{repository}/tree/{COMMIT}"):
            entries = [
                {"type": "file", "path": name, "size": len(content), "oid": sha1(content).hexdigest()}
                for name, content in self.files.items()
            ]
            return 200, {}, json.dumps(entries).encode()
        name = path.removeprefix(f"/someone/big/resolve/{COMMIT}/")
        if name in self.files:
            content = self.files[name]
            return 200, {"X-Repo-Commit": COMMIT, "ETag": f'"{sha1(content).hexdigest()}"'}, content
        return 404, {"X-Error-Code": "EntryNotFound"}, b"{}"


@pytest.fixture
def local_hub(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalHub]:
    hub = LocalHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.asked.append(self.path)
            status, headers, content = hub.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content[: len(content) // 2] if hub.cuts_off and "resolve" in self.path else content)

        do_HEAD = do_GET  # noqa: N815 - the names http.server calls

        def log_message(self, *message: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    yield hub
    server.shutdown()
    server.server_close()


def test_a_model_is_downloaded_with_progress_and_without_its_pickles(local_hub: LocalHub, tmp_path: Path) -> None:
    save_file({"weight": torch.arange(1000.0)}, tmp_path / "model.safetensors")
    local_hub.files = {
        "config.json": b"{}",
        "model.safetensors": (tmp_path / "model.safetensors").read_bytes(),
        "pytorch_model.bin": b"a pickle",
        "modeling_big.py": b"print('trust me')",
    }
    told: list[tuple[str, float | None]] = []
    folder = weights.fetch(ONLINE, lambda *progress: told.append(progress))
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert torch.equal(load_file(folder / "model.safetensors")["weight"], torch.arange(1000.0))
    assert told[0] == ("Fetching Big (1.0 GB)", 0.0)
    fractions = [fraction for _, fraction in told if fraction is not None]
    assert len(fractions) >= 3
    assert fractions[-1] == 1.0
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert not any("pickle" in path or path.endswith((".bin", ".py")) for path in local_hub.asked)
    assert weights.is_cached(ONLINE)
    local_hub.refuses = "RepoNotFound"
    assert weights.fetch(PINNED, nothing) == folder  # a commit that is here is not asked for again


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [("RepoNotFound", "no repository someone/big"), ("GatedRepo", "licence"), ("RevisionNotFound", "failed")],
)
def test_a_refusal_of_the_hub_says_what_to_do(refusal: str, expected: str, local_hub: LocalHub) -> None:
    local_hub.refuses = refusal
    with pytest.raises(ModelUnavailable, match=expected):
        weights.fetch(ONLINE, nothing)


def test_a_download_that_breaks_off_says_so_and_is_not_taken_for_the_model(
    local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the library waits before it tries again
    local_hub.files = {"model.safetensors": b"x" * 1000}
    local_hub.cuts_off = True
    with pytest.raises(ModelUnavailable, match=r"Downloading Big failed.*Try again"):
        weights.fetch(ONLINE, nothing)
    assert not weights.is_cached(ONLINE)


def test_a_repository_of_pickles_only_is_refused(local_hub: LocalHub) -> None:
    local_hub.files = {"config.json": b"{}", "pytorch_model.bin": b"a pickle"}
    with pytest.raises(ModelUnavailable, match="no safetensors weights at revision main"):
        weights.fetch(ONLINE, nothing)


def test_the_hub_is_reachable_where_something_answers(local_hub: LocalHub) -> None:
    weights.hub_reachable.cache_clear()
    assert weights.hub_reachable()
    weights.hub_reachable.cache_clear()
