"""Drawn pictures as HTML: the stage with its notes, and what its parts mean."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from hub.cards import ModelCard
from hub.diffusion.film import sheet
from hub.diffusion.painting import Pictures, Preview
from hub.diffusion.requests import DrawingRequest
from hub.diffusion.stage import Shown, preview_html, stage_html
from hub.draw import notes_html
from hub.files import address, result_path
from hub.runtime import Outcome
from hub.settings import Settings


def result_html(
    outcome: Outcome, request: DrawingRequest, files: Sequence[Path], card: ModelCard, settings: Settings
) -> str:
    """Draw the finished pictures, the words, the scrubber, and what to know.

    Args:
        outcome: of a run whose result is `Pictures`.
        request: what was asked.
        files: the finished pictures, as `hub.diffusion.answers.saved` wrote them.
        card: of the model, for its limits.
        settings: where the sheets of steps are written.
    """
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


def step_html(preview: Preview) -> str:
    """Draw the pictures so far."""
    _, height, width, _ = preview.looks.shape
    return preview_html(preview.step, preview.steps, preview.looks, (width, height))


def explained_html(pictures: Pictures) -> str:
    """Say what the parts of the result mean."""
    chosen, reading = pictures.options, pictures.reading
    asked = "once"
    if chosen.guided:
        asked = f"twice, with the prompt and {'with the negative one' if chosen.negative_prompt else 'without it'},"
    first = pictures.drawn[0]
    taken = len(first.film.guessed) or chosen.steps  # the film is empty where a family tells of no steps
    start = " Of the start picture it sees what that noise leaves." if taken < chosen.steps else ""
    words = (
        "<p>The map of a word is the cross-attention of the U-Net from each place to that word's tokens, averaged over "
        "heads, layers and steps: bright where the word had most weight, compared with its weight elsewhere. It is "
        "coarse, and says where a word acted, not what it did.</p>"
        if first.maps is not None
        else ""
    )
    return (
        f"<p>The model starts from noise that only the seed decides, and is asked {asked} at each of "
        f"{taken} steps what of it is noise.{start} The scheduler ({escape(chosen.scheduler)}) decides how much of "
        "that is taken away before the next step. It works on latents, an eighth of the width and height; the "
        "autoencoder draws the pixels at the end.</p>"
        f"<p>The prompt takes {reading.tokens} tokens of the {reading.limit} that the model reads (its start and end "
        f"among them).</p>{words}"
    )
