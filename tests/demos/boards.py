"""Pictures of a chessboard taken by two cameras that are known exactly: drawn ray by ray, lens distortion included."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image

from demos.stereo.rig import StereoRig

COLUMNS, ROWS, SQUARE_M = 9, 6, 0.03
WIDTH, HEIGHT = 640, 480
TRUE_RIG = StereoRig(
    left_matrix=np.array([[530.0, 0, 322], [0, 528.0, 236], [0, 0, 1]]),
    left_distortion=np.array([-0.12, 0.05, 0.001, -0.0005, 0.0]),
    right_matrix=np.array([[534.0, 0, 317], [0, 533.0, 243], [0, 0, 1]]),
    right_distortion=np.array([-0.10, 0.03, -0.0005, 0.001, 0.0]),
    rotation=np.asarray(cv2.Rodrigues(np.radians([0.7, -1.2, 0.9]))[0], dtype=np.float64),
    translation_m=np.array([-0.075, 0.001, 0.002]),
    width_px=WIDTH,
    height_px=HEIGHT,
)
POSES = [  # turns in degrees, then where the board's middle is, metres
    ((0, 0, 0), (0.03, 0.0, 0.55)),
    ((25, 0, 5), (-0.02, 0.03, 0.6)),
    ((-25, 5, -5), (0.08, -0.02, 0.6)),
    ((0, 30, 10), (0.0, 0.0, 0.55)),
    ((5, -30, 0), (0.06, 0.02, 0.55)),
    ((20, 20, 15), (0.1, 0.06, 0.65)),
    ((-20, -20, -10), (-0.06, -0.05, 0.65)),
    ((10, -10, 20), (0.12, -0.04, 0.5)),
]


@lru_cache
def camera_rays(camera: str) -> np.ndarray:
    """The rays (N, 3) of every quarter of a pixel, row by row."""
    v, u = np.mgrid[: HEIGHT * 2, : WIDTH * 2].reshape(2, -1) / 2 - 0.25
    matrix, distortion = getattr(TRUE_RIG, f"{camera}_matrix"), getattr(TRUE_RIG, f"{camera}_distortion")
    rays = cv2.undistortPoints(np.stack([u, v], axis=1)[:, None], matrix, distortion).reshape(-1, 2)
    return np.column_stack([rays, np.ones(len(rays))]).astype(np.float32)


def photograph(camera: str, R: np.ndarray, T: np.ndarray) -> Image.Image:
    """Render the board, whose point X is at R X + T in the camera's frame."""
    to_board = np.linalg.inv(np.column_stack([R[:, :2], T]))
    on_board = camera_rays(camera) @ to_board.T.astype(np.float32)
    x, y = (on_board[:, :2] / on_board[:, 2:]).T / SQUARE_M
    black = (np.floor(x) + np.floor(y)) % 2 == 0
    inside = (x > -1) & (x < COLUMNS) & (y > -1) & (y < ROWS)
    grey = np.where(inside & black, 30.0, 220.0).reshape(HEIGHT, 2, WIDTH, 2).mean(axis=(1, 3))
    return Image.fromarray(cv2.GaussianBlur(grey, (0, 0), 0.7).astype(np.uint8))


def pair_of(turns_deg: tuple, middle_m: tuple) -> tuple[Image.Image, Image.Image]:
    R = cv2.Rodrigues(np.radians(np.array(turns_deg, dtype=float)))[0]
    T = np.array(middle_m) - R @ np.array([(COLUMNS - 1) / 2 * SQUARE_M, (ROWS - 1) / 2 * SQUARE_M, 0])
    between, shift = TRUE_RIG.rotation, TRUE_RIG.translation_m
    return photograph("left", R, T), photograph("right", between @ R, between @ T + shift)
