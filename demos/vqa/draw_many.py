"""Many answers as HTML: a battery with its marks, the accuracy by type of a class, and the rows of a CSV."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from demos.vqa.answers import Answers
from demos.vqa.battery import Battery, Mark, Tally, is_right
from demos.vqa.draw import percent
from demos.vqa.sheet import Sheet, Verdict
from hub.errors import UserError
from hub.pictures import data_uri
from hub.runtime import Outcome
from tabletop.questions import QUESTION_TYPES

RIGHT, WRONG = "✓ right", "✗ wrong"
SHOWN_CHARS = 160  # of a cell of a CSV


def battery_html(battery: Battery, replies: Sequence[Outcome | UserError]) -> str:
    """Draw the scene, and each question with its answer, its truth and its mark."""
    rows = []
    for number, asked in enumerate(battery.asked):
        reply = replies[number] if number < len(replies) else None
        said, mark = "…", ""
        if isinstance(reply, UserError):
            said, mark = escape(str(reply)), "not marked"
        elif reply is not None:
            first = reply.result.ranked[0]
            said = f"<b>{escape(first.text)}</b> <small>{percent(first.probability)}</small>"
            mark = RIGHT if is_right(first.text, asked.question) else WRONG
        kind = {RIGHT: " class=right", WRONG: " class=wrong"}.get(mark, "")
        rows.append(
            f"<tr><td><small>{asked.question.type}</small> {escape(asked.text)}</td><td>{said}</td>"
            f"<td>{escape(asked.question.answer)}</td><td{kind}>{mark}</td></tr>"
        )
    head = "<tr><th>Question</th><th>Answer</th><th>Truth</th><th>Mark</th></tr>"
    scene = f'<img src="{data_uri(battery.image, "JPEG")}" alt="the scene that was asked about" />'
    return f'<div class="vqa-battery">{scene}<table class="vqa-table">{head}{"".join(rows)}</table></div>'


def marks(battery: Battery, replies: Sequence[Outcome | UserError]) -> list[Mark]:
    """Mark the answers of a battery; a question that could not be asked counts neither way."""
    found = []
    for asked, reply in zip(battery.asked, replies, strict=False):
        if not isinstance(reply, UserError):
            answers: Answers = reply.result
            found.append(Mark(asked.question.type, is_right(answers.ranked[0].text, asked.question)))
    return found


def tally_html(tally: Tally) -> str:
    """Draw accuracy by type, a column for each model that was asked."""
    if not tally:
        return ""
    head = "".join(f"<th>{escape(model)}</th>" for model in tally)
    body = "".join(
        f"<tr><td>{kind}</td>{''.join(_accuracy(*by_type.get(kind, (0, 0))) for by_type in tally.values())}</tr>"
        for kind in QUESTION_TYPES
    )
    totals = "".join(
        _accuracy(sum(right for right, _ in by_type.values()), sum(asked for _, asked in by_type.values()))
        for by_type in tally.values()
    )
    return (
        '<div class="vqa-tallies"><table class="vqa-table vqa-tally">'
        "<caption>Right answers by type, all batteries so far</caption>"
        f"<tr><th>Type</th>{head}</tr>{body}<tr><th>all</th>{totals}</tr></table></div>"
    )


def _accuracy(right: int, asked: int) -> str:
    if not asked:
        return "<td>–</td>"
    share = right / asked
    return f'<td>{right} of {asked} ({share:.0%})<span class="vqa-bar"><i style="width:{share:.0%}"></i></span></td>'


def sheet_html(sheet: Sheet, verdicts: Sequence[Verdict]) -> str:
    """Draw the rows of a CSV with what became of each."""
    rows = "".join(
        f"<tr><td>{escape(_cut(row.image))}</td><td>{escape(_cut(row.question))}</td>"
        + (
            f"<td colspan=2 class=wrong>{escape(verdict.error)}</td></tr>"
            if verdict.probability is None
            else f"<td><b>{escape(_cut(verdict.answer))}</b> <small>{percent(verdict.probability)}</small></td>"
            f"<td>{escape(_cut(verdict.second))}</td></tr>"
        )
        for row, verdict in zip(sheet.rows, verdicts, strict=True)
    )
    answered = sum(verdict.probability is not None for verdict in verdicts)
    head = "<tr><th>Image</th><th>Question</th><th>Answer</th><th>Second answer</th></tr>"
    caption = f"<caption>{answered} of {len(sheet.rows)} rows answered</caption>"
    return f'<div class="vqa-sheet"><table class="vqa-table">{caption}{head}{rows}</table></div>'


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"
