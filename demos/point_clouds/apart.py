"""Takes long steps in a process of their own, so that the page stays alive meanwhile.

Open3D holds Python's lock for as long as it computes: a Poisson surface of half a minute would stop every tab, and drop
the browsers that wait. The process is started once and kept; a cancelled step ends it, and so does one that crashes.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
import traceback
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import numpy as np

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.operation import Changed, Context
from demos.point_clouds.operations.registry import REGISTRY
from demos.point_clouds.options import Step
from demos.point_clouds.shapes import Shape
from hub.errors import InvalidInput

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.05  # how often a wait asks whether anybody still wants the result
ALWAYS = ("farthest", "ball_pivoting", "poisson", "alpha", "register")  # seconds to minutes, whatever the cloud
# Hold the lock for up to half a second per 100,000 points; the other operations let go of it, or are quick.
LARGE = ("voxel", "statistical", "radius", "orient", "colour", "planes", "clusters", "volume", "sample", "compare")
LARGE_POINTS = 50_000
TWO_CLOUDS = ("register", "compare")
NO_POINTS = np.zeros((0, 3))


@dataclass(frozen=True, eq=False)
class Asked:
    """A step to take."""

    step: Step
    cloud: Cloud
    device: str
    shapes: tuple[Shape, ...]
    other: Cloud | None


@dataclass(frozen=True, eq=False)
class Reply:
    """What came of it: `changed`, or a refusal's two sentences, or the traceback of a bug.

    Where the points did not change they are not sent back, and `same_points` says so.
    """

    changed: Changed | None = None
    same_points: bool = False
    refusal: tuple[str, str] | None = None
    bug: str = ""


def takes_long(step: Step, cloud: Cloud) -> bool:
    """Tell whether a step would stop the page for longer than people like to wait."""
    return step.op in ALWAYS or (step.op in LARGE and len(cloud) > LARGE_POINTS)


class Apart:
    """The process; requests of several threads wait for each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: SpawnProcess | None = None
        self._line: Connection | None = None

    @property
    def pid(self) -> int | None:
        """The number of the process, while there is one."""
        return self._process.pid if self._process is not None and self._process.is_alive() else None

    def close(self) -> None:
        """End the process; the next step starts another."""
        process, self._process, line, self._line = self._process, None, self._line, None
        if process is not None:
            process.kill()
            process.join()
        if line is not None:
            line.close()

    def start(self) -> None:
        """Start the process, if there is none, without waiting for it."""
        with self._lock:
            self._started()

    def apply(self, step: Step, cloud: Cloud, context: Context) -> Changed:
        """Take a step.

        Raises:
            InvalidInput: what the step refuses, or that it made the process crash.
            Cancelled: when nobody wants the result any more; the process is then ended.
            RuntimeError: for a bug, with the traceback of the process.
        """
        other = context.other() if step.op in TWO_CLOUDS else None
        while not self._lock.acquire(timeout=LOOK_EVERY_S):
            context.check()
        try:
            reply = self._asked(Asked(step, cloud, context.device, context.shapes, other), context)
        finally:
            self._lock.release()
        if reply.refusal is not None:
            raise InvalidInput(*reply.refusal)
        if reply.changed is None:
            raise RuntimeError(f"a step failed in its process:\n{reply.bug}")
        if reply.same_points:
            return replace(reply.changed, cloud=replace(reply.changed.cloud, points=cloud.points))
        return reply.changed

    def _asked(self, asked: Asked, context: Context) -> Reply:
        try:
            line = self._started()
            line.send(asked)
            while not line.poll(LOOK_EVERY_S):
                context.check()
            reply: Reply = line.recv()
        except (EOFError, OSError) as error:
            self.close()
            log.warning("the process that took the step %s ended", asked.step.op)
            raise InvalidInput(
                "Open3D crashed on this step, or ran out of memory.",
                "Thin the cloud out first, or choose other options.",
            ) from error
        except BaseException:  # cancelled: it must not answer this request later
            self.close()
            raise
        return reply

    def _started(self) -> Connection:
        if self._line is None or self._process is None or not self._process.is_alive():
            self.close()
            spawn = multiprocessing.get_context("spawn")
            self._line, far_end = spawn.Pipe()
            self._process = spawn.Process(target=serve, args=(far_end,), name="lectern-steps", daemon=True)
            self._process.start()
            far_end.close()
        return self._line


def serve(line: Connection) -> None:
    """Take steps until the hub hangs up: what the process does."""
    import open3d  # noqa: F401  # before anybody waits

    while True:
        try:
            asked: Asked = line.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        line.send(taken(asked))


def taken(asked: Asked) -> Reply:
    """Take one step, and tell what came of it."""
    known: dict[str, Any] = {} if asked.other is None else {"other": lambda: asked.other}
    context = Context(device=asked.device, shapes=asked.shapes, **known)
    try:
        changed = REGISTRY[asked.step.op].apply(asked.cloud, asked.step.options, context)
    except InvalidInput as error:
        return Reply(refusal=(error.cause, error.action))
    except Exception:  # noqa: BLE001 - whatever Open3D raises, the hub tells it
        return Reply(bug=traceback.format_exc())
    same = changed.cloud.points is asked.cloud.points
    return Reply(replace(changed, cloud=replace(changed.cloud, points=NO_POINTS)) if same else changed, same)


APART = Apart()
