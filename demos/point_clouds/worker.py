"""Reads 3D files in a process of its own, which may crash, run out of memory or hang without taking the hub along.

The process is started for the first file and kept: starting Python costs half a second, and Open3D another. What it
reads comes back in a temporary file that is mapped into memory, not copied.
"""

from __future__ import annotations

import atexit
import json
import logging
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.errors import InvalidInput

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
# The readers' package is run past the demo's own face, which draws the tab: that would bring Gradio, and seconds.
START = """
import runpy, sys, types
face = types.ModuleType("demos.point_clouds")
face.__path__ = [sys.argv[1]]
sys.modules[face.__name__] = face
runpy.run_module("demos.point_clouds.parsers", run_name="__main__")
"""
LOOK_EVERY_S = 0.05  # how often a wait asks whether anybody still wants the result


@dataclass(frozen=True)
class ReadLimits:
    """What the process may use for one file."""

    megabytes: float = 4000.0  # of address space
    seconds: float = 120.0


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of a file: its arrays by name, and what there is to say."""

    arrays: dict[str, NDArray[Any]]
    facts: dict[str, Any]
    notes: tuple[str, ...]
    code: tuple[str, ...]


class Worker:
    """One reading process, started when it is first needed; requests of several threads wait for each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @property
    def pid(self) -> int | None:
        """The number of the process, while there is one."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the process if there is none, so that the first file need not wait for it."""
        with self._lock:
            self._started()

    def close(self) -> None:
        """End the process; the next request starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def parse(
        self,
        path: Path,
        name: str,
        key: str,
        most_points: int,
        limits: ReadLimits = ReadLimits(),
        check: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Read a file.

        Args:
            path: of the file.
            name: what it is called in the code.
            key: of its format.
            most_points: of more, every k-th is kept.
            limits: of the process.
            check: raises `Cancelled` when nobody wants the result any more; the process is then ended.

        Raises:
            InvalidInput: when the file is refused, crashes its reader, or needs too much time or memory.
        """
        while not self._lock.acquire(timeout=LOOK_EVERY_S):
            check()
        try:
            handle, arrays = tempfile.mkstemp(prefix="lectern-cloud-")
            os.close(handle)
            try:
                request = {"path": str(path), "name": name, "format": key, "most_points": most_points, "arrays": arrays}
                request |= {"megabytes": limits.megabytes, "seconds": limits.seconds}
                return _answer(self._asked(request, limits, check), Path(arrays))
            finally:
                Path(arrays).unlink()  # what is mapped stays readable until it is let go
        finally:
            self._lock.release()

    def _asked(self, request: dict[str, Any], limits: ReadLimits, check: Callable[[], None]) -> dict[str, Any]:
        process = self._started()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            deadline = time.monotonic() + limits.seconds
            answered = select.poll()  # (select itself knows no file numbers beyond 1023, which a busy server has)
            answered.register(process.stdout)
            while not answered.poll(LOOK_EVERY_S * 1000):
                check()
                if time.monotonic() > deadline:
                    raise _too_slow(limits)
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        except BaseException:  # cancelled, or too slow: it must not answer this request later
            self.close()
            raise
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        status = process.wait()
        self.close()
        if status == -signal.SIGXCPU:
            raise _too_slow(limits)
        if status > 0:
            raise RuntimeError(f"the reading process ended by itself, with {status}")
        log.warning("the reader of %s ended with %s", request["format"], status)
        raise InvalidInput("The file makes its reader crash.", "Open it in another program and save it as PLY.")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
            "CUDA_VISIBLE_DEVICES": "",  # nothing is computed there, and CUDA reserves more addresses than are allowed
            "OPENBLAS_NUM_THREADS": "1",  # as do threads, which reading would hardly use
            "OMP_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(Path(__file__).parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        return self._process


WORKER = Worker()


def _too_slow(limits: ReadLimits) -> InvalidInput:
    return InvalidInput(f"Reading the file took longer than {limits.seconds:g} s.", "Send a smaller or simpler file.")


def _answer(answer: dict[str, Any], path: Path) -> Answer:
    if "refused" in answer:
        if "traceback" in answer:
            log.warning("a reader failed:\n%s", answer["traceback"])
        cause, action = answer["refused"]
        raise InvalidInput(cause, action)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # writable, without touching the file
    arrays = {
        name: np.frombuffer(mapped, kind, int(np.prod(shape)), place).reshape(shape)
        for name, kind, shape, place in answer["arrays"]
    }
    return Answer(arrays, answer["facts"], tuple(answer["notes"]), tuple(answer["code"]))
