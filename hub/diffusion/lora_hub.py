"""Finds a LoRA on the Hub by its name, pinned to the commit that is there now, before anything is downloaded."""

from __future__ import annotations

import re
from typing import Any

from hub.cards import ModelCard
from hub.diffusion.lora_files import MAX_BYTES
from hub.errors import InvalidInput, ModelUnavailable
from hub.pool import gigabytes

LORA_FAMILY = "lora"
USUAL_NAME = "pytorch_lora_weights.safetensors"  # as diffusers saves it
# "owner/name", perhaps with a file of the repository, perhaps as an address of it in the browser.
ADDRESS = re.compile(
    r"(?:https?://huggingface\.co/)?(?P<repository>[\w.-]+/[\w.-]+)(?:/(?:blob|resolve)/[^/]+)?(?:/(?P<file>.+\.safetensors))?/?"
)
FORM = "Write owner/name, or owner/name/file.safetensors."


def lora_of_hub(text: str) -> ModelCard:
    """Return a card for a LoRA on the Hub, to be added to a model's by `hub.diffusion.cards.composed`.

    Asks the Hub for the repository's list of files. Where it cannot be reached, the card is not pinned and names the
    usual file: what the cache has of it will be used.

    Raises:
        InvalidInput: for what is no name of a repository, for a repository without a LoRA file or with several, and for
            a file that is too large.
        ModelUnavailable: when there is no such repository, or its licence must be accepted first.
    """
    match = ADDRESS.fullmatch(text.strip())
    if match is None or ".." in text:
        raise InvalidInput(f"{text.strip()[:60]!r} is no name of a LoRA on the Hub.", FORM)
    repository, wanted = match["repository"], match["file"]
    info = _info(repository)
    if info is None:
        return lora_card(repository, wanted or USUAL_NAME, "main", 0)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings if file.rfilename.endswith(".safetensors")}
    if not sizes:
        raise InvalidInput(
            f"{repository} has no safetensors file; pickled weights are refused.", "Choose another LoRA."
        )
    name = wanted or (USUAL_NAME if USUAL_NAME in sizes else next(iter(sizes)))
    if (wanted is None and len(sizes) > 1 and name != USUAL_NAME) or name not in sizes:
        some = ", ".join(sorted(sizes)[:5])
        raise InvalidInput(f"{repository} has {len(sizes)} files: {some}.", f"Name one: {repository}/{min(sizes)}.")
    if sizes[name] > MAX_BYTES:
        raise InvalidInput(
            f"{name} has {gigabytes(sizes[name])}; a LoRA has at most {gigabytes(MAX_BYTES)} here.",
            "It may be a whole model: choose a LoRA.",
        )
    return lora_card(repository, name, info.sha, sizes[name])


def lora_card(repository: str, name: str, revision: str, size: int) -> ModelCard:
    """Return the card of one file of a repository."""
    return ModelCard(
        key=f"lora:{repository}/{name}",
        label=f"LoRA {repository.partition('/')[2]}",
        source=repository,
        task="text-to-image",
        family=LORA_FAMILY,
        licence="see its page on the Hub",
        download_bytes=size,
        memory_bytes=2 * size,
        knows="What its author trained it on.",
        limits="Chosen by the user; nobody here has tried it.",
        citation=f"https://huggingface.co/{repository}",
        revision=revision,
        files=(name,),
    )


def _info(repository: str) -> Any:
    """Return what the Hub says of a repository, or None where it cannot be reached."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        return HfApi().model_info(repository, files_metadata=True, timeout=10)
    except GatedRepoError as error:
        raise ModelUnavailable(
            f"{repository} asks you to accept its licence first.", "Accept it on the Hub and run `hf auth login`."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelUnavailable(f"The Hub has no repository {repository}.", FORM) from error
    except Exception:  # noqa: BLE001 - no network, a server that fails: whatever the HTTP library raises
        return None
