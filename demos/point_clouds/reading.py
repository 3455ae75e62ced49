"""From a 3D file to a cloud: told by its content, parsed in a process of its own, cleaned, and sampled if asked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.facts import FileFacts
from demos.point_clouds.formats import HEAD_BYTES, Format, detect
from demos.point_clouds.operations.operation import Context
from demos.point_clouds.operations.sampling import SampleOptions, sample, sampled
from demos.point_clouds.options import ReadOptions, Source
from demos.point_clouds.worker import WORKER, Answer, ReadLimits, Worker
from hub.errors import InvalidInput

UNSAID = "as the file says"  # of `ReadOptions.unit`
VERTICES = "vertices"  # of `ReadOptions.sampling`


@dataclass(frozen=True)
class CloudLimits:
    """The largest file that is read.

    Attributes:
        points: of a larger cloud every k-th point is kept, and the notes say so; a larger mesh is refused.
        megabytes: of the file.
        process: what the reading process may use.
    """

    points: int = 20_000_000
    megabytes: float = 2000.0
    process: ReadLimits = field(default_factory=ReadLimits)


@dataclass(frozen=True, eq=False)
class Loaded:
    """What was read.

    Attributes:
        cloud: the points, with triangles where the file is a mesh that was not sampled.
        facts: what the file held, before sampling.
        notes: what a user must know, as sentences.
        code: lines of plain library code that end with the same points as `cloud` (an `o3d.t.geometry.PointCloud`)
            or `mesh` (a `TriangleMesh`); numpy is `np` and Open3D `o3d` above them.
    """

    cloud: Cloud
    facts: FileFacts
    notes: tuple[str, ...]
    code: tuple[str, ...]


AS_IS = ReadOptions()
USUAL_LIMITS = CloudLimits()


def read(
    source: Source,
    options: ReadOptions = AS_IS,
    limits: CloudLimits = USUAL_LIMITS,
    check: Callable[[], None] = lambda: None,
    worker: Worker = WORKER,
) -> Loaded:
    """Read a 3D file of any of `formats.FORMATS`.

    Args:
        source: the file.
        options: the unit of its numbers, and how many points of a mesh to take and where.
        limits: of the file and of what reading it may cost.
        check: raises `Cancelled` when nobody wants the result any more.
        worker: the process that reads.

    Raises:
        InvalidInput: for a file that is empty, damaged, too large, of no format that is read, or without points.
    """
    form, notes = _detected(source, limits)
    answer = worker.parse(source.path, source.name, form.key, limits.points, limits.process, check)
    facts = _facts(form, answer, source)
    unit = facts.unit if options.unit == UNSAID else options.unit
    cloud = _cloud(answer, unit)
    if facts.unit and unit != facts.unit:
        notes += (f"The file says its numbers are in {facts.unit}; they are taken as {unit}, as you chose.",)
    code = answer.code
    if options.sampling != VERTICES:
        if cloud.triangles is None:
            notes += (f"The file has no faces to sample ({options.sampling}): its points are used as they are.",)
        else:
            cloud = sample(cloud, SampleOptions(options.sampling, options.samples), Context(check=check)).cloud
            code += _sampling_code(options)
            notes += (f"{len(cloud):,} points were sampled on its {facts.faces:,} faces ({options.sampling}).",)
    return Loaded(cloud, facts, notes + answer.notes, code)


def _sampling_code(options: ReadOptions) -> tuple[str, ...]:
    function = inspect.getsource(sampled).splitlines()
    call = f"cloud = sampled(mesh, {options.sampling!r}, {options.samples}, {SampleOptions().seed})"
    return ("", "", *function, "", "", call)


def _detected(source: Source, limits: CloudLimits) -> tuple[Format, tuple[str, ...]]:
    if not source.path.is_file():
        raise InvalidInput("The file is no longer on the server.", "Send it again.")
    size = source.path.stat().st_size
    if size > limits.megabytes * 1e6:
        raise InvalidInput(f"The file has {size / 1e6:,.0f} MB.", f"Send at most {limits.megabytes:,.0f} MB.")
    with source.path.open("rb") as file:
        return detect(file.read(HEAD_BYTES), size, source.name)


def _cloud(answer: Answer, unit: str) -> Cloud:
    arrays = answer.arrays
    return Cloud(
        arrays["points"],
        colours=arrays.get("colours"),
        normals=arrays.get("normals"),
        triangles=arrays.get("triangles"),
        unit=unit,
        origin=arrays["origin"],
    )


def _facts(form: Format, answer: Answer, source: Source) -> FileFacts:
    arrays, said = answer.arrays, answer.facts
    return FileFacts(
        format=form.name,
        encoding=said["encoding"],
        points=len(arrays["points"]),
        faces=len(arrays["triangles"]) if "triangles" in arrays else 0,
        colours="colours" in arrays,
        normals="normals" in arrays,
        unit=said["unit"],
        extent=tuple(said["extent"]),
        dropped=tuple(said["dropped"]),
        comments=tuple(said["comments"]),
        bytes=source.path.stat().st_size,
    )
