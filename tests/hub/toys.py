"""What the hub's tests run: a real torch pipeline, small enough to reason about, that a test can stop at any step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import torch
from torch import nn

from hub.batch import Watch

# The same examples every time, and no clock: the machine that runs the tests is often busy.
PATIENT = hypothesis.settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
WIDTH = 8  # numbers in a request
PATIENCE_S = 60.0  # how long a condition may take on a busy machine before a test gives up


@dataclass(frozen=True)
class ToyRequest:
    """WIDTH numbers to send through the layer `steps` times; any other count of numbers is a bug that torch finds."""

    values: tuple[float, ...]
    steps: int = 1
    key: Hashable | None = "toy"

    def batch_key(self) -> Hashable | None:
        return self.key

    def recorded(self) -> dict[str, Any]:
        return {"values": list(self.values), "steps": self.steps, "seed": 7}


def request(number: int, **options: Any) -> ToyRequest:
    """Return a request that differs from every other `number`."""
    return ToyRequest(tuple(float(number + place) / WIDTH for place in range(WIDTH)), **options)


class ToyPipeline:
    """Applies x ← tanh(layer(x)) step by step to a batch."""

    device = "cpu"
    dtype = "float32"

    def __init__(self, layer: nn.Linear | None = None) -> None:
        self.layer = layer or nn.Linear(WIDTH, WIDTH)
        self.batches: list[int] = []  # the size of every call
        self.steps = 0  # steps computed, all calls together
        self.before_step: Callable[[int], None] = lambda step: None  # where a test takes hold

    def modules(self) -> list[Any]:
        return [self.layer]

    @torch.inference_mode()
    def __call__(self, requests: Sequence[ToyRequest], watch: Watch) -> list[list[float]]:
        self.batches.append(len(requests))
        numbers = torch.tensor([request.values for request in requests])
        for step in range(requests[0].steps):
            watch.raise_if_all_cancelled()
            self.before_step(step)
            numbers = torch.tanh(self.layer(numbers))
            self.steps += 1
            for index in range(len(requests)):
                watch.step(index, step)
        return numbers.tolist()


class Stop:
    """Holds a pipeline at its first step until the test lets it go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go = threading.Event()

    def __call__(self, step: int) -> None:
        if step == 0:
            self.reached.set()
            assert self.go.wait(PATIENCE_S)


def together(functions: Iterable[Callable[[], Any]]) -> list[Any]:
    """Call all functions at the same moment, each on a thread of its own; return what each returned or raised."""
    calls = list(functions)
    outcomes: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def call(index: int) -> None:
        barrier.wait(PATIENCE_S)
        try:
            outcomes[index] = calls[index]()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            outcomes[index] = error

    threads = [threading.Thread(target=call, args=(index,), daemon=True) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "a thread hangs"
    return outcomes


def in_background(function: Callable[[], Any]) -> Callable[[], Any]:
    """Call `function` on a thread; return a function that waits for its end and returns what it returned or raised."""
    outcomes: list[Any] = []

    def call() -> None:
        try:
            outcomes.append(function())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            outcomes.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()

    def outcome() -> Any:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "a thread hangs"
        return outcomes[0]

    return outcome


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what no event announces, asking often."""
    ticker = threading.Event()
    for _ in range(int(PATIENCE_S / 0.001)):
        if condition():
            return
        ticker.wait(0.001)
    raise AssertionError("it never came true")


def write_checksums(folder: Path) -> None:
    """Write the SHA256SUMS of a folder, as `sha256sum *` would."""
    import hashlib

    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
        if path.name != "SHA256SUMS"
    ]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
