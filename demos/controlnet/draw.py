"""What the ControlNet tab shows of drawings and of a run, and the endpoint's answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from demos.controlnet.agreement import Agreement
from demos.controlnet.options import WAYS, ControlNetRequest, ControlOptions
from demos.controlnet.pipeline import Controlled
from demos.controlnet.sketches import Sketch
from hub.diffusion import answers
from hub.diffusion.painting import Pictures
from hub.diffusion.result import explained_html
from hub.files import address, answer_file, result_path
from hub.pictures import data_uri
from hub.runtime import Outcome
from hub.settings import Settings
from tabletop.controls import REACH_PX

LIVE_PX = 176  # width of a drawing below its controls
BESIDE_PX = 256  # of a drawing, and of a result under one
OVERLAID = 0.5  # how much of the drawing is seen over the result, at first


def live_html(shown: Sequence[tuple[ControlOptions, Sketch | str]]) -> str:
    """Draw what the ControlNets will be shown; where there is no drawing yet, why."""
    figures = ""
    for chosen, made in shown:
        caption = f"<figcaption>{escape(chosen.label)}{_said(made)}</figcaption>"
        if isinstance(made, str):
            inside = f'<div class="steered-wait" style="width:{LIVE_PX}px">{escape(made)}</div>'
        else:
            inside = f'<img src="{data_uri(made.image, "PNG")}" alt="{escape(chosen.label)}" />'
        figures += f'<figure style="width:{LIVE_PX}px">{inside}{caption}</figure>'
    return f'<div class="steered">{figures}</div>'


def _said(made: Sketch | str) -> str:
    return "" if isinstance(made, str) else "".join(f"<br />{escape(note)}" for note in made.notes)


def beside_html(outcome: Outcome, settings: Settings) -> str:
    """Draw what the ControlNets were shown beside the results, each also over them, with a slider, and how they agree.

    Of several results each is shown. All are files, to be downloaded, so that the page stays small.
    """
    result: Controlled = outcome.result
    pictures = [address(_written(drawn.image, f"drawn-{drawn.seed}.png", settings)) for drawn in result.drawn]
    rows = ""
    for number, (guide, made) in enumerate(zip(result.guides, result.sketches, strict=True)):
        chosen = guide.options
        file = address(saved_sketch(made.image, chosen.shows, settings))
        figures = (
            f'<figure style="width:{BESIDE_PX}px"><img src="{file}" alt="drawing: {escape(chosen.label)}" />'
            f"<figcaption>{escape(chosen.label)}, {escape(WAYS[chosen.made])}; weight {chosen.weight:g}, from "
            f'{chosen.begin:.0%} to {chosen.end:.0%} of the steps · <a href="{file}" download="drawing-{chosen.shows}'
            '.png">PNG</a></figcaption></figure>'
        )
        for picture, drawn, agreements in zip(pictures, result.drawn, result.agreements, strict=True):
            figures += (
                f'<figure style="width:{BESIDE_PX}px"><div class="steered-stage"><img src="{picture}" alt="drawn with '
                f'seed {drawn.seed}" /><img src="{file}" alt="" style="opacity:{OVERLAID}" /></div><figcaption>seed '
                f"{drawn.seed} under the drawing{_agreement(agreements[number])}</figcaption></figure>"
            )
        rows += f'<div class="steered">{figures}</div>'
    slider = (
        '<label class="steered-slider">Drawing over the result '
        f'<input type="range" min="0" max="1" step="0.05" value="{OVERLAID}" aria-label="drawing over the result" />'
        "</label>"
    )
    return slider + rows


def _agreement(agreement: Agreement) -> str:
    said = ""
    if agreement.edge_f1 is not None:
        said += f"; edges agree within {REACH_PX} px: F1 {agreement.edge_f1:.2f}"
    if agreement.depth_error is not None:
        said += f"; depth is off by {agreement.depth_error:.1%}"
    return said


def saved_sketch(image: Image.Image, shows: str, settings: Settings) -> Path:
    """Write a drawing under the name that "Show code" calls it, and return where."""
    return _written(image, f"drawing-{shows}.png", settings)


def _written(image: Image.Image, name: str, settings: Settings) -> Path:
    path = result_path(settings, name)
    image.save(path)
    return path


def steered_html(pictures: Pictures) -> str:
    """Say what the parts of a result mean."""
    return (
        "<p>A ControlNet is a copy of the first half of the U-Net that also sees a drawing. At every step it adds what "
        "it makes of it to the features of the U-Net, which itself was not changed. The layers that add are "
        "<b>zero convolutions</b>: they began as zero, so at the first step of its training the ControlNet changed "
        "nothing, and learned from there without harming what the U-Net could do.</p>"
        "<p><b>Weight</b> multiplies what is added. <b>Start and end</b> say in which share of the steps it is added: "
        "early steps decide where things are, late ones how their edges and surfaces look. With several ControlNets, "
        "what they add is summed.</p>"
        f"<p><b>Edges agree</b> is the F1 score of the result's own Canny edges (same thresholds) against the drawing: "
        f"the harmonic mean of how many of its edges lie within {REACH_PX} pixels of the drawing's, and the other way "
        "round. 1 is perfect; edges that the prompt adds, such as shadows, lower it. <b>Depth is off by</b> is the "
        "mean of |depth of the result − depth asked for| / depth asked for, where the depth model saw both; it errs "
        "by some percent itself.</p>" + explained_html(pictures)
    )


def answered(outcome: Outcome, request: ControlNetRequest, settings: Settings) -> dict[str, Any]:
    """Return the JSON answer of the endpoint: the pictures, and what each ControlNet was shown."""
    result: Controlled = outcome.result
    answer = answers.answered(outcome, request, settings)
    for picture, agreements in zip(answer["pictures"], result.agreements, strict=True):
        picture["agreement"] = [asdict(each) for each in agreements]
    answer["controls"] = [
        {**asdict(guide.options), "drawing": answer_file(saved_sketch(made.image, guide.options.shows, settings))}
        for guide, made in zip(result.guides, result.sketches, strict=True)
    ]
    return answer
