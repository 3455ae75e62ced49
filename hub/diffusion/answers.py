"""What is handed out of drawn pictures: PNG files that say how they were made, JSON answers, streamed previews."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from hub.diffusion.painting import Pictures, Preview
from hub.diffusion.pictures import of_one, save_png
from hub.diffusion.requests import DrawingRequest
from hub.files import answer_file, result_path
from hub.pictures import data_uri
from hub.runtime import Outcome
from hub.settings import Settings


def saved(outcome: Outcome, settings: Settings) -> list[Path]:
    """Write every picture of a run as a PNG that says how it, alone, was made; return where."""
    pictures: Pictures = outcome.result
    followed = {
        name: value for name, value in asdict(pictures.options).items() if outcome.run.options.get(name) is not None
    }
    return [
        save_png(
            drawn.image,
            result_path(settings, f"picture-{drawn.seed}.png"),
            of_one(outcome.run, drawn.seed, followed),
        )
        for drawn in pictures.drawn
    ]


def answered(outcome: Outcome, request: DrawingRequest, settings: Settings) -> dict[str, Any]:
    """Return the JSON answer of an endpoint that draws; a demo may add to it."""
    pictures: Pictures = outcome.result
    reading = pictures.reading
    files = saved(outcome, settings)
    return {
        "pictures": [
            {"seed": drawn.seed, "width": drawn.image.width, "height": drawn.image.height, "file": answer_file(file)}
            for drawn, file in zip(pictures.drawn, files, strict=True)
        ],
        "options": asdict(pictures.options),
        "prompt": {
            "tokens": reading.tokens,
            "limit": reading.limit,
            "cut_off": reading.lost,
            "unknown_words": list(reading.unknown),
        },
        "notes": [*request.notes, *pictures.notes],
    }


def streamed(preview: Preview, request: DrawingRequest) -> dict[str, Any] | None:
    """Return what an endpoint streams of a step, to a client that wants it: pictures as data URLs."""
    if not request.streams:
        return None
    looks = [data_uri(Image.fromarray(look), "PNG") for look in preview.looks]
    return {"step": preview.step, "steps": preview.steps, "previews": looks}
