"""Finished pictures as files that say how they were made, and settings read back from such files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, PngImagePlugin

from hub import options
from hub.errors import InvalidInput
from hub.run import PNG_KEY, Run


@dataclass(frozen=True)
class Restored:
    """What a picture says of how it was made.

    Attributes:
        demo: the slug of the tab that it was made on.
        source: of the model, as its card names it.
        values: of the options that the record holds and `kind` declares.
        started: whether it was drawn from a start picture, which the file does not hold.
        lora_file: the name of the LoRA file that changed the model, which the file does not hold; "" for none.
        record: all options that were recorded, unchecked.
    """

    demo: str
    source: str
    values: Mapping[str, Any]
    started: bool
    lora_file: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)


def of_one(run: Run, seed: int, changes: Mapping[str, Any]) -> Run:
    """Return the record of one picture out of a batch: as if it had been drawn alone."""
    return replace(run, seed=seed, options={**run.options, **changes, "seed": seed, "pictures": 1})


def save_png(image: Image.Image, path: Path, run: Run) -> Path:
    """Write a picture with its record in a text chunk, and return where."""
    info = PngImagePlugin.PngInfo()
    info.add_text(PNG_KEY, json.dumps(run.as_dict()))
    image.save(path, "PNG", pnginfo=info)
    return path


def restored(text: Mapping[str, str], kind: type[Any]) -> Restored:
    """Read the settings from a PNG's text chunks.

    Args:
        text: the chunks (`hub.guard.Picture.text`).
        kind: the options dataclass to restore; what it does not declare is left out.

    Raises:
        InvalidInput: when the picture was not made here, or what it says makes no sense.
    """
    try:
        record = json.loads(text[PNG_KEY])
        found, demo, source = dict(record["options"]), str(record["demo"]), str(record["source"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            "The picture does not say how it was made.",
            "Send a PNG that was downloaded here; a screenshot, or a file that was saved anew, has lost its settings.",
        ) from error
    declared = options.specs(kind)
    checked = options.checked(kind, {name: value for name, value in found.items() if name in declared})
    lora_file = str(found.get("lora_file") or "")
    return Restored(demo, source, asdict(checked), bool(found.get("start")), lora_file, found)


def filling(
    image: Image.Image, size: tuple[int, int], resample: Image.Resampling = Image.Resampling.LANCZOS
) -> Image.Image:
    """Return a picture scaled to fill `size` (width, height), its middle where the shapes differ."""
    return ImageOps.fit(image, size, resample)
