"""The result of one question as HTML: ranked answers, what mattered for the first, the words of a page, the truth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from PIL import Image

from demos.vqa.answers import Answer, Answers, Box
from demos.vqa.battery import is_right, truth
from demos.vqa.options import QuestionRequest
from hub.cards import ModelCard
from hub.draw import notes_html
from hub.pictures import data_uri, shrunk, spotlight

SHOWN_PX = 560  # a picture under its map
PAGE_PX = 1200  # a page whose words were read: they should stay readable
MOST_BOXES = 1500  # words of a page that are drawn
CALIBRATION = re.compile(r"Expected calibration error: (0\.\d+)")  # in the card of an embedded model
LEAST_SHOWN = 0.001  # smaller probabilities are all alike


def result_html(answers: Answers, request: QuestionRequest, run_id: str, limits: str) -> str:
    """Draw the answers to one question; `run_id` keeps apart the switches of two results on one page."""
    return (
        f'<div class="vqa" role="group" aria-label="{escape(request.options.question)}">'
        f"{question_html(answers, request.options.question)}{answers_html(answers.ranked)}"
        f"{stage_html(answers, request.image, run_id)}</div>"
        f"{notes_html((*request.notes, *answers.notes), limits)}"
    )


def question_html(answers: Answers, question: str) -> str:
    """Draw the question, each word as strongly coloured as it mattered."""
    if not any(word.weight is not None for word in answers.words):
        note = f'<p class="vqa-hint">{escape(answers.words_note)}</p>' if answers.words_note else ""
        return f'<p class="vqa-question">{escape(question)}</p>{note}'
    words = " ".join(
        f"<span>{escape(word.text)}</span>"
        if word.weight is None
        else f'<span style="--w:{word.weight:.3f}" title="{word.weight:.0%} of the heaviest word">'
        f"{escape(word.text)}</span>"
        for word in answers.words
    )
    return f'<p class="vqa-question">{words}</p><p class="vqa-hint">{escape(answers.words_note)}</p>'


def answers_html(ranked: Sequence[Answer]) -> str:
    """Draw the ranked answers as bars."""
    rows = "".join(
        f'<li><span class="vqa-answer">{escape(answer.text)}</span><span class="vqa-percent">'
        f'{percent(answer.probability)}</span><span class="vqa-bar"><i style="width:{answer.probability:.1%}"></i>'
        "</span></li>"
        for answer in ranked
    )
    return f'<ol class="vqa-answers">{rows}</ol>'


def percent(probability: float) -> str:
    """Spell a probability (0 to 1) as plain text.

    >>> percent(0.9349), percent(0.00001)
    ('93.5%', 'under 0.1%')
    """
    return f"under {LEAST_SHOWN:.1%}" if probability < LEAST_SHOWN else f"{probability:.1%}"


def stage_html(answers: Answers, image: Image.Image, run_id: str) -> str:
    """Draw the picture under what mattered in it: a map of regions, or the words that were read on it."""
    if answers.boxes:
        page = f'<img src="{data_uri(shrunk(image, PAGE_PX), "JPEG")}" alt="the page, with the words that were read" />'
        found = sum(box.in_answer for box in answers.boxes)
        legend = f"{len(answers.boxes)} words were read; {found} of them, filled, are the answer."
        return f'<div class="vqa-stage vqa-page">{page}{boxes_svg(answers.boxes)}</div><p class="vqa-hint">{legend}</p>'
    if answers.look is None:
        return f'<p class="vqa-hint">{escape(answers.look_note)}</p>' if answers.look_note else ""
    picture = f'<img src="{data_uri(shrunk(image, SHOWN_PX), "JPEG")}" alt="the picture that was asked about" />'
    return (
        f'<input type="checkbox" id="look-{run_id}" checked><label for="look-{run_id}">Show what mattered</label>'
        f'<div class="vqa-stage">{picture}<img class="vqa-look" src="{spotlight(answers.look)}" alt="" /></div>'
        f'<p class="vqa-hint">{escape(answers.look_note)}</p>'
    )


def boxes_svg(boxes: Sequence[Box]) -> str:
    """Draw a box round every word that was read; those of the answer stand out."""
    drawn = sorted(boxes, key=lambda box: not box.in_answer)[:MOST_BOXES]
    rects = "".join(
        f'<rect{" class=found" if box.in_answer else ""} x="{box.left:.4f}" y="{box.top:.4f}" '
        f'width="{max(box.right - box.left, 0):.4f}" height="{max(box.bottom - box.top, 0):.4f}">'
        f"<title>{escape(box.text)} ({box.confidence:.0%})</title></rect>"
        for box in drawn
    )
    return f'<svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">{rects}</svg>'


def truth_html(answer: str, request: QuestionRequest) -> str:
    """Reveal the true answer to a question about a New scene, where the scene can tell."""
    if request.scene_seed is None:
        return ""
    from tabletop.captions import caption
    from tabletop.sampling import sample_scene

    scene = sample_scene(request.scene_seed)
    known = truth(request.options.question, scene)
    if known is None:
        told = "<p>This question is outside what can be marked: it is not one of the plain questions of this world.</p>"
    else:
        verdict = "The model is right." if is_right(answer, known) else "The model is wrong."
        told = f"<p><b>{escape(known.answer)}</b></p><p>{verdict}</p>"
    return (
        '<details class="vqa-truth"><summary>Reveal the truth</summary>'
        f"{told}<p>The scene: {escape(caption(scene))}.</p></details>"
    )


def harmless_markdown(text: str) -> str:
    """Return Markdown that a model wrote so that showing it loads nothing and runs nothing.

    HTML becomes text, and an image, which would be fetched from wherever it says, becomes a link that waits for a
    click. Formulas keep their meaning: "<" is only parted from the letter after it.

    >>> harmless_markdown("<b>a</b> ![x](http://example.org/y.png)")
    '< b>a< /b> ! [x](http://example.org/y.png)'
    """
    return re.sub(r"<(?=[a-zA-Z/!?])", "< ", text).replace("![", "! [")


def details_html(answers: Answers, card: ModelCard) -> str:
    """Say what the numbers and the maps of a result mean, and what the embedded models mean by their odd words."""
    first = answers.ranked[0]
    rest = 1 - sum(answer.probability for answer in answers.ranked)
    elsewhere = f" All answers that are not shown share {percent(rest)}." if rest > LEAST_SHOWN else ""
    told = (
        f"<p>“{escape(first.text)}” has probability {percent(first.probability)}.{elsewhere} It is the product over "
        "the tokens of the answer, each given the ones before it, and the sign that ends it: how the model divides its "
        f"belief. {escape(calibration(card))}</p>"
    )
    if answers.look is not None or any(word.weight is not None for word in answers.words):
        told += (
            "<p><b>Attention</b> says what the model read from, not why it answered so: the answer may hang on a place "
            "that was hardly looked at. <b>Occlusion</b> hides one part after the other and measures how much the "
            "answer loses. It sees causes, but only of what it hides, one part at a time: where two things could each "
            "give the answer, hiding either costs nothing.</p>"
        )
    if card.ships_weights:
        told += (
            "<p>Why <b>unknown</b>? This model was also asked about things it cannot see, such as dogs and weather, "
            "and taught to say no, zero or unknown instead of guessing. <b>nothing</b> is another answer: it knows the "
            "thing you ask about, and finds none in this picture. The big models never learned to refuse: they answer "
            "every question.</p>"
        )
    return told


def calibration(card: ModelCard) -> str:
    """Say how far the probabilities of a model can be believed, in the words of its own card where it was measured."""
    readme = None if not card.ships_weights else card.folder / "README.md"
    measured = readme and readme.is_file() and CALIBRATION.search(readme.read_text(encoding="utf-8"))
    if not measured:
        return "Whether it is right that often is another matter: nobody has measured it for this model here."
    return (
        f"Measured on test scenes, what it says and how often it is right differ by {float(measured[1]):.1%} "
        "on average (expected calibration error). Of pictures from elsewhere this says nothing."
    )
