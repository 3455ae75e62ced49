"""The steps of a run, from JSON: [{"op": "voxel", "size": 0.01}, {"op": "normals"}]."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from demos.point_clouds.operations.registry import REGISTRY
from demos.point_clouds.options import Step
from hub.errors import InvalidInput
from hub.options import checked

MOST_STEPS = 30
MOST_CHARACTERS = 20_000
EXAMPLE = '[{"op": "voxel", "size": 0.01}, {"op": "normals"}]'


def parse_steps(sent: str | Sequence[Any] | None) -> tuple[Step, ...]:
    """Return checked steps.

    Args:
        sent: a JSON list of objects, each with "op", the key of an operation, and any of its options; or the list
            itself. Empty text and None are no steps.

    Raises:
        InvalidInput: names the step, its operation and the option.
    """
    listed = _listed(sent)
    if len(listed) > MOST_STEPS:
        raise InvalidInput(f"{len(listed):,} steps are too many.", f"Use at most {MOST_STEPS}.")
    return tuple(_step(number, item) for number, item in enumerate(listed, start=1))


def spell_steps(steps: Sequence[Step]) -> str:
    """Return steps as the JSON that `parse_steps` reads, one a line."""
    rows = ",\n".join(f"  {json.dumps(step.recorded())}" for step in steps)
    return f"[\n{rows}\n]" if rows else "[]"


def _listed(sent: str | Sequence[Any] | None) -> Sequence[Any]:
    if isinstance(sent, str):
        if len(sent) > MOST_CHARACTERS:
            raise InvalidInput(
                f"The steps have {len(sent):,} characters, which are too many.", f"Use at most {MOST_CHARACTERS:,}."
            )
        try:
            sent = json.loads(sent) if sent.strip() else []
        except (ValueError, RecursionError) as error:
            where = f", line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
            raise InvalidInput(f"The steps are not JSON{where}.", f"Write them like {EXAMPLE}.") from None
    if sent is None:
        return []
    if isinstance(sent, dict) or not isinstance(sent, Sequence):
        raise InvalidInput(f"The steps are no list, but {type(sent).__name__}.", f"Write them like {EXAMPLE}.")
    return sent


def _step(number: int, item: Any) -> Step:
    if isinstance(item, Step):
        return item
    if not isinstance(item, dict) or not isinstance(item.get("op"), str):
        raise InvalidInput(f'Step {number} names no operation ("op").', f"Write it like those in {EXAMPLE}.")
    operation = REGISTRY.get(item["op"])
    if operation is None:
        raise InvalidInput(
            f"Step {number}: there is no operation {item['op'][:40]!r}.", f"Operations are: {', '.join(REGISTRY)}."
        )
    try:
        return Step(operation.key, checked(operation.options, {k: v for k, v in item.items() if k != "op"}))
    except InvalidInput as error:
        raise InvalidInput(f"Step {number} ({operation.key}): {error.cause}", error.action) from None
