"""Small clouds whose truth is known, and steps on them, for the tests of the point clouds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from demos.point_clouds.cloud import Cloud
from demos.point_clouds.operations.operation import Changed, Context
from demos.point_clouds.operations.registry import REGISTRY
from hub.errors import InvalidInput
from hub.options import checked

NOISE = 0.0005
BOXES = (  # middle, half sizes, turn about z in radians
    ((-0.25, 0.1, 0.06), (0.08, 0.05, 0.06), 0.3),
    ((0.2, 0.2, 0.04), (0.04, 0.04, 0.04), 0.0),
    ((0.15, -0.25, 0.09), (0.10, 0.03, 0.09), -0.7),
)


def table_with_things(seed: int = 0, table: int = 6000, each: int = 1500) -> Cloud:
    """Return three boxes without bottoms on a square table of 1, z = 0, with noise and colours; in metres."""
    rng = np.random.default_rng(seed)
    parts = [np.column_stack([rng.uniform(-0.5, 0.5, (table, 2)), np.zeros(table)])]
    under = [np.zeros(table, bool)]
    for middle, half, turn in BOXES:
        parts.append(_box(rng, each, np.array(half)) @ _turned(turn).T + middle)
        flat = (parts[0][:, :2] - middle[:2]) @ _turned(turn)[:2, :2]
        under[0] |= (np.abs(flat) < half[:2]).all(axis=1)
    parts[0] = parts[0][~under[0]]
    points = np.concatenate(parts)
    points += rng.normal(0, NOISE, points.shape)
    colours = np.concatenate([np.full((len(p), 3), 60 * k + 40, np.uint8) for k, p in enumerate(parts)])
    return Cloud(points.astype(np.float32).astype(np.float64), colours, unit="m")


def _box(rng: np.random.Generator, count: int, half: NDArray[np.float64]) -> NDArray[np.float64]:
    points = rng.uniform(-1, 1, (count, 3)) * half
    sides = np.array([half[1] * half[2], half[1] * half[2], half[0] * half[2], half[0] * half[2], half[0] * half[1]])
    face = rng.choice(5, count, p=sides / sides.sum())
    for number, (axis, sign) in enumerate(((0, -1), (0, 1), (1, -1), (1, 1), (2, 1))):
        points[face == number, axis] = sign * half[axis]
    return points


def _turned(radians: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(radians), np.sin(radians)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def ball_mesh(radius: float = 1.0, rings: int = 24) -> Cloud:
    """Return a closed ball of triangles round (3, 2, 1), its vertices coloured."""
    up = np.linspace(0, np.pi, rings + 1)[1:-1]
    around = np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False)
    across, angle = np.meshgrid(up, around, indexing="ij")
    body = np.stack([np.sin(across) * np.cos(angle), np.sin(across) * np.sin(angle), np.cos(across)], axis=-1)
    points = np.concatenate([body.reshape(-1, 3), [[0, 0, 1], [0, 0, -1]]]) * radius + [3.0, 2.0, 1.0]
    row, column = np.meshgrid(np.arange(rings - 2), np.arange(2 * rings), indexing="ij")
    a, b = row * 2 * rings + column, row * 2 * rings + (column + 1) % (2 * rings)
    quads = np.stack([a, a + 2 * rings, b + 2 * rings, a, b + 2 * rings, b], axis=-1).reshape(-1, 3)
    first, last, top = np.arange(2 * rings), (rings - 2) * 2 * rings + np.arange(2 * rings), len(points) - 2
    caps = [
        np.column_stack([np.full_like(first, top), first, np.roll(first, -1)]),
        np.column_stack([np.full_like(last, top + 1), np.roll(last, -1), last]),
    ]
    triangles = np.concatenate([quads, *caps]).astype(np.int32)
    colours = np.random.default_rng(0).integers(0, 256, points.shape).astype(np.uint8)
    return Cloud(points.astype(np.float32).astype(np.float64), colours, triangles=triangles)


def take(cloud: Cloud, op: str, context: Context | None = None, **options: Any) -> Changed:
    """Take a step, its options checked as a user's are."""
    operation = REGISTRY[op]
    return operation.apply(cloud, checked(operation.options, options), context or Context())


def refusal(cloud: Cloud, op: str, **options: Any) -> str:
    """Return why a step is refused."""
    with pytest.raises(InvalidInput, match=r".") as refused:
        take(cloud, op, **options)
    assert refused.value.action
    return refused.value.cause


def grid(side: int = 20, spacing: float = 0.1) -> Cloud:
    """Return a flat grid of points, z = 0."""
    x, y = np.meshgrid(np.arange(side) * spacing, np.arange(side) * spacing)
    return Cloud(np.column_stack([x.ravel(), y.ravel(), np.zeros(side * side)]))
