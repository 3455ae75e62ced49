"""The lines of plain Python and numpy that read the same points from a glTF file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

ACCESSOR = [
    "def accessor(number, width):",
    "    said = gltf['accessors'][number]",
    "    view = gltf['bufferViews'][said['bufferView']]",
    "    kind = {5120: 'i1', 5121: 'u1', 5122: '<i2', 5123: '<u2', 5125: '<u4', 5126: '<f4'}[said['componentType']]",
    "    each = np.dtype(kind).itemsize",
    "    step = view.get('byteStride') or {'SCALAR': 1, 'VEC2': 2, 'VEC3': 3, 'VEC4': 4}[said['type']] * each",
    "    start = view.get('byteOffset', 0) + said.get('byteOffset', 0)",
    "    values = np.ndarray((said['count'], width), kind, buffers[view['buffer']], start, (step, each))",
    "    return values / np.iinfo(kind).max if said.get('normalized') else values.astype(np.float64)",
]


def lines_of(opening: list[str], parts: Sequence[Any], normals: bool, colours: bool, k: int) -> list[str]:
    """Return the code that sets `points`, and of `normals`, `colours` and `triangles` those that are there."""
    lines = [*opening, "", "", *ACCESSOR, "", ""]
    lines += ["points, normals, colours, triangles, start = [], [], [], [], 0"]
    lines += [
        "# Of every mesh: its accessors of places, normals, colours and faces, its base colour, its node's matrix."
    ]
    lines += ["parts = ["]
    for part in parts:
        faces = f"[{', '.join(f'({indices}, {mode})' for indices, mode in part.faces)}]"
        fields = (part.position, part.normal, part.colour, faces, part.factor, part.matrix.tolist())
        lines.append(f"    ({', '.join(str(field) for field in fields)}),")
    lines += [
        "]",
        "for position, normal, colour, faces, base_colour, matrix in parts:",
        "    matrix = np.array(matrix)",
    ]
    lines += ["    points.append(accessor(position, 3) @ matrix[:3, :3].T + matrix[:3, 3])"]
    if normals:
        lines += ["    normals.append(accessor(normal, 3) @ np.linalg.pinv(matrix[:3, :3]))"]
    if colours:
        lines += ["    linear = np.ones_like(points[-1]) if colour is None else accessor(colour, 3)"]
        lines += ["    colours.append(linear * base_colour)"]
    if any(part.faces for part in parts):
        lines += ["    for indices, mode in faces:"]
        lines += ["        order = np.arange(len(points[-1]))"]
        lines += ["        if indices is not None:"]
        lines += ["            order = accessor(indices, 1)[:, 0].astype(int)"]
        lines += _face_lines({mode for part in parts for _, mode in part.faces})
        lines += ["        triangles.append(three + start)"]
    lines += ["    start += len(points[-1])"]
    thin = f"[::{k}]" if k > 1 else ""
    lines += [f"points = np.concatenate(points){thin}"]
    if normals:
        lines += [f"normals = np.concatenate(normals){thin}"]
    if colours:
        lines += [f"light = np.clip(np.concatenate(colours){thin}, 0, 1)  # linear, to be sRGB:"]
        lines += ["light = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)"]
        lines += ["colours = np.rint(light * 255).astype(np.uint8)"]
    if any(part.faces for part in parts):
        lines += ["triangles = np.concatenate(triangles)"]
    return lines


def _face_lines(modes: set[int]) -> list[str]:
    """Return the lines that set `three`, (M, 3), of the corners in `order`, for the kinds of faces there are."""
    if modes == {4}:
        return ["        three = order[: len(order) // 3 * 3].reshape(-1, 3)"]
    return [
        "        if mode == 4:  # triangles",
        "            three = order[: len(order) // 3 * 3].reshape(-1, 3)",
        "        elif mode == 5:  # a strip, whose every second triangle runs the other way",
        "            three = np.stack([order[:-2], order[1:-1], order[2:]], axis=1)",
        "            three[1::2, :2] = three[1::2, 1::-1]",
        "        else:  # a fan",
        "            three = np.array([(order[0], b, c) for b, c in zip(order[1:], order[2:])])",
    ]
