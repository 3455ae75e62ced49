"""The real app inside the test process: a test sees the hub while a browser or a client uses the page."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demos import discover
from hub.page import build, launch
from hub.runtime import Hub
from hub.settings import Settings

PATIENCE_S = 60.0  # how long a condition may take on a busy machine before a test gives up


@dataclass(frozen=True)
class RunningApp:
    """A launched app: its address, its hub, and the Blocks that Gradio serves."""

    url: str
    hub: Hub
    page: Any


@contextmanager
def running_app(temp_dir: Path, **settings: Any) -> Iterator[RunningApp]:
    """Launch the app as `app.py` does, on a free port, with the embedded models only unless told otherwise."""
    chosen = Settings(**{"port": free_port(), "models": "embedded", "temp_dir": temp_dir, **settings})
    demos, broken = discover()
    assert not broken
    hub = Hub(chosen)
    page = build(hub, demos)
    try:
        yield RunningApp(launch(page, hub, demos, block=False), hub, page)
    finally:
        page.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for `condition`, asking often; fail with `what` when it never comes true."""
    ticker = threading.Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        if condition():
            return
        ticker.wait(0.02)
    raise AssertionError(f"waited {PATIENCE_S:.0f} s for: {what}")


def awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in a thread of its own: Playwright leaves an event loop running in that of the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
