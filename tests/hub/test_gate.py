"""The gate: one at a time, first come first served, and whoever leaves leaves no trace."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from hub.errors import Cancelled
from hub.gate import DeviceGate
from hub.jobs import CancelToken
from tests.hub.toys import in_background, together, wait_until


def test_those_who_wait_are_served_in_the_order_they_came() -> None:
    gate = DeviceGate()
    served: list[int] = []

    def visit(number: int) -> None:
        with gate.hold(CancelToken()):
            served.append(number)

    def in_line(count: int) -> bool:
        return gate.waiting == count

    with gate.hold(CancelToken()):
        visits = []
        for number in range(20):
            visits.append(in_background(partial(visit, number)))
            wait_until(partial(in_line, number + 1))
    assert [visit() for visit in visits] == [None] * 20
    assert served == list(range(20))


def test_fifty_threads_never_hold_the_device_together() -> None:
    gate = DeviceGate()
    inside = threading.Semaphore(1)

    def visit() -> None:
        for _ in range(5):
            with gate.hold(CancelToken()):
                assert inside.acquire(blocking=False)
                inside.release()

    assert together([visit] * 50) == [None] * 50
    assert gate.peak == 1
    assert gate.free


def test_a_cancelled_waiter_leaves_at_once_while_the_holder_computes_on() -> None:
    gate, token = DeviceGate(), CancelToken()

    def visit() -> None:
        with gate.hold(token):
            raise AssertionError("a cancelled waiter got the device")

    with gate.hold(CancelToken()):
        outcome = in_background(visit)
        wait_until(lambda: gate.waiting == 1)
        token.cancel()
        assert isinstance(outcome(), Cancelled)
        assert gate.waiting == 0
        assert not gate.free
    assert gate.free


def test_a_cancelled_token_never_gets_even_a_free_device() -> None:
    gate, token = DeviceGate(), CancelToken()
    token.cancel()
    with pytest.raises(Cancelled), gate.hold(token):
        raise AssertionError("a cancelled token got the device")
    assert gate.free
    assert gate.peak == 0


def test_cancelling_the_holder_does_not_take_the_device_from_it() -> None:
    gate, token = DeviceGate(), CancelToken()
    with gate.hold(token):
        token.cancel()
        assert not gate.free
    assert gate.free


def test_another_thread_may_give_the_device_back() -> None:
    gate = DeviceGate()
    place = gate.hold(CancelToken())
    place.__enter__()
    waiting = in_background(lambda: gate.hold(CancelToken()).__enter__())
    wait_until(lambda: gate.waiting == 1)
    assert in_background(lambda: place.__exit__(None, None, None))() in (None, False)
    assert waiting() is None
    assert gate.peak == 1


def test_an_error_inside_gives_the_device_back() -> None:
    gate = DeviceGate()
    with pytest.raises(ZeroDivisionError), gate.hold(CancelToken()):
        raise ZeroDivisionError
    assert gate.free


def test_an_interrupted_wait_leaves_the_line() -> None:
    class Interrupting(CancelToken):
        def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
            raise KeyboardInterrupt

    gate = DeviceGate()
    with pytest.raises(KeyboardInterrupt), gate.hold(Interrupting()):
        pass
    assert gate.free


def test_every_holder_is_freed_exactly_once_though_half_the_line_is_cancelled() -> None:
    gate = DeviceGate()
    tokens = [CancelToken() for _ in range(40)]
    held: list[CancelToken] = []

    def visit(token: CancelToken) -> None:
        with gate.hold(token):
            held.append(token)

    with gate.hold(CancelToken()):
        visits = [in_background(partial(visit, token)) for token in tokens]
        wait_until(lambda: gate.waiting == 40)
        together([token.cancel for token in tokens[::2]])
    outcomes = [visit() for visit in visits]
    assert all(isinstance(outcome, Cancelled) for outcome in outcomes[::2])
    assert outcomes[1::2] == [None] * 20
    assert set(map(id, held)) == set(map(id, tokens[1::2]))
    assert gate.free
    assert gate.peak == 1


def test_no_listener_stays_on_a_token_that_was_served() -> None:
    class Counting(CancelToken):
        listeners = 0

        def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
            self.listeners += 1
            forget = super().listen(listener)

            def counted() -> None:
                self.listeners -= 1
                forget()

            return counted

    gate, token = DeviceGate(), Counting()
    for _ in range(3):
        with gate.hold(token):
            assert token.listeners == 0
    token.cancel()
    with pytest.raises(Cancelled), gate.hold(token):
        pass
    assert token.listeners == 0
