"""LoRAs named by a repository of the Hub: found, pinned, and refused before anything large is fetched."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from hub.diffusion.lora_hub import USUAL_NAME, lora_of_hub
from hub.errors import InvalidInput, ModelUnavailable
from tests.hub.test_weights import COMMIT, LocalHub, cache, local_hub  # noqa: F401 - fixtures

Hold = Callable[..., None]


@pytest.fixture
def holds(local_hub: LocalHub) -> Hold:  # noqa: F811 - the fixture
    """Return a function that lets the repository someone/style hold files of these sizes."""

    def hold(**sizes: int) -> None:
        siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
        info = {"id": "someone/style", "sha": COMMIT, "siblings": siblings}

        def answer(path: str) -> tuple[int, dict[str, str], bytes]:
            if path.startswith("/api/models/someone/style"):
                return 200, {}, json.dumps(info).encode()
            return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

        local_hub.answer = answer  # type: ignore[method-assign]

    return hold


@pytest.mark.parametrize(
    "text",
    [
        "someone/style",
        " someone/style/ ",
        "https://huggingface.co/someone/style",
        "someone/style/clay.safetensors",
        "https://huggingface.co/someone/style/blob/main/clay.safetensors",
        "https://huggingface.co/someone/style/resolve/main/clay.safetensors",
    ],
)
def test_a_repository_is_pinned_to_what_it_holds_now(holds: Hold, text: str) -> None:
    holds(**{"README.md": 10, "clay.safetensors": 5_000_000})
    card = lora_of_hub(text)
    assert (card.source, card.revision, card.files) == ("someone/style", COMMIT, ("clay.safetensors",))
    assert card.download_bytes == 5_000_000
    assert card.key == "lora:someone/style/clay.safetensors"


def test_of_several_files_the_usual_one_is_taken_or_one_must_be_named(holds: Hold) -> None:
    holds(**{"a.safetensors": 10, USUAL_NAME: 20})
    assert lora_of_hub("someone/style").files == (USUAL_NAME,)
    holds(**{"a.safetensors": 10, "b.safetensors": 20})
    with pytest.raises(InvalidInput, match=r"has 2 files: a.safetensors, b.safetensors. Name one: someone/style/a"):
        lora_of_hub("someone/style")
    with pytest.raises(InvalidInput, match="Name one"):
        lora_of_hub("someone/style/c.safetensors")


def test_a_whole_model_and_a_pickle_are_refused_before_they_are_fetched(holds: Hold) -> None:
    holds(**{"model.safetensors": 7_000_000_000})
    with pytest.raises(InvalidInput, match=r"has 7.0 GB.*whole model"):
        lora_of_hub("someone/style")
    holds(**{"lora.pt": 1000})
    with pytest.raises(InvalidInput, match="pickled weights are refused"):
        lora_of_hub("someone/style")


def test_a_repository_that_is_not_there_says_so(holds: Hold) -> None:
    holds()
    with pytest.raises(ModelUnavailable, match="no repository no/such"):
        lora_of_hub("no/such")


@pytest.mark.parametrize("text", ["", "style", "a/b/c", "../../etc/passwd", "a/..", "file:///a/b", "someone/style; rm"])
def test_what_is_no_name_of_a_repository_says_how_to_write_one(text: str) -> None:
    with pytest.raises(InvalidInput, match="Write owner/name"):
        lora_of_hub(text)


def test_without_a_network_the_usual_file_of_the_cache_is_meant(cache: object) -> None:  # noqa: F811 - the fixture
    card = lora_of_hub("someone/style")
    assert (card.revision, card.files) == ("main", (USUAL_NAME,))
