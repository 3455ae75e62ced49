"""The pool: loaded once however many ask, kept within the budget, and honest about what memory allows."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from hub.errors import Cancelled, OutOfMemory
from hub.jobs import CancelToken
from hub.pool import Pool, Report, is_out_of_memory, measured_bytes
from tests.hub.toys import PATIENCE_S, in_background, together, wait_until

MB = 1_000_000


class Model:
    """Holds real tensors of a given size."""

    def __init__(self, megabytes: int = 1) -> None:
        self.layer = nn.Linear(1000, 250 * megabytes, bias=False)  # 4 bytes a weight

    def modules(self) -> list[Any]:
        return [self.layer]


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-6  # no two events at the same time
        return self.now


class Loader:
    """Loads a model of `megabytes` when the test lets it; `failures` are raised first, one a call."""

    def __init__(self, megabytes: int = 1, failures: tuple[BaseException, ...] = ()) -> None:
        self.megabytes = megabytes
        self.failures = list(failures)
        self.calls = 0
        self.started = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def __call__(self, report: Report) -> Model:
        self.calls += 1
        self.started.set()
        assert self.go.wait(PATIENCE_S)
        if self.failures:
            raise self.failures.pop(0)
        return Model(self.megabytes)


def make_pool(megabytes: float = 1000, idle_s: float = 60.0, clock: Clock | None = None) -> Pool:
    return Pool(lambda: int(megabytes * MB), idle_s, clock or Clock())


def lease(pool: Pool, name: str, load: Callable[[Report], Model], **options: Any) -> Any:
    defaults: dict[str, Any] = {"label": name, "estimate": MB, "token": CancelToken()}
    return pool.lease(name, load, **{**defaults, **options})


def use(pool: Pool, name: str, load: Callable[[Report], Model] | None = None, **options: Any) -> Any:
    """Lease a model and give it back at once."""
    with lease(pool, name, load or Loader(), **options) as leased:
        return leased.value


def test_a_hundred_first_requests_at_once_load_the_model_once() -> None:
    pool, loader = make_pool(), Loader()
    loader.go.clear()
    everyone_waits = threading.Semaphore(0)
    requests = [
        in_background(lambda: use(pool, "blip", loader, report=lambda text, fraction: everyone_waits.release()))
        for _ in range(100)
    ]
    for _ in range(100):  # each is told that the model is loading
        assert everyone_waits.acquire(timeout=PATIENCE_S)
    loader.go.set()
    models = [request() for request in requests]
    assert len(set(map(id, models))) == 1
    assert isinstance(models[0], Model)
    assert loader.calls == pool.loads == 1


def test_a_resident_model_is_handed_over_without_loading_or_waiting() -> None:
    pool, loader = make_pool(), Loader()
    with lease(pool, "blip", loader) as first:
        assert first.load_s > 0
    with lease(pool, "blip", loader) as second:
        assert second.value is first.value
        assert second.load_s == 0
    assert loader.calls == 1


def test_the_least_recently_used_model_is_evicted_first() -> None:
    pool = make_pool(megabytes=2)
    use(pool, "old")
    use(pool, "new")
    use(pool, "old")
    use(pool, "third")
    assert pool.resident() == ("old", "third")


def test_a_model_that_runs_is_never_evicted() -> None:
    pool = make_pool(megabytes=2)
    with lease(pool, "running", Loader()):
        use(pool, "idle")
        use(pool, "third")
        assert pool.resident() == ("running", "third")
        assert pool.free().evicted == ("third",)
        assert pool.resident() == ("running",)


def test_what_ran_beyond_the_budget_goes_at_the_next_sweep() -> None:
    pool = make_pool(megabytes=2)
    with ExitStack() as running:
        for name in ("a", "b", "c"):
            running.enter_context(lease(pool, name, Loader()))
        assert pool.sweep().evicted == ()
        assert pool.resident_bytes() == 3 * MB
    assert pool.sweep().evicted == ("c",)  # the first to end was the longest unused
    assert pool.resident_bytes() == 2 * MB


def test_bytes_are_measured_not_believed() -> None:
    pool = make_pool(megabytes=10)
    use(pool, "small")
    use(pool, "larger than it says", Loader(megabytes=10), estimate=MB)
    assert pool.resident() == ("larger than it says",)
    assert pool.resident_bytes() == 10 * MB


def test_a_model_that_is_still_loading_counts_with_its_estimate() -> None:
    pool, slow = make_pool(megabytes=3), Loader()
    use(pool, "idle")
    slow.go.clear()
    first = in_background(lambda: use(pool, "slow", slow))
    assert slow.started.wait(PATIENCE_S)
    use(pool, "second", estimate=2 * MB)
    assert "idle" not in pool.resident()
    slow.go.set()
    assert isinstance(first(), Model)


def test_storages_that_models_share_count_once() -> None:
    first, second = Model(4), Model(2)
    second.layer.weight = nn.Parameter(first.layer.weight[:100])  # a view of the other's storage
    tied = Model(1)
    tied.layer.register_buffer("again", tied.layer.weight.detach())
    assert measured_bytes([first, second]) == 4 * MB
    assert measured_bytes([tied]) == MB
    assert measured_bytes([first, first]) == 4 * MB
    assert measured_bytes([]) == 0


def test_evicting_one_of_two_that_share_tensors_frees_only_what_is_not_shared() -> None:
    pool = make_pool()
    shared = Model(3)

    class Sharing(Model):
        def modules(self) -> list[Any]:
            return [self.layer, shared.layer]

    with lease(pool, "kept", lambda report: Sharing()):
        use(pool, "dropped", lambda report: Sharing())
        freed = pool.free()
    assert (freed.before, freed.after) == (5 * MB, 4 * MB)


def test_a_model_nobody_used_for_the_idle_time_is_unloaded() -> None:
    clock = Clock()
    pool = make_pool(idle_s=60, clock=clock)
    use(pool, "forgotten")
    clock.now = 50
    use(pool, "in use")
    assert pool.sweep().evicted == ()
    clock.now = 70
    assert pool.sweep().evicted == ("forgotten",)
    assert pool.resident() == ("in use",)


def test_a_long_run_counts_as_use_until_its_end() -> None:
    clock = Clock()
    pool = make_pool(idle_s=60, clock=clock)
    with lease(pool, "long", Loader()):
        clock.now = 1000
        assert pool.sweep().evicted == ()
    clock.now = 1050
    assert pool.sweep().evicted == ()
    clock.now = 1070
    assert pool.sweep().evicted == ("long",)


def test_free_reports_bytes_before_and_after_and_lets_go_of_the_model() -> None:
    pool = make_pool()
    gone = weakref.ref(use(pool, "one", Loader(megabytes=2)))
    use(pool, "two", Loader(megabytes=3))
    freed = pool.free()
    assert (freed.before, freed.after, freed.evicted) == (5 * MB, 0, ("one", "two"))
    assert gone() is None
    assert pool.free() == type(freed)(0, 0, ())


def test_free_leaves_a_load_that_is_under_way() -> None:
    pool, loader = make_pool(), Loader()
    loader.go.clear()
    request = in_background(lambda: use(pool, "slow", loader))
    assert loader.started.wait(PATIENCE_S)
    assert pool.free().evicted == ()
    loader.go.set()
    assert isinstance(request(), Model)


def cpu_allocation_failure() -> BaseException:
    """Return what torch raises when the machine really cannot give the memory."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    return caught.value


@pytest.mark.parametrize(
    "failure", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), cpu_allocation_failure()], ids=type
)
def test_a_load_that_runs_out_of_memory_evicts_everything_idle_and_succeeds(failure: BaseException) -> None:
    pool, loader = make_pool(), Loader(failures=(failure,))
    use(pool, "idle")
    assert isinstance(use(pool, "large", loader), Model)
    assert loader.calls == 2
    assert pool.resident() == ("large",)


def test_a_load_that_runs_out_of_memory_twice_says_so() -> None:
    pool = make_pool()
    loader = Loader(failures=(torch.OutOfMemoryError("CUDA out of memory."), torch.OutOfMemoryError("again")))
    with pytest.raises(OutOfMemory, match="large did not fit"):
        use(pool, "large", loader)
    assert loader.calls == 2
    assert isinstance(use(pool, "large", loader), Model)  # and the next request tries again


def test_the_failed_attempt_is_let_go_before_the_second() -> None:
    pool = make_pool()
    attempts: list[weakref.ref[Model]] = []
    alive: list[bool] = []

    def load(report: Report) -> Model:
        alive.extend(attempt() is not None for attempt in attempts)
        half_loaded = Model()
        attempts.append(weakref.ref(half_loaded))
        if len(attempts) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return half_loaded

    use(pool, "large", load)
    assert alive == [False]


def test_only_memory_errors_count_as_out_of_memory() -> None:
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_a_model_too_large_for_the_budget_is_refused_with_what_is_allowed() -> None:
    pool, loader = make_pool(megabytes=1500), Loader()
    with pytest.raises(OutOfMemory, match=r"needs about 8\.2 GB; models may use 1\.5 GB"):
        use(pool, "huge", loader, estimate=8200 * MB)
    assert loader.calls == 0


def test_a_failing_load_reaches_everyone_who_waits_and_the_next_request_tries_again() -> None:
    pool, loader = make_pool(), Loader(failures=(ValueError("damaged"),))
    loader.go.clear()
    told = threading.Semaphore(0)
    requests = [
        in_background(lambda: use(pool, "blip", loader, report=lambda text, fraction: told.release()))
        for _ in range(10)
    ]
    for _ in range(10):
        assert told.acquire(timeout=PATIENCE_S)
    loader.go.set()
    outcomes = [request() for request in requests]
    assert [str(outcome) for outcome in outcomes] == ["damaged"] * 10
    assert pool.resident() == ()
    assert isinstance(use(pool, "blip", loader), Model)
    assert loader.calls == 2


def test_even_a_loader_that_exits_reaches_who_waits() -> None:
    with pytest.raises(SystemExit):
        use(make_pool(), "blip", Loader(failures=(SystemExit(1),)))


def test_a_budget_that_cannot_be_told_reaches_who_waits() -> None:
    def budget() -> int:
        raise ValueError("no such device")

    with pytest.raises(ValueError, match="no such device"):
        use(Pool(budget, 60.0), "blip")


def test_a_cancelled_first_caller_leaves_at_once_and_the_load_goes_on_for_the_others() -> None:
    pool, loader = make_pool(), Loader()
    loader.go.clear()
    token = CancelToken()
    first = in_background(lambda: use(pool, "blip", loader, token=token))
    assert loader.started.wait(PATIENCE_S)
    joined = threading.Event()
    second = in_background(lambda: use(pool, "blip", loader, report=lambda text, fraction: joined.set()))
    assert joined.wait(PATIENCE_S)
    token.cancel()
    assert isinstance(first(), Cancelled)
    loader.go.set()
    assert isinstance(second(), Model)
    assert loader.calls == 1


def test_a_load_that_everyone_left_still_ends_in_the_pool_unpinned() -> None:
    pool, loader, token = make_pool(), Loader(), CancelToken()
    loader.go.clear()
    request = in_background(lambda: use(pool, "blip", loader, token=token))
    assert loader.started.wait(PATIENCE_S)
    token.cancel()
    assert isinstance(request(), Cancelled)
    loader.go.set()
    wait_until(lambda: pool.resident() == ("blip",))
    assert pool.free().evicted == ("blip",)


def test_an_error_in_the_body_unpins_the_model() -> None:
    pool = make_pool()
    with pytest.raises(ZeroDivisionError), lease(pool, "blip", Loader()):
        raise ZeroDivisionError
    assert pool.free().evicted == ("blip",)


def test_progress_reaches_everyone_who_waits_and_those_who_come_late() -> None:
    pool = make_pool()
    half, go = threading.Event(), threading.Event()

    def load(report: Report) -> Model:
        report("Fetching", 0.5)
        half.set()
        assert go.wait(PATIENCE_S)
        report("Fetching", 1.0)
        return Model()

    early: list[tuple[str, float | None]] = []
    late: list[tuple[str, float | None]] = []
    first = in_background(lambda: use(pool, "blip", load, report=lambda *progress: early.append(progress)))
    assert half.wait(PATIENCE_S)
    second = in_background(lambda: use(pool, "blip", load, report=lambda *progress: late.append(progress)))
    wait_until(lambda: bool(late))
    go.set()
    first()
    second()
    assert ("Fetching", 0.5) in early
    assert early[-1] == ("Fetching", 1.0)
    assert late == [("Fetching", 0.5), ("Fetching", 1.0)]


def test_no_listener_is_called_while_the_pool_is_locked() -> None:
    pool = make_pool()
    measured: list[int] = []

    def load(report: Report) -> Model:
        report("Loading weights", None)
        return Model()

    def report(text: str, fraction: float | None) -> None:
        measured.append(in_background(pool.resident_bytes)())  # on another thread, which would wait for the lock

    use(pool, "blip", load, report=report)
    assert len(measured) == 2


def test_a_listener_that_fails_fails_neither_the_load_nor_the_other_listeners(caplog: pytest.LogCaptureFixture) -> None:
    pool = make_pool()
    joined, heard = threading.Event(), threading.Event()

    def load(report: Report) -> Model:
        assert joined.wait(PATIENCE_S)
        report("Loading weights", None)
        return Model()

    def broken(text: str, fraction: float | None) -> None:
        if text == "Loading weights":
            raise ValueError("the page is gone")

    def working(text: str, fraction: float | None) -> None:
        joined.set()
        if text == "Loading weights":
            heard.set()

    first = in_background(lambda: use(pool, "blip", load, report=broken))
    wait_until(lambda: pool.loads == 1)
    second = in_background(lambda: use(pool, "blip", load, report=working))
    with caplog.at_level(logging.ERROR):
        assert isinstance(first(), Model)
        assert isinstance(second(), Model)
    assert heard.is_set()
    assert "the page is gone" in caplog.text


def test_a_component_is_built_once_shared_and_dropped_with_its_last_holder() -> None:
    pool = make_pool()
    built: list[int] = []

    def build() -> nn.Linear:
        built.append(1)
        return nn.Linear(10, 10)

    copies = together([lambda: pool.component("encoder", build)] * 20)
    assert len(set(map(id, copies))) == 1
    assert len(built) == 1
    gone = weakref.ref(copies[0])
    del copies
    assert gone() is None
    pool.component("encoder", build)
    assert len(built) == 2


def test_a_component_may_be_built_of_others_and_a_failed_one_is_built_again() -> None:
    pool = make_pool()
    with pytest.raises(ValueError, match="damaged"):
        pool.component("decoder", lambda: (_ for _ in ()).throw(ValueError("damaged")))
    decoder = pool.component("decoder", lambda: nn.Sequential(pool.component("encoder", lambda: nn.Linear(1, 1))))
    assert decoder[0] is pool.component("encoder", lambda: nn.Linear(1, 1))


def test_pipelines_that_share_a_component_outlive_each_other() -> None:
    pool = make_pool()

    class Sharing(Model):
        def __init__(self) -> None:
            self.layer = pool.component("encoder", lambda: Model(3).layer)

    with lease(pool, "kept", lambda report: Sharing()) as kept:
        use(pool, "dropped", lambda report: Sharing())
        assert pool.resident_bytes() == 3 * MB
        assert pool.free().evicted == ("dropped",)
        assert pool.component("encoder", lambda: Model(3).layer) is kept.value.layer
    assert pool.resident_bytes() == 3 * MB


def test_a_storm_of_requests_under_a_tight_budget_ends_with_everyone_served() -> None:
    pool = make_pool(megabytes=2)

    def visit(number: int) -> bool:
        with lease(pool, f"model {number % 5}", Loader()) as leased:
            return leased.value.layer.weight.shape == (250, 1000)

    assert together([partial(visit, number) for number in range(40)]) == [True] * 40
    pool.sweep()
    assert pool.resident_bytes() <= 2 * MB
