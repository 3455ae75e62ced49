"""What one run was: enough to say which model answered, how long each part took, and how to do it again."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from PIL import Image

from hub.cards import ModelCard

RECORDED_PACKAGES = (
    "gradio",
    "torch",
    "transformers",
    "diffusers",
    "open3d",
    "opencv-contrib-python-headless",
    "rapidocr",
    "numpy",
)
PNG_KEY = "lectern"  # the text chunk that carries the record


@dataclass(frozen=True)
class Timings:
    """Seconds spent in each part of a run."""

    queue_s: float  # waiting for the device and for batch neighbours
    load_s: float  # waiting for the model to be loaded; 0 when it was resident
    compute_s: float  # the forward pass (of the whole batch the run was part of)

    @property
    def total_s(self) -> float:
        """All parts together."""
        return self.queue_s + self.load_s + self.compute_s


@dataclass(frozen=True)
class Run:
    """The record of one run. `options` holds plain JSON values."""

    id: str
    demo: str
    model: str
    source: str
    revision: str
    embedded: bool
    device: str
    dtype: str
    options: dict[str, Any]
    seed: int | None
    timings: Timings
    batch_size: int
    started_at: str
    versions: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {**asdict(self), "total_s": self.timings.total_s}

    def stamped(self, image: Image.Image) -> Image.Image:
        """Return a copy of `image` that carries the record, as a text chunk once it is saved as PNG.

        Show it in a component with `format="png"`, and the downloaded file says how it was made.
        """
        copy = image.copy()
        copy.info = {PNG_KEY: json.dumps(self.as_dict())}
        return copy


def record(
    *,
    job_id: str,
    demo: str,
    card: ModelCard,
    device: str,
    dtype: str,
    options: dict[str, Any],
    timings: Timings,
    batch_size: int,
) -> Run:
    """Write down a run that has just ended."""
    seed = options.get("seed")
    return Run(
        id=job_id,
        demo=demo,
        model=card.label,
        source=card.source,
        revision=card.revision,
        embedded=card.embedded,
        device=device,
        dtype=dtype,
        options=options,
        seed=seed,
        timings=timings,
        batch_size=batch_size,
        started_at=(datetime.now(UTC) - timedelta(seconds=timings.total_s)).isoformat(timespec="seconds"),
        versions=versions(),
    )


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide a result, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
