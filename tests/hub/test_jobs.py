"""Jobs and tokens: nobody stops another's run, and a token tells each listener exactly once."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from hub.errors import Cancelled, TooBusy
from hub.jobs import CancelToken, Job, Jobs
from tests.hub.toys import in_background, together


def test_a_token_is_a_one_way_switch() -> None:
    token = CancelToken()
    assert not token.cancelled
    token.raise_if_cancelled()
    token.cancel()
    token.cancel()
    assert token.cancelled
    with pytest.raises(Cancelled):
        token.raise_if_cancelled()


def test_a_listener_is_told_once_however_often_the_token_is_cancelled() -> None:
    token = CancelToken()
    told: list[str] = []
    token.listen(lambda: told.append("first"))
    token.listen(lambda: told.append("second"))
    token.cancel()
    token.cancel()
    assert told == ["first", "second"]


def test_a_listener_that_comes_late_is_told_at_once() -> None:
    token = CancelToken()
    token.cancel()
    told: list[int] = []
    forget = token.listen(lambda: told.append(1))
    forget()
    assert told == [1]


def test_a_listener_taken_off_is_not_told() -> None:
    token = CancelToken()
    told: list[int] = []
    forget = token.listen(lambda: told.append(1))
    forget()
    forget()
    token.cancel()
    assert told == []


def test_no_listener_is_missed_or_told_twice_when_it_comes_while_the_token_is_cancelled() -> None:
    def race() -> list[int]:
        token, told = CancelToken(), list[int]()
        together([token.cancel, *(lambda n=n: token.listen(lambda: told.append(n)) for n in range(7))])
        return sorted(told)

    assert [race() for _ in range(50)] == [list(range(7))] * 50


def test_a_listener_may_cancel_and_listen_itself() -> None:
    token = CancelToken()
    told: list[str] = []

    def listener() -> None:
        token.cancel()
        token.listen(lambda: told.append("inner"))
        told.append("outer")

    token.listen(listener)
    token.cancel()
    assert told == ["inner", "outer"]


def test_a_cancelled_token_lets_go_of_its_listeners() -> None:
    class Held:
        def __call__(self) -> None:
            pass

    token, held = CancelToken(), Held()
    gone = weakref.ref(held)
    token.listen(held)
    del held
    assert gone() is not None
    token.cancel()
    assert gone() is None


def test_a_session_cannot_cancel_the_run_of_another() -> None:
    jobs = Jobs(per_session=3)
    mine, yours = jobs.open("mine", "captioning"), jobs.open("yours", "captioning")
    assert jobs.cancel("mine") == 1
    assert mine.token.cancelled
    assert not yours.token.cancelled
    assert jobs.cancel("nobody") == 0


def test_stop_in_one_tab_leaves_the_runs_of_the_other_tabs() -> None:
    jobs = Jobs(per_session=3)
    here, there = jobs.open("mine", "captioning"), jobs.open("mine", "stereo")
    assert jobs.cancel("mine", "captioning") == 1
    assert here.token.cancelled
    assert not there.token.cancelled


def test_a_session_has_a_cap_and_closing_a_job_makes_room() -> None:
    jobs = Jobs(per_session=2)
    first = jobs.open("mine", "captioning")
    jobs.open("mine", "captioning")
    with pytest.raises(TooBusy, match="2 runs"):
        jobs.open("mine", "captioning")
    jobs.open("yours", "captioning")
    jobs.close(first)
    jobs.open("mine", "captioning")
    assert jobs.in_flight("mine") == 2
    assert jobs.in_flight("yours") == 1
    assert jobs.in_flight() == 3


def test_the_cap_holds_when_a_session_asks_from_fifty_threads_at_once() -> None:
    jobs = Jobs(per_session=3)
    outcomes = together([lambda: jobs.open("mine", "captioning")] * 50)
    assert sum(isinstance(outcome, Job) for outcome in outcomes) == 3
    assert sum(isinstance(outcome, TooBusy) for outcome in outcomes) == 47


def test_closing_a_job_stops_what_still_works_for_it_and_may_be_done_twice() -> None:
    jobs = Jobs(per_session=1)
    job = jobs.open("mine", "captioning")
    jobs.close(job)
    jobs.close(job)
    assert job.token.cancelled
    assert jobs.in_flight() == 0


def test_every_job_has_an_id_of_its_own() -> None:
    jobs = Jobs(per_session=100)
    assert len({jobs.open("mine", "captioning").id for _ in range(100)}) == 100


def test_a_run_dropped_for_the_garbage_collector_deadlocks_nothing() -> None:
    """Python may close a dropped generator at any allocation, also at one made while the list of jobs is locked."""
    jobs = Jobs(per_session=1000)

    def abandoned(job: Job) -> Iterator[None]:
        try:
            yield
        finally:
            jobs.close(job)

    def drop_and_open(after: int) -> None:
        run = abandoned(jobs.open("mine", "captioning"))
        next(run)
        holder: list[object] = [run]
        holder.append(holder)  # a cycle, which only the collector can drop
        gc.set_threshold(gc.get_count()[0] + after)
        del run, holder
        jobs.close(jobs.open("mine", "captioning"))

    def drop_and_open_at_every_allocation() -> None:
        for after in range(1, 60):
            drop_and_open(after)

    thresholds = gc.get_threshold()
    try:
        assert in_background(drop_and_open_at_every_allocation)() is None
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert jobs.in_flight() == 0


def test_a_newer_job_takes_the_place_of_the_sessions_older_ones_of_the_same_demo_only() -> None:
    jobs = Jobs(per_session=1)
    older, elsewhere = jobs.open("mine", "captioning"), jobs.open("yours", "captioning")
    newer = jobs.open("mine", "captioning", instead=True)
    assert older.token.cancelled
    assert older.token.superseded
    assert not newer.token.cancelled
    assert not elsewhere.token.cancelled


def test_a_part_of_a_job_is_cancelled_with_it() -> None:
    job = Jobs(per_session=1).open("mine", "captioning")
    part = job.part()
    job.token.cancel()
    assert part.token.cancelled


def test_superseding_calls_listeners_without_the_lock_that_other_threads_need() -> None:
    jobs = Jobs(per_session=1)
    counted: list[int] = []

    def count_elsewhere() -> None:
        thread = threading.Thread(target=lambda: counted.append(jobs.in_flight()), daemon=True)
        thread.start()
        thread.join(5)

    jobs.open("mine", "captioning").token.listen(count_elsewhere)
    jobs.open("mine", "captioning", instead=True)
    assert counted == [2]
