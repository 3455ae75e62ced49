"""The tab scaffold: every tab looks and behaves alike, and every event that touches a model is connected here.

A demo draws its own inputs and its own result panel; the scaffold adds the picker with the model's card, Run and Stop,
a second result for comparing models, progress, provenance, "Show code", exercises, errors, and the API endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol, TypeVar

import gradio as gr
from gradio.blocks import BlockContext
from gradio.components import Component
from gradio.context import get_blocks_context

from hub.batch import Progress, Step
from hub.cards import ModelCard
from hub.demo import Demo, Request
from hub.draw import card_html, hint_html, progress_html, strip_html
from hub.errors import Cancelled, UserError
from hub.events import model_event, name_parameters, session_of, told_to_user
from hub.exchange import current
from hub.inputs import choice_input
from hub.jobs import Job
from hub.runtime import Hub, Outcome, Reply

NO_COMPARISON = ""  # the second picker's "none"
CODE_HINT = "# Run the demo to see the plain library code that repeats the run."
# On a phone the result stands below the fold: show that something happens. Hands the inputs on as they are.
SCROLL_TO_RESULT = """(...inputs) => {
  if (window.innerWidth < 760) document.getElementById("ID").scrollIntoView({behavior: "smooth"});
  return inputs;
}"""
Values = dict[Component, Any]


class Plan(Protocol):
    """Many requests to run together, and whatever else the demo must remember of them to draw the replies."""

    @property
    def requests(self) -> Sequence[Request]:
        """Return the requests, in the order of the replies."""


P = TypeVar("P", bound=Plan)


@dataclass
class _Slot:
    """One of the two places a result is shown."""

    column: gr.Column
    strip: gr.HTML
    outputs: list[Component]
    code: gr.Code


class Tab:
    """The scaffold of one demo: `inputs`, `choices`, `options`, `results`, and at last `connect`."""

    def __init__(self, hub: Hub, demo: Demo) -> None:
        self.hub = hub
        self.demo = demo
        self._slots: list[_Slot] = []
        self._example_click: Any = None
        gr.HTML(f'<p class="lectern-purpose">{escape(demo.purpose)}</p>')
        with gr.Row(equal_height=False, elem_classes="lectern-columns"):
            with gr.Column(scale=5, min_width=320, elem_classes="lectern-left"):
                self.group = self._draw_groups()
                self._inputs = gr.Column()
                with gr.Row():
                    self.run_button = gr.Button("Run", variant="primary", min_width=100, elem_id=f"{demo.slug}-run")
                    self.stop_button = gr.Button("Stop", min_width=100, elem_id=f"{demo.slug}-stop")
                self._choices = gr.Column()
                with gr.Column(elem_classes="lectern-more"):
                    self._draw_pickers()
                    self._options = gr.Column()
            self._results: BlockContext = gr.Column(scale=6, min_width=320, elem_classes="lectern-results")
        self._views: gr.Tabs | None = None

    @contextmanager
    def inputs(self) -> Iterator[None]:
        """Draw what every run needs; Run and Stop stand right below."""
        with self._inputs:
            yield

    @contextmanager
    def choices(self) -> Iterator[None]:
        """Draw examples and what is often changed, below Run and Stop."""
        with self._choices:
            yield

    @contextmanager
    def options(self, title: str) -> Iterator[None]:
        """Draw options that have sensible defaults, folded away below the model picker."""
        with self._options, gr.Accordion(title, open=False):
            yield

    @contextmanager
    def view(self, title: str, name: str) -> Iterator[None]:
        """Draw one of several views of the result column, each behind a tab of its own; `results` goes into one.

        The button that opens it has the id "SLUG-view-NAME-button".
        """
        if self._views is None:
            with self._results:
                self._views = gr.Tabs(elem_id=f"{self.demo.slug}-views", overflow_behavior="wrap")
        column = self._results
        with self._views, gr.Tab(title, id=name, elem_id=f"{self.demo.slug}-view-{name}") as self._results:
            yield
        self._results = column

    def examples(
        self, inputs: dict[str, Component], label: str = "Examples", names: Sequence[str] | None = None
    ) -> None:
        """Draw the demo's examples for `inputs`; clicking one also runs it. `names` are shown in place of values."""
        rows = [[example.get(name) for name in inputs] for example in self.demo.examples]
        drawn: Any = gr.Examples(
            rows,
            list(inputs.values()),
            label=label,
            example_labels=None if names is None else list(names),
            api_visibility="private",
            elem_id=f"{self.demo.slug}-examples",
        )
        self._example_click = drawn.load_input_event
        # Gradio drops a click while the one before it is being answered; the last one clicked is what is wanted.
        page = get_blocks_context()
        if page is not None:
            page.fns[self._example_click["id"]].trigger_mode = "always_last"

    def results(self, panel: Callable[[], Sequence[Component]]) -> None:
        """Draw the result panel twice, the second for comparing; `panel` returns the components that a run fills."""
        with self._results:
            self.status = gr.HTML(hint_html("Press Run, or click an example."), elem_id=f"{self.demo.slug}-status")
            with gr.Row(equal_height=False):
                for number in (0, 1):
                    with gr.Column(visible=number == 0, min_width=300) as column:
                        strip = gr.HTML("", elem_id=f"{self.demo.slug}-strip-{number}")
                        outputs = list(panel())
                        with gr.Accordion("Show code", open=False):
                            code = gr.Code(
                                CODE_HINT,
                                language="python",
                                label="The same run outside Lectern",
                                interactive=False,
                                wrap_lines=True,
                            )
                    self._slots.append(_Slot(column, strip, outputs, code))
            with gr.Accordion("Try this", open=False):
                gr.Markdown("\n".join(f"- {line}" for line in self.demo.exercises))
        second = self._slots[1].column
        self.compare.change(
            lambda key: gr.Column(visible=key != NO_COMPARISON),
            self.compare,
            second,
            queue=False,
            api_visibility="private",
            show_progress="hidden",
        )

    def connect(
        self,
        inputs: dict[str, Component],
        *,
        request: Callable[..., Request],
        draw: Callable[[Outcome, Any], Sequence[Any]],
        answer: Callable[[Outcome, Any], dict[str, Any]],
        draw_step: Callable[[Any], str] | None = None,
        also_run_on: Sequence[Any] = (),
        refine_on: Sequence[Any] = (),
        optional: bool = False,
        answer_step: Callable[[Any, Any], dict[str, Any] | None] | None = None,
    ) -> None:
        """Connect Run, Stop, the examples and the API endpoint.

        Args:
            inputs: the demo's input components by the name `request` and the API know them by.
            request: builds a checked request from those values; raises `InvalidInput`.
            draw: turns an outcome into the values of the panel's components.
            answer: turns an outcome and its request into the endpoint's JSON answer; the run record is added to it.
            draw_step: turns an intermediate result into HTML for the status line.
            also_run_on: further listeners that start a run, for example a textbox's `submit`.
            refine_on: listeners that start a run about what is shown, for example a click on the result: it stays on
                the page until the new one takes its place.
            optional: whether a client of the endpoint may leave out any file or picture, because one of several will
                do; `request` says what is missing.
            answer_step: turns an intermediate result and its request into JSON that the endpoint streams before its
                answer; None for a request that wants none.
        """
        handler = self._run_handler(list(inputs), request, draw, draw_step)
        refine = self._run_handler(list(inputs), request, draw, draw_step, keep=True)
        components = [self.model, self.compare, *inputs.values()]
        outputs: list[Component] = [self.status]
        for slot in self._slots:
            outputs += [slot.strip, slot.code, *slot.outputs]
        event: dict[str, Any] = {
            "inputs": components,
            "outputs": outputs,
            "api_visibility": "private",
            "show_progress": "minimal",
            "show_progress_on": self.status,
            "trigger_mode": "multiple",  # a click during a run is a newer wish, and takes the run's place
        }
        scroll = SCROLL_TO_RESULT.replace("ID", f"{self.demo.slug}-status")
        after_example = () if self._example_click is None else (self._example_click.then,)
        for listener in (self.run_button.click, *also_run_on, *after_example):
            model_event(self.hub, listener, handler, js=scroll, **event)
        for listener in refine_on:
            model_event(self.hub, listener, refine, **event)
        self.stop_button.click(
            self._stop, None, self.status, queue=False, api_visibility="private", show_progress="hidden"
        )
        self._connect_endpoint(inputs, request, answer, optional, answer_step)

    def connect_many(
        self,
        listener: Callable[..., Any],
        inputs: dict[str, Component],
        *,
        plan: Callable[..., P],
        draw: Callable[[Sequence[Reply], P], Sequence[Any]],
        outputs: Sequence[Component],
        status: gr.HTML | None = None,
        demo: Demo | None = None,
        picker: Component | None = None,
    ) -> None:
        """Connect an event that runs many requests on the chosen model, as batches; one that fails costs no other.

        Args:
            listener: the event, for example a button's `click`.
            inputs: components by the name `plan` knows them by.
            plan: makes a plan of those values: whatever the demo needs to remember, with the checked requests.
            draw: turns the replies so far, in the order of the requests, and the plan into the values of `outputs`;
                called after each batch.
            outputs: what is drawn into.
            status: where progress is shown, if not where the tab shows it.
            demo: whose models run, if not the tab's own: side models that prepare an input, say.
            picker: which of them, if not the tab's own picker.
        """
        told = status or self.status
        runs = demo or self.demo

        def run(browser: gr.Request, model: str, *values: Any) -> Iterator[Values]:
            with told_to_user():
                click = self.hub.jobs.open(session_of(browser), runs.slug, instead=True)
                try:
                    yield {told: hint_html("Reading the input.")}
                    planned = plan(**dict(zip(inputs, values, strict=True)))
                    yield from self._fill_many(click, runs, runs.card(model), planned, draw, outputs, told)
                finally:
                    self.hub.jobs.close(click)

        model_event(
            self.hub,
            listener,
            run,
            inputs=[picker or self.model, *inputs.values()],
            outputs=[told, *outputs],
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=told,
            trigger_mode="multiple",
        )

    def _fill_many(
        self,
        click: Job,
        demo: Demo,
        card: ModelCard,
        planned: P,
        draw: Callable[[Sequence[Reply], P], Sequence[Any]],
        outputs: Sequence[Component],
        told: gr.HTML,
    ) -> Iterator[Values]:
        replies: list[Reply] = []
        shown = 0

        def drawn(status: str) -> Values:
            return {told: status, **dict(zip(outputs, draw(replies, planned), strict=True))}

        try:
            for update in self.hub.stream_all(click, demo, card, planned.requests):
                if not isinstance(update, Progress):
                    replies.append(update)
                elif len(replies) > shown:
                    shown = len(replies)
                    yield drawn(progress_html(update))
                else:
                    yield {told: progress_html(update)}
            yield drawn("")
        except Cancelled:
            if not click.token.superseded:
                yield drawn(hint_html(f"Stopped after {len(replies)} of {len(planned.requests)}."))

    def offer(self, kind: str, file: Component) -> None:
        """Draw a button for every other tab that receives files of `kind`; `file` holds this result's file."""
        current().offer(self.demo, kind, file)

    def receive(self, kind: str, file: Component) -> Callable[..., Any]:
        """Let other tabs send files of `kind` into the input `file`; the demo lists the kind in `receives`.

        Returns the listener to an arrival, for `connect`'s `also_run_on`.
        """
        return current().receive(self.demo, kind, file)

    def forget_result_on(self, change: Callable[..., Any], by_user: Sequence[Callable[..., Any]]) -> None:
        """Take the shown result off the page, and drop the run, when the input they belong to is gone.

        Args:
            change: the listener to any change of the input, also by an example, whose own run goes on.
            by_user: the listeners to changes that start no run of their own.
        """
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        empty = self._emptied()
        values = json.dumps([hint_html("Press Run."), *empty.values()])
        change(None, None, [self.status, *empty], js=f"() => {values}", **quiet)
        for listener in by_user:
            listener(self._drop, None, self.status, queue=False, **quiet)

    def _emptied(self) -> Values:
        """Return what an empty result panel holds."""
        empty: Values = {}
        for slot in self._slots:
            empty |= {slot.strip: "", slot.code: CODE_HINT}
            empty |= {output: "" if isinstance(output, gr.HTML) else None for output in slot.outputs}
        return empty

    def _draw_groups(self) -> gr.Radio | None:
        """Draw the choice between the kinds of models, for a demo that has several; None for one that has one."""
        groups = tuple(dict.fromkeys(card.group for card in self.hub.offered(self.demo)))
        if len(groups) < 2:
            return None
        return gr.Radio(groups, value=groups[0], show_label=False, elem_id=f"{self.demo.slug}-group")

    def _labels(self, group: str | None = None) -> list[tuple[str, str]]:
        """Return what a picker lists: the models of one group, or all."""
        cards = self.hub.offered(self.demo)
        return [(card.label, card.key) for card in cards if group in (None, card.group)]

    def _draw_pickers(self) -> None:
        start = self.hub.default_card(self.demo)
        self.model = choice_input(
            self._labels(start.group),
            value=start.key,
            label="Model",
            info="Which model answers.",
            elem_id=f"{self.demo.slug}-model",
        )
        with gr.Accordion("About this model", open=False):
            about = gr.HTML(card_html(start))
        with gr.Accordion("Compare two models", open=False, elem_id=f"{self.demo.slug}-comparison"):
            self.compare = choice_input(
                [("none", NO_COMPARISON), *self._labels()],
                value=NO_COMPARISON,
                label="Compare with",
                info="Runs the same input through a second model, side by side.",
                elem_id=f"{self.demo.slug}-compare",
            )
        quiet: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
        # Asked again at every visit: the page may be up before the hub knows what this machine can do.
        gr.on(None, lambda: self.hub.default_card(self.demo).key, None, self.model, **quiet)
        if self.group is not None:
            self.group.input(self.models_of, self.group, self.model, **quiet)
        self.model.change(lambda key: card_html(self.demo.card(key)), self.model, about, **quiet)

    def models_of(self, group: str) -> gr.Dropdown:
        """Return the update of the picker `model` that lists the models of a group and chooses its first."""
        labels = self._labels(group)
        if not labels:
            raise gr.Error("There is no such kind of model.", print_exception=False)
        return gr.Dropdown(labels, value=labels[0][1])

    def _run_handler(
        self,
        names: list[str],
        request: Callable[..., Request],
        draw: Callable[[Outcome, Any], Sequence[Any]],
        draw_step: Callable[[Any], str] | None,
        keep: bool = False,
    ) -> Callable[..., Iterator[Values]]:
        def run(browser: gr.Request, model: str, compare: str, *values: Any) -> Iterator[Values]:
            with told_to_user():
                click = self.hub.jobs.open(session_of(browser), self.demo.slug, instead=True)
                try:
                    yield {self.status: "", **({} if keep else self._emptied())}
                    wanted = request(**dict(zip(names, values, strict=True)))
                    cards = [self.demo.card(key) for key in (model, compare) if key]
                    for slot, card in zip(self._slots, cards, strict=False):
                        finished = yield from self._fill(slot, card, wanted, click, draw, draw_step)
                        if not finished:
                            break
                finally:
                    self.hub.jobs.close(click)

        return run

    def _fill(
        self,
        slot: _Slot,
        card: ModelCard,
        wanted: Request,
        click: Job,
        draw: Callable[[Outcome, Any], Sequence[Any]],
        draw_step: Callable[[Any], str] | None,
    ) -> Generator[Values, None, bool]:
        """Run on one card and fill its slot; the value of the generator says whether it ran to its end."""
        try:
            for update in self.hub.stream(click.part(), self.demo, card, wanted):
                if isinstance(update, Progress):
                    yield {self.status: progress_html(update)}
                elif isinstance(update, Step):
                    if draw_step is not None:
                        yield {self.status: draw_step(update.value)}
                else:
                    drawn = dict(zip(slot.outputs, draw(update, wanted), strict=True))
                    yield {self.status: "", slot.strip: strip_html(update.run), slot.code: update.code, **drawn}
        except Cancelled:
            if not click.token.superseded:
                yield {self.status: hint_html("Stopped.")}
            return False
        except UserError:
            # What is still shown from before no longer belongs to the inputs; a first model's result does.
            yield {self.status: "", **(self._emptied() if slot is self._slots[0] else {})}
            raise
        return True

    def _stop(self, browser: gr.Request) -> Any:
        stopped = self.hub.jobs.cancel(session_of(browser), self.demo.slug)
        return gr.skip() if stopped else hint_html("Nothing is running.")  # a stopped run says so itself

    def _drop(self, browser: gr.Request) -> str:
        self.hub.jobs.supersede(session_of(browser), self.demo.slug)
        return hint_html("Press Run.")

    def _connect_endpoint(
        self,
        inputs: dict[str, Component],
        request: Callable[..., Request],
        answer: Callable[[Outcome, Any], dict[str, Any]],
        optional: bool,
        answer_step: Callable[[Any, Any], dict[str, Any] | None] | None,
    ) -> None:
        def replies(browser: gr.Request, *values: Any) -> Iterator[dict[str, Any]]:
            with told_to_user():
                *given, model = values
                wanted = request(**dict(zip(inputs, given, strict=True)))
                card = self.demo.card(model) if model else self.hub.default_card(self.demo)
                job = self.hub.jobs.open(session_of(browser), self.demo.slug)
                for update in self.hub.stream(job, self.demo, card, wanted):
                    if isinstance(update, Outcome):
                        yield {**answer(update, wanted), "code": update.code, "run": update.run.as_dict()}
                    elif isinstance(update, Step) and answer_step is not None:
                        step = answer_step(update.value, wanted)
                        if step is not None:
                            yield step

        def answers(browser: gr.Request, *values: Any) -> dict[str, Any]:
            return list(replies(browser, *values))[-1]

        endpoint: Callable[..., Any] = answers if answer_step is None else replies
        name_parameters(endpoint, [*inputs, "model"], optional=optional)
        trigger = gr.Button(visible=False)
        model_event(
            self.hub,
            trigger.click,
            endpoint,
            inputs=[*inputs.values(), self.model],
            outputs=gr.JSON(visible=False, label="answer"),
            api_name=self.demo.endpoint,
            api_description=f"{self.demo.purpose} Returns JSON with the result and the record of the run.",
        )


@contextmanager
def tab(hub: Hub, demo: Demo) -> Iterator[Tab]:
    """Open the tab of `demo`."""
    with gr.Tab(demo.title, id=demo.slug):
        yield Tab(hub, demo)
