"""What was asked about the picture so far, in this browser session; a click asks it again."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demos.vqa.answers import Answers
from demos.vqa.draw import percent
from demos.vqa.options import QuestionRequest
from hub.memo import fingerprint
from hub.runtime import Outcome

MOST_REMEMBERED = 30
SHOWN_ROWS = 6  # at a time; the list has pages
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

Record = dict[str, Any]  # JSON: question, answer, probability, model, and the picture's fingerprint


def record_of(outcome: Outcome, request: QuestionRequest) -> Record:
    """Return what is remembered of one answer."""
    answers: Answers = outcome.result
    return {
        "question": request.options.question,
        "answer": answers.ranked[0].text,
        "probability": answers.ranked[0].probability,
        "model": outcome.run.model,
        "picture": fingerprint(request.image).hex()[:16],
    }


def with_record(history: list[Record], record: Record) -> list[Record]:
    """Return the history with one more answer, newest last; another picture starts it anew, a repeat moves down."""
    kept = [
        past
        for past in history
        if past["picture"] == record["picture"]
        and (past["question"], past["model"]) != (record["question"], record["model"])
    ]
    return [*kept, record][-MOST_REMEMBERED:]


class Conversation:
    """The list of what was asked, below the examples."""

    def __init__(self, question: gr.Textbox, picture: gr.Image) -> None:
        """Draw the list, which fills `question` when a row is clicked and empties when `picture` changes."""
        self._history = gr.State([])
        self._list = gr.Dataset(
            components=["textbox"] * 4,
            headers=["Question", "Answer", "Sure", "Model"],
            samples=[],
            type="index",
            label="Asked about this picture: click one to ask it again",
            samples_per_page=SHOWN_ROWS,
            layout="table",
            visible=False,
            elem_id="vqa-history",
        )
        self.asked_again = self._list.click(
            self._question, [self._list, self._history], question, queue=False, trigger_mode="always_last", **QUIET
        )
        picture.change(lambda: ([], _listed([])), None, [self._history, self._list], queue=False, **QUIET)

    def record(self) -> gr.JSON:
        """Draw an unseen place for the record of a result, and remember what is put there."""
        record = gr.JSON(visible="hidden")
        record.change(self._remember, [record, self._history], [self._history, self._list], queue=False, **QUIET)
        return record

    @staticmethod
    def _remember(record: Record | None, history: list[Record]) -> tuple[Any, Any]:
        if not record:
            return gr.skip(), gr.skip()
        history = with_record(history, record)
        return history, _listed(history)

    @staticmethod
    def _question(place: int, history: list[Record]) -> Any:
        newest_first = history[::-1]
        return newest_first[place]["question"] if 0 <= place < len(newest_first) else gr.skip()


def _listed(history: list[Record]) -> gr.Dataset:
    rows = [
        [past["question"], past["answer"], percent(past["probability"]), past["model"]] for past in reversed(history)
    ]
    return gr.Dataset(samples=rows, visible=bool(rows))
