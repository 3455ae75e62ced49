"""Streams: what is kept of each while it lasts, and runs that are asked about instead of waited for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

import pytest

from hub.batch import Progress
from hub.errors import Cancelled, InvalidInput, TooBusy
from hub.events import admitted
from hub.live import IDLE_S, MOST_WAITING, Places, Runs, Streams, stream_session
from hub.runtime import Outcome
from tests.hub.test_runtime import EMBEDDED, Make, World, make  # noqa: F401 - a fixture
from tests.hub.toys import PATIENCE_S, Stop, request, wait_until


def runs_of(world: World, session: str = "me", places: Places | None = None) -> Runs:
    return Runs(world.hub, world.demo, session, places or Places(world.hub))


def test_a_run_says_what_it_waits_for_until_its_replies_are_there_in_order(make: Make) -> None:  # noqa: F811
    world, loading = make(), threading.Event()
    world.on_load(lambda pipeline: assert_set(loading))
    runs = runs_of(world)
    runs.start(EMBEDDED, [request(0), request(1)])
    assert isinstance(runs.follow(0), Progress)
    assert runs.under_way
    loading.set()
    replies = runs.follow(None)
    assert isinstance(replies, list)
    assert [reply.run.options["values"] for reply in replies if isinstance(reply, Outcome)] == [
        list(request(0).values),
        list(request(1).values),
    ]
    assert not runs.under_way
    assert world.hub.jobs.in_flight() == 0


def assert_set(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


def test_closing_a_stream_cancels_the_run_under_way_and_gives_its_place_back(make: Make) -> None:  # noqa: F811
    world, stop = make(), Stop()
    world.on_load(lambda pipeline: setattr(pipeline, "before_step", stop))
    runs = runs_of(world)
    runs.start(EMBEDDED, [request(0, steps=1000)])
    assert isinstance(runs.follow(0), Progress)
    assert stop.reached.wait(PATIENCE_S)
    runs.close()
    stop.go.set()
    with pytest.raises(Cancelled):
        runs.follow(None)
    wait_until(lambda: world.hub.gate.free)
    assert world.loaded[0].steps < 1000
    assert world.hub.jobs.in_flight() == 0
    runs.start(EMBEDDED, [request(1)])
    assert len(runs.follow(None)) == 1  # type: ignore[arg-type]


def test_stop_of_the_same_tab_leaves_the_stream_alone(make: Make) -> None:  # noqa: F811
    world, loading = make(), threading.Event()
    world.on_load(lambda pipeline: assert_set(loading))
    runs = runs_of(world)
    runs.start(EMBEDDED, [request(0)])
    assert isinstance(runs.follow(0), Progress)
    assert world.hub.jobs.cancel("me", world.demo.slug) == 0
    loading.set()
    assert isinstance(runs.follow(None), list)


def test_a_stream_that_finds_all_places_taken_is_told_so_at_once(make: Make) -> None:  # noqa: F811
    world = make()
    places = Places(world.hub)
    for _ in range(admitted(world.hub)):
        assert places.free.acquire(blocking=False)
    runs = runs_of(world, places=places)
    runs.start(EMBEDDED, [request(0)])
    told = runs.follow(0)
    assert isinstance(told, Progress)
    assert "Many" in told.text
    places.free.release()
    assert isinstance(runs.follow(None), list)


def test_a_patient_stream_waits_for_a_place_but_no_more_of_them_than_there_are_threads_to_spare(
    make: Make,  # noqa: F811
) -> None:
    places = Places(make().hub)
    for _ in range(admitted(make().hub)):
        assert places.take(patient=False)
    assert not places.take(patient=False)
    with ThreadPoolExecutor(MOST_WAITING + 1) as threads:
        waiting = [threads.submit(places.take, patient=True) for _ in range(MOST_WAITING + 1)]
        refused = next(as_completed(waiting, PATIENCE_S))
        with pytest.raises(TooBusy, match="Too many"):
            refused.result()
        for _ in range(MOST_WAITING):
            places.free.release()
        assert all(one.result(PATIENCE_S) for one in waiting if one is not refused)


@dataclass
class Kept:
    """What a test keeps of a stream."""

    session: str
    pieces: list[int] = field(default_factory=list)
    closed: bool = False

    def close(self) -> None:
        self.closed = True


def test_each_session_has_a_stream_of_its_own_until_its_end() -> None:
    streams = Streams(Kept)
    for session, piece in (("a", 1), ("b", 2), ("a", 3)):
        with streams.of(session) as kept:
            kept.pieces.append(piece)
    with streams.of("a") as first, streams.of("b") as other:
        assert (first.pieces, other.pieces) == ([1, 3], [2])
    streams.end("a")
    assert first.closed
    assert not other.closed
    with streams.of("a") as again:
        assert again.pieces == []
    streams.end("never begun")


def test_a_second_piece_is_refused_while_the_first_is_answered_and_taken_afterwards() -> None:
    streams = Streams(Kept)
    with streams.of("a"), pytest.raises(TooBusy, match="one piece after the other"), streams.of("a"):
        pass
    with streams.of("a") as kept:
        assert not kept.closed


def test_a_stream_from_which_nothing_comes_is_forgotten_but_none_that_is_being_answered() -> None:
    streams = Streams(Kept)
    with streams.of("idle") as idle:
        pass
    with streams.of("busy") as busy:
        streams.sweep()
        assert len(streams) == 2
        streams.sweep(idle_s=-IDLE_S)
        assert len(streams) == 1
    assert idle.closed
    assert not busy.closed


def test_a_piece_without_a_session_is_refused() -> None:
    with pytest.raises(InvalidInput, match="session_hash"):
        stream_session(None)
