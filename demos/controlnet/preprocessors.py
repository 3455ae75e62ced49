"""Preprocessors: what turns a picture into the drawing that a ControlNet is shown. Classic methods, no model.

All take a picture (H, W, 3), uint8, sRGB, and return a drawing: white lines on black (H, W), or colours (H, W, 3).
Canny's edges and nearness are those that the embedded ControlNets were trained with (`tabletop.controls`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tabletop.controls import edges

U8 = NDArray[np.uint8]
Float = NDArray[np.floating]

PEN_CONTRAST = 64  # grey levels by which a pen's stroke differs from its paper
PEN_SHARE = 1 / 100  # thickness of a scribble's lines, of the shorter side
SHORTEST_SHARE = 1 / 20  # of a straight line, of the longer side
PENCIL_BLUR_SHARE = 1 / 40  # of the shorter side: what is wider than that is a surface and no line
STRONGEST = 99.5  # percentile of the gradients that is drawn white


def canny(picture: U8, low: float, high: float, blur_px: float = 0.0) -> U8:
    """Return Canny's edges, one pixel thin: where the gradient exceeds `high`, and on from there while above `low`."""
    return edges(blurred(picture, blur_px), low, high)


def soft_edges(picture: U8, blur_px: float = 0.0) -> U8:
    """Return the gradient's magnitude, white where it is strongest.

    It stands in for the networks (HED, PiDiNet) that the soft-edge ControlNets were trained with, which no kept library
    has: it knows no objects, and draws texture as strongly as outlines.
    """
    import cv2

    grey = cv2.cvtColor(blurred(picture, max(blur_px, 1.0)), cv2.COLOR_RGB2GRAY).astype(np.float32)
    magnitude = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return _bytes(magnitude / max(float(np.percentile(magnitude, STRONGEST)), 1.0))


def scribble(picture: U8, low: float, high: float, blur_px: float = 0.0) -> U8:
    """Return edges as a thick pen would draw them: Canny's, widened."""
    import cv2

    pen_px = max(2, round(PEN_SHARE * min(picture.shape[:2])))
    thin = canny(picture, low, high, blur_px)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (pen_px + 1, pen_px + 1))
    return np.asarray(cv2.dilate(thin, disc), np.uint8)


def pencil(picture: U8, blur_px: float = 0.0) -> U8:
    """Return what is darker than its surroundings, as a pencil would draw it, in white on black."""
    import cv2

    grey = cv2.cvtColor(blurred(picture, blur_px), cv2.COLOR_RGB2GRAY).astype(np.float32)
    surroundings = cv2.GaussianBlur(grey, (0, 0), max(1.0, PENCIL_BLUR_SHARE * min(grey.shape)))
    return _bytes(2 * (1 - (grey + 1) / (surroundings + 1)))


def straight_lines(picture: U8) -> U8:
    """Return the straight line segments.

    Source: Grompone von Gioi et al. 2010, LSD: a fast line segment detector with a false detection control, PAMI 32(4),
    as OpenCV has it. It stands in for M-LSD, the network that this kind of ControlNet was trained with.
    """
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    found = cv2.createLineSegmentDetector().detect(grey)[0]
    drawing = np.zeros_like(grey)
    for x, y, to_x, to_y in [] if found is None else found.reshape(-1, 4):
        if np.hypot(to_x - x, to_y - y) >= SHORTEST_SHARE * max(grey.shape):
            cv2.line(drawing, (round(x), round(y)), (round(to_x), round(to_y)), 255, 1)
    return np.asarray(drawing, np.uint8)


def strokes(picture: U8) -> U8:
    """Return a drawing by hand as white on black, however it was sent: what most of the picture is, is paper."""
    import cv2

    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.int16)
    return np.where(np.abs(grey - np.median(grey)) > PEN_CONTRAST, 255, 0).astype(np.uint8)


def closeness(relative: Float) -> U8:
    """Return what a model without a unit says, which grows towards the viewer: 255 where nearest, 0 where farthest."""
    lowest, highest = float(relative.min()), float(relative.max())
    return _bytes((relative - lowest) / max(highest - lowest, 1e-9))


def depth_of_inverse(relative: Float) -> Float:
    """Return a depth, in no unit, of an inverse depth whose zero is unknown.

    The farthest is taken to be eleven times as far as the nearest, which keeps all of it finite.
    """
    lowest, highest = float(relative.min()), float(relative.max())
    return np.asarray(1 / ((relative - lowest) / max(highest - lowest, 1e-9) + 0.1))


def normals_of_depth(depth_m: Float, field_of_view_deg: float) -> Float:
    """Return the unit normals (H, W, 3) of the surfaces that a depth map shows, in OpenCV's camera axes.

    Each pixel is put where it lies in space; the normal is the cross product of the steps to its neighbours.

    Args:
        depth_m: (H, W), along the optical axis; its unit does not matter.
        field_of_view_deg: of the picture's width, for a pinhole camera with square pixels and its axis in the middle.
    """
    height, width = depth_m.shape
    focal_px = width / 2 / np.tan(np.radians(field_of_view_deg) / 2)
    v, u = np.indices(depth_m.shape)
    rays = np.stack([(u - (width - 1) / 2) / focal_px, (v - (height - 1) / 2) / focal_px, np.ones_like(depth_m)], -1)
    points = rays * depth_m[..., None]
    normals = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))  # right x down points away ...
    normals = -normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)  # ... so it is turned round
    return np.asarray(normals)


def normal_colours(normals: Float) -> U8:
    """Return normals (H, W, 3), in OpenCV's camera axes, as the ControlNet was shown them.

    Blue faces the viewer, red the left, green the top; where there is no surface (a normal of 0) it faces the viewer.
    Source: the colours of ScanNet's protocol, as the authors of ControlNet 1.1 describe control_v11p_sd15_normalbae.
    """
    facing = np.where(np.abs(normals).sum(-1, keepdims=True) > 0, normals, (0.0, 0.0, -1.0))
    return _bytes((1 - facing) / 2)


def outlines(ids: NDArray[np.integer]) -> U8:
    """Return where one thing ends and another begins, one pixel thin, of a map (H, W) of what each pixel shows."""
    drawing = np.zeros(ids.shape, np.uint8)
    drawing[:, :-1] |= 255 * (ids[:, :-1] != ids[:, 1:]).astype(np.uint8)
    drawing[:-1] |= 255 * (ids[:-1] != ids[1:]).astype(np.uint8)
    return drawing


def blurred(picture: U8, blur_px: float) -> U8:
    """Return a picture without its finest detail: a Gaussian blur of that standard deviation; 0 is the picture."""
    import cv2

    return np.asarray(cv2.GaussianBlur(picture, (0, 0), blur_px), np.uint8) if blur_px else picture


def _bytes(shares: Float) -> U8:
    """Return shares, clipped to 0 to 1, as 0 to 255."""
    return np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)
