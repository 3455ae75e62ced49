"""Two cameras as they are mounted, before rectification: what a chessboard tells, and how it straightens pictures.

Source: OpenCV, stereoRectify (Bouguet's method): both cameras are turned by half of the rotation between them, then
until the baseline is their common x axis; lens distortion goes in the same resampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.stereo.geometry import Calibration
from hub.errors import InvalidInput

F64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StereoRig:
    """Two cameras. A point X in the left camera's frame is at R X + T in the right one's.

    Attributes:
        left_matrix, right_matrix: (3, 3) intrinsic matrices, pixels.
        left_distortion, right_distortion: (4,), (5,), (8,), (12,) or (14,) OpenCV's k1, k2, p1, p2, k3, ...
        rotation: (3, 3) R.
        translation_m: (3,) T, metres; about (-baseline, 0, 0).
        width_px, height_px: of the pictures that this is for.
    """

    left_matrix: F64
    left_distortion: F64
    right_matrix: F64
    right_distortion: F64
    rotation: F64
    translation_m: F64
    width_px: int
    height_px: int

    @cached_property
    def _rectified(self) -> tuple[F64, F64, F64, F64]:
        """The rotations (3, 3) and projections (3, 4) of both rectified cameras."""
        import cv2

        found = cv2.stereoRectify(
            self.left_matrix,
            self.left_distortion,
            self.right_matrix,
            self.right_distortion,
            (self.width_px, self.height_px),
            self.rotation,
            self.translation_m.reshape(3, 1),
            flags=cv2.CALIB_ZERO_DISPARITY,  # infinity is at disparity 0
            alpha=0,  # no pixel without a picture
        )
        left_turn, right_turn, left_view, right_view = (np.asarray(matrix, dtype=np.float64) for matrix in found[:4])
        return left_turn, right_turn, left_view, right_view

    @cached_property
    def calibration(self) -> Calibration:
        """The calibration of pictures that this rig has rectified.

        Raises:
            InvalidInput: when the second camera is not to the right of the first one.
        """
        if not -self.translation_m[0] > abs(self.translation_m[1]):
            raise InvalidInput(
                "The second camera is not to the right of the first one: the translation between them is "
                f"({', '.join(f'{value:g}' for value in self.translation_m)}).",
                "Exchange the two cameras.",
            )
        left, right = self._rectified[2:]
        return Calibration(
            focal_x_px=float(left[0, 0]),
            focal_y_px=float(left[1, 1]),
            centre_x_px=float(left[0, 2]),
            centre_y_px=float(left[1, 2]),
            baseline_m=float(-right[0, 3] / right[0, 0]),
            doffs_px=float(right[0, 2] - left[0, 2]),
            width_px=self.width_px,
            height_px=self.height_px,
        ).checked()

    def rectify(self, left: Image.Image, right: Image.Image) -> tuple[Image.Image, Image.Image, Calibration]:
        """Return the pair undistorted and rectified, with its calibration.

        Raises:
            InvalidInput: when the pictures are not of the size that the rig was calibrated for.
        """
        import cv2

        size = (self.width_px, self.height_px)
        for picture in (left, right):
            if picture.size != size:
                raise InvalidInput(
                    f"The cameras were calibrated at {size[0]} x {size[1]} pixels, and a picture has "
                    f"{picture.width} x {picture.height}.",
                    "Send pictures as the camera took them.",
                )
        calibration = self.calibration
        left_turn, right_turn, left_view, right_view = self._rectified
        straight = []
        for picture, matrix, distortion, turn, view in (
            (left, self.left_matrix, self.left_distortion, left_turn, left_view),
            (right, self.right_matrix, self.right_distortion, right_turn, right_view),
        ):
            columns, rows = cv2.initUndistortRectifyMap(matrix, distortion, turn, view, size, cv2.CV_32FC1)
            straight.append(Image.fromarray(cv2.remap(np.asarray(picture), columns, rows, cv2.INTER_CUBIC)))
        return straight[0], straight[1], calibration

    def to_yaml(self) -> str:
        """Write the rig as OpenCV's YAML, which `calibration.read_calibration` reads back; T is in metres."""
        lines = ["%YAML:1.0", "---", f"image_width: {self.width_px}", f"image_height: {self.height_px}", "unit: m"]
        for name, matrix in (
            ("M1", self.left_matrix),
            ("D1", self.left_distortion.reshape(1, -1)),
            ("M2", self.right_matrix),
            ("D2", self.right_distortion.reshape(1, -1)),
            ("R", self.rotation),
            ("T", self.translation_m.reshape(3, 1)),
        ):
            numbers = ", ".join(repr(float(value)) for value in matrix.ravel())
            shape = [f"   rows: {matrix.shape[0]}", f"   cols: {matrix.shape[1]}"]
            lines += [f"{name}: !!opencv-matrix", *shape, "   dt: d", f"   data: [ {numbers} ]"]
        return "\n".join(lines) + "\n"
