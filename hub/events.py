"""Gradio events that touch a model: all share the device's queue, and all tell the user of errors in the same way."""

from __future__ import annotations

import inspect
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.context import Context

from hub.device import QUEUE_ID
from hub.errors import Cancelled, InternalError, UserError
from hub.runtime import Hub

log = logging.getLogger(__name__)


def model_event(hub: Hub, listener: Callable[..., Any], handler: Callable[..., Any], **kwargs: Any) -> Any:
    """Connect an event that touches a model: the only place that does, so that all share the device's queue."""
    handler.touches_model = True  # type: ignore[attr-defined]
    return listener(handler, concurrency_id=QUEUE_ID, concurrency_limit=admitted(hub), **kwargs)


def admitted(hub: Hub) -> int:
    """Return how many model events Gradio lets in at once: a full batch; the gate, not the queue, guards the device."""
    return max(8, hub.settings.batch_limit)


@contextmanager
def told_to_user() -> Iterator[None]:
    """Turn errors into Gradio's error box: what a user can act on as it is, a bug as a number the log explains."""
    try:
        yield
    except UserError as error:
        # The box renders HTML, and causes may quote what the user sent.
        raise gr.Error(escape(str(error), quote=False), title=error.title, print_exception=False) from error
    except Cancelled:
        raise gr.Error("The run was stopped.", title="Stopped", print_exception=False) from None
    except Exception as bug:
        number = uuid.uuid4().hex[:12]
        log.exception("event %s failed", number)
        shown = InternalError(number)
        raise gr.Error(str(shown), title=shown.title, print_exception=False) from bug


def session_of(browser: gr.Request | None) -> str:
    """Name the browser session (or API client) an event comes from."""
    return getattr(browser, "session_hash", None) or "local"


def on_leave(forget: Callable[[str], object]) -> None:
    """Call `forget` with the name of every session whose page (or client) is closed; called while the page is drawn."""

    def leave(browser: gr.Request) -> None:
        forget(session_of(browser))

    _page().unload(leave)


def forget_on_leave(*components: Component) -> None:
    """Forget what components hold for a session when its page is closed; called while the page is drawn.

    Gradio would keep it in memory: what a `gr.State` holds for an hour, and what other components last showed until
    10,000 newer sessions have come.
    """
    page = _page()

    def forget(session: str) -> None:
        kept = page.state_holder.session_data.get(session)
        if kept is not None:
            for component in components:
                kept.state_data.pop(component._id, None)
                kept.config_values.pop(component._id, None)

    on_leave(forget)


def _page() -> gr.Blocks:
    """Return the page that is being drawn."""
    page = Context.root_block
    assert page is not None, "drawn outside of a page"
    return page


def name_parameters(function: Callable[..., Any], names: Sequence[str], *, optional: bool = False) -> None:
    """Give a function of (request, *values) named parameters, which is what clients and the API page see.

    Args:
        function: to be given them.
        names: of the values.
        optional: whether a client may leave out those whose component has no initial value, too.
    """
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    browser = inspect.Parameter("browser", kind, annotation=gr.Request)
    default = None if optional else inspect.Parameter.empty
    values = [inspect.Parameter(name, kind, default=default) for name in names]
    function.__signature__ = inspect.Signature([browser, *values])  # type: ignore[attr-defined]
    function.__annotations__ = {"browser": gr.Request}
