"""Drawn pictures on the page: enlarged pixel by pixel, with a scrubber over the steps and a map for each word.

The browser enlarges small pictures by a whole number and draws each pixel as a square, so that a class sees what the
model drew and nothing that an interpolation added. A click on "smooth" lets it interpolate; files stay as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hub.diffusion.film import COLUMNS
from hub.diffusion.prompts import Reading
from hub.pictures import data_uri, spotlight

SHOWN_PX = 512  # one picture is enlarged up to this side, several up to half of it
MOST_WORDS = 40  # with a map each


@dataclass(frozen=True)
class Shown:
    """One picture to show.

    Attributes:
        file: address of the finished PNG.
        name: that a download gets.
        film: address of the sheet of its steps (`hub.diffusion.film.sheet`); "" for none.
        steps: how many steps the sheet has.
        maps: (T, h, w) where each token acted; None for none.
    """

    file: str
    name: str
    size: tuple[int, int]
    seed: int
    film: str = ""
    steps: int = 0
    maps: NDArray[np.float32] | None = None


def zoom(size: tuple[int, int], pictures: int) -> int:
    """Return how many times as large a picture is shown.

    >>> zoom((128, 128), 1), zoom((128, 128), 8), zoom((1024, 1024), 1)
    (4, 2, 1)
    """
    room = SHOWN_PX if pictures == 1 else SHOWN_PX // 2
    return max(1, room // max(size))


def preview_html(step: int, steps: int, looks: NDArray[np.uint8], size: tuple[int, int]) -> str:
    """Draw the pictures of a run that is under way, (P, H, W, 3), and how far it is."""
    shown = [Image.fromarray(look) for look in looks]
    width = size[0] * zoom(size, len(shown))
    pictures = "".join(
        f'<img src="{data_uri(look, "JPEG", quality=85)}" alt="picture {number} so far" style="width:{width}px" />'
        for number, look in enumerate(shown, 1)
    )
    return (
        f'<div class="lectern-status" role="status">Step {step} of {steps}: what the model takes the picture to be … '
        f'<progress value="{step / steps:.3f}" max="1"></progress></div><div class="drawn-preview">{pictures}</div>'
    )


def stage_html(pictures: Sequence[Shown], reading: Reading, group: str) -> str:
    """Draw finished pictures with the scrubber over their steps and the words of the prompt; `group` names this run."""
    first = pictures[0]
    times = zoom(first.size, len(pictures))
    width, height = first.size
    enlarged = f", shown {times} times as large, each pixel as a square" if times > 1 else ""
    several = " Click one to send it on, or to animate it." if len(pictures) > 1 else ""
    smooth = '<label><input type="checkbox" class="drawn-smooth" /> smooth</label>' if times > 1 else ""
    return (
        f'<div class="drawn" data-steps="{first.steps}" data-columns="{COLUMNS}">'
        f'{words_html(reading, pictures, group)}<div class="drawn-pictures">'
        + "".join(_picture_html(each, times, reading) for each in pictures)
        + f'</div><p class="drawn-hint">{width} × {height} pixels{enlarged}. {smooth}{several}</p>'
        f"{_scrubber_html(first)}</div>"
    )


def _picture_html(shown: Shown, times: int, reading: Reading) -> str:
    width, height = shown.size
    maps = ""
    if shown.maps is not None:
        maps = "".join(
            f'<img class="drawn-map" data-word="{number}" alt="" hidden src="{_map(shown.maps, word.places)}" />'
            for number, word in enumerate(reading.words[:MOST_WORDS])
            if word.places
        )
    rows = -(-shown.steps // COLUMNS) * 2
    film = (
        f'<div class="drawn-frame" hidden style="background-image:url({shown.film});'
        f'background-size:{COLUMNS * 100}% {rows * 100}%"></div>'
        if shown.film
        else ""
    )
    return (
        f'<figure style="width:{width * times}px"><div class="drawn-stage" style="aspect-ratio:{width}/{height}">'
        f'<img src="{shown.file}" alt="drawn with seed {shown.seed}" />{film}{maps}</div>'
        f'<figcaption>seed {shown.seed} · <a href="{shown.file}" download="{escape(shown.name)}">'
        "PNG with its settings</a></figcaption></figure>"
    )


def _map(maps: NDArray[np.float32], places: Sequence[int]) -> str:
    """Return the map of a word as a data URL: dark where it had least weight in this picture, clear where most."""
    own = maps[list(places)].mean(0)
    return spotlight(own - own.min())


def words_html(reading: Reading, pictures: Sequence[Shown], group: str = "") -> str:
    """Draw the prompt word by word: unknown ones underlined, what is cut off struck out, the others to be chosen."""
    mapped = any(each.maps is not None for each in pictures)
    drawn = []
    for number, word in enumerate(reading.words):
        kind = "cut" if word.cut else "known" if word.known else "unknown"
        title = {"cut": "not read: beyond what the model reads", "unknown": "the model was not taught this word"}
        if mapped and word.places and number < MOST_WORDS:
            drawn.append(
                f'<button type="button" class="drawn-word drawn-{kind}" data-word="{number}" aria-pressed="false" '
                f'title="{title.get(kind, "where it acted")}">{escape(word.text)}</button>'
            )
        else:
            drawn.append(
                f'<span class="drawn-word drawn-{kind}" title="{title.get(kind, "")}">{escape(word.text)}</span>'
            )
    if not drawn:
        return ""
    hint = "Click a word to see where it acted." if mapped else ""
    return f'<div class="drawn-words" data-group="{group}">{" ".join(drawn)} <small>{hint}</small></div>'


def _scrubber_html(shown: Shown) -> str:
    """Draw the slider over the steps, and a filmstrip of some of them."""
    if not shown.film:
        return ""
    rows = -(-shown.steps // COLUMNS) * 2
    strip = "".join(
        f'<button type="button" class="drawn-still" data-step="{step}" title="step {step}" '
        f'style="aspect-ratio:{shown.size[0]}/{shown.size[1]};background-image:url({shown.film});'
        f'background-size:{COLUMNS * 100}% {rows * 100}%;{_place(step - 1, rows)}"></button>'
        for step in stills(shown.steps)
    )
    return (
        '<div class="drawn-scrubber"><label>Steps '
        f'<input type="range" min="1" max="{shown.steps + 1}" value="{shown.steps + 1}" step="1" '
        'aria-label="step" /></label> <output>finished</output>'
        '<label><input type="checkbox" class="drawn-noise" /> as the model saw it, with its noise</label></div>'
        f'<div class="drawn-strip">{strip}</div>'
        '<p class="drawn-hint">Steps are quick looks: one convolution in place of the decoder.</p>'
    )


def stills(steps: int) -> list[int]:
    """Return the steps, from 1, that the filmstrip shows.

    >>> stills(4), stills(20)
    ([1, 2, 3, 4], [1, 3, 5, 7, 9, 12, 14, 16, 18, 20])
    """
    return sorted({round(1 + (steps - 1) * place / (COLUMNS - 1)) for place in range(COLUMNS)}) if steps > 1 else [1]


def _place(frame: int, rows: int) -> str:
    across, down = frame % COLUMNS / (COLUMNS - 1), frame // COLUMNS / max(1, rows - 1)
    return f"background-position:{across:.4%} {down:.4%}"


SCRIPT = """
function show() {
  const drawn = element.querySelector(".drawn");
  if (!drawn) return;
  const slider = drawn.querySelector("input[type=range]"), steps = Number(drawn.dataset.steps);
  const columns = Number(drawn.dataset.columns), rows = 2 * Math.ceil(steps / columns);
  drawn.classList.toggle("drawn-soft", Boolean(drawn.querySelector(".drawn-smooth:checked")));
  if (!slider) return;
  const step = Number(slider.value), noisy = drawn.querySelector(".drawn-noise").checked;
  const place = step - 1, row = Math.floor(place / columns) + (noisy ? rows / 2 : 0);
  const saw = noisy ? "what the model saw" : "what it took the picture to be";
  drawn.querySelector("output").textContent = step > steps ? "finished" : `step ${step} of ${steps}: ${saw}`;
  for (const frame of drawn.querySelectorAll(".drawn-frame")) {
    frame.hidden = step > steps;
    frame.style.backgroundPosition = `${place % columns / (columns - 1) * 100}% ${row / (rows - 1) * 100}%`;
  }
  for (const still of drawn.querySelectorAll(".drawn-still")) {
    still.classList.toggle("drawn-chosen", Number(still.dataset.step) === step);
  }
}

function choose(word) {
  const chosen = word.getAttribute("aria-pressed") !== "true";
  for (const each of element.querySelectorAll("button.drawn-word")) {
    each.setAttribute("aria-pressed", String(chosen && each === word));
  }
  for (const map of element.querySelectorAll(".drawn-map")) {
    map.hidden = !(chosen && map.dataset.word === word.dataset.word);
  }
}

element.addEventListener("input", show);
function take(stage) {
  const stages = [...element.querySelectorAll(".drawn-stage")];
  if (stages.length < 2) return;
  for (const each of stages) each.classList.toggle("drawn-taken", each === stage);
  trigger("select", {place: stages.indexOf(stage)});
}

element.addEventListener("click", event => {
  const stage = event.target.closest(".drawn-stage");
  if (stage) take(stage);
  const word = event.target.closest("button.drawn-word"), still = event.target.closest(".drawn-still");
  if (word) choose(word);
  if (still) { element.querySelector("input[type=range]").value = still.dataset.step; show(); }
});
watch("value", show);
"""

CSS = """
.drawn-pictures, .drawn-preview { display: flex; flex-wrap: wrap; gap: .6rem; margin: .4rem 0; }
.drawn-pictures figure { margin: 0; max-width: 100%; }
.drawn-pictures figcaption { font-size: .85rem; color: var(--body-text-color-subdued); }
.drawn-pictures figcaption a { color: inherit; text-decoration: underline; }
.drawn-preview img { max-width: 100%; border-radius: .3rem; }
.drawn-stage { position: relative; overflow: hidden; border-radius: .3rem; }
.drawn-stage > img { display: block; width: 100%; height: 100%; image-rendering: pixelated; }
.drawn-soft .drawn-stage > img { image-rendering: auto; }
.drawn-stage > .drawn-map { position: absolute; inset: 0; image-rendering: auto; }
.drawn-stage.drawn-taken { outline: 3px solid var(--primary-500); }
.drawn-frame { position: absolute; inset: 0; }
.drawn [hidden] { display: none !important; }
.drawn-words { line-height: 2.1; }
.drawn-words small, .drawn-hint { font-size: .85rem; color: var(--body-text-color-subdued); }
.drawn-hint { margin: .2rem 0; }
.drawn-word { border: 1px solid var(--border-color-primary); border-radius: .3em; padding: .1em .4em; font: inherit;
  line-height: 1.3; background: var(--background-fill-secondary); color: var(--body-text-color); }
button.drawn-word { cursor: pointer; }
button.drawn-word[aria-pressed=true] { outline: 3px solid var(--primary-500); }
.drawn-unknown { text-decoration: underline wavy #dc2626 2px; text-underline-offset: .2em; }
.drawn-cut { text-decoration: line-through; opacity: .7; }
.drawn-scrubber { display: flex; flex-wrap: wrap; align-items: center; gap: .3rem 1rem; margin-top: .3rem; }
.drawn-scrubber input[type=range] { width: 14rem; max-width: 60vw; vertical-align: middle;
  accent-color: var(--primary-600); }
.drawn-scrubber output { font-variant-numeric: tabular-nums; min-width: 9rem; }
.drawn input[type=checkbox] { appearance: auto; width: 1.05rem; height: 1.05rem; vertical-align: -.15em;
  accent-color: var(--primary-600); background: none; }
.drawn-strip { display: flex; align-items: flex-start; gap: 2px; margin: .3rem 0; max-width: 560px; }
.drawn-still { flex: 1; min-width: 0; border: 0; padding: 0; cursor: pointer; border-radius: 2px; }
.drawn-still.drawn-chosen { outline: 3px solid var(--primary-500); z-index: 1; }
.drawn-table { border-collapse: collapse; border: 0 !important; }
.drawn-table th, .drawn-table td { border: 0 !important; padding: .2rem; text-align: center; font-size: .9rem;
  background: none !important; }
.drawn-table tr { border: 0 !important; background: none !important; }
.drawn-table img { display: block; image-rendering: pixelated; border-radius: .3rem; width: 9rem; min-width: 6rem; }
.drawn-scroll { overflow-x: auto; width: 0; min-width: 100%; }
"""
