"""A point cloud as all parts of this demo pass it on: plain arrays, with what is known of its units and its origin.

Coordinates are kept small: what a file gives is shifted by `origin` (subtracted), so that float32 viewers and tree
searches stay exact for survey coordinates of millions of metres. What the user sees and exports has the origin added.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
I32 = NDArray[np.int32]

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}  # metres in one


@dataclass(frozen=True, eq=False)
class Cloud:
    """N points, with M triangles between them where they are the vertices of a mesh.

    Attributes:
        points: (N, 3) float64, in `unit`, with `origin` subtracted.
        colours: (N, 3) uint8 RGB; None where the file has none.
        normals: (N, 3) float32 unit vectors; None where there are none.
        triangles: (M, 3) int32 indices of points; None for a cloud.
        labels: (N,) int32 cluster or plane of each point, -1 for none; None before any was looked for.
        values: (N,) float32, the scalar the points are coloured by (height, distance to another cloud ...), or None.
        unit: a key of `UNITS`, or "" where nobody said.
        origin: (3,) float64, what was subtracted from the file's coordinates.
    """

    points: F64
    colours: U8 | None = None
    normals: F32 | None = None
    triangles: I32 | None = None
    labels: I32 | None = None
    values: F32 | None = None
    unit: str = ""
    origin: F64 = field(default_factory=lambda: np.zeros(3))

    def __len__(self) -> int:
        return len(self.points)

    @property
    def nbytes(self) -> int:
        """Bytes of all its arrays."""
        arrays = (self.points, self.colours, self.normals, self.triangles, self.labels, self.values)
        return sum(array.nbytes for array in arrays if array is not None)

    def subset(self, keep: NDArray[np.intp] | NDArray[np.bool_]) -> Cloud:
        """Return the cloud of the points `keep` (indices or a mask), without triangles."""

        def of(array: NDArray | None) -> NDArray | None:
            return None if array is None else array[keep]

        return replace(
            self,
            points=self.points[keep],
            colours=of(self.colours),
            normals=of(self.normals),
            labels=of(self.labels),
            values=of(self.values),
            triangles=None,
        )
