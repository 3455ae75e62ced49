"""The point-cloud pipeline: a file or a picture in, a cloud after all steps out, with what each step did.

Reading and every step are remembered by what they depend on: the file, how it is read, and the steps so far. So taking
the last step back costs nothing, and adding one costs that step alone.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.point_clouds import script
from demos.point_clouds.apart import APART, takes_long
from demos.point_clouds.cloud import F32, Cloud
from demos.point_clouds.operations.operation import Changed, Context, no_second_cloud
from demos.point_clouds.operations.registry import MOVING, REGISTRY
from demos.point_clouds.options import CloudRequest, ReadOptions, Source, Step
from demos.point_clouds.processed import Processed, Size, StepReport
from demos.point_clouds.shapes import Box, Plane, Segment, Shape
from hub.batch import Watch
from hub.demo import Loading
from hub.errors import InvalidInput
from hub.memo import Memo, fingerprint

if TYPE_CHECKING:
    from demos.point_clouds.facts import FileFacts
    from demos.point_clouds.truth import TruthReport

REMEMBERED_BYTES = 2**30  # twenty steps on a million points with colours and normals


@dataclass(frozen=True, eq=False)
class Start:
    """A cloud before its first step, wherever it came from."""

    cloud: Cloud
    code: tuple[str, ...]
    name: str
    seconds: float
    facts: FileFacts | None = None
    picture_facts: dict[str, Any] = field(default_factory=dict)
    depth_m: F32 | None = None
    notes: tuple[str, ...] = ()
    truth: TruthReport | None = None  # of a picture's cloud; that of a file depends on the steps

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return self.cloud.nbytes + (0 if self.depth_m is None else self.depth_m.nbytes)


@dataclass(frozen=True, eq=False)
class Taken:
    """What a step made, and the seconds it took."""

    changed: Changed
    seconds: float


class Clouds:
    """Clouds from files with Open3D alone, or from pictures with a depth model too."""

    def __init__(self, estimator: Any = None, device: str = "cpu", dtype: str = "float32") -> None:
        self.estimator = estimator
        self.device = device
        self.dtype = dtype
        self.memo = Memo(REMEMBERED_BYTES)

    def modules(self) -> list[Any]:
        """Return the torch modules it holds."""
        return [] if self.estimator is None else self.estimator.modules()

    def __call__(self, requests: Sequence[CloudRequest], watch: Watch | None = None) -> list[Processed]:
        """Read and take the steps; every request alone.

        Raises:
            InvalidInput: for what cannot be read, and for a step that the cloud does not allow; names the step.
            Cancelled: when nobody wants the result any more.
        """
        watch = watch or Watch()
        return [self._processed(request, watch) for request in requests]

    def _processed(self, request: CloudRequest, watch: Watch) -> Processed:
        start = self._start(request, watch)
        other = self._other(request, start.cloud, watch)
        device = open3d_device(self.device)
        sent = _digest(request)
        cloud = start.cloud
        shapes: tuple[Shape, ...] = ()
        history: list[StepReport] = []
        for number, step in enumerate(request.steps, start=1):
            watch.raise_if_all_cancelled()
            title = REGISTRY[step.op].title
            watch.progress(f"Step {number} of {len(request.steps)}: {title}", (number - 1) / len(request.steps))
            key = (sent, request.steps[:number])
            remembered = key in self.memo
            context = Context(device, other, shapes, watch.raise_if_all_cancelled)
            take = partial(_take, step, number, cloud, context)
            taken = self.memo.get(key, take, lambda taken: taken.changed.cloud.nbytes + 10_000)
            history.append(_report(step, cloud, taken, remembered))
            shapes = still_holding(step, shapes, cloud, taken.changed) + taken.changed.shapes
            cloud = taken.changed.cloud
        notes = [*request.notes, *start.notes, *(note for report in history for note in report.notes)]
        return Processed(
            cloud=cloud,
            history=tuple(history),
            shapes=shapes,
            loaded=Size.of(start.cloud),
            facts=start.facts,
            picture_facts=start.picture_facts,
            depth_m=start.depth_m,
            notes=tuple(dict.fromkeys(notes)),
            script=self._script(request, start, watch),
            read_s=start.seconds,
            truth=_truth(start, cloud, shapes),
        )

    def _start(self, request: CloudRequest, watch: Watch) -> Start:
        """Read the file, or make a cloud of the picture, or remember it."""
        key = ("start", _digest(request, with_other=False))
        if request.file is not None:
            watch.progress(f"Reading {request.file.name}")
            return self._read(request.file, request.options, key, watch)
        watch.progress("Estimating depth" if request.depth is None else "Placing the pixels")
        return self.memo.get(key, lambda: self._pictured(request, watch), lambda start: start.nbytes)

    def _read(self, source: Source, options: ReadOptions, key: Hashable, watch: Watch) -> Start:
        from demos.point_clouds.reading import read

        def make() -> Start:
            started = time.perf_counter()
            loaded = read(source, options, check=watch.raise_if_all_cancelled)
            seconds = time.perf_counter() - started
            return Start(loaded.cloud, loaded.code, source.name, seconds, loaded.facts, notes=loaded.notes)

        return self.memo.get(key, make, lambda start: start.nbytes)

    def _pictured(self, request: CloudRequest, watch: Watch) -> Start:
        from demos.point_clouds import truth
        from demos.point_clouds.rgbd import rgbd_cloud

        started = time.perf_counter()
        if request.depth is not None:
            made = rgbd_cloud(request.picture, request.depth, request.options)
        elif self.estimator is None:
            raise InvalidInput(
                "Open3D alone cannot tell depth from a picture.",
                "Choose a model of the group Single picture, or send a depth picture too.",
            )
        else:
            made = self.estimator(request.picture, request.options, watch.raise_if_all_cancelled)
        seconds = time.perf_counter() - started
        known = None
        if request.picture is not None:
            seed = truth.known_picture(request.picture)
            known = None if seed is None else truth.compare_picture(seed, request.picture.width, made.cloud)
        return Start(
            made.cloud,
            made.code,
            "picture.png" if request.picture is not None else "depth.png",
            seconds,
            picture_facts=made.facts,
            depth_m=made.depth_m,
            notes=made.notes,
            truth=known,
        )

    def _second(self, request: CloudRequest, watch: Watch) -> Start:
        assert request.other is not None
        key = ("start", (*_of_file(request.other), request.options))
        return self._read(request.other, request.options, key, watch)

    def _other(self, request: CloudRequest, first: Cloud, watch: Watch) -> Callable[[], Cloud]:
        """Return what reads the second cloud into the frame of the first."""
        if request.other is None:
            return no_second_cloud

        def other() -> Cloud:
            second = self._second(request, watch).cloud
            moved = second.points + (second.origin - first.origin)
            return replace(second, points=moved, origin=first.origin)

        return other

    def _script(self, request: CloudRequest, start: Start, watch: Watch) -> str:
        if request.other is None or not script.uses_other(request.steps):
            return script.write(start.code, request.steps, start.name)
        second = self._second(request, watch)
        return script.write(start.code, request.steps, start.name, second.code, second.name)


def load(loading: Loading) -> Clouds:
    """Load what a card needs: nothing but Open3D for files, a depth model for single pictures."""
    if loading.card.package:
        return Clouds(device=loading.device.name)
    from demos.point_clouds.monocular import PictureDepth
    from hub.depth import shared_estimator

    device = loading.device
    estimator = shared_estimator(loading, loading.card, loading.folder)
    return Clouds(PictureDepth(loading.card, estimator), device.name, device.dtype)


def open3d_device(device: str) -> str:
    """Return a device of torch as Open3D's tensor API names it, where its build can use it."""
    import open3d as o3d

    if device.startswith("cuda") and o3d.core.cuda.is_available():
        return f"CUDA:{device.partition(':')[2] or 0}"
    return "CPU:0"


def _digest(request: CloudRequest, *, with_other: bool = True) -> Hashable:
    """Return what decides a cloud before its steps, and with `with_other` also what any step does."""
    other = _of_file(request.other) if with_other and request.other is not None else None
    if request.file is not None:
        own = (*_of_file(request.file), request.options)
        return (own, other) if with_other else own
    picture = None if request.picture is None else fingerprint(request.picture)
    depth = None
    if request.depth is not None:
        array = np.ascontiguousarray(request.depth)
        depth = (array.shape, hashlib.sha256(array.tobytes()).digest())
    return (picture, depth, request.options, other)


def _of_file(source: Source) -> tuple[str, bytes]:
    """Return what decides how a file is read: its content, and its name, which notes and scripts say too."""
    return source.name, source.digest


def _take(step: Step, number: int, cloud: Cloud, context: Context) -> Taken:
    """Take a step.

    Raises:
        InvalidInput: with the step's number and title.
    """
    operation = REGISTRY[step.op]
    started = time.perf_counter()
    try:
        if takes_long(step, cloud):
            changed = APART.apply(step, cloud, context)
        else:
            changed = operation.apply(cloud, step.options, context)
    except InvalidInput as error:
        raise InvalidInput(f"Step {number}, {operation.title}: {error.cause}", error.action) from error
    return Taken(changed, time.perf_counter() - started)


def _report(step: Step, before: Cloud, taken: Taken, remembered: bool) -> StepReport:
    was, now = Size.of(before), Size.of(taken.changed.cloud)
    return StepReport(
        step=step,
        title=REGISTRY[step.op].title,
        before=was.points,
        after=now.points,
        faces_before=was.triangles,
        faces_after=now.triangles,
        seconds=taken.seconds,
        facts=taken.changed.facts,
        notes=taken.changed.notes,
        remembered=remembered,
    )


def still_holding(step: Step, shapes: tuple[Shape, ...], before: Cloud, changed: Changed) -> tuple[Shape, ...]:
    """Return which of the shapes found so far still hold after a step.

    All are gone once the cloud has moved. A plane is where it was when points are taken away, and so is the line
    between two places; a box is not. What a step finds replaces what was found of its kind, but for lines.
    """
    if step.op in MOVING:
        return ()
    same = changed.cloud.points is before.points
    found = {_kind(shape) for shape in changed.shapes}
    return tuple(
        shape
        for shape in shapes
        if isinstance(shape, Segment) or (_kind(shape) not in found and (same or isinstance(shape, Plane)))
    )


def _kind(shape: Shape) -> Hashable:
    return (type(shape), isinstance(shape, Box) and shape.label >= 0)


def _truth(start: Start, cloud: Cloud, shapes: tuple[Shape, ...]) -> TruthReport | None:
    """Return what is true beside what was found, where the cloud is a New scene's."""
    if start.facts is None:
        return start.truth
    from demos.point_clouds import truth

    scan = truth.known(start.cloud, start.facts.comments)
    return None if scan is None else truth.compare(scan, cloud, shapes)
