"""The question answering tab: a picture and a question in, ranked answers out, each run remembered with its picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape
from typing import Any

import gradio as gr
from PIL import Image

from demos.vqa import DEMO, DOCUMENT_EXAMPLES
from demos.vqa.answers import Answers
from demos.vqa.conversation import QUIET, Conversation, record_of
from demos.vqa.documents.models import GROUP as DOCUMENTS
from demos.vqa.draw import details_html, harmless_markdown, result_html, truth_html
from demos.vqa.many import draw_battery, draw_sheet
from demos.vqa.options import AnswerOptions, QuestionRequest
from hub import guard, inputs, ui
from hub.options import checked, specs
from hub.pictures import shrunk
from hub.runtime import Hub, Outcome
from tabletop.pictures import marked, new_seed, scene_picture, scene_seed

STAMPED_PX = 1024  # the picture to download
FORMULAS: list[dict[str, str | bool]] = [  # LaTeX, as page readers write it
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
]


def build(hub: Hub) -> None:
    """Lay out the tab and connect it."""

    def request(image: str | None, **options: Any) -> QuestionRequest:
        picture = guard.picture(image, hub.limits)
        return QuestionRequest(picture.image, checked(AnswerOptions, options), picture.notes, scene_seed(picture.text))

    with ui.tab(hub, DEMO) as tab:
        with tab.inputs():
            picture = inputs.picture_input(height=260, elem_id="vqa-picture")
            new_scene = gr.Button("New scene", size="sm", elem_id="vqa-new-scene")
            question: Any = inputs.controls(AnswerOptions, names=["question"])["question"]
        with tab.choices():
            conversation = Conversation(question, picture)
            example_runs = draw_examples(tab, picture, question)
        with tab.options("Answer options"):
            options = inputs.controls(
                AnswerOptions, names=[name for name in specs(AnswerOptions) if name != "question"]
            )
        tab.results(partial(panel, conversation))
        tab.connect(
            {"image": picture, "question": question, **options},
            request=request,
            draw=draw,
            answer=answer,
            draw_step=lambda text: f'<div class="lectern-status">{escape(text)} …</div>',
            also_run_on=[question.submit, conversation.asked_again.then, *example_runs],
        )
        tab.forget_result_on(picture.change, by_user=[picture.clear, picture.upload, picture.input, new_scene.click])
        new_scene.click(
            lambda: scene_picture(new_seed()), None, picture, api_visibility="private", show_progress="minimal"
        )
        draw_battery(tab)
        draw_sheet(tab, hub)


def draw_examples(tab: ui.Tab, picture: gr.Image, question: gr.Textbox) -> Sequence[Any]:
    """Draw the examples of the chosen kind of models; return the listeners of those that the scaffold does not know."""
    with gr.Column() as scenes:
        tab.examples({"image": picture, "question": question}, "Examples: click one to ask it")
    if tab.group is None:
        return ()
    with gr.Column(visible=False) as documents:
        drawn: Any = gr.Examples(
            [[example["image"], example["question"]] for example in DOCUMENT_EXAMPLES],
            [picture, question],
            label="Documents: click one to ask it",
            api_visibility="private",
            elem_id="vqa-document-examples",
        )
    tab.group.change(
        lambda group: (gr.Column(visible=group != DOCUMENTS), gr.Column(visible=group == DOCUMENTS)),
        tab.group,
        [scenes, documents],
        queue=False,
        **QUIET,
    )
    return (drawn.load_input_event.then,)


def panel(conversation: Conversation) -> Sequence[Any]:
    """Draw one result: answers, what mattered, the answer as Markdown where it is a page or a table, the truth."""
    answers = gr.HTML()
    page = gr.Markdown(latex_delimiters=FORMULAS, elem_classes="vqa-markdown")
    truth = gr.HTML()
    with gr.Accordion("Explain", open=False):
        details = gr.HTML()
        stamped = gr.Image(label="picture.png", format="png", height=160, buttons=["download"], interactive=False)
        gr.HTML(f"The input of this run (at most {STAMPED_PX} pixels), with the record of the run inside.")
    return answers, page, truth, details, stamped, conversation.record()


def draw(outcome: Outcome, request: QuestionRequest) -> tuple[str, str, str, str, Image.Image, dict[str, Any]]:
    """Turn an outcome into the values of the panel."""
    answers: Answers = outcome.result
    card = DEMO.card_of(outcome.run.source)
    return (
        result_html(answers, request, outcome.run.id, card.limits),
        harmless_markdown(answers.markdown),
        truth_html(answers.ranked[0].text, request),
        details_html(answers, card),
        stamped_picture(outcome, request),
        record_of(outcome, request),
    )


def stamped_picture(outcome: Outcome, request: QuestionRequest) -> Image.Image:
    """Return the input with the record of the run, and the seed of a New scene, which still reveals its truth."""
    stamped = outcome.run.stamped(shrunk(request.image, STAMPED_PX))
    return stamped if request.scene_seed is None else marked(stamped, request.scene_seed)


def answer(outcome: Outcome, request: QuestionRequest) -> dict[str, Any]:
    """Turn an outcome into the JSON answer of the endpoint; boxes and Markdown only where the model gives them."""
    answers: Answers = outcome.result
    said: dict[str, Any] = {
        "answer": answers.ranked[0].text,
        "answers": [{"answer": each.text, "probability": each.probability} for each in answers.ranked],
        "words": [{"word": word.text, "weight": word.weight} for word in answers.words],
        "look": None if answers.look is None else {"shares": answers.look.tolist(), "note": answers.look_note},
        "notes": [*request.notes, *answers.notes],
    }
    if answers.boxes:
        said["boxes"] = [
            {
                "text": box.text,
                "box": [box.left, box.top, box.right, box.bottom],
                "confidence": box.confidence,
                "in_answer": box.in_answer,
            }
            for box in answers.boxes
        ]
    if answers.markdown:
        said["markdown"] = answers.markdown
    return said
