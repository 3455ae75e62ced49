"""The colours in which segmentations and poses are drawn: ControlNets know what is what by exactly these."""

from __future__ import annotations

import colorsys
import math

import numpy as np
from numpy.typing import NDArray

# The 150 classes of ADE20K's scene parsing benchmark, in its order: wall, building, sky, floor, tree, ...
# Source: Zhou et al. 2017, Scene parsing through ADE20K dataset; the colours of its development kit.
ADE20K = bytes.fromhex(
    "787878 b47878 06e6e6 503232 04c803 787850 8c8c8c cc05ff e6e6e6 04fa07 e005ff ebff07 96053d 787846 08ff33 ff0652 "
    "8fff8c ccff04 ff3307 cc4603 0066c8 3de6fa ff0633 0b66ff ff0747 ff09e0 0907e6 dcdcdc ff095c 7009ff 08ffd6 07ffe0 "
    "ffb806 0aff47 ff290a 07ffff e0ff08 6608ff ff3d06 ffc207 ff7a08 00ff14 ff0829 ff0599 0633ff eb0cff a09614 00a3ff "
    "8c8c8c fa0a0f 14ff00 1fff00 ff1f00 ffe000 99ff00 0000ff ff4700 00ebff 00adff 1f00ff 0bc8c8 ff5200 00fff5 003dff "
    "00ff70 00ff85 ff0000 ffa300 ff6600 c2ff00 008fff 33ff00 0052ff 00ff29 00ffad 0a00ff adff00 00ff99 ff5c00 ff00ff "
    "ff00f5 ff0066 ffad00 ff0014 ffb8b8 001fff 00ff3d 0047ff ff00cc 00ffc2 00ff52 000aff 0070ff 3300ff 00c2ff 007aff "
    "00ffa3 ff9900 00ff0a ff7000 8fff00 5200ff a3ff00 ffeb00 08b8aa 8500ff 00ff5c b800ff ff001f 00b8ff 00d6ff ff0070 "
    "5cff00 00e0ff 70e0ff 46b8a0 a300ff 9900ff 47ff00 ff00a3 ffcc00 ff008f 00ffeb 85ff00 ff00eb f500ff ff007a fff500 "
    "0abed4 d6ff00 00ccff 1400ff ffff00 0099ff 0029ff 00ffcc 2900ff 29ff00 ad00ff 00f5ff 4700ff 7a00ff 00ffb8 005cff "
    "b8ff00 0085ff ffd600 19c2c2 66ff00 5c00ff "
)

# The eighteen points of OpenPose's body: nose, neck, then shoulder, elbow and wrist, right and left, hip, knee and
# ankle, right and left, eyes and ears, right and left; and the bones between them. Source: Cao et al. 2017, OpenPose,
# arXiv:1812.08008; thickness and dimming as in the annotator that came with ControlNet.
ARMS = ((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7))
LEGS = ((1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13))
HEAD = ((1, 0), (0, 14), (14, 16), (0, 15), (15, 17))
BONES = (*ARMS, *LEGS, *HEAD)
COCO_POINTS = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)  # COCO's number of each; it has no neck
COLOURS = [tuple(round(255 * part) for part in colorsys.hsv_to_rgb(number / 18, 1, 1)) for number in range(18)]
HALF_THICK_SHARE = 4 / 512  # of a bone, of the picture's shorter side
DIMMED = 0.6  # bones, so that the points on them are seen
SURE_POINT = 0.3  # least score of a point that is drawn


def classes_drawn(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W, 3) in ADE20K's colours of classes (H, W), 0 to 149."""
    return np.frombuffer(ADE20K, np.uint8).reshape(-1, 3)[classes]


def poses_drawn(people: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return skeletons in OpenPose's colours on black.

    Args:
        people: (N, 17, 3): x and y, pixels, and score of COCO's points of each person.
        size: width and height of the drawing.
    """
    import cv2

    drawing = np.zeros((size[1], size[0], 3), np.uint8)
    half_px = max(1, round(HALF_THICK_SHARE * min(size)))
    bodies = [_openpose(person) for person in people]
    for body in bodies:
        for (start, end), colour in zip(BONES, COLOURS, strict=False):
            (x, y, sure), (to_x, to_y, to_sure) = body[start], body[end]
            if min(sure, to_sure) >= SURE_POINT:
                middle, length = ((x + to_x) / 2, (y + to_y) / 2), math.hypot(to_x - x, to_y - y)
                turn = math.degrees(math.atan2(to_y - y, to_x - x))
                cv2.ellipse(drawing, (middle, (length, 2 * half_px), turn), colour, -1)
    drawing = (drawing * DIMMED).astype(np.uint8)
    for body in bodies:
        for (x, y, sure), colour in zip(body, COLOURS, strict=True):
            if sure >= SURE_POINT:
                cv2.circle(drawing, (round(float(x)), round(float(y))), half_px, colour, -1)
    return drawing


def _openpose(person: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return OpenPose's eighteen points of COCO's seventeen; the neck is midway between the shoulders."""
    shoulders = person[[5, 6]]
    neck = np.append(shoulders[:, :2].mean(0), shoulders[:, 2].min())
    return np.stack([neck if number is None else person[number] for number in COCO_POINTS]).astype(np.float32)
