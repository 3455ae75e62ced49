"""A run as a plain Open3D script: what is exported, and what "Show code" shows.

Every operation gives the lines that do what it did; functions that those lines name are copied into the script from
their own source, so that script and app cannot drift apart. This module puts the parts together, and sees to it that
a step finds what it works on: `cloud`, or `mesh`.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Any

from demos.point_clouds.operations.registry import DEFINITIONS, MOVING, REGISTRY
from demos.point_clouds.options import Step

HEAD = '''\
"""{name}, step by step. Written for Open3D {open3d} and NumPy {numpy}."""

from __future__ import annotations

import numpy as np
import open3d as o3d

o3c = o3d.core
device = o3c.Device("CUDA:0" if o3c.cuda.is_available() else "CPU:0")
'''
# Functions around the steps.
AROUND = {
    "as_expected": '''\
def as_expected(attributes):
    """Make colours bytes, and normals as exact as positions (their own digits are those of single precision)."""
    if "colors" in attributes and attributes["colors"].dtype != o3c.uint8:
        attributes["colors"] = (attributes["colors"] * 255).round().to(o3c.uint8)
    if "normals" in attributes:
        attributes["normals"] = attributes["normals"].to(o3c.float32).to(o3c.float64)
''',
    "points_of": '''\
def points_of(mesh):
    """Return the vertices of a mesh as a cloud, with their colours and normals."""
    cloud = o3d.t.geometry.PointCloud(mesh.vertex.positions)
    for name in mesh.vertex:
        cloud.point[name] = mesh.vertex[name]
    return cloud
''',
    "with_points": '''\
def with_points(mesh, cloud):
    """Return a mesh whose vertices are now the points of a cloud."""
    mesh = mesh.clone()
    for name in cloud.point:
        mesh.vertex[name] = cloud.point[name]
    return mesh
''',
}
SAVE = {
    "cloud": [
        'o3d.t.io.write_point_cloud("result.ply", cloud.cpu().clone().translate(origin))',
        'print(f"result.ply: {len(cloud.point.positions):,} points")',
    ],
    "mesh": [
        "mesh = mesh.cpu().clone().translate(origin)",
        'if "colors" in mesh.vertex:',
        "    mesh.vertex.colors = mesh.vertex.colors.to(o3c.float64) / 255  # as Open3D writes those of a mesh",
        'o3d.t.io.write_triangle_mesh("result.ply", mesh)',
        'print(f"result.ply: {len(mesh.vertex.positions):,} vertices, {len(mesh.triangle.indices):,} triangles")',
    ],
}
READ = {
    "cloud": ["cloud = cloud.to(device)", "as_expected(cloud.point)"],
    "mesh": ["mesh = mesh.to(device)", "as_expected(mesh.vertex)"],
}


@dataclass
class _Written:
    """What the lines so far leave: which of `cloud` and `mesh` is the result, and whether the other agrees with it."""

    kind: str
    agree: bool = False
    parts: list[str] = field(default_factory=list)

    def add(self, title: str, lines: Iterable[str]) -> None:
        """Add a block under a comment, with what it needs before it."""
        block = "\n".join(lines)
        read, bound = _names(block)
        before = []
        if self.kind == "mesh" and "cloud" in read and not self.agree:
            before.append("cloud = points_of(mesh)")
            self.agree = True
        if self.kind == "mesh" and "mesh" in read and self.agree:
            before.append("mesh = with_points(mesh, cloud)")
        if bound & {"cloud", "mesh"}:
            self.kind, self.agree = ("mesh" if "mesh" in bound else "cloud"), False
        self.parts.append("\n".join([f"# {title}", *before, block]))


def write(
    code: Sequence[str], steps: Sequence[Step], name: str, other: Sequence[str] = (), other_name: str = ""
) -> str:
    """Return a script that reads a file, takes the steps and saves the result as result.ply.

    Args:
        code: lines that read the file and end with `cloud` or `mesh`, and with `origin`, what was subtracted.
        steps: that were taken.
        name: of the file, as the user calls it.
        other: the same as `code` for the second file; left out where no step needs it.
        other_name: of the second file.
    """
    blocks = [REGISTRY[step.op].code(step.options) for step in steps]
    used = {name for block in blocks for name in _names("\n".join(block))[0]}
    start: list[str] = []
    if other:
        given = "points_of(mesh)" if _kind(other) == "mesh" else "cloud"
        start.append(f"{_reading(other, other_name)}\nother, other_origin = {given}, origin")
    written = _Written(_kind(code))
    start.append(_reading(code, name))
    if other:
        start.append("other = other.clone().translate(other_origin - origin)  # into the frame of the first")
    if "planes" in used:
        start.append("planes = []  # those found: normal and offset of each")
    for number, (step, block) in enumerate(zip(steps, blocks, strict=True), start=1):
        written.add(f"Step {number}: {REGISTRY[step.op].title}", block)
        if step.op in MOVING and "planes" in used:
            written.parts.append("planes = []  # they are no longer where they were found")
    written.add("Save it, in the coordinates of the file", SAVE[written.kind])
    body = "\n\n".join([*start, *written.parts])
    head = HEAD.format(name=_spelled(name), open3d=version("open3d"), numpy=version("numpy"))
    return "\n\n\n".join([head.rstrip("\n"), *_copied(body), body]) + "\n"


def uses_other(steps: Sequence[Step]) -> bool:
    """Tell whether any step needs the second cloud."""
    return any("other" in _names("\n".join(REGISTRY[step.op].code(step.options)))[0] for step in steps)


def _kind(code: Sequence[str]) -> str:
    """Tell whether reading ends with a `mesh` or a `cloud`: the one that was bound last."""
    bound = [name for line in ast.parse("\n".join(code)).body for name in _bound(line) if name in ("cloud", "mesh")]
    return bound[-1]


def _reading(code: Sequence[str], name: str) -> str:
    lines = [f"# Read {_spelled(name)}", *code, *READ[_kind(code)]]
    if "origin" not in _names("\n".join(code))[1]:
        lines.append("origin = np.zeros(3)")
    return "\n".join(lines)


def _bound(tree: ast.AST) -> list[str]:
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


@cache
def _names(block: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that lines of code read, and those they bind."""
    names = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Name)]
    read = frozenset(node.id for node in names if isinstance(node.ctx, ast.Load))
    return read, frozenset(node.id for node in names if isinstance(node.ctx, ast.Store))


def _copied(body: str) -> list[str]:
    """Return the source of all functions that the script names, and of those that they name."""
    found: dict[str, str] = {}
    wanted = [body]
    while wanted:
        for name in sorted(_names(wanted.pop())[0] - set(found)):
            source = AROUND.get(name) or (_source(DEFINITIONS[name]) if name in DEFINITIONS else "")
            if source:
                found[name] = source
                wanted.append(source)
    return [found[name].rstrip("\n") for name in sorted(found)]


@cache
def _source(function: Callable[..., Any]) -> str:
    """Return a function's source without its import of Open3D, which stands at the top of a script."""
    lines = inspect.getsource(function).splitlines()
    imported = [at for at, line in enumerate(lines) if line.strip() == "import open3d as o3d"]
    return "\n".join(line for at, line in enumerate(lines) if at not in imported and at - 1 not in imported) + "\n"


def _spelled(name: str) -> str:
    """Return a file's name as a comment may hold it."""
    return "".join(character for character in name if character.isprintable() and character not in '"\\')
