"""Calibrate two cameras from pairs of pictures of a chessboard.

The corners of a board of known squares are found in both pictures of each pair; each camera's lens is fitted to its own
corners, then the place of the two cameras to all of them. How far the fitted cameras see the corners from where they
were found, the reprojection error, says how good the fit is: below half a pixel is usual, a tenth is very good.

Source: Zhang, A flexible new technique for camera calibration, IEEE PAMI 22(11), 2000, as OpenCV's calibrateCamera and
stereoCalibrate have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demos.stereo.checks import refuse_sizes
from demos.stereo.geometry import Calibration
from demos.stereo.rig import StereoRig
from hub.errors import InvalidInput

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

FEWEST_PAIRS, MOST_PAIRS = 3, 40
FEWEST_CORNERS, MOST_CORNERS = 3, 30  # a side
GOOD_PX = 0.5  # reprojection error; above 1 something is wrong
BAD_PX = 1.0
WINDOW_PX = 5  # half the side of the window in which a corner is refined
FEW_PAIRS = 8  # below, distortion is fitted badly


@dataclass(frozen=True)
class ChessboardCalibration:
    """What chessboard pairs tell of two cameras.

    Attributes:
        rig: the cameras.
        left_error_px, right_error_px: root mean square reprojection error of each camera alone, pixels.
        stereo_error_px: the same of both together, which is the one to judge by.
        pair_errors_px: (N,) of each pair that was used.
        used: (N,) places of those pairs in the list that came, from 0.
        corners: (N, 2, rows x columns, 2) u, v of the corners found, left and right, pixels; to draw.
        notes: which pairs were left out, and whether the fit is to be trusted.
    """

    rig: StereoRig
    left_error_px: float
    right_error_px: float
    stereo_error_px: float
    pair_errors_px: F64 = field(compare=False)
    used: tuple[int, ...]
    corners: F32 = field(compare=False)
    notes: tuple[str, ...] = ()

    @property
    def calibration(self) -> Calibration:
        """Return the calibration of pictures that `rig.rectify` has rectified."""
        return self.rig.calibration


class Board(NamedTuple):
    """Inner corners along a row and along a column, and the side of a square in metres."""

    columns: int
    rows: int
    square_m: float

    @property
    def corners_m(self) -> F32:
        """(rows x columns, 3) corners on the board, metres, row by row, z = 0."""
        grid = np.zeros((self.rows * self.columns, 3), dtype=np.float32)
        grid[:, :2] = np.mgrid[: self.columns, : self.rows].T.reshape(-1, 2) * self.square_m
        return grid


def calibrate(
    lefts: Sequence[Image.Image], rights: Sequence[Image.Image], columns: int, rows: int, square_m: float
) -> ChessboardCalibration:
    """Calibrate two cameras.

    Args:
        lefts: pictures of the left camera.
        rights: of the right one, taken at the same moments.
        columns: inner corners along a row of the board, 3 to 30: one fewer than its squares.
        rows: inner corners along a column, 3 to 30.
        square_m: side of a square, metres: the scale of all that will be measured.

    Raises:
        InvalidInput: when the numbers of pictures or their sizes differ, fewer than three pairs show the whole board
            (it names those that do not), or the fit is none.
    """
    board = _checked_board(columns, rows, square_m)
    size = _checked_pictures(lefts, rights)
    found = [(_corners(left, board), _corners(right, board)) for left, right in zip(lefts, rights, strict=True)]
    used = tuple(place for place, (here, there) in enumerate(found) if here is not None and there is not None)
    lost = [
        f"{side} {place + 1}"
        for place, pair in enumerate(found)
        for side, corners in zip(("left", "right"), pair, strict=True)
        if corners is None
    ]
    missing = f"The board of {columns} x {rows} inner corners was not found in: {', '.join(lost)}." if lost else ""
    if len(used) < FEWEST_PAIRS:
        raise InvalidInput(
            f"Only {len(used)} of {len(found)} pairs show the whole board in both pictures. {missing}".strip(),
            f"Send at least {FEWEST_PAIRS} such pairs, better 10 to 20, and count inner corners, not squares.",
        )
    corners = np.array([[_same_order(pair[0], pair[1])] for pair in (found[place] for place in used)])[:, 0]
    rig, errors, pair_errors = _fitted(corners, board, size)
    notes = [missing] if missing else []
    if len(used) < FEW_PAIRS:
        notes.append(f"Only {len(used)} pairs were used; 10 to 20, the board tilted and in every corner, are better.")
    if errors[2] > GOOD_PX:
        notes.append(f"The reprojection error of {errors[2]:.2f} pixels is large: below {GOOD_PX} is usual.")
    return ChessboardCalibration(rig, *errors, pair_errors, used, corners, tuple(notes))


def _checked_board(columns: int, rows: int, square_m: float) -> Board:
    if not (FEWEST_CORNERS <= columns <= MOST_CORNERS and FEWEST_CORNERS <= rows <= MOST_CORNERS):
        raise InvalidInput(
            f"A board of {columns} x {rows} inner corners is not taken.",
            f"Expected are {FEWEST_CORNERS} to {MOST_CORNERS} a side, one fewer than squares.",
        )
    if not 0 < square_m <= 10:
        raise InvalidInput(
            f"A square of {square_m:g} m is not taken.", "Measure a square's side: above 0, at most 10 m."
        )
    return Board(int(columns), int(rows), float(square_m))


def _checked_pictures(lefts: Sequence[Image.Image], rights: Sequence[Image.Image]) -> tuple[int, int]:
    """Return the one size of all pictures."""
    if len(lefts) != len(rights):
        raise InvalidInput(f"There are {len(lefts)} left and {len(rights)} right pictures.", "Send them in pairs.")
    if not FEWEST_PAIRS <= len(lefts) <= MOST_PAIRS:
        raise InvalidInput(f"{len(lefts)} pairs were sent.", f"Send {FEWEST_PAIRS} to {MOST_PAIRS}; 10 to 20 are good.")
    for picture in (*lefts[1:], *rights):
        refuse_sizes(lefts[0], picture)
    return lefts[0].size


def _corners(picture: Image.Image, board: Board) -> F32 | None:
    """Return the board's corners (rows x columns, 2) to a fraction of a pixel, or None."""
    import cv2

    grey = np.asarray(picture.convert("L"))
    flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
    there, corners = cv2.findChessboardCorners(grey, (board.columns, board.rows), flags=flags)
    if not there:
        return None
    until = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-3)
    refined = cv2.cornerSubPix(grey, corners, (WINDOW_PX, WINDOW_PX), (-1, -1), until)
    return np.asarray(refined, dtype=np.float32).reshape(-1, 2)


def _same_order(left: F32 | None, right: F32 | None) -> F32:
    """Return both (2, corners, 2) counted from the same corner of the board: a search may start at the opposite one."""
    assert left is not None
    assert right is not None
    along = [corners[-1] - corners[0] for corners in (left, right)]
    return np.stack([left, right if along[0] @ along[1] > 0 else right[::-1]])


def _fitted(corners: F32, board: Board, size: tuple[int, int]) -> tuple[StereoRig, tuple[float, float, float], F64]:
    """Return the cameras, their errors (left, right, both), pixels, and those of each pair."""
    import cv2

    boards, left, right = [board.corners_m] * len(corners), list(corners[:, 0]), list(corners[:, 1])
    try:
        left_error, left_matrix, left_lens, *_ = cv2.calibrateCamera(boards, left, size, None, None)
        right_error, right_matrix, right_lens, *_ = cv2.calibrateCamera(boards, right, size, None, None)
        error, left_matrix, left_lens, right_matrix, right_lens, R, T, _, _, _, _, each = cv2.stereoCalibrateExtended(
            boards,
            left,
            right,
            left_matrix,
            left_lens,
            right_matrix,
            right_lens,
            size,
            np.eye(3),
            np.zeros(3),
            flags=cv2.CALIB_USE_INTRINSIC_GUESS,
        )
    except cv2.error as failure:
        raise InvalidInput(
            "No pair of cameras fits these corners.", "Tilt the board differently in each picture, and hold it still."
        ) from failure
    if not error < 20 * BAD_PX:  # (never true of NaN)
        raise InvalidInput(
            f"The fit misses the corners by {error:.1f} pixels: the pictures are not of one rigid pair of cameras.",
            "Check that left and right pictures belong together, in the same order.",
        )
    rig = StereoRig(
        left_matrix=np.asarray(left_matrix, dtype=np.float64),
        left_distortion=np.asarray(left_lens, dtype=np.float64).ravel(),
        right_matrix=np.asarray(right_matrix, dtype=np.float64),
        right_distortion=np.asarray(right_lens, dtype=np.float64).ravel(),
        rotation=np.asarray(R, dtype=np.float64),
        translation_m=np.asarray(T, dtype=np.float64).ravel(),
        width_px=size[0],
        height_px=size[1],
    )
    pair_errors = np.sqrt(np.square(np.asarray(each, dtype=np.float64)).mean(axis=1))
    return rig, (float(left_error), float(right_error), float(error)), pair_errors
