"""What the text-to-image tab shows of a run, and the endpoint's answer."""

from __future__ import annotations

from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from demos.text_to_image.options import TextToImageRequest
from hub.cards import ModelCard
from hub.diffusion.film import sheet
from hub.diffusion.pictures import of_one, save_png
from hub.diffusion.stage import Shown, preview_html, stage_html
from hub.draw import notes_html
from hub.files import address, answer_file, result_path
from hub.pictures import data_uri
from hub.runtime import Outcome
from hub.settings import Settings

if TYPE_CHECKING:
    from demos.text_to_image.pipeline import Pictures, Preview


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


def result_html(
    outcome: Outcome, request: TextToImageRequest, files: list[Path], card: ModelCard, settings: Settings
) -> str:
    """Draw the finished pictures, the words, the scrubber, and what to know."""
    pictures: Pictures = outcome.result
    shown = []
    for file, drawn in zip(files, pictures.drawn, strict=True):
        steps = len(drawn.film.guessed)
        film = ""
        if steps:
            path = result_path(settings, "steps.jpg")
            sheet(drawn.film).save(path, quality=88)
            film = address(path)
        shown.append(Shown(address(file), file.name, drawn.image.size, drawn.seed, film, steps, drawn.maps))
    return stage_html(shown, pictures.reading, outcome.run.id) + notes_html(
        (*request.notes, *pictures.notes), card.limits
    )


def explained_html(pictures: Pictures) -> str:
    """Say what the parts of the result mean."""
    chosen, reading = pictures.options, pictures.reading
    asked = "twice, with and without the prompt," if chosen.guided else "once"
    return (
        f"<p>The model starts from noise that only the seed decides, and is asked {asked} at each of "
        f"{chosen.steps} steps what of it is noise. The scheduler ({escape(chosen.scheduler)}) decides how much of "
        "that is taken away before the next step. It works on latents, an eighth of the width and height; the "
        "autoencoder draws the pixels at the end.</p>"
        f"<p>The prompt takes {reading.tokens} tokens of the {reading.limit} that the model reads (its start and end "
        "among them).</p>"
        "<p>The map of a word is the cross-attention of the U-Net from each place to that word's tokens, averaged over "
        "heads, layers and steps: bright where the word had most weight, compared with its weight elsewhere. It is "
        "coarse, and says where a word acted, not what it did.</p>"
    )


def step_html(preview: Preview, size: tuple[int, int]) -> str:
    """Draw the pictures so far."""
    return preview_html(preview.step, preview.steps, preview.looks, size)


def answered(outcome: Outcome, settings: Settings) -> dict[str, Any]:
    """Return the JSON answer of the endpoint."""
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
        "notes": list(pictures.notes),
    }


def streamed(preview: Preview, request: TextToImageRequest) -> dict[str, Any] | None:
    """Return what the endpoint streams of a step, to a client that wants it: pictures as data URLs."""
    if not request.streams:
        return None
    looks = [data_uri(Image.fromarray(look), "PNG") for look in preview.looks]
    return {"step": preview.step, "steps": preview.steps, "previews": looks}
