"""3D files for the tests, put together here byte by byte or by other people's writers: never by the code under test."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demos.point_clouds.options import Source

# A box of 1 x 2 x 3; its corners, one colour each, and its six sides as squares whose corners run counterclockwise.
CORNERS = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 2.0) for z in (0.0, 3.0)])
COLOURS = np.array([[10 * corner, 255 - corner, 7] for corner in range(8)], dtype=np.uint8)
NORMALS = ((CORNERS - CORNERS.mean(axis=0)) / np.linalg.norm(CORNERS - CORNERS.mean(axis=0), axis=1)[:, None]).astype(
    np.float32
)
SQUARES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
TRIANGLES = np.concatenate([SQUARES[:, [0, 1, 2]], SQUARES[:, [0, 2, 3]]])


@dataclass(frozen=True)
class Sample:
    """A file of the box's corners, and what is to be found in it."""

    name: str
    make: Callable[[], bytes]
    colours: bool = False
    normals: bool = False
    faces: int = 0
    same_order: bool = True


def source(folder: Path, name: str, content: bytes) -> Source:
    """Write a file and return it as if it had been sent."""
    path = folder / name
    path.write_bytes(content)
    return Source(path, name, b"")


def ply_header(encoding: str, *properties: str, count: int = 8, faces: int = 0, extra: tuple[str, ...] = ()) -> bytes:
    """Return a PLY header; properties are such as "float x"."""
    lines = ["ply", f"format {encoding} 1.0", *extra, f"element vertex {count}"]
    lines += [f"property {item}" for item in properties]
    if faces:
        lines += [f"element face {faces}", "property list uchar int vertex_indices"]
    return "\n".join([*lines, "end_header\n"]).encode()


def ply(order: str = "<", *, kind: str = "f4", attributes: bool = True, faces: bool = False) -> bytes:
    """Return a binary PLY, "<" little-endian or ">" big-endian."""
    fields = [(axis, order + kind) for axis in "xyz"]
    names = [f"{'float' if kind == 'f4' else 'double'} {axis}" for axis in "xyz"]
    if attributes:
        fields += [(name, "u1") for name in ("red", "green", "blue")] + [(n, order + "f4") for n in ("nx", "ny", "nz")]
        names += ["uchar red", "uchar green", "uchar blue", "float nx", "float ny", "float nz"]
    columns = np.concatenate([CORNERS, COLOURS, NORMALS], axis=1)
    rows = np.zeros(8, dtype=fields)
    for number, (name, _) in enumerate(fields):
        rows[name] = columns[:, number]
    encoding = "binary_little_endian" if order == "<" else "binary_big_endian"
    sides = b""
    if faces:
        sides = b"".join(struct.pack(f"{order}B4i", 4, *square) for square in SQUARES.tolist())
    return ply_header(encoding, *names, faces=6 if faces else 0) + rows.tobytes() + sides


def ply_text(*, faces: bool = True) -> bytes:
    """Return a text PLY whose faces are squares."""
    rows = [" ".join(map(str, [*place, *colour])) for place, colour in zip(CORNERS, COLOURS, strict=True)]
    rows += [f"4 {' '.join(map(str, square))}" for square in SQUARES] if faces else []
    names = [f"float {axis}" for axis in "xyz"] + [f"uchar {name}" for name in ("red", "green", "blue")]
    return ply_header("ascii", *names, faces=6 if faces else 0) + "\n".join(rows).encode() + b"\n"


def pcd(stored: str = "binary") -> bytes:
    """Return a PCD with packed colours."""
    packed = (COLOURS.astype(np.uint32) * [65536, 256, 1]).sum(axis=1).astype(np.uint32)
    header = "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z rgb normal_x normal_y normal_z\nSIZE 4 4 4 4 4 4 4\n"
    header += "TYPE F F F F F F F\nCOUNT 1 1 1 1 1 1 1\nWIDTH 8\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 8\n"
    rows = np.empty(8, dtype=[("place", "<f4", 3), ("rgb", "<f4"), ("normal", "<f4", 3)])
    rows["place"], rows["rgb"], rows["normal"] = CORNERS, packed.view(np.float32), NORMALS
    if stored == "binary":
        return header.encode() + b"DATA binary\n" + rows.tobytes()
    lines = [" ".join(repr(float(number)) for number in [*row["place"], row["rgb"], *row["normal"]]) for row in rows]
    return (header + "DATA ascii\n" + "\n".join(lines) + "\n").encode()


def open3d_pcd() -> bytes:
    """Return a compressed PCD as Open3D writes it."""
    import tempfile

    import open3d as o3d

    cloud = o3d.t.geometry.PointCloud(o3d.core.Tensor(CORNERS.astype(np.float32)))
    cloud.point.colors = o3d.core.Tensor(COLOURS)
    cloud.point.normals = o3d.core.Tensor(NORMALS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "box.pcd"
        o3d.t.io.write_point_cloud(path, cloud, compressed=True)
        return path.read_bytes()


def rows(separator: str = " ", *columns: np.ndarray, start: str = "") -> bytes:
    """Return rows of numbers, after a first line."""
    lines = []
    for corner in range(8):
        numbers = [number for column in (CORNERS, *columns) for number in column[corner].tolist()]
        lines.append(separator.join(map(repr, numbers)))
    return (start + "\n".join(lines) + "\n").encode()


def las(ending: str, places: np.ndarray = CORNERS) -> bytes:
    """Return a LAS or LAZ file with 16-bit colours, as laspy writes it, in millimetre steps."""
    import io

    import laspy

    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales, header.offsets = np.full(3, 0.001), np.floor(places.min(axis=0))
    data = laspy.LasData(header)
    data.x, data.y, data.z = places.T
    shades = np.resize(COLOURS, (len(places), 3)).astype(np.uint16) * 257
    data.red, data.green, data.blue = shades.T
    stream = io.BytesIO()
    data.write(stream, do_compress=ending == ".laz")
    return stream.getvalue()


def obj(*, faces: bool = True) -> bytes:
    """Return an OBJ with colours after its vertices, one normal a vertex, and squares."""
    lines = ["# unit mm"]
    for place, colour in zip(CORNERS.tolist(), (COLOURS / 255).round(6).tolist(), strict=True):
        lines.append("v " + " ".join(map(repr, [*place, *colour])))
    lines += ["vn " + " ".join(map(repr, normal)) for normal in NORMALS.tolist()]
    if faces:
        lines += ["f " + " ".join(f"{corner + 1}//{corner + 1}" for corner in square) for square in SQUARES.tolist()]
    return "\n".join(lines).encode()


def stl(*, text: bool = False) -> bytes:
    """Return an STL of the box's twelve triangles."""
    if text:
        facets = [
            "facet normal 0 0 0\nouter loop\n"
            + "\n".join("vertex " + " ".join(map(repr, CORNERS[corner].tolist())) for corner in face)
            + "\nendloop\nendfacet\n"
            for face in TRIANGLES
        ]
        return ("solid box\n" + "".join(facets) + "endsolid box\n").encode()
    facets_ = np.zeros(12, dtype=[("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    facets_["corners"] = CORNERS[TRIANGLES]
    return b"solid, though binary".ljust(80) + struct.pack("<I", 12) + facets_.tobytes()


def off(word: str = "OFF") -> bytes:
    """Return an OFF of squares; COFF with colours, NOFF with normals."""
    columns = [CORNERS, *([NORMALS] if "N" in word else []), *([COLOURS] if "C" in word else [])]
    lines = [f"{word}\n# a box\n8 6 0"]
    lines += [" ".join(repr(number) for column in columns for number in column[corner].tolist()) for corner in range(8)]
    lines += [f"4 {' '.join(map(str, square))}" for square in SQUARES.tolist()]
    return "\n".join(lines).encode()


def gltf(*, mode: int = 4, node: dict | None = None, indices: list[int] | None = None) -> tuple[dict, bytes]:
    """Return the JSON and the numbers of a glTF of the box, all of one colour that is the same in linear light."""
    shades = np.full((8, 4), 65535, dtype="<u2")
    shades[:, 1] = 0
    order = np.array(TRIANGLES.reshape(-1) if indices is None else indices, dtype="<u2")
    parts = [CORNERS.astype("<f4").tobytes(), NORMALS.astype("<f4").tobytes(), shades.tobytes(), order.tobytes()]
    views, start = [], 0
    for part in parts:
        views.append({"buffer": 0, "byteOffset": start, "byteLength": len(part)})
        start += len(part)
    primitive = {"attributes": {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2}, "mode": mode}
    if mode:
        primitive["indices"] = 3
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, **(node or {})}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 8, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5126, "count": 8, "type": "VEC3"},
            {"bufferView": 2, "componentType": 5123, "count": 8, "type": "VEC4", "normalized": True},
            {"bufferView": 3, "componentType": 5123, "count": len(order), "type": "SCALAR"},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": start}],
    }
    return document, b"".join(parts)


def glb(document: dict, numbers: bytes) -> bytes:
    """Return the parts as one GLB."""
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    numbers += bytes(-len(numbers) % 4)
    size = struct.pack("<II", 2, 28 + len(text) + len(numbers))
    chunks = struct.pack("<I", len(text)) + b"JSON" + text + struct.pack("<I", len(numbers)) + b"BIN\0" + numbers
    return b"glTF" + size + chunks


def embedded(document: dict, numbers: bytes) -> bytes:
    """Return the parts as one .gltf that holds its numbers."""
    uri = "data:application/octet-stream;base64," + base64.b64encode(numbers).decode()
    return json.dumps(document | {"buffers": [{"byteLength": len(numbers), "uri": uri}]}).encode()


def three_ds() -> bytes:
    """Return a 3DS of the box's triangles, without materials."""

    def chunk(kind: int, content: bytes) -> bytes:
        return struct.pack("<HI", kind, 6 + len(content)) + content

    places = struct.pack("<H", 8) + CORNERS.astype("<f4").tobytes()
    corners = np.concatenate([TRIANGLES, np.zeros((12, 1), int)], axis=1).astype("<u2")
    faces = struct.pack("<H", 12) + corners.tobytes()
    mesh = chunk(0x4100, chunk(0x4110, places) + chunk(0x4120, faces))
    return chunk(0x4D4D, chunk(0x3D3D, chunk(0x4000, b"box\0" + mesh)))


def _numbers(values: np.ndarray) -> str:
    return " ".join(map(repr, values.reshape(-1).tolist()))


def x3d(*, points: bool = False, transform: str = "", before: str = "") -> bytes:
    """Return an X3D of the box's squares, or of its corners as loose points with colours."""
    coordinate = f"<Coordinate point='{_numbers(CORNERS)}'/>"
    shape = f"<PointSet>{coordinate}<Color color='{_numbers(COLOURS / 255)}'/></PointSet>"
    if not points:
        index = " ".join(f"{' '.join(map(str, square))} -1" for square in SQUARES.tolist())
        shape = f"<IndexedFaceSet coordIndex='{index}'>{coordinate}</IndexedFaceSet>"
    scene = f"<Scene><Transform {transform}><Shape>{shape}</Shape></Transform></Scene>"
    return f"<?xml version='1.0'?>{before}<X3D version='3.0'>{scene}</X3D>".encode()


def dae(*, up: str = "Y_UP", metres: str = "1", translate: str = "0 0 0", before: str = "") -> bytes:
    """Return a Collada file of the box's triangles."""
    corners = " ".join(map(str, TRIANGLES.reshape(-1).tolist()))
    return f"""<?xml version="1.0" encoding="utf-8"?>{before}
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset><unit meter="{metres}" name="u"/><up_axis>{up}</up_axis></asset>
<library_geometries><geometry id="box"><mesh>
<source id="p"><float_array id="pa" count="24">{_numbers(CORNERS)}</float_array><technique_common>
<accessor source="#pa" count="8" stride="3"><param name="X" type="float"/><param name="Y" type="float"/>
<param name="Z" type="float"/></accessor></technique_common></source>
<vertices id="v"><input semantic="POSITION" source="#p"/></vertices>
<triangles count="12"><input semantic="VERTEX" source="#v" offset="0"/><p>{corners}</p></triangles>
</mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id="s"><node id="n"><translate>{translate}</translate>
<instance_geometry url="#box"/></node></visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#s"/></scene></COLLADA>""".encode()


SHADES = COLOURS.astype(float) / 255
SAMPLES = (
    Sample("little.ply", lambda: ply("<"), colours=True, normals=True),
    Sample("big.ply", lambda: ply(">"), colours=True, normals=True),
    Sample("double.ply", lambda: ply("<", kind="f8", attributes=False)),
    Sample("squares.ply", lambda: ply("<", faces=True), colours=True, normals=True, faces=12),
    Sample("text.ply", ply_text, colours=True, faces=12),
    Sample("points.ply", lambda: ply_text(faces=False), colours=True),
    Sample("text.pcd", lambda: pcd("ascii"), colours=True, normals=True),
    Sample("binary.pcd", pcd, colours=True, normals=True),
    Sample("compressed.pcd", open3d_pcd, colours=True, normals=True),
    Sample("plain.xyz", rows),
    Sample("box.xyzn", lambda: rows(" ", NORMALS), normals=True),
    Sample("box.xyzrgb", lambda: rows("\t", SHADES), colours=True),
    Sample("both.txt", lambda: rows(" ", COLOURS, NORMALS), colours=True, normals=True),
    Sample(
        "heading.csv",
        lambda: rows(",", NORMALS, COLOURS, start="x,y,z,nx,ny,nz,red,green,blue\n"),
        colours=True,
        normals=True,
    ),
    Sample("german.asc", lambda: rows(";", SHADES).replace(b".", b","), colours=True),
    Sample("scan.pts", lambda: rows(" ", np.full((8, 1), -1200), COLOURS, start="8\n"), colours=True),
    Sample("survey.las", lambda: las(".las"), colours=True),
    Sample("survey.laz", lambda: las(".laz"), colours=True),
    Sample("box.obj", obj, colours=True, normals=True, faces=12),
    Sample("points.obj", lambda: obj(faces=False), colours=True, normals=True),
    Sample("binary.stl", stl, faces=12),
    Sample("text.stl", lambda: stl(text=True), faces=12),
    Sample("box.off", off, faces=12),
    Sample("colours.off", lambda: off("COFF"), colours=True, faces=12),
    Sample("normals.off", lambda: off("NOFF"), normals=True, faces=12),
    Sample("box.glb", lambda: glb(*gltf()), normals=True, faces=12),
    Sample("points.glb", lambda: glb(*gltf(mode=0)), normals=True),
    Sample("box.gltf", lambda: embedded(*gltf()), normals=True, faces=12),
    Sample("box.3ds", three_ds, faces=12, same_order=False),
    Sample("box.x3d", x3d, faces=12, same_order=False),
    Sample("points.x3d", lambda: x3d(points=True), colours=True),
    Sample("box.dae", dae, faces=12, same_order=False),
)
