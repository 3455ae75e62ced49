"""The batcher: one forward pass for those who come together, and nobody feels the neighbours."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch

from hub.batch import Batcher, Done, Failed, Item, Progress, Step, Update, Watch
from hub.errors import Cancelled, ModelUnavailable, OutOfMemory
from hub.gate import DeviceGate
from hub.jobs import CancelToken
from hub.pool import Pool, Report
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
)

BAD = ToyRequest(values=(1.0, 2.0, 3.0))  # torch cannot stack it with others, nor send it through the layer


class Bench:
    """A batcher with a real gate and pool, and one model."""

    def __init__(self, pipeline: ToyPipeline | None = None, window_s: float = 0.0) -> None:
        self.pipeline = pipeline or ToyPipeline()
        self.gate = DeviceGate()
        self.pool = Pool(lambda: 10**9, idle_s=60.0)
        self.rooms_made = 0
        self.batcher = Batcher(self.gate, window_s, make_room=self.make_room)
        self.load: Callable[[Report], Any] = lambda report: self.pipeline

    def make_room(self) -> None:
        self.rooms_made += 1
        self.pool.free()

    def submit(self, request: ToyRequest, token: CancelToken | None = None, limit: int = 32) -> Item:
        return self.batcher.submit(
            request,
            token or CancelToken(),
            lambda token, report: self.pool.lease(
                "toy", self.load, label="Toy", estimate=1, token=token, report=report
            ),
            key=request.batch_key(),
            limit=limit,
        )

    def submit_together(self, requests: Sequence[ToyRequest], **options: Any) -> list[Item]:
        """Submit while another run holds the device, so that what may share a batch does."""
        with self.gate.hold(CancelToken()):
            return [self.submit(request, **options) for request in requests]


def updates(item: Item) -> list[Update]:
    """Return all updates up to the answer."""
    seen: list[Update] = []
    while not seen or not isinstance(seen[-1], Done | Failed):
        seen.append(item.updates.get(timeout=PATIENCE_S))
    return seen


def answer(item: Item) -> Update:
    return updates(item)[-1]


def done(item: Item) -> Done:
    last = answer(item)
    assert isinstance(last, Done), last
    return last


def failure(item: Item) -> BaseException:
    last = answer(item)
    assert isinstance(last, Failed), last
    return last.error


def test_requests_that_arrive_together_run_as_one_forward_pass() -> None:
    bench = Bench()
    results = [done(item) for item in bench.submit_together([request(n) for n in range(10)])]
    assert bench.pipeline.batches == [10]
    assert [result.batch_size for result in results] == [10] * 10
    assert {(result.device, result.dtype) for result in results} == {("cpu", "float32")}
    assert len({tuple(result.value) for result in results}) == 10


def test_the_window_gathers_those_who_come_while_the_device_is_free() -> None:
    bench = Bench(window_s=PATIENCE_S)
    items = together([partial(bench.submit, request(n), limit=4) for n in range(4)])
    assert [done(item).batch_size for item in items] == [4] * 4  # a full batch does not wait for the window's end


def test_a_lone_user_does_not_wait_for_neighbours() -> None:
    bench = Bench()
    bench.batcher = Batcher(bench.gate, window_s=100 * PATIENCE_S, crowded=lambda: False)
    assert done(bench.submit(request(1))).batch_size == 1


def test_a_result_does_not_depend_on_the_neighbours() -> None:
    bench = Bench()
    alone = [done(bench.submit(request(n, steps=5))).value for n in range(16)]
    crowd = [done(item).value for item in bench.submit_together([request(n, steps=5) for n in range(16)])]
    assert bench.pipeline.batches == [1] * 16 + [16]
    torch.testing.assert_close(torch.tensor(crowd), torch.tensor(alone), rtol=1e-6, atol=1e-6)


def test_a_bad_request_fails_alone() -> None:
    bench = Bench()
    items = bench.submit_together([request(0), BAD, request(2)])
    assert isinstance(failure(items[1]), RuntimeError)
    assert done(items[0]).value == done(bench.submit(request(0))).value
    assert done(items[2]).value == done(bench.submit(request(2))).value


def test_a_pipeline_that_loses_a_result_gives_nobody_the_wrong_one() -> None:
    class Losing(ToyPipeline):
        def __call__(self, requests: Sequence[ToyRequest], watch: Watch) -> list[list[float]]:
            results = super().__call__(requests, watch)
            return results[1:] if len(requests) > 1 else results

    bench = Bench(Losing())
    crowd = [done(item) for item in bench.submit_together([request(n) for n in range(3)])]
    assert [result.value for result in crowd] == [done(bench.submit(request(n))).value for n in range(3)]
    assert [result.batch_size for result in crowd] == [1] * 3


def test_a_cancelled_request_leaves_at_once_and_the_others_get_their_results() -> None:
    bench, stop, token = Bench(), Stop(), CancelToken()
    bench.pipeline.before_step = stop
    with bench.gate.hold(CancelToken()):
        leaver, stayer = bench.submit(request(0), token), bench.submit(request(1))
    assert stop.reached.wait(PATIENCE_S)
    token.cancel()
    assert isinstance(failure(leaver), Cancelled)  # while the device still computes
    stop.go.set()
    assert done(stayer).batch_size == 2


def test_a_request_cancelled_while_it_waits_is_not_computed() -> None:
    bench, token = Bench(), CancelToken()
    with bench.gate.hold(CancelToken()):
        leaver, stayer = bench.submit(request(0), token), bench.submit(request(1))
        token.cancel()
    assert isinstance(failure(leaver), Cancelled)
    assert done(stayer).batch_size == 1


def test_a_batch_that_everyone_left_frees_the_device_within_one_step() -> None:
    bench, stop, tokens = Bench(), Stop(), [CancelToken(), CancelToken()]
    bench.pipeline.before_step = stop
    with bench.gate.hold(CancelToken()):
        items = [bench.submit(request(n, steps=1000), token) for n, token in enumerate(tokens)]
    assert stop.reached.wait(PATIENCE_S)
    for token in tokens:
        token.cancel()
    assert all(isinstance(failure(item), Cancelled) for item in items)
    assert not bench.gate.free
    stop.go.set()
    wait_until(lambda: bench.gate.free)
    assert bench.pipeline.steps == 1  # the one that was under way
    assert bench.pool.free().evicted == ("Toy",)


def test_a_batch_that_everyone_left_in_the_line_never_runs() -> None:
    bench, token = Bench(), CancelToken()
    with bench.gate.hold(CancelToken()):
        item = bench.submit(request(0), token)
        wait_until(lambda: bench.gate.waiting == 1)
        token.cancel()
        assert isinstance(failure(item), Cancelled)
        wait_until(lambda: bench.gate.waiting == 0)
    assert bench.pipeline.batches == []


def test_a_request_that_is_cancelled_before_it_comes_never_runs() -> None:
    bench, token = Bench(), CancelToken()
    token.cancel()
    with bench.gate.hold(CancelToken()):
        assert isinstance(failure(bench.submit(request(0), token)), Cancelled)
    wait_until(lambda: bench.gate.free)
    assert bench.pipeline.batches == []


def test_who_joins_while_the_others_leave_is_not_taken_along() -> None:
    bench = Bench()

    def race(number: int) -> Update:
        token = CancelToken()
        with bench.gate.hold(CancelToken()):
            bench.submit(request(number), token)
            _, joined = together([token.cancel, lambda: bench.submit(request(number + 1))])
        return answer(joined)

    assert all(isinstance(race(number), Done) for number in range(100))


def test_a_deserted_batch_is_not_joined() -> None:
    bench, token = Bench(), CancelToken()
    with bench.gate.hold(CancelToken()):
        bench.submit(request(0), token)
        token.cancel()
        late = bench.submit(request(1))
    assert done(late).batch_size == 1


def test_a_request_without_a_key_runs_alone() -> None:
    bench = Bench(window_s=PATIENCE_S)  # and does not wait for neighbours
    items = bench.submit_together([request(n, key=None) for n in range(4)])
    assert [done(item).batch_size for item in items] == [1] * 4
    assert bench.pipeline.batches == [1] * 4


def test_requests_with_different_keys_do_not_share_a_forward_pass() -> None:
    bench = Bench()
    items = bench.submit_together([request(n, key=n % 2) for n in range(6)])
    assert [done(item).batch_size for item in items] == [3] * 6


def test_no_batch_is_larger_than_the_limit() -> None:
    bench = Bench()
    items = bench.submit_together([request(n) for n in range(10)], limit=4)
    assert [done(item).batch_size for item in items] == [4] * 8 + [2] * 2
    assert sorted(bench.pipeline.batches) == [2, 4, 4]


def test_steps_go_to_the_request_they_belong_to() -> None:
    class Telling(ToyPipeline):
        def __call__(self, requests: Sequence[ToyRequest], watch: Watch) -> list[list[float]]:
            for index, one in enumerate(requests):
                watch.step(index, one.values[0])
            watch.progress("Halfway", 0.5)
            return super().__call__(requests, watch)

    bench = Bench(Telling())
    for number, item in enumerate(bench.submit_together([request(n) for n in range(3)])):
        seen = updates(item)
        assert Step(number / WIDTH) in seen
        assert Progress("Halfway", 0.5) in seen
        assert seen.index(Progress("Running")) < seen.index(Step(number / WIDTH))


def test_who_joins_during_a_load_hears_what_it_is_doing_and_shares_the_batch() -> None:
    bench = Bench()
    half, go = threading.Event(), threading.Event()

    def load(report: Report) -> Any:
        report("Fetching", 0.5)
        half.set()
        assert go.wait(PATIENCE_S)
        return bench.pipeline

    bench.load = load
    early = bench.submit(request(0))
    assert half.wait(PATIENCE_S)
    wait_until(lambda: early.updates.qsize() >= 2)
    late = bench.submit(request(1))
    assert late.updates.get(timeout=PATIENCE_S) == Progress("Fetching", 0.5)
    go.set()
    assert done(early).batch_size == done(late).batch_size == 2


def test_a_failing_load_reaches_the_whole_batch_and_the_next_one_tries_again() -> None:
    bench = Bench()
    joined = threading.Event()

    def load(report: Report) -> Any:
        assert joined.wait(PATIENCE_S)
        raise ModelUnavailable("The weights are damaged.", "Fetch them again.")

    bench.load = load
    items = [bench.submit(request(n)) for n in range(5)]
    joined.set()
    assert all(isinstance(failure(item), ModelUnavailable) for item in items)
    bench.load = lambda report: bench.pipeline
    assert done(bench.submit(request(0))).batch_size == 1
    assert bench.gate.peak == 1


def test_even_a_pipeline_that_exits_answers_everyone_and_frees_the_device() -> None:
    class Exiting(ToyPipeline):
        def __call__(self, requests: Sequence[ToyRequest], watch: Watch) -> list[list[float]]:
            raise SystemExit(1)

    bench = Bench(Exiting())
    assert all(isinstance(failure(item), SystemExit) for item in bench.submit_together([request(0), request(1)]))
    assert bench.gate.free


class Greedy(ToyPipeline):
    """Runs out of memory, as torch says it, for the first `failures` batches larger than `fits`."""

    def __init__(self, fits: int, failures: int = 1000) -> None:
        super().__init__()
        self.fits = fits
        self.failures = failures
        self.activations: list[weakref.ref[torch.Tensor]] = []

    def __call__(self, requests: Sequence[ToyRequest], watch: Watch) -> list[list[float]]:
        activations = torch.zeros(100)
        self.activations.append(weakref.ref(activations))
        if len(requests) > self.fits and self.failures > 0:
            self.failures -= 1
            self.batches.append(len(requests))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().__call__(requests, watch)


def test_a_batch_that_runs_out_of_memory_makes_room_and_is_tried_once_more() -> None:
    bench = Bench(Greedy(fits=0, failures=1))
    items = bench.submit_together([request(n) for n in range(4)])
    assert [done(item).batch_size for item in items] == [4] * 4
    assert bench.pipeline.batches == [4, 4]
    assert bench.rooms_made == 1


def test_what_the_failed_attempt_held_is_gone_before_room_is_made() -> None:
    pipeline = Greedy(fits=0, failures=1)
    bench = Bench(pipeline)
    alive: list[bool] = []
    bench.batcher = Batcher(bench.gate, 0.0, make_room=lambda: alive.append(pipeline.activations[0]() is not None))
    done(bench.submit(request(0)))
    assert alive == [False]


def test_a_batch_that_never_fits_runs_one_by_one() -> None:
    bench = Bench(Greedy(fits=1))
    items = bench.submit_together([request(n) for n in range(3)])
    assert [done(item).batch_size for item in items] == [1] * 3
    assert bench.pipeline.batches == [3, 3, 1, 1, 1]


def test_a_request_that_never_fits_says_so() -> None:
    bench = Bench(Greedy(fits=0))
    error = failure(bench.submit(request(0)))
    assert isinstance(error, OutOfMemory)
    assert "smaller" in str(error)
    assert bench.gate.free


def test_who_has_an_answer_finds_the_device_free_and_the_model_unpinned() -> None:
    bench = Bench()
    for number in range(3):
        done(bench.submit(request(number)))
        assert bench.gate.free
        assert bench.pool.free().evicted == ("Toy",)


def test_each_request_counts_only_its_own_share_of_the_load() -> None:
    bench = Bench()
    go = threading.Event()

    def load(report: Report) -> Any:
        assert go.wait(PATIENCE_S)
        return bench.pipeline

    bench.load = load
    with bench.gate.hold(CancelToken()):
        first, second = bench.submit(request(0)), bench.submit(request(1))
        go.set()
        wait_until(lambda: bench.gate.waiting == 1)  # loaded, and in line for the device
        third = bench.submit(request(2))
    loads = [done(item).load_s for item in (first, second, third)]
    assert loads[0] >= loads[1] > loads[2] == 0
    assert bench.pipeline.batches == [3]


def test_the_parts_of_the_timing_add_up_to_the_time_that_passed() -> None:
    bench = Bench()
    item = bench.submit(request(0, steps=20))
    result = done(item)
    assert min(result.queue_s, result.load_s) >= 0
    assert result.compute_s > 0
    assert result.load_s > 0
    again = done(bench.submit(request(0)))
    assert again.load_s == 0


def test_a_crowd_of_all_kinds_is_served_and_leaves_nothing_behind() -> None:
    bench = Bench(window_s=0.001)

    def visit(number: int) -> Update:
        token = CancelToken()
        wanted = BAD if number % 7 == 0 else request(number, steps=3, key=("a", "b", None)[number % 3])
        item = bench.submit(wanted, token, limit=5)
        if number % 5 == 0:
            token.cancel()
        return answer(item)

    answers = together([partial(visit, number) for number in range(60)])
    for number, last in enumerate(answers):
        if number % 5 == 0:
            assert isinstance(last, Done) or isinstance(last.error, Cancelled | RuntimeError)
        elif number % 7 == 0:
            assert isinstance(last.error, RuntimeError | ValueError)
        else:
            assert isinstance(last, Done), last
    wait_until(lambda: bench.gate.free)
    assert bench.gate.peak == 1
    assert max(bench.pipeline.batches) <= 5
    assert bench.batcher._open == {}
    wait_until(lambda: bench.pool.free().after == 0)


def test_a_watch_of_a_pipeline_used_alone_hears_and_tells_nothing() -> None:
    watch = Watch()
    watch.raise_if_all_cancelled()
    watch.step(0, "nothing")
    watch.progress("nothing")
    assert not watch.cancelled(0)
    assert len(ToyPipeline()([request(0)], watch)) == 1


def test_a_watch_says_who_is_gone() -> None:
    items = [Item(request(0), CancelToken()), Item(request(1), CancelToken())]
    watch = Watch(items)
    items[0].token.cancel()
    assert watch.cancelled(0)
    assert not watch.cancelled(1)
    watch.raise_if_all_cancelled()
    items[1].token.cancel()
    with pytest.raises(Cancelled):
        watch.raise_if_all_cancelled()
    assert in_background(lambda: watch.cancelled(1))()
