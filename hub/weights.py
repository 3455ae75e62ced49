"""Where weights come from: a folder that ships with Lectern, or a pinned Hub snapshot, safetensors only."""

from __future__ import annotations

import fnmatch
import hashlib
import io
from functools import cache
from pathlib import Path
from typing import Any

from hub.cards import MODELS_DIR, ModelCard
from hub.errors import ModelUnavailable
from hub.pool import Report, gigabytes

SETTINGS_FILES = ("*.json", "*.txt", "*.model", "*.jinja")  # configuration and tokenizers
SAFE_FILES = ("*.safetensors", *SETTINGS_FILES)  # and weights; no pickle
CHECKSUMS = "SHA256SUMS"

# How every `from_pretrained` is called: `fetch` has brought the files, and pickled weights are never read.
LOCAL = {"local_files_only": True}
SAFE_WEIGHTS = {**LOCAL, "use_safetensors": True}


def fetch(card: ModelCard, report: Report) -> Path:
    """Return a local folder with the card's files, downloading a Hub snapshot when the cache has none.

    What else the card needs is fetched too, and is then in the cache: fetch those cards for their folders.

    Raises:
        ModelUnavailable: says whether the network, the repository or its file format is the cause.
    """
    for needed in card.needs:
        fetch(needed, report)
    if card.package:
        return MODELS_DIR  # the method is in a package that is installed, and reads nothing from here
    if card.embedded:
        verify(card.folder)
        return card.folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    report(f"Fetching {card.label} ({gigabytes(card.download_bytes)})", 0.0)
    try:
        folder = Path(
            snapshot_download(
                card.source,
                revision=card.revision,
                allow_patterns=list(card.files or SAFE_FILES),
                tqdm_class=_progress_bar(card, report),
            )
        )
    except LocalEntryNotFoundError as error:
        raise ModelUnavailable(
            f"{card.label} is not on this machine, or not all of it, and the Hugging Face Hub cannot be reached.",
            f"Choose an embedded model, or run `{_command(card)}` once while online.",
        ) from error
    except GatedRepoError as error:
        raise ModelUnavailable(
            f"{card.source} asks you to accept its licence first.", "Accept it on the Hub and run `hf auth login`."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelUnavailable(f"The Hub has no repository {card.source}.", "Choose another model.") from error
    except Exception as error:  # the network, the disk and three transfer libraries each have their own
        cause = getattr(error, "strerror", None) or type(error).__name__
        raise ModelUnavailable(
            f"Downloading {card.label} failed: {cause}.", "Try again, or choose an embedded model."
        ) from error
    lacking = _lacking(folder, card)
    if lacking:
        named = f" {', '.join(lacking)}" if card.files else ""
        raise ModelUnavailable(
            f"{card.source} has no safetensors weights{named} at revision {card.revision}, or they are not on this "
            "machine; pickled weights are refused.",
            f"Choose another model, or run `{_command(card)}` once while online.",
        )
    return folder


def _command(card: ModelCard) -> str:
    """Return the command that fetches what a card needs, and no more."""
    revision = f" --revision {card.revision}" if card.revision != "main" else ""
    return f"hf download {card.source}{revision}" + "".join(f" --include '{pattern}'" for pattern in card.files)


def _lacking(folder: Path, card: ModelCard) -> list[str]:
    """Return the patterns of weights that no file of the folder matches: a cache may hold another form of them."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors")]
    wanted = [pattern for pattern in card.files or SAFE_FILES if pattern.endswith(".safetensors")]
    return [pattern for pattern in wanted if not fnmatch.filter(names, pattern)]


@cache
def verify(folder: Path) -> None:
    """Check an embedded model's files against its SHA256SUMS, once per process.

    Raises:
        ModelUnavailable: when a file is missing or differs.
    """
    listing = folder / CHECKSUMS
    if not listing.is_file():
        raise ModelUnavailable(f"The embedded model {folder.name} is missing.", "Check out assets/models again.")
    for line in listing.read_text(encoding="utf-8").splitlines():
        expected, name = line.split(maxsplit=1)
        file = folder / name
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            raise ModelUnavailable(f"{folder.name}/{name} is damaged.", "Check out assets/models again.")


def is_cached(card: ModelCard) -> bool:
    """Tell whether a Hub model's configuration and weights are in the local cache, without any network."""
    if not all(needed.embedded or is_cached(needed) for needed in card.needs):
        return False
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            card.source,
            revision=card.revision,
            allow_patterns=list(card.files or SAFE_FILES),
            local_files_only=True,
        )
    except (LocalEntryNotFoundError, OSError):
        return False
    return not _lacking(Path(folder), card)


@cache
def hub_reachable(timeout_s: float = 3.0) -> bool:
    """Tell whether the Hub answers; asked once per process. Where HF_HUB_OFFLINE is set, it does not."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=timeout_s)
    except Exception:  # noqa: BLE001 - whatever the HTTP library raises, the answer is no
        return False
    return True


def _progress_bar(card: ModelCard, report: Report) -> type[Any]:
    """Return a tqdm class that reports bytes instead of drawing on a terminal."""
    from tqdm.auto import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs["disable"] = False
            kwargs["file"] = io.StringIO()
            kwargs.pop("name", None)
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            if self.unit == "B" and self.total:
                report(
                    f"Fetching {card.label}: {gigabytes(int(self.n))} of {gigabytes(int(self.total))}",
                    min(1.0, self.n / self.total),
                )
            return shown

    return Bar
