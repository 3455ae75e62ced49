"""From what a page or a client sends to a checked request: files, pictures, a depth picture, steps and options."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demos.point_clouds.depth_file import read_depth
from demos.point_clouds.exports import SAVED_AS
from demos.point_clouds.options import CloudRequest, ReadOptions, Source
from demos.point_clouds.steps import parse_steps
from hub import guard
from hub.errors import InvalidInput
from hub.inputs import SentFile
from hub.options import checked, checked_text
from tabletop.pictures import marked, scene_seed

STEPS_CHARACTERS = 12_000  # thirty steps with all their options written out are a third of it
HASHED_BYTES = 2**20  # read at a time


@dataclass(frozen=True, eq=False)
class Asked(CloudRequest):
    """A request, and the format its result is to be saved in besides PLY."""

    save_as: str = "ply"


def asked(
    limits: guard.Limits,
    *,
    file: Any = None,
    other: Any = None,
    picture: Any = None,
    depth: Any = None,
    steps: Any = None,
    save_as: Any = None,
    **options: Any,
) -> Asked:
    """Build a request.

    Args:
        limits: of files and pictures.
        file: the uploaded 3D file, as `hub.inputs.file_input` hands it over.
        other: the second 3D file, likewise.
        picture: the path of an uploaded picture, or None.
        depth: the uploaded depth picture that belongs to it, as a file.
        steps: JSON text, or a list, as `parse_steps` takes them.
        save_as: one of `SAVED_AS`.
        options: values of `ReadOptions` by name.

    Raises:
        InvalidInput: says what is wrong with which of them.
    """
    chosen = checked(ReadOptions, options)
    taken = parse_steps(checked_text(steps, STEPS_CHARACTERS, "Steps") if isinstance(steps, str) else steps or [])
    if save_as not in (None, "", *SAVED_AS):
        raise InvalidInput(f"Clouds are not saved as {str(save_as)[:20]!r}.", f"Choose {' or '.join(SAVED_AS)}.")
    cloud, second = source_of(file, "3D file", limits), source_of(other, "second 3D file", limits)
    depth_file = source_of(depth, "depth picture", limits)
    if cloud is not None and picture:
        raise InvalidInput("A 3D file and a picture were sent.", "Send one of the two; remove the other.")
    if cloud is None and not picture and depth_file is None:
        raise InvalidInput(
            "There is nothing to make a cloud of yet.", "Send a 3D file or a picture, or press New scene."
        )
    if cloud is not None and depth_file is not None:
        raise InvalidInput("A 3D file and a depth picture were sent.", "Send one of the two; remove the other.")
    taken_picture = guard.picture(picture, limits) if picture else None
    if taken_picture is not None and (seed := scene_seed(taken_picture.text)) is not None:
        marked(taken_picture.image, seed)
    depth_units, depth_notes = (None, ()) if depth_file is None else read_depth(depth_file, limits)
    return Asked(
        file=cloud,
        picture=None if taken_picture is None else taken_picture.image,
        depth=depth_units,
        other=second,
        options=chosen,
        steps=taken,
        notes=(*(() if taken_picture is None else taken_picture.notes), *depth_notes),
        save_as=save_as or "ply",
    )


def source_of(sent: tuple[SentFile, ...] | None, what: str, limits: guard.Limits) -> Source | None:
    """Return an uploaded file with the digest of its bytes; None where none was sent.

    Raises:
        InvalidInput: for several files, one that is gone, empty or too large.
    """
    if not sent:
        return None
    if len(sent) > 1:
        raise InvalidInput(f"Several files came as the {what}.", "Send one.")
    path, name = sent[0].path, Path(sent[0].name).name
    if not path.is_file():
        raise InvalidInput(f"The {what} is no longer on the server.", "Send it again.")
    size = path.stat().st_size
    if not size:
        raise InvalidInput(f"The {what}, {name[:80]}, is empty.", "Send a file with points in it.")
    if size > limits.megabytes * 1e6:
        raise InvalidInput(f"The {what} has {size / 1e6:.1f} MB.", f"Send at most {limits.megabytes:g} MB.")
    digest = hashlib.sha256()
    with path.open("rb") as opened:
        while block := opened.read(HASHED_BYTES):
            digest.update(block)
    return Source(path, name, digest.digest())
