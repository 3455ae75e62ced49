"""The hub end to end, with a toy demo: a request goes in, progress, steps and an outcome with its record come out."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from hub import cards, runtime
from hub.batch import Progress, Step
from hub.cards import ModelCard
from hub.demo import Demo, Loading
from hub.device import Device
from hub.errors import (
    Cancelled,
    InternalError,
    InvalidInput,
    MissingDependency,
    ModelUnavailable,
    OutOfMemory,
    TooBusy,
)
from hub.jobs import CancelToken
from hub.runtime import Hub, Outcome
from hub.settings import Settings
from tests.hub.toys import (
    PATIENCE_S,
    WIDTH,
    Stop,
    ToyPipeline,
    ToyRequest,
    in_background,
    request,
    together,
    wait_until,
    write_checksums,
)

ROOT = Path(__file__).resolve().parent.parent.parent

EMBEDDED = ModelCard(
    key="toy",
    label="Toy",
    source="toy",
    task="feature-extraction",
    family="toy",
    licence="Apache-2.0",
    download_bytes=0,
    memory_bytes=288,
    knows="Eight numbers.",
    limits="Everything else.",
    citation="None.",
)
ONLINE = replace(EMBEDDED, key="big", label="Big", source="someone/big", download_bytes=10**9, memory_bytes=8 * 10**9)


@dataclass
class World:
    """A hub, a toy demo with files on disk, and the pipeline that was loaded last."""

    hub: Hub
    demo: Demo
    loaded: list[ToyPipeline]
    prepared: list[Callable[[ToyPipeline], None]]  # applied to a pipeline as it is loaded

    def on_load(self, change: Callable[[ToyPipeline], None]) -> None:
        self.prepared.append(change)

    def stream(self, wanted: ToyRequest, session: str = "me", card: ModelCard = EMBEDDED) -> Iterator[Any]:
        return self.hub.stream(self.hub.jobs.open(session, self.demo.slug), self.demo, card, wanted)

    def run(self, wanted: ToyRequest, session: str = "me", card: ModelCard = EMBEDDED) -> Outcome:
        return self.hub.run(session, self.demo, card, wanted)


Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    folder = tmp_path / "models" / "toy"
    folder.mkdir(parents=True)
    layer = nn.Linear(WIDTH, WIDTH)
    save_file(layer.state_dict(), folder / "model.safetensors")
    write_checksums(folder)
    monkeypatch.setattr(cards, "MODELS_DIR", tmp_path / "models")

    def make(**options: Any) -> World:
        loaded: list[ToyPipeline] = []
        prepared: list[Callable[[ToyPipeline], None]] = []

        def load(loading: Loading) -> ToyPipeline:
            layer = nn.Linear(WIDTH, WIDTH)
            layer.load_state_dict(load_file(loading.folder / "model.safetensors"))
            pipeline = ToyPipeline(layer)
            for change in prepared:
                change(pipeline)
            loaded.append(pipeline)
            return pipeline

        demo = Demo(
            slug="toy",
            title="Toy",
            purpose="Sends eight numbers through a layer.",
            order=1,
            models=(EMBEDDED, ONLINE),
            endpoint="toy",
            load=load,
            build=lambda hub: None,
            snippet=lambda card, wanted, result: f"values = {wanted.values}\n",
            examples=(),
            exercises=(),
        )
        chosen: dict[str, Any] = {"device": "cpu", "memory_gb": 1.0, "batch_window_ms": 0.0, "temp_dir": tmp_path}
        return World(Hub(Settings(**{**chosen, **options})), demo, loaded, prepared)

    return make


def test_a_run_tells_its_progress_and_steps_and_ends_with_an_outcome(make: Make) -> None:
    *told, outcome = make().stream(request(0, steps=3))
    assert told[0] == Progress("Waiting for a place")
    assert Progress("Loading Toy") in told
    steps = [update for update in told if isinstance(update, Step)]
    assert [step for number, step in enumerate(steps) if step not in steps[:number]] == [Step(0), Step(1), Step(2)]
    assert all(isinstance(update, Progress | Step) for update in told)
    assert isinstance(outcome, Outcome)
    assert len(outcome.result) == WIDTH


def test_the_record_says_all_that_is_needed_to_do_the_run_again(make: Make) -> None:
    world = make()
    outcome = world.run(request(3, steps=2))
    run = outcome.run
    assert (run.demo, run.model, run.source, run.revision, run.embedded) == ("toy", "Toy", "toy", "main", True)
    assert (run.device, run.dtype, run.batch_size, run.seed) == ("CPU", "float32", 1, 7)
    assert run.options == request(3, steps=2).recorded()
    assert run.timings.compute_s > 0
    assert run.timings.load_s > 0
    assert torch.__version__.startswith(run.versions["torch"])
    assert outcome.code == f"values = {request(3).values}\n"
    assert json.loads(json.dumps(run.as_dict()))["total_s"] == pytest.approx(run.timings.total_s)
    assert len(run.id) == 12
    assert world.run(request(3)).run.timings.load_s == 0


def test_a_run_is_leased_for_all_that_its_request_needs(make: Make) -> None:
    world = make()

    def completed(card: ModelCard, wanted: ToyRequest) -> ModelCard:
        if wanted.steps > 5:
            raise InvalidInput("That does not fit.", "Choose another.")
        return replace(card, key="toy+more", label=f"{card.label} + more", needs=(replace(EMBEDDED, key="more"),))

    world.demo = replace(world.demo, completed=completed)
    outcome = world.run(request(0))
    assert (outcome.run.model, outcome.run.source) == ("Toy + more", "toy")
    assert world.hub.pool.resident() == ("Toy + more",)
    *_, reply = world.hub.stream_all(world.hub.jobs.open("me", "toy"), world.demo, EMBEDDED, [request(1)])
    assert isinstance(reply, Outcome)
    assert reply.run.model == "Toy + more"
    assert world.hub.pool.loads == 1
    with pytest.raises(InvalidInput, match="does not fit"):
        world.run(request(2, steps=6))
    job = world.hub.jobs.open("me", "toy")
    told = world.hub.stream_all(job, world.demo, EMBEDDED, [request(2, steps=6), request(3)])
    refused, done = (update for update in told if not isinstance(update, Progress))
    assert isinstance(refused, InvalidInput)
    assert isinstance(done, Outcome)
    assert world.hub.jobs.in_flight() == 0


def test_a_finished_run_gives_back_its_place_and_the_device(make: Make) -> None:
    world = make(runs_per_session=1)
    for number in range(5):
        world.run(request(number))
        assert world.hub.gate.free
        assert world.hub.jobs.in_flight() == 0
    assert world.hub.pool.loads == 1


def test_closing_a_run_cancels_its_job_and_frees_the_device_within_a_step(make: Make) -> None:
    world, stop = make(), Stop()
    world.on_load(lambda pipeline: setattr(pipeline, "before_step", stop))
    run = world.stream(request(0, steps=1000))
    next(run)
    hearing = in_background(lambda: next(update for update in run if update == Progress("Running")))
    assert hearing() == Progress("Running")
    assert stop.reached.wait(PATIENCE_S)
    assert in_background(run.close)() is None  # type: ignore[attr-defined]  # on another thread, as Gradio does
    assert world.hub.jobs.in_flight() == 0
    assert not world.hub.gate.free
    stop.go.set()
    wait_until(lambda: world.hub.gate.free)
    assert world.loaded[0].steps == 1


def test_a_run_that_takes_long_repeats_its_latest_news(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "HEARTBEAT_S", 0.001)  # each repetition is a moment to notice that the client is gone
    world, stop = make(), Stop()
    world.on_load(lambda pipeline: setattr(pipeline, "before_step", stop))
    run = world.stream(request(0))
    assert next(update for update in run if update == Progress("Running")) == next(run) == next(run)
    stop.go.set()
    assert isinstance([*run][-1], Outcome)


def test_stop_ends_the_run_of_its_session_and_no_other(make: Make) -> None:
    world, stop = make(), Stop()
    world.on_load(lambda pipeline: setattr(pipeline, "before_step", stop))
    mine = in_background(lambda: world.run(request(0, steps=3, key="mine"), session="mine"))
    assert stop.reached.wait(PATIENCE_S)
    yours = in_background(lambda: world.run(request(1, steps=3, key="yours"), session="yours"))
    wait_until(lambda: world.hub.jobs.in_flight() == 2)
    assert world.hub.jobs.cancel("mine", "toy") == 1
    assert isinstance(mine(), Cancelled)
    stop.go.set()
    assert isinstance(yours(), Outcome)
    assert world.hub.gate.peak == 1


def test_a_session_with_its_share_in_flight_is_told_to_wait(make: Make) -> None:
    world, stop = make(runs_per_session=1), Stop()
    world.on_load(lambda pipeline: setattr(pipeline, "before_step", stop))
    first = in_background(lambda: world.run(request(0)))
    assert stop.reached.wait(PATIENCE_S)
    with pytest.raises(TooBusy, match="press Stop"):
        world.run(request(1))
    stop.go.set()
    assert isinstance(first(), Outcome)
    assert isinstance(world.run(request(1)), Outcome)


def test_eight_threads_get_what_single_runs_get(make: Make) -> None:
    world = make(batch_window_ms=30.0)
    alone = [world.run(request(number, steps=4)).result for number in range(8)]

    def visit(number: int) -> list[float]:
        result: list[float] = world.run(request(number, steps=4), session=f"student {number}").result
        return result

    crowd = together([partial(visit, number) for number in range(8)])
    torch.testing.assert_close(torch.tensor(crowd), torch.tensor(alone), rtol=1e-6, atol=1e-6)
    assert world.hub.gate.peak == 1


def test_a_card_may_bound_its_batches(make: Make) -> None:
    world = make()
    card = replace(EMBEDDED, batch_limit=2)
    world.demo = replace(world.demo, models=(card,))
    with world.hub.gate.hold(CancelToken()):
        runs = [
            in_background(partial(world.run, request(number), session=str(number), card=card)) for number in range(4)
        ]
        wait_until(lambda: world.hub.gate.waiting == 2)
    assert [run().run.batch_size for run in runs] == [2] * 4


def test_in_half_precision_a_model_is_expected_to_need_half_the_memory(make: Make) -> None:
    world = make(models="hub", memory_gb=1.0)
    world.hub.device = Device("cpu", "bfloat16", "CPU")
    with pytest.raises(OutOfMemory, match=r"Big needs about 4\.0 GB"):
        world.run(request(0), card=ONLINE)


def test_an_unknown_model_is_refused_with_the_names_of_those_there_are(make: Make) -> None:
    with pytest.raises(InvalidInput, match="Choose toy or big"):
        make().demo.card("gpt-17")
    assert make().demo.card_of("someone/big") is ONLINE


def test_hub_models_are_refused_where_only_embedded_ones_are_allowed(make: Make) -> None:
    world = make(models="embedded")
    assert world.hub.offered(world.demo) == (EMBEDDED,)
    assert world.hub.default_card(world.demo) is EMBEDDED
    with pytest.raises(InvalidInput, match="LECTERN_MODELS=embedded"):
        world.run(request(0), card=ONLINE)
    assert world.hub.jobs.in_flight() == 0


def test_the_setting_hub_starts_with_the_first_hub_model_and_auto_waits_for_what_it_finds(make: Make) -> None:
    assert make(models="hub").hub.default_card(make().demo) is ONLINE
    assert make(models="auto").hub.default_card(make().demo) is EMBEDDED
    only_embedded = replace(make().demo, models=(EMBEDDED,))
    assert make(models="hub").hub.default_card(only_embedded) is EMBEDDED


def bug(step: int) -> None:
    raise ZeroDivisionError("the secret of the pipeline")


def test_a_bug_in_a_pipeline_is_logged_with_its_job_id_and_never_shown(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make()
    world.on_load(lambda pipeline: setattr(pipeline, "before_step", bug))
    job = world.hub.jobs.open("me", "toy")
    with caplog.at_level(logging.ERROR), pytest.raises(InternalError) as caught:
        list(world.hub.stream(job, world.demo, EMBEDDED, request(0)))
    assert job.id in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert job.id in caplog.text
    assert "ZeroDivisionError: the secret of the pipeline" in caplog.text
    assert "in bug" in caplog.text  # the traceback
    assert world.hub.jobs.in_flight() == 0


def test_a_bug_anywhere_else_in_a_demo_is_treated_alike(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make()
    world.demo = replace(world.demo, snippet=lambda card, wanted, result: str(1 // 0))
    with pytest.raises(InternalError):
        world.run(request(0))
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()
    unloadable = make()
    unloadable.demo = replace(unloadable.demo, load=lambda loading: 1 // 0)  # type: ignore[arg-type,return-value]
    with pytest.raises(InternalError):
        unloadable.run(request(0))
    assert "ZeroDivisionError" in caplog.text
    assert world.hub.jobs.in_flight() == unloadable.hub.jobs.in_flight() == 0


def test_what_the_user_can_mend_is_said_as_it_is(make: Make) -> None:
    world = make()

    def load(loading: Loading) -> ToyPipeline:
        raise MissingDependency("This demo needs scipy.", "Run pip install scipy.")

    world.demo = replace(world.demo, load=load)
    with pytest.raises(MissingDependency, match="pip install scipy"):
        world.run(request(0))


def test_a_damaged_embedded_model_says_so(make: Make) -> None:
    world = make()
    (EMBEDDED.folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelUnavailable, match="damaged"):
        world.run(request(0))


def test_a_model_that_cannot_fit_says_which_would(make: Make) -> None:
    world = make(models="hub", memory_gb=1.0)
    with pytest.raises(OutOfMemory, match=r"Big needs about 8\.0 GB; models may use 1\.0 GB.*These fit: Toy \(0 MB\)"):
        world.run(request(0), card=ONLINE)


def test_a_run_that_cannot_fit_is_not_told_to_use_the_model_that_failed(make: Make) -> None:
    def never_fits(step: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    world = make()
    world.on_load(lambda pipeline: setattr(pipeline, "before_step", never_fits))
    with pytest.raises(OutOfMemory, match="smaller settings") as caught:
        world.run(request(0))
    assert "These fit" not in str(caught.value)


def test_the_warm_up_loads_the_first_tab_and_a_failing_one_is_only_logged(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(models="embedded")
    world.hub.prepare(world.demo)
    wait_until(lambda: world.hub.pool.resident() == ("Toy",))
    broken = make(models="embedded")
    broken.demo = replace(broken.demo, load=lambda loading: 1 // 0)  # type: ignore[arg-type,return-value]
    broken.hub.prepare(broken.demo)
    wait_until(lambda: "warm-up failed" in caplog.text)
    make().hub.prepare(None)


def test_what_other_tabs_want_done_before_their_first_run_is_done_even_if_one_of_them_fails(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(models="embedded")
    done = threading.Event()
    world.hub.prepare(world.demo, [lambda: print(1 // 0), done.set])
    wait_until(done.is_set)
    assert "warm-up failed" in caplog.text
    assert world.hub.pool.resident() == ("Toy",)


def test_the_hub_is_made_without_importing_torch() -> None:
    script = (
        "import sys; from hub.runtime import Hub; from hub.settings import Settings; hub = Hub(Settings()); "
        "hub.pool.sweep(); hub.pool.free(); print(sorted({'torch', 'transformers', 'gradio'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_many_requests_run_as_full_batches_and_answer_in_order(make: Make) -> None:
    world = make(batch_limit=4)
    job = world.hub.jobs.open("me", "toy")
    told = list(world.hub.stream_all(job, world.demo, EMBEDDED, [request(number) for number in range(10)]))
    outcomes = [update for update in told if isinstance(update, Outcome)]
    assert [outcome.run.options["values"] for outcome in outcomes] == [list(request(n).values) for n in range(10)]
    assert world.loaded[0].batches == [4, 4, 2]
    assert world.hub.jobs.in_flight() == 0
    assert any(isinstance(update, Progress) and update.text == "8 of 10 done" for update in told)


def test_one_of_many_that_fails_costs_no_other(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make()
    bad = ToyRequest((1.0,) * (WIDTH + 1))  # torch finds the width wrong
    job = world.hub.jobs.open("me", "toy")
    with caplog.at_level(logging.CRITICAL):
        told = list(world.hub.stream_all(job, world.demo, EMBEDDED, [request(0), bad, request(2)]))
    first, failed, last = (update for update in told if not isinstance(update, Progress))
    assert isinstance(first, Outcome)
    assert isinstance(failed, InternalError)
    assert isinstance(last, Outcome)


def test_stopping_many_requests_stops_them_all(make: Make) -> None:
    world, stop = make(batch_limit=2), Stop()
    world.on_load(lambda pipeline: setattr(pipeline, "before_step", stop))
    job = world.hub.jobs.open("me", "toy")
    requests = [request(number) for number in range(6)]
    ended = in_background(lambda: list(world.hub.stream_all(job, world.demo, EMBEDDED, requests)))
    assert stop.reached.wait(PATIENCE_S)
    world.hub.jobs.cancel("me")
    stop.go.set()
    assert isinstance(ended(), Cancelled)
    assert sum(world.loaded[0].batches) <= 2
    assert world.hub.jobs.in_flight() == 0


def test_a_model_with_something_added_runs_as_one_of_its_own_and_is_refused_where_that_is_not_embedded(
    make: Make,
) -> None:
    more = replace(EMBEDDED, key="toy+toy", needs=(EMBEDDED,))
    world = make(models="embedded")
    assert len(world.run(request(0), card=more).result) == WIDTH
    assert len(world.loaded) == 1
    world.run(request(0))
    assert len(world.loaded) == 2
    with pytest.raises(InvalidInput, match="not offered"):
        world.run(request(0), card=replace(EMBEDDED, key="toy+big", needs=(ONLINE,)))


def test_many_requests_of_a_model_that_is_not_offered_are_refused(make: Make) -> None:
    world = make(models="embedded")
    job = world.hub.jobs.open("me", "toy")
    with pytest.raises(InvalidInput, match="not offered"):
        list(world.hub.stream_all(job, world.demo, ONLINE, [request(0)]))
    assert world.hub.jobs.in_flight() == 0


METHOD = replace(EMBEDDED, key="method", label="Method", source="torch.tanh", package="torch", group="Methods")


def test_a_librarys_method_is_offered_offline_and_needs_no_files(make: Make) -> None:
    world = make(models="embedded")
    folders = []

    def load(loading: Loading) -> ToyPipeline:
        folders.append(loading.folder)
        return ToyPipeline()

    demo = replace(world.demo, models=(METHOD, EMBEDDED, ONLINE), load=load)
    assert world.hub.offered(demo) == (METHOD, EMBEDDED)
    outcome = world.hub.run("me", demo, METHOD, request(0))
    assert outcome.run.embedded
    assert outcome.run.source == "torch.tanh"
    assert len(folders) == 1


def test_a_librarys_method_that_comes_first_stays_the_default(make: Make) -> None:
    world = make(models="hub")
    assert world.hub.default_card(world.demo) == ONLINE
    assert world.hub.default_card(replace(world.demo, models=(METHOD, ONLINE))) == METHOD


def test_the_default_is_of_the_first_group(make: Make) -> None:
    world = make(models="hub")
    elsewhere = replace(ONLINE, key="other", group="Documents")
    assert world.hub.default_card(replace(world.demo, models=(EMBEDDED, elsewhere, ONLINE))) == ONLINE


def test_two_models_are_never_built_at_the_same_time(make: Make) -> None:
    """transformers' from_pretrained is not made for that: now and then weights stay uninitialised."""
    world = make()
    first_in, second_asked = threading.Event(), threading.Event()
    building: list[str] = []
    most: list[int] = []

    def load(loading: Loading) -> ToyPipeline:
        building.append(loading.card.key)
        most.append(len(building))
        if not first_in.is_set():
            first_in.set()
            assert second_asked.wait(PATIENCE_S)
        building.remove(loading.card.key)
        return ToyPipeline()

    other = replace(METHOD, key="other")
    demo = replace(world.demo, models=(METHOD, other), load=load)
    ended = in_background(lambda: world.hub.run("me", demo, METHOD, request(0)))
    assert first_in.wait(PATIENCE_S)
    stream = world.hub.stream(world.hub.jobs.open("me", "toy"), demo, other, request(1))
    for update in stream:
        if isinstance(update, Progress) and update.text.startswith("Loading"):
            second_asked.set()
    assert isinstance(ended(), Outcome)
    assert max(most) == 1
