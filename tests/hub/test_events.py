"""What a closed page takes along."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest
from gradio.routes import App

from hub.events import forget_on_leave, on_leave


def closed(page: gr.Blocks, session: str) -> None:
    """Do what Gradio does when a session's page is closed."""
    for event in page.fns.values():
        if any(trigger == "unload" for _, trigger in event.targets):
            event.fn(gr.Request(session_hash=session))  # type: ignore[misc]


@pytest.fixture
def page() -> gr.Blocks:
    with gr.Blocks() as page:
        page.recording, page.shown, page.other = gr.State(()), gr.HTML(), gr.State(0)
        forget_on_leave(page.recording, page.shown)
    App.create_app(page)
    return page


def hear(page: Any, session: str) -> Any:
    """Put something into each component, as the answer to an event does."""
    kept = page.state_holder[session]
    kept[page.recording._id], kept[page.other._id] = ("a recording",), 7
    kept._update_value_in_config(page.shown._id, "a recording")
    return kept


def test_a_closed_page_takes_along_what_it_should_and_no_more(page: Any) -> None:
    mine, yours = hear(page, "me"), hear(page, "you")
    closed(page, "me")
    assert "a recording" not in str((mine.state_data, mine.config_values))
    assert mine[page.recording._id] == ()
    assert mine[page.other._id] == 7
    assert yours[page.recording._id] == ("a recording",)
    assert yours.config_values[page.shown._id]["props"]["value"] == "a recording"


def test_a_page_that_comes_back_begins_anew(page: Any) -> None:
    hear(page, "me")
    closed(page, "me")
    assert hear(page, "me")[page.recording._id] == ("a recording",)


def test_a_page_is_told_of_by_the_name_of_its_session_also_of_one_that_did_nothing(page: Any) -> None:
    left: list[str] = []
    with page:
        on_leave(left.append)
    closed(page, "me")
    assert left == ["me"]
